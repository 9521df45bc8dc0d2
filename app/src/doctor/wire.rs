//! The way to a server: datagrams, or messages over a connection, perhaps encrypted.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use trefoil_stun::{Message, StreamFrame, stream_frame};

use super::{
    client::{Failure, NoTls},
    target::{Target, Transport},
};

/// How long a connection and a TLS handshake may take, each.
const CONNECT: Duration = Duration::from_secs(5);

/// One client 5-tuple.
#[derive(Debug)]
pub(crate) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, Vec<u8>),
}

impl Wire {
    /// A wire to `target`, from a port of its own; `tls` is what to trust.
    pub(crate) fn to(target: &Target, tls: &Arc<ClientConfig>) -> Result<Self, Failure> {
        match target.transport {
            Transport::Udp => {
                let any = if target.address.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any).map_err(|error| local(&error))?;
                socket.connect(target.address).map_err(|error| local(&error))?;
                Ok(Self::Udp(socket))
            }
            Transport::Tcp => Ok(Self::Tcp(connect(target)?, Vec::new())),
            Transport::Tls => {
                let name = ServerName::try_from(target.host.clone()).map_err(|_| {
                    let why = format!("{} is no name for a certificate", target.host);
                    Failure::Tls(NoTls::Other, why)
                })?;
                let tls = ClientConnection::new(tls.clone(), name)
                    .map_err(|error| Failure::Tls(NoTls::Other, error.to_string()))?;
                let mut stream = StreamOwned::new(tls, connect(target)?);
                stream
                    .sock
                    .set_read_timeout(Some(CONNECT))
                    .map_err(|error| local(&error))?;
                while stream.conn.is_handshaking() {
                    stream
                        .conn
                        .complete_io(&mut stream.sock)
                        .map_err(|error| handshake(&error))?;
                }
                Ok(Self::Tls(Box::new(stream), Vec::new()))
            }
        }
    }

    /// Whether what is sent may get lost on its way.
    pub(crate) fn loses(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = match self {
            Self::Udp(socket) => socket.send(bytes).map(drop),
            Self::Tcp(stream, _) => stream.write_all(bytes),
            Self::Tls(stream, _) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        sent.map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => Failure::Unreachable,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Failure::Closed,
            _ => local(&error),
        })
    }

    /// The next sound STUN message, or `None` at `until`.
    pub(crate) fn receive(&mut self, until: Instant) -> Result<Option<Vec<u8>>, Failure> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.next_frame()? {
                let sound = Message::parse(&message).is_ok();
                return if sound {
                    Ok(Some(message))
                } else {
                    Err(Failure::Nonsense)
                };
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match self.read(&mut buffer, left) {
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    match self {
                        Self::Udp(_) if Message::parse(bytes).is_ok() => return Ok(Some(bytes.to_vec())),
                        Self::Udp(_) => return Err(Failure::Nonsense),
                        Self::Tcp(..) | Self::Tls(..) if length == 0 => return Err(Failure::Closed),
                        Self::Tcp(_, rest) | Self::Tls(_, rest) => rest.extend_from_slice(bytes),
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionRefused => return Err(Failure::Unreachable),
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => return Err(Failure::Closed),
                    _ => return Err(local(&error)),
                },
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(wait))?;
                socket.recv(buffer)
            }
            Self::Tcp(stream, _) => {
                stream.set_read_timeout(Some(wait))?;
                stream.read(buffer)
            }
            Self::Tls(stream, _) => {
                stream.sock.set_read_timeout(Some(wait))?;
                stream.read(buffer)
            }
        }
    }

    /// The first whole message of what a connection has brought.
    fn next_frame(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let (Self::Tcp(_, rest) | Self::Tls(_, rest)) = self else {
            return Ok(None);
        };
        // No channel was ever bound, so nothing but STUN makes sense.
        if rest.first().is_some_and(|first| *first > 3) {
            return Err(Failure::Nonsense);
        }
        match stream_frame(rest) {
            StreamFrame::Whole { length, consume } => {
                let mut message: Vec<u8> = rest.drain(..consume).collect();
                message.truncate(length);
                Ok(Some(message))
            }
            StreamFrame::Incomplete => Ok(None),
            StreamFrame::Nonsense => Err(Failure::Nonsense),
        }
    }
}

fn connect(target: &Target) -> Result<TcpStream, Failure> {
    let stream =
        TcpStream::connect_timeout(&target.address, CONNECT).map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused => Failure::Unreachable,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::Silence,
            _ => local(&error),
        })?;
    stream.set_nodelay(true).map_err(|error| local(&error))?;
    Ok(stream)
}

/// Why a TLS handshake failed.
fn handshake(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Silence,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Tls(no_tls(error), error.to_string()),
    }
}

fn no_tls(error: &io::Error) -> NoTls {
    use rustls::{CertificateError as Wrong, Error::InvalidCertificate};
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. })) => {
            NoTls::OtherName
        }
        Some(InvalidCertificate(
            Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. },
        )) => NoTls::Expired,
        Some(InvalidCertificate(_)) => NoTls::Untrusted,
        Some(_) | None => NoTls::Other,
    }
}

fn local(error: &io::Error) -> Failure {
    Failure::Local(error.to_string())
}
