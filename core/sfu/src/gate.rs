//! What one subscription lets pass, and with which numbers, so that the receiver sees one unbroken stream.

use std::time::Duration;

use trefoil_rtp::Codec;

use crate::{Layer, memory::Memory, offsets::Offsets, track::Incoming};

/// How a packet goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The sequence number, extended.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// What must be changed in the payload or the dependency descriptor.
    pub rewrite: Rewrite,
}

/// Numbers inside a packet that must go on where the last source stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rewrite {
    /// Nothing.
    Nothing,
    /// The picture id and TL0PICIDX of VP8 or VP9.
    Pictures {
        /// The picture id.
        picture: u16,
        /// TL0PICIDX.
        tl0: u8,
    },
    /// The frame number in the AV1 dependency descriptor.
    Frame(u16),
}

/// Which packet of which encoding went out, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// How it went out.
    pub outgoing: Outgoing,
    /// The encoding.
    pub encoding: u8,
    /// Its sequence number there, extended.
    pub sequence: u64,
}

/// What the receiver saw last.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    sequence: u64,
    timestamp: u32,
    at: Duration,
    picture: u16,
    tl0: u8,
}

/// What turns an encoding's numbers into the receiver's; made anew at each switch.
#[derive(Clone, Copy, Debug)]
struct Shift {
    /// The first packet of this encoding that went out, and under which number.
    first: u64,
    first_out: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    highest: u64,
    /// Which of the 128 packets up to the highest came, so that none is counted twice.
    seen: u128,
    offsets: Offsets,
}

impl Shift {
    /// Whether a packet comes for the first time, and not too late to be told.
    #[inline]
    const fn is_first(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            let ahead = sequence - self.highest;
            self.seen = if ahead < 128 { self.seen << ahead } else { 0 } | 1;
            self.highest = sequence;
            return true;
        }
        let behind = self.highest - sequence;
        if behind >= 128 || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

/// The gate of one subscription.
#[derive(Debug)]
pub struct Gate {
    codec: Codec,
    current: Option<Layer>,
    target: Option<Layer>,
    shift: Shift,
    last: Option<Last>,
    /// By the number that it went out under; only where retransmissions can be asked for.
    sent: Option<Memory>,
}

impl Gate {
    /// Lets nothing pass until it has a target. The receiver's numbers begin after `first`.
    #[must_use]
    pub fn new(codec: Codec, first: u16) -> Self {
        let first_out = u64::from(first) + 65_536;
        Self {
            codec,
            current: None,
            target: None,
            shift: Shift {
                first: 0,
                first_out,
                timestamp: 0,
                picture: 0,
                tl0: 0,
                highest: 0,
                seen: 0,
                offsets: Offsets::starting_at(0),
            },
            last: None,
            sent: None,
        }
    }

    /// What is being forwarded.
    #[must_use]
    pub const fn current(&self) -> Option<Layer> {
        self.current
    }

    /// What should be forwarded.
    #[must_use]
    pub const fn target(&self) -> Option<Layer> {
        self.target
    }

    /// Forwards this from the next place on where that can be done; nothing at all for `None`.
    pub const fn aim(&mut self, target: Option<Layer>) {
        self.target = target;
        if target.is_none() {
            self.current = None;
        }
    }

    /// Lets nothing pass until the target, or less of the same picture, begins with a keyframe: for a path that has no time
    /// for what it was sent until now.
    pub const fn leave(&mut self) {
        self.current = None;
    }

    /// Another source follows in the same stream: what is numbered goes on.
    pub fn change_source(&mut self, codec: Codec) {
        self.codec = codec;
        self.current = None;
        self.target = None;
        self.sent = None;
    }

    /// Which encoding must send a keyframe before the target is reached.
    #[must_use]
    pub fn waits_for(&self) -> Option<u8> {
        let target = self.target?;
        let reached = self
            .current
            .is_some_and(|current| current.encoding == target.encoding && current.spatial >= target.spatial);
        (self.codec.is_video() && !reached).then_some(target.encoding)
    }

