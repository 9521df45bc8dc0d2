//! Starting the media server, and asking it from elsewhere.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};
use prometheus_client::registry::Registry;
use trefoil_net::{Poller, SocketOptions, UdpSocket, Waker, listen_tcp, local_addresses};
use trefoil_peer::{Engine, Via};

use crate::{
    Command, MediaConfig, Notice, RoomReading,
    links::Links,
    meters::{MediaReading, Meters, WorkerReading},
    places::Places,
    streams::Streams,
    worker::{LISTENER, SOCKET, WAKER, Worker, WorkerParts},
};

/// Takes what is to be told; `false` if there is no room for it. Called on a worker's thread, so it must not wait.
pub type Tell = Arc<dyn Fn(Notice) -> bool + Send + Sync>;

/// Commands that may wait for one worker.
const COMMANDS: usize = 4096;
/// A user fragment names its worker in two hexadecimal digits.
const MOST_WORKERS: usize = 256;
/// TCP connections of one worker.
const CONNECTIONS: usize = 4096;

struct WorkerHandle {
    commands: SyncSender<Command>,
    waker: Waker,
    reading: Arc<Mutex<WorkerReading>>,
    detail: Arc<Mutex<Vec<RoomReading>>>,
}

struct Inner {
    workers: Vec<WorkerHandle>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
    listening: Vec<SocketAddr>,
    told: Vec<SocketAddr>,
    places: Mutex<Places>,
}

/// The running media server.
#[derive(Clone)]
pub struct Media {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Media({:?})", self.inner.listening)
    }
}

