//! The packet path: channels, indications, permissions, and relay to relay.

use std::time::Duration;

use trefoil_turn::{ChannelNumber, Framing, Net, PeerAddr, PeerFilter, RelayedAddr, Shard, Verdict};

use trefoil_turn::{IdentityRates, Ledger};

use crate::world::{Client, PEER, RELAY_V4, World, client, config};

fn start() -> (World, Client, std::net::SocketAddr) {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let relayed = world.allocate(&mut ann);
    (world, ann, relayed)
}

fn peer(text: &str) -> PeerAddr {
    PeerAddr(text.parse().unwrap())
}

#[test]
fn channel_data_goes_to_the_peer_and_back() {
    let (mut world, mut ann, relayed) = start();
    assert_eq!(world.bind(&mut ann, 0x4001, PEER), 0);
    let relay = *world.open.keys().next().unwrap();
    let expected = Verdict::ToPeer {
        relay,
        peer: peer(PEER),
        data: 4..8,
        dont_fragment: false,
    };
    assert_eq!(world.channel_data(&ann, 0x4001, b"data"), expected);
    let framing = Framing::Channel(ChannelNumber::new(0x4001).unwrap());
    assert_eq!(
        world.arrive(relayed, PEER),
        Verdict::ToClient {
            client: ann.at,
            framing,
            data: 0..4
        }
    );
}

#[test]
fn a_service_of_ours_is_reached_at_its_port_and_at_no_other() {
    let mut config = config();
    let service = "8.8.4.4:3479";
    config.filter = PeerFilter::new(
        Vec::new(),
        Vec::new(),
        vec!["8.8.4.4".parse().unwrap()],
        vec![RELAY_V4.parse().unwrap()],
    )
    .with_services(vec![
        service.parse().unwrap(),
        format!("{RELAY_V4}:3479").parse().unwrap(),
    ]);
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    world.allocate(&mut ann);
    for (number, at) in [(0x4001, "8.8.4.4"), (0x4002, RELAY_V4)] {
        assert_eq!(world.permit(&mut ann, &format!("{at}:9")), 0);
        let service = format!("{at}:3479");
        let Verdict::ToPeer { peer: to, .. } = world.send(&mut ann, &service, b"abc") else {
            panic!("not sent to {service}")
        };
        assert_eq!(to, peer(&service));
        assert_eq!(
            world.send(&mut ann, &format!("{at}:22"), b"abc"),
            Verdict::Nothing
        );
        assert_eq!(world.bind(&mut ann, number, &service), 0);
        assert_eq!(world.bind(&mut ann, number + 2, &format!("{at}:22")), 403);
    }
}

#[test]
fn a_send_indication_goes_to_the_peer_and_its_answer_is_a_data_indication() {
    let (mut world, mut ann, relayed) = start();
    assert_eq!(world.permit(&mut ann, PEER), 0);
    let Verdict::ToPeer { peer: to, data, .. } = world.send(&mut ann, PEER, b"abcde") else {
        panic!("not sent")
    };
    assert_eq!((to, data.len()), (peer(PEER), 5));
    // The permission is for the address, whatever the port.
    let framing = Framing::Indication(peer("8.8.8.8:7"));
    assert_eq!(
        world.arrive(relayed, "8.8.8.8:7"),
        Verdict::ToClient {
            client: ann.at,
            framing,
            data: 0..4
        }
    );

    let mut bytes = vec![0; 48];
    let used = world
        .server
        .data_indication(peer(PEER), 5, bytes.as_mut_slice().try_into().unwrap());
    bytes.truncate(used);
    bytes.extend(b"abcde\0\0\0");
    let message = trefoil_stun::Message::parse(&bytes).unwrap();
    assert_eq!(message.method(), trefoil_stun::Method::Data);
    assert_eq!(message.class(), trefoil_stun::Class::Indication);
    assert_eq!(
        message.xor_address(trefoil_stun::AttributeType::XOR_PEER_ADDRESS),
        Some(PEER.parse().unwrap())
    );
    assert_eq!(
        message.first(trefoil_stun::AttributeType::DATA),
        Some(&b"abcde"[..])
    );
}

#[test]
fn a_permission_lasts_five_minutes_and_ignores_the_peer_port() {
    let (mut world, mut ann, relayed) = start();
    world.permit(&mut ann, PEER);
    world.advance(299);
    assert_ne!(world.arrive(relayed, "8.8.8.8:1"), Verdict::Nothing);
    assert_ne!(world.send(&mut ann, "8.8.8.8:1", b"x"), Verdict::Nothing);
    world.advance(1);
    assert_eq!(world.arrive(relayed, PEER), Verdict::Nothing);
    assert_eq!(world.send(&mut ann, PEER, b"x"), Verdict::Nothing);
    world.permit(&mut ann, PEER);
    assert_ne!(world.arrive(relayed, PEER), Verdict::Nothing);
}

