//! What the media server tells a monitoring system.

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
    /// Datagrams out.
    pub sums: Sums,
}

/// What all workers last said.
#[derive(Clone, Debug, Default)]
pub struct MediaReading {
    /// By worker.
    pub workers: Vec<WorkerReading>,
}
