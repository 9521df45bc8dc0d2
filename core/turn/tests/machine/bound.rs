//! Bound channels, of which a caller is told who carries their data past the machine.

use std::time::Duration;

use trefoil_stun::{AttributeType, Method};
use trefoil_turn::{BoundChannel, Config, PeerAddr, Traffic};

use crate::world::{Client, PEER, RELAY_V4, World, client, config, udp};

const OTHER: &str = "8.8.4.4:5001";

fn start() -> (World, Client) {
    let carried = Config {
        channels_are_carried: true,
        ..config()
    };
    let (mut world, mut ann) = (World::new(carried), client(1, "ann"));
    world.allocate(&mut ann);
    (world, ann)
}

/// What the world was last told of its only allocation.
fn told(world: &World) -> Vec<BoundChannel> {
    assert_eq!(world.bound.len(), 1);
    world.bound.values().next().unwrap().clone()
}

#[test]
fn a_channel_is_told_of_with_both_its_ends_and_how_long_it_lives() {
    let (mut world, mut ann) = start();
    assert_eq!(world.bind(&mut ann, 0x4001, PEER), 0);
    let [bound] = told(&world)[..] else {
        panic!("one channel")
    };
    assert_eq!((bound.client, bound.channel.get()), (ann.at, 0x4001));
    assert_eq!(bound.peer, PeerAddr(PEER.parse().unwrap()));
    assert_eq!(bound.from.ip().to_string(), RELAY_V4);
    assert!(world.open.values().any(|open| *open == bound.from));
    let permission = Duration::from_secs(300);
    assert_eq!(bound.until, world.elapsed + permission, "the shorter of the two");
    world.advance(299);
    assert_eq!(world.permit(&mut ann, PEER), 0);
    assert_eq!(told(&world)[0].until, world.elapsed + permission);
}

#[test]
fn what_has_expired_or_leads_to_a_relayed_address_is_not_told_of() {
    let (mut world, mut ann) = start();
    let own = world.allocate(&mut client(2, "ann")).to_string();
    assert_eq!(world.bind(&mut ann, 0x4001, &own), 0);
    assert_eq!(told(&world), [], "that never leaves the process");
    world.bind(&mut ann, 0x4002, PEER);
    world.advance(200);
    assert_eq!(world.bind(&mut ann, 0x4003, OTHER), 0);
    assert_eq!(told(&world).len(), 2);
    let (id, now) = (*world.bound.keys().next().unwrap(), world.elapsed);
    let left = |seconds| {
        world
            .server
            .bound_channels(id, now + Duration::from_secs(seconds))
            .count()
    };
    assert_eq!((left(99), left(100), left(299), left(300)), (2, 1, 1, 0));
}

#[test]
fn a_client_that_moves_takes_its_channels_with_it() {
    let (mut world, mut ann) = start();
    world.refresh(&mut ann, 0);
    world.bound.clear();
    let answer = world.call(&mut ann, Method::Allocate, |writer| {
        udp(writer);
        writer.attribute(AttributeType::MOBILITY_TICKET, &[]);
    });
    let ticket = answer.attribute(AttributeType::MOBILITY_TICKET).unwrap();
    world.bind(&mut ann, 0x4000, PEER);
    ann.at.remote.set_port(7000);
    let answer = world.ask(&mut ann, Method::Refresh, |_| {});
    assert!(ann.turn.learn(&answer));
    let answer = world.ask(&mut ann, Method::Refresh, |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
    });
    assert_eq!((answer.code, told(&world)[0].client), (0, ann.at));
}

#[test]
fn an_allocation_that_ends_has_none_and_what_was_carried_counts() {
    let (mut world, mut ann) = start();
    world.bind(&mut ann, 0x4000, PEER);
    let id = *world.bound.keys().next().unwrap();
    let carried = Traffic {
        packets_from_client: 1,
        bytes_from_client: 20,
        packets_to_client: 3,
        bytes_to_client: 40,
    };
    world.server.handle_carried(id, carried);
    world.server.handle_carried(id, carried);
    let (_, _, traffic) = world.server.each_allocation().next().unwrap();
    assert_eq!((traffic.packets_from_client, traffic.bytes_to_client), (2, 80));
    assert_eq!(world.refresh(&mut ann, 0).code, 0);
    assert_eq!(told(&world), []);
    world.server.handle_carried(id, carried);
    assert_eq!(
        world.server.counts().traffic.packets_to_client,
        9,
        "what came late counts too"
    );
}

#[test]
fn nobody_is_told_who_did_not_ask() {
    let (mut world, mut ann) = (World::new(config()), client(1, "ann"));
    world.allocate(&mut ann);
    world.bind(&mut ann, 0x4000, PEER);
    assert!(world.bound.is_empty());
}
