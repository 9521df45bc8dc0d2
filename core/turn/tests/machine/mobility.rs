//! Mobility: an allocation follows its client.

use trefoil_stun::{AttributeType, Method, Writer};
use trefoil_testkit::Answer;
use trefoil_turn::{Shard, Transport, Verdict};

use crate::world::{Client, PEER, World, client, config, udp};

fn ticket(bytes: &[u8]) -> impl Fn(&mut Writer<'_>) + use<> {
    let bytes = bytes.to_vec();
    move |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &bytes);
    }
}

fn ticket_of(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.code, 0);
    answer.attribute(AttributeType::MOBILITY_TICKET).unwrap()
}

fn allocate(world: &mut World, client: &mut Client) -> Vec<u8> {
    let answer = world.call(client, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
    });
    ticket_of(&answer)
}

/// The same client at another address, with a fresh nonce from there.
fn moved(world: &mut World, client: &Client, port: u16) -> Client {
    let mut moved = Client {
        at: client.at,
        turn: client.turn.clone(),
    };
    moved.at.remote.set_port(port);
    let answer = world.ask(&mut moved, Method::Refresh, |_| {});
    assert_eq!((answer.code, moved.turn.learn(&answer)), (438, true));
    moved
}

#[test]
fn an_allocation_follows_its_client_and_keeps_its_permissions() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    let first = allocate(&mut world, &mut ann);
    world.bind(&mut ann, 0x4000, PEER);
    let relayed = *world.open.values().next().unwrap();
    let mut there = moved(&mut world, &ann, 7000);
    let request = there.turn.request(Method::Refresh, ticket(&first));
    let second = ticket_of(&world.ask_with(&there, &request));
    assert_ne!(first, second);
    assert_eq!(
        ticket_of(&world.ask_with(&there, &request)),
        second,
        "a retransmission is answered alike"
    );
    assert!(matches!(
        world.channel_data(&there, 0x4000, b"x"),
        Verdict::ToPeer { .. }
    ));
    assert_eq!(
        world.channel_data(&ann, 0x4000, b"x"),
        Verdict::Nothing,
        "the old address is nobody's"
    );
    let Verdict::ToClient { client: to, .. } = world.arrive(relayed, PEER) else {
        panic!("not delivered")
    };
    assert_eq!(
        (to, world.server.allocations(), world.ledger.sums().1),
        (there.at, 1, 1)
    );
    assert_eq!(world.refresh(&mut there, 0).code, 0);
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
fn a_ticket_that_is_old_forged_or_somebody_elses_moves_nothing() {
    let (mut world, mut ann, mut bob) = (World::new(config()), client(1, "ann"), client(2, "bob"));
    let first = allocate(&mut world, &mut ann);
    let mut there = moved(&mut world, &ann, 7000);
    let second = ticket_of(&world.ask(&mut there, Method::Refresh, ticket(&first)));
    let third = ticket_of(&world.ask(&mut there, Method::Refresh, ticket(&second)));
    let mut elsewhere = moved(&mut world, &ann, 7001);
    for bad in [&first[..], &[0; 24], &[1], &[0; 25]] {
        assert_eq!(world.ask(&mut elsewhere, Method::Refresh, ticket(bad)).code, 400);
    }
    assert_eq!(world.call(&mut bob, Method::Refresh, ticket(&third)).code, 441);
    world.allocate(&mut bob);
    let mut of_bob = Client {
        at: bob.at,
        turn: elsewhere.turn.clone(),
    };
    of_bob.turn.nonce = bob.turn.nonce.clone();
    assert_eq!(
        world.ask(&mut of_bob, Method::Refresh, ticket(&third)).code,
        437,
        "the address has an allocation"
    );
    assert!(world.server.counts().refusals["bad_ticket"] == 4);
    assert_eq!(world.server.allocations(), 2);
}

#[test]
fn a_server_that_lets_nothing_move_says_so() {
    let mut config = config();
    config.mobility = false;
    let (mut world, mut ann) = (World::new(config), client(1, "ann"));
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
    });
    assert_eq!(
        (answer.code, world.server.counts().refusals["mobility_forbidden"]),
        (405, 1)
    );
}

#[test]
fn an_allocation_waits_for_its_client_after_a_broken_connection_and_holds_its_quota() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    ann.at.transport = Transport::Tcp;
    let ticket_bytes = allocate(&mut world, &mut ann);
    let now = world.now();
    world.server.handle_disconnected(ann.at, now);
    world.settle();
    assert_eq!((world.server.allocations(), world.ledger.sums().1), (1, 1));
    // Somebody else may get the address meanwhile.
    let mut bob = client(1, "bob");
    bob.at = ann.at;
    world.allocate(&mut bob);
    let mut there = moved(&mut world, &ann, 7000);
    assert_eq!(
        world.ask(&mut there, Method::Refresh, ticket(&ticket_bytes)).code,
        0
    );
    assert_eq!(world.refresh(&mut there, 0).code, 0);
    assert_eq!(
        world.refresh(&mut bob, 600).code,
        0,
        "who got the address keeps it"
    );
    world.advance(600);
    assert_eq!((world.server.allocations(), world.ledger.sums().1), (0, 0));
}

#[test]
fn a_reserved_port_of_another_shard_is_asked_for_there() {
    let mut shards = [0, 1].map(|index| {
        let mut config = config();
        config.shard = Shard { index, count: 2 };
        World::new(config)
    });
    let (mut ann, mut bob) = (client(1, "ann"), client(2, "bob"));
    let answer = shards[1].call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::EVEN_PORT, &[0x80]);
    });
    let token = answer.attribute(AttributeType::RESERVATION_TOKEN).unwrap();
    let redeem = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
    };
    let request = bob.turn.request(Method::Allocate, redeem);
    assert_eq!(
        shards[0].hand(bob.at, &request),
        (Verdict::ToOwner { shard: 1 }, Vec::new())
    );
    assert_eq!(shards[1].call(&mut bob, Method::Allocate, redeem).code, 0);
}

#[test]
fn a_client_that_moves_to_another_shard_is_handed_to_its_own() {
    let mut shards = [0, 1].map(|index| {
        let mut config = config();
        config.shard = Shard { index, count: 2 };
        World::new(config)
    });
    let mut ann = client(1, "ann");
    let first = allocate(&mut shards[1], &mut ann);
    let mut there = moved(&mut shards[1], &ann, 7000);
    let request = there.turn.request(Method::Refresh, ticket(&first));
    assert_eq!(
        shards[0].hand(there.at, &request),
        (Verdict::ToOwner { shard: 1 }, Vec::new())
    );
    assert_eq!(shards[1].ask_with(&there, &request).code, 0);
    // What follows takes the same way, as long as it goes on.
    for _ in 0..3 {
        shards[0].advance(59);
        assert_eq!(
            shards[0].channel_data(&there, 0x4000, b"x"),
            Verdict::ToOwner { shard: 1 }
        );
    }
    shards[0].advance(60);
    assert_eq!(shards[0].channel_data(&there, 0x4000, b"x"), Verdict::Nothing);
}
