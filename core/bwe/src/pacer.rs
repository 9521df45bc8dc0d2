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
    /// The queue was full. This one will not be sent: the oldest video, or the pushed one if nothing less urgent than
    /// it was waiting. In the first case the pushed one is queued.
    Dropped(T),
}

/// A queue holds at most so many packets.
const MOST_ITEMS: usize = 512;
/// At most so much time of the rate.
const MOST_SECONDS: u64 = 1;
/// What may leave at once: ten packets of 1200 bytes, but no less than 5 ms and no more than 40 ms of the rate.
const BURST_BYTES: u64 = 10 * 1200;
const BURST_LEAST: Duration = Duration::from_millis(5);
const BURST_MOST: Duration = Duration::from_millis(40);
/// A byte in the bucket's unit, so that rate times microseconds is exact.
const BYTE: u64 = 8 * 1_000_000;

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
    /// Empty, at 300 kbit/s times 2.5.
    #[must_use]
    pub fn new() -> Pacer<T> {
        Pacer {
            rate: 750_000,
            level: 0,
            leaked: Micros::ZERO,
            retransmissions: Line::new(),
            video: Line::new(),
            padding: Line::new(),
            dropped: 0,
        }
    }

    /// Sets the rate at which packets leave, usually 2.5 times the estimate.
    pub fn set_rate(&mut self, bits_per_second: u64) {
        self.rate = bits_per_second.clamp(1000, 100_000_000_000);
    }

    /// Asks to send a packet of `bytes` on the wire.
    pub fn push(&mut self, item: T, bytes: usize, priority: Priority, now: Micros) -> Pushed<T> {
        self.leak(now);
        if priority == Priority::Audio || (self.is_empty() && self.may_send()) {
            self.take(bytes);
            return Pushed::SendNow;
        }
        let room = self.len() < MOST_ITEMS && self.queued_bytes() as u64 * 8 < self.rate * MOST_SECONDS;
        let mut dropped = None;
        if !room {
            self.dropped += 1;
            dropped = match priority {
                Priority::Padding => return Pushed::Dropped(item),
                Priority::Audio | Priority::Retransmission | Priority::Video => {
                    self.padding.pop().or_else(|| self.video.pop())
                }
            };
            if dropped.is_none() {
                return Pushed::Dropped(item);
            }
        }
        let waiting = Waiting {
            item,
            bytes,
            since: now,
        };
        match priority {
            Priority::Audio | Priority::Retransmission => self.retransmissions.push(waiting),
            Priority::Video => self.video.push(waiting),
            Priority::Padding => self.padding.push(waiting),
        }
        dropped.map_or(Pushed::Queued, |waiting| Pushed::Dropped(waiting.item))
    }

    /// The next packet that may leave now.
    pub fn pop(&mut self, now: Micros) -> Option<T> {
        self.leak(now);
        if !self.may_send() {
            return None;
        }
        let first = self.retransmissions.pop();
        let first = first
            .or_else(|| self.video.pop())
            .or_else(|| self.padding.pop())?;
        self.take(first.bytes);
        Some(first.item)
    }

    /// When [`Pacer::pop`] will give something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Micros> {
        if self.is_empty() {
            return None;
        }
        let too_much = self.level.saturating_sub(self.burst());
        Some(Micros(self.leaked.0.saturating_add(too_much.div_ceil(self.rate))))
    }

    /// Bytes that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.retransmissions.bytes() + self.video.bytes() + self.padding.bytes()
    }

    /// How long what waits will need to leave.
    #[must_use]
    pub fn queue_delay(&self) -> Duration {
        Duration::from_micros((self.queued_bytes() as u64).saturating_mul(BYTE) / self.rate)
    }

    /// How long the oldest packet has waited.
    #[must_use]
    pub fn oldest(&self, now: Micros) -> Duration {
        let lines = [&self.retransmissions, &self.video, &self.padding];
        let oldest = lines.into_iter().filter_map(|line| line.first());
        oldest
            .map(|first| now.since(first.since))
            .max()
            .unwrap_or_default()
    }

    /// Packets that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.retransmissions.len() + self.video.len() + self.padding.len()
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

    fn leak(&mut self, now: Micros) {
        let elapsed = now.0.saturating_sub(self.leaked.0);
        self.level = self.level.saturating_sub(elapsed.saturating_mul(self.rate));
        self.leaked = self.leaked.max(now);
    }

    fn take(&mut self, bytes: usize) {
        self.level = self.level.saturating_add((bytes as u64).saturating_mul(BYTE));
    }

    fn may_send(&self) -> bool {
        self.level <= self.burst()
    }

    fn burst(&self) -> u64 {
        let of_rate = |time: Duration| self.rate.saturating_mul(time.as_micros() as u64);
        (BURST_BYTES * BYTE).clamp(of_rate(BURST_LEAST), of_rate(BURST_MOST))
    }
}

impl<T: Copy> Default for Pacer<T> {
    fn default() -> Pacer<T> {
        Pacer::new()
    }
}
