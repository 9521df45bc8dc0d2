//! What of a call goes over the wire: two writers under one key that never write the same, losses, descriptions that are none,
//! and ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::world::{
    PICTURE, ROOM, Section, VOICE, Wire, World,
    send::{next, say, show},
};
use trefoil_media::{Ask, Rights, Source, WorkerReading};

const BOTH: Option<&[Section]> = Some(&[VOICE, PICTURE]);

/// Somebody in a call (1) and somebody with two transports (2).
fn two(media: Option<&[Section]>) -> World {
    let mut world = World::new();
    world.enter(1);
    world.call(1, media);
    world.enter(2);
    world.publish(2, &[VOICE, PICTURE]);
    world.subscribe(2);
    world
}

fn wire(world: &mut World) -> &mut Wire {
    world.people.get_mut(&1).unwrap().publish.as_mut().unwrap()
}

/// Both talk and show, for so long.
fn talk(world: &mut World, sequence: &mut u64, length: Duration) {
    world.during(length, |world| {
        next(world, sequence, |world, sequence| {
            for who in [1, 2] {
                say(world, who, 0, sequence);
                show(world, who, 1, (None, 360), sequence);
            }
        });
    });
}

/// How they receive each other's picture.
fn seen(world: &World) -> (usize, usize) {
    let mid = &world.people[&1].mids[1];
    let one = world.people[&1]
        .received
        .iter()
        .filter(|packet| packet.mid == *mid);
    let own = world.track_of(2, 1, Source::Camera);
    (one.count(), own.map_or(0, |own| world.received(2, own).len()))
}

fn counted(world: &World, pick: impl Fn(&WorkerReading) -> u64) -> u64 {
    world.media.reading().workers.iter().map(pick).sum()
}

/// The SSRCs that a description announces.
fn announced(sdp: &str) -> BTreeSet<u32> {
    let of = |line: &str| line.strip_prefix("a=ssrc:")?.split(' ').next()?.parse().ok();
    sdp.lines().filter_map(of).collect()
}

/// By whether it was sent, and whether it is a report, which have keys of their own: the indices of each source.
type Written = BTreeMap<(bool, bool), BTreeMap<u32, Vec<u32>>>;

fn written(kept: &[(bool, Vec<u8>)]) -> Written {
    let mut written = Written::new();
    for (sent, datagram) in kept {
        let report = (192..224).contains(&datagram[1]);
        let word = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
        let (source, index) = if report {
            // AES-GCM: the index stands last, behind the bit that says that all is sealed.
            let index = word(datagram.len() - 4) ^ 1 << 31;
            assert!(index < 100_000, "it is an index: {index}");
            (word(4), index)
        } else {
            (word(8), word(0) & 0xFFFF)
        };
        let of_kind = written.entry((*sent, report)).or_default();
        of_kind.entry(source).or_default().push(index);
    }
    written
}

/// What goes over the wire while 1 loses packets and pictures, until there is enough to look at, however busy this machine is.
fn long_call(world: &mut World) -> Written {
    let wire = wire(world);
    (wire.kept, wire.lose_each) = (Some(Vec::new()), 15);
    let mut sequence = 1000;
    for _ in 0..20 {
        talk(world, &mut sequence, Duration::from_secs(1));
        let mid = world.people[&1].mids[1].clone();
        let wire = self::wire(world);
        wire.client.lose_picture(&mid);
        let written = written(wire.kept.as_ref().unwrap());
        let enough = |report, sources, packets| {
            let of_kind = written.get(&(false, report));
            of_kind.is_some_and(|of_kind| {
                of_kind.len() == sources && of_kind.values().map(Vec::len).sum::<usize>() > packets
            })
        };
        // Sound, video and its repetitions; reports of two of them, and of the engine.
        if enough(false, 3, 700) && enough(true, 3, 40) {
            return written;
        }
    }
    panic!("there was not enough to look at");
}

