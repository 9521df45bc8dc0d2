//! One client of AppRTC: what it says before anybody is there is kept, and so is what it cannot be told yet.

use std::collections::VecDeque;

use trefoil_wire::{DescriptionKind, Dialect, Part};

/// What is to be done for a member, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Tell the other one.
    Say(String),
    /// Send this over the member's WebSocket.
    Send(String),
}

/// More waits than may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueFull;

/// One client of AppRTC.
#[derive(Debug)]
pub struct Member {
    limit: usize,
    /// How many others are in the room, as far as this one was told.
    others: usize,
    /// Said while nobody was there, or nobody who listens.
    said: VecDeque<String>,
    /// Heard while there was no WebSocket.
    heard: VecDeque<String>,
    attached: bool,
    /// It can take what it is told: clients drop what comes before they have made their connection.
    listens: bool,
    /// The other one has said goodbye.
    hung_up: bool,
}

impl Member {
    /// Somebody who came in beside `others`; at most `limit` messages wait each way. With `answers`, what it is told waits
    /// until it has answered an offer, or [`Member::listen`] says that it had time enough.
    #[must_use]
    pub const fn new(others: usize, limit: usize, answers: bool) -> Self {
        Self {
            limit,
            others,
            said: VecDeque::new(),
            heard: VecDeque::new(),
            attached: false,
            listens: others == 0 || !answers,
            hung_up: false,
        }
    }

