//! A received STUN message: checked once, then read without copying.

use crate::{AttributeType, MAGIC_COOKIE, decode_xor_address, fingerprint_of};
use std::net::SocketAddr;

/// The size of a STUN header in bytes.
pub const HEADER: usize = 20;

/// More attributes than any sender needs; a message with more is not worth reading.
const MOST_ATTRIBUTES: usize = 64;

/// Why bytes are not a STUN message. Such bytes are dropped and counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer bytes than a header.
    #[error("shorter than a STUN header")]
    Short,
    /// The two first bits are not zero, or the magic cookie is not there (RFC 3489 clients).
    #[error("not STUN")]
    NotStun,
    /// The length field disagrees with the bytes.
    #[error("the length field does not fit the message")]
    Length,
    /// An attribute runs past the end.
    #[error("an attribute runs past the end")]
    Attribute,
    /// More than 64 attributes.
    #[error("too many attributes")]
    TooManyAttributes,
    /// FINGERPRINT is not the checksum of what precedes it.
    #[error("the fingerprint is wrong")]
    Fingerprint,
}

/// The 96-bit transaction id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// The class of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

/// The method of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 8489.
    Binding,
    /// RFC 8656 section 7.
    Allocate,
    /// RFC 8656 section 8.
    Refresh,
    /// RFC 8656 section 11.
    Send,
    /// RFC 8656 section 11.
    Data,
    /// RFC 8656 section 10.
    CreatePermission,
    /// RFC 8656 section 12.
    ChannelBind,
    /// RFC 6062.
    Connect,
    /// RFC 6062.
    ConnectionBind,
    /// RFC 6062.
    ConnectionAttempt,
    /// Any other of the 12-bit numbers.
    Other(u16),
}

impl Method {
    /// The 12-bit number.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Method::Binding => 1,
            Method::Allocate => 3,
            Method::Refresh => 4,
            Method::Send => 6,
            Method::Data => 7,
            Method::CreatePermission => 8,
            Method::ChannelBind => 9,
            Method::Connect => 10,
            Method::ConnectionBind => 11,
            Method::ConnectionAttempt => 12,
            Method::Other(number) => number & 0xFFF,
        }
    }

    fn of(number: u16) -> Method {
        match number {
            1 => Method::Binding,
            3 => Method::Allocate,
            4 => Method::Refresh,
            6 => Method::Send,
            7 => Method::Data,
            8 => Method::CreatePermission,
            9 => Method::ChannelBind,
            10 => Method::Connect,
            11 => Method::ConnectionBind,
            12 => Method::ConnectionAttempt,
            other => Method::Other(other),
        }
    }
}

/// The message type field of [RFC 8489 section 5](https://www.rfc-editor.org/rfc/rfc8489#section-5).
pub(crate) fn type_field(class: Class, method: Method) -> u16 {
    let m = method.number();
    let class_bits = match class {
        Class::Request => 0,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    (m & 0x00F) | (m & 0x070) << 1 | (m & 0xF80) << 2 | class_bits
}

/// One attribute: its type and its value without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is.
    pub kind: AttributeType,
    /// Its bytes.
    pub value: &'a [u8],
}

/// The attributes of a message, in order. Stops at the end or at the first that does not fit.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) fn over(rest: &'a [u8]) -> Attributes<'a> {
        Attributes { rest }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let ([kind_high, kind_low, length_high, length_low], rest) = self.rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let value = rest.get(..length)?;
        self.rest = rest.get(length.next_multiple_of(4)..)?;
        Some(Attribute {
            kind: AttributeType(u16::from_be_bytes([*kind_high, *kind_low])),
            value,
        })
    }
}

