//! STUN and TURN messages as bytes: RFC 8489 codec, integrity, fingerprint, ChannelData.
//!
//! Reading borrows: [`Message::parse`] checks the frame once and hands out attributes lazily, and only those that come
//! before the message integrity, so nothing that a stranger appended is ever obeyed. Writing goes into the caller's
//! buffer with [`Writer`]. Nothing here keeps state or knows time.

mod address;
mod attribute;
mod channel_data;
mod error_code;
mod integrity;
mod key;
mod kind;
mod message;
mod writer;

pub use address::{decode_address, decode_xor_address};
pub use attribute::{AttributeType, is_comprehension_required};
pub use channel_data::{CHANNEL_HEADER, ChannelData, StreamFrame, channel_header, stream_frame};
pub use error_code::ErrorCode;
pub use integrity::{Integrity, fingerprint_of};
pub use key::{Key, PasswordAlgorithm, userhash};
pub use kind::Kind;
pub use message::{Attribute, Attributes, Class, HEADER, Malformed, Message, Method, TransactionId};
pub use writer::{NoRoom, Writer};

/// The magic cookie of [RFC 8489 section 5](https://www.rfc-editor.org/rfc/rfc8489#section-5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
