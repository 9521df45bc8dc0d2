//! What the target `turn_server` does with its bytes; shared with the test that replays the corpus.
//!
//! The bytes are a history: one byte says what happens (who speaks, how time passes), two how long the datagram is, and
//! the datagram follows. Requests of the one who knows the password are completed with nonce and integrity, so that the
//! fuzzer comes past the door.

use std::net::SocketAddr;
use std::time::Duration;

use trefoil_auth::{AccessToken, TokenKey};
use trefoil_stun::{
    AttributeType, Class, Integrity, Key, Message, Method, PasswordAlgorithm, TransactionId, Writer,
};
use trefoil_turn::{
    AllocationId, BoundChannel, ClientAddr, Config, ConnectionId, Credentials, Direction, Discovery, Icmp,
    Ledger, Limits, Now, Offer, Output, PeerAddr, PeerFilter, PeerPorts, RelayAddress, RelayId, Server,
    Shard, ThirdParty, Transport, Verdict, channel_header,
};

struct World {
    server: Server,
    ledger: Ledger,
    now: Now,
    open: Vec<RelayId>,
    /// Connections with peers that were ever named.
    connections: Vec<ConnectionId>,
    nonces: Vec<Vec<u8>>,
    replied: usize,
}

/// Plays the history in `bytes`.
pub(crate) fn run(mut bytes: &[u8]) {
    let Some(mut world) = World::new() else { return };
    for step in 0..200 {
        let Some(([what, high, low], rest)) = bytes.split_first_chunk() else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]) % 2048).min(rest.len());
        let (datagram, rest) = rest.split_at(length);
        bytes = rest;
        world.play(*what, datagram, step);
    }
}

fn client(number: u8) -> ClientAddr {
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];
    ClientAddr {
        transport: transport
            .get(usize::from(number / 4 % 4))
            .copied()
            .unwrap_or(Transport::Udp),
        local: SocketAddr::from(([93, 184, 215, 1], 3478)),
        remote: SocketAddr::from(([198, 51, 100, 7], 1000 + u16::from(number % 4))),
    }
}

impl World {
    fn new() -> Option<World> {
        let ip = std::net::IpAddr::from([93, 184, 215, 1]);
        let v6 = "2606:2800::1".parse().ok()?;
        let relay = |ip| RelayAddress {
            bound: ip,
            advertised: ip,
        };
        let config = Config {
            realm: "trefoil".to_owned(),
            credentials: Credentials {
                secrets: vec![],
                fixed: [("ann".to_owned(), "north".to_owned())].into(),
                third_party: Some(ThirdParty {
                    server_name: "here".to_owned(),
                    keys: [("kid".to_owned(), TokenKey::new(&[1; 32]).ok()?)].into(),
                }),
            },
            offer: Offer::Always,
            relay_addresses: vec![relay(ip), relay(v6)],
            ports: 50_000..=50_009,
            shard: Shard { index: 0, count: 2 },
            filter: PeerFilter::new(vec![], vec![], vec![], vec![ip, v6]),
            listeners: vec![SocketAddr::from((ip, 3478))],
            mobility: true,
            discovery: Some(Discovery {
                primary: SocketAddr::from((ip, 3478)),
                alternate: SocketAddr::from(([93, 184, 215, 2], 3479)),
            }),
            alternates: vec![],
            tcp: Some(PeerPorts(vec![5000..=5003])),
            channels_are_carried: true,
            limits: Limits {
                permissions: 4,
                channels: 3,
                unproven_answers: None,
                ..Limits::default()
            },
        };
        let now = Now {
            elapsed: Duration::from_secs(100),
            unix_seconds: 1_767_225_600,
        };
        let (server, ledger) = (Server::new(config, [7; 32]), Ledger::new(3, 5));
        Some(World {
            server,
            ledger,
            now,
            open: vec![],
            connections: vec![],
            nonces: vec![vec![]; 16],
            replied: 0,
        })
    }

