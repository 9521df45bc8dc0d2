//! Every refusal, produced on purpose.

use trefoil_stun::{AttributeType, Method, Writer};
use trefoil_testkit::Answer;
use trefoil_turn::{Ledger, OpenFailure};

use crate::world::{Client, LISTENER, PEER, PEER_V6, RELAY_V4, World, client, config, udp};

fn start() -> (World, Client) {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.allocate(&mut ann);
    (world, ann)
}

/// The code is what the answer says, and the refusal was counted under its name.
fn check(world: &World, answer: &Answer, code: u16, name: &str) {
    assert_eq!(answer.code, code, "{name}");
    assert!(
        world.server.counts().refusals.contains_key(name),
        "{name}: {:?}",
        world.server.counts().refusals
    );
}

fn check_allocate(code: u16, name: &str, fill: impl Fn(&mut Writer<'_>)) {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, fill);
    check(&world, &answer, code, name);
    assert_eq!(
        (
            world.server.allocations(),
            world.open.len(),
            world.ledger.sums().1
        ),
        (0, 0, 0),
        "{name}"
    );
}

#[test]
fn a_request_without_credentials() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.ask(&mut ann, Method::Allocate, udp);
    check(&world, &answer, 401, "no_credentials");
}

#[test]
fn incomplete_credentials() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.ask(&mut ann, Method::Allocate, |writer| {
        writer.integrity(
            trefoil_stun::Integrity::Sha1,
            &trefoil_stun::Key::from_bytes(b"x").unwrap(),
        );
    });
    check(&world, &answer, 400, "incomplete_credentials");
}

#[test]
fn password_algorithms_that_were_not_offered() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    ann.at.transport = trefoil_turn::Transport::Tcp;
    ann.turn.prefer_sha256 = true;
    let answer = world.ask(&mut ann, Method::Allocate, udp);
    ann.turn.learn(&answer);
    ann.turn.algorithms = vec![0, 1, 0, 0];
    let answer = world.ask(&mut ann, Method::Allocate, udp);
    check(&world, &answer, 400, "incomplete_credentials");
}

#[test]
fn an_unknown_name_a_wrong_password_and_an_expired_name_look_alike() {
    let expired = trefoil_auth::turn_username(1_767_225_600, "ann");
    let far = trefoil_auth::turn_username(99_999_999_999, "ann");
    let passwords = [&expired, &far].map(|name| trefoil_auth::turn_password(b"new", name));
    let long = "x".repeat(4096 / 4);
    let mut sizes = Vec::new();
    for (name, word) in [
        ("nobody", "north"),
        ("ann", "wrong"),
        (&expired, &passwords[0]),
        (&far, &passwords[1]),
        ("", ""),
        (&long, "north"),
        ("17:", "x"),
    ] {
        let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
        ann.turn.username = name.to_owned();
        ann.turn.password = word.to_owned();
        let answer = world.call(&mut ann, Method::Allocate, udp);
        check(&world, &answer, 401, "unauthenticated");
        sizes.push(answer.bytes.len());
    }
    sizes.dedup();
    assert_eq!(sizes.len(), 1);
}

#[test]
fn a_nonce_of_another_client_of_yesterday_or_of_nobody() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.allocate(&mut ann);
    let mut other = client(2, "ann");
    (other.turn.nonce, other.turn.realm) = (ann.turn.nonce.clone(), ann.turn.realm.clone());
    let answer = world.ask(&mut other, Method::Allocate, udp);
    check(&world, &answer, 438, "stale_nonce");
    assert!(other.turn.learn(&answer) && world.ask(&mut other, Method::Allocate, udp).code == 0);
    other.turn.nonce = b"AAAAAAAA".to_vec();
    assert_eq!(world.refresh(&mut other, 600).code, 438);
    ann.turn.password = "wrong".to_owned();
    other.turn.password = "wrong".to_owned();
    assert_eq!(
        world.refresh(&mut other, 600).code,
        401,
        "a stale nonce does not hide a wrong password"
    );
}

