//! What is published reaches those who subscribe, over real sockets and real SRTP.

use std::{collections::BTreeSet, time::Duration};

use crate::world::{
    ALL, ROOM, Wire, World, opus,
    send::{next, say, show},
};
use trefoil_media::{Ask, MuteState, Rights, RoomKey};

pub(crate) const VOICE: (bool, &[&str]) = (false, &[]);
pub(crate) const PICTURE: (bool, &[&str]) = (true, &[]);
const SIMULCAST: (bool, &[&str]) = (true, &["q", "h", "f"]);

/// Somebody who publishes, and those who receive.
fn room(publisher: u64, media: &[(bool, &[&str])], subscribers: &[u64]) -> World {
    let mut world = World::new();
    world.enter(publisher);
    world.publish(publisher, media);
    for number in subscribers {
        world.enter(*number);
        world.subscribe(*number);
    }
    world
}

#[test]
fn what_one_publishes_everybody_else_receives_and_nobody_twice() {
    let mut world = room(1, &[VOICE, PICTURE], &[2, 3]);
    world.subscribe(1);
    let (voice, picture) = (world.track(1, 0), world.track(1, 1));
    let mut sequence = 1000;
    world.until("both hear and see", |world| {
        next(world, &mut sequence, |world, sequence| {
            say(world, 1, 0, sequence);
            show(world, 1, 1, (None, 360), sequence);
        });
        [2, 3].iter().all(|number| {
            [voice, picture]
                .iter()
                .all(|track| world.received(*number, *track).len() >= 50)
        })
    });
    assert!(world.people[&1].received.is_empty(), "nobody receives themselves");
    for number in [2, 3] {
        for track in [voice, picture] {
            let received = world.received(number, track);
            let distinct: BTreeSet<u64> = received.iter().map(|packet| packet.sequence).collect();
            assert_eq!(distinct.len(), received.len(), "each packet comes once");
            let (first, last) = (distinct.first().unwrap(), distinct.last().unwrap());
            assert_eq!(last - first + 1, distinct.len() as u64, "and there is no gap");
        }
        let heard = world.received(number, voice);
        let expected = opus(0).2;
        assert!(
            heard.iter().all(|packet| packet.payload[2..] == expected[2..]),
            "bytes are not touched"
        );
    }
}

#[test]
fn what_was_lost_is_sent_again() {
    let mut world = room(1, &[PICTURE], &[2]);
    world
        .people
        .get_mut(&2)
        .unwrap()
        .subscribe
        .as_mut()
        .unwrap()
        .lose_each = 10;
    let track = world.track(1, 0);
    let mut sequence = 1000;
    world.during(Duration::from_secs(3), |world| {
        next(world, &mut sequence, |world, sequence| {
            show(world, 1, 0, (None, 360), sequence)
        });
    });
    world.during(Duration::from_millis(500), |_| {});
    let received: BTreeSet<u64> = world
        .received(2, track)
        .iter()
        .map(|packet| packet.sequence)
        .collect();
    let (first, last) = (*received.first().unwrap(), *received.last().unwrap());
    let missing = (first..=last)
        .filter(|sequence| !received.contains(sequence))
        .count();
    let all = (last - first + 1) as usize;
    assert!(all > 150 && missing * 100 < all, "{missing} of {all} are missing");
}

#[test]
fn a_subscriber_gets_the_layer_that_it_shows_in_one_unbroken_stream() {
    let mut world = room(1, &[SIMULCAST], &[2]);
    let track = world.track(1, 0);
    let sizes = [("q", 180), ("h", 360), ("f", 720)];
    let mut sequence = 1000;
    for wanted in [180, 720, 180, 360] {
        world.view(2, &[(track, wanted)]);
        let length = 300 + usize::from(wanted);
        let before = world.people[&2].received.len();
        let told = format!("a layer of {wanted} lines");
        world.until(&told, |world| {
            next(world, &mut sequence, |world, sequence| {
                for (rid, height) in sizes {
                    show(world, 1, 0, (Some(rid), height), sequence);
                }
            });
            let since = &world.people[&2].received[before..];
            since
                .iter()
                .rev()
                .take(10)
                .filter(|packet| packet.payload.len() == length)
                .count()
                == 10
        });
    }
    let received = world.received(2, track);
    for pair in received.windows(2) {
        assert_eq!(
            pair[1].sequence,
            pair[0].sequence + 1,
            "sequence numbers go on over switches"
        );
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((1..90_000).contains(&step), "timestamps run forward: {step}");
        let picture = |payload: &[u8]| u16::from_be_bytes([payload[2], payload[3]]) & 0x7FFF;
        assert_eq!(
            picture(&pair[1].payload),
            (picture(&pair[0].payload) + 1) & 0x7FFF,
            "picture ids go on"
        );
    }
}