    fn play(&mut self, what: u8, datagram: &[u8], step: usize) {
        let number = what % 16;
        match what / 16 {
            0..=3 => self.hand(number, datagram),
            4..=9 => {
                let signed = self.signed(number, datagram, step);
                self.hand(number, &signed);
            }
            10 | 11 => {
                let relay = self
                    .open
                    .get(usize::from(number) % self.open.len().max(1))
                    .copied();
                let peer = PeerAddr(SocketAddr::from(([8, 8, 8, number % 4], 5000)));
                if let Some(relay) = relay {
                    let verdict = self
                        .server
                        .handle_peer(relay, peer, datagram.len(), 1, self.now.elapsed);
                    assert!(matches!(verdict, Verdict::Nothing | Verdict::ToClient { .. }));
                }
            }
            12 => self.server.handle_disconnected(client(number), self.now),
            13 => self.pass(u64::from(number) * 40),
            14 if number == 0 => self.server.drain(),
            14 => self.connect(number, datagram),
            _ => self.pass(u64::from(number)),
        }
        self.settle();
        assert!(
            self.server.allocations() <= 5 && self.open.len() <= 10,
            "the caps hold"
        );
    }

    /// What peers do besides sending: they refuse, connect, answer and go.
    fn connect(&mut self, number: u8, datagram: &[u8]) {
        let relay = self
            .open
            .get(usize::from(number) % self.open.len().max(1))
            .copied();
        let connection = self
            .connections
            .get(usize::from(number) % self.connections.len().max(1))
            .copied();
        let peer = PeerAddr(SocketAddr::from(([8, 8, 8, number % 4], 5000)));
        match (relay, connection, number % 6) {
            (Some(relay), _, 0) => {
                let (kind, code) = (datagram.first().copied(), datagram.get(1).copied());
                let icmp = Icmp {
                    kind: kind.unwrap_or(3),
                    code: code.unwrap_or(3),
                    mtu: 1280,
                };
                let _ = self.server.handle_icmp(relay, peer, icmp, self.now.elapsed);
            }
            (Some(relay), _, 1 | 2) => {
                let attempted = self.server.handle_incoming(relay, peer, self.now);
                self.connections.extend(attempted);
            }
            (_, Some(connection), 3) => self.server.handle_connected(connection, number < 8, self.now),
            (_, Some(connection), 4) => {
                let ways = [Direction::FromClient, Direction::ToClient];
                let sums = ways.map(|way| {
                    self.server
                        .carry(connection, way, datagram.len(), self.now.elapsed)
                });
                assert!(sums.iter().all(|sum| *sum <= datagram.len()));
            }
            (_, Some(connection), _) => self.server.handle_connection_ended(connection),
            (_, None, _) => {}
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.elapsed += Duration::from_secs(seconds);
        self.now.unix_seconds += seconds;
        self.server.handle_timeout(self.now);
        assert!(
            self.server
                .poll_timeout()
                .is_none_or(|deadline| deadline.at > self.now.elapsed)
        );
    }

    /// A request made of the datagram's attributes, as somebody who knows the password makes it.
    fn signed(&self, number: u8, datagram: &[u8], step: usize) -> Vec<u8> {
        let (chosen, attributes) = datagram.split_first().unwrap_or((&3, &[]));
        let method = [
            Method::Allocate,
            Method::Refresh,
            Method::CreatePermission,
            Method::ChannelBind,
            Method::Connect,
            Method::ConnectionBind,
        ]
        .get(usize::from(chosen % 6))
        .copied()
        .unwrap_or(Method::Allocate);
        let mut id = [0; 12];
        id.iter_mut()
            .zip(step.to_be_bytes())
            .for_each(|(into, byte)| *into = byte);
        let mut buffer = vec![0; 4096];
        let mut writer = Writer::new(&mut buffer, Class::Request, method, TransactionId(id));
        let transport = if chosen & 0x80 == 0 { 17 } else { 6 };
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[transport, 0, 0, 0]);
        if let (Method::ConnectionBind, Some(last)) = (method, self.connections.last()) {
            writer.number(AttributeType::CONNECTION_ID, last.get());
        }
        let mut rest = attributes;
        while let Some(([high, low, length], after)) = rest.split_first_chunk() {
            let (value, after) = after.split_at(usize::from(*length).min(after.len()));
            writer.attribute(AttributeType(u16::from_be_bytes([*high, *low])), value);
            rest = after;
        }
        let nonce = self
            .nonces
            .get(usize::from(number))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let bearer = chosen & 0x40 != 0;
        let key = if bearer {
            writer.attribute(AttributeType::ACCESS_TOKEN, &self.token(number));
            Key::from_bytes(&[number; 20])
        } else {
            None
        };
        let key = key.unwrap_or_else(|| Key::long_term(PasswordAlgorithm::Md5, b"ann", b"trefoil", b"north"));
        let name: &[u8] = if bearer { b"kid" } else { b"ann" };
        writer
            .attribute(AttributeType::USERNAME, name)
            .attribute(AttributeType::REALM, b"trefoil")
            .attribute(AttributeType::NONCE, nonce)
            .integrity(Integrity::Sha1, &key);
        let length = writer.finish().unwrap_or(0);
        buffer.truncate(length);
        buffer
    }