#[test]
fn an_attribute_that_nobody_knows() {
    check_allocate(420, "unknown_attributes", |writer| {
        udp(writer);
        writer.attribute(AttributeType(0x7ABC), b"x");
    });
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer
            .attribute(AttributeType(0x7ABC), b"x")
            .attribute(AttributeType(0xFABC), b"optional");
    });
    assert_eq!(
        answer.attribute(AttributeType::UNKNOWN_ATTRIBUTES),
        Some(vec![0x7A, 0xBC])
    );
}

#[test]
fn another_name_than_the_one_that_made_the_allocation() {
    let (mut world, ann) = start();
    let mut bob = client(1, "bob");
    (bob.turn.nonce, bob.turn.realm) = (ann.turn.nonce.clone(), ann.turn.realm.clone());
    let answer = world.refresh(&mut bob, 0);
    check(&world, &answer, 441, "wrong_credentials");
    assert_eq!(world.permit(&mut bob, PEER), 441);
}

#[test]
fn a_transport_that_is_missing_or_not_relayed() {
    check_allocate(400, "missing_transport", |_| {});
    for protocol in [6, 1, 0] {
        check_allocate(442, "unsupported_transport", |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0]);
        });
    }
}

#[test]
fn a_family_that_is_unknown_or_not_here() {
    check_allocate(440, "unsupported_family", |writer| {
        udp(writer);
        writer.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0]);
    });
    let mut config = config();
    config.relay_addresses.truncate(1);
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    });
    check(&world, &answer, 440, "unsupported_family");
}

#[test]
fn attributes_that_exclude_each_other() {
    let v6 = [2, 0, 0, 0];
    let check = |pairs: &[(AttributeType, &[u8])]| {
        check_allocate(400, "conflicting_attributes", |writer| {
            udp(writer);
            for (kind, value) in pairs {
                writer.attribute(*kind, value);
            }
        });
    };
    check(&[
        (AttributeType::EVEN_PORT, &[0]),
        (AttributeType::RESERVATION_TOKEN, &[0; 8]),
    ]);
    check(&[
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &v6),
        (AttributeType::RESERVATION_TOKEN, &[0; 8]),
    ]);
    check(&[(AttributeType::RESERVATION_TOKEN, &[0; 7])]);
    check(&[(AttributeType::EVEN_PORT, &[])]);
    check(&[(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[1, 0, 0, 0])]);
    check(&[
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &v6),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &v6),
    ]);
    check(&[
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &v6),
        (AttributeType::EVEN_PORT, &[0x80]),
    ]);
}

#[test]
fn a_second_allocation_and_none() {
    let (mut world, mut ann) = start();
    let answer = world.call(&mut ann, Method::Allocate, udp);
    check(&world, &answer, 437, "allocation_exists");
    let mut bob = client(2, "bob");
    let answer = world.call(&mut bob, Method::Refresh, |_| {});
    check(&world, &answer, 437, "no_allocation");
    assert_eq!(
        [world.permit(&mut bob, PEER), world.bind(&mut bob, 0x4000, PEER)],
        [437, 437]
    );
}

#[test]
fn quotas_of_one_name_and_of_all() {
    let mut world = World::new(config());
    world.ledger = Ledger::new(2, 3);
    let mut clients: Vec<Client> = (1..=5)
        .map(|number| client(number, if number < 4 { "ann" } else { "bob" }))
        .collect();
    let codes: Vec<u16> = clients
        .iter_mut()
        .map(|client| world.call(client, Method::Allocate, udp).code)
        .collect();
    assert_eq!(codes, [0, 0, 486, 0, 508]);
    let refusals = &world.server.counts().refusals;
    assert_eq!([refusals["username_quota"], refusals["total_quota"]], [1, 1]);
    world.refresh(&mut clients[0], 0);
    assert_eq!(
        world.call(&mut clients[2], Method::Allocate, udp).code,
        0,
        "the quota is free again"
    );
}

