//! The least of a TURN client that can tell what is wrong with a server.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ClientConfig;

use trefoil_stun::{
    AttributeType, Class, ErrorCode, Integrity, Key, Message, Method, PasswordAlgorithm, TransactionId,
    Writer,
};

use super::{target::Target, wire::Wire};

/// REQUESTED-TRANSPORT: UDP, as [RFC 8656 section 18.8](https://www.rfc-editor.org/rfc/rfc8656#section-18.8) writes it.
const UDP: u32 = 17 << 24;
/// A request is sent again after 0.5, 1 and 2 s: shorter than RFC 8489 section 6.2.1 says, as a person waits.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Over a connection nothing gets lost: it is sent once, and the answer may take so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a request got no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing came back.
    #[error("no answer")]
    Silence,
    /// The host said that nobody listens there.
    #[error("nobody listens there (the host itself says so)")]
    Unreachable,
    /// The other side closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// No encrypted connection came about.
    #[error("no TLS: {1}")]
    Tls(NoTls, String),
    /// The server refused.
    #[error("refused with {0}")]
    Refused(u16),
    /// What came back makes no sense.
    #[error("an answer that is not STUN")]
    Nonsense,
    /// This machine could not even send.
    #[error("this machine could not send: {0}")]
    Local(String),
}

/// What was wrong with a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTls {
    /// The certificate is of nobody whom this machine trusts.
    Untrusted,
    /// The certificate is for another name.
    OtherName,
    /// The certificate is good no more, or not yet.
    Expired,
    /// Anything else.
    Other,
}

/// What the server said about how to authenticate.
#[derive(Debug, Clone)]
struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

/// One client 5-tuple.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire,
    username: String,
    password: String,
    challenge: Option<Challenge>,
}

/// An answer's bytes, sound STUN.
#[derive(Debug)]
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// The first attribute of this type, as an XOR address.
    pub(crate) fn address(&self, kind: AttributeType) -> Option<SocketAddr> {
        Message::parse(&self.0).ok()?.xor_address(kind)
    }

    fn bytes(&self, kind: AttributeType) -> Option<Vec<u8>> {
        Message::parse(&self.0).ok()?.first(kind).map(<[u8]>::to_vec)
    }

    fn refusal(&self) -> Option<u16> {
        let message = Message::parse(&self.0).ok()?;
        let is_error = message.class() == Class::Error;
        let code = message
            .first(AttributeType::ERROR_CODE)
            .and_then(ErrorCode::decode);
        is_error.then(|| code.map_or(0, ErrorCode::number))
    }
}

