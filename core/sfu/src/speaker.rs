//! Who speaks.
//!
//! The dominant speaker is found as by Volfin and Cohen, "Dominant speaker identification for multipoint
//! videoconferencing" (IEEEI 2012): activity is scored over an immediate (20 ms), a medium (200 ms) and a long (1 s)
//! interval, and somebody takes over only where all three speak for them, so a cough does not.

use std::{collections::BTreeMap, time::Duration};

use crate::TrackId;

/// Sub-bands of one frame.
const BANDS: u8 = 13;
/// Levels that are one sub-band.
const LEVELS_A_BAND: u8 = 10;
/// Frames of a medium interval.
const FRAMES: usize = 10;
/// Medium intervals of a long one.
const MEDIUMS: usize = 5;
/// Sub-bands from which on a frame counts as active.
const ACTIVE_BANDS: u8 = 4;
/// Active frames from which on a medium interval counts as active.
const ACTIVE_FRAMES: u8 = 4;
/// What an inaudible microphone says.
const SILENT: u8 = 127;
/// Who was not louder than this for [`HANGOVER`] is no longer said to speak.
const AUDIBLE: u8 = 60;
const HANGOVER: Duration = Duration::from_millis(600);
/// A microphone that says nothing for so long (DTX, mute) is silent.
const STALE: Duration = Duration::from_millis(300);
/// By how much a challenger must lead in each interval.
const LEAD: [f64; 3] = [3.0, 2.0, 0.0];

#[derive(Debug)]
struct Voice {
    /// Active sub-bands of the last frames, the newest first.
    frames: [u8; FRAMES],
    /// Active frames of the last medium intervals, the newest first.
    mediums: [u8; MEDIUMS],
    count: u8,
    level: u8,
    heard: Duration,
    audible: Option<Duration>,
    scores: [f64; 3],
}

/// All voices of a room.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    voices: BTreeMap<TrackId, Voice>,
    dominant: Option<TrackId>,
    told: Vec<(TrackId, u8)>,
}

impl Speakers {
    /// `level` is -dBov, 127 for silence (RFC 6464).
    pub(crate) fn level(&mut self, track: TrackId, level: u8, now: Duration) {
        let voice = self.voices.entry(track).or_insert(Voice {
            frames: [0; FRAMES],
            mediums: [0; MEDIUMS],
            count: 0,
            level: SILENT,
            heard: now,
            audible: None,
            scores: [MINIMUM; 3],
        });
        voice.hear(level.min(SILENT), now);
    }

    pub(crate) fn remove(&mut self, track: TrackId) {
        self.voices.remove(&track);
        self.dominant = self.dominant.filter(|dominant| *dominant != track);
    }

    /// Looks at all voices; whether what [`Speakers::active`] says has changed.
    pub(crate) fn update(&mut self, now: Duration) -> bool {
        for voice in self.voices.values_mut() {
            if now.saturating_sub(voice.heard) > STALE {
                voice.hear(SILENT, now);
            }
            voice.score();
        }
        self.elect();
        let mut active: Vec<_> = self
            .voices
            .iter()
            .filter(|(_, voice)| voice.audible.is_some_and(|at| now.saturating_sub(at) < HANGOVER))
            .map(|(track, voice)| (*track, voice.level))
            .collect();
        active.sort_by_key(|(track, level)| (Some(*track) != self.dominant, *level, *track));
        let same = active
            .iter()
            .map(|(track, _)| track)
            .eq(self.told.iter().map(|(track, _)| track));
        self.told = active;
        !same
    }

    /// Who speaks, the dominant one first, then the louder ones first; with their levels.
    pub(crate) fn active(&self) -> &[(TrackId, u8)] {
        &self.told
    }

    /// Who leads the talk, until somebody else does.
    pub(crate) const fn dominant(&self) -> Option<TrackId> {
        self.dominant
    }

    /// All tracks, those who spoke last first.
    pub(crate) fn by_recency(&self) -> Vec<TrackId> {
        let mut voices: Vec<_> = self.voices.iter().collect();
        voices.sort_by_key(|(track, voice)| (std::cmp::Reverse(voice.audible), **track));
        voices.into_iter().map(|(track, _)| *track).collect()
    }

