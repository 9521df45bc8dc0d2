//! Connections that somebody else accepted, such as TURN over TLS on a port that it shares with HTTPS.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rustls::ServerConnection;

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

/// The two ends of that way.
pub(crate) fn way() -> (Foster, Receiver<Box<Adopted>>) {
    sync_channel(MOST_WAITING)
}

impl Relay {
    /// Takes over a client's connection over TCP, or over TLS after its handshake. `already_read` is what the client has
    /// said so far, decrypted. What does not fit into the bounds on connections is closed.
    pub fn adopt(&self, socket: TcpStream, tls: Option<ServerConnection>, already_read: Vec<u8>) {
        let shard = self.adopted.fetch_add(1, Ordering::Relaxed) % self.fosters.len().max(1);
        let adopted = Box::new(Adopted {
            socket,
            tls,
            already_read,
        });
        let Some((foster, waker)) = self.fosters.get(shard).zip(self.wakers.get(shard)) else {
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