#[test]
fn a_muted_voice_is_not_forwarded_and_can_be_opened_again() {
    let mut world = room(1, &[VOICE], &[2]);
    let track = world.track(1, 0);
    let mut sequence = 0;
    let mut heard = |world: &mut World, milliseconds| {
        let before = world.received(2, track).len();
        world.during(Duration::from_millis(milliseconds), |world| {
            next(world, &mut sequence, |world, sequence| say(world, 1, 0, sequence));
        });
        world.received(2, track).len() - before
    };
    let mute = |world: &World, audio| {
        world.ask(
            1,
            Ask::Enter {
                name: "p1".into(),
                rights: ALL,
                muted: MuteState { audio, video: false },
                mixed: false,
            },
        );
    };
    assert!(heard(&mut world, 500) > 25);
    mute(&world, true);
    world.until("the mute is told", |world| world.people[&2].tracks[&1][0].muted);
    // What was on its way may still arrive.
    world.during(Duration::from_millis(100), |_| {});
    assert_eq!(heard(&mut world, 300), 0);
    mute(&world, false);
    world.until("the slot is filled again", |world| {
        !world.people[&2].slots.is_empty()
    });
    assert!(heard(&mut world, 500) > 25);
}

#[test]
fn who_comes_and_goes_costs_others_no_negotiation() {
    let mut world = room(1, &[VOICE], &[2]);
    for number in 10..14 {
        world.enter(number);
        world.publish(number, &[VOICE, PICTURE]);
        world.until("the newcomer is in a slot", |world| {
            world.people[&2].slots.values().any(|track| {
                let tracks = world.people[&2].tracks.get(&number);
                tracks.is_some_and(|tracks| tracks.iter().any(|view| view.track == *track))
            })
        });
        world.leave(number);
        world.until("the slots are free again", |world| {
            world.people[&2].slots.len() == 1
        });
    }
    assert_eq!(world.people[&2].offers, 1);
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut world = room(1, &[VOICE], &[2]);
    world.enter_as(3, RoomKey(2), ALL);
    world.subscribe(3);
    let track = world.track(1, 0);
    let mut sequence = 0;
    world.until("the neighbour hears", |world| {
        next(world, &mut sequence, |world, sequence| say(world, 1, 0, sequence));
        world.received(2, track).len() > 20
    });
    assert!(world.people[&3].received.is_empty() && world.people[&3].tracks.is_empty());
}

#[test]
fn who_may_not_publish_or_subscribe_is_told_so() {
    let mut world = World::new();
    world.enter_as(1, ROOM, Rights::default());
    let mut wire = Wire::udp();
    let (offer, _) = wire.client.offer(&[VOICE]);
    world.ask(
        1,
        Ask::Publish {
            offer,
            sources: Vec::new(),
        },
    );
    world.ask(
        1,
        Ask::Subscribe {
            audio: None,
            video: None,
            restart: false,
        },
    );
    world.until("both are refused", |world| world.people[&1].refused.len() == 2);
    let refused: Vec<_> = world.people[&1]
        .refused
        .iter()
        .map(|(of, _, forbidden)| (*of, *forbidden))
        .collect();
    assert_eq!(refused, [("publish", true), ("subscribe", true)]);
}

#[test]
fn who_loses_the_right_to_publish_is_not_heard_any_more() {
    let mut world = room(1, &[VOICE], &[2]);
    world.ask(
        1,
        Ask::Enter {
            name: "p1".into(),
            rights: Rights {
                publish: false,
                ..ALL
            },
            muted: MuteState::default(),
            mixed: false,
        },
    );
    world.until("the track is gone", |world| {
        world.people[&2].tracks[&1].is_empty() && world.people[&2].slots.is_empty()
    });
    assert_eq!(world.people[&1].lost, ["publish"]);
}

#[test]
fn a_client_that_can_only_reach_us_over_tcp_receives_too() {
    let mut world = room(1, &[VOICE, PICTURE], &[]);
    world.enter(2);
    let wire = Wire::tcp(world.server);
    world.subscribe_over(2, wire, None, None);
    let picture = world.track(1, 1);
    let mut sequence = 1000;
    world.until("it sees", |world| {
        next(world, &mut sequence, |world, sequence| {
            say(world, 1, 0, sequence);
            show(world, 1, 1, (None, 360), sequence);
        });
        world.received(2, picture).len() >= 50
    });
}

