//! RTCP: what a compound packet says, and writing each kind of packet that a forwarder sends.
//!
//! Reading borrows and is bounded: a compound is read up to [`MOST_PACKETS`], a NACK up to [`MOST_NACK_FIELDS`], a
//! transport feedback up to [`MOST_STATUSES`]. The writers return how many bytes they wrote, or 0 if `out` is too short
//! or one packet cannot say so much.

mod feedback;
mod packets;
mod report;
mod twcc;
mod twcc_write;

pub use feedback::{
    FirEntries, MOST_NACK_FIELDS, NackSequences, write_fir, write_nack, write_pli, write_remb,
};
pub use packets::{MOST_PACKETS, Packets, Rtcp, Ssrcs, packets};
pub use report::{
    Blocks, ReportBlock, cnames, write_bye, write_receiver_report, write_sdes, write_sender_report,
};
pub use twcc::{MOST_STATUSES, Statuses, Twcc};
pub use twcc_write::write_twcc;

/// Packet types ([RFC 3550 section 12.1](https://www.rfc-editor.org/rfc/rfc3550#section-12.1), RFC 4585 section 6.1).
mod kind {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SDES: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Feedback message types, the second field of a feedback packet.
mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const TWCC: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

use crate::bytes::Writer;

/// Begins a packet; its length is set by [`finish`].
fn begin<'a>(out: &'a mut [u8], count: u8, kind: u8) -> Writer<'a> {
    let mut writer = Writer::new(out);
    writer.put(&[0x80 | count & 0x1F, kind, 0, 0]);
    writer
}

/// Pads the packet with zeros to whole words and sets its length.
fn finish(mut writer: Writer<'_>) -> usize {
    writer.pad();
    let words = (writer.length() / 4).saturating_sub(1);
    match (u16::try_from(words), writer.written()) {
        (Ok(words), [_, _, high, low, ..]) => [*high, *low] = words.to_be_bytes(),
        _ => writer.give_up(),
    }
    writer.finish()
}
