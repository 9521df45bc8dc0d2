//! A TURN client without a socket: makes requests, learns realm and nonce from what it is answered.

use std::net::SocketAddr;

use trefoil_stun::{
    AttributeType, Class, ErrorCode, Integrity, Key, Message, Method, PasswordAlgorithm, TransactionId,
    Writer,
};

/// A client with its credentials and what the server told it.
#[derive(Clone, Debug)]
pub struct TurnClient {
    /// The username to send.
    pub username: String,
    /// The password that belongs to it.
    pub password: String,
    /// REALM of the last challenge.
    pub realm: Vec<u8>,
    /// NONCE of the last challenge; without one requests go unsigned.
    pub nonce: Vec<u8>,
    /// PASSWORD-ALGORITHMS of the last challenge.
    pub algorithms: Vec<u8>,
    /// An access token (RFC 7635), sent if it is not empty, and the key that it gives, instead of a password.
    pub bearer: Option<(Vec<u8>, Vec<u8>)>,
    /// Answer an offer of SHA-256 with it.
    pub prefer_sha256: bool,
    next_transaction: u64,
}

/// A response taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The error's number, 0 for success.
    pub code: u16,
    /// The whole message.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Reads a response.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Answer> {
        let message = Message::parse(bytes).ok()?;
        let code = match message.class() {
            Class::Success => 0,
            Class::Error => ErrorCode::decode(message.first(AttributeType::ERROR_CODE)?)?.number(),
            Class::Request | Class::Indication => return None,
        };
        Some(Answer {
            code,
            bytes: bytes.to_vec(),
        })
    }

    /// The first address attribute of this type.
    #[must_use]
    pub fn address(&self, kind: AttributeType) -> Option<SocketAddr> {
        Message::parse(&self.bytes).ok()?.xor_address(kind)
    }

    /// Every address attribute of this type.
    #[must_use]
    pub fn addresses(&self, kind: AttributeType) -> Vec<SocketAddr> {
        let Ok(message) = Message::parse(&self.bytes) else {
            return Vec::new();
        };
        let of_kind = message.attributes().filter(|attribute| attribute.kind == kind);
        of_kind
            .filter_map(|found| trefoil_stun::decode_xor_address(found.value, &message.transaction_id()))
            .collect()
    }

    /// The first attribute of this type as a number.
    #[must_use]
    pub fn number(&self, kind: AttributeType) -> Option<u32> {
        Message::parse(&self.bytes).ok()?.number(kind)
    }

    /// The bytes of the first attribute of this type.
    #[must_use]
    pub fn attribute(&self, kind: AttributeType) -> Option<Vec<u8>> {
        Message::parse(&self.bytes).ok()?.first(kind).map(<[u8]>::to_vec)
    }
}

impl TurnClient {
    /// A client that has not spoken yet.
    #[must_use]
    pub fn new(username: &str, password: &str) -> TurnClient {
        TurnClient {
            username: username.to_owned(),
            password: password.to_owned(),
            realm: Vec::new(),
            nonce: Vec::new(),
            algorithms: Vec::new(),
            bearer: None,
            prefer_sha256: false,
            next_transaction: 0,
        }
    }

    /// A fresh transaction id.
    pub fn transaction(&mut self) -> TransactionId {
        self.next_transaction += 1;
        let mut id = *b"trefoil.....";
        id.iter_mut()
            .skip(4)
            .zip(self.next_transaction.to_be_bytes())
            .for_each(|(into, byte)| *into = byte);
        TransactionId(id)
    }

    /// A request with the attributes that `fill` adds, signed if there is a nonce.
    pub fn request(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let transaction = self.transaction();
        self.request_as(method, transaction, fill)
    }

    /// Like [`TurnClient::request`] with a transaction id of the caller's, for retransmissions.
    pub fn request_as(
        &self,
        method: Method,
        transaction: TransactionId,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        let mut writer = Writer::new(&mut buffer, Class::Request, method, transaction);
        fill(&mut writer);
        if !self.nonce.is_empty() {
            self.sign(&mut writer);
        }
        let length = writer.finish().unwrap_or(0);
        buffer.truncate(length);
        buffer
    }

    fn sign(&self, writer: &mut Writer<'_>) {
        writer
            .attribute(AttributeType::USERNAME, self.username.as_bytes())
            .attribute(AttributeType::REALM, &self.realm)
            .attribute(AttributeType::NONCE, &self.nonce);
        if let Some((token, _)) = self.bearer.as_ref().filter(|(token, _)| !token.is_empty()) {
            writer.attribute(AttributeType::ACCESS_TOKEN, token);
        }
        let sha256 = self.prefer_sha256 && !self.algorithms.is_empty();
        if sha256 {
            writer
                .attribute(AttributeType::PASSWORD_ALGORITHMS, &self.algorithms)
                .attribute(AttributeType::PASSWORD_ALGORITHM, &[0, 2, 0, 0]);
        }
        writer.integrity(
            if sha256 {
                Integrity::Sha256
            } else {
                Integrity::Sha1
            },
            &self.key(),
        );
    }

    /// The key that requests are signed with.
    #[must_use]
    pub fn key(&self) -> Key {
        if let Some(key) = self.bearer.as_ref().and_then(|(_, key)| Key::from_bytes(key)) {
            return key;
        }
        let sha256 = self.prefer_sha256 && !self.algorithms.is_empty();
        let algorithm = if sha256 {
            PasswordAlgorithm::Sha256
        } else {
            PasswordAlgorithm::Md5
        };
        Key::long_term(
            algorithm,
            self.username.as_bytes(),
            &self.realm,
            self.password.as_bytes(),
        )
    }

    /// Learns from a 401 or 438; true if the request should be made again.
    pub fn learn(&mut self, answer: &Answer) -> bool {
        let stale = matches!(answer.code, 401 | 438);
        let known = answer
            .attribute(AttributeType::NONCE)
            .filter(|nonce| *nonce != self.nonce);
        let (true, Some(nonce), Some(realm)) = (stale, known, answer.attribute(AttributeType::REALM)) else {
            return false;
        };
        self.algorithms = answer
            .attribute(AttributeType::PASSWORD_ALGORITHMS)
            .unwrap_or_default();
        (self.nonce, self.realm) = (nonce, realm);
        true
    }
}
