//! All connections of a shard: accepted within bounds, found by client, closed when nothing is to be expected of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use trefoil_net::{Interest, Poller};
use trefoil_turn::{ClientAddr, Transport};

use crate::adopt::Adopted;
use crate::stream::Stream;

/// An accepted connection: its socket, who it is, and its TLS.
type Connection = (TcpStream, SocketAddr, Option<ServerConnection>);

/// A listening socket for connections.
#[derive(Debug)]
pub(crate) struct StreamListener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    /// On this shard.
    pub(crate) connections: usize,
    /// Of one address, on this shard.
    pub(crate) of_one_source: u32,
    /// A connection without an allocation ends when no whole message has come for so long.
    pub(crate) idle: Duration,
}

/// The connections of one shard.
pub(crate) struct Streams {
    limits: StreamLimits,
    rows: Vec<Option<Stream>>,
    free: Vec<usize>,
    by_client: HashMap<ClientAddr, usize>,
    by_source: HashMap<IpAddr, u32>,
    /// Queued into since the last flush; each at most a few times.
    dirty: Vec<usize>,
    pub(crate) dropped: u64,
    pub(crate) turned_away: u64,
    token: u64,
}

impl Streams {
    /// No connections yet; the poller will know the `n`th by `token | n`.
    pub(crate) fn new(limits: StreamLimits, token: u64) -> Streams {
        Streams {
            limits,
            rows: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            by_source: HashMap::new(),
            dirty: Vec::new(),
            dropped: 0,
            turned_away: 0,
            token,
        }
    }

    /// Takes one waiting connection, or turns it away. Returns whether there was one.
    pub(crate) fn accept(&mut self, listener: &StreamListener, poller: &Poller, now: Duration) -> bool {
        let Ok((socket, remote)) = listener.socket.accept() else {
            return false;
        };
        let tls = listener
            .tls
            .as_ref()
            .map(|config| ServerConnection::new(config.clone()));
        match tls.transpose() {
            Ok(tls) => drop(self.admit((socket, remote, tls), Vec::new(), poller, now)),
            Err(_) => self.turned_away += 1,
        }
        true
    }

    /// Takes a connection that was accepted elsewhere, or turns it away. Returns its number.
    pub(crate) fn adopt(&mut self, adopted: Adopted, poller: &Poller, now: Duration) -> Option<usize> {
        let Adopted {
            socket,
            tls,
            already_read,
        } = adopted;
        let Ok(remote) = socket.peer_addr() else {
            self.turned_away += 1;
            return None;
        };
        self.admit((socket, remote, tls), already_read, poller, now)
    }

    fn admit(
        &mut self,
        connection: Connection,
        already_read: Vec<u8>,
        poller: &Poller,
        now: Duration,
    ) -> Option<usize> {
        let held = self
            .by_source
            .get(&source_of(connection.1.ip()))
            .copied()
            .unwrap_or(0);
        let is_full = self.by_client.len() >= self.limits.connections || held >= self.limits.of_one_source;
        let added = if is_full {
            None
        } else {
            self.add(connection, already_read, poller, now).ok()
        };
        self.turned_away += u64::from(added.is_none());
        added
    }

    fn add(
        &mut self,
        (socket, remote, tls): Connection,
        already_read: Vec<u8>,
        poller: &Poller,
        now: Duration,
    ) -> io::Result<usize> {
        let transport = if tls.is_some() {
            Transport::Tls
        } else {
            Transport::Tcp
        };
        let client = ClientAddr {
            transport,
            local: socket.local_addr()?,
            remote,
        };
        let stream = Stream::new(client, socket, (tls, already_read), now)?;
        let index = self.free.pop().unwrap_or(self.rows.len());
        if let Err(error) = poller.add(&stream, self.token | index as u64) {
            self.free.extend((index < self.rows.len()).then_some(index));
            return Err(error);
        }
        if index == self.rows.len() {
            self.rows.push(None);
        }
        if let Some(row) = self.rows.get_mut(index) {
            *row = Some(stream);
        }
        self.by_client.insert(client, index);
        *self.by_source.entry(source_of(remote.ip())).or_default() += 1;
        Ok(index)
    }

    pub(crate) fn at(&mut self, index: usize) -> Option<&mut Stream> {
        self.rows.get_mut(index)?.as_mut()
    }

    /// Queues a message for a client, whole or not at all.
    pub(crate) fn queue(&mut self, client: ClientAddr, parts: &[&[u8]]) {
        let Some(index) = self.by_client.get(&client).copied() else {
            return;
        };
        let Some(stream) = self.rows.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        if stream.queue(parts) {
            if self.dirty.last() != Some(&index) {
                self.dirty.push(index);
            }
        } else {
            self.dropped += 1;
        }
    }

    /// Sends what was queued. Returns the clients whose connections have broken.
    pub(crate) fn flush(&mut self, poller: &Poller) -> Vec<ClientAddr> {
        let mut broken = Vec::new();
        for index in std::mem::take(&mut self.dirty) {
            broken.extend(self.flush_one(index, poller));
        }
        broken
    }

    /// Sends what waits for this connection, and asks the poller for room if it does not all go.
    pub(crate) fn flush_one(&mut self, index: usize, poller: &Poller) -> Option<ClientAddr> {
        let token = self.token | index as u64;
        let stream = self.at(index)?;
        if stream.flush().is_err() {
            return self.close(index);
        }
        let waiting = stream.is_waiting();
        if waiting != stream.wants_room {
            stream.wants_room = waiting;
            // If the poller cannot be told, the next message flushes too.
            let _ = poller.change(stream, token, waiting);
        }
        None
    }

    /// Closes a connection; returns whose it was.
    pub(crate) fn close(&mut self, index: usize) -> Option<ClientAddr> {
        self.remove(index).map(|stream| stream.client)
    }

    fn remove(&mut self, index: usize) -> Option<Stream> {
        let stream = self.rows.get_mut(index)?.take()?;
        self.free.push(index);
        self.by_client.remove(&stream.client);
        let source = source_of(stream.client.remote.ip());
        if let Some(held) = self.by_source.get_mut(&source) {
            *held -= 1;
            if *held == 0 {
                self.by_source.remove(&source);
            }
        }
        Some(stream)
    }

    /// Gives up a client's connection, which goes on elsewhere.
    pub(crate) fn take(&mut self, client: ClientAddr, poller: &Poller) -> Option<Stream> {
        let index = self.by_client.get(&client).copied()?;
        let before = Interest {
            read: true,
            write: self.at(index)?.wants_room,
        };
        let token = self.token | index as u64;
        poller
            .set(self.at(index)?, token, before, Interest::default())
            .ok()?;
        self.remove(index)
    }

    /// Closes connections that have been silent for too long and hold no allocation.
    pub(crate) fn sweep(&mut self, holds: impl Fn(ClientAddr) -> bool, now: Duration) {
        for index in 0..self.rows.len() {
            let idle = self.limits.idle;
            let Some(stream) = self.at(index) else { continue };
            if stream.last_message + idle <= now && !holds(stream.client) {
                self.close(index);
            }
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }
}

/// Who counts as one source: an IPv4 address, or the /64 of an IPv6 one, of which one host has all addresses.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_host_is_one_source_whatever_its_last_bits() {
        let source = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), source("2001:db8:1:2::7"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