impl Media {
    /// Opens the sockets and starts the workers.
    ///
    /// # Errors
    /// Says which address cannot be listened on and why.
    pub fn start(config: &MediaConfig, tell: &Tell) -> Result<Self> {
        config.check()?;
        let engine = Engine::new().map_err(|error| anyhow::anyhow!("no certificate for DTLS: {error}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let count = worker_count(config);
        let listening = free(config)?;
        let addresses = candidates(config, &listening, config.tcp);
        let over_udp = addresses.iter().filter(|(via, _)| *via == Via::Udp);
        let told = over_udp.map(|(_, address)| *address).collect();
        let wakers = (0..count)
            .map(|_| Waker::new())
            .collect::<std::io::Result<Vec<_>>>();
        let wakers = wakers.context("cannot make a waker")?;
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for (number, (links, waker)) in (0_u8..).zip(Links::all(&wakers).into_iter().zip(wakers)) {
            let bound = bind(config, &listening, count > 1)?;
            let shared = (engine.clone(), addresses.clone(), tell.clone(), stop.clone());
            let (parts, handle) = make(number, config, shared, bound, (links, waker))?;
            let thread = std::thread::Builder::new()
                .name(format!("media-{number}"))
                .spawn(move || Worker::new(parts).run())
                .context("cannot start a media thread")?;
            workers.push(handle);
            threads.push(thread);
        }
        tracing::info!(?listening, workers = count, "the media server listens");
        Ok(Self {
            inner: Arc::new(Inner {
                workers,
                threads: Mutex::new(threads),
                stop,
                listening,
                told,
                places: Mutex::new(Places::new(count, config.room_share)),
            }),
        })
    }

    /// The addresses that clients are told, over UDP.
    #[must_use]
    pub fn told(&self) -> &[SocketAddr] {
        &self.inner.told
    }

    /// Where it listens over UDP.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.inner.listening
    }

    /// Where a gateway sends its RTP: to the media port, at `wanted` if every address is listened on; `None` if no address of
    /// that family is.
    #[must_use]
    pub fn plain_address(&self, wanted: IpAddr) -> Option<SocketAddr> {
        let mut alike = self
            .inner
            .listening
            .iter()
            .filter(|listening| listening.is_ipv4() == wanted.is_ipv4());
        let listening = alike.next()?;
        let ip = if listening.ip().is_unspecified() {
            wanted
        } else {
            listening.ip()
        };
        Some(SocketAddr::new(ip, listening.port()))
    }

    /// Whether a gateway is at this remote address: then no other one can be.
    #[must_use]
    pub fn has_gateway(&self, remote: SocketAddr) -> bool {
        let places = self.inner.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.has_gateway(remote)
    }

    /// Asks for something; `false` if too much waits already.
    #[must_use]
    pub fn ask(&self, command: Command) -> bool {
        let mut places = self.inner.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = places.of(&command) else {
            // Nobody knows them, so there is nothing to be done.
            return true;
        };
        let Some(worker) = self.inner.workers.get(usize::from(number)) else {
            return false;
        };
        match worker.commands.try_send(command) {
            Ok(()) => {
                worker.waker.wake();
                true
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// What all workers last said about themselves.
    #[must_use]
    pub fn reading(&self) -> MediaReading {
        let read = |worker: &WorkerHandle| *worker.reading.lock().unwrap_or_else(PoisonError::into_inner);
        MediaReading {
            workers: self.inner.workers.iter().map(read).collect(),
        }
    }

    /// What rooms last carried, if `detailed_metrics` is on: a room that is on several workers comes several times.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomReading> {
        let read = |worker: &WorkerHandle| {
            worker
                .detail
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        self.inner.workers.iter().flat_map(read).collect()
    }

    /// Registers the metrics of all workers.
    pub fn register(&self, registry: &mut Registry) {
        let readings = self.inner.workers.iter().map(|worker| worker.reading.clone());
        registry.register_collector(Box::new(Meters(readings.collect())));
    }

    /// Says goodbye to everybody and ends.
    pub fn stop(&self) {
        self.inner.stop.store(true, Ordering::Release);
        self.inner.workers.iter().for_each(|worker| worker.waker.wake());
        let threads = std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A worker that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

/// The UDP sockets and TCP listeners of one worker.
type Bound = (Vec<UdpSocket>, Vec<TcpListener>);
/// What all workers share.
type Shared = (Engine, Vec<(Via, SocketAddr)>, Tell, Arc<AtomicBool>);

fn worker_count(config: &MediaConfig) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = if config.workers == 0 {
        cores()
    } else {
        config.workers
    };
    wanted.min(MOST_WORKERS)
}

/// How often a port that is free over UDP is tried over TCP, before it is said that none was.
const MOST_TRIES: usize = 32;

/// The addresses to listen on, with real ports. Workers share them, and sharing is silent: so it is first made sure that
/// nobody else has them.
fn free(config: &MediaConfig) -> Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for wanted in &config.listen {
        match probe(*wanted, config.tcp) {
            Ok(address) => addresses.push(address),
            // A machine without IPv6 is no mistake of the default.
            Err(_) if wanted.is_ipv6() && wanted.ip().is_unspecified() && !addresses.is_empty() => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("media.listen: cannot listen on {wanted} over UDP; name another address or port")
                });
            }
        }
    }
    Ok(addresses)
}

/// The address with a real port; one that the kernel chooses is free over TCP too, where that is wanted.
fn probe(wanted: SocketAddr, tcp: bool) -> std::io::Result<SocketAddr> {
    let tries = if wanted.port() == 0 && tcp { MOST_TRIES } else { 1 };
    let mut address = UdpSocket::bind(wanted, SocketOptions::default())?.local();
    for _ in 1..tries {
        if listen_tcp(address, false).is_ok() {
            break;
        }
        address = UdpSocket::bind(wanted, SocketOptions::default())?.local();
    }
    Ok(address)
}

fn bind(config: &MediaConfig, listening: &[SocketAddr], shared: bool) -> Result<Bound> {
    let options = SocketOptions {
        reuse_port: shared,
        buffer_bytes: config.buffer_bytes,
    };
    let (mut sockets, mut listeners) = (Vec::new(), Vec::new());
    for address in listening {
        let socket = UdpSocket::bind(*address, options)
            .with_context(|| format!("media.listen: cannot listen on {address} over UDP"))?;
        sockets.push(socket);
        if config.tcp {
            let listener = listen_tcp(*address, shared).with_context(|| {
                format!("media.listen: cannot listen on {address} over TCP; name another port, or set media.tcp = false")
            })?;
            listeners.push(listener);
        }
    }
    Ok((sockets, listeners))
}

/// What clients are told: the external addresses, or all those that are listened on.
fn candidates(config: &MediaConfig, listening: &[SocketAddr], tcp: bool) -> Vec<(Via, SocketAddr)> {
    let own = local_addresses().unwrap_or_default();
    let mut found = Vec::new();
    for address in listening {
        let alike = |ip: &&IpAddr| ip.is_ipv4() == address.is_ipv4();
        let external: Vec<IpAddr> = config.external_addresses.iter().filter(alike).copied().collect();
        let ips = if !external.is_empty() {
            external
        } else if address.ip().is_unspecified() {
            // Loopback last: it serves only those on this machine.
            let mut ips: Vec<IpAddr> = own
                .iter()
                .filter(alike)
                .copied()
                .filter(|ip| !is_link_local(*ip))
                .collect();
            ips.sort_by_key(IpAddr::is_loopback);
            ips
        } else {
            vec![address.ip()]
        };
        found.extend(
            ips.into_iter()
                .map(|ip| (Via::Udp, SocketAddr::new(ip, address.port()))),
        );
    }
    if tcp {
        let over_tcp: Vec<_> = found.iter().map(|(_, address)| (Via::Tcp, *address)).collect();
        found.extend(over_tcp);
    }
    found
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn make(
    number: u8,
    config: &MediaConfig,
    (engine, addresses, notices, stop): Shared,
    (sockets, listeners): Bound,
    (links, waker): (Links, Waker),
) -> Result<(WorkerParts, WorkerHandle)> {
    let poller = Poller::new().context("cannot make a poller")?;
    for (token, socket) in (SOCKET..).zip(&sockets) {
        poller.add(socket, token).context("cannot watch a media socket")?;
    }
    for (token, listener) in (LISTENER..).zip(&listeners) {
        poller
            .add(listener, token)
            .context("cannot watch a media socket")?;
    }
    poller.add(&waker, WAKER).context("cannot watch the waker")?;
    let (sender, commands) = sync_channel(COMMANDS);
    let reading = Arc::<Mutex<WorkerReading>>::default();
    let detail = Arc::<Mutex<Vec<RoomReading>>>::default();
    let parts = WorkerParts {
        number,
        config: config.clone(),
        engine,
        addresses,
        sockets,
        streams: Streams::new(listeners, CONNECTIONS),
        poller,
        commands,
        links,
        waker: waker.clone(),
        notices,
        reading: reading.clone(),
        detail: detail.clone(),
        stop,
    };
    let handle = WorkerHandle {
        commands: sender,
        waker,
        reading,
        detail,
    };
    Ok((parts, handle))
}
