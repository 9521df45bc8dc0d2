//! One thread: its listening sockets, its machine, its relay sockets.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use trefoil_net::{Batch, Clock, Poller, Received, SocketOptions, Source, UdpSocket, Waker, nap};
use trefoil_turn::{
    ClientAddr, Config, Framing, Ledger, Now, OpenFailure, Output, PeerAddr, RelayId, Server, Transport,
    Verdict,
};

use crate::handover::Handover;
use crate::meters::{Reading, lock};

/// Datagrams taken from a listening socket at once.
const LISTENER_BATCH: usize = 64;
/// Datagrams taken from a relay socket at once.
const RELAY_BATCH: usize = 16;
/// Messages taken from other shards at once.
const HANDOVER_BATCH: usize = 64;
/// Buffers of a relay socket, in bytes.
const RELAY_BUFFER: usize = 1 << 20;
/// How often the reading is written while something happens.
const READING_EVERY: Duration = Duration::from_secs(1);
/// Wake-ups closer together than this are worth coalescing.
const BUSY: Duration = Duration::from_micros(100);

const LISTENER: u64 = 0 << 32;
const RELAY: u64 = 1 << 32;
const HANDOVER: u64 = 2 << 32;
const WAKER: u64 = 3 << 32;

/// What the handle tells all shards.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) drain: AtomicBool,
    pub(crate) stop: AtomicBool,
}

/// What a shard is made of.
pub(crate) struct ShardParts {
    pub(crate) machine: Config,
    pub(crate) listeners: Vec<UdpSocket>,
    pub(crate) handover: Handover,
    pub(crate) waker: Waker,
    pub(crate) reading: Arc<Mutex<Reading>>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) coalesce_microseconds: u32,
}

/// A shard before its thread has started.
pub(crate) struct Shard {
    parts: ShardParts,
    poller: Poller,
    seed: [u8; 32],
}

impl Shard {
    pub(crate) fn new(parts: ShardParts) -> Result<Shard> {
        let poller = Poller::new().context("cannot make a poller")?;
        for (token, listener) in (LISTENER..).zip(&parts.listeners) {
            poller
                .add(listener, token)
                .context("cannot watch a listening socket")?;
        }
        poller
            .add(&parts.handover.from, HANDOVER)
            .context("cannot watch the other shards")?;
        poller
            .add(&parts.waker, WAKER)
            .context("cannot watch the waker")?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
        Ok(Shard { parts, poller, seed })
    }

    pub(crate) fn run(self) {
        let clock = Clock::start();
        let machine = Server::new(self.parts.machine.clone(), self.seed);
        let mut running = Running {
            machine,
            batch: Batch::new(),
            relays: Vec::new(),
            poller: self.poller,
            now: Now {
                elapsed: clock.elapsed(),
                unix_seconds: Clock::unix_seconds(),
            },
            clock,
            read_at: Duration::ZERO,
            woken_at: Duration::ZERO,
            gap: Duration::from_secs(1),
            handover_dropped: 0,
            parts: self.parts,
        };
        while !running.parts.orders.stop.load(Ordering::Acquire) {
            if let Err(error) = running.turn() {
                tracing::error!(%error, "a relay thread cannot wait for its sockets and ends");
                return;
            }
        }
    }
}

struct Running {
    machine: Server,
    batch: Batch,
    /// By [`RelayId::index`].
    relays: Vec<Option<(RelayId, UdpSocket)>>,
    poller: Poller,
    clock: Clock,
    now: Now,
    /// When the reading was last written.
    read_at: Duration,
    woken_at: Duration,
    /// The usual time between two wake-ups.
    gap: Duration,
    handover_dropped: u64,
    parts: ShardParts,
}

impl Running {
    /// Waits once and handles all that is ready.
    fn turn(&mut self) -> io::Result<()> {
        let due = self.machine.poll_timeout().map(|deadline| deadline.at);
        let next_reading = self.read_at + READING_EVERY;
        let due = due.map_or(next_reading, |due| due.min(next_reading));
        let ready = self.poller.wait(Some(due.saturating_sub(self.clock.elapsed())))?;
        self.look_at_the_clock();
        let before = self.batch.sums().sent;
        for index in 0..ready {
            let Some(event) = self.poller.ready(index) else {
                continue;
            };
            self.handle(event.token);
        }
        self.batch.flush();
        self.machine.handle_timeout(self.now);
        self.outputs();
        self.batch.flush();
        if self.now.elapsed >= next_reading {
            self.write_reading();
        }
        self.coalesce(ready, self.batch.sums().sent - before);
        Ok(())
    }

