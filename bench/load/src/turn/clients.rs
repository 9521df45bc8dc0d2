//! Allocations, permissions and channels for all clients, before any load.

use std::{
    net::{SocketAddr, SocketAddrV4, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use trefoil_stun::{
    AttributeType, Class, ErrorCode, Integrity, Key, Message, Method, PasswordAlgorithm, TransactionId,
    Writer,
};

use super::{
    batch::{Receiver, Sender},
    client_ip, number_of,
};

/// The channel that every client binds to its one peer.
pub const CHANNEL: u16 = 0x4000;
const UDP: u32 = 17 << 24;

/// How to sign in.
#[derive(Clone)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

/// One client with its allocation.
pub struct Client {
    number: usize,
    pub relayed: SocketAddrV4,
    challenge: Option<(Vec<u8>, Vec<u8>)>,
}

/// Speaks for all clients, one request at a time.
pub struct Setup<'a> {
    pub socket: &'a UdpSocket,
    pub server: SocketAddrV4,
    pub credentials: Credentials,
    receiver: Receiver,
    transactions: u64,
}

impl<'a> Setup<'a> {
    pub fn new(socket: &'a UdpSocket, server: SocketAddrV4, credentials: Credentials) -> Self {
        Self {
            socket,
            server,
            credentials,
            receiver: Receiver::new(),
            transactions: 0,
        }
    }

    /// A client with an allocation.
    pub fn allocate(&mut self, number: usize) -> anyhow::Result<Client> {
        let mut client = Client {
            number,
            relayed: self.server,
            challenge: None,
        };
        let relayed = self.ask(&mut client, Method::Allocate, &|writer| {
            writer.number(AttributeType::REQUESTED_TRANSPORT, UDP);
        })?;
        client.relayed = relayed.context("an allocation without a relayed address")?;
        Ok(client)
    }

    /// A permission for `peer` and, if `channel`, the channel to it.
    pub fn reach(&mut self, client: &mut Client, peer: SocketAddrV4, channel: bool) -> anyhow::Result<()> {
        self.ask(client, Method::CreatePermission, &|writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.into());
        })?;
        if channel {
            self.ask(client, Method::ChannelBind, &|writer| {
                writer.attribute(
                    AttributeType::CHANNEL_NUMBER,
                    &[(CHANNEL >> 8) as u8, CHANNEL as u8, 0, 0],
                );
                writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.into());
            })?;
        }
        Ok(())
    }

    /// Gives the allocation back.
    pub fn release(&mut self, client: &mut Client) -> anyhow::Result<()> {
        self.ask(client, Method::Refresh, &|writer| {
            writer.number(AttributeType::LIFETIME, 0);
        })
        .map(drop)
    }

    fn ask(
        &mut self,
        client: &mut Client,
        method: Method,
        fill: &dyn Fn(&mut Writer<'_>),
    ) -> anyhow::Result<Option<SocketAddrV4>> {
        for _ in 0..3 {
            let answer = self
                .transact(client, method, fill)
                .with_context(|| format!("{method:?} of client {}", client.number))?;
            let message = Message::parse(&answer).context("an answer that is not STUN")?;
            if message.class() == Class::Success {
                let relayed = message.xor_address(AttributeType::XOR_RELAYED_ADDRESS);
                return Ok(relayed.and_then(|address| match address {
                    SocketAddr::V4(v4) => Some(v4),
                    SocketAddr::V6(_) => None,
                }));
            }
            let code = message
                .first(AttributeType::ERROR_CODE)
                .and_then(ErrorCode::decode)
                .map_or(0, ErrorCode::number);
            let challenge = message
                .first(AttributeType::REALM)
                .zip(message.first(AttributeType::NONCE));
            match challenge {
                Some((realm, nonce)) if code == 438 || client.challenge.is_none() => {
                    client.challenge = Some((realm.to_vec(), nonce.to_vec()));
                }
                _ => bail!("{method:?} of client {} was refused with {code}", client.number),
            }
        }
        bail!("client {} was challenged again and again", client.number)
    }

    fn transact(
        &mut self,
        client: &Client,
        method: Method,
        fill: &dyn Fn(&mut Writer<'_>),
    ) -> anyhow::Result<Vec<u8>> {
        self.transactions += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        id[8..].copy_from_slice(&std::process::id().to_be_bytes());
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer, Class::Request, method, TransactionId(id));
        fill(&mut writer);
        if let Some((realm, nonce)) = &client.challenge {
            let (username, password) = (
                self.credentials.username.as_bytes(),
                self.credentials.password.as_bytes(),
            );
            writer.attribute(AttributeType::USERNAME, username);
            writer.attribute(AttributeType::REALM, realm);
            writer.attribute(AttributeType::NONCE, nonce);
            writer.integrity(
                Integrity::Sha1,
                &Key::long_term(PasswordAlgorithm::Md5, username, realm, password),
            );
        }
        let length = writer.finish()?;
        for _ in 0..6 {
            let mut sender = Sender::new();
            sender.push(&buffer[..length], client_ip(client.number), self.server, 0);
            sender.flush(self.socket);
            if let Some(answer) = self.answer(client.number, &id) {
                return Ok(answer);
            }
        }
        bail!("no answer")
    }

    fn answer(&mut self, number: usize, id: &[u8; 12]) -> Option<Vec<u8>> {
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            if self.receiver.receive(self.socket) == 0 {
                std::thread::yield_now();
            }
            let mut all = self.receiver.each();
            if let Some(found) =
                all.find(|one| number_of(one.to) == number && one.bytes.get(8..20) == Some(&id[..]))
            {
                return Some(found.bytes.to_vec());
            }
        }
        None
    }
}
