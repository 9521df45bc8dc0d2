//! Plain RTP with one fixed remote address, for gateways: no ICE, no DTLS; sealed if keys were agreed elsewhere (SDES).

use std::fmt;

use trefoil_rtp::{Codec, HeaderWriter, RtpPacket, SequenceExtender};
use trefoil_srtp::{Keys, Opener, Profile, Sealer};

use crate::{Picture, PublishedPacket};

/// Bytes of a master key and its salt for SRTP_AES128_CM_HMAC_SHA1_80 (RFC 4568, section 6.2).
const KEY_AND_SALT: usize = 30;
const KEY: usize = 16;

/// Master keys with their salts, as `a=crypto` lines carry them behind `inline:`.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainKeys {
    /// For what is sent to the gateway.
    pub outbound: [u8; KEY_AND_SALT],
    /// For what comes from it.
    pub inbound: [u8; KEY_AND_SALT],
}

impl fmt::Debug for PlainKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PlainKeys(..)")
    }
}

/// One gateway's sound, both ways.
pub struct PlainTransport {
    codec: Codec,
    payload_type: u8,
    ssrc: u32,
    sealed: Option<(Sealer, Opener)>,
    /// The stream that comes: its SSRC, and its numbers.
    heard: Option<(u32, SequenceExtender)>,
    /// What numbers of this stream are added to, so that those of a track never go back.
    base: u64,
    highest: u64,
}

impl fmt::Debug for PlainTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PlainTransport({:?}, {})",
            self.codec, self.payload_type
        )
    }
}

impl PlainTransport {
    /// A transport of one codec under one payload type, which sends as `ssrc`.
    #[must_use]
    pub fn new(codec: Codec, payload_type: u8, ssrc: u32, keys: Option<&PlainKeys>) -> Self {
        Self {
            codec,
            payload_type,
            ssrc,
            sealed: keys.and_then(ciphers),
            heard: None,
            base: 0,
            highest: 0,
        }
    }

    /// Reads a datagram; `None` if it is not what was agreed, or does not verify.
    pub fn receive(&mut self, datagram: &mut [u8]) -> Option<PublishedPacket> {
        let length = match &mut self.sealed {
            Some((_, opener)) => opener.open_rtp(datagram).ok()?.1,
            None => datagram.len(),
        };
        let packet = RtpPacket::parse(datagram.get(..length)?).ok()?;
        if packet.payload_type() != self.payload_type {
            return None;
        }
        if self.heard.as_ref().is_none_or(|(ssrc, _)| *ssrc != packet.ssrc()) {
            self.base = self.highest + u64::from(self.heard.is_some()) * 65_536;
            self.heard = Some((packet.ssrc(), SequenceExtender::default()));
        }
        let (_, numbers) = self.heard.as_mut()?;
        let sequence = self.base + numbers.extend(packet.sequence());
        self.highest = self.highest.max(sequence);
        Some(PublishedPacket {
            media: 0,
            encoding: 0,
            codec: self.codec,
            sequence,
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            payload: packet.payload().into(),
            descriptor: [].into(),
            level: None,
            orientation: None,
        })
    }

    /// Writes a packet into `out`; how long it is, or 0 if it does not fit.
    pub fn write(&mut self, picture: &Picture<'_>, out: &mut [u8]) -> usize {
        let index = picture.sequence.saturating_sub(65_536);
        let header = HeaderWriter {
            marker: picture.marker,
            payload_type: self.payload_type,
            sequence: index as u16,
            timestamp: picture.timestamp,
            ssrc: self.ssrc,
            csrcs: &[],
        };
        let start = header.write(out, &[]);
        let end = start + picture.payload.len();
        let Some(body) = out.get_mut(start..end).filter(|_| start > 0) else {
            return 0;
        };
        body.copy_from_slice(picture.payload);
        match &mut self.sealed {
            Some((sealer, _)) => sealer.seal_rtp(out, start, end, index),
            None => end,
        }
    }
}

fn ciphers(keys: &PlainKeys) -> Option<(Sealer, Opener)> {
    // The order in which DTLS exports them, with us as its client.
    let (ours, theirs) = (keys.outbound.split_at(KEY), keys.inbound.split_at(KEY));
    let material = [ours.0, theirs.0, ours.1, theirs.1].concat();
    let keys = Keys::from_keying_material(Profile::Aes128CmSha1_80, &material, true);
    let (outbound, inbound) = keys.ok()?;
    Some((Sealer::new(&outbound), Opener::new(&inbound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(sequence: u64, payload: &[u8]) -> Picture<'_> {
        Picture {
            codec: Codec::Pcmu,
            sequence: 65_536 + sequence,
            timestamp: sequence as u32 * 160,
            marker: false,
            payload,
            renumber: None,
            descriptor: &[],
            level: None,
            orientation: None,
            voices: &[],
        }
    }

    /// Two ends; `sealed` with keys of each other.
    fn pair(sealed: bool) -> (PlainTransport, PlainTransport) {
        let (one, other) = ([1; KEY_AND_SALT], [2; KEY_AND_SALT]);
        let end = |ssrc, outbound, inbound| {
            let keys = PlainKeys { outbound, inbound };
            PlainTransport::new(Codec::Pcmu, 0, ssrc, sealed.then_some(&keys))
        };
        (end(7, one, other), end(8, other, one))
    }

    #[test]
    fn what_one_end_writes_the_other_reads() {
        for sealed in [false, true] {
            let (mut one, mut other) = pair(sealed);
            let mut numbers = Vec::new();
            for sequence in [65_534, 65_535, 65_536, 65_538] {
                let mut out = [0; 300];
                let length = one.write(&picture(sequence, b"sound"), &mut out);
                assert_eq!(length, 17 + if sealed { 10 } else { 0 });
                let read = other.receive(&mut out[..length]).unwrap();
                assert_eq!(&*read.payload, b"sound");
                numbers.push(read.sequence);
            }
            let steps: Vec<u64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert_eq!(steps, [1, 1, 2], "over the turn of the number");
        }
    }

    #[test]
    fn what_was_not_agreed_is_not_read() {
        let (mut one, mut other) = pair(true);
        let mut out = [0; 300];
        let length = one.write(&picture(1, b"sound"), &mut out);
        assert!(other.receive(&mut [0; 4]).is_none(), "no packet");
        let mut changed = out;
        changed[14] ^= 1;
        assert!(other.receive(&mut changed[..length]).is_none(), "another tag");
        assert!(other.receive(&mut out[..length]).is_some());
        assert!(other.receive(&mut out[..length]).is_none(), "a second time");
        let mut wrong_type = PlainTransport::new(Codec::Pcmu, 96, 1, None);
        let length = pair(false).0.write(&picture(1, b"sound"), &mut out);
        assert!(wrong_type.receive(&mut out[..length]).is_none());
    }

    #[test]
    fn another_stream_goes_on_with_higher_numbers() {
        let (mut one, mut other) = pair(false);
        let mut out = [0; 300];
        let length = one.write(&picture(40_000, b"a"), &mut out);
        let before = other.receive(&mut out[..length]).unwrap().sequence;
        let mut next = PlainTransport::new(Codec::Pcmu, 0, 9, None);
        let length = next.write(&picture(3, b"b"), &mut out);
        assert!(other.receive(&mut out[..length]).unwrap().sequence > before);
    }
}