    /// The packet that went out under `sequence` (16 bits), if it is remembered.
    #[must_use]
    pub fn sent_as(&self, sequence: u16) -> Option<Sent> {
        self.sent.as_ref()?.find(sequence)
    }

    /// A packet that should go out again: `None` if it is forgotten, went out again less than `interval` ago, or is of an
    /// encoding that was left since, of which nothing is decoded any more.
    pub fn repeat(&mut self, sequence: u16, interval: Duration, now: Duration) -> Option<Sent> {
        let current = self.current?;
        let sent = self.sent.as_mut()?.repeat(sequence, interval, now)?;
        (sent.encoding == current.encoding).then_some(sent)
    }

    /// Whether and how `packet` of `encoding` passes. `aligned` is its timestamp in the time of the encoding that was
    /// forwarded until now, where that is known.
    #[inline]
    pub fn pass(
        &mut self,
        encoding: u8,
        packet: &Incoming,
        aligned: impl FnOnce(u8) -> Option<u32>,
        now: Duration,
    ) -> Option<Outgoing> {
        let target = self.target?;
        // Whoever sees nothing yet begins with whatever comes first.
        let wanted = match self.current {
            None => encoding <= target.encoding,
            Some(current) => current.encoding != target.encoding && encoding == target.encoding,
        };
        if wanted && self.may_begin(packet) {
            self.switch(Layer { encoding, ..target }, packet, aligned, now);
        }
        let current = self.current.filter(|current| current.encoding == encoding)?;
        if packet.sequence < self.shift.first {
            return None;
        }
        let current = self.adapt(current, target, packet);
        let newest = packet.sequence > self.shift.highest;
        if !self.shift.is_first(packet.sequence) {
            return None;
        }
        if packet.peek.spatial > current.spatial || packet.peek.temporal > current.temporal {
            if newest {
                let picture =
                    packet.peek.starts_frame && packet.peek.spatial == 0 && self.codec == Codec::Vp8;
                self.shift.offsets.drop_packet(packet.sequence, picture);
            }
            return None;
        }
        let (packets, pictures) = self.shift.offsets.before(packet.sequence)?;
        let sequence = (self.shift.first_out + (packet.sequence - self.shift.first)).checked_sub(packets)?;
        let outgoing = self.outgoing(sequence, packet, current, pictures);
        // A late one may be the furthest yet, where those after it were dropped.
        if self.last.is_none_or(|last| sequence > last.sequence) {
            self.note(&outgoing, packet, now);
        }
        if self.codec.is_video() {
            let sent = self.sent.get_or_insert_with(Memory::new);
            sent.keep(encoding, packet.sequence, &outgoing);
        }
        Some(outgoing)
    }

    fn may_begin(&self, packet: &Incoming) -> bool {
        !self.codec.is_video()
            || (packet.peek.keyframe && packet.peek.starts_frame && packet.peek.spatial == 0)
    }

    fn switch(
        &mut self,
        target: Layer,
        packet: &Incoming,
        aligned: impl FnOnce(u8) -> Option<u32>,
        now: Duration,
    ) {
        let before = self.current.map(|current| current.encoding);
        let last = self.last;
        let first_out = last.map_or(self.shift.first_out + 1, |last| last.sequence + 1);
        let timestamp = last.map_or(0, |last| {
            let elapsed = ticks(now.saturating_sub(last.at), self.codec).max(1);
            let by_reports = before
                .and_then(aligned)
                .map(|aligned| aligned.wrapping_add(self.shift.timestamp).wrapping_sub(last.timestamp))
                // A stream that seems to run back, or far ahead, is believed less than the clock.
                .filter(|step| (1..=elapsed.saturating_mul(4).max(self.codec.clock_rate() / 2)).contains(step));
            let next = last.timestamp.wrapping_add(by_reports.unwrap_or(elapsed));
            next.wrapping_sub(packet.timestamp)
        });
        let picture = packet.peek.picture_id.unwrap_or(0);
        let tl0 = packet.peek.tl0.unwrap_or(0);
        self.shift = Shift {
            first: packet.sequence,
            first_out,
            timestamp,
            picture: last.map_or(0, |last| last.picture.wrapping_add(1).wrapping_sub(picture)),
            tl0: last.map_or(0, |last| last.tl0.wrapping_add(1).wrapping_sub(tl0)),
            // The first packet is the newest there is.
            highest: packet.sequence.saturating_sub(1),
            seen: 0,
            offsets: Offsets::starting_at(packet.sequence),
        };
        self.current = Some(target);
    }

