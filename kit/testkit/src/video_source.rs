//! A source of packets that behaves like video: frames, now and then a large one, at a rate that follows an estimate.

use std::time::Duration;

use crate::Seed;

/// 30 frames a second.
const FRAME: Duration = Duration::from_micros(33_333);
/// A packet on the wire.
const PACKET: usize = 1200;
/// What an encoder leaves of the estimate for audio, in bits per second.
const AUDIO: u64 = 50_000;
const KEYFRAME_EACH: Duration = Duration::from_secs(10);
const KEYFRAME_TIMES: f64 = 5.0;

/// How the rate follows the estimate.
#[derive(Clone, Debug)]
pub enum Follows {
    /// An encoder: a little below the estimate, at most the demand.
    Estimate,
    /// A forwarder: the highest of these rates that fits into the estimate and the demand.
    Layers(Vec<u64>),
}

/// The source.
#[derive(Clone, Debug)]
pub struct VideoSource {
    follows: Follows,
    seed: Seed,
    rate: u64,
    next_frame: Duration,
    next_keyframe: Duration,
    /// Bytes of a keyframe that later frames still have to save.
    owed: f64,
}

impl VideoSource {
    /// A source that has not sent anything.
    #[must_use]
    pub fn new(follows: Follows, seed: Seed) -> VideoSource {
        VideoSource {
            follows,
            seed,
            rate: 0,
            next_frame: Duration::ZERO,
            next_keyframe: Duration::ZERO,
            owed: 0.0,
        }
    }

    /// What it sends, in bits per second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Chooses the rate.
    pub fn follow(&mut self, estimate: u64, demand: u64, now: Duration) {
        let before = self.rate;
        self.rate = match &self.follows {
            Follows::Estimate => (estimate / 20 * 19)
                .saturating_sub(AUDIO)
                .clamp(20_000, demand.max(20_000)),
            Follows::Layers(layers) => {
                // Up only with some room, so that it does not flap.
                let fits = |layer: u64| {
                    let room = if layer > before { layer / 20 } else { 0 };
                    layer + room <= estimate && layer <= demand
                };
                let fitting = layers.iter().copied().filter(|layer| fits(*layer)).max();
                fitting.or_else(|| layers.iter().copied().min()).unwrap_or(0)
            }
        };
        if matches!(self.follows, Follows::Layers(_)) && self.rate != before {
            self.next_keyframe = now;
        }
    }

    /// The packets of the frames that are due, as sizes on the wire.
    pub fn packets(&mut self, now: Duration) -> Vec<usize> {
        let mut packets = Vec::new();
        while self.next_frame <= now {
            self.next_frame += FRAME;
            let mut left = self.frame(now);
            while left > 0 {
                packets.push(left.min(PACKET));
                left = left.saturating_sub(PACKET);
            }
        }
        packets
    }

    fn frame(&mut self, now: Duration) -> usize {
        let usual = self.rate as f64 / 8.0 * FRAME.as_secs_f64();
        let chance = 0.7 + self.seed.below(601) as f64 / 1000.0;
        if now >= self.next_keyframe {
            self.next_keyframe = now + KEYFRAME_EACH;
            self.owed += usual * (KEYFRAME_TIMES - 1.0);
            return (usual * KEYFRAME_TIMES) as usize;
        }
        let saved = self.owed.min(usual * 0.2);
        self.owed -= saved;
        (usual * chance - saved).max(100.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(source: &mut VideoSource, seconds: u64) -> Vec<usize> {
        (0..seconds * 1000)
            .flat_map(|millis| source.packets(Duration::from_millis(millis)))
            .collect()
    }

    #[test]
    fn an_encoder_sends_a_little_less_than_the_estimate() {
        let mut source = VideoSource::new(Follows::Estimate, Seed::new(1));
        source.follow(1_000_000, 5_000_000, Duration::ZERO);
        let packets = sent(&mut source, 20);
        let rate = packets.iter().sum::<usize>() * 8 / 20;
        assert!((900_000..1_000_000).contains(&rate), "{rate}");
        assert!(packets.iter().all(|packet| *packet <= PACKET));
    }

    #[test]
    fn a_forwarder_sends_the_layer_that_fits_and_begins_it_with_a_keyframe() {
        let layers = Follows::Layers(vec![150_000, 500_000, 1_500_000]);
        let mut source = VideoSource::new(layers, Seed::new(1));
        source.follow(1_400_000, u64::MAX, Duration::ZERO);
        assert_eq!(source.rate(), 500_000);
        assert!(source.packets(Duration::ZERO).len() >= 8);
        source.follow(100_000, u64::MAX, Duration::ZERO);
        assert_eq!(source.rate(), 150_000);
        source.follow(9_000_000, 600_000, Duration::ZERO);
        assert_eq!(source.rate(), 500_000);
    }
}
