//! Access tokens of third-party authorisation (RFC 7635): sealed by an authorisation server, opened by the TURN server.
//!
//! Both share a key and nothing else. The token gives the key that its bearer signs messages with, and says for how long.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// The longest key that a bearer signs with, in bytes.
const LONGEST_MAC_KEY: usize = 32;
/// How far the clocks of the two servers may differ, in seconds
/// ([RFC 7635 section 4.1.1](https://www.rfc-editor.org/rfc/rfc7635#section-4.1.1) and its Appendix B).
const LEEWAY_SECONDS: u64 = 5;

/// The key that the authorisation server and the TURN server share: AES-128-GCM if it has 16 bytes, AES-256-GCM if it has
/// 32.
#[derive(Clone)]
pub struct TokenKey(Arc<LessSafeKey>);

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenKey(***)")
    }
}

/// A key of 16 or 32 bytes was expected, in hexadecimal digits or in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of 16 or 32 bytes was expected, in hexadecimal digits or in base64")]
pub struct NoTokenKey;

/// The token was not sealed with this key for this server, or holds what makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access token cannot be opened")]
pub struct Unreadable;

/// What an access token says ([RFC 7635 section 6.2](https://www.rfc-editor.org/rfc/rfc7635#section-6.2)).
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// What its bearer signs messages with; at most 32 bytes.
    pub mac_key: Vec<u8>,
    /// When it was made, in seconds since 1970.
    pub made_seconds: u64,
    /// For how long it is good, in seconds.
    pub lifetime_seconds: u32,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "AccessToken(***, {} for {} s)",
            self.made_seconds, self.lifetime_seconds
        )
    }
}

impl TokenKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`NoTokenKey`] unless there are 16 or 32.
    pub fn new(bytes: &[u8]) -> Result<TokenKey, NoTokenKey> {
        let algorithm = match bytes.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return Err(NoTokenKey),
        };
        let key = UnboundKey::new(algorithm, bytes).map_err(|_| NoTokenKey)?;
        Ok(TokenKey(Arc::new(LessSafeKey::new(key))))
    }

    /// Reads a key in hexadecimal digits or in base64, with either alphabet and with or without its padding.
    ///
    /// # Errors
    /// [`NoTokenKey`] if it is neither, or of another length.
    pub fn parse(text: &str) -> Result<TokenKey, NoTokenKey> {
        if matches!(text.len(), 32 | 64) && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let bytes = (0..text.len()).step_by(2).map(|at| {
                text.get(at..at + 2)
                    .and_then(|two| u8::from_str_radix(two, 16).ok())
            });
            return TokenKey::new(&bytes.collect::<Option<Vec<u8>>>().ok_or(NoTokenKey)?);
        }
        let bare = text.trim_end_matches('=');
        let bytes = BASE64_STANDARD_NO_PAD
            .decode(bare)
            .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(bare))
            .map_err(|_| NoTokenKey)?;
        TokenKey::new(&bytes)
    }
}

impl AccessToken {
    /// Opens the value of an ACCESS-TOKEN attribute that was sealed for `server_name`.
    ///
    /// # Errors
    /// [`Unreadable`], whatever is wrong with it.
    pub fn open(value: &[u8], key: &TokenKey, server_name: &str) -> Result<AccessToken, Unreadable> {
        let (length, rest) = value.split_first_chunk().ok_or(Unreadable)?;
        let (nonce, block) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or(Unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable)?;
        let mut block = block.to_vec();
        let opened = key
            .0
            .open_in_place(nonce, Aad::from(server_name.as_bytes()), &mut block)
            .map_err(|_| Unreadable)?;
        AccessToken::read(opened).ok_or(Unreadable)
    }

