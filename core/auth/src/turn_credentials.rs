//! Time-limited TURN credentials: the username carries its expiry, the password is an HMAC over it.
//!
//! This is the scheme of draft-uberti-behave-turn-rest that coturn calls `use-auth-secret`: the server that hands them
//! out and the server that checks them share a secret and nothing else.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};

/// The username `expiry:identity`; `expires` is in seconds since 1970.
#[must_use]
pub fn turn_username(expires: u64, identity: &str) -> String {
    format!("{expires}:{identity}")
}

/// The password that belongs to `username`: base64(HMAC-SHA1(secret, username)).
#[must_use]
pub fn turn_password(secret: &[u8], username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    BASE64_STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

/// When `username` expires, in seconds since 1970; `None` if it is not of the form `expiry:identity`.
#[must_use]
pub fn turn_expiry(username: &str) -> Option<u64> {
    let (expiry, identity) = username.split_once(':')?;
    let decimal = !expiry.is_empty() && expiry.bytes().all(|byte| byte.is_ascii_digit());
    if identity.is_empty() || !decimal {
        None
    } else {
        expiry.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_one_that_coturn_computes() {
        // printf '1795268400:ann' | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            turn_password(b"north", "1795268400:ann"),
            "/34J11WMZNPebH+CkLKV2zGu+f0="
        );
    }

    #[test]
    fn a_username_says_when_it_expires() {
        assert_eq!(turn_expiry(&turn_username(17, "ann")), Some(17));
        for wrong in [
            "",
            ":",
            "17",
            "17:",
            ":ann",
            "-1:ann",
            "+1:ann",
            "1e9:ann",
            "99999999999999999999999:ann",
        ] {
            assert_eq!(turn_expiry(wrong), None, "{wrong}");
        }
    }
}
