//! ICE over TCP (RFC 6544, section 4.5): connections that clients made, with datagrams framed by RFC 4571.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use trefoil_net::{Interest, Poller};
use trefoil_peer::{IceCredentials, Path, Via};

use crate::{
    demux::{Arrival, fragment_of},
    links::Handed,
    slab::Slab,
    worker::{STREAM, Worker},
};

/// Bytes that may wait for one client; what is more is dropped, as a path would drop it.
const WAITING: usize = 256 * 1024;
/// A connection that sends no whole message for so long is closed.
const IDLE: Duration = Duration::from_secs(35);
/// What is read at once.
const READ: usize = 16 * 1024;
/// The longest message that is taken.
const LONGEST: usize = 4096;

struct Stream {
    socket: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// Whether the poller watches for room to write.
    watched: bool,
    heard: Duration,
}

/// All connections of a worker.
pub(crate) struct Streams {
    listeners: Vec<TcpListener>,
    rows: Slab<Stream>,
    by_remote: HashMap<SocketAddr, u32>,
    limit: usize,
    dirty: Vec<u32>,
    pub(crate) turned_away: u64,
}

impl Streams {
    pub(crate) fn new(listeners: Vec<TcpListener>, limit: usize) -> Self {
        Self {
            listeners,
            rows: Slab::default(),
            by_remote: HashMap::new(),
            limit,
            dirty: Vec::new(),
            turned_away: 0,
        }
    }

    /// Takes connections that wait, as many as may be.
    pub(crate) fn accept(&mut self, listener: usize, poller: &Poller, now: Duration) {
        for _ in 0..16 {
            let Some(Ok((socket, remote))) = self.listeners.get(listener).map(TcpListener::accept) else {
                return;
            };
            self.close_idle(poller, now);
            let ready = socket.set_nonblocking(true).is_ok() && socket.set_nodelay(true).is_ok();
            if !ready || self.add(socket, remote, Vec::new(), poller, now).is_none() {
                self.turned_away += 1;
            }
        }
    }

    /// Takes a connection, unless there are as many as there may be.
    fn add(
        &mut self,
        socket: TcpStream,
        remote: SocketAddr,
        incoming: Vec<u8>,
        poller: &Poller,
        now: Duration,
    ) -> Option<u32> {
        let local = socket.local_addr().ok()?;
        if self.rows.len() >= self.limit {
            return None;
        }
        let number = self.rows.insert(Stream {
            socket,
            remote,
            local,
            incoming,
            outgoing: Vec::new(),
            watched: false,
            heard: now,
        });
        let stream = self.rows.get(number)?;
        if poller.add(&stream.socket, STREAM | u64::from(number)).is_err() {
            self.rows.remove(number);
            return None;
        }
        self.by_remote.insert(remote, number);
        Some(number)
    }

    /// Gives a connection away: it, where it comes from, and what was read of it and not yet understood.
    fn take(&mut self, number: u32, poller: &Poller) -> Option<(TcpStream, SocketAddr, Vec<u8>)> {
        let stream = self.rows.remove(number)?;
        self.by_remote.remove(&stream.remote);
        let token = STREAM | u64::from(number);
        poller
            .set(&stream.socket, token, Interest::READ, Interest::default())
            .ok()?;
        Some((stream.socket, stream.remote, stream.incoming))
    }

    fn close_idle(&mut self, _poller: &Poller, now: Duration) {
        for number in self.rows.numbers() {
            if self
                .rows
                .get(number)
                .is_some_and(|stream| now.saturating_sub(stream.heard) > IDLE)
            {
                self.close(number);
            }
        }
    }

    fn close(&mut self, number: u32) {
        if let Some(stream) = self.rows.remove(number)
            && self.by_remote.get(&stream.remote) == Some(&number)
        {
            self.by_remote.remove(&stream.remote);
        }
    }

