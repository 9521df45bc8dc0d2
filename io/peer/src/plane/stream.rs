//! One stream of a subscriber: its numbers, and what its receiver reports.

use std::time::Duration;

use trefoil_bwe::Micros;
use trefoil_rtp::Codec;

use crate::{plane::Picture, sdp::Place};

/// How a stream is received, as its receiver reports.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct StreamStats {
    /// Packets that did not arrive, of those sent between the last two reports: 0 to 1.
    pub loss: f32,
    /// How unevenly they arrive, in units of the RTP clock.
    pub jitter: u32,
    /// There and back.
    pub round_trip: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ssrc: u32,
    pub(crate) retransmission: u32,
    /// Retransmissions and padding so far: their sequence number.
    pub(crate) repeats: u64,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    pub(crate) timestamp: u32,
    /// Of the last packet.
    pub(crate) codec: Option<Codec>,
    /// The last sender report: what it said and when.
    pub(crate) reported: Option<(u64, Micros)>,
    pub(crate) stats: StreamStats,
}

impl Stream {
    pub(crate) fn new(place: &Place) -> Self {
        Self {
            ssrc: place.ssrc,
            retransmission: place.retransmission,
            repeats: 0,
            packets: 0,
            octets: 0,
            timestamp: 0,
            codec: None,
            reported: None,
            stats: StreamStats::default(),
        }
    }

    #[inline]
    pub(crate) fn note(&mut self, picture: &Picture<'_>, again: bool) {
        if !again {
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(picture.payload.len() as u32);
            self.timestamp = picture.timestamp;
            self.codec = Some(picture.codec);
        }
    }
}
