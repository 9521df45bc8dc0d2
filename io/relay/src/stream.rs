//! One client connection over TCP or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use rustls::ServerConnection;
use trefoil_stun::{StreamFrame, stream_frame};
use trefoil_turn::ClientAddr;

use crate::end::End;

/// Bytes that may wait to be sent. A slow reader loses what comes beyond, as a slow link would.
const MOST_WAITING: usize = 256 * 1024;
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// Why a stream ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended;

/// A connection: the bytes of unfinished messages, and those that wait to be sent.
pub(crate) struct Stream {
    pub(crate) client: ClientAddr,
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// What has arrived and is no whole message yet; at most one message and one read.
    incoming: Vec<u8>,
    /// What the socket did not take yet.
    outgoing: Vec<u8>,
    /// The poller was asked to report room.
    pub(crate) wants_room: bool,
    /// When the last whole message came, or the connection.
    pub(crate) last_message: Duration,
}

impl Stream {
    /// A connection of `client`; `incoming` is what it has said so far.
    pub(crate) fn new(
        client: ClientAddr,
        socket: TcpStream,
        (tls, mut incoming): (Option<ServerConnection>, Vec<u8>),
        now: Duration,
    ) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let tls = tls.map(|mut tls| -> io::Result<_> {
            tls.set_buffer_limit(None);
            // Whoever did the handshake may have decrypted more than it has read.
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let start = incoming.len();
            incoming.resize(start + state.plaintext_bytes_to_read(), 0);
            tls.reader()
                .read_exact(incoming.get_mut(start..).unwrap_or_default())?;
            Ok(Box::new(tls))
        });
        Ok(Stream {
            client,
            socket,
            tls: tls.transpose()?,
            incoming,
            outgoing: Vec::new(),
            wants_room: false,
            last_message: now,
        })
    }

    /// Takes what has arrived, once; more is reported again by the poller.
    pub(crate) fn read(&mut self) -> Result<(), Ended> {
        match &mut self.tls {
            None => {
                let mut buffer = [0; READ];
                match self.socket.read(&mut buffer) {
                    Ok(0) => Err(Ended),
                    Ok(length) => {
                        self.incoming
                            .extend_from_slice(buffer.get(..length).unwrap_or_default());
                        Ok(())
                    }
                    Err(error) => passing(&error),
                }
            }
            Some(tls) => {
                match tls.read_tls(&mut self.socket) {
                    Ok(0) => return Err(Ended),
                    Ok(_) => {}
                    Err(error) => return passing(&error),
                }
                let state = tls.process_new_packets();
                let plain = state.as_ref().map_or(0, |state| state.plaintext_bytes_to_read());
                let start = self.incoming.len();
                self.incoming.resize(start + plain, 0);
                let room = self.incoming.get_mut(start..).unwrap_or_default();
                if plain > 0 && tls.reader().read_exact(room).is_err() {
                    return Err(Ended);
                }
                // An alert is worth sending even if the handshake has failed.
                let failed = state.is_err();
                self.flush()?;
                if failed { Err(Ended) } else { Ok(()) }
            }
        }
    }

    /// The next whole message, without padding; `None` if there is none yet.
    pub(crate) fn next_message(&mut self, now: Duration) -> Result<Option<Vec<u8>>, Ended> {
        match stream_frame(&self.incoming) {
            StreamFrame::Whole { length, consume } => {
                let mut message: Vec<u8> = self.incoming.drain(..consume).collect();
                message.truncate(length);
                self.last_message = now;
                Ok(Some(message))
            }
            StreamFrame::Incomplete => {
                if self.incoming.is_empty() {
                    self.incoming = Vec::new();
                }
                Ok(None)
            }
            StreamFrame::Nonsense => Err(Ended),
        }
    }

    /// Queues a message made of these parts, whole or not at all.
    pub(crate) fn queue(&mut self, parts: &[&[u8]]) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.outgoing.len() + length > MOST_WAITING {
            return false;
        }
        match &mut self.tls {
            None => parts
                .iter()
                .for_each(|part| self.outgoing.extend_from_slice(part)),
            // Without a limit of its own, the writer takes all; the records go to `outgoing` at once.
            Some(tls) => {
                if tls.writer().write_all(&parts.concat()).is_err() {
                    return false;
                }
                self.encrypted();
            }
        }
        true
    }

    /// Moves the records that TLS has made to what waits for the socket.
    fn encrypted(&mut self) {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && tls.write_tls(&mut self.outgoing).is_ok() {}
        }
    }

    /// Sends as much as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Ended> {
        self.encrypted();
        while !self.outgoing.is_empty() {
            match self.socket.write(&self.outgoing) {
                Ok(0) => return Err(Ended),
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) => return passing(&error),
            }
        }
        self.outgoing = Vec::new();
        Ok(())
    }

    /// Gives up the framing: the connection as the end of a splice, and what it has said after its last message.
    pub(crate) fn into_end(mut self) -> (End, Vec<u8>) {
        self.encrypted();
        (End::new(self.socket, self.tls, self.outgoing), self.incoming)
    }

    /// Gives up the connection with `message`, which it has said, before all that came after.
    pub(crate) fn into_parts(
        mut self,
        message: &[u8],
    ) -> (TcpStream, Option<Box<ServerConnection>>, Vec<u8>) {
        self.incoming.splice(..0, message.iter().copied());
        (self.socket, self.tls, self.incoming)
    }

    /// Whether something waits for room in the socket.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.outgoing.is_empty()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Errors after which the connection is still good.
fn passing(error: &io::Error) -> Result<(), Ended> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(Ended),
    }
}
