//! Ids and resume secrets, drawn from a seed so that a run can be repeated.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};

/// A participant of one room; new with each join, kept over a resume.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ParticipantId(u64);

impl ParticipantId {
    /// The id with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The id that [`fmt::Display`] wrote as `text`, if it could have.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("p_").filter(|digits| digits.len() == 11)?;
        let mut decoded = [0; 9];
        let length = BASE64.decode_slice_unchecked(digits, &mut decoded).ok()?;
        let bytes = decoded.get(..length)?.try_into().ok()?;
        Some(Self(u64::from_be_bytes(bytes)))
    }
}

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 11];
        let written = BASE64
            .encode_slice(self.0.to_be_bytes(), &mut digits)
            .unwrap_or(0);
        let text = digits
            .get(..written)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or("");
        write!(f, "p_{text}")
    }
}

/// What shows that a returning connection is the one that broke: 128 bits that only its owner was told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResumeSecret(pub [u8; 16]);

impl fmt::Debug for ResumeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where ids come from: HMAC-SHA-256 over a counter, keyed with the seed.
pub struct IdSource {
    seed: [u8; 32],
    counter: u64,
}

impl IdSource {
    /// A source that gives the same ids for the same seed.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// 128 bits that nobody can guess.
    pub fn next_bytes(&mut self) -> [u8; 16] {
        self.counter = self.counter.wrapping_add(1);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.seed);
        let tag = hmac::sign(&key, &self.counter.to_be_bytes());
        let mut bytes = [0; 16];
        for (byte, random) in bytes.iter_mut().zip(tag.as_ref()) {
            *byte = *random;
        }
        bytes
    }

    /// 64 bits that nobody can guess.
    pub fn next_number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.next_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdSource")
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_from_its_text(number: u64) {
            let id = ParticipantId::from_number(number);
            prop_assert_eq!(ParticipantId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn any_text_reads_as_an_id_only_if_that_id_is_written_so(text in "(p_)?[A-Za-z0-9_-]{0,13}") {
            if let Some(id) = ParticipantId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_seed_gives_the_same_ids_again_and_never_one_twice() {
        let draw = |seed| {
            let mut source = IdSource::new([seed; 32]);
            (0..100).map(|_| source.next_number()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        let mut all = [draw(1), draw(2)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 200);
    }

    #[test]
    fn a_resume_secret_is_not_printed() {
        assert_eq!(format!("{:?}", ResumeSecret([7; 16])), "***");
    }
}
