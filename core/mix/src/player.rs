//! What is played into a room from files: announcements, added up and given 20 ms at a time, with progress.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    codec::{Channels, FRAME, RATE},
    event::Refusal,
    hearing::{AnnouncementId, Gain},
    limiter::Limiter,
    mixer::STEP,
    resample::Resampler,
    sound::Sound,
};

/// Whoever comes later than so many steps for the next one goes on from now: what is played waits, and loses nothing.
const LATE: u32 = 5;
/// Silence behind the last sound, so that all who pass it on have passed on its end: 60 ms.
const TAIL: u32 = 3;
/// Reports that wait at most; then older ones are forgotten.
const REPORTS: usize = 256;

/// How far an announcement is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It begins.
    Started,
    /// Another second of it was heard.
    Goes,
    /// It was heard to its end, or stopped.
    Ended,
}

/// What is told of an announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// Which.
    pub announcement: AnnouncementId,
    /// How far.
    pub progress: Progress,
    /// What was heard of it.
    pub played: Duration,
    /// All of it, as often as it is repeated.
    pub length: Duration,
}

/// One announcement.
#[derive(Debug)]
struct Playing {
    sound: Arc<Sound>,
    resampler: Resampler,
    gain: f32,
    /// Samples of 48 kHz: of one time, of all, and how many were heard.
    once: u64,
    all: u64,
    played: u64,
    /// It fades out with the next step.
    stops: bool,
}

impl Playing {
    fn add(&mut self, sum: &mut [f32]) {
        let fade = self.stops;
        for (at, sum) in sum.iter_mut().enumerate() {
            if self.played == self.all {
                break;
            }
            let again = self.all - self.played > self.once;
            let sample = self.resampler.sample(&self.sound, self.played % self.once, again);
            let gain = if fade {
                self.gain * (1.0 - at as f32 / FRAME as f32)
            } else {
                self.gain
            };
            *sum += sample * gain;
            self.played += 1;
        }
    }

    const fn is_over(&self) -> bool {
        self.stops || self.played == self.all
    }

    fn report(&self, announcement: AnnouncementId, progress: Progress) -> Report {
        Report {
            announcement,
            progress,
            played: time_of(self.played),
            length: time_of(self.all),
        }
    }
}

/// All that is played into one room.
#[derive(Debug)]
pub struct Player {
    limit: usize,
    playing: BTreeMap<AnnouncementId, Playing>,
    limiter: Limiter,
    frame: Vec<f32>,
    /// The next step; nothing while nothing is played.
    next: Option<Duration>,
    /// Steps of silence yet to come behind the last sound.
    tail: u32,
    reports: VecDeque<Report>,
}

impl Player {
    /// Nothing is played; `limit` announcements may be at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            playing: BTreeMap::new(),
            limiter: Limiter::new(Channels::Mono),
            frame: Vec::new(),
            next: None,
            tail: 0,
            reports: VecDeque::new(),
        }
    }

    /// Plays a sound so many times, as loud as it is where `gain` is 1; 8 at most.
    ///
    /// # Errors
    /// [`Refusal::Busy`], [`Refusal::Present`].
    pub fn play(
        &mut self,
        announcement: AnnouncementId,
        sound: Arc<Sound>,
        (gain, times): (f32, u16),
        now: Duration,
    ) -> Result<(), Refusal> {
        if self.playing.contains_key(&announcement) {
            return Err(Refusal::Present);
        }
        if self.playing.len() >= self.limit {
            return Err(Refusal::Busy);
        }
        let once = sound.played_samples();
        let playing = Playing {
            resampler: Resampler::new(sound.rate()),
            gain: Gain::new(gain).factor(),
            once,
            all: once * u64::from(times.max(1)),
            played: 0,
            stops: false,
            sound,
        };
        self.tell(playing.report(announcement, Progress::Started));
        self.playing.insert(announcement, playing);
        self.next.get_or_insert(now);
        Ok(())
    }

    /// An announcement fades and stops; whether it was being played.
    pub fn stop(&mut self, announcement: AnnouncementId) -> bool {
        let playing = self.playing.get_mut(&announcement);
        playing.is_some_and(|playing| !std::mem::replace(&mut playing.stops, true))
    }

    /// When the next step is due; never, while nothing is played.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Duration> {
        self.next
    }

    /// The next 20 ms (48 kHz, mono, below full scale), if they are due.
    pub fn step(&mut self, now: Duration) -> Option<&[f32]> {
        let at = self.next.filter(|at| *at <= now)?;
        let at = if now - at > STEP * LATE { now } else { at };
        self.frame.clear();
        self.frame.resize(FRAME, 0.0);
        let mut told = Vec::new();
        self.playing.retain(|id, playing| {
            let before = playing.played / RATE as u64;
            playing.add(&mut self.frame);
            let progress = if playing.is_over() {
                Progress::Ended
            } else {
                Progress::Goes
            };
            if progress == Progress::Ended || playing.played / RATE as u64 > before {
                told.push(playing.report(*id, progress));
            }
            progress != Progress::Ended
        });
        self.limiter.pass(&mut self.frame);
        told.into_iter().for_each(|report| self.tell(report));
        self.tail = if self.playing.is_empty() { self.tail + 1 } else { 0 };
        self.next = (self.tail <= TAIL).then_some(at + STEP);
        Some(&self.frame)
    }

    /// What should be told, the oldest first.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// How far everything is that is being played.
    pub fn playing(&self) -> impl Iterator<Item = Report> {
        self.playing
            .iter()
            .map(|(id, playing)| playing.report(*id, Progress::Goes))
    }

    fn tell(&mut self, report: Report) {
        if self.reports.len() == REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
    }
}

fn time_of(samples: u64) -> Duration {
    Duration::from_millis(samples / 48)
}
