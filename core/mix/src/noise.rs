//! Noise taken out of one talker's voice, where they ask for it.

use crate::codec::{FRAME, Suppressor};

/// What one talker's suppression is in the middle of.
#[derive(Debug)]
pub(crate) struct Quieting<S> {
    /// There while it is wanted, or on its way out: with it goes all that it remembers.
    suppressor: Option<S>,
    /// How much of what it gives is heard, rather than what came.
    share: f32,
    frame: Vec<f32>,
}

impl<S> Default for Quieting<S> {
    fn default() -> Self {
        Self {
            suppressor: None,
            share: 0.0,
            frame: Vec::new(),
        }
    }
}

impl<S: Suppressor> Quieting<S> {
    /// The next 20 ms. What is turned on or off fades within such a step, since what comes out is later than what went in; and
    /// the first step is heard as it came, until the suppressor knows the noise. Whether the frame is another one now.
    pub(crate) fn pass(&mut self, frame: &mut [f32], wanted: bool, make: impl FnOnce() -> S) -> bool {
        if !wanted && self.share == 0.0 {
            self.suppressor = None;
            return false;
        }
        let knows = self.suppressor.is_some();
        self.frame.clear();
        self.frame.extend_from_slice(frame);
        self.suppressor.get_or_insert_with(make).suppress(&mut self.frame);
        let before = self.share;
        self.share = if wanted && knows { 1.0 } else { 0.0 };
        let step = (self.share - before) / FRAME as f32;
        for (at, (sample, quiet)) in frame.iter_mut().zip(&self.frame).enumerate() {
            *sample += (quiet - *sample) * (before + step * at as f32);
        }
        true
    }
}