    fn elect(&mut self) {
        let Some(holder) = self.dominant.and_then(|dominant| self.voices.get(&dominant)) else {
            let first = self
                .voices
                .iter()
                .filter(|(_, voice)| voice.audible.is_some())
                .max_by(|(_, a), (_, b)| a.scores[1].total_cmp(&b.scores[1]));
            self.dominant = first.map(|(track, _)| *track);
            return;
        };
        let lead = |voice: &Voice| {
            let [a, b, c] = [0, 1, 2].map(|interval| {
                let (own, held) = (voice.scores.get(interval), holder.scores.get(interval));
                (own.copied().unwrap_or(MINIMUM) / held.copied().unwrap_or(MINIMUM)).ln()
            });
            (a > LEAD[0] && b > LEAD[1] && c > LEAD[2]).then_some(b)
        };
        let challenger = self
            .voices
            .iter()
            .filter_map(|(track, voice)| Some((*track, lead(voice)?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((track, _)) = challenger {
            self.dominant = Some(track);
        }
    }
}

/// Scores are never less, so that their ratio is a number.
const MINIMUM: f64 = 1e-10;

impl Voice {
    fn hear(&mut self, level: u8, now: Duration) {
        self.heard = now;
        self.level = if level < self.level {
            level
        } else {
            // Falls slowly, so that a syllable's end is not the end of speech.
            self.level + (level - self.level).div_ceil(4)
        };
        if level <= AUDIBLE {
            self.audible = Some(now);
        }
        self.frames.rotate_right(1);
        self.frames[0] = (SILENT - level) / LEVELS_A_BAND;
        self.count += 1;
        if usize::from(self.count) == FRAMES {
            self.count = 0;
            self.mediums.rotate_right(1);
            self.mediums[0] = self.frames.iter().filter(|frame| **frame > ACTIVE_BANDS).count() as u8;
        }
    }

    fn score(&mut self) {
        let active_frames = self.frames.iter().filter(|frame| **frame > ACTIVE_BANDS).count() as u8;
        let active_mediums = self
            .mediums
            .iter()
            .filter(|medium| **medium > ACTIVE_FRAMES)
            .count() as u8;
        self.scores = [
            activity(self.frames[0], BANDS, 0.5, 0.78),
            activity(active_frames, FRAMES as u8, 0.5, 24.0),
            activity(active_mediums, MEDIUMS as u8, 0.5, 47.0),
        ];
    }
}

/// The log-likelihood ratio of speech against silence, given `active` of `all` parts.
fn activity(active: u8, all: u8, probability: f64, lambda: f64) -> f64 {
    let (active, all) = (f64::from(active.min(all)), f64::from(all));
    let score =
        ln_choose(all, active) + active * probability.ln() + (all - active) * (1.0 - probability).ln()
            - lambda.ln()
            + lambda * active;
    score.max(MINIMUM)
}

fn ln_choose(all: f64, some: f64) -> f64 {
    let factorial = |of: f64| (1..=of as u32).map(|factor| f64::from(factor).ln()).sum::<f64>();
    factorial(all) - factorial(some) - factorial(all - some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: TrackId = TrackId(1);
    const BOB: TrackId = TrackId(2);

    /// Both say their levels every 20 ms for so long.
    fn talk(speakers: &mut Speakers, now: &mut Duration, milliseconds: u64, ann: u8, bob: u8) -> bool {
        let mut changed = false;
        for frame in 0..milliseconds / 20 {
            speakers.level(ANN, ann, *now);
            speakers.level(BOB, bob, *now);
            *now += Duration::from_millis(20);
            if frame % 5 == 4 {
                changed |= speakers.update(*now);
            }
        }
        changed
    }

    fn active(speakers: &Speakers) -> Vec<TrackId> {
        speakers.active().iter().map(|(track, _)| *track).collect()
    }

    #[test]
    fn who_speaks_is_said_once_and_who_falls_silent_too() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::from_secs(1));
        assert!(talk(&mut speakers, &mut now, 500, 30, 127));
        assert_eq!(active(&speakers), [ANN]);
        assert!(!talk(&mut speakers, &mut now, 500, 32, 127));
        assert!(talk(&mut speakers, &mut now, 1500, 127, 127));
        assert_eq!(active(&speakers), []);
    }

    #[test]
    fn a_cough_does_not_take_the_floor_and_speech_does() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::from_secs(1));
        talk(&mut speakers, &mut now, 3000, 35, 127);
        talk(&mut speakers, &mut now, 100, 35, 10);
        talk(&mut speakers, &mut now, 300, 35, 127);
        assert_eq!(active(&speakers)[0], ANN);
        talk(&mut speakers, &mut now, 3000, 127, 30);
        assert_eq!(active(&speakers), [BOB]);
    }

    #[test]
    fn a_microphone_that_stops_sending_is_silent() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::from_secs(1));
        talk(&mut speakers, &mut now, 1000, 30, 127);
        for _ in 0..20 {
            now += Duration::from_millis(100);
            speakers.update(now);
        }
        assert_eq!(active(&speakers), []);
    }

    #[test]
    fn those_who_spoke_last_come_first() {
        let (mut speakers, mut now) = (Speakers::default(), Duration::from_secs(1));
        talk(&mut speakers, &mut now, 500, 127, 30);
        assert_eq!(speakers.by_recency(), [BOB, ANN]);
        talk(&mut speakers, &mut now, 500, 30, 127);
        assert_eq!(speakers.by_recency(), [ANN, BOB]);
    }
}
