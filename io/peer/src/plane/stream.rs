//! One stream of a subscriber: its numbers, and what its receiver reports.

use std::time::Duration;

use trefoil_bwe::Micros;
use trefoil_rtp::Codec;

use crate::{
    plane::Picture,
    sdp::{Numbers, Place},
};

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
    /// The highest index that was sealed, and which of the 128 up to it were.
    sealed: (u64, u128),
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
            sealed: (0, 0),
            packets: 0,
            octets: 0,
            timestamp: 0,
            codec: None,
            reported: None,
            stats: StreamStats::default(),
        }
    }

    /// The SSRC, payload type and index under which a packet goes out; `None` if it may not.
    #[inline]
    pub(crate) fn numbers(
        &mut self,
        types: Numbers,
        picture: &Picture<'_>,
        again: bool,
    ) -> Option<(u32, u8, u64)> {
        if again {
            let number = types.retransmission?;
            self.repeats += 1;
            return Some((self.retransmission, number, self.repeats));
        }
        let index = picture.sequence.saturating_sub(65_536);
        self.is_fresh(index).then_some((self.ssrc, types.number, index))
    }

    /// Whether nothing was sealed under this index before. A second time would give the key away (RFC 7714, section 8.1), so
    /// this does not rely on whoever numbers the packets.
    #[inline]
    pub(crate) const fn is_fresh(&mut self, index: u64) -> bool {
        let (highest, seen) = self.sealed;
        if index > highest || seen == 0 {
            let ahead = index.saturating_sub(highest);
            let seen = if ahead < 128 { seen << ahead } else { 0 };
            self.sealed = (index, seen | 1);
            return true;
        }
        let behind = highest - index;
        if behind >= 128 || seen >> behind & 1 == 1 {
            return false;
        }
        self.sealed = (highest, seen | 1 << behind);
        true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_sealed_once_and_none_so_old_that_it_cannot_be_told() {
        let mut stream = Stream::new(&Place {
            video: true,
            ssrc: 1,
            retransmission: 2,
        });
        let order = [0, 1, 5, 3, 3, 5, 0, 200, 73, 72, 72, 200, 1 << 40];
        let fresh: Vec<bool> = order.into_iter().map(|index| stream.is_fresh(index)).collect();
        let t = true;
        assert_eq!(fresh, [t, t, t, t, !t, !t, !t, t, t, !t, !t, !t, t]);
    }
}
