//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};

use crate::{Attributes, HEADER, Key, Message};

/// FINGERPRINT is CRC-32 combined with this ([RFC 8489 section 14.7](https://www.rfc-editor.org/rfc/rfc8489#section-14.7)).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// Which of the two integrity attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY, HMAC-SHA1, 20 bytes.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, HMAC-SHA256, 32 bytes (a request may truncate it to 16, 20, 24 or 28).
    Sha256,
}

/// The HMAC over `before` as if the header's length field said `length`.
pub(crate) fn tag(which: Integrity, key: &Key, before: &[u8], length: usize) -> hmac::Tag {
    let algorithm = match which {
        Integrity::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Integrity::Sha256 => hmac::HMAC_SHA256,
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key.as_bytes()));
    let (head, rest) = with_length(before, length);
    context.update(&head);
    context.update(rest);
    context.sign()
}

/// The FINGERPRINT for a message that begins with `before` and whose length field will say `length`.
#[must_use]
pub fn fingerprint_of(before: &[u8], length: usize) -> u32 {
    let (head, rest) = with_length(before, length);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head);
    sum.update(rest);
    sum.finalize() ^ FINGERPRINT_XOR
}

fn with_length(before: &[u8], length: usize) -> ([u8; 4], &[u8]) {
    let (start, rest) = before.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let [t0, t1, ..] = *start;
    let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    ([t0, t1, l0, l1], rest)
}

impl Message<'_> {
    /// Whether the message carries this integrity attribute, made with `key`. The comparison takes the same time
    /// wherever the first difference is.
    #[must_use]
    pub fn verify(&self, which: Integrity, key: &Key) -> bool {
        let at = match which {
            Integrity::Sha1 => self.sha1_at,
            Integrity::Sha256 => self.sha256_at,
        };
        let parts = at.and_then(|at| Some((at, self.bytes.get(..at)?, self.bytes.get(at..)?)));
        let Some((at, before, from)) = parts else {
            return false;
        };
        let Some(attribute) = (Attributes::over(from)).next() else {
            return false;
        };
        let length = attribute.value.len();
        let allowed = match which {
            Integrity::Sha1 => length == 20,
            Integrity::Sha256 => (16..=32).contains(&length) && length % 4 == 0,
        };
        let made = tag(which, key, before, at + 4 + length - HEADER);
        allowed
            && made
                .as_ref()
                .get(..length)
                .is_some_and(|made| verify_slices_are_equal(made, attribute.value).is_ok())
    }

    /// The strongest integrity attribute that the message carries.
    #[must_use]
    pub fn integrity(&self) -> Option<Integrity> {
        let sha1 = self.sha1_at.map(|_| Integrity::Sha1);
        self.sha256_at.map(|_| Integrity::Sha256).or(sha1)
    }
}