#[test]
fn a_channel_lasts_ten_minutes_and_its_permission_five() {
    let (mut world, mut ann, relayed) = start();
    world.bind(&mut ann, 0x4000, PEER);
    world.advance(300);
    assert_eq!(world.channel_data(&ann, 0x4000, b"x"), Verdict::Nothing);
    assert_eq!(world.arrive(relayed, PEER), Verdict::Nothing);
    world.permit(&mut ann, PEER);
    assert_ne!(world.channel_data(&ann, 0x4000, b"x"), Verdict::Nothing);
    world.advance(299);
    assert_eq!(world.refresh(&mut ann, 600).code, 0);
    world.permit(&mut ann, PEER);
    world.advance(1);
    assert_eq!(
        world.channel_data(&ann, 0x4000, b"x"),
        Verdict::Nothing,
        "the channel has ended"
    );
    let framing = Framing::Indication(peer(PEER));
    assert_eq!(
        world.arrive(relayed, PEER),
        Verdict::ToClient {
            client: ann.at,
            framing,
            data: 0..4
        }
    );
    assert_eq!(
        world.bind(&mut ann, 0x4000, "8.8.4.4:5"),
        0,
        "and its number is free"
    );
}

#[test]
fn nothing_passes_without_permission_channel_or_allocation() {
    let (mut world, mut ann, relayed) = start();
    assert_eq!(world.arrive(relayed, PEER), Verdict::Nothing);
    assert_eq!(world.send(&mut ann, PEER, b"x"), Verdict::Nothing);
    assert_eq!(world.channel_data(&ann, 0x4000, b"x"), Verdict::Nothing);
    let mut stranger = client(9, "bob");
    assert_eq!(world.send(&mut stranger, PEER, b"x"), Verdict::Nothing);
    assert_eq!(world.channel_data(&stranger, 0x4000, b"x"), Verdict::Nothing);
    assert_eq!(world.server.counts().unroutable, 5);
}

#[test]
fn relay_to_relay_stays_in_the_process_and_needs_both_permissions() {
    let (mut world, mut ann, of_ann) = start();
    let mut bob = client(2, "bob");
    let of_bob = world.allocate(&mut bob);
    assert_eq!(world.bind(&mut ann, 0x4000, &of_bob.to_string()), 0);
    assert_eq!(
        world.channel_data(&ann, 0x4000, b"data"),
        Verdict::Nothing,
        "bob has not permitted ann"
    );
    assert_eq!(world.permit(&mut bob, &of_ann.to_string()), 0);
    let framing = Framing::Indication(PeerAddr(of_ann));
    let expected = Verdict::ToClient {
        client: bob.at,
        framing,
        data: 4..8,
    };
    assert_eq!(world.channel_data(&ann, 0x4000, b"data"), expected);
    assert_eq!(world.bind(&mut bob, 0x4fff, &of_ann.to_string()), 0);
    let framing = Framing::Channel(ChannelNumber::new(0x4fff).unwrap());
    let expected = Verdict::ToClient {
        client: bob.at,
        framing,
        data: 4..8,
    };
    assert_eq!(world.channel_data(&ann, 0x4000, b"data"), expected);
    world.refresh(&mut bob, 0);
    assert_eq!(
        world.channel_data(&ann, 0x4000, b"data"),
        Verdict::Nothing,
        "nobody lives there any more"
    );
}

#[test]
fn data_for_a_relayed_address_never_reaches_a_socket() {
    let mut config = config();
    config.filter = PeerFilter::new(
        vec![RELAY_V4.parse::<Net>().unwrap()],
        Vec::new(),
        Vec::new(),
        vec![RELAY_V4.parse().unwrap()],
    );
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    world.allocate(&mut ann);
    // Allowed by the operator, but no allocation lives at this port.
    let nobody = format!("{RELAY_V4}:50099");
    assert_eq!(world.bind(&mut ann, 0x4000, &nobody), 0);
    assert_eq!(world.channel_data(&ann, 0x4000, b"x"), Verdict::Nothing);
    assert_eq!(world.send(&mut ann, &nobody, b"x"), Verdict::Nothing);
    // Outside the relay's ports it is a peer like any other.
    assert_eq!(world.bind(&mut ann, 0x4001, &format!("{RELAY_V4}:7000")), 0);
    assert!(matches!(
        world.channel_data(&ann, 0x4001, b"x"),
        Verdict::ToPeer { .. }
    ));
}

