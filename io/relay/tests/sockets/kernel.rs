//! Channels whose data the kernel relays. The program sits at the loopback interface meanwhile. Where the kernel does not allow that
//! (it wants root and Linux 6.6), the same clients must be served without.

use std::net::UdpSocket;

use prometheus_client::registry::Registry;
use trefoil_relay::{Relay, RelayConfig};
use trefoil_stun::{AttributeType, Method};
use trefoil_testkit::TurnClient;

use crate::wire::{Wire, udp_to};
use crate::{ask, config, echo_through, relay_an_echo, wait_until};

fn in_the_kernel() -> RelayConfig {
    RelayConfig {
        bpf_interfaces: vec!["lo".to_owned()],
        ..config()
    }
}

/// One number of the relay's metrics.
fn metric(relay: &Relay, name: &str) -> u64 {
    let (mut registry, mut text) = (Registry::default(), String::new());
    relay.register(&mut registry);
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until the kernel has the channels and counts from there.
fn wait_for_channels(relay: &Relay, count: u64) {
    wait_until(|| metric(relay, "relay_kernel_channels") == count);
}

#[test]
fn the_kernel_carries_what_the_sockets_would_and_it_is_counted() {
    let relay = Relay::start(in_the_kernel()).unwrap();
    let (mut wire, mut client) = (udp_to(relay.listening()[0]), TurnClient::new("ann", "north"));
    echo_through(&mut wire, &mut client, 1);
    wait_for_channels(&relay, u64::from(relay.relays_in_kernel()));
    wait_until(|| metric(&relay, "relay_packets_to_clients_total") == 5);
    assert_eq!(metric(&relay, "relay_packets_from_clients_total"), 5);
    assert_eq!(metric(&relay, "relay_bytes_to_clients_total"), 1366);
    assert_eq!(metric(&relay, "relay_bytes_from_clients_total"), 1366);
    if !relay.relays_in_kernel() {
        return assert_eq!(metric(&relay, "relay_kernel_packets_total"), 0);
    }
    // The first packet of each side shows by which interface those to it leave; less than four bytes of data, which no
    // network card delivers without padding, go to the sockets.
    assert_eq!(metric(&relay, "relay_kernel_packets_total"), 5);
}

#[test]
fn clients_and_peers_that_the_kernel_cannot_serve_are_served_as_ever() {
    let relay = Relay::start(in_the_kernel()).unwrap();
    relay_an_echo(&mut udp_to(relay.listening()[0]), 2);
    relay_an_echo(&mut udp_to(relay.listening()[1]), 1);
    wait_until(|| metric(&relay, "relay_packets_to_clients_total") == 10);
    assert_eq!(metric(&relay, "relay_kernel_packets_total"), 0);
}

#[test]
fn nothing_is_carried_after_the_end_nor_for_others() {
    let relay = Relay::start(in_the_kernel()).unwrap();
    let (mut wire, mut client) = (udp_to(relay.listening()[0]), TurnClient::new("ann", "north"));
    let [peer, stranger] = [(); 2].map(|()| UdpSocket::bind("127.0.0.2:0").unwrap());
    let answer = ask(&mut wire, &mut client, Method::Allocate, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    let bound = ask(&mut wire, &mut client, Method::ChannelBind, |writer| {
        writer
            .number(AttributeType::CHANNEL_NUMBER, 0x4000 << 16)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.local_addr().unwrap());
    });
    assert_eq!(bound.code, 0);
    let mut buffer = [0; 64];
    for _ in 0..3 {
        Wire::send(&mut wire, &[0x40, 0, 0, 1, 7]);
        assert_eq!(peer.recv(&mut buffer).unwrap(), 1);
        peer.send_to(&[8], relayed).unwrap();
        assert_eq!(wire.receive(), [0x40, 0, 0, 1, 8]);
    }
    // Padded, for a channel that is not bound, and of a stranger at the peer's host, which comes as an indication.
    Wire::send(&mut wire, &[0x40, 0, 0, 2, 1, 2, 0, 0]);
    assert_eq!((peer.recv(&mut buffer).unwrap(), &buffer[..2]), (2, &[1, 2][..]));
    Wire::send(&mut wire, &[0x40, 1, 0, 1, 9]);
    stranger.send_to(&[9], relayed).unwrap();
    assert_eq!(wire.receive()[..2], [0, 0x17], "a Data indication");

    let ended = ask(&mut wire, &mut client, Method::Refresh, |writer| {
        writer.number(AttributeType::LIFETIME, 0);
    });
    assert_eq!(ended.code, 0);
    peer.send_to(&[8], relayed).unwrap();
    Wire::send(&mut wire, &[0x40, 0, 0, 1, 7]);
    assert_eq!(
        ask(&mut wire, &mut client, Method::Refresh, |_| {}).code,
        437,
        "nothing came before this answer"
    );
    wait_for_channels(&relay, 0);
    peer.set_nonblocking(true).unwrap();
    assert!(peer.recv(&mut buffer).is_err(), "and nothing went out");
}

#[test]
fn a_relay_without_the_kernels_leave_goes_on_and_one_with_rates_does_not_begin() {
    let nowhere = RelayConfig {
        bpf_interfaces: vec!["no-such-card".to_owned()],
        ..config()
    };
    let relay = Relay::start(nowhere).unwrap();
    relay_an_echo(&mut udp_to(relay.listening()[0]), 1);
    let rated = RelayConfig {
        packets_per_second_per_username: 1000,
        ..in_the_kernel()
    };
    let error = format!("{:#}", Relay::start(rated).unwrap_err());
    assert!(error.contains("`bpf_interfaces`"), "{error}");
}
