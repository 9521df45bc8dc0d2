//! A leaky bucket in front of the socket, and a bounded queue behind it.

use std::time::Duration;

use crate::Micros;
use crate::queue::{Line, Waiting};

/// Who goes first when not all may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Never waits; what it takes is taken from the others.
    Audio,
    /// Before video: somebody waits for it.
    Retransmission,
    /// In order.
    Video,
    /// When nothing else waits, and not at all when the queue is full.
    Padding,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// Send it at once; it was not queued.
    SendNow,
    /// [`Pacer::pop`] will give it back.
    Queued,
    /// The queue was full, and this one will not be sent: a padding or the oldest video, in whose place the pushed one is
    /// queued now, or the pushed one itself if nothing less urgent was waiting.
    Dropped(T),
}

/// The queue holds so many packets, retransmissions and padding among them so many: older ones are of no use.
const MOST: usize = 512;
const MOST_RETRANSMISSIONS: usize = 128;
const MOST_PADDING: usize = 32;
/// And no more than this time of the rate.
const MOST_SECONDS: u64 = 1;
/// What may leave at once: ten packets of 1200 bytes, but no less than 5 ms and no more than 40 ms of the rate.
const BURST_BYTES: u64 = 10 * 1200;
const BURST_LEAST_MICROS: u64 = 5_000;
const BURST_MOST_MICROS: u64 = 40_000;
/// A byte in the bucket's unit, so that rate times microseconds is exact.
const BYTE: u64 = 8 * 1_000_000;
/// Rates are within these bounds, in bits per second.
const RATES: (u64, u64) = (1_000, 100_000_000_000);

/// Spreads bursts over time. `T` is the caller's name for a packet, such as a place in a slab.
#[derive(Debug)]
pub struct Pacer<T> {
    /// Bits per second.
    rate: u64,
    /// What has left and not yet leaked, in bits times microseconds per second, as of `leaked`.
    level: u64,
    leaked: Micros,
    retransmissions: Line<T>,
    video: Line<T>,
    padding: Line<T>,
    dropped: u64,
}

impl<T: Copy> Pacer<T> {
    /// Empty, at the pace of the usual first estimate.
    #[must_use]
    pub fn new() -> Pacer<T> {
        Pacer {
            rate: 750_000,
            level: 0,
            leaked: Micros::ZERO,
            retransmissions: Line::new(MOST_RETRANSMISSIONS),
            video: Line::new(MOST),
            padding: Line::new(MOST_PADDING),
            dropped: 0,
        }
    }

    /// Sets the rate at which packets leave: [`crate::Estimator::pace`].
    pub fn set_rate(&mut self, bits_per_second: u64) {
        self.rate = bits_per_second.clamp(RATES.0, RATES.1);
    }

    /// Asks to send a packet of `bytes` on the wire.
    pub fn push(&mut self, item: T, bytes: usize, priority: Priority, now: Micros) -> Pushed<T> {
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.leak(now);
        if priority == Priority::Audio || (self.is_empty() && self.may_send()) {
            self.take(bytes);
            return Pushed::SendNow;
        }
        let Some(gone) = self.make_room(priority) else {
            self.dropped += 1;
            return Pushed::Dropped(item);
        };
        let since = now;
        self.line(priority).push(Waiting { since, item, bytes });
        gone.map_or(Pushed::Queued, Pushed::Dropped)
    }

    /// The next packet that may leave now.
    pub fn pop(&mut self, now: Micros) -> Option<T> {
        self.leak(now);
        if !self.may_send() {
            return None;
        }
        let first = self.retransmissions.pop().or_else(|| self.video.pop());
        let first = first.or_else(|| self.padding.pop())?;
        self.take(first.bytes);
        Some(first.item)
    }

    /// When [`Pacer::pop`] will give something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Micros> {
        let too_much = self.level.saturating_sub(self.burst());
        let wait = Duration::from_micros(too_much.div_ceil(self.rate));
        (!self.is_empty()).then(|| self.leaked + wait)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.lines().map(Line::bytes).sum()
    }

    /// How long what waits will need to leave.
    #[must_use]
    pub fn queue_delay(&self) -> Duration {
        Duration::from_micros(self.queued_bytes() as u64 * BYTE / self.rate)
    }

    /// How long the oldest packet has waited.
    #[must_use]
    pub fn oldest(&self, now: Micros) -> Duration {
        let firsts = self.lines().filter_map(Line::first);
        firsts
            .map(|first| now.since(first.since))
            .max()
            .unwrap_or_default()
    }

    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines().map(Line::len).sum()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets that were dropped because the queue was full, since the beginning.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.retransmissions.clear();
        self.video.clear();
        self.padding.clear();
    }

    /// Forgets those packets that wait and are of no use any more.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.retransmissions.retain(&keep);
        self.video.retain(&keep);
        self.padding.retain(&keep);
    }

    /// Room for one more: `None` if there is none, else what had to go for it. One goes for one, so a queue that is over
    /// its bound because the rate fell does not grow.
    fn make_room(&mut self, priority: Priority) -> Option<Option<T>> {
        let within = self.queued_bytes() as u64 * 8 < self.rate * MOST_SECONDS;
        if self.len() < MOST && within {
            return (!self.line(priority).is_full()).then_some(None);
        }
        if priority == Priority::Padding || (priority != Priority::Video && self.line(priority).is_full()) {
            return None;
        }
        let gone = self.padding.pop().or_else(|| self.video.pop())?;
        self.dropped += 1;
        Some(Some(gone.item))
    }

    fn line(&mut self, priority: Priority) -> &mut Line<T> {
        match priority {
            Priority::Audio | Priority::Retransmission => &mut self.retransmissions,
            Priority::Video => &mut self.video,
            Priority::Padding => &mut self.padding,
        }
    }

    fn lines(&self) -> impl Iterator<Item = &Line<T>> {
        [&self.retransmissions, &self.video, &self.padding].into_iter()
    }

    fn leak(&mut self, now: Micros) {
        let elapsed = now.0.saturating_sub(self.leaked.0);
        self.level = self.level.saturating_sub(elapsed.saturating_mul(self.rate));
        self.leaked = self.leaked.max(now);
    }

    fn take(&mut self, bytes: u16) {
        self.level = self.level.saturating_add(u64::from(bytes) * BYTE);
    }

    fn may_send(&self) -> bool {
        self.level <= self.burst()
    }

    fn burst(&self) -> u64 {
        (BURST_BYTES * BYTE).clamp(self.rate * BURST_LEAST_MICROS, self.rate * BURST_MOST_MICROS)
    }
}

impl<T: Copy> Default for Pacer<T> {
    fn default() -> Pacer<T> {
        Pacer::new()
    }
}
