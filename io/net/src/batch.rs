//! One buffer for many datagrams: received into it, sent out of it, never copied in between.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::receive::Receiver;
use crate::send::{Sender, Source};

/// Bytes before each received datagram into which a header can be written.
pub const HEADROOM: usize = 64;
/// The largest datagram, or coalesced run of datagrams.
const LARGEST: usize = 65_536;
/// From one slot to the next. The odd extra keeps the slots' first bytes from sharing cache lines of one set.
const STRIDE: usize = HEADROOM + LARGEST + 192;
/// Datagrams that can wait in the buffer.
const SLOTS: usize = 256;
/// Room for messages that were made here, behind the slots.
const SCRATCH: usize = 160 * 1024;

/// A datagram, or a coalesced run of them, in a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which bytes of the batch.
    pub span: Range<usize>,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which of our addresses it was sent to, if the socket is bound to a wildcard.
    pub local: Option<IpAddr>,
    /// The length of each datagram but the last, if there are several.
    pub segment: usize,
    /// When the kernel received it, if the socket [notes it](crate::UdpSocket::note_arrivals).
    pub at: Option<std::time::SystemTime>,
}

impl Received {
    /// The datagrams one by one.
    pub fn segments(&self) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (self.span.start, self.span.end);
        let step = if self.segment == 0 {
            end - start
        } else {
            self.segment
        };
        // An empty datagram is one datagram.
        (0..self.count() as usize)
            .map(move |index| start + index * step..(start + (index + 1) * step).min(end))
    }

    /// How many datagrams there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        if self.segment == 0 {
            1
        } else {
            self.span.len().div_ceil(self.segment) as u64
        }
    }
}

/// The buffer, with what is needed to fill and to empty it in few system calls.
///
/// Slots are filled in turn. When there are none left, [`Batch::make_room`] sends what waits and begins again; so bytes
/// that a queued message points at stay until it is sent.
pub struct Batch {
    pub(crate) buffer: Box<[u8]>,
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
    pub(crate) next_slot: usize,
    scratch_used: usize,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Batch({} slots used)", self.next_slot)
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty batch. Memory is touched only as datagrams fill it.
    #[must_use]
    pub fn new() -> Batch {
        let mut batch = Batch {
            buffer: vec![0; SLOTS * STRIDE + SCRATCH].into_boxed_slice(),
            receiver: Receiver::new(SLOTS),
            sender: Sender::new(),
            next_slot: 0,
            scratch_used: 0,
        };
        (0..SLOTS).for_each(|slot| batch.aim(slot));
        batch
    }

    /// These bytes of the buffer; empty if they are outside.
    #[must_use]
    #[inline]
    pub fn bytes(&self, span: Range<usize>) -> &[u8] {
        self.buffer.get(span).unwrap_or_default()
    }

    /// Sends all that waits if fewer than `slots` are free, so that they are free afterwards.
    #[inline]
    pub fn make_room(&mut self, slots: usize) {
        if self.next_slot + slots > SLOTS {
            self.flush();
        }
    }

    /// Sends all that waits and keeps the slots as they are; to be called before a socket of a queued message is closed.
    pub fn dispatch(&mut self) {
        self.sender.flush();
    }

    /// Sends all that waits; every slot is free then.
    pub fn flush(&mut self) {
        self.sender.flush();
        self.renew();
        self.next_slot = 0;
        self.scratch_used = 0;
    }

    /// Copies a message that came another way behind the slots and says where it is, until the next flush. At most
    /// 70,000 bytes; nothing if there are more.
    pub fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        if self.scratch_used + bytes.len() > SCRATCH {
            self.sender.flush();
            self.scratch_used = 0;
        }
        let start = SLOTS * STRIDE + self.scratch_used;
        let span = start..start + bytes.len();
        match self.buffer.get_mut(span.clone()) {
            Some(into) => {
                into.copy_from_slice(bytes);
                self.scratch_used += bytes.len();
                span
            }
            None => 0..0,
        }
    }

    /// Lets `fill` write a message of at most `room` bytes (up to 70,000) behind the slots and queues as many as it says;
    /// none for 0.
    #[inline]
    pub fn compose(
        &mut self,
        source: Source,
        to: SocketAddr,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) {
        if self.scratch_used + room > SCRATCH {
            self.sender.flush();
            self.scratch_used = 0;
        }
        let start = SLOTS * STRIDE + self.scratch_used;
        let Some(into) = self.buffer.get_mut(start..start + room) else {
            return;
        };
        let length = fill(into).min(room);
        if length > 0 {
            self.scratch_used += length;
            self.send(source, to, start..start + length);
        }
    }

    /// Where datagrams of a slot begin.
    pub(crate) fn slot_start(slot: usize) -> usize {
        slot * STRIDE + HEADROOM
    }

    pub(crate) const SLOTS: usize = SLOTS;
    pub(crate) const LARGEST: usize = LARGEST;
}
