//! Sender reports, receiver reports, names and goodbyes
//! ([RFC 3550 section 6.4](https://www.rfc-editor.org/rfc/rfc3550#section-6.4)).

use super::{begin, finish, kind, packets::frame};
use crate::{
    Malformed,
    bytes::{Reader, Writer},
};

/// The largest number that the count field can say.
const MOST_PARTS: usize = 31;
/// The size of a report block.
const BLOCK: usize = 24;
/// The SDES item that names a source (RFC 3550 section 6.5.1).
const CNAME: u8 = 1;
/// More items than a chunk needs.
const MOST_ITEMS: usize = 16;

/// How well one source is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Which source.
    pub ssrc: u32,
    /// Packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, a signed 24-bit number: duplicates make it negative.
    pub lost: i32,
    /// The highest sequence number, with the count of its turns in the upper half.
    pub highest_sequence: u32,
    /// Interarrival jitter, in units of the RTP timestamp.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report.
    pub last_sr: u32,
    /// How long ago that arrived, in 65536ths of a second.
    pub delay_since_last_sr: u32,
}

/// The report blocks of a report, in order.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a>(Reader<'a>);

impl<'a> Blocks<'a> {
    pub(super) fn read(body: &mut Reader<'a>, count: u8) -> Result<Blocks<'a>, Malformed> {
        let blocks = body.take(usize::from(count) * BLOCK);
        blocks
            .map(|blocks| Blocks(Reader(blocks)))
            .map_err(|_| Malformed::Length)
    }
}

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let ssrc = self.0.u32().ok()?;
        let lost = self.0.u32().ok()?;
        let [fraction_lost, ..] = lost.to_be_bytes();
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            // Shifted up and down again, the sign of 24 bits becomes that of 32.
            lost: (lost << 8) as i32 >> 8,
            highest_sequence: self.0.u32().ok()?,
            jitter: self.0.u32().ok()?,
            last_sr: self.0.u32().ok()?,
            delay_since_last_sr: self.0.u32().ok()?,
        })
    }
}

fn put_blocks(writer: &mut Writer<'_>, blocks: &[ReportBlock]) {
    for block in blocks {
        let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        writer.u32(block.ssrc);
        writer.u32(u32::from(block.fraction_lost) << 24 | lost);
        writer.u32(block.highest_sequence);
        writer.u32(block.jitter);
        writer.u32(block.last_sr);
        writer.u32(block.delay_since_last_sr);
    }
}

/// Begins a packet whose count field says how many `parts` follow.
fn begin_counted(out: &mut [u8], parts: usize, kind: u8) -> Writer<'_> {
    let mut writer = begin(out, parts.min(MOST_PARTS) as u8, kind);
    if parts > MOST_PARTS {
        writer.give_up();
    }
    writer
}

/// Writes a sender report with at most 31 `blocks`; `ntp`, `rtp`, `packets` and `octets` as in
/// [`super::Rtcp::SenderReport`].
#[must_use]
pub fn write_sender_report(
    out: &mut [u8],
    ssrc: u32,
    ntp: u64,
    rtp: u32,
    packets: u32,
    octets: u32,
    blocks: &[ReportBlock],
) -> usize {
    let mut writer = begin_counted(out, blocks.len(), kind::SENDER_REPORT);
    writer.u32(ssrc);
    writer.put(&ntp.to_be_bytes());
    writer.u32(rtp);
    writer.u32(packets);
    writer.u32(octets);
    put_blocks(&mut writer, blocks);
    finish(writer)
}

/// Writes a receiver report with at most 31 `blocks`.
#[must_use]
pub fn write_receiver_report(out: &mut [u8], ssrc: u32, blocks: &[ReportBlock]) -> usize {
    let mut writer = begin_counted(out, blocks.len(), kind::RECEIVER_REPORT);
    writer.u32(ssrc);
    put_blocks(&mut writer, blocks);
    finish(writer)
}

/// Writes the name of a source, of at most 255 bytes.
#[must_use]
pub fn write_sdes(out: &mut [u8], ssrc: u32, cname: &[u8]) -> usize {
    let mut writer = begin_counted(out, 1, kind::SDES);
    writer.u32(ssrc);
    match u8::try_from(cname.len()) {
        Ok(length) => {
            writer.put(&[CNAME, length]);
            writer.put(cname);
            // At least one zero ends the items of a chunk.
            writer.u8(0);
        }
        Err(_) => writer.give_up(),
    }
    finish(writer)
}

/// Writes that at most 31 sources are gone.
#[must_use]
pub fn write_bye(out: &mut [u8], ssrcs: &[u32]) -> usize {
    let mut writer = begin_counted(out, ssrcs.len(), kind::BYE);
    ssrcs.iter().for_each(|ssrc| writer.u32(*ssrc));
    finish(writer)
}

/// The sources and names of an SDES packet.
#[derive(Clone, Copy, Debug)]
struct Cnames<'a> {
    rest: Reader<'a>,
    left: u8,
}

/// The sources that the SDES packets of `compound` name. What is malformed ends the walk.
pub fn cnames(compound: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = Reader(compound);
    let frames = std::iter::from_fn(move || frame(&mut rest).ok());
    frames
        .take(super::MOST_PACKETS)
        .filter(|frame| frame.kind == kind::SDES)
        .flat_map(|frame| Cnames {
            rest: frame.body,
            left: frame.count,
        })
}

impl<'a> Cnames<'a> {
    /// The name in one chunk, if it has one, and its padding to whole words.
    fn chunk(&mut self) -> Result<(u32, Option<&'a [u8]>), Malformed> {
        let ssrc = self.rest.u32()?;
        let before = self.rest.0.len();
        let mut cname = None;
        for _ in 0..MOST_ITEMS {
            let kind = self.rest.u8()?;
            if kind == 0 {
                let read = before - self.rest.0.len();
                self.rest.take(read.next_multiple_of(4) - read)?;
                return Ok((ssrc, cname));
            }
            let length = self.rest.u8()?;
            let value = self.rest.take(usize::from(length))?;
            if kind == CNAME {
                cname = Some(value);
            }
        }
        Err(Malformed::TooMany)
    }
}

impl<'a> Iterator for Cnames<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<(u32, &'a [u8])> {
        while let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            let (ssrc, cname) = self.chunk().ok()?;
            if let Some(cname) = cname {
                return Some((ssrc, cname));
            }
        }
        None
    }
}
