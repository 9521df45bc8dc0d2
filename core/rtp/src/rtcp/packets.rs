//! The packets of a compound, one after the other.

use super::{Blocks, FirEntries, NackSequences, Twcc, format, kind};
use crate::{Malformed, bytes::Reader};

/// How many packets of a compound are read; more are malformed.
pub const MOST_PACKETS: usize = 64;

/// The identifier of REMB among the application layer feedback messages.
const REMB: [u8; 4] = *b"REMB";

/// One RTCP packet. `ssrc` and `sender` are who sends it, `media` whom it is about.
#[derive(Clone, Copy, Debug)]
pub enum Rtcp<'a> {
    /// What a sender sent, and what it received.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// Wall clock: seconds since 1900 in the upper half, their fraction in the lower.
        ntp: u64,
        /// The same moment as an RTP timestamp.
        rtp: u32,
        /// Packets sent since the beginning.
        packets: u32,
        /// Bytes of payload sent since the beginning.
        octets: u32,
        /// What it received of others.
        blocks: Blocks<'a>,
    },
    /// What a receiver received.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it received of others.
        blocks: Blocks<'a>,
    },
    /// Names of sources; [`super::cnames`] reads them.
    Sdes,
    /// Sources that are gone.
    Bye {
        /// Which.
        ssrcs: Ssrcs<'a>,
    },
    /// Packets that were lost and are wanted again (RFC 4585 section 6.2.1).
    Nack {
        /// Who asks.
        sender: u32,
        /// Whose packets.
        media: u32,
        /// Their sequence numbers.
        seqs: NackSequences<'a>,
    },
    /// A picture was lost (RFC 4585 section 6.3.1).
    Pli {
        /// Who asks.
        sender: u32,
        /// Whose picture.
        media: u32,
    },
    /// A keyframe is wanted (RFC 5104 section 4.3.1).
    Fir {
        /// Who asks.
        sender: u32,
        /// Of whom, and the number of the request.
        entries: FirEntries<'a>,
    },
    /// How much a receiver can take (draft-alvestrand-rmcat-remb).
    Remb {
        /// Bits in a second.
        bitrate: u64,
        /// Over which sources.
        ssrcs: Ssrcs<'a>,
    },
    /// When packets arrived (draft-holmer-rmcat-transport-wide-cc-extensions).
    Twcc(Twcc<'a>),
    /// Any other kind.
    Other,
}

/// The packets of a compound. The first that is malformed is the last item.
#[derive(Clone, Copy, Debug)]
pub struct Packets<'a> {
    rest: Reader<'a>,
    left: usize,
}

/// The packets of `compound`, which is decrypted and may be of reduced size (RFC 5506).
#[must_use]
pub fn packets(compound: &[u8]) -> Packets<'_> {
    Packets {
        rest: Reader(compound),
        left: MOST_PACKETS,
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Rtcp<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.0.is_empty() {
            return None;
        }
        let packet = match self.left.checked_sub(1) {
            None => Err(Malformed::TooMany),
            Some(left) => {
                self.left = left;
                frame(&mut self.rest).and_then(Frame::read)
            }
        };
        if packet.is_err() {
            self.rest = Reader(&[]);
        }
        Some(packet)
    }
}

/// One packet whose frame is sound.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    /// The count or format field.
    pub(super) count: u8,
    pub(super) kind: u8,
    /// What follows the first word, without padding.
    pub(super) body: Reader<'a>,
}

/// Cuts the next packet off `rest`.
pub(super) fn frame<'a>(rest: &mut Reader<'a>) -> Result<Frame<'a>, Malformed> {
    let [first, kind] = rest.chunk()?;
    if first >> 6 != 2 {
        return Err(Malformed::Version);
    }
    let words = usize::from(rest.u16()?);
    let mut body = rest.take(words * 4).map_err(|_| Malformed::Length)?;
    if first & 0x20 != 0 {
        let padding = usize::from(*body.last().ok_or(Malformed::Padding)?);
        let length = body
            .len()
            .checked_sub(padding)
            .filter(|_| padding != 0 && rest.0.is_empty());
        body = body.get(..length.ok_or(Malformed::Padding)?).unwrap_or_default();
    }
    Ok(Frame {
        count: first & 0x1F,
        kind,
        body: Reader(body),
    })
}

impl<'a> Frame<'a> {
    fn read(self) -> Result<Rtcp<'a>, Malformed> {
        let Frame {
            count,
            kind,
            mut body,
        } = self;
        match (kind, count) {
            (kind::SENDER_REPORT, _) => Ok(Rtcp::SenderReport {
                ssrc: body.u32()?,
                ntp: u64::from(body.u32()?) << 32 | u64::from(body.u32()?),
                rtp: body.u32()?,
                packets: body.u32()?,
                octets: body.u32()?,
                blocks: Blocks::read(&mut body, count)?,
            }),
            (kind::RECEIVER_REPORT, _) => Ok(Rtcp::ReceiverReport {
                ssrc: body.u32()?,
                blocks: Blocks::read(&mut body, count)?,
            }),
            (kind::SDES, _) => Ok(Rtcp::Sdes),
            (kind::BYE, _) => Ok(Rtcp::Bye {
                ssrcs: Ssrcs::read(&mut body, count)?,
            }),
            (kind::TRANSPORT_FEEDBACK, format::NACK) => Ok(Rtcp::Nack {
                sender: body.u32()?,
                media: body.u32()?,
                seqs: NackSequences::over(body),
            }),
            (kind::TRANSPORT_FEEDBACK, format::TWCC) => Twcc::read(body).map(Rtcp::Twcc),
            (kind::PAYLOAD_FEEDBACK, format::PLI) => Ok(Rtcp::Pli {
                sender: body.u32()?,
                media: body.u32()?,
            }),
            (kind::PAYLOAD_FEEDBACK, format::FIR) => {
                let (sender, _media) = (body.u32()?, body.u32()?);
                let entries = FirEntries::over(body);
                Ok(Rtcp::Fir { sender, entries })
            }
            (kind::PAYLOAD_FEEDBACK, format::APPLICATION) => application(body),
            _ => Ok(Rtcp::Other),
        }
    }
}

fn application(mut body: Reader<'_>) -> Result<Rtcp<'_>, Malformed> {
    let (_sender, _media) = (body.u32()?, body.u32()?);
    if body.chunk() != Ok(REMB) {
        return Ok(Rtcp::Other);
    }
    let [count, high, middle, low] = body.chunk()?;
    let mantissa = u64::from(u32::from_be_bytes([0, high & 0x03, middle, low]));
    let exponent = u32::from(high >> 2);
    if exponent > mantissa.leading_zeros() && mantissa != 0 {
        return Err(Malformed::Field);
    }
    Ok(Rtcp::Remb {
        bitrate: mantissa.checked_shl(exponent).unwrap_or(0),
        ssrcs: Ssrcs::read(&mut body, count)?,
    })
}

/// Some SSRCs, in order.
#[derive(Clone, Copy, Debug)]
pub struct Ssrcs<'a>(Reader<'a>);

impl<'a> Ssrcs<'a> {
    fn read(body: &mut Reader<'a>, count: u8) -> Result<Ssrcs<'a>, Malformed> {
        let ssrcs = body.take(usize::from(count) * 4);
        ssrcs
            .map(|ssrcs| Ssrcs(Reader(ssrcs)))
            .map_err(|_| Malformed::Length)
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.0.u32().ok()
    }
}
