//! ICMP about data that did not arrive: who is told what, and each reason for telling nobody.

use std::net::SocketAddr;

use trefoil_stun::{AttributeType, Class, Message, Method};
use trefoil_turn::{Icmp, IcmpDrop, PeerAddr, RelayId};

use crate::world::{Client, PEER, PEER_V6, World, client, config, udp};

const PORT_UNREACHABLE: Icmp = icmp(3, 3, 0);

const fn icmp(kind: u8, code: u8, mtu: u32) -> Icmp {
    Icmp { kind, code, mtu }
}

/// Ann with an allocation of both families and a permission for one peer in each.
fn start() -> (World, Client, [RelayId; 2]) {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    });
    assert_eq!(answer.code, 0);
    assert_eq!(
        [world.permit(&mut ann, PEER), world.permit(&mut ann, PEER_V6)],
        [0, 0]
    );
    let of_family = |v4| *world.open.iter().find(|(_, at)| at.is_ipv4() == v4).unwrap().0;
    let relays = [of_family(true), of_family(false)];
    (world, ann, relays)
}

fn handle(world: &mut World, relay: RelayId, peer: &str, icmp: Icmp) -> Result<(), IcmpDrop> {
    let peer = PeerAddr(peer.parse().unwrap());
    world.server.handle_icmp(relay, peer, icmp, world.elapsed)
}

/// The client gets one Data indication that names the peer and holds these eight bytes.
fn check(relay: usize, peer: &str, given: Icmp, expected: [u8; 8]) {
    let (mut world, ann, relays) = start();
    assert_eq!(handle(&mut world, relays[relay], peer, given), Ok(()));
    let told = world.settle();
    assert_eq!((told.len(), told[0].0), (1, ann.at));
    let message = Message::parse(&told[0].1).unwrap();
    assert_eq!(
        (message.class(), message.method()),
        (Class::Indication, Method::Data)
    );
    let peer: SocketAddr = peer.parse().unwrap();
    assert_eq!(message.xor_address(AttributeType::XOR_PEER_ADDRESS), Some(peer));
    assert_eq!(message.first(AttributeType::ICMP), Some(&expected[..]));
    assert_eq!(message.first(AttributeType::DATA), None);
    assert_eq!(world.server.counts().icmp_told, 1);
}

/// The client is told nothing, and this reason is counted.
fn check_drop(world: &mut World, relay: RelayId, (peer, icmp): (&str, Icmp), expected: IcmpDrop) {
    let before = world.server.counts().icmp_dropped.get(expected.name()).copied();
    assert_eq!(handle(world, relay, peer, icmp), Err(expected));
    assert!(world.settle().is_empty());
    let after = world.server.counts().icmp_dropped[expected.name()];
    assert_eq!(after, before.unwrap_or(0) + 1);
}

#[test]
fn the_client_is_told_that_its_data_did_not_reach_a_peer() {
    check(0, PEER, PORT_UNREACHABLE, [0, 0, 6, 3, 0, 0, 0, 0]);
    check(0, "8.8.8.8:7", icmp(11, 0, 0), [0, 0, 22, 0, 0, 0, 0, 0]);
    check(1, PEER_V6, icmp(1, 4, 0), [0, 0, 2, 4, 0, 0, 0, 0]);
    check(1, PEER_V6, icmp(3, 1, 0), [0, 0, 6, 1, 0, 0, 0, 0]);
}

#[test]
fn the_mtu_is_told_where_a_packet_was_too_big_and_nothing_else_elsewhere() {
    check(0, PEER, icmp(3, 4, 1400), [0, 0, 6, 4, 0, 0, 5, 0x78]);
    check(1, PEER_V6, icmp(2, 0, 1280), [0, 0, 4, 0, 0, 0, 5, 0]);
    check(0, PEER, icmp(3, 3, 1400), [0, 0, 6, 3, 0, 0, 0, 0]);
    check(1, PEER_V6, icmp(1, 4, 1280), [0, 0, 2, 4, 0, 0, 0, 0]);
}

#[test]
fn icmp_of_another_type_is_not_told() {
    let (mut world, _, [v4, v6]) = start();
    for kind in [0, 4, 5, 8, 12, 200] {
        check_drop(&mut world, v4, (PEER, icmp(kind, 0, 0)), IcmpDrop::OtherType);
    }
    for kind in [0, 4, 128, 200] {
        check_drop(&mut world, v6, (PEER_V6, icmp(kind, 0, 0)), IcmpDrop::OtherType);
    }
}

#[test]
fn icmp_about_a_peer_without_a_permission_is_not_told() {
    let (mut world, _, [v4, _]) = start();
    check_drop(
        &mut world,
        v4,
        ("8.8.4.4:5000", PORT_UNREACHABLE),
        IcmpDrop::NoPermission,
    );
    world.advance(300);
    check_drop(&mut world, v4, (PEER, PORT_UNREACHABLE), IcmpDrop::NoPermission);
}

#[test]
fn icmp_about_an_address_that_is_nobodys_is_not_told() {
    let (mut world, mut ann, [v4, _]) = start();
    world.refresh(&mut ann, 0);
    check_drop(&mut world, v4, (PEER, PORT_UNREACHABLE), IcmpDrop::NoAllocation);
    // A reserved port has a socket and no client yet.
    let mut bob = client(2, "bob");
    world.call(&mut bob, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    let reserved = *world.open.iter().find(|(_, at)| at.port() % 2 == 1).unwrap().0;
    check_drop(
        &mut world,
        reserved,
        (PEER, PORT_UNREACHABLE),
        IcmpDrop::NoAllocation,
    );
}

#[test]
fn a_flood_of_icmp_is_told_ten_times_a_second() {
    let (mut world, _, [v4, _]) = start();
    for second in 0..3 {
        let told = (0..1000)
            .filter(|_| handle(&mut world, v4, PEER, PORT_UNREACHABLE).is_ok())
            .count();
        assert_eq!((told, world.settle().len()), (10, 10), "second {second}");
        check_drop(&mut world, v4, (PEER, PORT_UNREACHABLE), IcmpDrop::TooMany);
        world.advance(1);
    }
}