/// RFC 7714, sections 8.1 and 9.1: under one key a nonce is the SSRC and the index.
#[test]
fn in_a_long_call_no_source_and_index_come_twice_under_one_key_and_the_writers_share_no_source() {
    for side in [BOTH, None] {
        let mut world = two(side);
        let ours = announced(&world.people[&1].called);
        let written = long_call(&mut world);
        for ((sent, report), sources) in &written {
            for (source, indices) in sources {
                let distinct: BTreeSet<&u32> = indices.iter().collect();
                assert_eq!(
                    distinct.len(),
                    indices.len(),
                    "sent {sent}, report {report}, {source}"
                );
            }
        }
        let sources = |report| {
            written[&(false, report)]
                .keys()
                .copied()
                .collect::<BTreeSet<u32>>()
        };
        assert_eq!(
            sources(false),
            ours,
            "media is the plane's alone, and all of it is there"
        );
        let (planes, engines): (BTreeSet<u32>, BTreeSet<u32>) = sources(true)
            .into_iter()
            .partition(|source| ours.contains(source));
        assert!(
            planes.len() == 2 && !engines.is_empty(),
            "both report: {planes:?} {engines:?}"
        );
        assert_eq!(
            counted(&world, |reading| reading.withheld),
            0,
            "and the engine did not try"
        );
    }
}

#[test]
fn what_was_lost_in_a_call_is_sent_again() {
    let mut world = two(BOTH);
    wire(&mut world).lose_each = 10;
    let mut sequence = 1000;
    let (mut all, mut missing) = (0, 0);
    for _ in 0..20 {
        talk(&mut world, &mut sequence, Duration::from_secs(1));
        world.during(Duration::from_millis(300), |_| {});
        let mid = &world.people[&1].mids[1];
        let video = world.people[&1]
            .received
            .iter()
            .filter(|packet| packet.mid == *mid);
        let received: BTreeSet<u64> = video.map(|packet| packet.sequence).collect();
        let (first, last) = (*received.first().unwrap(), *received.last().unwrap());
        all = (last - first + 1) as usize;
        missing = all - received.len();
        if all > 200 && missing * 100 < all {
            return;
        }
    }
    panic!("{missing} of {all} are missing");
}

#[test]
fn what_is_no_description_is_refused_by_name_and_a_good_one_is_taken_after_it() {
    let mut world = World::new();
    world.enter(1);
    let first = |world: &World| world.people[&1].refused[0].clone();
    for (offer, word) in [
        ("nonsense", "fingerprint"),
        ("v=0\r\nm=audio 9 RTP/AVP 0\r\n", "DTLS"),
        (
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 00\r\n",
            "",
        ),
    ] {
        let offer = Some(offer.to_owned());
        world.ask(1, Ask::Call { offer });
        world.until("it is refused", |world| !world.people[&1].refused.is_empty());
        let (of, why, forbidden) = first(&world);
        assert!(of == "call" && why.contains(word) && !forbidden, "{of}: {why}");
        world.people.get_mut(&1).unwrap().refused.clear();
    }
    let answer = "v=0\r\n".to_owned();
    world.ask(1, Ask::Answer { answer });
    world.until("an answer to nothing is refused", |world| {
        !world.people[&1].refused.is_empty()
    });
    assert_eq!(first(&world).0, "answer");
    world.call(1, BOTH);
    world.enter_as(2, ROOM, Rights::default());
    world.ask(2, Ask::Call { offer: None });
    world.until("who may do nothing is refused", |world| {
        let refused = &world.people[&2].refused;
        refused
            .first()
            .is_some_and(|(of, _, forbidden)| *of == "call" && *forbidden)
    });
    world.until("nothing is left of what was refused", |world| {
        counted(world, |reading| reading.addresses) == 1
    });
}

