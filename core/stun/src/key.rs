//! Keys of the long-term credential mechanism, and the hash that stands for a username.

use aws_lc_rs::digest::{Context, SHA256};
use md5::{Digest, Md5};

/// The algorithms of [RFC 8489 section 18.5](https://www.rfc-editor.org/rfc/rfc8489#section-18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    /// Number 1.
    Md5,
    /// Number 2.
    Sha256,
}

impl PasswordAlgorithm {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            PasswordAlgorithm::Md5 => 1,
            PasswordAlgorithm::Sha256 => 2,
        }
    }

    /// The algorithm of a PASSWORD-ALGORITHM value that carries no parameters, as both known ones do not.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<PasswordAlgorithm> {
        match value {
            [0, 1, 0, 0] => Some(PasswordAlgorithm::Md5),
            [0, 2, 0, 0] => Some(PasswordAlgorithm::Sha256),
            _ => None,
        }
    }
}

/// The key that a message integrity is made with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; 32],
    length: u8,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(***)")
    }
}

impl Key {
    /// The long-term key of [RFC 8489 section 18.5.1](https://www.rfc-editor.org/rfc/rfc8489#section-18.5.1):
    /// a digest over `username:realm:password`.
    ///
    /// The three are taken as the bytes they are. RFC 8265's OpaqueString profile leaves ASCII as it is; other text must
    /// already be in NFC, as browsers and libraries send it.
    #[must_use]
    pub fn long_term(algorithm: PasswordAlgorithm, username: &[u8], realm: &[u8], password: &[u8]) -> Key {
        let parts = [username, b":", realm, b":", password];
        match algorithm {
            PasswordAlgorithm::Md5 => {
                let mut digest = Md5::new();
                parts.iter().for_each(|part| digest.update(part));
                Key::copied_from(&digest.finalize())
            }
            PasswordAlgorithm::Sha256 => {
                let mut digest = Context::new(&SHA256);
                parts.iter().for_each(|part| digest.update(part));
                Key::copied_from(digest.finish().as_ref())
            }
        }
    }

    /// A key of at most 32 bytes given as it is; `None` if it is longer.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        (bytes.len() <= 32).then(|| Key::copied_from(bytes))
    }

    fn copied_from(source: &[u8]) -> Key {
        let mut bytes = [0; 32];
        let mut length = 0;
        for (into, byte) in bytes.iter_mut().zip(source) {
            *into = *byte;
            length += 1;
        }
        Key { bytes, length }
    }

    /// The bytes for HMAC.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

/// USERHASH: SHA-256 over `username:realm` ([RFC 8489 section 14.4](https://www.rfc-editor.org/rfc/rfc8489#section-14.4)).
#[must_use]
pub fn userhash(username: &[u8], realm: &[u8]) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    [username, b":", realm]
        .iter()
        .for_each(|part| digest.update(part));
    let mut hash = [0; 32];
    hash.iter_mut()
        .zip(digest.finish().as_ref())
        .for_each(|(into, byte)| *into = *byte);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_md5_key_is_the_example_of_rfc_5389() {
        // RFC 5389 section 15.4: user "user", realm "realm", password "pass".
        let key = Key::long_term(PasswordAlgorithm::Md5, b"user", b"realm", b"pass");
        assert_eq!(hex(key.as_bytes()), "8493fbc53ba582fb4c044c456bdc40eb");
    }

    #[test]
    fn the_sha256_key_and_the_userhash_are_what_sha256sum_says() {
        // printf 'user:realm:pass' | sha256sum; printf 'user:realm' | sha256sum
        let key = Key::long_term(PasswordAlgorithm::Sha256, b"user", b"realm", b"pass");
        assert_eq!(hex(key.as_bytes()), SHA256_KEY);
        assert_eq!(hex(&userhash(b"user", b"realm")), USERHASH);
    }

    const SHA256_KEY: &str = "07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b";
    const USERHASH: &str = "6a3029116b47aa98bcaa325399733dc1a23cd57e26b81bef3ff6531ce624e2da";

    #[test]
    fn a_key_cannot_be_printed() {
        assert_eq!(
            format!("{:?}", Key::long_term(PasswordAlgorithm::Md5, b"a", b"b", b"c")),
            "Key(***)"
        );
    }
}
