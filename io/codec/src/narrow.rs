//! G.711 at 48 kHz: resampled both ways, and losses covered by the last pitch period (in the manner of G.711 Appendix I).

use trefoil_mix::{Channels, Codec, Decoder, Encoder, LONGEST, Quality, Undecodable};

use crate::resample::{Down, RATIO, Up};

/// What is kept to repeat from, at 8 kHz: 40 ms.
const PAST: usize = 320;
/// Pitch periods that are tried: 200 to 66 Hz, as in Appendix I.
const PERIODS: std::ops::RangeInclusive<usize> = 40..=120;
/// Samples over which two periods are compared.
const WINDOW: usize = 160;
/// A repetition fades to nothing within 60 ms.
const FADE: f32 = 480.0;

#[derive(Debug)]
pub(crate) struct NarrowDecoder {
    expand: fn(u8) -> f32,
    up: Up,
    past: Vec<f32>,
    /// Samples that were made up since the last packet.
    concealed: usize,
    period: usize,
}

impl NarrowDecoder {
    pub(crate) fn new(expand: fn(u8) -> f32) -> Self {
        Self {
            expand,
            up: Up::new(),
            past: vec![0.0; PAST],
            concealed: 0,
            period: *PERIODS.start(),
        }
    }

    fn push(&mut self, sample: f32, samples: &mut Vec<f32>) {
        self.up.push(sample, samples);
        self.past.push(sample);
    }

    fn forget(&mut self) {
        self.past.drain(..self.past.len().saturating_sub(PAST));
    }

    /// The distance at which the past is most like itself.
    fn find_period(&self) -> usize {
        let likeness = |period: usize| {
            let newest = self.past.iter().rev().take(WINDOW);
            let earlier = self.past.iter().rev().skip(period).take(WINDOW);
            let (mut both, mut own) = (0.0, 1e-9);
            for (a, b) in newest.zip(earlier) {
                both += a * b;
                own += b * b;
            }
            both / own.sqrt()
        };
        PERIODS
            .max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)))
            .unwrap_or(*PERIODS.start())
    }
}

impl Decoder for NarrowDecoder {
    fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> Result<(), Undecodable> {
        Codec::Pcmu.samples(packet).ok_or(Undecodable)?;
        self.concealed = 0;
        for byte in packet {
            self.push((self.expand)(*byte), samples);
        }
        self.forget();
        Ok(())
    }

    fn recover(&mut self, _next: &[u8], missing: usize, samples: &mut Vec<f32>) {
        self.conceal(missing, samples);
    }

    fn conceal(&mut self, missing: usize, samples: &mut Vec<f32>) {
        if self.concealed == 0 {
            self.period = self.find_period();
        }
        let missing = missing.min(LONGEST);
        let (end, whole) = (samples.len() + missing, missing.div_ceil(RATIO));
        for _ in 0..whole {
            let before = self.past.len().saturating_sub(self.period);
            // Each period comes from the one before it, which was already quieter: so only the slope is applied.
            let slope = (1.0 - self.period as f32 / FADE).max(0.0);
            let fade = if self.concealed < self.period { 1.0 } else { slope };
            let sample = self.past.get(before).copied().unwrap_or(0.0) * fade;
            self.push(sample, samples);
            self.concealed += 1;
        }
        samples.truncate(end);
        self.forget();
    }
}

#[derive(Debug)]
pub(crate) struct NarrowEncoder {
    compress: fn(f32) -> u8,
    channels: Channels,
    down: Down,
}

impl NarrowEncoder {
    pub(crate) fn new(compress: fn(f32) -> u8, channels: Channels) -> Self {
        Self {
            compress,
            channels,
            down: Down::new(),
        }
    }
}

impl Encoder for NarrowEncoder {
    fn encode(&mut self, samples: &[f32], packet: &mut Vec<u8>) {
        let compress = self.compress;
        let count = self.channels.count();
        // RFC 3551 knows no stereo G.711: both channels become one.
        let mono = samples
            .chunks_exact(count)
            .map(|both| both.iter().sum::<f32>() / count as f32);
        self.down.push(mono, |sample| packet.push(compress(sample)));
    }

    /// There is one quality.
    fn set_quality(&mut self, _quality: Quality) {}

    /// No byte builds on another.
    fn seam(&mut self) {}
}