#[test]
fn one_person_has_one_quota_whenever_their_name_expires() {
    let mut world = World::new(config());
    world.ledger = Ledger::new(1, 10);
    let start = world.now().unix_seconds;
    for (number, expected) in [(1, 0), (2, 486)] {
        let mut ann = client(number, "ann");
        ann.turn.username = trefoil_auth::turn_username(start + u64::from(number), "ann");
        ann.turn.password = trefoil_auth::turn_password(b"old", &ann.turn.username);
        assert_eq!(world.call(&mut ann, Method::Allocate, udp).code, expected);
    }
}

#[test]
fn no_port_that_is_free() {
    let mut config = config();
    config.ports = 50_000..=50_000;
    let (mut world, mut ann, mut bob) = (World::new(config), client(1, "ann"), client(2, "bob"));
    world.allocate(&mut ann);
    let answer = world.call(&mut bob, Method::Allocate, udp);
    check(&world, &answer, 508, "no_port");
    world.refresh(&mut ann, 0);
    assert_eq!(
        world.call(&mut bob, Method::Allocate, udp).code,
        508,
        "the port rests"
    );
    world.advance(30);
    assert_eq!(world.call(&mut bob, Method::Allocate, udp).code, 0);
}

#[test]
fn no_socket_to_be_had() {
    for failures in [vec![OpenFailure::Exhausted], vec![OpenFailure::PortTaken; 16]] {
        let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
        world.failures = failures;
        let answer = world.call(&mut ann, Method::Allocate, udp);
        check(&world, &answer, 508, "no_port");
        assert_eq!((world.server.allocations(), world.ledger.sums().1), (0, 0));
    }
}

#[test]
fn a_reservation_that_nobody_made() {
    check_allocate(508, "no_reservation", |writer| {
        udp(writer);
        writer.attribute(AttributeType::RESERVATION_TOKEN, &[1; 8]);
    });
}

#[test]
fn a_server_that_is_about_to_stop() {
    let (mut world, mut ann) = start();
    world.server.drain();
    let mut bob = client(2, "bob");
    let answer = world.call(&mut bob, Method::Allocate, udp);
    check(&world, &answer, 508, "draining");
    assert_eq!(
        (world.refresh(&mut ann, 600).code, world.permit(&mut ann, PEER)),
        (0, 0),
        "calls go on"
    );
}

#[test]
fn a_server_that_is_about_to_stop_and_knows_another() {
    let mut config = config();
    config.alternates = vec![
        "[2606:2800::2]:3478".parse().unwrap(),
        "93.184.215.2:3478".parse().unwrap(),
    ];
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    world.server.drain();
    let answer = world.call(&mut ann, Method::Allocate, udp);
    check(&world, &answer, 300, "try_alternate");
    let alternate = answer.attribute(AttributeType::ALTERNATE_SERVER).unwrap();
    assert_eq!(
        trefoil_stun::decode_address(&alternate),
        Some("93.184.215.2:3478".parse().unwrap())
    );
}

#[test]
fn a_peer_that_is_missing_or_of_the_other_family() {
    let (mut world, mut ann) = start();
    let answer = world.call(&mut ann, Method::CreatePermission, |_| {});
    check(&world, &answer, 400, "missing_peer");
    let answer = world.call(&mut ann, Method::CreatePermission, |writer| {
        writer.attribute(AttributeType::XOR_PEER_ADDRESS, b"short");
    });
    check(&world, &answer, 400, "missing_peer");
    assert_eq!(
        [
            world.permit(&mut ann, PEER_V6),
            world.bind(&mut ann, 0x4000, PEER_V6)
        ],
        [443, 443]
    );
    assert!(world.server.counts().refusals.contains_key("peer_family"));
}

