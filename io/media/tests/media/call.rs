//! One connection both ways, between a client that knows one "other" and the people of a room, over real sockets.

use std::{collections::BTreeMap, time::Duration};

use crate::world::{
    ALL, PICTURE, Received, Section, VOICE, Wire, World,
    send::{next, say_at, show},
    tone::{Ears, MIX, TONES, Tone, hear, talk, talk_until_heard},
};
use trefoil_media::{Ask, MuteState, Rights, Source};
use trefoil_mix::Codec;

/// Which side makes the offer of a call.
const SIDES: [Option<&[Section]>; 2] = [Some(&[VOICE, PICTURE]), None];

/// Somebody in a call (1) and two with two transports (2 and 3), who all hear the mix, each with a tone of their own.
fn three(media: Option<&[Section]>) -> (World, Vec<Tone>) {
    let mut world = World::new();
    world.enter(1);
    world.call(1, media);
    two_more(&mut world);
    let tones = (1..).zip(TONES).map(|(who, hertz)| Tone::new(who, hertz));
    (world, tones.collect())
}

fn two_more(world: &mut World) {
    for who in [2, 3] {
        world.enter(who);
        world.publish(who, &[VOICE, PICTURE]);
        hear(world, who, true);
        world.subscribe(who);
    }
}

/// Each of three hears the tones of the two others, and not their own.
const ALL_OTHERS: [Ears; 3] = [
    (1, Codec::Opus, [false, true, true]),
    (2, Codec::Opus, [true, false, true]),
    (3, Codec::Opus, [true, true, false]),
];

#[test]
fn who_is_in_a_call_hears_all_others_and_is_heard_whoever_made_the_offer() {
    for side in SIDES {
        let (mut world, mut tones) = three(side);
        talk_until_heard(&mut world, &mut tones, &ALL_OTHERS);
        assert!(
            world.people[&1]
                .received
                .iter()
                .all(|packet| packet.track == Some(MIX)),
            "one stream of sound"
        );
    }
}

#[test]
fn two_in_calls_hear_and_see_each_other() {
    let mut world = World::new();
    for (who, side) in (1..).zip(SIDES) {
        world.enter(who);
        world.call(who, side);
    }
    let mut tones = [Tone::new(1, TONES[0]), Tone::new(2, TONES[1])];
    let ears = [
        (1, Codec::Opus, [false, true, false]),
        (2, Codec::Opus, [true, false, false]),
    ];
    talk_until_heard(&mut world, &mut tones, &ears);
    let mut sequence = 1000;
    world.until("both see", |world| {
        next(world, &mut sequence, |world, sequence| {
            show(world, 1, 1, (None, 360), sequence);
            show(world, 2, 1, (None, 180), sequence);
        });
        [(1, 180), (2, 360)].iter().all(|(who, height)| {
            pictures(world, *who)
                .iter()
                .filter(|seen| *seen == height)
                .count()
                > 20
        })
    });
}

/// Whose pictures somebody in a call saw, by how high they are, in their order. Of another source the first must be whole:
/// what needs one before it would show nonsense.
fn pictures(world: &World, who: u64) -> Vec<u16> {
    let (mut seen, mut before) = (Vec::new(), None);
    for packet in video(world, who).into_values() {
        let height = packet.payload.len() as u16 - 300;
        let whole = packet.payload[4] & 1 == 0;
        let follows = before == Some(packet.sequence - 1);
        assert!(
            !follows || whole || seen.last() == Some(&height),
            "a picture without its keyframe"
        );
        before = Some(packet.sequence);
        seen.push(height);
    }
    seen
}

/// The packets of video that somebody in a call received, by their numbers: a busy machine loses some, and they come again.
fn video(world: &World, who: u64) -> BTreeMap<u64, &Received> {
    let person = &world.people[&who];
    let mid = person.mids.last().unwrap();
    let video = person.received.iter().filter(|packet| packet.mid == *mid);
    video.map(|packet| (packet.sequence, packet)).collect()
}

#[test]
fn who_is_in_a_call_sees_whoever_speaks_in_one_unbroken_stream_and_is_seen() {
    let (mut world, _) = three(SIDES[1]);
    let heights = [(1, 720), (2, 360), (3, 180)];
    let mut sequence = 1000;
    let mut speak = |world: &mut World, who: u64, wanted: u16| {
        let mut more = 0;
        world.until(&format!("{wanted} is seen while {who} speaks"), |world| {
            next(world, &mut sequence, |world, sequence| {
                for (number, height) in heights {
                    show(world, number, 1, (None, height), sequence);
                    let level = if number == who { -20 } else { -127 };
                    say_at(world, number, 0, sequence, level);
                }
            });
            // And stays for a second.
            more += u32::from(pictures(world, 1).last() == Some(&wanted));
            more > 1000
        });
        assert_eq!(pictures(world, 1).last(), Some(&wanted));
    };
    speak(&mut world, 3, 180);
    speak(&mut world, 2, 360);
    speak(&mut world, 1, 360);
    speak(&mut world, 0, 360);
    speak(&mut world, 3, 180);
    let seen = pictures(&world, 1);
    assert!(!seen.contains(&720), "never their own");
    let mut order = seen;
    order.dedup();
    assert!(order.ends_with(&[180, 360, 180]), "{order:?}");
    let video = video(&world, 1);
    let (first, last) = (video.keys().next().unwrap(), video.keys().last().unwrap());
    let all = (last - first + 1) as usize;
    assert!(
        (all - video.len()) * 50 < all,
        "one stream: {} of {all}",
        video.len()
    );
    let own = world.track_of(2, 1, Source::Camera).unwrap();
    assert!(world.received(2, own).len() > 50 && world.received(3, own).len() > 50);
}

