//! A room on several workers: everything that holds for a room on one, with each person on another worker, and what is new.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

// Their tests run here too: `World` gives each worker a share of one person where it is a part of this file.
#[path = "media/call.rs"]
mod call;
#[path = "media/forwarding.rs"]
mod forwarding;
#[path = "media/mixing.rs"]
mod mixing;
#[path = "media/world/mod.rs"]
mod world;

use std::time::Duration;

use forwarding::{PICTURE, VOICE};
use trefoil_media::Ask;
use world::{
    World,
    send::{next, say, show},
};

#[test]
fn the_room_goes_on_when_everybody_at_its_home_has_left() {
    let mut world = World::new();
    for number in [1, 2, 3] {
        world.enter(number);
    }
    // Room 1 is at home on worker 1, where the first is; the others are on two branches.
    world.publish(2, &[VOICE, PICTURE]);
    world.subscribe(3);
    world.leave(1);
    let (voice, picture) = (world.track(2, 0), world.track(2, 1));
    let mut sequence = 1000;
    world.until("one branch receives from the other", |world| {
        next(world, &mut sequence, |world, sequence| {
            say(world, 2, 0, sequence);
            show(world, 2, 1, (None, 360), sequence);
        });
        [voice, picture]
            .iter()
            .all(|track| world.received(3, *track).len() > 30)
    });
    world.leave(2);
    world.until("the tracks are gone", |world| world.people[&3].slots.is_empty());
    // The home begins anew and learns who is there.
    world.enter(4);
    world.publish(4, &[VOICE]);
    let voice = world.track(4, 0);
    world.until("the branch hears the newcomer", |world| {
        next(world, &mut sequence, |world, sequence| say(world, 4, 0, sequence));
        world.received(3, voice).len() > 30
    });
}

#[test]
fn a_newcomer_on_any_worker_is_told_what_everybody_publishes() {
    let mut world = World::new();
    for number in [1, 2, 3] {
        world.enter(number);
        world.publish(number, &[VOICE]);
    }
    for number in [4, 5, 6] {
        world.enter(number);
        world.until("all three are told", |world| {
            let tracks = &world.people[&number].tracks;
            [1, 2, 3]
                .iter()
                .all(|of| tracks.get(of).is_some_and(|tracks| tracks.len() == 1))
        });
    }
}

#[test]
fn a_track_that_is_for_one_reaches_nobody_else_on_any_worker() {
    let mut world = World::new();
    for number in [1, 2, 3] {
        world.enter(number);
    }
    world.publish(1, &[VOICE]);
    let track = world.track(1, 0);
    world.ask(
        1,
        Ask::Allow {
            track,
            to: Some(vec![3]),
        },
    );
    for number in [2, 3] {
        world.subscribe(number);
    }
    let mut sequence = 0;
    world.until("the one who may hears", |world| {
        next(world, &mut sequence, |world, sequence| say(world, 1, 0, sequence));
        world.received(3, track).len() > 30
    });
    world.during(Duration::from_millis(200), |_| {});
    assert!(world.people[&2].received.is_empty());
}
