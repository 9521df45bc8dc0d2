//! The handle of a running relay.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use prometheus_client::registry::Registry;
use trefoil_net::Waker;
use trefoil_turn::{Ledger, Shard as ShardNumber};

use crate::RelayConfig;
use crate::handover::Handover;
use crate::layout::{listen, machine};
use crate::meters::{Meters, Reading, lock};
use crate::shard::{Orders, Shard, ShardParts};

/// More threads than cores of any machine that this runs on.
const MOST_THREADS: u16 = 256;

/// A running relay. Dropping it stops it.
#[derive(Debug)]
pub struct Relay {
    listening: Vec<SocketAddr>,
    meters: Meters,
    orders: Arc<Orders>,
    wakers: Vec<Waker>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Opens the sockets and starts the threads.
    ///
    /// # Errors
    /// If an address cannot be listened on, a list cannot be read, or there is no address to relay from; the error says
    /// which setting to change.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a relay is started with a configuration of its own"
    )]
    pub fn start(config: RelayConfig) -> Result<Relay> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u16::try_from(cores).unwrap_or(MOST_THREADS);
        let count = if config.threads == 0 {
            cores
        } else {
            config.threads
        }
        .min(MOST_THREADS);
        config.check()?;
        let sockets = listen(&config, count)?;
        let listening: Vec<SocketAddr> = sockets
            .first()
            .map(|first| first.iter().map(trefoil_net::UdpSocket::local).collect())
            .unwrap_or_default();
        let ledger = Ledger::new(config.allocations_per_username, config.allocations);
        let orders = Arc::new(Orders {
            drain: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let meters = Meters {
            shards: Vec::new(),
            ledger: Arc::new(Mutex::new(ledger)),
        };
        let mut relay = Relay {
            listening,
            meters,
            orders,
            wakers: Vec::new(),
            threads: Vec::new(),
        };
        let handovers = Handover::all(count).context("cannot open the sockets between shards")?;
        for ((index, listeners), handover) in (0..count).zip(sockets).zip(handovers) {
            let config_of_machine = machine(&config, &relay.listening, ShardNumber { index, count })?;
            let reading = Arc::new(Mutex::new(Reading::default()));
            let waker = Waker::new().context("cannot make a waker")?;
            relay.meters.shards.push(reading.clone());
            relay.wakers.push(waker.clone());
            let parts = ShardParts {
                machine: config_of_machine,
                listeners,
                handover,
                waker,
                reading,
                ledger: relay.meters.ledger.clone(),
                orders: relay.orders.clone(),
                coalesce_microseconds: config.coalesce_microseconds,
            };
            let thread = std::thread::Builder::new().name(format!("relay-{index}"));
            let shard = Shard::new(parts)?;
            relay.threads.push(
                thread
                    .spawn(move || shard.run())
                    .context("cannot start a relay thread")?,
            );
        }
        tracing::info!(threads = count, addresses = ?relay.listening, "relay started");
        Ok(relay)
    }

    /// Where the relay listens, with the real port where 0 was asked for.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
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

    /// From now on refuses new allocations; living ones go on until they end.
    pub fn drain(&self) {
        self.orders.drain.store(true, Ordering::Release);
        self.wakers.iter().for_each(Waker::wake);
    }

    /// Ends all allocations and the threads, and waits for them.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.orders.stop.store(true, Ordering::Release);
        self.wakers.iter().for_each(Waker::wake);
        for thread in self.threads.drain(..) {
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