    /// What an authorisation server gives this client now, for a minute.
    fn token(&self, number: u8) -> Vec<u8> {
        let token = AccessToken {
            mac_key: vec![number; 20],
            made_seconds: self.now.unix_seconds,
            lifetime_seconds: 60,
        };
        let key = TokenKey::new(&[1; 32]);
        key.ok()
            .and_then(|key| token.seal(&key, "here", [number; 12]).ok())
            .unwrap_or_default()
    }

    fn hand(&mut self, number: u8, datagram: &[u8]) {
        self.replied = 0;
        let verdict = self.server.handle_client(client(number), datagram, self.now);
        let within = match verdict {
            Verdict::ToPeer { data, .. } | Verdict::ToClient { data, .. } | Verdict::ToShard { data, .. } => {
                data.end <= datagram.len()
            }
            Verdict::Nothing | Verdict::ToOwner { .. } => true,
        };
        assert!(within, "the verdict is about bytes that there are");
        self.settle();
        assert!(self.replied <= 1, "one message has one answer at most");
    }

    fn settle(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Reply { to, bytes } => self.learn(to, &bytes),
                Output::Admit { allocation, username } => {
                    let answer = self.ledger.take(&username);
                    self.server.handle_admission(allocation, answer, self.now);
                }
                Output::Release { username, .. } => self.ledger.give_back(&username),
                Output::Open { relay, .. } | Output::Listen { relay, .. } => {
                    self.open.push(relay);
                    self.server.handle_opened(relay, Ok(()), self.now);
                }
                Output::Channels { allocation } => self.check_carried(allocation),
                Output::Close { relay } => self.open.retain(|open| *open != relay),
                Output::Connect { connection, .. } => self.connections.push(connection),
                Output::Splice { .. } | Output::Disconnect { .. } | Output::Refused { .. } => {}
            }
        }
    }

    /// What a caller may carry past the machine is what the machine would let through.
    fn check_carried(&mut self, allocation: AllocationId) {
        let bound: Vec<BoundChannel> = self.server.bound_channels(allocation, self.now.elapsed).collect();
        for bound in bound {
            let [a, b, c, d] = channel_header(bound.channel, 1);
            let verdict = self
                .server
                .handle_client(bound.client, &[a, b, c, d, 0], self.now);
            let there = matches!(verdict, Verdict::ToPeer { peer, .. } if peer == bound.peer);
            assert!(there, "{verdict:?} for {bound:?}");
        }
    }

    /// Keeps the nonce of a challenge for the client's next request.
    fn learn(&mut self, to: ClientAddr, bytes: &[u8]) {
        self.replied += 1;
        let message = Message::parse(bytes);
        assert!(message.is_ok(), "what the server sends is sound");
        let Some(nonce) = message
            .ok()
            .and_then(|message| message.first(AttributeType::NONCE).map(<[u8]>::to_vec))
        else {
            return;
        };
        for number in (0..16).filter(|number| client(*number) == to) {
            if let Some(into) = self.nonces.get_mut(usize::from(number)) {
                into.clone_from(&nonce);
            }
        }
    }
}
