//! Peers that are gone: their clients hear of it, and their neighbours notice nothing.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use trefoil_relay::Relay;
use trefoil_stun::{AttributeType, Class, Message, Method, Writer};
use trefoil_testkit::TurnClient;

use crate::wire::{Framed, Wire, tcp_to, udp_to};
use crate::{PATIENCE, ask, config, wait_until};

/// A client with an allocation and permissions for 127.0.0.2 and, if there is IPv6, ::1.
fn permitted(wire: &mut impl Wire, family: u8, peer: SocketAddr) -> TurnClient {
    let mut client = TurnClient::new("ann", "north");
    let answer = ask(wire, &mut client, Method::Allocate, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0]);
    });
    assert_eq!(answer.code, 0);
    let answer = ask(wire, &mut client, Method::CreatePermission, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    assert_eq!(answer.code, 0);
    client
}

/// An address at which nobody listens.
fn nobody(ip: &str) -> SocketAddr {
    UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap()
}

fn indication(client: &mut TurnClient, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 512];
    let transaction = client.transaction();
    let mut writer = Writer::new(&mut buffer, Class::Indication, Method::Send, transaction);
    writer
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .attribute(AttributeType::DATA, data);
    let length = writer.finish().unwrap();
    buffer[..length].to_vec()
}

fn check_told(wire: &mut impl Wire, (family, ip): (u8, &str), icmp: [u8; 8]) {
    let peer = nobody(ip);
    let mut client = permitted(wire, family, peer);
    wire.send(&indication(&mut client, peer, b"data"));
    let told = wire.receive();
    let message = Message::parse(&told).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Indication, Method::Data)
    );
    assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(message.first(AttributeType::ICMP), Some(&icmp[..]));
}

#[test]
fn a_client_hears_that_nobody_listens_at_its_peer() {
    let relay = Relay::start(config()).unwrap();
    let address = relay.listening()[0];
    for (family, icmp) in [
        ((1, "127.0.0.2"), [0, 0, 3 << 1, 3, 0, 0, 0, 0]),
        ((2, "::1"), [0, 0, 1 << 1, 4, 0, 0, 0, 0]),
    ] {
        check_told(&mut udp_to(address), family, icmp);
        check_told(&mut Framed(tcp_to(address), Vec::new()), family, icmp);
    }
}

#[test]
fn a_flood_to_a_dead_peer_takes_nothing_from_a_living_one_and_is_told_a_few_times() {
    let relay = Relay::start(config()).unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    relay.register(&mut registry);
    let mut wire = udp_to(relay.listening()[0]);
    let alive = UdpSocket::bind("127.0.0.2:0").unwrap();
    alive.set_read_timeout(Some(PATIENCE)).unwrap();
    let (dead, living) = (nobody("127.0.0.2"), alive.local_addr().unwrap());
    let mut client = permitted(&mut wire, 1, dead);
    let begin = Instant::now();
    for round in 0..200u32 {
        for _ in 0..5 {
            Wire::send(&mut wire, &indication(&mut client, dead, b"lost"));
        }
        let data = round.to_be_bytes();
        Wire::send(&mut wire, &indication(&mut client, living, &data));
        let mut buffer = [0; 16];
        let (length, _) = alive.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], &data, "what goes to the living peer arrives");
    }
    let seconds = begin.elapsed().as_secs() + 2;
    wire.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut told = 0;
    while wire.recv(&mut [0; 512]).is_ok() {
        told += 1;
    }
    assert!((1..=10 * seconds).contains(&told), "{told} in {seconds} s");
    wait_until(|| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.contains(&format!("relay_icmp_told_total {told}\n"))
            && text.contains("relay_icmp_dropped_total{reason=\"too_many\"}")
            && text.contains("relay_send_dropped_total 0\n")
    });
}
