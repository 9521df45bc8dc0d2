//! The ways in which a client reaches the relay.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Dtls, DtlsCertificate, Output};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use trefoil_stun::{StreamFrame, stream_frame};

use crate::PATIENCE;

/// How a client reaches the relay.
pub(crate) trait Wire {
    fn send(&mut self, bytes: &[u8]);
    fn receive(&mut self) -> Vec<u8>;
}

impl Wire for UdpSocket {
    fn send(&mut self, bytes: &[u8]) {
        UdpSocket::send(self, bytes).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let length = self.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }
}

/// A byte stream, with what was read beyond the last message.
pub(crate) struct Framed<S>(pub(crate) S, pub(crate) Vec<u8>);

impl<S: Read + Write> Wire for Framed<S> {
    fn send(&mut self, bytes: &[u8]) {
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        self.0.write_all(bytes).unwrap();
        self.0.write_all(&[0; 3][..padding]).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        loop {
            match stream_frame(&self.1) {
                StreamFrame::Whole { length, consume } => {
                    let mut message: Vec<u8> = self.1.drain(..consume).collect();
                    assert!(
                        message[length..].iter().all(|byte| *byte == 0),
                        "padding tells nothing"
                    );
                    message.truncate(length);
                    return message;
                }
                StreamFrame::Incomplete => {
                    let mut buffer = [0; 4096];
                    let length = self.0.read(&mut buffer).unwrap();
                    assert_ne!(length, 0, "the relay closed the connection");
                    self.1.extend(&buffer[..length]);
                }
                StreamFrame::Nonsense => panic!("the relay lost its framing"),
            }
        }
    }
}

pub(crate) fn udp_to(relay: SocketAddr) -> UdpSocket {
    let from = if relay.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(from).unwrap();
    socket.connect(relay).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn tcp_to(relay: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(relay).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn tls_to(
    relay: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> Framed<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("localhost").unwrap();
    Framed(
        StreamOwned::new(ClientConnection::new(config, name).unwrap(), tcp_to(relay)),
        Vec::new(),
    )
}

/// A DTLS client over a UDP socket.
pub(crate) struct Secured {
    socket: UdpSocket,
    dtls: Dtls,
    connected: bool,
    arrived: VecDeque<Vec<u8>>,
}

impl Secured {
    pub(crate) fn connect(relay: SocketAddr, version_1_3: bool) -> Secured {
        let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let make = if version_1_3 { Dtls::new_13 } else { Dtls::new_12 };
        let mut dtls = make(Arc::new(dimpl::Config::default()), certificate, Instant::now());
        dtls.set_active(true);
        dtls.handle_timeout(Instant::now()).unwrap();
        let mut secured = Secured {
            socket: udp_to(relay),
            dtls,
            connected: false,
            arrived: VecDeque::new(),
        };
        secured.drain();
        while !secured.connected {
            secured.step();
        }
        secured
    }

    fn step(&mut self) {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        self.dtls.handle_timeout(Instant::now()).unwrap();
        self.dtls.handle_packet(&buffer[..length]).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        let mut buffer = vec![0; 4096];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => assert!(self.socket.send(packet).is_ok()),
                Output::Connected => self.connected = true,
                Output::ApplicationData(message) => self.arrived.push_back(message.to_vec()),
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }
}

impl Wire for Secured {
    fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.dtls.send_application_data(bytes).unwrap(), bytes.len());
        self.drain();
    }

    fn receive(&mut self) -> Vec<u8> {
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return message;
            }
            self.step();
        }
    }
}
