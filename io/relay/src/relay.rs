//! The handle of a running relay.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use prometheus_client::registry::Registry;
use trefoil_net::UdpSocket;
use trefoil_turn::{Config, Ledger, Shard as ShardNumber};

use crate::RelayConfig;
use crate::adopt::{WayIn, WayOut, ways};
use crate::certificate::{Certificate, tls};
use crate::dtls::Engine;
use crate::handover::Handover;
use crate::kernel::KernelPath;
use crate::layout::{Listeners, identity_rates, listen, listen_tls, machine, stream_limits};
use crate::meters::{Meters, Reading, lock};
use crate::shard::{Orders, Shard, ShardParts};

/// More threads than cores of any machine that this runs on.
const MOST_THREADS: u16 = 256;
/// How often the certificate's files are looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(10);

/// A running relay. Dropping it stops it.
#[derive(Debug)]
pub struct Relay {
    listening: Vec<SocketAddr>,
    listening_tls: Vec<SocketAddr>,
    tcp: bool,
    in_kernel: bool,
    certificate: Option<Arc<Certificate>>,
    meters: Meters,
    orders: Arc<Orders>,
    /// To each shard, for connections that were accepted elsewhere.
    pub(crate) ways: Arc<Vec<WayOut>>,
    /// How many were handed over, to take turns.
    pub(crate) adopted: AtomicUsize,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Opens the sockets and starts the threads.
    ///
    /// # Errors
    /// If an address cannot be listened on, a list or a certificate cannot be read, or there is no address to relay
    /// from; the error says which setting to change.
    pub fn start(config: RelayConfig) -> Result<Relay> {
        Relay::start_beside(config, &[])
    }

