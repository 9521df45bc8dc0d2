//! A machine, a ledger, imaginary sockets and an imaginary clock; clients that speak to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use trefoil_stun::{AttributeType, Class, Method, Writer};
use trefoil_testkit::{Answer, TurnClient};
use trefoil_turn::{
    AllocationId, BoundChannel, ClientAddr, Config, ConnectionId, Credentials, Ledger, Limits, Now, Offer,
    OpenFailure, Output, PeerAddr, PeerFilter, RelayAddress, RelayId, Server, Shard, Transport, Verdict,
};

pub(crate) const RELAY_V4: &str = "93.184.215.1";
pub(crate) const RELAY_V6: &str = "2606:2800::1";
pub(crate) const LISTENER: &str = "93.184.215.1:3478";
pub(crate) const PEER: &str = "8.8.8.8:5000";
pub(crate) const PEER_V6: &str = "[2001:4860::8]:5000";
/// 1 January 2026.
const START: u64 = 1_767_225_600;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) ledger: Ledger,
    pub(crate) elapsed: Duration,
    /// Sockets that are open, by relay.
    pub(crate) open: BTreeMap<RelayId, SocketAddr>,
    /// What opening the next sockets will answer; success when it runs out.
    pub(crate) failures: Vec<OpenFailure>,
    /// The channels of each allocation that the caller was told of.
    pub(crate) bound: BTreeMap<AllocationId, Vec<BoundChannel>>,
    /// Connections that were asked for, spliced and closed.
    pub(crate) connecting: Vec<(ConnectionId, PeerAddr)>,
    pub(crate) spliced: Vec<(ConnectionId, ClientAddr)>,
    pub(crate) disconnected: Vec<ConnectionId>,
}

/// A client at an address, with what it knows.
pub(crate) struct Client {
    pub(crate) at: ClientAddr,
    pub(crate) turn: TurnClient,
}

pub(crate) fn config() -> Config {
    let relay = |text: &str| RelayAddress {
        bound: text.parse().unwrap(),
        advertised: text.parse().unwrap(),
    };
    let own = vec![RELAY_V4.parse().unwrap(), RELAY_V6.parse().unwrap()];
    let fixed = [("ann", "north"), ("bob", "south")].map(|(name, word)| (name.to_owned(), word.to_owned()));
    Config {
        realm: "trefoil".to_owned(),
        credentials: Credentials {
            secrets: vec![b"old".to_vec(), b"new".to_vec()],
            fixed: fixed.into(),
            third_party: None,
        },
        offer: Offer::default(),
        relay_addresses: vec![relay(RELAY_V4), relay(RELAY_V6)],
        ports: 50_000..=50_099,
        shard: Shard { index: 0, count: 1 },
        filter: PeerFilter::new(Vec::new(), Vec::new(), Vec::new(), own),
        listeners: vec![LISTENER.parse().unwrap()],
        mobility: true,
        discovery: None,
        alternates: Vec::new(),
        tcp: None,
        channels_are_carried: false,
        limits: Limits::default(),
    }
}

pub(crate) fn client(number: u16, name: &str) -> Client {
    let remote = SocketAddr::new("198.51.100.7".parse().unwrap(), 1000 + number);
    let at = ClientAddr {
        transport: Transport::Udp,
        local: LISTENER.parse().unwrap(),
        remote,
    };
    let word = if name == "bob" { "south" } else { "north" };
    Client {
        at,
        turn: TurnClient::new(name, word),
    }
}

impl World {
    pub(crate) fn new(config: Config) -> World {
        World {
            server: Server::new(config, [7; 32]),
            ledger: Ledger::new(10, 50),
            elapsed: Duration::from_secs(1000),
            open: BTreeMap::new(),
            failures: Vec::new(),
            bound: BTreeMap::new(),
            connecting: Vec::new(),
            spliced: Vec::new(),
            disconnected: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            elapsed: self.elapsed,
            unix_seconds: START + self.elapsed.as_secs(),
        }
    }