    /// Frames a datagram for a client; drops it where too much waits already.
    pub(crate) fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        let Some(number) = self.by_remote.get(&to).copied() else {
            return;
        };
        let (Some(stream), Ok(length)) = (self.rows.get_mut(number), u16::try_from(datagram.len())) else {
            return;
        };
        if stream.outgoing.len() + datagram.len() > WAITING {
            return;
        }
        if stream.outgoing.is_empty() {
            self.dirty.push(number);
        }
        stream.outgoing.extend_from_slice(&length.to_be_bytes());
        stream.outgoing.extend_from_slice(datagram);
    }

    /// Writes what waits, as far as the kernel takes it.
    pub(crate) fn flush(&mut self, poller: &Poller) {
        while let Some(number) = self.dirty.pop() {
            self.write(number, poller);
        }
    }

    fn write(&mut self, number: u32, poller: &Poller) {
        let Some(stream) = self.rows.get_mut(number) else {
            return;
        };
        let mut written = 0;
        let mut broken = false;
        while let Some(rest) = stream.outgoing.get(written..).filter(|rest| !rest.is_empty()) {
            match stream.socket.write(rest) {
                Ok(0) => {
                    broken = true;
                    break;
                }
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        stream.outgoing.drain(..written);
        let watch = !stream.outgoing.is_empty();
        if watch != stream.watched {
            stream.watched = watch;
            broken |= poller
                .change(&stream.socket, STREAM | u64::from(number), watch)
                .is_err();
        }
        if broken {
            self.close(number);
        }
    }

    /// Reads what came; the connection's addresses and what is framed, or `None` if it is over.
    fn read(&mut self, number: u32, now: Duration) -> Option<(SocketAddr, SocketAddr, Vec<Vec<u8>>)> {
        let stream = self.rows.get_mut(number)?;
        let mut buffer = [0; READ];
        let mut over = false;
        match stream.socket.read(&mut buffer) {
            Ok(0) => over = true,
            Ok(length) => stream
                .incoming
                .extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) => over = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
        let (messages, used, sound) = frames(&stream.incoming);
        stream.incoming.drain(..used);
        if !messages.is_empty() {
            stream.heard = now;
        }
        let (remote, local) = (stream.remote, stream.local);
        if over || !sound {
            self.close(number);
        }
        Some((remote, local, messages))
    }
}

/// The whole messages in `bytes`, how much they take, and whether what follows can be one.
fn frames(bytes: &[u8]) -> (Vec<Vec<u8>>, usize, bool) {
    let (mut messages, mut used) = (Vec::new(), 0);
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > LONGEST {
            return (messages, used, false);
        }
        let Some((message, behind)) = behind.split_at_checked(length) else {
            break;
        };
        messages.push(message.to_vec());
        used += 2 + length;
        rest = behind;
    }
    (messages, used, true)
}

impl Worker {
    pub(crate) fn take_from_stream(&mut self, index: usize, readable: bool, writable: bool) {
        let number = index as u32;
        if writable {
            self.outbox.streams.write(number, &self.poller);
        }
        if !readable {
            return;
        }
        let Some((remote, local, messages)) = self.outbox.streams.read(number, self.now) else {
            return;
        };
        let path = Path {
            via: Via::Tcp,
            remote,
            local: self.advertised(Via::Tcp, local),
        };
        let mut messages = messages.into_iter();
        while let Some(mut message) = messages.next() {
            let named = fragment_of(&message).and_then(IceCredentials::worker_of);
            if let Some(worker) = named.filter(|worker| self.links.is_other(*worker)) {
                // Its transport lives elsewhere, and so does the connection from now on.
                let unread = std::iter::once(message).chain(messages);
                return self.hand_over(number, worker, unread);
            }
            self.receive(path, self.over_tcp(), &mut message);
        }
    }

    const fn over_tcp(&self) -> Arrival {
        Arrival {
            source: None,
            worker: self.number,
        }
    }

    fn hand_over(&mut self, number: u32, worker: u8, unread: impl Iterator<Item = Vec<u8>>) {
        let Some((socket, remote, behind)) = self.outbox.streams.take(number, &self.poller) else {
            return;
        };
        let mut already_read: Vec<u8> = unread.flat_map(|message| framed(&message)).collect();
        already_read.extend_from_slice(&behind);
        let handed = Handed::Stream {
            socket,
            remote,
            already_read,
        };
        self.links.send(worker, handed);
    }

    /// Goes on with a connection that another worker has accepted.
    pub(crate) fn adopt(&mut self, socket: TcpStream, remote: SocketAddr, already_read: Vec<u8>) {
        let now = self.now;
        if let Some(number) = self
            .outbox
            .streams
            .add(socket, remote, already_read, &self.poller, now)
        {
            self.take_from_stream(number as usize, true, false);
        }
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(message.len()).unwrap_or(0).to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_taken_and_the_rest_waits() {
        let (messages, used, sound) = frames(b"\x00\x02ab\x00\x01c\x00\x05de");
        assert_eq!(
            (messages, used, sound),
            (vec![b"ab".to_vec(), b"c".to_vec()], 7, true)
        );
    }

    /// FAULTS I20: a length of zero, or one that nobody needs, ends the connection.
    #[test]
    fn impossible_lengths_are_not_waited_for() {
        assert!(!frames(b"\x00\x00").2);
        assert!(!frames(b"\xff\xffabc").2);
    }
}
