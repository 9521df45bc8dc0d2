//! Who asks: the long-term credential mechanism of RFC 8489 section 9.2, without memory.

use trefoil_stun::{
    AttributeType, Class, Integrity, Key, Message, Method, PasswordAlgorithm, TransactionId, Writer,
};

use crate::nonce::Nonce;
use crate::third_party::Grant;
use crate::{ClientAddr, Now, Refusal, Server};

/// When SHA-256 passwords (RFC 8489's security features) are offered. The offer makes a 401 larger than what a stranger
/// sent, so by default it goes only to clients whose address was proved by a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// Over TCP, TLS and DTLS, and never over UDP.
    #[default]
    ProvenSources,
    /// To everybody.
    Always,
    /// To nobody.
    Never,
}

/// PASSWORD-ALGORITHMS as it is offered: SHA-256, then MD5, both without parameters.
const OFFERED: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// Bytes of the longest username ([RFC 8489 section 14.3](https://www.rfc-editor.org/rfc/rfc8489#section-14.3)).
pub(crate) const LONGEST_USERNAME: usize = 508;

/// What is needed to answer a request, now or later.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) client: ClientAddr,
    pub(crate) method: Method,
    pub(crate) transaction: TransactionId,
    pub(crate) fingerprint: bool,
    pub(crate) signature: Option<(Integrity, Key)>,
}

impl Asker {
    pub(crate) fn of(client: ClientAddr, message: &Message<'_>) -> Asker {
        Asker {
            client,
            method: message.method(),
            transaction: message.transaction_id(),
            fingerprint: message.has_fingerprint(),
            signature: None,
        }
    }
}

/// A caller whose message integrity was right.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) username: Box<str>,
    pub(crate) key: Key,
    pub(crate) algorithm: PasswordAlgorithm,
    pub(crate) integrity: Integrity,
    /// If an access token let them in just now.
    pub(crate) grant: Option<Grant>,
}

impl Server {
    /// Checks the credentials of a request. Keeps nothing, whatever the request holds.
    pub(crate) fn authenticate(
        &self,
        client: ClientAddr,
        message: &Message<'_>,
        now: Now,
    ) -> Result<Caller, Refusal> {
        let Some(integrity) = message.integrity() else {
            return Err(Refusal::NoCredentials);
        };
        let has_name =
            [AttributeType::USERNAME, AttributeType::USERHASH].map(|kind| message.first(kind).is_some());
        let nonce = message
            .first(AttributeType::NONCE)
            .ok_or(Refusal::IncompleteCredentials)?;
        if message.first(AttributeType::REALM).is_none() || !has_name.contains(&true) {
            return Err(Refusal::IncompleteCredentials);
        }
        let nonce = self.nonces.check(nonce, client, now.elapsed);
        let algorithm = algorithm(message, nonce)?;
        let caller = match message.first(AttributeType::ACCESS_TOKEN) {
            Some(token) => self.bearer(token, message, (integrity, algorithm), now)?,
            None => self
                .caller(client, message, (integrity, algorithm), now)
                .ok_or(Refusal::Unauthenticated)?,
        };
        if nonce == Nonce::Stale {
            Err(Refusal::StaleNonce)
        } else {
            Ok(caller)
        }
    }

    fn caller(
        &self,
        client: ClientAddr,
        message: &Message<'_>,
        (integrity, algorithm): (Integrity, PasswordAlgorithm),
        now: Now,
    ) -> Option<Caller> {
        let given = message
            .first(AttributeType::USERNAME)
            .filter(|name| name.len() <= LONGEST_USERNAME);
        let hashed = message.first(AttributeType::USERHASH);
        let realm = self.config.realm.as_str();
        let username = match (given, hashed) {
            (Some(name), _) => std::str::from_utf8(name).ok(),
            (None, Some(hash)) => self.config.credentials.by_userhash(hash, realm),
            (None, None) => None,
        };
        let right = |key: &Key| message.verify(integrity, key);
        // A call outlives its credentials: who made the allocation keeps it with the key that was right then.
        let held = self
            .allocation_of(client)
            .or_else(|| self.allocations.at(self.by_ticket(message)?.0))
            .or_else(|| self.allocations.at(self.by_connection(message)?.0))
            .filter(|held| Some(&*held.username) == username);
        if let Some(held) = held.filter(|held| held.algorithm == algorithm && right(&held.key)) {
            return Some(Caller {
                username: held.username.clone(),
                key: held.key.clone(),
                algorithm,
                integrity,
                grant: None,
            });
        }
        let longest = self.config.limits.longest_credential;
        let name = username.unwrap_or_default();
        let keys = self
            .config
            .credentials
            .keys(name, realm, algorithm, (now.unix_seconds, longest));
        if keys.is_empty() {
            // As much work as for a name that exists, so that the time does not tell the two apart.
            let _ = right(&Key::long_term(
                algorithm,
                name.as_bytes(),
                realm.as_bytes(),
                &[0; 20],
            ));
        }
        let key = keys.into_iter().find(right)?;
        Some(Caller {
            username: username?.into(),
            key,
            algorithm,
            integrity,
            grant: None,
        })
    }

