//! Between 8 and 48 kHz by a polyphase filter: a windowed sinc of 96 taps that passes 3.4 kHz and stops what would fold.

use std::{collections::VecDeque, f64::consts::PI};

use trefoil_mix::kaiser;

/// 48 kHz over 8 kHz.
pub(crate) const RATIO: usize = 6;
/// Taps of each phase.
const TAPS: usize = 16;
/// Where the filter is half open, as a share of 48 kHz.
const CUTOFF: f64 = 3_800.0 / 48_000.0;
/// Kaiser's parameter for about 60 dB.
const BETA: f64 = 5.65;

/// The whole filter; its sum is 1.
fn filter() -> Vec<f32> {
    let length = RATIO * TAPS;
    let middle = (length - 1) as f64 / 2.0;
    let taps: Vec<f64> = (0..length)
        .map(|at| {
            let x = at as f64 - middle;
            let sinc = (2.0 * PI * CUTOFF * x).sin() / (PI * x);
            sinc * kaiser(x / (middle + 0.5), BETA)
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / sum) as f32).collect()
}

/// 8 to 48 kHz.
#[derive(Debug)]
pub(crate) struct Up {
    /// One row for each phase.
    phases: Vec<Vec<f32>>,
    /// The newest first.
    past: VecDeque<f32>,
}

impl Up {
    pub(crate) fn new() -> Self {
        let filter = filter();
        let phase = |first| {
            let taps = filter.iter().skip(first).step_by(RATIO);
            taps.map(|tap| tap * RATIO as f32).collect()
        };
        Self {
            phases: (0..RATIO).map(phase).collect(),
            past: VecDeque::from(vec![0.0; TAPS]),
        }
    }

    pub(crate) fn push(&mut self, sample: f32, out: &mut Vec<f32>) {
        self.past.pop_back();
        self.past.push_front(sample);
        for phase in &self.phases {
            out.push(phase.iter().zip(&self.past).map(|(tap, past)| tap * past).sum());
        }
    }
}

/// 48 to 8 kHz.
#[derive(Debug)]
pub(crate) struct Down {
    filter: Vec<f32>,
    past: Vec<f32>,
}

impl Down {
    pub(crate) fn new() -> Self {
        let filter = filter();
        Self {
            past: vec![0.0; filter.len() - RATIO],
            filter,
        }
    }

    /// Calls `take` with each sample of 8 kHz. What is no multiple of six waits for the next call.
    pub(crate) fn push(&mut self, samples: impl Iterator<Item = f32>, mut take: impl FnMut(f32)) {
        self.past.extend(samples);
        for window in self.past.windows(self.filter.len()).step_by(RATIO) {
            take(
                window
                    .iter()
                    .zip(&self.filter)
                    .map(|(sample, tap)| sample * tap)
                    .sum(),
            );
        }
        let waiting = self.filter.len() - RATIO + self.past.len() % RATIO;
        self.past.drain(..self.past.len().saturating_sub(waiting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: f64, count: usize) -> Vec<f32> {
        (0..count)
            .map(|at| (2.0 * PI * hertz * at as f64 / rate).sin() as f32)
            .collect()
    }

    /// The level of one frequency, in dB below a full-scale tone.
    fn level(samples: &[f32], hertz: f64, rate: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            let angle = 2.0 * PI * hertz * at as f64 / rate;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        20.0 * ((re * re + im * im).sqrt() * 2.0 / samples.len() as f64).log10()
    }

    fn up(samples: &[f32]) -> Vec<f32> {
        let (mut up, mut out) = (Up::new(), Vec::new());
        for sample in samples {
            up.push(*sample, &mut out);
        }
        out
    }

    #[test]
    fn a_voice_passes_and_its_images_do_not() {
        for hertz in [200.0, 1000.0, 3000.0] {
            let out = up(&tone(hertz, 8000.0, 4000));
            let steady = &out[4800..];
            assert!(level(steady, hertz, 48_000.0).abs() < 0.5, "{hertz} Hz passes");
            let image = level(steady, 8000.0 - hertz, 48_000.0);
            assert!(image < -50.0, "the image of {hertz} Hz is at {image} dB");
        }
    }

    #[test]
    fn what_would_fold_is_stopped() {
        let down = |hertz| {
            let (mut down, mut out) = (Down::new(), Vec::new());
            down.push(tone(hertz, 48_000.0, 48_000).into_iter(), |sample| {
                out.push(sample)
            });
            out.split_off(800)
        };
        assert!(level(&down(1000.0), 1000.0, 8000.0).abs() < 0.2);
        let folded = level(&down(5000.0), 3000.0, 8000.0);
        assert!(folded < -50.0, "5 kHz folds to {folded} dB");
    }

    #[test]
    fn pieces_of_any_size_make_the_same_stream() {
        let samples = tone(440.0, 48_000.0, 9600);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Down::new().push(samples.iter().copied(), |sample| whole.push(sample));
        let mut down = Down::new();
        for piece in samples.chunks(77) {
            down.push(piece.iter().copied(), |sample| pieces.push(sample));
        }
        assert_eq!(whole.len(), 1600);
        assert_eq!(whole, pieces);
    }
}
