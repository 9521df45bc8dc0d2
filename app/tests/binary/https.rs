//! One TLS port for HTTPS and TURN.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::CertificateDer};
use trefoil_stun::{AttributeType, Class, Message, Method, TransactionId, Writer};

use crate::process::{Trefoil, run, written};

/// A server with HTTPS, and whoever trusts its certificate.
struct Secure {
    trefoil: Trefoil,
    address: SocketAddr,
    trusts: CertificateDer<'static>,
}

impl Secure {
    fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (
            written(&made.cert.pem()),
            written(&made.signing_key.serialize_pem()),
        );
        let config = written(&format!(
            "[server]\npublic_url = \"https://localhost\"\n\
             keys = [{{ key = \"app\", secret = \"north-north-north-north-north-north\" }}]\n\
             [https]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"
        ));
        let trefoil = Trefoil::start(&["--config", &config]);
        let line = trefoil
            .banner
            .lines()
            .find(|line| line.contains("the same over TLS"))
            .unwrap();
        let address = line
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap();
        Self {
            trefoil,
            address,
            trusts: made.cert.der().clone(),
        }
    }

    fn connect(&self, alpn: &[&[u8]]) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusts.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        StreamOwned::new(tls, socket)
    }
}

fn get(stream: &mut (impl Read + Write), path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    // A server that closes without a TLS goodbye has still said all that Content-Length promised.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a Binding request and returns the address that the server saw.
fn binding(stream: &mut (impl Read + Write)) -> SocketAddr {
    let mut buffer = [0; 64];
    let length = Writer::new(
        &mut buffer,
        Class::Request,
        Method::Binding,
        TransactionId([9; 12]),
    )
    .finish()
    .unwrap();
    stream.write_all(&buffer[..length]).unwrap();
    let mut answer = vec![0; 20];
    stream.read_exact(&mut answer).unwrap();
    let rest = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    answer.resize(20 + rest, 0);
    stream.read_exact(&mut answer[20..]).unwrap();
    Message::parse(&answer)
        .unwrap()
        .xor_address(AttributeType::XOR_MAPPED_ADDRESS)
        .unwrap()
}

#[test]
fn one_tls_port_serves_the_page_and_turn_by_name_and_by_first_bytes() {
    let secure = Secure::start();
    for alpn in [&[][..], &[&b"http/1.1"[..]], &[&b"h2"[..], &b"http/1.1"[..]]] {
        let answer = get(&mut secure.connect(alpn), "/healthz");
        assert!(answer.starts_with("HTTP/1.1 200"), "{alpn:?}: {answer}");
    }
    for alpn in [&[][..], &[&b"stun.turn"[..]], &[&b"stun.nat-discovery"[..]]] {
        let mut stream = secure.connect(alpn);
        let local = stream.sock.local_addr().unwrap();
        assert_eq!(binding(&mut stream), local, "{alpn:?}");
        assert_eq!(binding(&mut stream), local, "the connection stays");
    }
    let (code, log) = secure.trefoil.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn who_says_nothing_keeps_nobody_else_out() {
    let secure = Secure::start();
    let silent: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(secure.address).unwrap())
        .collect();
    assert!(get(&mut secure.connect(&[]), "/healthz").starts_with("HTTP/1.1 200"));
    drop(silent);
}

#[test]
fn https_without_a_public_url_or_a_certificate_is_refused_by_name() {
    for (text, named) in [
        ("[https]\nlisten = [\"127.0.0.1:0\"]\n", "server.public_url"),
        (
            "[server]\npublic_url = \"https://localhost\"\nkeys = [{ key = \"app\", secret = \"north-north-north-north-north-north\" }]\n\
             [https]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"no/such.pem\"\nkey = \"no/such.pem\"\n",
            "no/such.pem",
        ),
    ] {
        let (code, _, error) = run(&["check", "--config", &written(text)]);
        assert_ne!(code, Some(0), "{text}");
        assert!(error.contains(named), "{error}");
    }
}
