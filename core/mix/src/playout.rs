//! The adaptive jitter buffer of one participant: packets in as they come, 20 ms of sound out whenever asked.
//!
//! Time is counted in samples of 48 kHz. What should be heard now is `now` minus the wanted delay ([`Delays`]); where the
//! sound runs ahead or behind of that (drift, a path that changed) it is stretched, at best where nobody hears it.

use std::collections::BTreeMap;

use trefoil_rtp::{SequenceExtender, TimestampExtender};

use crate::{
    codec::{Codec, Decoder, FRAME, LONGEST, RATE},
    delay::Delays,
    level, stretch,
};

/// Packets that wait at most; older ones go.
const WAITING: usize = 64;
/// A packet is never larger.
const LARGEST: usize = 1500;
/// A sender whose clock jumps further than this began anew: 2 s.
const JUMP: i64 = 2 * RATE as i64;
/// Or its numbers by so many packets.
const LEAP: u64 = 1000;
/// How long a missing continuation is made up: 60 ms.
const STARVED: usize = 3 * FRAME;
/// Sound that comes this much too late is cut wherever it joins well, and in any case: 25, 60 ms.
const LATE: [i64; 2] = [1200, 2880];
/// Where a packet less is waited for, so much remains before one more is waited for again: 2 ms. Without it, packets that come
/// at just such a moment would be cut and stretched for ever.
const PATIENCE: i64 = 96;
/// Sound that comes this much too early is stretched: 5 ms.
const EARLY: i64 = 240;
/// Where packets are passed on, stretching leaves one out or waits for one: so only where it is quiet, up to 20 ms.
const EARLY_AT_ALL: i64 = 960;
/// Beyond this nothing is stretched: it starts anew.
const LOST: i64 = 14_400;
/// A frame below this level is quiet.
const QUIET: u8 = 50;

/// A packet of sound, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Whose stream; another one begins anew.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, in the codec's clock.
    pub timestamp: u32,
    /// What its payload type means.
    pub codec: Codec,
    /// How loud it says to be: -dBov, 127 for silence (RFC 6464).
    pub level: Option<u8>,
    /// The payload.
    pub payload: &'a [u8],
}

#[derive(Debug)]
struct Waiting {
    timestamp: i64,
    samples: usize,
    payload: Box<[u8]>,
}

/// Where playing is.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The packet that comes next.
    sequence: u64,
    /// The first sample that is not decoded.
    timestamp: i64,
    /// Samples made up since nothing came.
    starved: usize,
    /// Length of the last packet.
    samples: usize,
    /// The last packet said that a pause begins.
    pausing: bool,
}

impl Position {
    /// What was made up while nothing came stands for what is missing before the next packet.
    fn settle(&mut self, next: i64) {
        let missing = (next - self.timestamp).clamp(0, self.starved as i64);
        self.timestamp += missing;
        self.starved = 0;
    }
}

/// What to do for the next samples.
#[derive(Clone, Copy)]
enum Order {
    Decode,
    Recover(usize),
    Conceal(usize),
    Pause(usize),
    Starve,
}

/// What was played in a step.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Something is being played, if only a pause between words.
    pub(crate) sounds: bool,
    /// The packet that was decoded, or the last of them, if it is 20 ms long.
    pub(crate) packet: Option<Box<[u8]>>,
    /// Packets that never came.
    pub(crate) lost: u16,
}

/// Figures for a person who looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reception {
    /// Packets that were no packets of their codec.
    pub malformed: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that never came in time.
    pub lost: u64,
    /// Of them, those told from the packet after them.
    pub recovered: u64,
    /// Samples taken out or put in to keep the delay.
    pub stretched: u64,
    /// Streams that began anew.
    pub restarts: u64,
    /// From the arrival of a packet to the mix of its first sample, as if mixes began there, for the fastest packet of the
    /// last seconds, in samples of 48 kHz.
    pub delay: i64,
}

/// The jitter buffer of one participant.
#[derive(Debug)]
pub(crate) struct Playout<D> {
    stream: Option<(u32, Codec)>,
    sequence: SequenceExtender,
    timestamp: TimestampExtender,
    waiting: BTreeMap<u64, Waiting>,
    delays: Delays,
    position: Option<Position>,
    decoder: Option<D>,
    decoded: Vec<f32>,
    pub(crate) reception: Reception,
}

impl<D: Decoder> Playout<D> {
    pub(crate) fn new() -> Self {
        Self {
            stream: None,
            sequence: SequenceExtender::default(),
            timestamp: TimestampExtender::default(),
            waiting: BTreeMap::new(),
            delays: Delays::default(),
            position: None,
            decoder: None,
            decoded: Vec::new(),
            reception: Reception::default(),
        }
    }

    pub(crate) fn codec(&self) -> Option<Codec> {
        self.stream.map(|(_, codec)| codec)
    }