    /// Whether a 401 or 438 to this client carries the offer of SHA-256.
    fn offers(&self, client: ClientAddr) -> bool {
        match self.config.offer {
            Offer::ProvenSources => client.transport.proves_source(),
            Offer::Always => true,
            Offer::Never => false,
        }
    }

    /// Adds what a client needs to try again: REALM, NONCE and, if they are offered, PASSWORD-ALGORITHMS and
    /// THIRD-PARTY-AUTHORIZATION.
    pub(crate) fn challenge(&self, writer: &mut Writer<'_>, client: ClientAddr, now: Now) {
        let offers = self.offers(client);
        writer.attribute(AttributeType::REALM, self.config.realm.as_bytes());
        writer.attribute(
            AttributeType::NONCE,
            &self.nonces.make(client, offers, now.elapsed),
        );
        if offers {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &OFFERED);
        }
        if let Some(third_party) = &self.config.credentials.third_party {
            let name = third_party.server_name.as_bytes();
            writer.attribute(AttributeType::THIRD_PARTY_AUTHORIZATION, name);
        }
    }

    /// Queues a success response with the attributes that `fill` adds.
    pub(crate) fn succeed(&mut self, asker: &Asker, fill: impl FnOnce(&mut Writer<'_>)) {
        self.answer(asker, Class::Success, fill);
    }

    /// Queues an error response and counts the refusal.
    pub(crate) fn refuse(&mut self, asker: &Asker, refusal: &Refusal, now: Now) {
        *self.counts.refusals.entry(refusal.name()).or_default() += 1;
        if let Refusal::PeerForbidden(rule) = refusal {
            *self.counts.forbidden.entry(rule).or_default() += 1;
        }
        let mut challenge = [0; 512];
        let challenge = self.challenge_bytes(asker.client, refusal, now, &mut challenge);
        self.answer(asker, Class::Error, |writer| {
            writer.error_code(refusal.code());
            if let Refusal::UnknownAttributes(kinds) = refusal {
                let listed: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
                writer.attribute(AttributeType::UNKNOWN_ATTRIBUTES, &listed);
            }
            if let Refusal::TryAlternate(address) = refusal {
                writer.address(AttributeType::ALTERNATE_SERVER, *address);
            }
            for attribute in challenge.iter().flat_map(Message::attributes) {
                writer.attribute(attribute.kind, attribute.value);
            }
        });
        self.refused(asker.client, refusal);
    }

    fn challenge_bytes<'b>(
        &self,
        client: ClientAddr,
        refusal: &Refusal,
        now: Now,
        buffer: &'b mut [u8; 512],
    ) -> Option<Message<'b>> {
        if !matches!(
            refusal,
            Refusal::NoCredentials
                | Refusal::Unauthenticated
                | Refusal::TokenKeyUnknown
                | Refusal::TokenUnreadable
                | Refusal::TokenExpired
                | Refusal::StaleNonce
        ) {
            return None;
        }
        let mut writer = Writer::new(buffer, Class::Error, Method::Allocate, TransactionId([0; 12]));
        self.challenge(&mut writer, client, now);
        let length = writer.finish().ok()?;
        buffer.get(..length).and_then(|bytes| Message::parse(bytes).ok())
    }

    fn answer(&mut self, asker: &Asker, class: Class, fill: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 1024];
        let mut writer = Writer::new(&mut buffer, class, asker.method, asker.transaction);
        fill(&mut writer);
        if let Some((integrity, key)) = &asker.signature {
            writer.integrity(*integrity, key);
        }
        if asker.fingerprint {
            writer.fingerprint();
        }
        if let Ok(length) = writer.finish() {
            self.reply(asker.client, buffer.get(..length).unwrap_or_default());
        }
    }
}

/// The password algorithm of a request, with the protection against bidding down of
/// [RFC 8489 section 9.2.4](https://www.rfc-editor.org/rfc/rfc8489#section-9.2.4).
fn algorithm(message: &Message<'_>, nonce: Nonce) -> Result<PasswordAlgorithm, Refusal> {
    let chosen = message.first(AttributeType::PASSWORD_ALGORITHM);
    let listed = message.first(AttributeType::PASSWORD_ALGORITHMS);
    match (nonce, chosen, listed) {
        (Nonce::Good { cookie: true }, Some(chosen), Some(listed)) if listed == OFFERED => {
            PasswordAlgorithm::decode(chosen).ok_or(Refusal::IncompleteCredentials)
        }
        (Nonce::Good { cookie: true }, Some(_), _) | (Nonce::Good { cookie: true }, None, Some(_)) => {
            Err(Refusal::IncompleteCredentials)
        }
        (Nonce::Good { cookie: false }, _, _) | (Nonce::Good { cookie: true }, None, None) => {
            Ok(PasswordAlgorithm::Md5)
        }
        // Nothing rests on a stale nonce: the answer is 401 or 438, so what the request says is good enough.
        (Nonce::Stale, chosen, _) => Ok(chosen
            .and_then(PasswordAlgorithm::decode)
            .unwrap_or(PasswordAlgorithm::Md5)),
    }
}
