//! What the media server tells a monitoring system.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use trefoil_net::Sums;

/// What one worker last said about itself; written about once a second, never for a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerReading {
    /// Rooms.
    pub rooms: u64,
    /// People in them.
    pub members: u64,
    /// Remote addresses that proved themselves.
    pub addresses: u64,
    /// Transports that were connected so far.
    pub connected: u64,
    /// Packets of publishers.
    pub packets_in: u64,
    /// Packets whose payload is not what its codec says.
    pub malformed: u64,
    /// Packets of nothing that is published.
    pub unpublished: u64,
    /// Packets above what one participant may publish.
    pub policed: u64,
    /// Datagrams from nowhere known.
    pub strangers: u64,
    /// Reports that did not verify.
    pub unverified: u64,
    /// Datagrams of the engine that were not let out, since media in calls goes out without it.
    pub withheld: u64,
    /// Keyframes asked for.
    pub keyframes_asked: u64,
    /// Data messages passed on.
    pub data_messages: u64,
    /// Data messages that were refused or for which there was no room.
    pub data_dropped: u64,
    /// What could not be told, since too much waits to be told.
    pub untold: u64,
    /// Connections over TCP turned away.
    pub turned_away: u64,
    /// Handovers between workers that were dropped, since the other did not take them.
    pub handover_dropped: u64,
    /// Announcements that were begun.
    pub announcements: u64,
    /// Those that are played now.
    pub announcements_playing: u64,
    /// Packets of mixes.
    pub mixed_packets: u64,
    /// Time that mixing took, in microseconds.
    pub mixed_microseconds: u64,
    /// Datagrams out.
    pub sums: Sums,
}

/// What all workers last said.
#[derive(Clone, Debug, Default)]
pub struct MediaReading {
    /// By worker.
    pub workers: Vec<WorkerReading>,
}

/// Every worker's last reading, as metrics.
#[derive(Debug)]
pub(crate) struct Meters(pub(crate) Vec<Arc<Mutex<WorkerReading>>>);

type Picked = fn(&WorkerReading) -> u64;

/// Name, help and value of each counter.
const COUNTERS: &[(&str, &str, Picked)] = &[
    ("media_connected", "Transports connected", |reading| {
        reading.connected
    }),
    ("media_packets_received", "Packets of publishers", |reading| {
        reading.packets_in
    }),
    ("media_datagrams_sent", "Datagrams sent", |reading| {
        reading.sums.sent
    }),
    (
        "media_datagrams_dropped",
        "Datagrams that the kernel did not take",
        |reading| reading.sums.dropped,
    ),
    (
        "media_malformed",
        "Packets whose payload is not what its codec says",
        |reading| reading.malformed,
    ),
    (
        "media_unpublished",
        "Packets of nothing that is published",
        |reading| reading.unpublished,
    ),
    (
        "media_policed",
        "Packets above what one participant may publish",
        |reading| reading.policed,
    ),
    ("media_strangers", "Datagrams from nowhere known", |reading| {
        reading.strangers
    }),
    ("media_unverified", "Reports that did not verify", |reading| {
        reading.unverified
    }),
    (
        "media_withheld",
        "Datagrams that would have gone out under a key beside another writer",
        |reading| reading.withheld,
    ),
    ("media_keyframe_requests", "Keyframes asked for", |reading| {
        reading.keyframes_asked
    }),
    ("media_data_messages", "Data messages passed on", |reading| {
        reading.data_messages
    }),
    (
        "media_data_dropped",
        "Data messages refused, or without room",
        |reading| reading.data_dropped,
    ),
    (
        "media_untold",
        "Messages to people for which there was no room",
        |reading| reading.untold,
    ),
    ("media_announcements", "Announcements begun", |reading| {
        reading.announcements
    }),
    ("media_mixed_packets", "Packets of mixes sent", |reading| {
        reading.mixed_packets
    }),
    (
        "media_mixed_microseconds",
        "Time that mixing took, in microseconds",
        |reading| reading.mixed_microseconds,
    ),
    (
        "media_handover_dropped",
        "Handovers between workers that were dropped",
        |reading| reading.handover_dropped,
    ),
    (
        "media_turned_away",
        "Connections over TCP turned away",
        |reading| reading.turned_away,
    ),
];

/// Name, help and value of each gauge.
const GAUGES: &[(&str, &str, Picked)] = &[
    ("media_rooms", "Rooms through the media server", |reading| {
        reading.rooms
    }),
    ("media_members", "People in them", |reading| reading.members),
    (
        "media_announcements_playing",
        "Announcements that are played now",
        |reading| reading.announcements_playing,
    ),
    (
        "media_addresses",
        "Remote addresses that proved themselves",
        |reading| reading.addresses,
    ),
];

impl Collector for Meters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let read =
            |reading: &Arc<Mutex<WorkerReading>>| *reading.lock().unwrap_or_else(PoisonError::into_inner);
        let readings: Vec<WorkerReading> = self.0.iter().map(read).collect();
        for (name, help, picked) in COUNTERS {
            let counter: ConstCounter<u64> = ConstCounter::new(readings.iter().map(picked).sum());
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        for (name, help, picked) in GAUGES {
            let sum: u64 = readings.iter().map(picked).sum();
            let gauge = ConstGauge::new(i64::try_from(sum).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}