    /// Takes a packet that came at `now`; whether it is one of its codec.
    pub(crate) fn insert(&mut self, packet: &Packet<'_>, now: i64) -> bool {
        let samples = packet.codec.samples(packet.payload);
        let Some(samples) = samples.filter(|_| packet.payload.len() <= LARGEST) else {
            self.reception.malformed += 1;
            return false;
        };
        if self.stream != Some((packet.ssrc, packet.codec)) {
            self.restart(packet);
        }
        let highest = self.sequence.highest();
        let (mut sequence, mut timestamp) = self.extend(packet);
        let late = now - timestamp;
        let jumps = self
            .delays
            .newest()
            .is_some_and(|last| (late - last).abs() > JUMP);
        if jumps || highest.is_some_and(|highest| highest.abs_diff(sequence) > LEAP) {
            self.restart(packet);
            (sequence, timestamp) = self.extend(packet);
        }
        self.delays.arrived(now - timestamp);
        if self.position.is_some_and(|position| sequence < position.sequence) {
            self.reception.late += 1;
            return true;
        }
        let waiting = Waiting {
            timestamp,
            samples,
            payload: packet.payload.into(),
        };
        self.waiting.insert(sequence, waiting);
        while self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
        if self.position.is_none() {
            self.forget(now);
        }
        true
    }

    /// How long the packet that came last should wait until it is heard.
    pub(crate) fn wait(&self) -> u64 {
        let wait = self.delays.target().zip(self.delays.newest());
        wait.map_or(0, |(target, newest)| u64::try_from(target - newest).unwrap_or(0))
    }

    fn extend(&mut self, packet: &Packet<'_>) -> (u64, i64) {
        let step = i64::from(packet.codec.step());
        let timestamp = self.timestamp.extend(packet.timestamp) as i64 * step;
        (self.sequence.extend(packet.sequence), timestamp)
    }

    fn restart(&mut self, packet: &Packet<'_>) {
        if self.stream.is_some() {
            self.reception.restarts += 1;
        }
        self.stream = Some((packet.ssrc, packet.codec));
        self.sequence = SequenceExtender::default();
        self.timestamp = TimestampExtender::default();
        self.waiting.clear();
        self.delays = Delays::default();
        self.position = None;
        self.decoder = None;
    }

    /// Drops what is too old to be played from now on.
    fn forget(&mut self, now: i64) {
        let Some(target) = self.delays.target() else {
            return;
        };
        while let Some(first) = self.waiting.first_entry() {
            if first.get().timestamp + first.get().samples as i64 > now - target {
                break;
            }
            first.remove();
        }
    }

    /// Nobody listens: only packets are kept, and only those that are not too old.
    pub(crate) fn rest(&mut self, now: i64) {
        self.position = None;
        self.decoder = None;
        self.decoded.clear();
        self.forget(now);
    }

    /// The next 20 ms, put into `frame`; `make` makes a decoder. Somebody who is `alone` may be passed on.
    pub(crate) fn play(
        &mut self,
        frame: &mut Vec<f32>,
        alone: bool,
        make: impl FnOnce(Codec) -> D,
        now: i64,
    ) -> Played {
        frame.clear();
        let mut played = Played::default();
        if self.position.is_none() {
            self.begin(now);
        }
        if self.position.is_some() {
            if let (None, Some(codec)) = (&self.decoder, self.codec()) {
                self.decoder = Some(make(codec));
            }
            self.fill(FRAME, false, &mut played);
            self.keep_delay(alone, &mut played, now);
            played.sounds = true;
        }
        let ready = self.decoded.len().min(FRAME);
        frame.extend(self.decoded.drain(..ready));
        // The end of what there is: it fades away instead of stopping.
        if ready < FRAME {
            let faded = frame.iter_mut().rev().take(240).enumerate();
            faded.for_each(|(at, sample)| *sample *= at as f32 / 240.0);
            played.sounds |= ready > 0;
            frame.resize(FRAME, 0.0);
        }
        played
    }

    /// Starts where the wanted delay says, if that is there.
    fn begin(&mut self, now: i64) {
        self.forget(now);
        let (Some(target), Some((sequence, first))) = (self.delays.target(), self.waiting.first_key_value())
        else {
            return;
        };
        if first.timestamp <= now - target {
            self.position = Some(Position {
                sequence: *sequence,
                timestamp: first.timestamp,
                starved: 0,
                samples: first.samples,
                pausing: false,
            });
        }
    }

    fn order(&self, position: &Position) -> Order {
        let Some((sequence, first)) = self.waiting.first_key_value() else {
            return Order::Starve;
        };
        let missing = usize::try_from(first.timestamp - position.timestamp).unwrap_or(0);
        let lost = sequence.saturating_sub(position.sequence);
        match (lost, missing) {
            (_, 0) => Order::Decode,
            (0, pause) => Order::Pause(pause.min(FRAME)),
            (1, missing) if missing <= position.samples.max(FRAME) => Order::Recover(missing),
            (_, missing) if missing > position.samples * lost.min(64) as usize => {
                Order::Pause((missing - position.samples).min(FRAME))
            }
            (_, missing) => Order::Conceal(missing.min(position.samples)),
        }
    }