#[test]
fn a_client_with_g711_alone_and_one_with_other_numbers_are_in_the_same_room() {
    let mut world = World::new();
    for who in [1, 2, 3] {
        world.enter(who);
    }
    let telephone = Wire::of(trefoil_peer::client::Client::telephone);
    world.call_over(1, telephone, Some(&[VOICE]), |offer| offer);
    let renumbered = Wire::of(trefoil_peer::client::Client::renumbered);
    world.call_over(2, renumbered, SIDES[0], |offer| offer);
    world.call(3, None);
    for who in [1, 2] {
        world.until("they are connected", |world| {
            world.people[&who].publish.as_ref().unwrap().connected
        });
    }
    let mut tones = vec![
        Tone::coded(1, TONES[0], Codec::Pcmu),
        Tone::new(2, TONES[1]),
        Tone::new(3, TONES[2]),
    ];
    let ears = [(1, Codec::Pcmu, ALL_OTHERS[0].2), ALL_OTHERS[1], ALL_OTHERS[2]];
    talk_until_heard(&mut world, &mut tones, &ears);
    let mut sequence = 1000;
    world.until("those who can see do", |world| {
        next(world, &mut sequence, |world, sequence| {
            show(world, 2, 1, (None, 360), sequence);
            show(world, 3, 1, (None, 180), sequence);
        });
        pictures(world, 2).len() > 20 && pictures(world, 3).len() > 20
    });
}

fn allow(world: &World, who: u64, rights: Rights, muted: MuteState) {
    world.ask(
        who,
        Ask::Enter {
            name: format!("p{who}").into(),
            rights,
            muted,
            mixed: false,
        },
    );
}

#[test]
fn what_somebody_may_do_changes_while_their_call_goes_on() {
    let (mut world, mut tones) = three(SIDES[0]);
    talk_until_heard(&mut world, &mut tones, &ALL_OTHERS);
    let deny_hearing = Rights {
        subscribe: false,
        ..ALL
    };
    allow(&world, 1, deny_hearing, MuteState::default());
    talk(&mut world, &mut tones, 25);
    let before = world.people[&1].received.len();
    talk_until_heard(&mut world, &mut tones, &ALL_OTHERS[1..]);
    assert_eq!(
        world.people[&1].received.len(),
        before,
        "they are heard, and hear nothing"
    );

    let deny_speaking = Rights {
        publish: false,
        ..ALL
    };
    allow(&world, 1, deny_speaking, MuteState::default());
    let unheard = [ALL_OTHERS[0], (2, Codec::Opus, [false, false, true])];
    talk_until_heard(&mut world, &mut tones, &unheard);
    assert_eq!(world.track_of(2, 1, Source::Microphone), None);

    allow(&world, 1, ALL, MuteState::default());
    talk_until_heard(&mut world, &mut tones, &ALL_OTHERS);
    assert!(world.people[&1].lost.is_empty());

    let muted = MuteState {
        audio: true,
        video: false,
    };
    allow(&world, 1, ALL, muted);
    talk_until_heard(&mut world, &mut tones, &unheard);
    assert!(world.people[&1].talked_muted > 0);

    let nothing = Rights {
        publish: false,
        subscribe: false,
        message: true,
    };
    allow(&world, 1, nothing, MuteState::default());
    world.until("the call is over", |world| world.people[&1].lost == ["call"]);
}

#[test]
fn what_a_client_does_not_want_to_receive_is_not_sent() {
    let mut world = World::new();
    world.enter(1);
    world.call_over(1, Wire::udp(), SIDES[0], |offer| {
        let mut sections: Vec<String> = offer.split("m=").map(str::to_owned).collect();
        sections[2] = sections[2].replace("a=sendrecv", "a=sendonly");
        sections.join("m=")
    });
    two_more(&mut world);
    let own = |world: &World| world.track_of(2, 1, Source::Camera);
    let mut sequence = 1000;
    world.until("their picture is seen", |world| {
        next(world, &mut sequence, |world, sequence| {
            for who in [1, 2] {
                show(world, who, 1, (None, 360), sequence);
                say_at(world, who, 0, sequence, -30);
            }
        });
        own(world).is_some_and(|own| world.received(2, own).len() > 50)
    });
    world.during(Duration::from_millis(200), |_| {});
    let received = &world.people[&1].received;
    let (voice, picture) = (&world.people[&1].mids[0], &world.people[&1].mids[1]);
    assert!(received.iter().any(|packet| packet.mid == *voice));
    assert!(!received.iter().any(|packet| packet.mid == *picture));
    assert!(world.people[&1].called.contains("a=recvonly"));
}
