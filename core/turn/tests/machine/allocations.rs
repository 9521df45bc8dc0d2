//! Allocations: how they begin, how long they live, what they hold.

use trefoil_stun::{AttributeType, Method};
use trefoil_turn::{OpenFailure, Transport, Verdict};

use crate::world::{PEER, PEER_V6, RELAY_V4, RELAY_V6, World, client, config, udp};

#[test]
fn an_allocation_says_its_address_its_lifetime_and_where_the_client_is() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, udp);
    let relayed = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    assert_eq!((answer.code, relayed.ip().to_string().as_str()), (0, RELAY_V4));
    assert_eq!(answer.number(AttributeType::LIFETIME), Some(600));
    assert_eq!(
        answer.address(AttributeType::XOR_MAPPED_ADDRESS),
        Some(ann.at.remote)
    );
    let message = trefoil_stun::Message::parse(&answer.bytes).unwrap();
    assert!(message.verify(trefoil_stun::Integrity::Sha1, &ann.turn.key()));
    assert!(world.open.values().any(|open| *open == relayed));
}

#[test]
fn an_allocation_ends_when_its_lifetime_does() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.allocate(&mut ann);
    world.advance(599);
    assert_eq!((world.server.allocations(), world.open.len()), (1, 1));
    world.advance(1);
    assert_eq!(
        (world.server.allocations(), world.open.len(), world.ledger.sums()),
        (0, 0, (0, 0))
    );
    assert_eq!(world.refresh(&mut ann, 600).code, 437);
}

#[test]
fn a_refresh_is_granted_within_bounds_and_zero_ends_the_allocation() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.allocate(&mut ann);
    for (asked, granted) in [(777, 777), (1, 600), (4_000_000_000, 3600)] {
        assert_eq!(
            world.refresh(&mut ann, asked).number(AttributeType::LIFETIME),
            Some(granted)
        );
    }
    world.advance(3599);
    assert_eq!(world.refresh(&mut ann, 600).code, 438, "the nonce is an hour old");
    let answer = world.refresh(&mut ann, 0);
    assert!(ann.turn.learn(&answer));
    assert_eq!(
        world.refresh(&mut ann, 0).number(AttributeType::LIFETIME),
        Some(0)
    );
    assert_eq!((world.server.allocations(), world.open.len()), (0, 0));
    assert_eq!(world.refresh(&mut ann, 0).code, 437);
}

#[test]
fn the_retransmission_of_an_allocate_is_answered_alike_and_another_one_refused() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let challenge = world.ask(&mut ann, Method::Allocate, udp);
    ann.turn.learn(&challenge);
    let request = ann.turn.request(Method::Allocate, udp);
    let first = world.ask_with(&ann, &request);
    assert_eq!(world.ask_with(&ann, &request), first);
    assert_eq!(world.ask(&mut ann, Method::Allocate, udp).code, 437);
    assert_eq!(world.server.allocations(), 1);
}

#[test]
fn a_call_outlives_its_time_limited_credentials() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let expires = world.now().unix_seconds + 100;
    ann.turn.username = trefoil_auth::turn_username(expires, "ann");
    ann.turn.password = trefoil_auth::turn_password(b"new", &ann.turn.username);
    world.allocate(&mut ann);
    world.advance(200);
    assert_eq!(world.refresh(&mut ann, 600).code, 0);
    let mut late = client(2, "ann");
    (late.turn.username, late.turn.password) = (ann.turn.username.clone(), ann.turn.password.clone());
    let answer = world.ask(&mut late, Method::Allocate, udp);
    late.turn.learn(&answer);
    assert_eq!(world.ask(&mut late, Method::Allocate, udp).code, 401);
}

#[test]
fn ports_are_tried_until_one_is_free() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.failures = vec![OpenFailure::PortTaken; 15];
    world.allocate(&mut ann);
    assert_eq!(world.open.len(), 1);
}

#[test]
fn both_families_are_allocated_at_once() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let both = |writer: &mut trefoil_stun::Writer<'_>| {
        udp(writer);
        writer.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    };
    let answer = world.call(&mut ann, Method::Allocate, both);
    let relayed = answer.addresses(AttributeType::XOR_RELAYED_ADDRESS);
    assert_eq!(
        relayed
            .iter()
            .map(|address| address.ip().to_string())
            .collect::<Vec<_>>(),
        [RELAY_V4, RELAY_V6]
    );
    assert_eq!(
        [world.permit(&mut ann, PEER), world.permit(&mut ann, PEER_V6)],
        [0, 0]
    );
    // One half can be given up on its own.
    let answer = world.call(&mut ann, Method::Refresh, |writer| {
        writer
            .number(AttributeType::LIFETIME, 0)
            .attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    });
    assert_eq!((answer.code, world.open.len()), (0, 1));
    assert_eq!(
        [world.permit(&mut ann, PEER), world.permit(&mut ann, PEER_V6)],
        [0, 443]
    );
}

