//! How loud one participant is, and for how long: what choosing the talkers needs to know.

use std::time::Duration;

use crate::level::SILENT;

/// A voice that was audible so long ago still speaks, to those who look.
const SPEAKING: Duration = Duration::from_millis(300);
/// Without a level, packets or measurements are believed for so long.
const FRESH: Duration = Duration::from_secs(1);
/// Audible packets in a row after which a muted person is told so: 300 ms.
const MUTED_TALK: u32 = 15;
/// A challenger must be so much louder (dB).
const LOUDER: f32 = 3.0;

/// The level of one participant over time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// The last level, falling slowly so that a syllable's end is not the end of speech.
    level: f32,
    /// The level over a word or two; up within 100 ms, down within 300.
    steady: f32,
    /// Its packets say how loud they are.
    pub(crate) told: bool,
    heard: Option<Duration>,
    audible: Option<Duration>,
    pub(crate) louder_since: Option<Duration>,
    pub(crate) measured: Option<Duration>,
    muted_talk: u32,
}

impl Default for Voice {
    fn default() -> Self {
        Self {
            level: f32::from(SILENT),
            steady: f32::from(SILENT),
            told: false,
            heard: None,
            audible: None,
            louder_since: None,
            measured: None,
            muted_talk: 0,
        }
    }
}

impl Voice {
    /// A level was told or measured; levels from `audible` up count as silence.
    pub(crate) fn hear(&mut self, level: u8, audible: u8, now: Duration) {
        let new = f32::from(level.min(SILENT));
        self.level = if new < self.level {
            new
        } else {
            self.level + (new - self.level) / 4.0
        };
        let slowness = if new < self.steady { 6.0 } else { 16.0 };
        self.steady += (new - self.steady) / slowness;
        if level < audible {
            self.audible = Some(now);
        }
    }

    /// A packet came that is not known to be silent.
    pub(crate) fn arrived(&mut self, now: Duration) {
        self.heard = Some(now);
    }

    /// A packet of somebody muted; whether it is time to say so.
    pub(crate) fn talks_muted(&mut self, is_audible: bool) -> bool {
        self.muted_talk = if is_audible {
            self.muted_talk.saturating_add(1)
        } else {
            0
        };
        self.muted_talk == MUTED_TALK
    }

    /// Whether it was audible within `span`.
    pub(crate) fn audible_within(&self, span: Duration, now: Duration) -> bool {
        self.audible.is_some_and(|at| now.saturating_sub(at) < span)
    }

    /// Whether it speaks, to those who look.
    pub(crate) fn speaks(&self, now: Duration) -> bool {
        self.audible_within(SPEAKING, now)
    }

    /// Whether packets still come.
    pub(crate) fn is_active(&self, now: Duration) -> bool {
        self.heard.is_some_and(|at| now.saturating_sub(at) < FRESH)
    }

    /// The level as others may see it.
    pub(crate) fn level(&self) -> u8 {
        self.level as u8
    }

    /// Whether it has been louder than `other` for `span`; asks again each step.
    pub(crate) fn challenges(&mut self, other: &Self, span: Duration, now: Duration) -> bool {
        let leads = !other.speaks(now) || self.steady + LOUDER < other.steady;
        if !(leads && self.speaks(now)) {
            self.louder_since = None;
            return false;
        }
        let since = *self.louder_since.get_or_insert(now);
        now.saturating_sub(since) >= span
    }

    /// The order of who gives way first: the one that is silent, then the quieter one.
    pub(crate) fn weakness(&self, now: Duration) -> (bool, u16) {
        (!self.speaks(now), (self.steady * 16.0) as u16)
    }
}
