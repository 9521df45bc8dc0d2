//! One end of a splice: a connection, with TLS if the client speaks it, and what waits to be sent over it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustls::ServerConnection;
use trefoil_net::{Interest, Poller};

/// Bytes that may wait to be sent; beyond, nothing more is read from the other end.
const MOST_WAITING: usize = 64 * 1024;
/// Bytes read at once.
const READ: usize = 16 * 1024;

/// The connection has failed, and its splice with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// A connection whose bytes go to another one.
pub(crate) struct End {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    /// What the socket did not take yet, encrypted if there is TLS.
    outgoing: Vec<u8>,
    /// The other side has said that nothing more will come.
    pub(crate) has_ended: bool,
    /// Nothing more will be written, and then that it was said.
    finishing: bool,
    finished: bool,
    watched: Interest,
}

impl End {
    /// An end that the poller does not know; `outgoing` is still to be sent.
    pub(crate) fn new(socket: TcpStream, tls: Option<Box<ServerConnection>>, outgoing: Vec<u8>) -> End {
        End {
            socket,
            tls,
            outgoing,
            has_ended: false,
            finishing: false,
            finished: false,
            watched: Interest::default(),
        }
    }

    /// Reads once into `held`; nothing there, or the end, leaves it as it is.
    pub(crate) fn read(&mut self, held: &mut Vec<u8>) -> Result<(), Broken> {
        let start = held.len();
        match &mut self.tls {
            None => {
                held.resize(start + READ, 0);
                let read = self.socket.read(held.get_mut(start..).unwrap_or_default());
                held.truncate(start + *read.as_ref().unwrap_or(&0));
                self.note(read)
            }
            Some(tls) => {
                let read = tls.read_tls(&mut self.socket);
                let state = tls.process_new_packets().map_err(|_| Broken)?;
                held.resize(start + state.plaintext_bytes_to_read(), 0);
                let room = held.get_mut(start..).unwrap_or_default();
                tls.reader().read_exact(room).map_err(|_| Broken)?;
                self.has_ended |= state.peer_has_closed();
                self.note(read)
            }
        }
    }

    fn note(&mut self, read: io::Result<usize>) -> Result<(), Broken> {
        match read {
            Ok(0) => self.has_ended = true,
            Ok(_) => {}
            Err(error) => return passing(&error),
        }
        Ok(())
    }

    /// Whether more may be written.
    pub(crate) fn has_room(&self) -> bool {
        self.outgoing.len() < MOST_WAITING && !self.finishing
    }

    /// Takes bytes to be sent.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match &mut self.tls {
            None => self.outgoing.extend_from_slice(bytes),
            Some(tls) => tls.writer().write_all(bytes).map_err(|_| Broken)?,
        }
        Ok(())
    }

    /// Nothing more will be written: tells the other side, after what waits.
    pub(crate) fn finish(&mut self) {
        if !self.finishing {
            self.finishing = true;
            if let Some(tls) = &mut self.tls {
                tls.send_close_notify();
            }
        }
    }

    /// Sends as much as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Broken> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && tls.write_tls(&mut self.outgoing).is_ok() {}
        }
        while !self.outgoing.is_empty() {
            match self.socket.write(&self.outgoing) {
                Ok(0) => return Err(Broken),
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) => return passing(&error),
            }
        }
        self.outgoing = Vec::new();
        if self.finishing && !self.finished {
            self.finished = true;
            self.socket.shutdown(Shutdown::Write).map_err(|_| Broken)?;
        }
        Ok(())
    }

    /// Whether both directions are over.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && self.finished
    }

    /// Has the poller watch for what can be used: bytes if they are wanted, and room if something waits.
    pub(crate) fn watch(&mut self, poller: &Poller, token: u64, wants_bytes: bool) -> Result<(), Broken> {
        let after = Interest {
            read: wants_bytes && !self.has_ended,
            write: !self.outgoing.is_empty(),
        };
        poller
            .set(&self.socket, token, self.watched, after)
            .map_err(|_| Broken)?;
        self.watched = after;
        Ok(())
    }
}

/// Errors after which the connection is still good.
fn passing(error: &io::Error) -> Result<(), Broken> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(Broken),
    }
}
