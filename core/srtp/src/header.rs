//! As much of RTP and RTCP headers as protection needs.

use crate::Refused;

/// Where the first encrypted byte of an RTCP compound is.
pub(crate) const RTCP_HEADER: usize = 8;
/// An RTP header without CSRCs and extension.
const FIXED: usize = 12;

/// Length of the header, sequence number and SSRC of an RTP packet.
#[inline]
pub(crate) fn rtp(packet: &[u8]) -> Result<(usize, u16, u32), Refused> {
    let fixed = packet.first_chunk::<FIXED>().ok_or(Refused::Malformed)?;
    let [first, _, s0, s1, _, _, _, _, ssrc @ ..] = *fixed;
    if first >> 6 != 2 {
        return Err(Refused::Malformed);
    }
    let mut length = FIXED + usize::from(first & 0x0F) * 4;
    if first & 0x10 != 0 {
        let extension = packet.get(length..).and_then(<[u8]>::first_chunk);
        let [_, _, high, low] = *extension.ok_or(Refused::Malformed)?;
        length += 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
    }
    if length > packet.len() {
        return Err(Refused::Malformed);
    }
    Ok((length, u16::from_be_bytes([s0, s1]), u32::from_be_bytes(ssrc)))
}

/// The SSRC of an RTCP compound: that of its first packet's sender.
pub(crate) fn rtcp(packet: &[u8]) -> Result<u32, Refused> {
    let [first, _, _, _, ssrc @ ..] = *packet.first_chunk::<RTCP_HEADER>().ok_or(Refused::Malformed)?;
    if first >> 6 != 2 {
        return Err(Refused::Malformed);
    }
    Ok(u32::from_be_bytes(ssrc))
}
