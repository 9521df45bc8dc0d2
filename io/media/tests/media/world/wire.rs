//! One transport of somebody: a client and its socket.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Instant,
};

use trefoil_peer::{
    Path, Via,
    client::{Client, Heard, Tamper},
};

/// One transport of somebody: a client and its socket.
pub struct Wire {
    pub client: Client,
    socket: Socket,
    pub local: SocketAddr,
    pub connected: bool,
    pub closed: bool,
    /// Of the datagrams that come in, each so-and-so-many-th is lost.
    pub lose_each: usize,
    arrived: usize,
    /// Bytes of media and its reports that came in.
    pub media_bytes: usize,
    /// The longest datagram of them.
    pub longest: usize,
    /// The client's DTLS is kept here and not sent.
    pub hold_dtls: bool,
    /// The first DTLS that the client made.
    pub dtls: Vec<Vec<u8>>,
    /// Media and its reports, if they are to be kept: what was sent (true) and what came.
    pub kept: Option<Vec<(bool, Vec<u8>)>>,
}

/// A handshake has no more datagrams than this.
const HANDSHAKE: usize = 16;

enum Socket {
    Udp(UdpSocket),
    /// Connects when it is first sent to.
    Tcp {
        stream: Option<TcpStream>,
        incoming: Vec<u8>,
        remote: Option<SocketAddr>,
    },
}

impl Wire {
    pub fn udp() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(Via::Udp, Socket::Udp(socket), local)
    }

    /// Speaks to the server over TCP alone.
    pub fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nonblocking(true).unwrap();
        let local = stream.local_addr().unwrap();
        let socket = Socket::Tcp {
            stream: Some(stream),
            incoming: Vec::new(),
            remote: Some(server),
        };
        Self::new(Via::Tcp, socket, local)
    }

    /// One with a hand on what it says inside DTLS.
    pub fn tampered() -> (Self, Tamper) {
        let mut wire = Self::udp();
        let (client, tamper) = Client::tampered(Via::Udp, wire.local, Instant::now()).unwrap();
        wire.client = client;
        (wire, tamper)
    }

    /// One of another kind of client.
    pub fn of(client: impl FnOnce(Via, SocketAddr, Instant) -> Client) -> Self {
        let mut wire = Self::udp();
        wire.client = client(Via::Udp, wire.local, Instant::now());
        wire
    }

    /// One whose DTLS is kept back.
    pub fn holding() -> Self {
        let mut wire = Self::udp();
        wire.hold_dtls = true;
        wire
    }

    fn new(via: Via, socket: Socket, local: SocketAddr) -> Self {
        Self {
            client: Client::new(via, local, Instant::now()),
            socket,
            local,
            connected: false,
            closed: false,
            lose_each: 0,
            arrived: 0,
            media_bytes: 0,
            longest: 0,
            hold_dtls: false,
            dtls: Vec::new(),
            kept: None,
        }
    }

    /// Another network: what was sent from the old address is sent from a new one.
    pub fn move_elsewhere(&mut self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        self.socket = Socket::Udp(socket);
    }

    /// Sends bytes as they are, as a client that is no client might.
    pub fn send_raw(&mut self, to: SocketAddr, bytes: &[u8]) {
        match &mut self.socket {
            Socket::Udp(socket) => drop(socket.send_to(bytes, to)),
            Socket::Tcp { stream, .. } => {
                let mut framed = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
                framed.extend_from_slice(bytes);
                if let Some(stream) = stream {
                    stream.write_all(&framed).unwrap();
                }
            }
        }
    }

    pub fn turn(&mut self, into: &mut Vec<Heard>) {
        let now = Instant::now();
        for (from, datagram) in self.socket.receive() {
            self.arrived += 1;
            if datagram[0] >= 128 {
                self.media_bytes += datagram.len();
                self.keep(false, &datagram);
                self.longest = self.longest.max(datagram.len());
            }
            if self.lose_each > 0 && self.arrived.is_multiple_of(self.lose_each) && datagram[0] >= 128 {
                continue;
            }
            let path = Path {
                via: self.socket.via(),
                remote: from,
                local: self.local,
            };
            self.client.receive(path, &datagram, now);
            self.poll(into);
        }
        if self.client.due() <= now {
            self.client.handle_timeout(now);
        }
        self.poll(into);
    }

    fn keep(&mut self, sent: bool, datagram: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.push((sent, datagram.to_vec()));
        }
    }

    fn poll(&mut self, into: &mut Vec<Heard>) {
        while let Some(heard) = self.client.poll() {
            match heard {
                Heard::Datagram { path, bytes } if path.via == self.socket.via() => {
                    let dtls = (20..64).contains(&bytes[0]);
                    if bytes[0] >= 128 {
                        self.keep(true, &bytes);
                    }
                    if !dtls || !self.hold_dtls {
                        self.send_raw(path.remote, &bytes);
                    }
                    if dtls && self.dtls.len() < HANDSHAKE {
                        self.dtls.push(bytes);
                    }
                }
                Heard::Datagram { .. } => {}
                Heard::Connected => self.connected = true,
                Heard::Closed => self.closed = true,
                heard => into.push(heard),
            }
        }
    }
}

impl Socket {
    const fn via(&self) -> Via {
        match self {
            Self::Udp(_) => Via::Udp,
            Self::Tcp { .. } => Via::Tcp,
        }
    }

    fn receive(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut buffer = [0; 65_536];
        let mut datagrams = Vec::new();
        match self {
            Self::Udp(socket) => {
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    datagrams.push((from, buffer[..length].to_vec()));
                }
            }
            Self::Tcp {
                stream,
                incoming,
                remote,
            } => {
                let (Some(stream), Some(remote)) = (stream, remote) else {
                    return datagrams;
                };
                loop {
                    match stream.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(length) => incoming.extend_from_slice(&buffer[..length]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(_) => break,
                    }
                }
                while incoming.len() >= 2 {
                    let length = usize::from(u16::from_be_bytes([incoming[0], incoming[1]]));
                    if incoming.len() < 2 + length {
                        break;
                    }
                    datagrams.push((*remote, incoming[2..2 + length].to_vec()));
                    incoming.drain(..2 + length);
                }
            }
        }
        datagrams
    }
}