    /// Moves within an encoding towards the target, as far as this packet allows.
    #[inline]
    fn adapt(&mut self, current: Layer, target: Layer, packet: &Incoming) -> Layer {
        if current == target || current.encoding != target.encoding || !packet.peek.starts_frame {
            return current;
        }
        let peek = &packet.peek;
        let mut next = current;
        let lower = target.spatial < current.spatial && peek.spatial == 0;
        if lower || (target.spatial > current.spatial && peek.keyframe) {
            next.spatial = target.spatial;
        }
        if target.temporal < current.temporal {
            next.temporal = target.temporal;
        } else if target.temporal > current.temporal && peek.temporal > current.temporal && peek.switch_point
        {
            next.temporal = peek.temporal.min(target.temporal);
        } else if target.temporal > current.temporal && peek.keyframe {
            next.temporal = target.temporal;
        }
        self.current = Some(next);
        next
    }

    #[inline]
    fn outgoing(&self, sequence: u64, packet: &Incoming, current: Layer, pictures: u16) -> Outgoing {
        let peek = &packet.peek;
        let last_of_picture = peek.ends_frame && peek.spatial == current.spatial;
        let rewrite = match (self.codec, peek.picture_id) {
            (Codec::Vp8 | Codec::Vp9, Some(picture)) => {
                let (shift, tl0) = (self.shift.picture.wrapping_sub(pictures), self.shift.tl0);
                if shift == 0 && tl0 == 0 {
                    Rewrite::Nothing
                } else {
                    Rewrite::Pictures {
                        picture: picture.wrapping_add(shift),
                        tl0: peek.tl0.unwrap_or(0).wrapping_add(tl0),
                    }
                }
            }
            (Codec::Av1, Some(frame)) if self.shift.picture != 0 => {
                Rewrite::Frame(frame.wrapping_add(self.shift.picture))
            }
            _ => Rewrite::Nothing,
        };
        Outgoing {
            sequence,
            timestamp: packet.timestamp.wrapping_add(self.shift.timestamp),
            marker: packet.marker || (self.codec.is_video() && last_of_picture),
            rewrite,
        }
    }

    #[inline]
    fn note(&mut self, outgoing: &Outgoing, packet: &Incoming, now: Duration) {
        let before = self.last.unwrap_or_default();
        let (picture, tl0) = match outgoing.rewrite {
            Rewrite::Pictures { picture, tl0 } => (picture, tl0),
            Rewrite::Frame(frame) => (frame, 0),
            Rewrite::Nothing => (
                packet.peek.picture_id.unwrap_or(before.picture),
                packet.peek.tl0.unwrap_or(before.tl0),
            ),
        };
        self.last = Some(Last {
            sequence: outgoing.sequence,
            timestamp: outgoing.timestamp,
            at: now,
            picture,
            tl0,
        });
    }

    /// The timestamp that the receiver expects at `now`, and what it had last: for sender reports.
    #[must_use]
    pub fn timestamp_at(&self, now: Duration) -> Option<u32> {
        let last = self.last?;
        Some(
            last.timestamp
                .wrapping_add(ticks(now.saturating_sub(last.at), self.codec)),
        )
    }
}

fn ticks(elapsed: Duration, codec: Codec) -> u32 {
    let ticks = elapsed.as_micros() * u128::from(codec.clock_rate()) / 1_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX / 2)
}
