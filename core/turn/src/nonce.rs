//! Nonces that the server need not remember: a minute and a MAC over it and the client's address.
//!
//! Eight characters keep the 401 small (48 bits: 16 of time, 32 of MAC). The MAC only has to stop a nonce from being
//! used from elsewhere or for longer; without the password a nonce opens nothing. Where the answer may be larger, the
//! cookie of [RFC 8489 section 9.2](https://www.rfc-editor.org/rfc/rfc8489#section-9.2) comes first.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::ClientAddr;

/// The cookie with the bits for password algorithms and username anonymity.
const COOKIE: &[u8] = b"obMatJos2wAAA";

/// How long a nonce is good for, in minutes.
const LIFE_MINUTES: u64 = 60;

/// What a nonce says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// Made here for this client, and still good; `cookie` if it announced SHA-256.
    Good { cookie: bool },
    /// Anything else.
    Stale,
}

/// Makes and checks nonces with a key of its own.
#[derive(Debug)]
pub(crate) struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    pub(crate) fn new(key: [u8; 32]) -> Nonces {
        Nonces {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        }
    }

    /// A nonce for this client; with the cookie if `cookie`.
    pub(crate) fn make(&self, client: ClientAddr, cookie: bool, now: Duration) -> Vec<u8> {
        let minute = now.as_secs() / 60;
        let mut nonce = if cookie { COOKIE.to_vec() } else { Vec::new() };
        nonce.extend(
            BASE64_URL_SAFE_NO_PAD
                .encode(self.token(client, cookie, minute))
                .bytes(),
        );
        nonce
    }

    /// Whether `nonce` was made here for this client less than an hour ago.
    pub(crate) fn check(&self, nonce: &[u8], client: ClientAddr, now: Duration) -> Nonce {
        let (cookie, rest) = match nonce.strip_prefix(COOKIE) {
            Some(rest) => (true, rest),
            None => (false, nonce),
        };
        let Ok(token) = BASE64_URL_SAFE_NO_PAD.decode(rest) else {
            return Nonce::Stale;
        };
        let Some([high, low]) = token.first_chunk::<2>() else {
            return Nonce::Stale;
        };
        let minute_now = now.as_secs() / 60;
        let age = (minute_now & 0xFFFF).wrapping_sub(u64::from(u16::from_be_bytes([*high, *low]))) & 0xFFFF;
        let made = minute_now
            .checked_sub(age)
            .map(|minute| self.token(client, cookie, minute));
        let same = made.is_some_and(|made| verify_slices_are_equal(&made, &token).is_ok());
        if same && age < LIFE_MINUTES {
            Nonce::Good { cookie }
        } else {
            Nonce::Stale
        }
    }

    fn token(&self, client: ClientAddr, cookie: bool, minute: u64) -> [u8; 6] {
        let mut context = hmac::Context::with_key(&self.key);
        match client.remote.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&client.remote.port().to_be_bytes());
        context.update(&[client.transport as u8, u8::from(cookie)]);
        context.update(&minute.to_be_bytes());
        let tag = context.sign();
        let [.., m0, m1] = minute.to_be_bytes();
        match tag.as_ref() {
            [t0, t1, t2, t3, ..] => [m0, m1, *t0, *t1, *t2, *t3],
            _ => [m0, m1, 0, 0, 0, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;

    fn client(remote: &str) -> ClientAddr {
        let local = "192.0.2.1:3478".parse().unwrap();
        ClientAddr {
            transport: Transport::Udp,
            local,
            remote: remote.parse().unwrap(),
        }
    }

    #[test]
    fn a_nonce_is_good_for_an_hour_and_for_one_client() {
        let nonces = Nonces::new([1; 32]);
        let (here, there) = (client("198.51.100.7:1000"), client("198.51.100.7:1001"));
        for cookie in [false, true] {
            let start = Duration::from_secs(60 * 70_000);
            let nonce = nonces.make(here, cookie, start);
            let after = |minutes: u64| nonces.check(&nonce, here, start + Duration::from_secs(60 * minutes));
            assert_eq!(after(0), Nonce::Good { cookie });
            assert_eq!(after(59), Nonce::Good { cookie });
            assert_eq!(after(60), Nonce::Stale);
            assert_eq!(
                after(65_536),
                Nonce::Stale,
                "the clock's low bits come round again"
            );
            assert_eq!(nonces.check(&nonce, there, start), Nonce::Stale);
            assert_eq!(
                Nonces::new([2; 32]).check(&nonce, here, start),
                Nonce::Stale,
                "after a restart"
            );
        }
    }

    #[test]
    fn a_nonce_without_its_cookie_is_no_nonce() {
        let nonces = Nonces::new([1; 32]);
        let here = client("198.51.100.7:1000");
        let nonce = nonces.make(here, true, Duration::ZERO);
        assert_eq!(
            nonces.check(&nonce[COOKIE.len()..], here, Duration::ZERO),
            Nonce::Stale
        );
        for junk in [
            &b""[..],
            b"AAAA",
            b"AAAAAAAA",
            b"obMatJos2wAAA",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(nonces.check(junk, here, Duration::ZERO), Nonce::Stale);
        }
    }
}