#[test]
fn a_peer_where_nothing_may_be_sent() {
    let (mut world, mut ann) = start();
    for peer in [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "169.254.169.254:80",
        "0.0.0.0:1",
        "224.0.0.1:5353",
    ] {
        assert_eq!(
            [world.permit(&mut ann, peer), world.bind(&mut ann, 0x4000, peer)],
            [403, 403],
            "{peer}"
        );
        assert_eq!(world.send(&mut ann, peer, b"x"), trefoil_turn::Verdict::Nothing);
    }
    for peer in [
        "[::ffff:127.0.0.1]:80",
        "[::1]:80",
        "[64:ff9b::7f00:1]:80",
        "[fe80::1]:80",
    ] {
        assert_eq!(world.permit(&mut ann, peer), 403, "{peer}");
    }
    // Our own listener and our own other ports, although permissions for the address are granted.
    assert_eq!(
        [
            world.permit(&mut ann, LISTENER),
            world.bind(&mut ann, 0x4000, LISTENER)
        ],
        [0, 403]
    );
    let other = format!("{RELAY_V4}:22");
    assert_eq!(
        [
            world.permit(&mut ann, &other),
            world.bind(&mut ann, 0x4000, &other)
        ],
        [0, 403]
    );
    assert_eq!(world.send(&mut ann, &other, b"x"), trefoil_turn::Verdict::Nothing);
    assert_eq!(
        world.send(&mut ann, LISTENER, b"x"),
        trefoil_turn::Verdict::Nothing
    );
    let counts = world.server.counts();
    assert!(counts.forbidden["loopback"] >= 2 && counts.forbidden["own-listener"] == 1);
}

#[test]
fn all_permissions_of_a_request_or_none() {
    let (mut world, mut ann) = start();
    let answer = world.call(&mut ann, Method::CreatePermission, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.parse().unwrap());
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, "10.0.0.1:1".parse().unwrap());
    });
    check(&world, &answer, 403, "peer_forbidden");
    assert_eq!(world.send(&mut ann, PEER, b"x"), trefoil_turn::Verdict::Nothing);
}

#[test]
fn more_permissions_or_channels_than_one_allocation_may_have() {
    let mut config = config();
    config.limits.permissions = 3;
    config.limits.channels = 2;
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    world.allocate(&mut ann);
    let codes = [1, 2, 3, 4, 1].map(|last| world.permit(&mut ann, &format!("8.8.8.{last}:1")));
    assert_eq!(codes, [0, 0, 0, 508, 0]);
    let codes =
        [1, 2, 3, 1].map(|number: u16| world.bind(&mut ann, 0x4000 + number, &format!("8.8.8.1:{number}")));
    assert_eq!(codes, [0, 0, 508, 0]);
    assert_eq!(world.bind(&mut ann, 0x4001, "8.8.8.9:1"), 400);
    let refusals = &world.server.counts().refusals;
    assert_eq!([refusals["permission_quota"], refusals["channel_quota"]], [1, 1]);
    world.advance(300);
    assert_eq!(
        world.permit(&mut ann, "8.8.8.4:1"),
        0,
        "what has expired counts no more"
    );
    assert_eq!(
        world.bind(&mut ann, 0x4002, "8.8.8.2:2"),
        400,
        "a channel's number is kept for ten minutes"
    );
}

#[test]
fn a_channel_out_of_range_or_bound_elsewhere() {
    let (mut world, mut ann) = start();
    for number in [0x0000, 0x3FFF, 0x8000, 0xFFFF] {
        assert_eq!(world.bind(&mut ann, number, PEER), 400, "{number:#x}");
    }
    assert!(world.server.counts().refusals["bad_channel"] == 4);
    for (number, peer, code) in [
        (0x4000, PEER, 0),
        (0x4000, PEER, 0),
        (0x4000, "8.8.8.8:5001", 400),
        (0x4001, PEER, 400),
        (0x7FFF, "8.8.8.8:5001", 0),
    ] {
        assert_eq!(world.bind(&mut ann, number, peer), code, "{number:#x} {peer}");
    }
    assert_eq!(world.server.counts().refusals["channel_taken"], 2);
}
