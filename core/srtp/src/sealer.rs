//! Protecting what is sent.

use std::fmt;

use crate::{
    SessionKeys,
    cipher::{Cipher, ENCRYPTED},
    header,
};

/// Seals RTP and RTCP of one direction, in place.
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    /// The index of the next compound, one sequence for all sources.
    rtcp_index: u32,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

impl Sealer {
    /// A sealer with the keys for what we send.
    #[must_use]
    pub fn new(keys: &SessionKeys) -> Sealer {
        Sealer {
            rtp: Cipher::new(keys.profile, &keys.rtp),
            rtcp: Cipher::new(keys.profile, &keys.rtcp),
            rtcp_index: 0,
        }
    }

    /// Seals the RTP packet in the first `len` bytes of `packet`, whose header has `header_len`; how long it is now. The
    /// buffer must have [`crate::Profile::rtp_overhead`] bytes more, else 0 is returned and nothing may be sent.
    ///
    /// `index` is the rollover counter (0 in a source's first turn) before the sequence number: `roc << 16 | sequence`.
    /// A receiver finds the counter by itself only if it hears a packet of the first turn before the second begins, so a
    /// source begins with a sequence number below 2^15. No index of a source may be sealed twice with other bytes: that
    /// would give the key away.
    #[inline]
    #[must_use]
    pub fn seal_rtp(&mut self, packet: &mut [u8], header_len: usize, len: usize, index: u64) -> usize {
        let Some(ssrc) = packet.get(8..).and_then(<[u8]>::first_chunk) else {
            return 0;
        };
        let ssrc = u32::from_be_bytes(*ssrc);
        if index >> 48 != 0 {
            return 0;
        }
        let sealed = self.rtp.seal_rtp(packet, header_len, len, ssrc, index);
        sealed.unwrap_or(0)
    }

    /// Seals the RTCP compound in the first `len` bytes of `packet`; how long it is now. 0 if the buffer has not
    /// [`crate::Profile::rtcp_overhead`] bytes more, or after 2^31 compounds, when the keys are spent.
    #[must_use]
    pub fn seal_rtcp(&mut self, packet: &mut [u8], len: usize) -> usize {
        let Ok(ssrc) = header::rtcp(packet) else {
            return 0;
        };
        if self.rtcp_index == ENCRYPTED {
            return 0;
        }
        match self.rtcp.seal_rtcp(packet, len, ssrc, self.rtcp_index) {
            Some(length) => {
                self.rtcp_index += 1;
                length
            }
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keys, Profile};

    #[test]
    fn the_last_index_of_rtcp_is_used_and_none_after_it() {
        let (keys, _) = Keys::from_keying_material(Profile::AeadAes128Gcm, &[7; 56], true).unwrap();
        let mut sealer = Sealer::new(&keys);
        sealer.rtcp_index = ENCRYPTED - 1;
        let mut packet = [0x80; 28];
        assert_eq!(sealer.seal_rtcp(&mut packet, 8), 28);
        assert_eq!(packet[24..], [0xFF; 4]);
        assert_eq!(sealer.seal_rtcp(&mut packet, 8), 0);
        assert_eq!(sealer.seal_rtcp(&mut packet, 8), 0);
    }
}
