//! A running relay over real sockets, with a client of our own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers fail as the test does"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use trefoil_relay::{Relay, RelayConfig, RelayTls, Secret};
use trefoil_stun::{AttributeType, Method, Writer};
use trefoil_testkit::{Answer, TurnClient};

mod connections;
mod icmp;
mod kernel;
mod third_party;
mod wire;

use wire::{Framed, Secured, Wire, tcp_to, tls_to, udp_to};

/// Long enough for a busy machine; only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(10);

fn config() -> RelayConfig {
    RelayConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()],
        users: [("ann".to_owned(), Secret::new("north"))].into(),
        allow_peers: vec!["127.0.0.2/32".to_owned(), "::1".to_owned()],
        threads: 2,
        // Above the ports that the system gives to peers: what is in the range is never sent to a socket of ours.
        port_range: "61000-65535".parse().unwrap(),
        ..RelayConfig::default()
    }
}

fn ask(
    wire: &mut impl Wire,
    client: &mut TurnClient,
    method: Method,
    fill: impl Fn(&mut Writer<'_>),
) -> Answer {
    loop {
        wire.send(&client.request(method, &fill));
        let answer = Answer::read(&wire.receive()).unwrap();
        if !client.learn(&answer) {
            return answer;
        }
    }
}

/// Allocates, binds a channel to an echoing peer and sends data both ways.
fn relay_an_echo(wire: &mut impl Wire, family: u8) {
    echo_through(wire, &mut TurnClient::new("ann", "north"), family);
}

/// The same as this client.
fn echo_through(wire: &mut impl Wire, client: &mut TurnClient, family: u8) {
    let peer = UdpSocket::bind(if family == 1 { "127.0.0.2:0" } else { "[::1]:0" }).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let at = peer.local_addr().unwrap();
    let answer = ask(wire, client, Method::Allocate, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]);
    });
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    let answer = ask(wire, client, Method::ChannelBind, |writer| {
        writer
            .number(AttributeType::CHANNEL_NUMBER, 0x4000 << 16)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, at);
    });
    assert_eq!(answer.code, 0);
    for size in [0, 1, 5, 160, 1200] {
        let data = vec![7; size];
        let mut message = vec![0x40, 0];
        message.extend(u16::try_from(size).unwrap().to_be_bytes());
        message.extend(&data);
        wire.send(&message);
        let mut buffer = [0; 2048];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&data[..], relayed));
        peer.send_to(&data, relayed).unwrap();
        assert_eq!(wire.receive(), message);
    }
}

