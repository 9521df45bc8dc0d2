//! Sound that is played into a room beside its voices: samples given from outside, a frame of them mixed in each step.

use std::collections::VecDeque;

use crate::codec::{FRAME, RATE};

/// Samples that wait at most: two seconds.
const WAITING: usize = 2 * RATE;

/// What waits to be heard.
#[derive(Debug, Default)]
pub(crate) struct Announcement {
    waiting: VecDeque<f32>,
    pub(crate) frame: Vec<f32>,
}

impl Announcement {
    /// Takes what there is room for; says how many samples that were.
    pub(crate) fn feed(&mut self, samples: &[f32]) -> usize {
        let room = WAITING.saturating_sub(self.waiting.len()).min(samples.len());
        let finite = |sample: &f32| {
            if sample.is_finite() {
                sample.clamp(-1.0, 1.0)
            } else {
                0.0
            }
        };
        self.waiting.extend(samples.iter().take(room).map(finite));
        room
    }

    /// Puts the next frame in place; whether there was anything.
    pub(crate) fn play(&mut self) -> bool {
        let ready = self.waiting.len().min(FRAME);
        self.frame.clear();
        self.frame.extend(self.waiting.drain(..ready));
        self.frame.resize(FRAME, 0.0);
        ready > 0
    }

    /// Nothing waits to be played.
    pub(crate) fn is_dry(&self) -> bool {
        self.waiting.is_empty()
    }
}
