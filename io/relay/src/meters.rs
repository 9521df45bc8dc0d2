//! What the relay tells a monitoring system.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use trefoil_net::Sums;
use trefoil_turn::{Counts, Ledger};

use crate::detail::{self, Detail};

/// What one shard last said about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) counts: Counts,
    pub(crate) sums: Sums,
    pub(crate) handover_dropped: u64,
    pub(crate) stream_dropped: u64,
    pub(crate) kernel_channels: u64,
    pub(crate) kernel_packets: u64,
    pub(crate) turned_away: u64,
    pub(crate) connections: u64,
    pub(crate) peer_connections: u64,
    pub(crate) detail: Detail,
}

/// A place for each shard's reading; written about once a second, never for a packet.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    pub(crate) shards: Vec<Arc<Mutex<Reading>>>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
}

type Picked = fn(&Reading) -> u64;

/// Name, help and value of each counter without labels.
const COUNTERS: &[(&str, &str, Picked)] = &[
    ("relay_allocations_made", "Allocations made", |reading| {
        reading.counts.allocations
    }),
    ("relay_bindings", "Binding requests answered", |reading| {
        reading.counts.bindings
    }),
    (
        "relay_malformed",
        "Packets that were no message for a server",
        |reading| reading.counts.malformed,
    ),
    (
        "relay_unroutable",
        "Packets without allocation, permission or channel",
        |reading| reading.counts.unroutable,
    ),
    (
        "relay_over_budget",
        "Answers withheld from sources that ask too often",
        |reading| reading.counts.over_budget,
    ),
    (
        "relay_over_rate",
        "Packets over the rate of their allocation",
        |reading| reading.counts.over_rate,
    ),
    (
        "relay_over_identity_rate",
        "Packets over the rate of their identity",
        |reading| reading.counts.over_identity_rate,
    ),
    (
        "relay_spliced",
        "Connections of clients spliced with connections of peers",
        |reading| reading.counts.spliced,
    ),
    (
        "relay_peers_turned_away",
        "Connections of peers without permission or room",
        |reading| reading.counts.peers_turned_away,
    ),
    (
        "relay_icmp_told",
        "ICMP errors about peers that clients were told of",
        |reading| reading.counts.icmp_told,
    ),
    (
        "relay_packets_from_clients",
        "Packets relayed from clients",
        |reading| reading.counts.traffic.packets_from_client,
    ),
    (
        "relay_bytes_from_clients",
        "Bytes relayed from clients",
        |reading| reading.counts.traffic.bytes_from_client,
    ),
    (
        "relay_packets_to_clients",
        "Packets relayed to clients",
        |reading| reading.counts.traffic.packets_to_client,
    ),
    ("relay_bytes_to_clients", "Bytes relayed to clients", |reading| {
        reading.counts.traffic.bytes_to_client
    }),
    (
        "relay_kernel_packets",
        "Relayed packets that the kernel carried",
        |reading| reading.kernel_packets,
    ),
    (
        "relay_send_dropped",
        "Datagrams that the kernel did not take",
        |reading| reading.sums.dropped,
    ),
    (
        "relay_stream_dropped",
        "Messages for connections whose reader is too slow",
        |reading| reading.stream_dropped,
    ),
    ("relay_turned_away", "Connections beyond the bounds", |reading| {
        reading.turned_away
    }),
    (
        "relay_handover_dropped",
        "Packets between shards that found a full queue",
        |reading| reading.handover_dropped,
    ),
];

/// The same of each gauge.
const GAUGES: &[(&str, &str, Picked)] = &[
    (
        "relay_connections",
        "Client connections over TCP and TLS",
        |reading| reading.connections,
    ),
    (
        "relay_peer_connections",
        "Connections of TCP allocations with peers",
        |reading| reading.peer_connections,
    ),
    (
        "relay_kernel_channels",
        "Channels whose data the kernel relays",
        |reading| reading.kernel_channels,
    ),
];

impl Collector for Meters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let readings: Vec<Reading> = self.shards.iter().map(|shard| lock(shard).clone()).collect();
        for (name, help, picked) in COUNTERS {
            let sum: u64 = readings.iter().map(picked).sum();
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(sum).encode(metric)?;
        }
        let (usernames, allocations) = lock(&self.ledger).sums();
        let of_ledger = [
            (
                "relay_allocations",
                "Allocations that live",
                u64::from(allocations),
            ),
            (
                "relay_usernames",
                "Usernames that hold allocations",
                u64::try_from(usernames).unwrap_or(u64::MAX),
            ),
        ];
        let sum = |picked: Picked| readings.iter().map(picked).sum();
        let of_shards = GAUGES
            .iter()
            .map(|(name, help, picked)| (*name, *help, sum(*picked)));
        for (name, help, value) in of_ledger.into_iter().chain(of_shards) {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)?;
        }
        let refusals = |reading: &Reading| reading.counts.refusals.clone();
        labelled(
            &mut encoder,
            &readings,
            ("relay_refusals", "Requests refused", "reason"),
            refusals,
        )?;
        let forbidden = |reading: &Reading| reading.counts.forbidden.clone();
        labelled(
            &mut encoder,
            &readings,
            ("relay_forbidden_peers", "Peers refused, by rule", "rule"),
            forbidden,
        )?;
        let unheard = |reading: &Reading| reading.counts.icmp_dropped.clone();
        labelled(
            &mut encoder,
            &readings,
            (
                "relay_icmp_dropped",
                "ICMP errors about peers that no client was told of",
                "reason",
            ),
            unheard,
        )?;
        detail::encode(&mut encoder, readings.iter().map(|reading| &reading.detail))
    }
}

fn labelled(
    encoder: &mut DescriptorEncoder<'_>,
    readings: &[Reading],
    (name, help, label): (&str, &str, &str),
    picked: impl Fn(&Reading) -> std::collections::BTreeMap<&'static str, u64>,
) -> Result<(), fmt::Error> {
    let mut sums = std::collections::BTreeMap::new();
    for (reason, count) in readings.iter().flat_map(picked) {
        *sums.entry(reason).or_default() += count;
    }
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (reason, count) in sums {
        let labels = [(label, reason)];
        let counter: ConstCounter<u64> = ConstCounter::new(count);
        counter.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A reading is whole whatever became of the thread that wrote it.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
