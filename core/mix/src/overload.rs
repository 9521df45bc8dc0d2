//! What is given up, and in which order, when the machine cannot keep up.

use std::time::Duration;

use crate::codec::Quality;

/// Busier than this share of real time is too much.
const TOO_MUCH: f32 = 0.85;
/// Less than this, for [`CALM`], and one step is taken back.
const LITTLE: f32 = 0.55;
/// Reports in a row that are too much before a step is taken.
const PATIENCE: u32 = 5;
/// How long it must be calm.
const CALM: Duration = Duration::from_secs(10);
/// The cheapest complexity that still sounds like a voice codec.
const CHEAP: u8 = 0;

/// How much is given up; each includes what stands before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Rung {
    /// Nothing.
    #[default]
    Full,
    /// Encoders work at the lowest complexity.
    Cheap,
    /// Noise stays in the voices of those who want it taken out.
    Noisy,
    /// Volumes and places of one person for another, and bitrates of their own, are left out: so more hear the same.
    Shared,
    /// Two talkers are heard, and whoever places rooms should send no more here.
    Overloaded,
}

impl Rung {
    fn up(self) -> Self {
        match self {
            Self::Full => Self::Cheap,
            Self::Cheap => Self::Noisy,
            Self::Noisy => Self::Shared,
            Self::Shared | Self::Overloaded => Self::Overloaded,
        }
    }

    fn down(self) -> Self {
        match self {
            Self::Full | Self::Cheap => Self::Full,
            Self::Noisy => Self::Cheap,
            Self::Shared => Self::Noisy,
            Self::Overloaded => Self::Shared,
        }
    }

    /// What becomes of a quality that was asked for.
    pub(crate) fn apply(self, quality: Quality) -> Quality {
        match self {
            Self::Full => quality,
            Self::Cheap | Self::Noisy | Self::Shared | Self::Overloaded => Quality {
                complexity: CHEAP,
                ..quality
            },
        }
    }

    /// Whether there is time for taking noise away.
    pub(crate) fn suppresses_noise(self) -> bool {
        self < Self::Noisy
    }

    /// How many talkers are heard of so many.
    pub(crate) fn talkers(self, talkers: usize) -> usize {
        match self {
            Self::Full | Self::Cheap | Self::Noisy | Self::Shared => talkers,
            Self::Overloaded => talkers.min(2),
        }
    }
}

/// Watches how busy the thread is.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    pub(crate) rung: Rung,
    too_much: u32,
    calm_since: Option<Duration>,
}

impl Ladder {
    /// The thread spent this share of real time on work; whether the rung changed.
    pub(crate) fn report(&mut self, busy: f32, now: Duration) -> bool {
        let before = self.rung;
        if busy > TOO_MUCH {
            self.calm_since = None;
            self.too_much += 1;
            if self.too_much >= PATIENCE {
                self.too_much = 0;
                self.rung = self.rung.up();
            }
        } else {
            self.too_much = 0;
            let since = *self.calm_since.get_or_insert(now);
            if busy > LITTLE {
                self.calm_since = None;
            } else if now.saturating_sub(since) >= CALM {
                self.calm_since = Some(now);
                self.rung = self.rung.down();
            }
        }
        self.rung != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_one_after_the_other_and_back_when_it_is_calm() {
        let (mut ladder, mut now) = (Ladder::default(), Duration::ZERO);
        let mut seen = vec![ladder.rung];
        let mut report = |ladder: &mut Ladder, busy, times| {
            for _ in 0..times {
                now += Duration::from_millis(100);
                if ladder.report(busy, now) {
                    seen.push(ladder.rung);
                }
            }
        };
        report(&mut ladder, 0.95, 4);
        report(&mut ladder, 0.7, 1);
        report(&mut ladder, 0.95, 4);
        assert_eq!(ladder.rung, Rung::Full, "never five in a row");
        report(&mut ladder, 0.95, 40);
        report(&mut ladder, 0.7, 500);
        report(&mut ladder, 0.3, 500);
        let up = [
            Rung::Full,
            Rung::Cheap,
            Rung::Noisy,
            Rung::Shared,
            Rung::Overloaded,
        ];
        let down: Vec<_> = up.into_iter().rev().skip(1).collect();
        assert_eq!(seen, [&up[..], &down].concat());
    }

    #[test]
    fn a_cheap_encoder_keeps_its_rate() {
        let quality = Quality::default();
        assert_eq!(Rung::Full.apply(quality), quality);
        assert_eq!(
            Rung::Cheap.apply(quality),
            Quality {
                complexity: 0,
                ..quality
            }
        );
        assert_eq!((Rung::Shared.talkers(6), Rung::Overloaded.talkers(6)), (6, 2));
    }
}