fn certificate(folder: &str) -> (PathBuf, PathBuf, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("trefoil-{folder}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key, made.cert.der().clone())
}

#[test]
fn data_is_relayed_over_udp_and_tcp_in_both_families() {
    let relay = Relay::start(config()).unwrap();
    for address in relay.listening().to_vec() {
        for family in [1, 2] {
            relay_an_echo(&mut udp_to(address), family);
            relay_an_echo(&mut Framed(tcp_to(address), Vec::new()), family);
        }
    }
}

#[test]
fn data_is_relayed_over_tls_and_the_certificate_is_exchanged_without_a_restart() {
    let (certificate_file, key_file, first) = certificate("tls");
    let config = RelayConfig {
        tls: Some(RelayTls {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            certificate: certificate_file.clone(),
            key: key_file.clone(),
        }),
        ..config()
    };
    let relay = Relay::start(config).unwrap();
    let address = relay.listening_tls()[0];
    let mut standing = tls_to(address, &first);
    relay_an_echo(&mut standing, 1);

    let (new_certificate, new_key, second) = certificate("tls-renewed");
    fs::copy(new_certificate, &certificate_file).unwrap();
    relay.reload_certificate();
    relay_an_echo(&mut tls_to(address, &first), 1); // the key does not match yet, so the old one stays
    fs::copy(new_key, &key_file).unwrap();
    relay.reload_certificate();
    relay_an_echo(&mut tls_to(address, &second), 1);
    let mut client = TurnClient::new("ann", "north");
    assert_eq!(
        ask(&mut standing, &mut client, Method::Refresh, |_| {}).code,
        0,
        "what stands keeps standing"
    );
}

#[test]
fn data_is_relayed_over_dtls_on_every_udp_port() {
    let (certificate, key, _) = certificate("dtls");
    let tls = RelayTls {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate,
        key,
    };
    let relay = Relay::start(RelayConfig {
        tls: Some(tls),
        ..config()
    })
    .unwrap();
    for address in [relay.listening_tls()[0], relay.listening()[0]] {
        for version_1_3 in [false, true] {
            // Several, so that each shard has some.
            let mut standing: Vec<_> = (0..4).map(|_| Secured::connect(address, version_1_3)).collect();
            standing.iter_mut().for_each(|wire| relay_an_echo(wire, 1));
        }
    }
    assert_eq!(relay.allocations(), 16);
}

#[test]
fn a_flood_of_dtls_greetings_is_bounded_and_others_still_connect() {
    let (certificate, key, _) = certificate("dtls-flood");
    let tls = RelayTls {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate,
        key,
    };
    let relay = Relay::start(RelayConfig {
        tls: Some(tls),
        ..config()
    })
    .unwrap();
    let mut hello = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1];
    hello.resize(73, 0);
    for _ in 0..600 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&hello, relay.listening()[0]).unwrap();
    }
    relay_an_echo(&mut Secured::connect(relay.listening()[0], false), 1);
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let config = RelayConfig {
        listen: vec!["0.0.0.0:0".parse().unwrap()],
        relay_addresses: vec!["127.0.0.1".parse().unwrap()],
        ..config()
    };
    let relay = Relay::start(config).unwrap();
    // A connected socket takes answers only from whom it asked.
    let mut socket = udp_to(SocketAddr::new(
        "127.0.0.99".parse().unwrap(),
        relay.listening()[0].port(),
    ));
    let mut client = TurnClient::new("ann", "north");
    let answer = ask(&mut socket, &mut client, Method::Binding, |_| {});
    assert_eq!(
        answer.address(AttributeType::XOR_MAPPED_ADDRESS),
        Some(socket.local_addr().unwrap())
    );
}

#[test]
fn a_packet_that_must_not_be_fragmented_arrives_like_any_other() {
    let relay = Relay::start(config()).unwrap();
    let (mut wire, mut client) = (udp_to(relay.listening()[0]), TurnClient::new("ann", "north"));
    let peer = UdpSocket::bind("127.0.0.2:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let at = peer.local_addr().unwrap();
    ask(&mut wire, &mut client, Method::Allocate, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::DONT_FRAGMENT, &[]);
    });
    ask(&mut wire, &mut client, Method::CreatePermission, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, at);
    });
    for dont_fragment in [true, false] {
        let mut buffer = [0; 512];
        let mut writer = Writer::new(
            &mut buffer,
            trefoil_stun::Class::Indication,
            Method::Send,
            client.transaction(),
        );
        writer
            .xor_address(AttributeType::XOR_PEER_ADDRESS, at)
            .attribute(AttributeType::DATA, b"whole");
        if dont_fragment {
            writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
        }
        let length = writer.finish().unwrap();
        Wire::send(&mut wire, &buffer[..length]);
        let mut data = [0; 16];
        let (length, _) = peer.recv_from(&mut data).unwrap();
        assert_eq!(&data[..length], b"whole");
    }
}

