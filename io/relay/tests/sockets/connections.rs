//! TCP allocations over real sockets: bytes both ways, back-pressure, and who closes whom.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use trefoil_relay::{Relay, RelayConfig, RelayTls};
use trefoil_stun::{AttributeType, Class, Message, Method};
use trefoil_testkit::{Answer, TurnClient};

use crate::wire::{Framed, Wire, tcp_to, tls_to};
use crate::{PATIENCE, ask, certificate, config, wait_until};

fn relaying_tcp() -> RelayConfig {
    RelayConfig {
        tcp_allocations: true,
        tcp_peer_ports: vec!["1024-65535".to_owned()],
        ..config()
    }
}

fn control(relay: &Relay) -> Framed<TcpStream> {
    Framed(tcp_to(relay.listening_tcp()[0]), Vec::new())
}

/// A TCP allocation; returns its relayed address.
fn allocate(wire: &mut impl Wire, client: &mut TurnClient) -> SocketAddr {
    let answer = ask(wire, client, Method::Allocate, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    });
    assert_eq!(answer.code, 0);
    answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap()
}

fn connect(wire: &mut impl Wire, client: &mut TurnClient, peer: SocketAddr) -> Answer {
    ask(wire, client, Method::Connect, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    })
}

/// Brings a number over a connection of its own.
fn bring(data: &mut impl Wire, number: u32) -> u16 {
    let mut client = TurnClient::new("ann", "north");
    ask(data, &mut client, Method::ConnectionBind, |writer| {
        writer.number(AttributeType::CONNECTION_ID, number);
    })
    .code
}

/// A peer that accepts: its listener, on an address that the relay lets through.
fn peer() -> TcpListener {
    TcpListener::bind("127.0.0.2:0").unwrap()
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A client's data connection and its peer's end.
fn spliced(control: &mut impl Wire, client: &mut TurnClient, relay: &Relay) -> (TcpStream, TcpStream) {
    let listener = peer();
    let answer = connect(control, client, listener.local_addr().unwrap());
    assert_eq!(answer.code, 0);
    let mut data = Framed(tcp_to(relay.listening_tcp()[0]), Vec::new());
    assert_eq!(
        bring(&mut data, answer.number(AttributeType::CONNECTION_ID).unwrap()),
        0
    );
    assert!(data.1.is_empty());
    (data.0, accepted(&listener))
}

fn check_echo(client: &mut (impl Read + Write), peer: &mut (impl Read + Write)) {
    let mut buffer = [0; 4];
    client.write_all(b"ping").unwrap();
    peer.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ping");
    peer.write_all(b"pong").unwrap();
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"pong");
}

#[test]
fn a_client_reaches_a_peer_over_tcp_whichever_shard_its_connections_are_on() {
    let relay = Relay::start(relaying_tcp()).unwrap();
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    // The kernel spreads connections over the shards, so of ten some come to the other one.
    for _ in 0..10 {
        let (mut data, mut peer) = spliced(&mut wire, &mut client, &relay);
        check_echo(&mut data, &mut peer);
    }
}

#[test]
fn a_client_reaches_a_peer_over_tls_whichever_shard_its_connections_are_on() {
    let (certificate_file, key_file, trusted) = certificate("tcp-over-tls");
    let config = RelayConfig {
        tls: Some(RelayTls {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            certificate: certificate_file,
            key: key_file,
        }),
        ..relaying_tcp()
    };
    let relay = Relay::start(config).unwrap();
    let address = relay.listening_tls()[0];
    let (mut wire, mut client) = (tls_to(address, &trusted), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    for _ in 0..6 {
        let listener = peer();
        let answer = connect(&mut wire, &mut client, listener.local_addr().unwrap());
        let mut data = tls_to(address, &trusted);
        assert_eq!(
            bring(&mut data, answer.number(AttributeType::CONNECTION_ID).unwrap()),
            0
        );
        let mut peer = accepted(&listener);
        check_echo(&mut data.0, &mut peer);
        data.0.conn.send_close_notify();
        data.0.flush().unwrap();
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0, "the end of TLS is the end");
        drop(peer);
        assert_eq!(data.0.read(&mut [0; 1]).unwrap(), 0);
    }
}

#[test]
fn a_peer_with_a_permission_reaches_a_client_and_others_do_not() {
    let relay = Relay::start(relaying_tcp()).unwrap();
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    let relayed = allocate(&mut wire, &mut client);
    let mut stranger = tcp_to(relayed);
    assert!(matches!(stranger.read(&mut [0; 1]), Ok(0) | Err(_)));
    // A connection to a loopback address comes from that very address.
    let answer = ask(&mut wire, &mut client, Method::CreatePermission, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, relayed);
    });
    assert_eq!(answer.code, 0);
    let mut peer = tcp_to(relayed);
    let told = wire.receive();
    let message = Message::parse(&told).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Indication, Method::ConnectionAttempt)
    );
    assert_eq!(
        message.xor_address(AttributeType::XOR_PEER_ADDRESS),
        Some(peer.local_addr().unwrap())
    );
    // What the peer says before its client is there waits for it.
    peer.write_all(b"early").unwrap();
    let mut data = Framed(tcp_to(relay.listening_tcp()[0]), Vec::new());
    assert_eq!(
        bring(&mut data, message.number(AttributeType::CONNECTION_ID).unwrap()),
        0
    );
    let mut buffer = [0; 5];
    let early = data.1.len();
    buffer[..early].copy_from_slice(&data.1);
    data.0.read_exact(&mut buffer[early..]).unwrap();
    assert_eq!(&buffer, b"early");
    check_echo(&mut data.0, &mut peer);
}

