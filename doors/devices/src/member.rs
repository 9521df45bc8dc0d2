//! One WebSocket: what it says before it is a member waits, and a device that promised to be heard must be heard.

use std::time::Duration;

use serde::Deserialize;
use trefoil_room::Moment;

/// What may be said before membership; more is dropped.
pub const HELD_LIMIT: usize = 64;

/// One WebSocket of a browser or a device.
#[derive(Debug, Default)]
pub struct Member {
    inside: bool,
    held: Vec<String>,
    /// When it last said that it is alive, if it ever did.
    alive: Option<Moment>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type", default)]
    kind: String,
}

impl Member {
    /// Somebody who is no member yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is a member.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.inside
    }

    /// It says something; what the others are to be told now, if anything.
    pub fn receive(&mut self, text: String, now: Moment) -> Option<String> {
        let is_alive = serde_json::from_str::<Kind>(&text).is_ok_and(|message| message.kind == "keepAlive");
        if is_alive {
            self.alive = Some(now);
            return None;
        }
        if self.inside {
            return Some(text);
        }
        // A browser may call before the answer to our ping is read.
        if self.held.len() < HELD_LIMIT {
            self.held.push(text);
        }
        None
    }

    /// It is a member; what it has said until now.
    pub fn entered(&mut self) -> Vec<String> {
        self.inside = true;
        std::mem::take(&mut self.held)
    }

    /// When it will have been silent for `patience`; never for those who did not promise anything.
    #[must_use]
    pub fn deadline(&self, patience: Duration) -> Option<Moment> {
        self.alive.map(|alive| alive + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_too_early_waits_and_keep_alive_goes_nowhere() {
        let now = Moment::default();
        let mut member = Member::new();
        assert_eq!(member.receive("offer".into(), now), None);
        assert_eq!(member.receive(r#"{"type":"keepAlive"}"#.into(), now), None);
        assert_eq!(member.entered(), ["offer"]);
        assert_eq!(member.receive("more".into(), now).as_deref(), Some("more"));
        assert_eq!(member.receive(r#"{"type":"keepAlive"}"#.into(), now), None);
        assert!(member.is_inside());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut member = Member::new();
        for _ in 0..2 * HELD_LIMIT {
            member.receive("x".into(), Moment::default());
        }
        assert_eq!(member.entered().len(), HELD_LIMIT);
    }

    #[test]
    fn only_who_was_ever_alive_can_be_silent() {
        let patience = Duration::from_secs(20);
        let mut member = Member::new();
        assert_eq!(member.deadline(patience), None);
        member.receive(r#"{"type":"keepAlive"}"#.into(), Moment::from_millis(5));
        assert_eq!(member.deadline(patience), Some(Moment::from_millis(20_005)));
    }
}