    fn look_at_the_clock(&mut self) {
        let elapsed = self.clock.elapsed();
        if elapsed.as_secs() != self.now.elapsed.as_secs() {
            self.now.unix_seconds = Clock::unix_seconds();
        }
        self.now.elapsed = elapsed;
    }

    fn handle(&mut self, token: u64) {
        let index = (token & u64::from(u32::MAX)) as usize;
        match token & !u64::from(u32::MAX) {
            LISTENER => self.take_from_clients(index),
            RELAY => self.take_from_peers(index),
            HANDOVER => self.take_from_shards(),
            _ => {
                self.parts.waker.clear();
                if self.parts.orders.drain.load(Ordering::Acquire) {
                    self.machine.drain();
                }
            }
        }
    }

    fn take_from_clients(&mut self, index: usize) {
        self.batch.make_room(LISTENER_BATCH);
        let Some(listener) = self.parts.listeners.get(index) else {
            return;
        };
        let bound = listener.local();
        let slots = match self.batch.receive(listener, LISTENER_BATCH) {
            Ok(slots) => slots,
            Err(error) => return tracing::debug!(%error, "a listening socket reports an error"),
        };
        for slot in slots {
            let Some(received) = self.batch.received(slot) else {
                continue;
            };
            let local = SocketAddr::new(received.local.unwrap_or(bound.ip()), bound.port());
            let client = ClientAddr {
                transport: Transport::Udp,
                local,
                remote: received.from,
            };
            for span in received.segments() {
                let verdict = self
                    .machine
                    .handle_client(client, self.batch.bytes(span.clone()), self.now);
                self.act(verdict, span.start);
            }
        }
    }

    fn take_from_peers(&mut self, index: usize) {
        self.batch.make_room(RELAY_BATCH);
        let Some(Some((relay, socket))) = self.relays.get(index) else {
            return;
        };
        let relay = *relay;
        let slots = match self.batch.receive(socket, RELAY_BATCH) {
            Ok(slots) => slots,
            Err(error) => return tracing::debug!(%error, "a relay socket reports an error"),
        };
        for slot in slots {
            let Some(received) = self.batch.received(slot) else {
                continue;
            };
            let peer = PeerAddr(received.from);
            let (bytes, count) = (received.span.len(), received.count());
            let verdict = self
                .machine
                .handle_peer(relay, peer, bytes, count, self.now.elapsed);
            if let Verdict::ToClient { client, framing, .. } = verdict {
                self.deliver_all(client, framing, &received);
            }
        }
    }

    /// Delivers what one peer sent, one datagram or a run of them.
    fn deliver_all(&mut self, client: ClientAddr, framing: Framing, received: &Received) {
        let single = received.segment == 0;
        for span in received.segments() {
            self.deliver(client, framing, span, single);
        }
    }

    /// Sends data to a client. With `in_place` the bytes before the data are free for a header.
    fn deliver(&mut self, client: ClientAddr, framing: Framing, body: Range<usize>, in_place: bool) {
        let Some(source) = self.source_towards(client) else {
            return;
        };
        let Ok(length) = u16::try_from(body.len()) else {
            return;
        };
        match framing {
            Framing::Channel(channel) => {
                let head = trefoil_turn::channel_header(channel, length);
                if in_place {
                    self.batch.send_headed(source, client.remote, &head, body);
                } else {
                    self.batch.send_framed(source, client.remote, &head, body, 0);
                }
            }
            Framing::Indication(peer) => {
                let mut head = [0; 48];
                let used = self.machine.data_indication(peer, length, &mut head);
                let padding = usize::from(length).next_multiple_of(4) - usize::from(length);
                let head = head.get(..used).unwrap_or_default();
                self.batch.send_framed(source, client.remote, head, body, padding);
            }
        }
    }

    fn take_from_shards(&mut self) {
        for _ in 0..HANDOVER_BATCH {
            let Some((from, to, data)) = self.parts.handover.receive() else {
                return;
            };
            let body = self.batch.keep(data);
            let verdict = self
                .machine
                .handle_relayed(from, to, 0..body.len(), self.now.elapsed);
            if let Verdict::ToClient { client, framing, .. } = verdict {
                self.deliver(client, framing, body, false);
            }
        }
    }

