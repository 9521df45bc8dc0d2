//! A received RTP packet: its header is checked once, then read without copying.

use crate::{Extensions, Malformed, bytes::Reader};

/// The size of an RTP header without CSRCs and extension.
pub const FIXED_HEADER: usize = 12;

/// An RTP packet ([RFC 3550 section 5.1](https://www.rfc-editor.org/rfc/rfc3550#section-5.1)) whose header is sound.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    fixed: &'a [u8; FIXED_HEADER],
    csrcs: &'a [u8],
    extension: Extensions<'a>,
    header_length: usize,
    payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Checks a whole, decrypted packet.
    ///
    /// # Errors
    /// [`Malformed`] if the version is not 2, or CSRCs, extension or padding do not fit the bytes.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<RtpPacket<'a>, Malformed> {
        let (packet, padded) = RtpPacket::parse_header(bytes)?;
        let padding = match (padded, packet.payload.last()) {
            (false, _) => 0,
            (true, Some(0) | None) => return Err(Malformed::Padding),
            (true, Some(count)) => usize::from(*count),
        };
        let length = packet
            .payload
            .len()
            .checked_sub(padding)
            .ok_or(Malformed::Padding)?;
        let payload = packet.payload.get(..length).unwrap_or_default();
        Ok(RtpPacket { payload, ..packet })
    }

    /// Checks the header alone, for a packet whose payload is still encrypted: its padding cannot be seen, so
    /// [`RtpPacket::payload`] is all that follows the header.
    ///
    /// # Errors
    /// As [`RtpPacket::parse`], but for the padding.
    #[inline]
    pub fn parse_encrypted(bytes: &'a [u8]) -> Result<RtpPacket<'a>, Malformed> {
        RtpPacket::parse_header(bytes).map(|(packet, _)| packet)
    }

    fn parse_header(bytes: &'a [u8]) -> Result<(RtpPacket<'a>, bool), Malformed> {
        let (fixed, rest) = bytes
            .split_first_chunk::<FIXED_HEADER>()
            .ok_or(Malformed::Short)?;
        let [first, ..] = *fixed;
        if first >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let mut rest = Reader(rest);
        let csrcs = rest
            .take(usize::from(first & 0x0F) * 4)
            .map_err(|_| Malformed::Csrcs)?;
        let extension = if first & 0x10 == 0 {
            Extensions::default()
        } else {
            let profile = rest.u16().map_err(|_| Malformed::Extension)?;
            let words = rest.u16().map_err(|_| Malformed::Extension)?;
            let elements = rest.take(usize::from(words) * 4);
            Extensions::new(profile, elements.map_err(|_| Malformed::Extension)?)
        };
        let packet = RtpPacket {
            fixed,
            csrcs,
            extension,
            header_length: bytes.len() - rest.0.len(),
            payload: rest.0,
        };
        Ok((packet, first & 0x20 != 0))
    }

    /// The marker bit: for video the last packet of a picture, for audio the first after silence.
    #[must_use]
    #[inline]
    pub fn marker(&self) -> bool {
        let [_, second, ..] = self.fixed;
        second & 0x80 != 0
    }

    /// The payload type, 0 to 127.
    #[must_use]
    #[inline]
    pub fn payload_type(&self) -> u8 {
        let [_, second, ..] = self.fixed;
        second & 0x7F
    }

    /// The sequence number.
    #[must_use]
    #[inline]
    pub fn sequence(&self) -> u16 {
        let [_, _, a, b, ..] = *self.fixed;
        u16::from_be_bytes([a, b])
    }

    /// The timestamp, in units of the codec's clock rate.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = *self.fixed;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Who sends.
    #[must_use]
    #[inline]
    pub fn ssrc(&self) -> u32 {
        let [.., a, b, c, d] = *self.fixed;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Who contributed to what a mixer sends.
    #[must_use]
    pub fn csrcs(&self) -> Csrcs<'a> {
        Csrcs(Reader(self.csrcs))
    }

    /// The elements of the header extension, in order.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'a> {
        self.extension
    }

    /// The first element of the header extension with this id.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions()
            .find(|(element, _)| *element == id)
            .map(|(_, value)| value)
    }

    /// The payload without its padding. Empty for a packet that is there to probe.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Where the payload begins: the bytes of fixed header, CSRCs and extension.
    #[must_use]
    #[inline]
    pub fn header_len(&self) -> usize {
        self.header_length
    }
}

/// The contributing sources of a packet, at most 15.
#[derive(Clone, Copy, Debug)]
pub struct Csrcs<'a>(Reader<'a>);

impl Iterator for Csrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0.u32().ok()
    }
}