#[test]
fn data_for_another_shard_is_handed_to_it() {
    let mut here = config();
    here.shard = Shard { index: 0, count: 2 };
    let mut there = config();
    there.shard = Shard { index: 1, count: 2 };
    let (mut here, mut there) = (World::new(here), World::new(there));
    let (mut ann, mut bob) = (client(1, "ann"), client(2, "bob"));
    let (of_ann, of_bob) = (here.allocate(&mut ann), there.allocate(&mut bob));
    here.bind(&mut ann, 0x4000, &of_bob.to_string());
    there.permit(&mut bob, &of_ann.to_string());
    let (from, to) = (RelayedAddr(of_ann), RelayedAddr(of_bob));
    assert_eq!(
        here.channel_data(&ann, 0x4000, b"data"),
        Verdict::ToShard {
            shard: 1,
            from,
            to,
            data: 4..8
        }
    );
    let framing = Framing::Indication(PeerAddr(of_ann));
    let expected = Verdict::ToClient {
        client: bob.at,
        framing,
        data: 0..4,
    };
    assert_eq!(
        there.server.handle_relayed(from, to, 0..4, there.elapsed),
        expected
    );
}

#[test]
fn an_allocation_keeps_to_its_rates() {
    let mut config = config();
    config.limits.bits_per_second = Some(8000);
    config.limits.packets_per_second = Some(5);
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    let relayed = world.allocate(&mut ann);
    world.bind(&mut ann, 0x4000, PEER);
    let passed = |world: &mut World| {
        (0..10)
            .filter(|_| world.channel_data(&ann, 0x4000, b"data") != Verdict::Nothing)
            .count()
    };
    assert_eq!(passed(&mut world), 5);
    assert_eq!(
        world.arrive(relayed, PEER),
        Verdict::Nothing,
        "both directions share"
    );
    world.elapsed += Duration::from_secs(1);
    assert_eq!(passed(&mut world), 5);
    world.elapsed += Duration::from_secs(1);
    assert_eq!(
        world.channel_data(&ann, 0x4000, &[0; 1100]),
        Verdict::Nothing,
        "8800 bits"
    );
    assert_eq!(world.server.counts().over_rate, 12);
}

#[test]
fn all_allocations_of_an_identity_keep_to_its_rates_on_whichever_shard() {
    let ledger = || {
        Ledger::new(10, 50).with_rates(IdentityRates {
            bits_per_second: Some(8000),
            packets_per_second: Some(100),
        })
    };
    let (mut one, mut other) = (World::new(config()), World::new(config()));
    one.ledger = ledger();
    let mut clients = [client(1, "ann"), client(2, "ann"), client(3, "bob")];
    let relayed = clients.each_mut().map(|client| {
        let relayed = one.allocate(client);
        one.bind(client, 0x4000, PEER);
        relayed
    });
    // The other shard asks the same ledger.
    std::mem::swap(&mut one.ledger, &mut other.ledger);
    let mut elsewhere = client(4, "ann");
    other.allocate(&mut elsewhere);
    other.bind(&mut elsewhere, 0x4000, PEER);

    let passed = |world: &mut World, client: &Client| {
        (0..100)
            .filter(|_| world.channel_data(client, 0x4000, b"data") != Verdict::Nothing)
            .count()
    };
    assert_eq!(passed(&mut one, &clients[0]), 100);
    assert_eq!(
        [passed(&mut one, &clients[1]), passed(&mut other, &elsewhere)],
        [0, 0],
        "the others of that name share"
    );
    assert_eq!(
        one.arrive(relayed[1], PEER),
        Verdict::Nothing,
        "in both directions"
    );
    assert_eq!(passed(&mut one, &clients[2]), 100, "another name has its own");
    assert_eq!(one.server.counts().over_identity_rate, 101);
    assert_eq!(one.server.counts().over_rate, 0);
    other.elapsed += Duration::from_millis(500);
    assert_eq!(passed(&mut other, &elsewhere), 50);

    // Whoever comes again has what is left, not a fresh allowance.
    std::mem::swap(&mut one.ledger, &mut other.ledger);
    one.elapsed += Duration::from_millis(500);
    one.refresh(&mut clients[0], 0);
    one.refresh(&mut clients[1], 0);
    one.ledger.give_back("ann");
    one.allocate(&mut clients[0]);
    one.bind(&mut clients[0], 0x4000, PEER);
    assert_eq!(passed(&mut one, &clients[0]), 0);
}