#[test]
fn data_reaches_everybody_else_or_those_who_are_named() {
    let mut world = room(1, &[VOICE], &[2, 3, 4]);
    // A channel is open once something came through it.
    let mut said = 0_u8;
    world.until("everybody hears", |world| {
        said = said.wrapping_add(1);
        let wire = world.people.get_mut(&2).unwrap().subscribe.as_mut().unwrap();
        wire.client.send_data(0, &[0, 0, said]);
        [3, 4].iter().all(|number| !world.people[number].data.is_empty())
    });
    assert!(world.people[&2].data.is_empty(), "nobody hears themselves");
    assert_eq!(world.people[&3].data[0].1[..4], *b"\0\x02p2");
    let before = world.people[&4].data.len();
    world.during(Duration::from_millis(300), |_| {});
    let settled = world.people[&4].data.len().max(before);
    let wire = world.people.get_mut(&2).unwrap().subscribe.as_mut().unwrap();
    assert!(wire.client.send_data(0, b"\x01\x01\x02p3only"));
    world.until("the one who is named hears", |world| {
        world.people[&3]
            .data
            .iter()
            .any(|(_, data)| data == b"\x01\x02p2only")
    });
    world.during(Duration::from_millis(200), |_| {});
    assert_eq!(world.people[&4].data.len(), settled);
}

#[test]
fn who_speaks_is_told_to_everybody() {
    let mut world = room(1, &[VOICE], &[2]);
    let mut sequence = 0;
    world.until("the speaker is told", |world| {
        next(world, &mut sequence, |world, sequence| say(world, 1, 0, sequence));
        world.people[&2]
            .speakers
            .first()
            .is_some_and(|(who, _)| *who == 1)
    });
    world.until("the silence is told", |world| {
        world.people[&2].speakers.is_empty()
    });
}

#[test]
fn an_encoding_that_nobody_shows_need_not_be_sent() {
    let mut world = room(1, &[SIMULCAST], &[2]);
    let track = world.track(1, 0);
    world.view(2, &[(track, 180)]);
    let mut sequence = 1000;
    let sizes = [("q", 180), ("h", 360), ("f", 720)];
    world.until("only the small one is needed", |world| {
        next(world, &mut sequence, |world, sequence| {
            for (rid, height) in sizes {
                show(world, 1, 0, (Some(rid), height), sequence);
            }
        });
        world.people[&1].needed.get(&track) == Some(&(true, vec!["q".to_owned()]))
    });
    world.view(2, &[(track, 0)]);
    world.until("nothing is needed", |world| {
        next(world, &mut sequence, |world, sequence| {
            show(world, 1, 0, (Some("q"), 180), sequence)
        });
        world.people[&1].needed.get(&track) == Some(&(false, vec![]))
    });
}

#[test]
fn a_client_whose_network_changed_finds_another_way_and_keeps_what_it_had() {
    let mut world = room(1, &[VOICE], &[2]);
    let track = world.track(1, 0);
    let mut sequence = 0;
    let mut hears = |world: &mut World, what: &str| {
        let before = world.received(2, track).len();
        world.until(what, |world| {
            next(world, &mut sequence, |world, sequence| say(world, 1, 0, sequence));
            world.received(2, track).len() > before + 30
        });
    };
    hears(&mut world, "sound before");
    world.ask(
        2,
        Ask::Subscribe {
            audio: None,
            video: None,
            restart: true,
        },
    );
    world.until("another offer", |world| world.people[&2].offers == 2);
    world
        .people
        .get_mut(&2)
        .unwrap()
        .subscribe
        .as_mut()
        .unwrap()
        .move_elsewhere();
    hears(&mut world, "sound after");
    let numbers: Vec<u64> = world
        .received(2, track)
        .iter()
        .map(|packet| packet.sequence)
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "it is the same stream"
    );
    assert!(world.people[&2].lost.is_empty());
}

#[test]
fn a_picture_without_a_smaller_form_is_seen_although_less_is_known_of_the_path() {
    let mut world = World::with(|config| config.start_bits_per_second = 250_000);
    world.enter(1);
    world.publish(1, &[PICTURE]);
    world.enter(2);
    world.subscribe(2);
    let track = world.track(1, 0);
    let mut sequence = 1000;
    world.until("the picture is seen", |world| {
        next(world, &mut sequence, |world, sequence| {
            show(world, 1, 0, (None, 720), sequence)
        });
        world.received(2, track).len() >= 100
    });
}
