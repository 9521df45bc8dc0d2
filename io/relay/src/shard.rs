//! One thread: its listening sockets, its machine, its relay sockets.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc::Receiver};
use std::time::Duration;

use crate::splices::Splices;
use crate::streams::{StreamLimits, StreamListener, Streams};
use anyhow::{Context, Result};
use trefoil_net::{Batch, Clock, Poller, Ready, UdpSocket, Waker, nap, sleep_precisely};
use trefoil_turn::{Config, Ledger, Now, RelayId, Server};

use crate::adopt::{Adopted, WayOut};
use crate::carried::Carried;
use crate::detail::Detail;
use crate::dtls::{DtlsClients, Engine};
use crate::handover::Handover;
use crate::kernel::KernelPath;
use crate::meters::{Reading, lock};

/// How often the reading is written while something happens.
const READING_EVERY: Duration = Duration::from_secs(1);
/// Wake-ups closer together than this are worth coalescing.
const BUSY: Duration = Duration::from_micros(100);

const LISTENER: u64 = 0 << 32;
pub(crate) const RELAY: u64 = 1 << 32;
const HANDOVER: u64 = 2 << 32;
const WAKER: u64 = 3 << 32;
const STREAM_LISTENER: u64 = 4 << 32;
const STREAM: u64 = 5 << 32;
pub(crate) const TCP_RELAY: u64 = 6 << 32;
pub(crate) const PEER_END: u64 = 7 << 32;
pub(crate) const CLIENT_END: u64 = 8 << 32;

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
    pub(crate) stream_listeners: Vec<StreamListener>,
    pub(crate) stream_limits: StreamLimits,
    pub(crate) dtls: Option<Engine>,
    pub(crate) handover: Handover,
    pub(crate) adopted: Receiver<Box<Adopted>>,
    /// To each shard, for connections that belong there.
    pub(crate) ways: Arc<Vec<WayOut>>,
    pub(crate) waker: Waker,
    pub(crate) reading: Arc<Mutex<Reading>>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) coalesce_microseconds: u32,
    pub(crate) detailed_metrics: bool,
    pub(crate) kernel: Option<Arc<KernelPath>>,
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
        for (token, listener) in (STREAM_LISTENER..).zip(&parts.stream_listeners) {
            poller
                .add(&listener.socket, token)
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
        sleep_precisely();
        let clock = Clock::start();
        let machine = Server::new(self.parts.machine.clone(), self.seed);
        let dtls = self.parts.dtls.clone();
        let mut running = Running {
            machine,
            batch: Batch::new(),
            relays: Vec::new(),
            deaf: Vec::new(),
            streams: Streams::new(self.parts.stream_limits, STREAM),
            splices: Splices::default(),
            dtls: dtls.map(|engine| DtlsClients::new(engine, self.parts.stream_limits.connections)),
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
            detail: Detail::default(),
            carried: Carried::default(),
            parts: self.parts,
        };
        while !running.parts.orders.stop.load(Ordering::Acquire) {
            if let Err(error) = running.turn() {
                tracing::error!(%error, "a relay thread cannot wait for its sockets and ends");
                break;
            }
        }
        running.end_carried();
    }
}

/// The socket of a relayed transport address.
pub(crate) struct RelaySocket {
    pub(crate) id: RelayId,
    pub(crate) socket: UdpSocket,
    /// How many datagrams are asked for next: asking for more than there are costs a look into an empty queue.
    pub(crate) expected: u8,
    /// ICMP errors are ignored until the next second, because there were too many.
    pub(crate) deaf: bool,
}

/// A shard on its thread.
pub(crate) struct Running {
    pub(crate) machine: Server,
    pub(crate) batch: Batch,
    /// By [`RelayId::index`].
    pub(crate) relays: Vec<Option<RelaySocket>>,
    /// Relays that are deaf, or were when they closed; each once.
    pub(crate) deaf: Vec<usize>,
    pub(crate) streams: Streams,
    /// Connections with peers.
    pub(crate) splices: Splices,
    /// If there is a certificate.
    pub(crate) dtls: Option<DtlsClients>,
    pub(crate) poller: Poller,
    pub(crate) clock: Clock,
    pub(crate) now: Now,
    /// When the reading was last written.
    read_at: Duration,
    woken_at: Duration,
    /// The usual time between two wake-ups.
    gap: Duration,
    pub(crate) handover_dropped: u64,
    /// What is told of each identity, if that is asked for.
    pub(crate) detail: Detail,
    /// What the kernel carries for this shard's clients.
    pub(crate) carried: Carried,
    pub(crate) parts: ShardParts,
}

impl Running {
    /// Waits once and handles all that is ready.
    fn turn(&mut self) -> io::Result<()> {
        let due = self.machine.poll_timeout().map(|deadline| deadline.at);
        let next_reading = self.read_at + READING_EVERY;
        let dtls = self
            .dtls
            .as_ref()
            .and_then(DtlsClients::next_due)
            .map(|due| self.clock.elapsed_at(due));
        let due = [due, dtls, self.splices.next_due()]
            .into_iter()
            .flatten()
            .fold(next_reading, Duration::min);
        let ready = self.poller.wait(Some(due.saturating_sub(self.clock.elapsed())))?;
        self.look_at_the_clock();
        let before = self.batch.sums().sent;
        for index in 0..ready {
            let Some(event) = self.poller.ready(index) else {
                continue;
            };
            self.handle(event);
        }
        self.batch.flush();
        self.dtls_timeouts();
        self.wake_splices();
        self.machine.handle_timeout(self.now);
        self.outputs();
        let broken = self.streams.flush(&self.poller);
        self.disconnected(broken);
        self.batch.flush();
        if self.now.elapsed >= next_reading {
            let machine = &self.machine;
            self.streams
                .sweep(|client| machine.holds(client), self.now.elapsed);
            if let Some(dtls) = &mut self.dtls {
                dtls.sweep(
                    |client| machine.holds(client),
                    self.parts.stream_limits.idle,
                    self.now.elapsed,
                );
            }
            self.hear_again();
            self.look_at_carried();
            self.sweep_splices();
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

    fn handle(&mut self, event: Ready) {
        let token = event.token;
        let index = (token & u64::from(u32::MAX)) as usize;
        match token & !u64::from(u32::MAX) {
            LISTENER => self.take_from_clients(index),
            RELAY => self.take_from_relay(index, event.failed),
            HANDOVER => self.take_from_shards(),
            STREAM_LISTENER => self.take_connections(index),
            STREAM => self.take_from_stream(index, event.readable, event.writable),
            TCP_RELAY => self.take_peers(index),
            PEER_END => self.take_from_peer_end(index, event),
            CLIENT_END => self.turn_splice(index),
            _ => {
                self.parts.waker.clear();
                self.take_adopted();
                if self.parts.orders.drain.load(Ordering::Acquire) {
                    self.machine.drain();
                }
            }
        }
    }

    fn write_reading(&mut self) {
        self.read_at = self.now.elapsed;
        let counts = self.machine.counts().clone();
        if self.parts.detailed_metrics {
            self.detail.look_at(&self.machine);
        }
        let streams = &self.streams;
        *lock(&self.parts.reading) = Reading {
            counts,
            sums: self.batch.sums(),
            handover_dropped: self.handover_dropped,
            stream_dropped: streams.dropped,
            kernel_packets: self.carried.packets(),
            kernel_channels: self.carried.len() as u64,
            turned_away: streams.turned_away,
            detail: self.detail.clone(),
            peer_connections: self.splices.len() as u64,
            connections: (streams.len() + self.dtls.as_ref().map_or(0, DtlsClients::len)) as u64,
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
