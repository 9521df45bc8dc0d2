//! What an operator says about media.

use std::net::{IpAddr, SocketAddr};

use anyhow::ensure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Forwarding of audio, video and data.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// Whether there is a media server at all; without it every room is peer to peer.
    pub enabled: bool,
    /// Where media arrives, over UDP and TCP. One port for everybody.
    pub listen: Vec<SocketAddr>,
    /// The addresses that clients are told, where they differ from those of this machine (one-to-one NAT). Empty: every
    /// address that is listened on.
    pub external_addresses: Vec<IpAddr>,
    /// Whether clients may also come over TCP, on the same port.
    pub tcp: bool,
    /// Threads, each with its own rooms; 0 for one a core.
    pub workers: usize,
    /// People of one room that one worker serves before the next one helps.
    pub room_share: u32,
    /// Places for sound in which a client receives, unless it asks otherwise. Where more people are in the room, those
    /// who speak are heard.
    pub audio_slots: u8,
    /// Places for video in which a client receives, unless it asks otherwise.
    pub video_slots: u8,
    /// The most places of each kind that a client may ask for.
    pub slots_limit: u8,
    /// Tracks that one participant may publish.
    pub tracks_limit: usize,
    /// Bits a second that one participant may publish; what is more is dropped.
    pub publish_bits_per_second: u64,
    /// Bits a second that are sent to one subscriber at first, before anything is known of the path.
    pub start_bits_per_second: u64,
    /// Bits a second that are sent to one subscriber at most.
    pub subscribe_bits_per_second: u64,
    /// A client that is not heard for so many seconds is gone: its transport is closed.
    pub silence_seconds: u32,
    /// So many of those who speak are heard in a mix at once.
    pub mixed_talkers: usize,
    /// While a worker is busy, it lets packets gather for half as long, and as long as this where several to each subscriber come
    /// in the meantime, so that more of them leave with one system call; 0 for never.
    pub gather_microseconds: u32,
    /// Count what each room and each track carries, for `/metrics`. Names of rooms are shown there.
    pub detailed_metrics: bool,
    /// Bytes of the receive and send buffers of each socket, as far as the system allows.
    pub buffer_bytes: usize,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: vec![
                SocketAddr::from(([0, 0, 0, 0], 3479)),
                SocketAddr::from(([0; 8], 3479)),
            ],
            external_addresses: Vec::new(),
            tcp: true,
            workers: 0,
            room_share: 100,
            audio_slots: 8,
            video_slots: 12,
            slots_limit: 48,
            tracks_limit: 8,
            publish_bits_per_second: 20_000_000,
            start_bits_per_second: 600_000,
            subscribe_bits_per_second: 20_000_000,
            silence_seconds: 30,
            mixed_talkers: 3,
            gather_microseconds: 4000,
            detailed_metrics: false,
            buffer_bytes: 4 * 1024 * 1024,
        }
    }
}

impl MediaConfig {
    /// Whether this could be started, as far as that can be said without opening a socket.
    ///
    /// # Errors
    /// Says which setting is wrong and what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        ensure!(
            !self.listen.is_empty(),
            "media.listen is empty: name an address, or set media.enabled = false"
        );
        ensure!(
            self.workers <= 255,
            "media.workers is {}, but there can be 255",
            self.workers
        );
        ensure!(
            self.room_share >= 1,
            "media.room_share is 0: nobody could be served"
        );
        ensure!(
            self.audio_slots <= self.slots_limit
                && self.video_slots <= self.slots_limit
                && self.slots_limit <= 64,
            "media.audio_slots and media.video_slots must not be more than media.slots_limit, and that not more than 64"
        );
        ensure!(
            (1..=16).contains(&self.tracks_limit),
            "media.tracks_limit is {}, but must be 1 to 16",
            self.tracks_limit
        );
        ensure!(
            (1..=3600).contains(&self.silence_seconds),
            "media.silence_seconds is {}, but must be 1 to 3600; clients speak every few seconds",
            self.silence_seconds
        );
        ensure!(
            (1..=64).contains(&self.mixed_talkers),
            "media.mixed_talkers is {}, but must be 1 to 64",
            self.mixed_talkers
        );
        ensure!(
            self.gather_microseconds <= 10_000,
            "media.gather_microseconds is {}, but must not be more than 10000: everybody hears everybody so much later",
            self.gather_microseconds
        );
        ensure!(
            self.start_bits_per_second <= self.subscribe_bits_per_second,
            "media.start_bits_per_second is more than media.subscribe_bits_per_second"
        );
        Ok(())
    }
}
