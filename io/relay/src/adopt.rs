//! Connections that somebody else accepted, such as TURN over TLS on a port that it shares with HTTPS.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, Result};
use rustls::ServerConnection;
use trefoil_net::Waker;
use trefoil_turn::ClientAddr;

use crate::Relay;
use crate::shard::Running;

/// Connections that may wait for one shard to take them; more are closed.
const MOST_WAITING: usize = 256;

/// A connection on its way to a shard.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub(crate) socket: TcpStream,
    pub(crate) tls: Option<ServerConnection>,
    pub(crate) already_read: Vec<u8>,
}

/// The way of such connections to one shard.
pub(crate) type Foster = SyncSender<Box<Adopted>>;

/// The near end of the way to a shard, and what wakes it.
pub(crate) type WayOut = (Foster, Waker);
/// The other end of that way, and what wakes the shard.
pub(crate) type WayIn = (Receiver<Box<Adopted>>, Waker);

/// The two ends of the way to each shard.
pub(crate) fn ways(shards: u16) -> Result<(Vec<WayOut>, Vec<WayIn>)> {
    let way = |_| {
        let (foster, adopted) = sync_channel(MOST_WAITING);
        let waker = Waker::new().context("cannot make a waker")?;
        Ok(((foster, waker.clone()), (adopted, waker)))
    };
    let ways = (0..shards).map(way).collect::<Result<Vec<_>>>()?;
    Ok(ways.into_iter().unzip())
}

impl Relay {
    /// Takes over a client's connection over TCP, or over TLS after its handshake. `already_read` is what the client has
    /// said so far, decrypted. What does not fit into the bounds on connections is closed.
    pub fn adopt(&self, socket: TcpStream, tls: Option<ServerConnection>, already_read: Vec<u8>) {
        let shard = self.adopted.fetch_add(1, Ordering::Relaxed) % self.ways.len().max(1);
        let adopted = Box::new(Adopted {
            socket,
            tls,
            already_read,
        });
        let Some((foster, waker)) = self.ways.get(shard) else {
            return;
        };
        if foster.try_send(adopted).is_ok() {
            waker.wake();
        } else {
            tracing::debug!("a connection was closed instead of taken over: its shard has too many waiting");
        }
    }
}

impl Running {
    /// Hands a client's connection to the shard that holds what its message is about; `message` is read again there.
    pub(crate) fn hand_over(&mut self, client: ClientAddr, shard: u16, message: &[u8]) {
        let Some(mut stream) = self.streams.take(client, &self.poller) else {
            return;
        };
        // An answer that waits for room would be lost, and its client waits for it.
        let flushed = stream.flush().is_ok() && !stream.is_waiting();
        let (socket, tls, already_read) = stream.into_parts(message);
        let adopted = Box::new(Adopted {
            socket,
            tls: tls.map(|tls| *tls),
            already_read,
        });
        let sent = self
            .parts
            .ways
            .get(usize::from(shard))
            .filter(|_| flushed)
            .is_some_and(|(foster, waker)| {
                let sent = foster.try_send(adopted).is_ok();
                waker.wake();
                sent
            });
        self.handover_dropped += u64::from(!sent);
    }

    /// Takes the connections that wait.
    pub(crate) fn take_adopted(&mut self) {
        while let Ok(adopted) = self.parts.adopted.try_recv() {
            let index = self.streams.adopt(*adopted, &self.poller, self.now.elapsed);
            if let Some(index) = index.filter(|index| self.take_messages(*index)) {
                let broken = self.streams.close(index);
                self.disconnected(broken);
            }
        }
    }
}