impl Client {
    /// A client of `target`, on a port of its own; `tls` is what to trust.
    pub(crate) fn new(
        target: &Target,
        tls: &Arc<ClientConfig>,
        username: &str,
        password: &str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            wire: Wire::to(target, tls)?,
            username: username.to_owned(),
            password: password.to_owned(),
            challenge: None,
        })
    }

    /// Asks what address the server sees.
    pub(crate) fn binding(&mut self) -> Result<Answer, Failure> {
        self.ask(Method::Binding, false, |_| {})
    }

    /// Asks for an allocation without saying who asks, which must be refused with 401.
    pub(crate) fn allocate_as_stranger(&mut self) -> Result<Answer, Failure> {
        self.ask(Method::Allocate, false, |writer| {
            writer.number(AttributeType::REQUESTED_TRANSPORT, UDP);
        })
    }

    /// Asks for an allocation.
    pub(crate) fn allocate(&mut self) -> Result<Answer, Failure> {
        self.ask(Method::Allocate, true, |writer| {
            writer.number(AttributeType::REQUESTED_TRANSPORT, UDP);
        })
    }

    /// Gives the allocation back.
    pub(crate) fn release(&mut self) -> Result<Answer, Failure> {
        self.ask(Method::Refresh, true, |writer| {
            writer.number(AttributeType::LIFETIME, 0);
        })
    }

    /// Lets `peer` send through the allocation.
    pub(crate) fn permit(&mut self, peer: SocketAddr) -> Result<Answer, Failure> {
        self.ask(Method::CreatePermission, true, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
    }

    /// Sends `data` through the allocation to `peer`, once.
    pub(crate) fn send_to(&mut self, peer: SocketAddr, data: &[u8]) -> Result<(), Failure> {
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer, Class::Indication, Method::Send, fresh_transaction()?);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        writer.attribute(AttributeType::DATA, data);
        let length = writer.finish().map_err(|_| Failure::Nonsense)?;
        self.wire.send(buffer.get(..length).unwrap_or_default())
    }

    /// Waits for data that a peer sent through the allocation: who, and what.
    pub(crate) fn receive(&mut self, wait: Duration) -> Result<(SocketAddr, Vec<u8>), Failure> {
        let until = Instant::now() + wait;
        while let Some(answer) = self.wire.receive(until)?.map(Answer) {
            let peer = answer.address(AttributeType::XOR_PEER_ADDRESS);
            if let (Some(peer), Some(data)) = (peer, answer.bytes(AttributeType::DATA)) {
                return Ok((peer, data));
            }
        }
        Err(Failure::Silence)
    }

    /// Sends a request, with credentials if `signed`; a challenge is answered once.
    fn ask(
        &mut self,
        method: Method,
        signed: bool,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Result<Answer, Failure> {
        for _ in 0..3 {
            let answer = self.transact(method, signed, &fill)?;
            let Some(code) = answer.refusal() else {
                return Ok(answer);
            };
            let challenge = answer
                .bytes(AttributeType::REALM)
                .zip(answer.bytes(AttributeType::NONCE));
            match challenge {
                // 401 to credentials that were already sent means that they are wrong; 438 that the nonce grew old.
                Some((realm, nonce)) if signed && (code == 438 || self.challenge.is_none()) => {
                    self.challenge = Some(Challenge { realm, nonce });
                }
                _ => return Err(Failure::Refused(code)),
            }
        }
        Err(Failure::Refused(438))
    }

    fn transact(
        &mut self,
        method: Method,
        signed: bool,
        fill: &impl Fn(&mut Writer<'_>),
    ) -> Result<Answer, Failure> {
        let (mut buffer, transaction) = ([0; 1024], fresh_transaction()?);
        let mut writer = Writer::new(&mut buffer, Class::Request, method, transaction);
        fill(&mut writer);
        if let (true, Some(challenge)) = (signed, &self.challenge) {
            writer.attribute(AttributeType::USERNAME, self.username.as_bytes());
            writer.attribute(AttributeType::REALM, &challenge.realm);
            writer.attribute(AttributeType::NONCE, &challenge.nonce);
            writer.integrity(Integrity::Sha1, &self.key(challenge));
        }
        let length = writer.finish().map_err(|_| Failure::Nonsense)?;
        let request = buffer.get(..length).unwrap_or_default();
        let mut last = Failure::Silence;
        let waits: &[Duration] = if self.wire.loses() { &WAITS } else { &[PATIENCE] };
        for wait in waits {
            let sent = self.wire.send(request);
            match sent.and_then(|()| self.answer_to(transaction, Instant::now() + *wait)) {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn key(&self, challenge: &Challenge) -> Key {
        let (username, password) = (self.username.as_bytes(), self.password.as_bytes());
        Key::long_term(PasswordAlgorithm::Md5, username, &challenge.realm, password)
    }

    fn answer_to(&mut self, transaction: TransactionId, until: Instant) -> Result<Answer, Failure> {
        while let Some(answer) = self.wire.receive(until)?.map(Answer) {
            if Message::parse(&answer.0).is_ok_and(|message| message.transaction_id() == transaction) {
                return Ok(answer);
            }
        }
        Err(Failure::Silence)
    }
}

fn fresh_transaction() -> Result<TransactionId, Failure> {
    let mut id = [0; 12];
    getrandom::fill(&mut id).map_err(|error| Failure::Local(error.to_string()))?;
    Ok(TransactionId(id))
}