    fn read(block: &[u8]) -> Option<AccessToken> {
        let (length, rest) = block.split_first_chunk()?;
        let (mac_key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let lifetime: &[u8; 4] = rest.try_into().ok()?;
        let sound = (1..=LONGEST_MAC_KEY).contains(&mac_key.len());
        sound.then(|| AccessToken {
            mac_key: mac_key.to_vec(),
            // 48 bits of seconds, then parts of a second.
            made_seconds: u64::from_be_bytes(*timestamp) >> 16,
            lifetime_seconds: u32::from_be_bytes(*lifetime),
        })
    }

    /// Seals the token for `server_name`, as an authorisation server does. A nonce must never be used twice with a key.
    ///
    /// # Errors
    /// [`Unreadable`] if the mac key is too long.
    pub fn seal(
        &self,
        key: &TokenKey,
        server_name: &str,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Vec<u8>, Unreadable> {
        let length = u16::try_from(self.mac_key.len()).map_err(|_| Unreadable)?;
        let mut block = length.to_be_bytes().to_vec();
        block.extend(&self.mac_key);
        block.extend((self.made_seconds << 16).to_be_bytes());
        block.extend(self.lifetime_seconds.to_be_bytes());
        key.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(server_name.as_bytes()),
                &mut block,
            )
            .map_err(|_| Unreadable)?;
        let [high, low] = (NONCE_LEN as u16).to_be_bytes();
        Ok([&[high, low], &nonce[..], &block].concat())
    }

    /// From when on it is good no more, in seconds since 1970.
    #[must_use]
    pub fn expires_seconds(&self) -> u64 {
        let seconds = u64::from(self.lifetime_seconds) + LEEWAY_SECONDS;
        self.made_seconds.saturating_add(seconds)
    }

    /// Whether it is good now: it was made less than its lifetime ago, or as long before that as clocks may differ.
    #[must_use]
    pub fn is_good_at(&self, now_seconds: u64) -> bool {
        now_seconds.abs_diff(self.made_seconds) < u64::from(self.lifetime_seconds) + LEEWAY_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SERVER: &str = "turn.example.org";

    fn token() -> AccessToken {
        AccessToken {
            mac_key: b"twenty bytes of key!".to_vec(),
            made_seconds: 1_767_225_600,
            lifetime_seconds: 600,
        }
    }

    fn sealed() -> (Vec<u8>, TokenKey) {
        let key = TokenKey::parse(KEY).unwrap();
        (token().seal(&key, SERVER, [7; 12]).unwrap(), key)
    }

    #[test]
    fn a_token_is_opened_as_it_was_sealed_with_either_size_of_key() {
        for key in [KEY, &KEY[..32]] {
            let key = TokenKey::parse(key).unwrap();
            let value = token().seal(&key, SERVER, [7; 12]).unwrap();
            assert_eq!(value.len(), 2 + 12 + 2 + 20 + 8 + 4 + 16);
            assert_eq!(AccessToken::open(&value, &key, SERVER), Ok(token()));
        }
    }

    #[test]
    fn the_token_is_what_another_implementation_makes() {
        // python3 -c 'from cryptography.hazmat.primitives.ciphers.aead import AESGCM; import struct, sys
        // block = struct.pack(">H20sQI", 20, b"twenty bytes of key!", 1767225600 << 16, 600)
        // print(AESGCM(bytes(range(32))).encrypt(bytes([7]) * 12, block, b"turn.example.org").hex())'
        let hex: String = sealed().0[14..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, BLOCK);
    }

    const BLOCK: &str = "0f7ed22b0a61a38de6ff6af4e522d4f4c77ce616f1d6811997eee7fa04de321b251cca1b5d29f28eb73810049585c36703a1";

    #[test]
    fn a_token_of_another_key_or_server_or_with_a_flipped_bit_is_not_opened() {
        let (value, key) = sealed();
        let other = TokenKey::new(&[9; 32]).unwrap();
        assert_eq!(AccessToken::open(&value, &other, SERVER), Err(Unreadable));
        assert_eq!(
            AccessToken::open(&value, &key, "turn.example.com"),
            Err(Unreadable)
        );
        for at in 0..value.len() * 8 {
            let mut broken = value.clone();
            broken[at / 8] ^= 1 << (at % 8);
            assert_eq!(
                AccessToken::open(&broken, &key, SERVER),
                Err(Unreadable),
                "bit {at}"
            );
        }
        for length in 0..value.len() {
            assert_eq!(AccessToken::open(&value[..length], &key, SERVER), Err(Unreadable));
        }
    }

    #[test]
    fn a_block_that_lies_about_its_length_is_not_read() {
        for (length, bytes) in [(0, 0), (33, 33), (20, 19), (20, 21), (u16::MAX, 20)] {
            let mut block = length.to_be_bytes().to_vec();
            block.extend(vec![7; bytes]);
            block.extend([0; 12]);
            assert_eq!(AccessToken::read(&block), None, "{length} {bytes}");
        }
    }

    #[test]
    fn a_token_is_good_for_its_lifetime_and_five_seconds() {
        let made = token().made_seconds;
        for (now, good) in [
            (made - 605, false),
            (made - 604, true),
            (made, true),
            (made + 604, true),
            (made + 605, false),
            (0, false),
            (u64::MAX, false),
        ] {
            assert_eq!(token().is_good_at(now), good, "{now}");
        }
        assert_eq!(token().expires_seconds(), made + 605);
    }

    #[test]
    fn a_key_is_read_in_digits_and_in_base64_and_cannot_be_printed() {
        for good in [
            KEY,
            &KEY.to_uppercase(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "-_ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "+/ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "AAECAwQFBgcICQoLDA0ODw==",
        ] {
            assert!(TokenKey::parse(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "north",
            &KEY[..62],
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ",
        ] {
            assert_eq!(TokenKey::parse(wrong).err(), Some(NoTokenKey), "{wrong}");
        }
        assert_eq!(format!("{:?}", TokenKey::parse(KEY).unwrap()), "TokenKey(***)");
        assert!(!format!("{:?}", token()).contains("116"));
    }
}