    /// Decodes until `want` samples are ready, or with `only_whole` as long as packets are there without a gap.
    fn fill(&mut self, want: usize, only_whole: bool, played: &mut Played) {
        while self.decoded.len() < want {
            let Some(mut position) = self.position else {
                return;
            };
            if let Some((_, first)) = self.waiting.first_key_value() {
                position.settle(first.timestamp);
            }
            let order = self.order(&position);
            if only_whole && !matches!(order, Order::Decode) {
                return;
            }
            self.obey(order, &mut position, played);
        }
    }

    fn obey(&mut self, order: Order, position: &mut Position, played: &mut Played) {
        let Some(decoder) = &mut self.decoder else {
            self.position = None;
            return;
        };
        match order {
            Order::Decode => return self.decode(position, played),
            Order::Recover(missing) => {
                let next = self.waiting.first_key_value().map(|(_, next)| &*next.payload);
                decoder.recover(next.unwrap_or_default(), missing, &mut self.decoded);
                position.timestamp += missing as i64;
                position.sequence += 1;
                self.reception.recovered += 1;
                self.reception.lost += 1;
                played.lost += 1;
            }
            Order::Conceal(missing) => {
                decoder.conceal(missing, &mut self.decoded);
                position.timestamp += missing as i64;
                position.sequence += 1;
                self.reception.lost += 1;
                played.lost += 1;
            }
            Order::Pause(samples) => {
                decoder.conceal(samples, &mut self.decoded);
                position.timestamp += samples as i64;
            }
            Order::Starve if position.pausing || position.starved >= STARVED => {
                self.position = None;
                return;
            }
            Order::Starve => {
                decoder.conceal(FRAME, &mut self.decoded);
                position.starved += FRAME;
            }
        }
        self.position = Some(*position);
    }

    fn decode(&mut self, position: &mut Position, played: &mut Played) {
        let (Some((sequence, packet)), Some(decoder)) = (self.waiting.pop_first(), &mut self.decoder) else {
            return;
        };
        let before = self.decoded.len();
        let decoded = decoder.decode(&packet.payload, &mut self.decoded);
        if decoded.is_err() {
            self.reception.malformed += 1;
            decoder.conceal(packet.samples, &mut self.decoded);
        }
        let samples = self.decoded.len().saturating_sub(before).min(LONGEST);
        played.lost += u16::try_from(sequence.saturating_sub(position.sequence)).unwrap_or(0);
        let codec = self.stream.map(|(_, codec)| codec);
        *position = Position {
            sequence: sequence + 1,
            timestamp: packet.timestamp + samples as i64,
            starved: 0,
            samples,
            pausing: codec.is_some_and(|codec| codec.is_pause(&packet.payload)),
        };
        self.position = Some(*position);
        played.packet = decoded
            .ok()
            .filter(|()| samples == FRAME)
            .map(|()| packet.payload);
    }

    /// Cuts or stretches what is ready, so that the delay stays where it should be.
    ///
    /// Packets are decoded whole and in steps, so there are two delays: how long they wait until they are needed, and how
    /// much of the one before is left by then. The former must be what the network asks for and may be up to a packet more;
    /// the latter can always go.
    fn keep_delay(&mut self, alone: bool, played: &mut Played, now: i64) {
        let (Some(position), Some(target)) = (self.position, self.delays.target()) else {
            return;
        };
        let delay = now - (position.timestamp - self.decoded.len() as i64);
        self.reception.delay = delay - self.delays.least();
        let left = self.decoded.len() % FRAME;
        // Of the packets that begin within a frame, the last one counts.
        let packet = position.samples.clamp(1, FRAME);
        let offset = left + (FRAME - 1 - left) / packet * packet;
        let (late, excess) = (delay - target, delay - offset as i64 - target);
        if excess > LOST {
            self.position = None;
            return;
        }
        let [joins, any] = LATE;
        let is_quiet = level::of(self.decoded.get(..FRAME).unwrap_or_default()) > QUIET;
        let (joins, early) = if alone {
            (any, EARLY_AT_ALL)
        } else {
            (joins, EARLY)
        };
        let is_needed = excess < -early || (excess < -EARLY && is_quiet);
        if is_needed && position.starved == 0 {
            self.reception.stretched += stretch::lengthen(&mut self.decoded) as u64;
        } else if is_quiet || late > joins {
            // Whole packets that came early enough, and what is left of one.
            let whole = ((excess + EARLY - PATIENCE) / packet as i64).max(0) as usize * packet;
            if whole > 0 {
                self.fill(FRAME + stretch::LONGEST, true, played);
            }
            let most = (left + whole).min(self.decoded.len().saturating_sub(FRAME));
            self.reception.stretched += stretch::shorten(&mut self.decoded, most, late > any) as u64;
        }
    }
}