    /// Moves the clock, stopping at each deadline on the way.
    pub(crate) fn advance(&mut self, seconds: u64) {
        let end = self.elapsed + Duration::from_secs(seconds);
        while let Some(deadline) = self.server.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.elapsed = deadline.at;
            self.server.handle_timeout(self.now());
            assert!(self.settle().is_empty(), "time alone makes no answers");
        }
        self.elapsed = end;
    }

    /// Hands bytes of a client to the machine.
    pub(crate) fn hand(&mut self, at: ClientAddr, bytes: &[u8]) -> (Verdict, Vec<(ClientAddr, Vec<u8>)>) {
        let verdict = self.server.handle_client(at, bytes, self.now());
        (verdict, self.settle())
    }

    /// Does what the machine wants; returns its replies.
    pub(crate) fn settle(&mut self) -> Vec<(ClientAddr, Vec<u8>)> {
        let mut replies = Vec::new();
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Reply { to, bytes } => replies.push((to, bytes)),
                Output::Admit { allocation, username } => {
                    let answer = self.ledger.take(&username);
                    self.server.handle_admission(allocation, answer, self.now());
                }
                Output::Release { username, .. } => self.ledger.give_back(&username),
                Output::Open { relay, address } | Output::Listen { relay, address } => {
                    let answer = self.failures.pop().map_or(Ok(()), Err);
                    if answer.is_ok() {
                        assert!(
                            !self.open.values().any(|open| *open == address),
                            "{address} twice"
                        );
                        self.open.insert(relay, address);
                    }
                    self.server.handle_opened(relay, answer, self.now());
                }
                Output::Close { relay } => {
                    self.open.remove(&relay);
                }
                Output::Connect { connection, peer, .. } => self.connecting.push((connection, peer)),
                Output::Channels { allocation } => {
                    let bound = self.server.bound_channels(allocation, self.elapsed).collect();
                    self.bound.insert(allocation, bound);
                }
                Output::Splice { connection, client } => self.spliced.push((connection, client)),
                Output::Disconnect { connection } => self.disconnected.push(connection),
                Output::Refused { .. } => {}
            }
        }
        replies
    }

    /// Makes a request and reads the answer to it.
    pub(crate) fn ask(
        &mut self,
        client: &mut Client,
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Answer {
        let request = client.turn.request(method, &fill);
        self.ask_with(client, &request)
    }

    pub(crate) fn ask_with(&mut self, client: &Client, request: &[u8]) -> Answer {
        let (verdict, mut replies) = self.hand(client.at, request);
        assert_eq!((verdict, replies.len()), (Verdict::Nothing, 1));
        let (to, bytes) = replies.remove(0);
        assert_eq!(to, client.at);
        Answer::read(&bytes).unwrap()
    }

    /// Like [`World::ask`], with the challenge met first.
    pub(crate) fn call(
        &mut self,
        client: &mut Client,
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Answer {
        if client.turn.nonce.is_empty() {
            let answer = self.ask(client, method, &fill);
            assert!(client.turn.learn(&answer), "{answer:?}");
        }
        self.ask(client, method, fill)
    }

    /// The relayed address of a new allocation.
    pub(crate) fn allocate(&mut self, client: &mut Client) -> SocketAddr {
        let answer = self.call(client, Method::Allocate, udp);
        assert_eq!(answer.code, 0);
        answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap()
    }

    pub(crate) fn permit(&mut self, client: &mut Client, peer: &str) -> u16 {
        let peer = peer.parse().unwrap();
        self.call(client, Method::CreatePermission, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
        .code
    }

    pub(crate) fn bind(&mut self, client: &mut Client, number: u16, peer: &str) -> u16 {
        let peer = peer.parse().unwrap();
        self.call(client, Method::ChannelBind, |writer| {
            writer.number(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
        .code
    }

    pub(crate) fn refresh(&mut self, client: &mut Client, seconds: u32) -> Answer {
        self.call(client, Method::Refresh, |writer| {
            writer.number(AttributeType::LIFETIME, seconds);
        })
    }

    /// Sends ChannelData of a client.
    pub(crate) fn channel_data(&mut self, client: &Client, number: u16, data: &[u8]) -> Verdict {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
        let (verdict, replies) = self.hand(client.at, &bytes);
        assert!(replies.is_empty());
        verdict
    }

    /// Sends a Send indication of a client.
    pub(crate) fn send(&mut self, client: &mut Client, peer: &str, data: &[u8]) -> Verdict {
        let transaction = client.turn.transaction();
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer, Class::Indication, Method::Send, transaction);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.parse().unwrap());
        let length = writer.attribute(AttributeType::DATA, data).finish().unwrap();
        let (verdict, replies) = self.hand(client.at, &buffer[..length]);
        assert!(replies.is_empty(), "an indication has no answer");
        verdict
    }

    /// A datagram of a peer arrives at a relayed address.
    pub(crate) fn arrive(&mut self, at: SocketAddr, peer: &str) -> Verdict {
        let relay = *self.open.iter().find(|(_, address)| **address == at).unwrap().0;
        self.server
            .handle_peer(relay, PeerAddr(peer.parse().unwrap()), 4, 1, self.elapsed)
    }
}

/// REQUESTED-TRANSPORT for UDP.
pub(crate) fn udp(writer: &mut Writer<'_>) {
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
}
