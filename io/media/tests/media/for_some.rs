//! What is published for some only, and under a name of the application's: from the first packet on, on whatever worker.

use std::time::Duration;

use crate::world::{PICTURE, VOICE, Wire, World, opus, vp8};
use trefoil_media::{Ask, Described, HearWish, Source};
use trefoil_peer::client::Media as Packet;

/// Publishes a voice and a picture, described like this.
fn publish(world: &mut World, number: u64, described: &[Described]) {
    let mut wire = Wire::udp();
    let (offer, mids) = wire.client.offer(&[VOICE, PICTURE]);
    let sources = mids.iter().cloned().zip(described.iter().cloned()).collect();
    let person = world.people.get_mut(&number).unwrap();
    (person.publish, person.mids) = (Some(wire), mids);
    world.ask(number, Ask::Publish { offer, sources });
}

/// Says and shows something, as soon as there is a way to.
fn send(world: &mut World, number: u64, sequence: &mut u64) {
    let connected = world.people[&number].publish.as_ref().unwrap().connected;
    if !connected || !world.tick() {
        return;
    }
    *sequence += 1;
    let (sequence, timestamp, voice) = opus(*sequence);
    let picture = vp8(sequence % 10 == 1, 360, sequence as u16, 500);
    for (index, payload) in [(0, &voice), (1, &picture)] {
        let packet = Packet {
            sequence,
            timestamp,
            marker: true,
            payload,
            level: Some(-20),
        };
        world.send(number, index, None, packet);
    }
}

#[test]
fn nobody_else_ever_gets_a_packet_of_it() {
    for share in [100, 1] {
        let mut world = World::with(|config| config.room_share = share);
        for number in 1..=4 {
            world.enter(number);
        }
        let wish = HearWish {
            mixed: Some(true),
            ..HearWish::default()
        };
        world.ask(4, Ask::Hear(wish));
        for number in 2..=4 {
            world.subscribe(number);
        }
        let private = |source: Source| Described {
            to: Some(vec![3]),
            ..source.into()
        };
        publish(
            &mut world,
            1,
            &[private(Source::Microphone), private(Source::Camera)],
        );
        let mut sequence = 0;
        world.until("the one whom it is for receives both", |world| {
            send(world, 1, &mut sequence);
            let tracks = &world.people[&1].published;
            tracks.len() == 2 && tracks.values().all(|track| world.received(3, *track).len() > 20)
        });
        world.during(Duration::from_millis(100), |world| send(world, 1, &mut sequence));
        for other in [2, 4] {
            let received = world.people[&other].received.len();
            assert_eq!(received, 0, "{share}: {other} received {received} packets");
        }
        // Who is told of it is no secret, and it can be for everybody later.
        let track = world.track(1, 0);
        world.ask(1, Ask::Allow { track, to: None });
        world.until("everybody hears it", |world| {
            send(world, 1, &mut sequence);
            world.received(2, track).len() > 20
        });
    }
}

#[test]
fn a_name_of_the_applications_is_told_to_everybody_on_every_worker() {
    for share in [100, 1] {
        let mut world = World::with(|config| config.room_share = share);
        for number in 1..=3 {
            world.enter(number);
        }
        let board = Described {
            name: Some("whiteboard".into()),
            ..Source::Other.into()
        };
        publish(&mut world, 1, &[Source::Microphone.into(), board]);
        for number in 2..=4 {
            if number == 4 {
                world.enter(4);
            }
            world.until("they are told", |world| {
                let tracks = world.people[&number].tracks.get(&1);
                tracks.is_some_and(|tracks| {
                    let told: Vec<_> = tracks
                        .iter()
                        .map(|track| (track.source, track.name.as_deref()))
                        .collect();
                    told == [(Source::Microphone, None), (Source::Other, Some("whiteboard"))]
                })
            });
        }
    }
}