    /// The same, beside servers of ours that data may reach at these addresses, for clients that reach nothing else.
    ///
    /// # Errors
    /// As [`Relay::start`].
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a relay is started with a configuration of its own"
    )]
    pub fn start_beside(config: RelayConfig, services: &[SocketAddr]) -> Result<Relay> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u16::try_from(cores).unwrap_or(MOST_THREADS);
        let count = if config.threads == 0 {
            cores
        } else {
            config.threads
        }
        .min(MOST_THREADS);
        config.check()?;
        let mut listeners = listen(&config, count)?;
        let (certificate, listening_tls) = match &config.tls {
            Some(wanted) => {
                let certificate = Certificate::read(&wanted.certificate, &wanted.key)?;
                certificate.warn_without_dtls();
                let listening = listen_tls(&wanted.listen, &tls(certificate.clone())?, &mut listeners)?;
                (Some(certificate), listening)
            }
            None => (None, Vec::new()),
        };
        let first = listeners
            .first()
            .map(|first| first.udp.as_slice())
            .unwrap_or_default();
        let own: Vec<SocketAddr> = first
            .iter()
            .map(UdpSocket::local)
            .chain(listening_tls.iter().copied())
            .collect();
        let listening = own.iter().take(config.listen.len()).copied().collect();
        let ledger = Ledger::new(config.allocations_per_username, config.allocations)
            .with_rates(identity_rates(&config));
        let (ways, adopted) = ways(count)?;
        let kernel = KernelPath::start(&config)?.map(Arc::new);
        let mut relay = Relay {
            listening,
            listening_tls,
            tcp: config.tcp,
            in_kernel: kernel.is_some(),
            certificate,
            meters: Meters {
                shards: Vec::new(),
                ledger: Arc::new(Mutex::new(ledger)),
            },
            orders: Arc::new(Orders {
                drain: AtomicBool::new(false),
                stop: AtomicBool::new(false),
            }),
            ways: Arc::new(ways),
            adopted: AtomicUsize::new(0),
            threads: Vec::new(),
        };
        let handovers = Handover::all(count).context("cannot open the sockets between shards")?;
        let shards = (0..count).zip(listeners).zip(handovers.into_iter().zip(adopted));
        for ((index, listeners), ways_in) in shards {
            let machine = machine(&config, &own, services, ShardNumber { index, count })?;
            relay.start_shard(&config, (machine, kernel.clone()), listeners, ways_in)?;
        }
        relay.watch_certificate()?;
        tracing::info!(threads = count, udp = ?relay.listening, tls = ?relay.listening_tls, "relay started");
        Ok(relay)
    }

    fn start_shard(
        &mut self,
        config: &RelayConfig,
        (machine, kernel): (Config, Option<Arc<KernelPath>>),
        listeners: Listeners,
        (handover, (adopted, waker)): (Handover, WayIn),
    ) -> Result<()> {
        let reading = Arc::new(Mutex::new(Reading::default()));
        self.meters.shards.push(reading.clone());
        let name = format!("relay-{}", machine.shard.index);
        let parts = ShardParts {
            stream_limits: stream_limits(config, machine.shard.count),
            dtls: self.certificate.clone().map(Engine::new).transpose()?,
            machine,
            listeners: listeners.udp,
            stream_listeners: listeners.streams,
            handover,
            adopted,
            waker,
            ways: self.ways.clone(),
            reading,
            ledger: self.meters.ledger.clone(),
            orders: self.orders.clone(),
            coalesce_microseconds: config.coalesce_microseconds,
            detailed_metrics: config.detailed_metrics,
            kernel,
        };
        let shard = Shard::new(parts)?;
        let thread = std::thread::Builder::new().name(name).spawn(move || shard.run());
        self.threads.push(thread.context("cannot start a relay thread")?);
        Ok(())
    }

    /// Looks now and then whether the certificate has been renewed.
    fn watch_certificate(&mut self) -> Result<()> {
        let Some(certificate) = self.certificate.clone() else {
            return Ok(());
        };
        let orders = self.orders.clone();
        let watch = move || {
            while !orders.stop.load(Ordering::Acquire) {
                std::thread::park_timeout(CERTIFICATE_EVERY);
                report(&certificate);
            }
        };
        let thread = std::thread::Builder::new()
            .name("relay-certificate".to_owned())
            .spawn(watch);
        self.threads
            .push(thread.context("cannot start the thread that watches the certificate")?);
        Ok(())
    }

    /// Where the relay listens over UDP, with the real port where 0 was asked for.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Where the relay listens over TCP: the same addresses, or none if it does not.
    #[must_use]
    pub fn listening_tcp(&self) -> &[SocketAddr] {
        if self.tcp { &self.listening } else { &[] }
    }

    /// Whether the kernel relays channels: only if that is asked for, and the kernel allows it.
    #[must_use]
    pub fn relays_in_kernel(&self) -> bool {
        self.in_kernel
    }

    /// Where the relay listens over TLS.
    #[must_use]
    pub fn listening_tls(&self) -> &[SocketAddr] {
        &self.listening_tls
    }

    /// Adds the relay's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.meters.clone()));
    }

    /// How many allocations live.
    #[must_use]
    pub fn allocations(&self) -> u32 {
        lock(&self.meters.ledger).sums().1
    }

    /// Reads the certificate again now, if its files have changed. Connections that stand keep theirs.
    pub fn reload_certificate(&self) {
        if let Some(certificate) = &self.certificate {
            report(certificate);
        }
    }

    /// From now on refuses new allocations; living ones go on until they end.
    pub fn drain(&self) {
        self.orders.drain.store(true, Ordering::Release);
        self.ways.iter().for_each(|(_, waker)| waker.wake());
    }

    /// Ends all allocations and the threads, and waits for them.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.orders.stop.store(true, Ordering::Release);
        self.ways.iter().for_each(|(_, waker)| waker.wake());
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a relay thread had panicked");
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.halt();
    }
}

fn report(certificate: &Certificate) {
    match certificate.refresh() {
        Ok(true) => {
            tracing::info!("the relay's certificate was exchanged");
            certificate.warn_without_dtls();
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            "the relay keeps its old certificate"
        ),
    }
}