#[test]
fn a_peer_that_refuses_or_is_not_to_be_reached_is_an_error() {
    let relay = Relay::start(RelayConfig {
        tcp_peer_ports: vec!["2000-65535".to_owned()],
        ..relaying_tcp()
    })
    .unwrap();
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    let nobody = peer().local_addr().unwrap();
    for (peer, code) in [
        (nobody, 447),
        ("127.0.0.2:1999".parse().unwrap(), 403),
        ("127.0.0.9:3000".parse().unwrap(), 403),
        (relay.listening_tcp()[0], 403),
    ] {
        assert_eq!(connect(&mut wire, &mut client, peer).code, code, "{peer}");
    }
    let error = Relay::start(RelayConfig {
        tcp_peer_ports: Vec::new(),
        ..relaying_tcp()
    })
    .unwrap_err();
    assert!(format!("{error:#}").contains("`tcp_peer_ports`"));
}

#[test]
fn a_slow_reader_holds_back_the_writer_and_everything_arrives() {
    const BYTES: usize = 32 << 20;
    let relay = Relay::start(relaying_tcp()).unwrap();
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    for from_client in [true, false] {
        let (data, peer) = spliced(&mut wire, &mut client, &relay);
        let (mut writer, mut reader) = if from_client { (data, peer) } else { (peer, data) };
        writer.set_nonblocking(true).unwrap();
        let pattern: Vec<u8> = (0..BYTES).map(|index| (index % 251) as u8).collect();
        let mut written = 0;
        // Nobody reads: after a while nobody takes either.
        let mut refused = 0;
        while refused < 1000 {
            match writer.write(&pattern[written..]) {
                Ok(length) => (written, refused) = (written + length, 0),
                Err(_) => refused += 1,
            }
            std::thread::yield_now();
        }
        assert!(
            written < BYTES,
            "the relay keeps {written} bytes for somebody who reads none"
        );
        writer.set_nonblocking(false).unwrap();
        let rest = pattern[written..].to_vec();
        let writing = std::thread::spawn(move || {
            writer.write_all(&rest).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
            writer
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == pattern, "everything arrives as it was sent");
        writing.join().unwrap();
    }
}

#[test]
fn one_side_may_end_before_the_other() {
    let relay = Relay::start(relaying_tcp()).unwrap();
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    for from_client in [true, false] {
        let (data, peer) = spliced(&mut wire, &mut client, &relay);
        let (mut first, mut last) = if from_client { (data, peer) } else { (peer, data) };
        first.write_all(b"question").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        let mut read = Vec::new();
        last.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"question");
        last.write_all(b"answer").unwrap();
        drop(last);
        read.clear();
        first.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"answer");
    }
}

#[test]
fn connections_end_with_their_allocation_and_are_counted() {
    let relay = Relay::start(relaying_tcp()).unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    relay.register(&mut registry);
    let shows = |expected: &[&str]| {
        wait_until(|| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            expected.iter().all(|line| text.contains(line))
        });
    };
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    let (mut data, mut peer) = spliced(&mut wire, &mut client, &relay);
    check_echo(&mut data, &mut peer);
    shows(&[
        "relay_peer_connections 1\n",
        "relay_spliced_total 1\n",
        "relay_bytes_from_clients_total 4\n",
        "relay_bytes_to_clients_total 4\n",
    ]);
    drop(wire);
    for mut end in [data, peer] {
        assert!(matches!(end.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
    shows(&["relay_peer_connections 0\n", "relay_allocations 0\n"]);
}

#[test]
fn a_connection_keeps_to_the_rate_of_its_allocation() {
    let relay = Relay::start(RelayConfig {
        bits_per_second: 800_000,
        ..relaying_tcp()
    })
    .unwrap();
    let (mut wire, mut client) = (control(&relay), TurnClient::new("ann", "north"));
    allocate(&mut wire, &mut client);
    let (mut data, mut peer) = spliced(&mut wire, &mut client, &relay);
    let begin = std::time::Instant::now();
    // A burst of one second's worth, which is 100,000 bytes, and half as much more.
    let writing = std::thread::spawn(move || {
        data.write_all(&[7; 150_000]).unwrap();
        data
    });
    let mut read = vec![0; 150_000];
    peer.read_exact(&mut read).unwrap();
    let took = begin.elapsed().as_secs_f64();
    assert!(took > 0.45, "it took {took} s");
    writing.join().unwrap();
}
