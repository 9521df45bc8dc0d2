//! RTP and RTCP as views over bytes, header extensions, serial numbers, keyframe and layer peeks.
//!
//! Reading borrows and allocates nothing: [`RtpPacket::parse`] checks the header once, [`peek`] says what a packet is
//! to a forwarder, [`rtcp::packets`] walks a compound. Writing goes into the caller's buffer. What had to change for a
//! receiver (picture ids, frame numbers) is rewritten in place and keeps its length.

pub mod audio_level;
pub mod av1;
mod bits;
mod bytes;
mod codec;
mod dependency;
mod extender;
mod extension;
pub mod h264;
mod header;
mod malformed;
mod packet;
mod peek;
pub mod red;
pub mod rtcp;
pub mod rtx;
mod sps;
mod structure;
pub mod vp8;
pub mod vp9;

pub use codec::Codec;
pub use dependency::{DependencyReader, Descriptor};
pub use extender::{SequenceExtender, TimestampExtender};
pub use extension::Extensions;
pub use header::{HeaderWriter, header_length, write_header};
pub use malformed::Malformed;
pub use packet::{Csrcs, FIXED_HEADER, RtpPacket};
pub use peek::{Peek, peek};