    /// Does what the machine said about a message that begins at `start` of the batch.
    #[inline]
    fn act(&mut self, verdict: Verdict, start: usize) {
        let within = |data: Range<usize>| start + data.start..start + data.end;
        match verdict {
            Verdict::Nothing => self.outputs(),
            Verdict::ToPeer {
                relay,
                peer,
                data,
                dont_fragment,
            } => {
                let Some(Some((_, socket))) = self.relays.get(relay.index()) else {
                    return;
                };
                let source = socket.source(socket.local().ip());
                if dont_fragment {
                    // The bit belongs to the socket, so nothing else may wait in the queue meanwhile.
                    self.batch.dispatch();
                    let _ = socket.set_dont_fragment(true);
                    self.batch.send(source, peer.0, within(data));
                    self.batch.dispatch();
                    let _ = socket.set_dont_fragment(false);
                } else {
                    self.batch.send(source, peer.0, within(data));
                }
            }
            // The data came in a message of its own, whose header is free now.
            Verdict::ToClient {
                client,
                framing,
                data,
            } => self.deliver(client, framing, within(data), true),
            Verdict::ToShard {
                shard,
                from,
                to,
                data,
            } => {
                let data = self.batch.bytes(within(data));
                if self.parts.handover.send(shard, from, to, data).is_err() {
                    self.handover_dropped += 1;
                }
            }
        }
    }

    /// Does the slow things that the machine wants.
    fn outputs(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Reply { to, bytes } => self.reply(to, &bytes),
                Output::Admit { allocation, username } => {
                    let answer = lock(&self.parts.ledger).take(&username);
                    self.machine.handle_admission(allocation, answer, self.now);
                }
                Output::Release {
                    username, traffic, ..
                } => {
                    lock(&self.parts.ledger).give_back(&username);
                    tracing::debug!(?traffic, "allocation ended");
                }
                Output::Open { relay, address } => {
                    let answer = self.open(relay, address);
                    self.machine.handle_opened(relay, answer, self.now);
                }
                Output::Close { relay } => {
                    self.batch.dispatch();
                    if let Some(slot) = self.relays.get_mut(relay.index()) {
                        *slot = None;
                    }
                }
                Output::Refused { client, refusal } => {
                    tracing::debug!(client = %client.remote, reason = refusal.name(), ?refusal, "request refused");
                }
            }
        }
    }

    fn reply(&mut self, to: ClientAddr, bytes: &[u8]) {
        if let Some(source) = self.source_towards(to) {
            self.batch.send_bytes(source, to.remote, bytes);
        }
    }

    /// The listening socket, and the address of ours, that a client speaks to.
    #[inline]
    fn source_towards(&self, client: ClientAddr) -> Option<Source> {
        let serves = |listener: &&UdpSocket| {
            let (bound, local) = (listener.local(), client.local);
            bound.port() == local.port() && (bound.ip() == local.ip() || bound.ip().is_unspecified())
        };
        self.parts
            .listeners
            .iter()
            .find(serves)
            .map(|listener| listener.source(client.local.ip()))
    }

    fn open(&mut self, relay: RelayId, address: SocketAddr) -> Result<(), OpenFailure> {
        let options = SocketOptions {
            reuse_port: false,
            buffer_bytes: RELAY_BUFFER,
        };
        let failure = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => OpenFailure::PortTaken,
            _ => {
                tracing::debug!(%error, "cannot open a relay socket; check the limit of open files and `relay_addresses`");
                OpenFailure::Exhausted
            }
        };
        let socket = UdpSocket::bind(address, options).map_err(failure)?;
        self.poller
            .add(&socket, RELAY | relay.index() as u64)
            .map_err(failure)?;
        if self.relays.len() <= relay.index() {
            self.relays.resize_with(relay.index() + 1, || None);
        }
        if let Some(slot) = self.relays.get_mut(relay.index()) {
            *slot = Some((relay, socket));
        }
        Ok(())
    }

    fn write_reading(&mut self) {
        self.read_at = self.now.elapsed;
        let counts = self.machine.counts().clone();
        *lock(&self.parts.reading) = Reading {
            counts,
            sums: self.batch.sums(),
            handover_dropped: self.handover_dropped,
        };
    }

    /// Under load, lets some packets gather before the next wake-up: a wake-up costs more than a packet.
    fn coalesce(&mut self, ready: usize, sent: u64) {
        let since = self.now.elapsed.saturating_sub(self.woken_at);
        self.woken_at = self.now.elapsed;
        self.gap = (self.gap * 7 + since.min(Duration::from_millis(1))) / 8;
        let length = Duration::from_micros(self.parts.coalesce_microseconds.into());
        // When batches are full there is nothing to win; when it is quiet nobody should wait.
        if ready > 0 && sent < 32 && self.gap < length + BUSY && !length.is_zero() {
            nap(length);
        }
    }
}
