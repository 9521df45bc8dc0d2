//! The load itself: packets out as the plan says, packets in counted and checked.

use std::{
    net::{SocketAddrV4, UdpSocket},
    time::{Duration, Instant},
};

use super::{
    batch::{BATCH, Receiver, Sender},
    client_ip, number_of,
};

/// Where packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Path {
    /// Client, relay, peer, and back from the peer.
    Peer,
    /// Client, relay, relay, the other client of the pair.
    Relay,
}

/// How much is sent, and in what shape.
pub struct Plan {
    pub path: Path,
    /// Packets a second; as many as the window lets through if `None`.
    pub rate: Option<f64>,
    /// Packets on their way at once, where there is no rate.
    pub window: u64,
    /// Packets of one client in a row.
    pub burst: usize,
    /// Bursts leave and arrive as one (GSO and GRO).
    pub coalesced: bool,
    /// Bytes of payload.
    pub size: usize,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    pub sent: u64,
    pub at_clients: u64,
    pub at_peers: u64,
    /// Arrived at the wrong client, or not as it was sent.
    pub wrong: u64,
}

/// Both sockets and what goes over them.
pub struct Flow<'a> {
    pub plan: Plan,
    pub clients: &'a UdpSocket,
    pub peers: &'a UdpSocket,
    pub server: SocketAddrV4,
    /// One burst for each client, ready to be sent: ChannelData or Send indications.
    pub bursts: Vec<Vec<u8>>,
    pub count: Count,
    next: usize,
    started: Instant,
    heard: Instant,
    given_up: u64,
    skipped: u64,
}

impl<'a> Flow<'a> {
    pub fn new(
        plan: Plan,
        clients: &'a UdpSocket,
        peers: &'a UdpSocket,
        server: SocketAddrV4,
        bursts: Vec<Vec<u8>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            plan,
            clients,
            peers,
            server,
            bursts,
            count: Count::default(),
            next: 0,
            started: now,
            heard: now,
            given_up: 0,
            skipped: 0,
        }
    }

    /// Sends and receives for `time`.
    pub fn run(&mut self, time: Duration) {
        let (mut receiver, until) = (Receiver::new(), Instant::now() + time);
        while Instant::now() < until {
            let due = self.due();
            self.send(due);
            self.hear_clients(&mut receiver);
            if self.plan.path == Path::Peer {
                self.echo(&mut receiver);
            }
        }
    }

    /// How many bursts are due now.
    fn due(&mut self) -> usize {
        let most = BATCH as u64 * self.plan.burst as u64;
        let packets = if let Some(rate) = self.plan.rate {
            let wanted = (self.started.elapsed().as_secs_f64() * rate) as u64;
            let behind = wanted.saturating_sub(self.count.sent + self.skipped);
            // A generator that fell behind does not make up for it with a flood.
            self.skipped += behind.saturating_sub(20_000);
            behind.min(most)
        } else {
            let out = self
                .count
                .sent
                .saturating_sub(self.count.at_clients + self.given_up);
            if out >= self.plan.window && self.heard.elapsed() > Duration::from_millis(20) {
                self.given_up += out;
                self.heard = Instant::now();
            }
            self.plan.window.saturating_sub(out).min(most)
        };
        packets as usize / self.plan.burst
    }

    fn send(&mut self, bursts: usize) {
        let (mut sender, each) = (Sender::new(), self.bursts[0].len() / self.plan.burst);
        let mut sent = 0;
        for _ in 0..bursts {
            let (burst, from) = (&self.bursts[self.next], client_ip(self.next));
            if self.plan.coalesced {
                sender.push(burst, from, self.server, each);
            }
            for packet in burst.chunks(each).filter(|_| !self.plan.coalesced) {
                if sender.is_full() {
                    sent += sender.flush(self.clients);
                }
                sender.push(packet, from, self.server, 0);
            }
            if sender.is_full() {
                sent += sender.flush(self.clients);
            }
            self.next = (self.next + 1) % self.bursts.len();
        }
        sent += sender.flush(self.clients);
        self.count.sent += (sent * if self.plan.coalesced { self.plan.burst } else { 1 }) as u64;
    }

    fn hear_clients(&mut self, receiver: &mut Receiver) {
        if receiver.receive(self.clients) > 0 {
            self.heard = Instant::now();
        }
        for received in receiver.each() {
            let at = number_of(received.to);
            let expected = if self.plan.path == Path::Relay { at ^ 1 } else { at };
            for packet in received.bytes.chunks(received.segment) {
                if is_right(packet, expected, self.plan.size) {
                    self.count.at_clients += 1
                } else {
                    self.count.wrong += 1
                }
            }
        }
    }

    /// The peers send back what they get.
    fn echo(&mut self, receiver: &mut Receiver) {
        receiver.receive(self.peers);
        let mut sender = Sender::new();
        for received in receiver.each() {
            self.count.at_peers += received.bytes.len().div_ceil(received.segment.max(1)) as u64;
            sender.push(received.bytes, received.to, received.from, received.segment);
        }
        sender.flush(self.peers);
    }
}

/// The payload of client `n`: its number, then bytes that depend on it.
pub fn payload(n: usize, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size).map(|k| (k * 31 + n) as u8).collect();
    bytes[..4].copy_from_slice(&(n as u32).to_be_bytes());
    bytes
}

/// Whether this is ChannelData, or a Data indication, with the payload of client `from` at its end.
fn is_right(packet: &[u8], from: usize, size: usize) -> bool {
    let payload = if packet.first().is_some_and(|first| first & 0xC0 == 0x40) {
        packet.get(4..4 + size)
    } else {
        data_of(packet)
    };
    payload.is_some_and(|payload| payload.len() == size && payload[..4] == (from as u32).to_be_bytes())
}

fn data_of(packet: &[u8]) -> Option<&[u8]> {
    trefoil_stun::Message::parse(packet)
        .ok()?
        .first(trefoil_stun::AttributeType::DATA)
}
