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
    Command, MediaConfig, Notice,
    meters::{MediaReading, Meters, WorkerReading},
    streams::Streams,
    worker::{LISTENER, SOCKET, WAKER, Worker, WorkerParts},
};

/// Takes what is to be told; `false` if there is no room for it. Called on a worker's thread, so it must not wait.
pub type Tell = Arc<dyn Fn(Notice) -> bool + Send + Sync>;

/// Commands that may wait for one worker.
const COMMANDS: usize = 4096;
/// TCP connections of one worker.
const CONNECTIONS: usize = 4096;

struct WorkerHandle {
    commands: SyncSender<Command>,
    waker: Waker,
    reading: Arc<Mutex<WorkerReading>>,
}

struct Inner {
    workers: Vec<WorkerHandle>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
    listening: Vec<SocketAddr>,
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
    pub fn start(config: &MediaConfig, tell: Tell) -> Result<Self> {
        config.check()?;
        let engine = Engine::new().map_err(|error| anyhow::anyhow!("no certificate for DTLS: {error}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (sockets, listeners) = bind(config)?;
        let listening: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local).collect();
        let addresses = candidates(config, &listening, !listeners.is_empty());
        tracing::info!(?listening, workers = 1, "the media server listens");
        let (parts, handle) = make(
            0,
            config,
            engine,
            addresses,
            sockets,
            listeners,
            tell,
            stop.clone(),
        )?;
        let thread = std::thread::Builder::new()
            .name("media-0".to_owned())
            .spawn(move || Worker::new(parts).run())
            .context("cannot start a media thread")?;
        Ok(Self {
            inner: Arc::new(Inner {
                workers: vec![handle],
                threads: Mutex::new(vec![thread]),
                stop,
                listening,
            }),
        })
    }

    /// Where it listens over UDP.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.inner.listening
    }

    /// Asks for something; `false` if too much waits already.
    #[must_use]
    pub fn ask(&self, command: Command) -> bool {
        let workers = &self.inner.workers;
        let number = usize::try_from(command.room.0 % workers.len().max(1) as u64).unwrap_or(0);
        let Some(worker) = workers.get(number) else {
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

type Bound = (Vec<UdpSocket>, Vec<TcpListener>);

fn bind(config: &MediaConfig) -> Result<Bound> {
    let options = SocketOptions {
        reuse_port: false,
        buffer_bytes: config.buffer_bytes,
    };
    let (mut sockets, mut listeners) = (Vec::new(), Vec::new());
    for address in &config.listen {
        let socket = match UdpSocket::bind(*address, options) {
            Ok(socket) => socket,
            // A machine without IPv6 is no mistake of the default.
            Err(_) if address.is_ipv6() && address.ip().is_unspecified() && !sockets.is_empty() => continue,
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("media.listen: cannot listen on {address} over UDP; name another address or port")
                });
            }
        };
        if config.tcp {
            let local = socket.local();
            let listener = listen_tcp(local, false).with_context(|| {
                format!("media.listen: cannot listen on {local} over TCP; name another port, or set media.tcp = false")
            })?;
            listeners.push(listener);
        }
        sockets.push(socket);
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

#[allow(clippy::too_many_arguments, reason = "all that a worker is made of, once")]
fn make(
    number: u8,
    config: &MediaConfig,
    engine: Engine,
    addresses: Vec<(Via, SocketAddr)>,
    sockets: Vec<UdpSocket>,
    listeners: Vec<TcpListener>,
    notices: Tell,
    stop: Arc<AtomicBool>,
) -> Result<(WorkerParts, WorkerHandle)> {
    let poller = Poller::new().context("cannot make a poller")?;
    let waker = Waker::new().context("cannot make a waker")?;
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
    let parts = WorkerParts {
        number,
        config: config.clone(),
        engine,
        addresses,
        sockets,
        streams: Streams::new(listeners, CONNECTIONS),
        poller,
        commands,
        waker: waker.clone(),
        notices,
        reading: reading.clone(),
        stop,
    };
    let handle = WorkerHandle {
        commands: sender,
        waker,
        reading,
    };
    Ok((parts, handle))
}
