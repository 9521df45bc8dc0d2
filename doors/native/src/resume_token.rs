//! The token with which a broken session is found again.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use trefoil_room::{ParticipantId, ResumeSecret};

/// Which hall, who, and the secret that shows it: `r_` and 43 base64url digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResumeToken {
    /// The hall's key.
    pub hall: u64,
    /// Who comes back.
    pub id: ParticipantId,
    /// What only they were told.
    pub secret: ResumeSecret,
}

impl ResumeToken {
    /// The token as it is given to the client.
    #[must_use]
    pub fn to_text(self) -> String {
        let mut bytes = self.hall.to_be_bytes().to_vec();
        bytes.extend(self.id.number().to_be_bytes());
        bytes.extend(self.secret.0);
        format!("r_{}", BASE64.encode(bytes))
    }

    /// The token that was given as `text`, if it could have been.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("r_").filter(|digits| digits.len() == 43)?;
        let bytes = BASE64.decode(digits).ok()?;
        let (hall, rest) = bytes.split_first_chunk::<8>()?;
        let (id, secret) = rest.split_first_chunk::<8>()?;
        Some(Self {
            hall: u64::from_be_bytes(*hall),
            id: ParticipantId::from_number(u64::from_be_bytes(*id)),
            secret: ResumeSecret(secret.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_nothing_else_reads_as_one() {
        let token = ResumeToken {
            hall: 7,
            id: ParticipantId::from_number(u64::MAX),
            secret: ResumeSecret([9; 16]),
        };
        assert_eq!(ResumeToken::parse(&token.to_text()), Some(token));
        for wrong in [
            "",
            "r_",
            "r_1f0c2b",
            &token.to_text()[1..],
            &format!("{}A", token.to_text()),
            "r_é",
        ] {
            assert_eq!(ResumeToken::parse(wrong), None, "{wrong}");
        }
    }
}