/// A message whose frame is sound.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the attributes end that a consumer may see.
    visible_end: usize,
    pub(crate) sha1_at: Option<usize>,
    pub(crate) sha256_at: Option<usize>,
    has_fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Checks a whole datagram (or one frame of a stream).
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong; nothing may be answered then.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let header = bytes.first_chunk::<HEADER>().ok_or(Malformed::Short)?;
        let [t0, _, l0, l1, c0, c1, c2, c3, ..] = header;
        if t0 & 0xC0 != 0 || u32::from_be_bytes([*c0, *c1, *c2, *c3]) != MAGIC_COOKIE {
            return Err(Malformed::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if length % 4 != 0 || HEADER + length != bytes.len() {
            return Err(Malformed::Length);
        }
        Message {
            bytes,
            visible_end: bytes.len(),
            sha1_at: None,
            sha256_at: None,
            has_fingerprint: false,
        }
        .walk()
    }

    /// Finds the integrity attributes and the fingerprint, which end what a consumer may see.
    fn walk(mut self) -> Result<Message<'a>, Malformed> {
        let mut attributes = Attributes::over(self.bytes.get(HEADER..).unwrap_or_default());
        for _ in 0..MOST_ATTRIBUTES {
            let at = self.bytes.len() - attributes.rest.len();
            let Some(attribute) = attributes.next() else {
                let complete = attributes.rest.is_empty();
                return if complete {
                    Ok(self)
                } else {
                    Err(Malformed::Attribute)
                };
            };
            let protected = self.sha1_at.is_some() || self.sha256_at.is_some();
            match attribute.kind {
                AttributeType::MESSAGE_INTEGRITY if !protected => {
                    self.sha1_at = Some(at);
                    self.visible_end = at;
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if self.sha256_at.is_none() => {
                    self.sha256_at = Some(at);
                    self.visible_end = self.visible_end.min(at);
                }
                AttributeType::FINGERPRINT => {
                    let expected = self
                        .bytes
                        .get(..at)
                        .map(|before| fingerprint_of(before, at + 8 - HEADER));
                    if Some(attribute.value) != expected.map(u32::to_be_bytes).as_ref().map(|sum| &sum[..]) {
                        return Err(Malformed::Fingerprint);
                    }
                    self.has_fingerprint = true;
                    self.visible_end = self.visible_end.min(at);
                    // Whatever follows is no part of the message that the sender made.
                    return Ok(self);
                }
                _ => {}
            }
        }
        if attributes.rest.is_empty() {
            Ok(self)
        } else {
            Err(Malformed::TooManyAttributes)
        }
    }

    fn type_bits(&self) -> u16 {
        self.bytes.first_chunk().map_or(0, |two| u16::from_be_bytes(*two))
    }

    /// Request, indication or response.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.type_bits() & 0x110 {
            0x000 => Class::Request,
            0x010 => Class::Indication,
            0x100 => Class::Success,
            _ => Class::Error,
        }
    }

    /// What is asked or answered.
    #[must_use]
    pub fn method(&self) -> Method {
        let bits = self.type_bits();
        Method::of((bits & 0x00F) | (bits & 0x0E0) >> 1 | (bits & 0x3E00) >> 2)
    }

    /// The transaction id.
    #[must_use]
    pub fn transaction_id(&self) -> TransactionId {
        let id = self.bytes.get(8..).and_then(<[u8]>::first_chunk);
        TransactionId(id.copied().unwrap_or_default())
    }

    /// The attributes that come before the message integrity and the fingerprint.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::over(self.bytes.get(HEADER..self.visible_end).unwrap_or_default())
    }

    /// The value of the first attribute of this type (a second one is ignored, RFC 8489 section 14).
    #[must_use]
    pub fn first(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes()
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// The first attribute of this type read as an XOR address; `None` also if its value is not one.
    #[must_use]
    pub fn xor_address(&self, kind: AttributeType) -> Option<SocketAddr> {
        self.first(kind)
            .and_then(|value| decode_xor_address(value, &self.transaction_id()))
    }

    /// The first attribute of this type read as a 32-bit number.
    #[must_use]
    pub fn number(&self, kind: AttributeType) -> Option<u32> {
        self.first(kind)
            .and_then(|value| <[u8; 4]>::try_from(value).ok())
            .map(u32::from_be_bytes)
    }

    /// Whether a (correct) FINGERPRINT was there.
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        self.has_fingerprint
    }

    /// Whether the message carries MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256.
    #[must_use]
    pub fn has_integrity(&self) -> bool {
        self.sha1_at.is_some() || self.sha256_at.is_some()
    }

    /// Where `value`, an attribute of this message, lies in the bytes that were parsed.
    #[must_use]
    pub fn span_of(&self, value: &[u8]) -> std::ops::Range<usize> {
        let start = (value.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        start..start.wrapping_add(value.len())
    }
}
