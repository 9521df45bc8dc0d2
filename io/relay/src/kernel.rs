//! Data of channels relayed inside the kernel, for all shards: the tables that the program looks into.

mod program;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use trefoil_net::bpf::{Attachment, Program, SharedWords, Table};
use trefoil_turn::{BoundChannel, Traffic, Transport};

use crate::RelayConfig;
use crate::meters::lock;
use program::{Given, KEY, program, word};

/// Channels that the kernel carries at most; those beyond go through the sockets.
const MOST: u32 = 65_536;

/// The number of the loopback interface, in every network namespace.
const LOOPBACK: i32 = 1;

/// The program at work and its tables. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct KernelPath {
    places: Table,
    rows: SharedWords,
    /// Rows that are free; the one that rested longest is taken first, so that no packet finds its row exchanged.
    free: Mutex<VecDeque<u32>>,
    #[cfg_attr(not(test), allow(dead_code, reason = "held so that it lives"))]
    program: Program,
    _attachments: Vec<Attachment>,
}

/// A channel that the kernel carries.
#[derive(Debug)]
pub(crate) struct Row {
    number: u32,
    keys: [[u8; KEY]; 2],
}

impl KernelPath {
    /// Puts the program at the interfaces that the operator names; `None` if there are none, or, with a warning, if the kernel
    /// does not allow it.
    ///
    /// # Errors
    /// If there are rates to be held, of which the kernel would know nothing.
    pub(crate) fn start(config: &RelayConfig) -> Result<Option<KernelPath>> {
        if config.bpf_interfaces.is_empty() {
            return Ok(None);
        }
        let rates = [
            config.bits_per_second,
            config.packets_per_second,
            config.bits_per_second_per_username,
            config.packets_per_second_per_username,
        ];
        if rates.iter().any(|rate| *rate > 0) {
            bail!(
                "`bpf_interfaces` cannot hold rates; leave it empty, or leave out `bits_per_second`, `packets_per_second` and those \
                 per username"
            );
        }
        match KernelPath::attach(config, LOOPBACK) {
            Ok(path) => {
                tracing::info!(interfaces = ?config.bpf_interfaces, "the kernel relays channels over IPv4");
                Ok(Some(path))
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the relay goes on without `bpf_interfaces`, which needs Linux 6.6, CAP_BPF and CAP_NET_ADMIN"
                );
                Ok(None)
            }
        }
    }

    fn attach(config: &RelayConfig, loopback: i32) -> Result<KernelPath> {
        let (places, rows) = (Table::hash(KEY, 4, 2 * MOST)?, Table::array(word::COUNT, MOST)?);
        let program = Program::load(program(&Given {
            places: &places,
            rows: &rows,
            ports: (config.port_range.first, config.port_range.last),
            loopback,
        }))?;
        let rows = rows.words()?;
        let attach = |name: &String| {
            program
                .attach(name)
                .map_err(|error| anyhow::anyhow!("cannot attach to the interface `{name}`: {error}"))
        };
        let attachments = config.bpf_interfaces.iter().map(attach).collect::<Result<_>>()?;
        Ok(KernelPath {
            places,
            rows,
            free: Mutex::new((0..MOST).collect()),
            program,
            _attachments: attachments,
        })
    }

    /// Lets the kernel carry a channel; `None` if it cannot be done for this one.
    pub(crate) fn carry(&self, bound: &BoundChannel) -> Option<Row> {
        let (SocketAddr::V4(local), SocketAddr::V4(client)) = (bound.client.local, bound.client.remote)
        else {
            return None;
        };
        let (SocketAddr::V4(from), SocketAddr::V4(peer)) = (bound.from, bound.peer.0) else {
            return None;
        };
        if bound.client.transport != Transport::Udp {
            return None;
        }
        let channel = bound.channel.get().to_be_bytes();
        let number = lock(&self.free).pop_front()?;
        let words = self.words(number)?;
        for (place, value) in [
            (word::TO_CLIENT, addresses(local, client)),
            (word::CLIENT_PORTS, ports(local, client, channel)),
            (word::TO_PEER, addresses(from, peer)),
            (word::PEER_PORTS, ports(from, peer, [0; 2])),
        ] {
            words.get(place)?.store(value, Ordering::Relaxed);
        }
        let keys = [key(client, local, channel), key(peer, from, [0; 2])];
        let row = Row { number, keys };
        let made = keys
            .iter()
            .all(|key| self.places.insert(key, &number.to_ne_bytes()).is_ok());
        if made {
            Some(row)
        } else {
            self.end(&row);
            None
        }
    }

    /// What the kernel has carried in this row.
    pub(crate) fn traffic(&self, row: &Row) -> Traffic {
        let word = |place: usize| {
            self.words(row.number)
                .and_then(|words| words.get(word::TRAFFIC + place))
                .map_or(0, |word| word.load(Ordering::Relaxed))
        };
        Traffic {
            packets_from_client: word(0),
            bytes_from_client: word(1),
            packets_to_client: word(2),
            bytes_to_client: word(3),
        }
    }

    /// Ends a row. Returns what it carried in all.
    pub(crate) fn end(&self, row: &Row) -> Traffic {
        let traffic = self.traffic(row);
        for key in &row.keys {
            // A row that was half made has only one.
            let _ = self.places.remove(key);
        }
        for word in self.words(row.number).unwrap_or_default() {
            word.store(0, Ordering::Relaxed);
        }
        lock(&self.free).push_back(row.number);
        traffic
    }

    /// Lets the next packets say again where they come in, as routes may have changed.
    pub(crate) fn forget_interfaces(&self, row: &Row) {
        for place in [word::CLIENT_INTERFACE, word::PEER_INTERFACE] {
            if let Some(word) = self.words(row.number).and_then(|words| words.get(place)) {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    fn words(&self, row: u32) -> Option<&[AtomicU64]> {
        let start = row as usize * word::COUNT;
        self.rows.get(start..start + word::COUNT)
    }
}

/// Source and destination as in the header of IPv4.
fn addresses(from: SocketAddrV4, to: SocketAddrV4) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (from.ip().octets(), to.ip().octets());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// Ports as in the header of UDP, then the channel.
fn ports(from: SocketAddrV4, to: SocketAddrV4, [e, f]: [u8; 2]) -> u64 {
    let ([a, b], [c, d]) = (from.port().to_be_bytes(), to.port().to_be_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

fn key(from: SocketAddrV4, to: SocketAddrV4, channel: [u8; 2]) -> [u8; KEY] {
    let words = [addresses(from, to), ports(from, to, channel)];
    let mut key = [0; KEY];
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
    key.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
    key
}