#[test]
fn a_client_whose_network_changed_offers_again_and_keeps_its_call() {
    let mut world = two(BOTH);
    let mut sequence = 1000;
    talk(&mut world, &mut sequence, Duration::from_millis(500));
    let own = world.track_of(2, 1, Source::Camera);
    let before = world.people[&1].called.clone();
    wire(&mut world).move_elsewhere();
    let offer = Some(wire(&mut world).client.restart());
    world.ask(1, Ask::Call { offer });
    let (one, two) = seen(&world);
    world.until("both see again", |world| {
        next(world, &mut sequence, |world, sequence| {
            for who in [1, 2] {
                show(world, who, 1, (None, 360), sequence);
            }
        });
        let now = seen(world);
        now.0 > one + 50 && now.1 > two + 50
    });
    assert_eq!(world.track_of(2, 1, Source::Camera), own, "the track is the same");
    let after = &world.people[&1].called;
    assert_eq!(announced(after), announced(&before));
    let fragment = |sdp: &str| {
        sdp.lines()
            .find(|line| line.starts_with("a=ice-ufrag"))
            .map(str::to_owned)
    };
    assert_ne!(fragment(after), fragment(&before));
    assert!(world.people[&1].lost.is_empty());
}

#[test]
fn a_call_that_is_silent_or_says_goodbye_is_lost_and_another_one_begins_anew() {
    let mut world = World::with(|config| config.silence_seconds = 3);
    for side in [BOTH, None] {
        world.enter(1);
        world.call(1, side);
        wire(&mut world).client.close();
        world.until("it is told", |world| world.people[&1].lost == ["call"]);
        world.call(1, side);
        // It is not heard any more, and nobody answers its checks.
        let gone = world.people.get_mut(&1).unwrap().publish.take();
        world.until("it is told", |world| world.people[&1].lost == ["call"; 2]);
        drop(gone);
        world.call(1, side);
        world.leave(1);
    }
    nothing_is_left(&mut world);
}

fn nothing_is_left(world: &mut World) {
    world.until("nothing is left", |world| {
        counted(world, |reading| {
            reading.addresses + reading.members + reading.rooms
        }) == 0
    });
}

/// Two hundred, of which each begins where the one before it is, and half of which never connect.
#[test]
fn calls_that_come_and_go_leave_nothing() {
    let mut world = World::new();
    for round in 0..25 {
        world.enter(1);
        for call in 0..8 {
            let side = if (round + call) % 2 == 0 { BOTH } else { None };
            if call < 4 {
                world.call_over(1, Wire::udp(), side, |offer| offer);
                world.until("there is a description", |world| {
                    !world.people[&1].called.is_empty()
                });
                world.people.get_mut(&1).unwrap().called.clear();
            } else {
                world.call(1, side);
            }
        }
        assert!(world.people[&1].refused.is_empty() && world.people[&1].lost.is_empty());
        world.leave(1);
    }
    assert!(counted(&world, |reading| reading.connected) <= 200);
    nothing_is_left(&mut world);
}

#[test]
fn a_call_takes_the_place_of_other_transports_and_they_of_it() {
    let mut world = two(BOTH);
    world.publish(1, &[VOICE, PICTURE]);
    world.subscribe(1);
    world.until("others are told of other tracks", |world| {
        world.track_of(2, 1, Source::Camera) == Some(world.track(1, 1))
    });
    let mut sequence = 1000;
    world.until("both see", |world| {
        next(world, &mut sequence, |world, sequence| {
            for who in [1, 2] {
                show(world, who, 1, (None, 360), sequence);
            }
        });
        let (own, other) = (world.track(1, 1), world.track(2, 1));
        world.received(2, own).len() > 30 && world.received(1, other).len() > 30
    });
    world.people.get_mut(&1).unwrap().subscribe = None;
    world.call(1, None);
    let before = seen(&world);
    world.until("and they do in a call", |world| {
        next(world, &mut sequence, |world, sequence| {
            for who in [1, 2] {
                show(world, who, 1, (None, 360), sequence);
            }
        });
        let now = seen(world);
        now.0 > before.0 + 30 && now.1 > before.1.min(30)
    });
    world.until("one address for each transport", |world| {
        counted(world, |reading| reading.addresses) == 3
    });
}