#[test]
fn behaviour_discovery_uses_four_addresses() {
    let free = UdpSocket::bind("127.0.0.3:0").unwrap().local_addr().unwrap();
    let relay = Relay::start(RelayConfig {
        discovery: Some(free),
        ..config()
    })
    .unwrap();
    assert_eq!(relay.listening().len(), 2);
    let (primary, socket) = (relay.listening()[0], UdpSocket::bind("127.0.0.1:0").unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let crossed = [
        (0, primary),
        (2, SocketAddr::new(primary.ip(), free.port())),
        (4, SocketAddr::new(free.ip(), primary.port())),
        (6, free),
    ];
    for (change, expected) in crossed {
        let request = TurnClient::new("ann", "north").request(Method::Binding, |writer| {
            writer.number(AttributeType::CHANGE_REQUEST, change);
        });
        socket.send_to(&request, primary).unwrap();
        let (_, from) = socket.recv_from(&mut [0; 512]).unwrap();
        assert_eq!(from, expected);
    }
    let wrong = RelayConfig {
        discovery: Some(primary),
        ..config()
    };
    assert!(format!("{:#}", Relay::start(wrong).unwrap_err()).contains("`discovery`"));
}

#[test]
fn an_allocation_ends_with_its_connection() {
    let relay = Relay::start(config()).unwrap();
    let mut wire = Framed(tcp_to(relay.listening_tcp()[0]), Vec::new());
    relay_an_echo(&mut wire, 1);
    assert_eq!(relay.allocations(), 1);
    drop(wire);
    wait_until(|| relay.allocations() == 0);
}

#[test]
fn a_connection_that_speaks_nonsense_or_says_nothing_is_closed() {
    let relay = Relay::start(RelayConfig {
        idle_seconds: 1,
        ..config()
    })
    .unwrap();
    for opening in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", &[0x00, 0x01], &[0xFF; 100]] {
        let mut socket = tcp_to(relay.listening_tcp()[0]);
        socket.write_all(opening).unwrap();
        let mut rest = Vec::new();
        // Closed with unread bytes is a reset, which is an end as well.
        let ended = socket.read_to_end(&mut rest);
        assert!(
            rest.is_empty() && ended.is_ok_and(|length| length == 0) || rest.is_empty(),
            "{opening:?}"
        );
    }
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let relay = Relay::start(RelayConfig {
        connections_per_source: 3,
        threads: 1,
        ..config()
    })
    .unwrap();
    let mut standing: Vec<_> = (0..3)
        .map(|_| Framed(tcp_to(relay.listening_tcp()[0]), Vec::new()))
        .collect();
    for wire in &mut standing {
        ask(
            wire,
            &mut TurnClient::new("ann", "north"),
            Method::Binding,
            |_| {},
        );
    }
    let mut beyond = tcp_to(relay.listening_tcp()[0]);
    assert!(matches!(beyond.read(&mut [0; 1]), Ok(0) | Err(_)));
    standing.pop();
    wait_until(|| {
        let mut wire = tcp_to(relay.listening_tcp()[0]);
        wire.write_all(&TurnClient::new("ann", "north").request(Method::Binding, |_| {}))
            .unwrap();
        matches!(wire.read(&mut [0; 64]), Ok(length) if length > 0)
    });
}

#[test]
fn a_draining_relay_refuses_new_allocations_and_keeps_the_old() {
    let relay = Relay::start(config()).unwrap();
    let mut socket = udp_to(relay.listening()[0]);
    relay_an_echo(&mut socket, 1);
    relay.drain();
    let mut client = TurnClient::new("ann", "north");
    wait_until(|| {
        let mut socket = udp_to(relay.listening()[0]);
        let mut client = TurnClient::new("ann", "north");
        let answer = ask(&mut socket, &mut client, Method::Allocate, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        });
        answer.code == 508
    });
    assert_eq!(ask(&mut socket, &mut client, Method::Refresh, |_| {}).code, 0);
}

#[test]
fn a_second_relay_does_not_share_the_address_of_the_first() {
    let first = Relay::start(config()).unwrap();
    let config = RelayConfig {
        listen: first.listening().to_vec(),
        ..config()
    };
    let error = format!("{:#}", Relay::start(config).unwrap_err());
    assert!(
        error.contains("cannot listen on") && error.contains("`listen`"),
        "{error}"
    );
}

#[test]
fn what_the_relay_does_is_counted() {
    let relay = Relay::start(config()).unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    relay.register(&mut registry);
    relay_an_echo(&mut udp_to(relay.listening()[0]), 1);
    wait_until(|| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.contains("relay_packets_from_clients_total 5\n")
            && text.contains("relay_packets_to_clients_total 5\n")
            && text.contains("relay_allocations 1\n")
            && text.contains("relay_refusals_total{reason=\"no_credentials\"} 1\n")
    });
}

/// Tries until it is so; fails after ten seconds.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::yield_now();
    }
}
