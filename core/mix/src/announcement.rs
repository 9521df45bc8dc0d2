//! Sound that is played into a room: samples given from outside, a frame of them mixed in each step.

use std::collections::VecDeque;

use crate::codec::{FRAME, RATE};

/// Samples that wait at most: two seconds.
const WAITING: usize = 2 * RATE;

/// One announcement.
#[derive(Debug)]
pub(crate) struct Announcement {
    waiting: VecDeque<f32>,
    pub(crate) gain: f32,
    /// Samples that were heard.
    pub(crate) played: u64,
    /// No more will come.
    pub(crate) ends: bool,
    /// It stops with this frame.
    pub(crate) stops: bool,
    pub(crate) frame: Vec<f32>,
}

impl Announcement {
    pub(crate) fn new(gain: f32) -> Self {
        Self {
            waiting: VecDeque::new(),
            gain,
            played: 0,
            ends: false,
            stops: false,
            frame: Vec::new(),
        }
    }

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
        let gain = self.gain;
        self.frame
            .extend(self.waiting.drain(..ready).map(|sample| sample * gain));
        self.played += ready as u64;
        self.frame.resize(FRAME, 0.0);
        if self.stops {
            let whole = FRAME as f32;
            let fading = self.frame.iter_mut().enumerate();
            fading.for_each(|(at, sample)| *sample *= 1.0 - at as f32 / whole);
        }
        ready > 0
    }

    /// Nothing waits to be played.
    pub(crate) fn is_dry(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stops || (self.ends && self.is_dry())
    }
}
