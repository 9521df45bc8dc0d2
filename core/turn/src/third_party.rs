//! Third-party authorisation (RFC 7635): clients that an authorisation server has let in, with the tokens that it gave.
//!
//! The username says with which key the token is sealed, and the token gives the key that messages are signed with. So no
//! password and no list of names is needed here. The bearer of one token is one identity: quotas and rates count it,
//! however many have tokens of the same key. An allocation lasts no longer than the token; a Refresh with a newer token
//! lets it go on.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use trefoil_auth::AccessToken;
use trefoil_stun::{AttributeType, Integrity, Key, Message, PasswordAlgorithm};

use crate::authenticate::{Caller, LONGEST_USERNAME};
use crate::{AllocationId, Now, Refusal, Server};

/// What an access token grants.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// Whom it was given to: the name of its key, and a digest that tells its bearer from others.
    pub(crate) identity: Box<str>,
    /// Until when, in seconds since 1970.
    pub(crate) until_seconds: u64,
}

impl Server {
    /// The bearer of an access token, if it is good and they have signed the message with its key
    /// ([RFC 7635 section 9](https://www.rfc-editor.org/rfc/rfc7635#section-9)).
    pub(crate) fn bearer(
        &self,
        token: &[u8],
        message: &Message<'_>,
        (integrity, algorithm): (Integrity, PasswordAlgorithm),
        now: Now,
    ) -> Result<Caller, Refusal> {
        let name = message
            .first(AttributeType::USERNAME)
            .filter(|name| name.len() <= LONGEST_USERNAME)
            .and_then(|name| std::str::from_utf8(name).ok());
        let third_party = self.config.credentials.third_party.as_ref().zip(name);
        let (third_party, name) = third_party.ok_or(Refusal::TokenKeyUnknown)?;
        let shared = third_party.keys.get(name).ok_or(Refusal::TokenKeyUnknown)?;
        let token = AccessToken::open(token, shared, &third_party.server_name)
            .map_err(|_| Refusal::TokenUnreadable)?;
        if !token.is_good_at(now.unix_seconds) {
            return Err(Refusal::TokenExpired);
        }
        let key = Key::from_bytes(&token.mac_key).ok_or(Refusal::TokenUnreadable)?;
        if !message.verify(integrity, &key) {
            return Err(Refusal::Unauthenticated);
        }
        let grant = Grant {
            identity: identity(name, &token.mac_key),
            until_seconds: token.expires_seconds(),
        };
        Ok(Caller {
            username: name.into(),
            key,
            algorithm,
            integrity,
            grant: Some(grant),
        })
    }

    /// A Refresh with a newer token: the allocation may last as long as that, and is signed for with its key.
    pub(crate) fn renew_grant(&mut self, id: AllocationId, caller: &Caller) {
        let Some(held) = self.allocations.at_mut(id.0) else {
            return;
        };
        if let (Some(grant), Some(new)) = (&mut held.grant, &caller.grant) {
            // Whoever is counted stays who they were, or the ledger would lose count.
            grant.until_seconds = new.until_seconds;
            held.key = caller.key.clone();
            held.algorithm = caller.algorithm;
        }
    }
}

/// At most as long as a token is good.
pub(crate) fn within_grant(lifetime: Duration, grant: Option<&Grant>, now: Now) -> Duration {
    let left = grant.map(|grant| grant.until_seconds.saturating_sub(now.unix_seconds));
    left.map_or(lifetime, |left| lifetime.min(Duration::from_secs(left)))
}

fn identity(name: &str, mac_key: &[u8]) -> Box<str> {
    let digest = digest(&SHA256, mac_key);
    let short: String = digest
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{name}/{short}").into()
}
