//! Writes a STUN message into a buffer of the caller.

use std::net::SocketAddr;

use crate::address::{encode, encode_xor};
use crate::integrity::{fingerprint_of, tag};
use crate::message::type_field;
use crate::{AttributeType, Class, ErrorCode, HEADER, Integrity, Key, MAGIC_COOKIE, Method, TransactionId};

/// The buffer was too small for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buffer is too small for the message")]
pub struct NoRoom;

/// A message that grows in a borrowed buffer. Attributes stay in the order in which they are added; integrity and then
/// fingerprint come last. Room is checked once, by [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    used: usize,
    overflowed: bool,
    transaction: TransactionId,
}

impl<'b> Writer<'b> {
    /// Begins a message.
    pub fn new(buffer: &'b mut [u8], class: Class, method: Method, transaction: TransactionId) -> Writer<'b> {
        let mut writer = Writer {
            buffer,
            used: 0,
            overflowed: false,
            transaction,
        };
        writer.put(&type_field(class, method).to_be_bytes());
        writer.put(&[0, 0]);
        writer.put(&MAGIC_COOKIE.to_be_bytes());
        writer.put(&transaction.0);
        writer
    }

    /// Adds an attribute with these bytes, padded with zeros.
    pub fn attribute(&mut self, kind: AttributeType, value: &[u8]) -> &mut Writer<'b> {
        let Ok(length) = u16::try_from(value.len()) else {
            self.overflowed = true;
            return self;
        };
        self.put(&kind.0.to_be_bytes());
        self.put(&length.to_be_bytes());
        self.put(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.put([0u8; 3].get(..padding).unwrap_or_default());
        self
    }

    /// Adds a 32-bit number, such as LIFETIME.
    pub fn number(&mut self, kind: AttributeType, value: u32) -> &mut Writer<'b> {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Adds a plain address, such as MAPPED-ADDRESS.
    pub fn address(&mut self, kind: AttributeType, address: SocketAddr) -> &mut Writer<'b> {
        let mut value = [0; 20];
        let length = encode(address, &mut value);
        self.attribute(kind, value.get(..length).unwrap_or_default())
    }

    /// Adds an address combined with cookie and transaction id, such as XOR-MAPPED-ADDRESS.
    pub fn xor_address(&mut self, kind: AttributeType, address: SocketAddr) -> &mut Writer<'b> {
        let mut value = [0; 20];
        let length = encode_xor(address, &self.transaction, &mut value);
        self.attribute(kind, value.get(..length).unwrap_or_default())
    }

    /// Adds ERROR-CODE with an empty reason phrase: replies to strangers stay small.
    pub fn error_code(&mut self, code: ErrorCode) -> &mut Writer<'b> {
        self.attribute(AttributeType::ERROR_CODE, &code.to_bytes())
    }

    /// Adds an integrity attribute over all that was added so far.
    pub fn integrity(&mut self, which: Integrity, key: &Key) -> &mut Writer<'b> {
        let (kind, size) = match which {
            Integrity::Sha1 => (AttributeType::MESSAGE_INTEGRITY, 20),
            Integrity::Sha256 => (AttributeType::MESSAGE_INTEGRITY_SHA256, 32),
        };
        let made = self
            .buffer
            .get(..self.used)
            .map(|before| tag(which, key, before, self.used + 4 + size - HEADER));
        if let Some(made) = made {
            self.attribute(kind, made.as_ref());
        }
        self
    }

    /// Adds FINGERPRINT; nothing may follow.
    pub fn fingerprint(&mut self) -> &mut Writer<'b> {
        let sum = self
            .buffer
            .get(..self.used)
            .map(|before| fingerprint_of(before, self.used + 8 - HEADER));
        self.number(AttributeType::FINGERPRINT, sum.unwrap_or(0))
    }

    /// Writes the length field and says how many bytes of the buffer the message takes.
    ///
    /// # Errors
    /// [`NoRoom`] if the buffer was too small; its content is then of no use.
    pub fn finish(&mut self) -> Result<usize, NoRoom> {
        let length = u16::try_from(self.used.saturating_sub(HEADER)).map_err(|_| NoRoom)?;
        match self.buffer.get_mut(2..4) {
            Some(field) if !self.overflowed => {
                field.copy_from_slice(&length.to_be_bytes());
                Ok(self.used)
            }
            _ => Err(NoRoom),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        match self.buffer.get_mut(self.used..end) {
            Some(into) if !self.overflowed => {
                into.copy_from_slice(bytes);
                self.used = end;
            }
            _ => self.overflowed = true,
        }
    }
}
