//! Sending and counting.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{CHANNEL, Clients, address, index};
use crate::{Arguments, Flow, cpu};

/// What a run has found.
pub(crate) struct Found {
    nanoseconds_per_packet: f64,
    packets_per_second: f64,
    loss_percent: f64,
    median_round_trip_microseconds: u64,
    cpu_percent: f64,
    misrouted: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:.0} ns/packet, {:.0} packets/s, loss {:.2} %, round trip {} us, cpu {:.0} %, misrouted {}",
            self.nanoseconds_per_packet,
            self.packets_per_second,
            self.loss_percent,
            self.median_round_trip_microseconds,
            self.cpu_percent,
            self.misrouted
        )
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    sent: u64,
    at_clients: u64,
    at_peers: u64,
    misrouted: u64,
}

struct Load<'a> {
    arguments: &'a Arguments,
    clients: &'a mut Clients,
    /// ChannelData without time stamp, for each client.
    packet: Vec<u8>,
    next: usize,
    sums: Sums,
    /// Given up as lost, so that the window opens again.
    lost: u64,
    last_arrival: Instant,
    start: Instant,
    /// Counts of round trips by microsecond.
    round_trips: Vec<u32>,
}

/// Loads the server and measures.
pub(crate) fn run(arguments: &Arguments, clients: &mut Clients) -> Result<Found> {
    let now = Instant::now();
    let mut packet = CHANNEL.to_be_bytes().to_vec();
    packet.extend(u16::try_from(arguments.size)?.to_be_bytes());
    packet.resize(4 + arguments.size, 0x55);
    let mut load = Load {
        arguments,
        clients,
        packet,
        next: 0,
        sums: Sums::default(),
        lost: 0,
        last_arrival: now,
        start: now,
        round_trips: vec![0; 20_000],
    };
    load.until(now + Duration::from_secs_f64(arguments.warm))?;
    load.round_trips.fill(0);
    let counter = || match arguments.core {
        Some(core) => cpu::idle_nanoseconds(core),
        None => cpu::nanoseconds(arguments.pid),
    };
    let (before, counted, begin) = (load.sums, counter()?, Instant::now());
    load.until(begin + Duration::from_secs_f64(arguments.seconds))?;
    let (after, counted, seconds) = (load.sums, counter()? - counted, begin.elapsed().as_secs_f64());
    let arrived = after.at_clients - before.at_clients;
    let relayed = (arrived + after.at_peers - before.at_peers).max(1) as f64;
    let used = match arguments.core {
        Some(_) => seconds * 1e9 - counted as f64,
        None => counted as f64,
    };
    Ok(Found {
        nanoseconds_per_packet: used / relayed,
        packets_per_second: relayed / seconds,
        loss_percent: 100.0 * (1.0 - arrived as f64 / (after.sent - before.sent).max(1) as f64),
        median_round_trip_microseconds: load.median(),
        cpu_percent: used / seconds / 1e7,
        misrouted: after.misrouted,
    })
}

impl Load<'_> {
    fn until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.send();
            self.take_at_clients()?;
            if self.arguments.flow == Flow::Peer {
                self.echo()?;
            }
        }
        Ok(())
    }

    /// How many packets may be sent now.
    fn due(&mut self) -> u64 {
        if self.arguments.rate > 0 {
            let target = (self.start.elapsed().as_secs_f64() * self.arguments.rate as f64) as u64;
            return target.saturating_sub(self.sums.sent).min(512);
        }
        let out = self.sums.sent.saturating_sub(self.sums.at_clients + self.lost);
        if out >= self.arguments.window && self.last_arrival.elapsed() > Duration::from_millis(20) {
            self.lost += out;
            self.last_arrival = Instant::now();
        }
        self.arguments.window.saturating_sub(out).min(512)
    }

    fn send(&mut self) {
        let bursts = self.due() / self.arguments.burst as u64;
        for _ in 0..bursts {
            let who = self.next;
            self.next = (who + 1) % usize::from(self.arguments.clients);
            let stamp = self.start.elapsed().as_nanos() as u64;
            if let Some(into) = self.packet.get_mut(8..20) {
                into[..4].copy_from_slice(&(who as u32).to_be_bytes());
                into[4..].copy_from_slice(&stamp.to_be_bytes());
            }
            let source = self.clients.socket.source(address(1, who));
            for _ in 0..self.arguments.burst {
                self.clients
                    .batch
                    .send_bytes(source, self.arguments.server, &self.packet);
                self.sums.sent += 1;
            }
        }
        self.clients.batch.flush();
    }

    fn take_at_clients(&mut self) -> Result<()> {
        let slots = self.clients.batch.receive(&self.clients.socket, 64)?;
        if !slots.is_empty() {
            self.last_arrival = Instant::now();
        }
        let now = self.start.elapsed().as_nanos() as u64;
        for (local, span) in self.clients.datagrams(slots) {
            let bytes = self.clients.batch.bytes(span);
            let (Some(who), Some(stamp)) = (bytes.get(8..12), bytes.get(12..20)) else {
                continue;
            };
            let who = who.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let stamp = stamp.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let expected = if self.arguments.flow == Flow::Relay {
                who ^ 1
            } else {
                who
            };
            if bytes.len() != self.packet.len() || index(local) != expected {
                self.sums.misrouted += 1;
                continue;
            }
            self.sums.at_clients += 1;
            let bucket = (now.saturating_sub(stamp) / 1000).min(self.round_trips.len() as u64 - 1);
            self.round_trips[bucket as usize] += 1;
        }
        self.clients.batch.flush();
        Ok(())
    }

    fn echo(&mut self) -> Result<()> {
        let slots = self.clients.batch.receive(&self.clients.peers, 64)?;
        for slot in slots {
            let Some(received) = self.clients.batch.received(slot) else {
                continue;
            };
            let Some(local) = received.local else { continue };
            self.sums.at_peers += received.count();
            let source = self.clients.peers.source(local);
            for span in received.segments() {
                self.clients.batch.send(source, received.from, span);
            }
        }
        self.clients.batch.flush();
        Ok(())
    }

    fn median(&self) -> u64 {
        let all: u64 = self.round_trips.iter().map(|count| u64::from(*count)).sum();
        let mut seen = 0;
        for (microseconds, count) in (0..).zip(&self.round_trips) {
            seen += u64::from(*count);
            if seen * 2 >= all {
                return microseconds;
            }
        }
        0
    }
}
