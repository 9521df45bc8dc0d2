//! What each allocation and each identity has carried, for operators who ask for it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use trefoil_turn::{Server, Traffic};

/// Identities whose ended allocations one shard remembers; with more, it starts anew.
const MOST_IDENTITIES: usize = 10_000;

/// Application bytes from and to a client.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    from: u64,
    to: u64,
}

impl Bytes {
    fn add(&mut self, traffic: Traffic) {
        self.from += traffic.bytes_from_client;
        self.to += traffic.bytes_to_client;
    }
}

/// The detail of one shard; empty unless it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    living: Vec<(Box<str>, SocketAddr, Bytes)>,
    ended: BTreeMap<Box<str>, Bytes>,
}

impl Detail {
    /// Takes down what lives now.
    pub(crate) fn look_at(&mut self, machine: &Server) {
        self.living.clear();
        self.living
            .extend(machine.each_allocation().map(|(identity, relayed, traffic)| {
                let mut bytes = Bytes::default();
                bytes.add(traffic);
                (identity.into(), relayed.0, bytes)
            }));
    }

    /// An allocation has ended.
    pub(crate) fn ended(&mut self, identity: &str, traffic: Traffic) {
        if self.ended.len() >= MOST_IDENTITIES && !self.ended.contains_key(identity) {
            self.ended.clear();
        }
        self.ended.entry(identity.into()).or_default().add(traffic);
    }
}

/// Writes both families; without detail they have no rows.
pub(crate) fn encode<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    details: impl Iterator<Item = &'a Detail> + Clone,
) -> Result<(), fmt::Error> {
    let (name, help) = (
        "relay_allocation_bytes",
        "Application bytes of a living allocation",
    );
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (identity, relayed, bytes) in details.clone().flat_map(|detail| &detail.living) {
        for (direction, count) in [("from_client", bytes.from), ("to_client", bytes.to)] {
            let relayed = relayed.to_string();
            let labels = [
                ("identity", &**identity),
                ("relayed", &relayed),
                ("direction", direction),
            ];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    let mut sums: BTreeMap<&str, Bytes> = BTreeMap::new();
    for detail in details {
        let living = detail
            .living
            .iter()
            .map(|(identity, _, bytes)| (&**identity, bytes));
        let ended = detail.ended.iter().map(|(identity, bytes)| (&**identity, bytes));
        for (identity, bytes) in living.chain(ended) {
            let sum = sums.entry(identity).or_default();
            sum.from += bytes.from;
            sum.to += bytes.to;
        }
    }
    let (name, help) = (
        "relay_identity_bytes",
        "Application bytes of all allocations of an identity",
    );
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (identity, bytes) in sums {
        for (direction, count) in [("from_client", bytes.from), ("to_client", bytes.to)] {
            let labels = [("identity", identity), ("direction", direction)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