#[test]
fn the_additional_family_may_be_missing() {
    let mut config = config();
    config.relay_addresses.truncate(1);
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    });
    assert_eq!(answer.code, 0);
    assert_eq!(
        answer.attribute(AttributeType::ADDRESS_ERROR_CODE),
        Some(vec![2, 0, 4, 40])
    );
}

#[test]
fn an_even_port_reserves_the_next_one_for_who_brings_the_token() {
    let (mut world, mut ann, mut bob) = (World::new(config()), client(1, "ann"), client(2, "bob"));
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    let even = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    let token = answer.attribute(AttributeType::RESERVATION_TOKEN).unwrap();
    assert_eq!((even.port() % 2, world.open.len()), (0, 2));
    let answer = world.call(&mut bob, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
    });
    let odd = answer.address(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    assert_eq!(
        (odd.port(), answer.attribute(AttributeType::RESERVATION_TOKEN)),
        (even.port() + 1, None)
    );
    world.advance(40);
    assert_eq!(
        world.open.len(),
        2,
        "a redeemed port does not expire with its reservation"
    );
}

#[test]
fn a_reservation_that_nobody_takes_is_closed_and_even_ports_do_not_leak() {
    let mut config = config();
    config.ports = 50_000..=50_003;
    config.limits.quarantine = std::time::Duration::ZERO;
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    for pair in [0x80, 0x00, 0x80, 0x80, 0x00, 0x80] {
        let answer = world.call(&mut ann, Method::Allocate, |writer| {
            udp(writer);
            writer.attribute(AttributeType::EVEN_PORT, &[pair]);
        });
        assert_eq!(answer.code, 0);
        assert_eq!(world.refresh(&mut ann, 0).code, 0);
        world.advance(31);
        assert_eq!(world.open.len(), 0);
    }
    // Half of a pair that cannot be opened gives both ports back.
    world.failures = vec![OpenFailure::PortTaken; 3];
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    assert_eq!((answer.code, world.open.len()), (0, 2));
}

#[test]
fn a_connection_that_breaks_takes_its_allocation_with_it() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    ann.at.transport = Transport::Tcp;
    let relayed = world.allocate(&mut ann);
    assert_eq!(world.permit(&mut ann, PEER), 0);
    assert_ne!(world.arrive(relayed, PEER), Verdict::Nothing);
    let now = world.now();
    world.server.handle_disconnected(ann.at, now);
    world.settle();
    assert_eq!(
        (
            world.server.allocations(),
            world.open.len(),
            world.ledger.sums().1
        ),
        (0, 0, 0)
    );
}

#[test]
fn sha256_is_offered_where_the_source_is_proved_and_works() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    ann.at.transport = Transport::Tls;
    ann.turn.prefer_sha256 = true;
    let answer = world.call(&mut ann, Method::Allocate, udp);
    assert!(ann.turn.nonce.starts_with(b"obMatJos2wAAA"));
    assert_eq!(
        (answer.code, &ann.turn.algorithms[..]),
        (0, &[0, 2, 0, 0, 0, 1, 0, 0][..])
    );
    let message = trefoil_stun::Message::parse(&answer.bytes).unwrap();
    assert!(message.verify(trefoil_stun::Integrity::Sha256, &ann.turn.key()));
    // An old client ignores the offer.
    let mut old = client(2, "bob");
    old.at.transport = Transport::Tls;
    world.allocate(&mut old);
}

#[test]
fn a_name_may_be_hidden_behind_its_hash() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.ask(&mut ann, Method::Allocate, udp);
    ann.turn.learn(&answer);
    let hash = trefoil_stun::userhash(b"ann", b"trefoil");
    let mut buffer = [0; 512];
    let transaction = ann.turn.transaction();
    let mut writer = trefoil_stun::Writer::new(
        &mut buffer,
        trefoil_stun::Class::Request,
        Method::Allocate,
        transaction,
    );
    udp(&mut writer);
    writer
        .attribute(AttributeType::USERHASH, &hash)
        .attribute(AttributeType::REALM, &ann.turn.realm)
        .attribute(AttributeType::NONCE, &ann.turn.nonce)
        .integrity(trefoil_stun::Integrity::Sha1, &ann.turn.key());
    let length = writer.finish().unwrap();
    assert_eq!(world.ask_with(&ann, &buffer[..length]).code, 0);
}