    /// Whether it makes the offer: nobody was there before it, or nobody is any more.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.others == 0
    }

    /// Whether it has a WebSocket.
    #[must_use]
    pub const fn is_attached(&self) -> bool {
        self.attached
    }

    /// It says something.
    ///
    /// # Errors
    /// [`QueueFull`] if nobody is there and too much waits already; it is not kept.
    pub fn say(&mut self, text: String) -> Result<Vec<Act>, QueueFull> {
        // Whoever has said goodbye hears no offer, which is for the one who comes next.
        if self.others > 0 && !self.hung_up {
            let mut acts = vec![Act::Say(text)];
            acts.extend(self.listen());
            return Ok(acts);
        }
        if self.said.len() >= self.limit {
            return Err(QueueFull);
        }
        self.said.push_back(text);
        Ok(Vec::new())
    }

    /// It can take what it is told from now on.
    pub fn listen(&mut self) -> Vec<Act> {
        self.listens = true;
        self.tell_all()
    }

    /// What it has heard while it could not be told, once there is an offer in it.
    pub fn take_offer(&mut self) -> Option<Vec<String>> {
        let is_offer = |text: &String| {
            let part = serde_json::from_str(text).map(|value| Dialect::Labelled.read(value));
            matches!(part, Ok(Part::Description(description)) if description.kind == DescriptionKind::Offer)
        };
        self.heard
            .iter()
            .any(is_offer)
            .then(|| self.heard.drain(..).collect())
    }

    /// What it has said to nobody, for the one who comes now.
    pub fn take_said(&mut self) -> Vec<String> {
        self.said.drain(..).collect()
    }

    /// Somebody came.
    pub fn joined(&mut self) -> Vec<Act> {
        self.others += 1;
        self.hung_up = false;
        self.said.drain(..).map(Act::Say).collect()
    }

    /// Somebody is gone. Who did not say goodbye could not: it is said for them, so that this one can be called anew.
    pub fn left(&mut self) -> Vec<Act> {
        self.others = self.others.saturating_sub(1);
        // Nobody is left whose offer it could wait for.
        self.listens = true;
        if std::mem::replace(&mut self.hung_up, true) {
            return Vec::new();
        }
        self.tell(Dialect::Labelled.message(&Part::Bye).to_string())
    }

    /// The connection with the media server, which is the other one, is gone: the client makes an offer when it is told
    /// goodbye, and that is answered.
    pub fn call_lost(&mut self) -> Vec<Act> {
        let mut acts = self.left();
        acts.extend(self.joined());
        acts
    }

    /// Somebody of this protocol says something.
    pub fn heard(&mut self, text: &str) -> Vec<Act> {
        let part = serde_json::from_str(text).map(|value| Dialect::Labelled.read(value));
        let mut acts = self.tell(text.to_owned());
        acts.extend(self.note(matches!(part, Ok(Part::Bye))));
        acts
    }

    /// The other one has said goodbye, or something else: then it is there still, and what was kept is for it.
    fn note(&mut self, goodbye: bool) -> Vec<Act> {
        let was_gone = std::mem::replace(&mut self.hung_up, goodbye);
        if was_gone && !goodbye {
            return self.said.drain(..).map(Act::Say).collect();
        }
        Vec::new()
    }

    /// Somebody of another protocol says something.
    pub fn heard_parts(&mut self, parts: &[Part]) -> Vec<Act> {
        let mut acts = Vec::new();
        for part in parts {
            match part {
                Part::Description(_) | Part::Candidate(_) | Part::Removed(_) | Part::Bye => {
                    acts.extend(self.tell(Dialect::Labelled.message(part).to_string()));
                    acts.extend(self.note(matches!(part, Part::Bye)));
                }
                // These clients know no other words.
                Part::Other(_) => {}
            }
        }
        acts
    }

    /// It has a WebSocket now: what it missed is sent.
    pub fn attach(&mut self) -> Vec<Act> {
        self.attached = true;
        self.tell_all()
    }

    /// Its WebSocket is gone.
    pub const fn detach(&mut self) {
        self.attached = false;
    }

    /// The newest is dropped where too much waits.
    fn tell(&mut self, text: String) -> Vec<Act> {
        if self.heard.len() < self.limit {
            self.heard.push_back(text);
        }
        self.tell_all()
    }

    fn tell_all(&mut self) -> Vec<Act> {
        if !self.attached || !self.listens {
            return Vec::new();
        }
        self.heard.drain(..).map(Act::Send).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: &str = r#"{"type":"bye"}"#;

    #[test]
    fn what_is_said_to_nobody_waits_for_the_next_one() {
        let mut ann = Member::new(0, 4, false);
        assert!(ann.is_alone());
        assert_eq!(ann.say("offer".into()), Ok(vec![]));
        assert_eq!(ann.joined(), [Act::Say("offer".into())]);
        assert_eq!(ann.say("more".into()), Ok(vec![Act::Say("more".into())]));
        ann.left();
        assert_eq!(ann.say("anew".into()), Ok(vec![]));
        assert_eq!(ann.take_said(), ["anew"]);
        assert_eq!(ann.joined(), []);
    }

    #[test]
    fn what_is_heard_waits_for_the_websocket_and_survives_a_break() {
        let mut bob = Member::new(1, 4, false);
        assert_eq!(bob.heard("one"), []);
        assert_eq!(bob.attach(), [Act::Send("one".into())]);
        assert_eq!(bob.heard("two"), [Act::Send("two".into())]);
        bob.detach();
        assert_eq!(bob.heard("three"), []);
        assert_eq!(bob.attach(), [Act::Send("three".into())]);
    }

    #[test]
    fn a_goodbye_is_said_once_by_the_other_or_for_it() {
        let mut ann = Member::new(1, 4, false);
        ann.attach();
        assert_eq!(ann.heard(BYE), [Act::Send(BYE.into())]);
        assert_eq!(ann.left(), []);
        ann.joined();
        assert_eq!(ann.left(), [Act::Send(BYE.into())]);
        ann.joined();
        assert_eq!(ann.heard_parts(&[Part::Bye]), [Act::Send(BYE.into())]);
        assert_eq!(ann.left(), []);
    }

    #[test]
    fn an_offer_after_a_goodbye_waits_for_the_one_who_comes_next() {
        let mut ann = Member::new(1, 4, false);
        ann.attach();
        ann.heard(BYE);
        // The other one's seat is not free yet, but nobody listens there.
        assert_eq!(ann.say("offer".into()), Ok(vec![]));
        assert_eq!(ann.left(), []);
        assert_eq!(ann.take_said(), ["offer"]);
        ann.joined();
        ann.heard(BYE);
        assert_eq!(ann.say("anew".into()), Ok(vec![]));
        // Who speaks again is there still.
        let told = vec![Act::Send("back".into()), Act::Say("anew".into())];
        assert_eq!(ann.heard("back"), told);
        assert_eq!(ann.say("more".into()), Ok(vec![Act::Say("more".into())]));
    }

    #[test]
    fn queues_are_bounded_both_ways() {
        let mut ann = Member::new(0, 2, false);
        assert!(ann.say("1".into()).is_ok() && ann.say("2".into()).is_ok());
        assert_eq!(ann.say("3".into()), Err(QueueFull));
        for text in ["a", "b", "c"] {
            ann.heard(text);
        }
        assert_eq!(ann.attach().len(), 2);
    }

    #[test]
    fn words_of_other_protocols_that_are_no_signal_are_not_told() {
        let mut ann = Member::new(1, 4, false);
        ann.attach();
        assert_eq!(ann.heard_parts(&[Part::Other("chat".into())]), []);
    }

    #[test]
    fn who_joined_to_answer_is_told_when_it_has_answered() {
        let mut bob = Member::new(1, 4, true);
        bob.attach();
        assert_eq!(bob.heard("candidate"), []);
        assert_eq!(bob.take_offer(), None);
        let offer = r#"{"type":"offer","sdp":""}"#;
        assert_eq!(bob.heard(offer), []);
        assert_eq!(bob.take_offer().unwrap(), ["candidate", offer]);
        assert_eq!(bob.heard("more"), []);
        assert_eq!(
            bob.say("answer".into()),
            Ok(vec![Act::Say("answer".into()), Act::Send("more".into())])
        );
        assert_eq!(bob.heard("last"), [Act::Send("last".into())]);
    }

    #[test]
    fn who_never_answers_is_told_after_a_while_or_when_the_other_one_goes() {
        let mut bob = Member::new(1, 4, true);
        bob.attach();
        bob.heard("one");
        assert_eq!(bob.listen(), [Act::Send("one".into())]);
        let mut cem = Member::new(1, 4, true);
        cem.attach();
        cem.heard("one");
        assert_eq!(cem.left(), [Act::Send("one".into()), Act::Send(BYE.into())]);
    }

    #[test]
    fn a_lost_call_is_a_goodbye_after_which_what_it_says_is_heard_at_once() {
        let mut ann = Member::new(1, 4, true);
        ann.attach();
        assert_eq!(ann.call_lost(), [Act::Send(BYE.into())]);
        assert_eq!(ann.say("offer".into()), Ok(vec![Act::Say("offer".into())]));
        assert_eq!(ann.heard("answer"), [Act::Send("answer".into())]);
        assert_eq!(ann.call_lost(), [Act::Send(BYE.into())]);
    }
}
