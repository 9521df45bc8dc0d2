//! From any rate up to 48 kHz: a windowed sinc that is looked up between the two nearest of its phases.

use std::f64::consts::PI;

use crate::{codec::RATE, sound::Sound};

/// Samples on each side that one sample is made of.
const HALF: usize = 12;
const TAPS: usize = 2 * HALF;
const PHASES: usize = 256;
/// Kaiser's parameter for about 70 dB.
const BETA: f64 = 6.8;
/// A little below the highest frequency of the slower rate, where the filter has to be closed.
const OPEN: f64 = 0.94;

/// Reads one sound at 48 kHz.
#[derive(Debug)]
pub(crate) struct Resampler {
    /// One row for each phase and one beyond, for those between; empty where nothing is to be done.
    phases: Vec<[f32; TAPS]>,
    rate: u64,
}

impl Resampler {
    pub(crate) fn new(rate: u32) -> Self {
        let phases = if rate as usize == RATE {
            Vec::new()
        } else {
            (0..=PHASES).map(phase).collect()
        };
        Self {
            phases,
            rate: rate.into(),
        }
    }

    /// The `index`th sample of 48 kHz. `wraps` where the sound begins again at its end.
    pub(crate) fn sample(&self, sound: &Sound, index: u64, wraps: bool) -> f32 {
        let position = index * self.rate;
        let (at, rest) = (position / RATE as u64, position % RATE as u64);
        if self.phases.is_empty() {
            return sound.sample(at as usize);
        }
        let between = rest as f32 / RATE as f32 * PHASES as f32;
        let row = between as usize;
        let (Some(low), Some(high)) = (self.phases.get(row), self.phases.get(row + 1)) else {
            return 0.0;
        };
        let share = between - row as f32;
        let frames = sound.frames();
        let taps = low.iter().zip(high).enumerate().map(|(tap, (low, high))| {
            let sample = match (at as usize + tap).checked_sub(HALF - 1) {
                Some(place) if wraps && place >= frames => sound.sample(place % frames),
                Some(place) => sound.sample(place),
                None => 0.0,
            };
            sample * (low + (high - low) * share)
        });
        taps.sum()
    }
}

/// The filter for a sample that lies between two by `number` of [`PHASES`]; its sum is 1.
fn phase(number: usize) -> [f32; TAPS] {
    let between = number as f64 / PHASES as f64;
    let mut row = [0.0; TAPS];
    for (tap, value) in row.iter_mut().enumerate() {
        let x = tap as f64 - (HALF - 1) as f64 - between;
        let sinc = if x == 0.0 {
            OPEN
        } else {
            (PI * OPEN * x).sin() / (PI * x)
        };
        *value = (sinc * kaiser(x / HALF as f64, BETA)) as f32;
    }
    let sum: f32 = row.iter().sum();
    row.map(|value| value / sum)
}

/// Kaiser's window at `x`; its ends are at -1 and 1.
#[must_use]
pub fn kaiser(x: f64, beta: f64) -> f64 {
    bessel(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel(beta)
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..30 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}
