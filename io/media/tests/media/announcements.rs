//! A sound that is played into a room: heard by everybody, however they hear and on whatever worker, and by nobody after it.

use std::{f32::consts::TAU, sync::Arc, time::Duration};

use crate::world::{ALL, ROOM, World, tone::heard_of};
use trefoil_media::{
    AnnounceAsk, Ask, Codec, Command, HearWish, MuteState, Progress, ROOM_ITSELF, Sound, Source, TrackId,
};

const HERTZ: f32 = 700.0;

/// A tone of so many milliseconds, as a WAV file at 16 kHz.
fn tone(milliseconds: u32) -> Arc<Sound> {
    let samples = (0..16 * milliseconds).map(|at| {
        let phase = (at as f32 * HERTZ / 16_000.0).fract();
        (8192.0 * (phase * TAU).sin()) as i16
    });
    let mut file =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data".to_vec();
    file.extend((32 * milliseconds).to_le_bytes());
    file.extend(samples.flat_map(i16::to_le_bytes));
    Arc::new(Sound::read(file).unwrap())
}

fn for_room(world: &World, ask: Ask) {
    assert!(world.media.ask(Command {
        room: ROOM,
        participant: ROOM_ITSELF,
        ask,
    }));
}

fn announce(world: &World, id: u64, milliseconds: u32) {
    let ask = AnnounceAsk {
        id,
        name: "chime".into(),
        sound: tone(milliseconds),
        gain: 1.0,
        times: 1,
    };
    for_room(world, Ask::Announce(Box::new(ask)));
}

/// Person 2 hears each voice by itself, the others hear the mix; with a share of 1, each is on a worker of their own.
fn room(share: u32) -> World {
    let mut world = World::with(|config| config.room_share = share);
    for number in 1..=3 {
        world.enter(number);
        let wish = HearWish {
            mixed: Some(number != 2),
            ..HearWish::default()
        };
        world.ask(number, Ask::Hear(wish));
        world.subscribe(number);
    }
    world
}

/// The room's own track, as somebody was told of it.
fn track(world: &World, number: u64) -> Option<TrackId> {
    let tracks = world.people[&number].tracks.get(&ROOM_ITSELF)?;
    assert!(tracks.len() <= 1);
    let track = tracks.first()?;
    assert_eq!((track.codec, track.source), (Codec::Opus, Source::Announcement));
    Some(track.track)
}

fn told(world: &World, number: u64) -> Vec<(u64, Progress, u128)> {
    let told = world.people[&number].announcements.iter();
    told.map(|view| (view.id, view.progress, view.played.as_millis()))
        .collect()
}

fn is_over(world: &World, id: u64) -> bool {
    (1..=3).all(|number| {
        told(world, number)
            .iter()
            .any(|(told, progress, _)| (*told, *progress) == (id, Progress::Ended))
    })
}

#[test]
fn it_is_heard_in_the_mix_and_beside_it_on_every_worker_and_not_after_its_end() {
    for share in [100, 1] {
        let mut world = room(share);
        announce(&world, 7, 1600);
        world.until("all are told of the track", |world| track(world, 2).is_some());
        let own = track(&world, 2).unwrap();
        world.until("it is over", |world| is_over(world, 7));
        world.until("its track is gone", |world| {
            (1..=3).all(|number| track(world, number).is_none())
        });
        for number in 1..=3 {
            assert_eq!(
                told(&world, number),
                [
                    (7, Progress::Started, 0),
                    (7, Progress::Goes, 1000),
                    (7, Progress::Ended, 1600)
                ]
            );
            let view = &world.people[&number].announcements[0];
            assert_eq!((&*view.name, view.length), ("chime", Duration::from_millis(1600)));
            let (track, other) = if number == 2 {
                (own, TrackId::MIX)
            } else {
                (TrackId::MIX, own)
            };
            assert!(world.received(number, other).is_empty(), "nobody hears it twice");
            // The end is silence; what lies before it is the tone.
            let received = world.received(number, track).len();
            assert!(
                (75..=95).contains(&received),
                "{share}: {number} received {received}"
            );
            let level = heard_of(&world, number, track, 20, &[HERTZ, 1300.0]);
            assert!(
                (-17.0..-10.0).contains(&level[0]) && level[1] < -55.0,
                "{share}: {number} hears {level:?}"
            );
        }
        // A mix ends with a little silence.
        world.during(Duration::from_millis(300), |_| {});
        let before: Vec<_> = (1..=3)
            .map(|number| world.people[&number].received.len())
            .collect();
        world.during(Duration::from_millis(200), |_| {});
        let after: Vec<_> = (1..=3)
            .map(|number| world.people[&number].received.len())
            .collect();
        assert_eq!(before, after, "nothing comes afterwards");
    }
}

#[test]
fn who_comes_in_the_middle_is_told_and_hears_it_and_whoever_stops_it_stops_it_for_all() {
    for share in [100, 1] {
        let mut world = room(share);
        announce(&world, 1, 60_000);
        world.until("it has begun", |world| !told(world, 2).is_empty());
        world.enter(4);
        world.subscribe(4);
        world.until("the newcomer hears it", |world| {
            track(world, 4).is_some_and(|track| world.received(4, track).len() > 30)
        });
        let (id, progress, _) = told(&world, 4)[0];
        assert_eq!((id, progress), (1, Progress::Goes));
        for_room(&world, Ask::Silence(1));
        world.until("it has stopped", |world| {
            is_over(world, 1) && track(world, 4).is_none()
        });
        let count = |world: &World| {
            (1..=4)
                .map(|number| world.people[&number].received.len())
                .sum::<usize>()
        };
        world.during(Duration::from_millis(300), |_| {});
        let before = count(&world);
        world.during(Duration::from_millis(200), |_| {});
        assert_eq!(count(&world), before);
        // What is played next is heard again.
        announce(&world, 2, 60_000);
        let from = world.received(3, TrackId::MIX).len();
        world.until("the next one is heard", |world| {
            world.received(3, TrackId::MIX).len() > from + 40
        });
        assert!(heard_of(&world, 3, TrackId::MIX, from, &[HERTZ])[0] > -17.0);
    }
}

#[test]
fn several_at_once_are_one_track_and_each_ends_by_itself() {
    let mut world = room(100);
    announce(&world, 1, 60_000);
    announce(&world, 2, 300);
    world.until("the short one is over", |world| is_over(world, 2));
    assert!(!is_over(&world, 1));
    let own = track(&world, 2).unwrap();
    let from = world.received(2, own).len();
    world.until("the long one goes on", |world| {
        world.received(2, own).len() > from + 30
    });
    // A number that is taken is refused, and so is more than there can be.
    announce(&world, 1, 100);
    for id in 10..30 {
        announce(&world, id, 60_000);
    }
    world.until("what was too much has ended at once", |world| is_over(world, 29));
    assert!(is_over(&world, 1) && !is_over(&world, 10));
}

#[test]
fn with_the_last_person_it_ends_and_in_an_empty_room_it_does_not_begin() {
    for share in [100, 1] {
        let mut world = room(share);
        announce(&world, 1, 60_000);
        world.until("it has begun", |world| !told(world, 3).is_empty());
        for number in [1, 2, 3] {
            world.ask(number, Ask::Leave);
        }
        world.until("it has ended", |world| is_over(world, 1));
        announce(&world, 2, 1000);
        world.until("the empty room says so", |world| is_over(world, 2));
        world.until("nothing is left of the room", |world| {
            let reading = world.media.reading();
            let left = |worker: &trefoil_media::WorkerReading| {
                worker.rooms + worker.members + worker.announcements_playing
            };
            let begun = |worker: &trefoil_media::WorkerReading| worker.announcements;
            let sum = |pick: &dyn Fn(&trefoil_media::WorkerReading) -> u64| {
                reading.workers.iter().map(pick).sum::<u64>()
            };
            (sum(&left), sum(&begun)) == (0, 1)
        });
    }
}

#[test]
fn it_is_heard_although_there_are_fewer_places_than_voices() {
    let mut world = World::new();
    for number in 1..=3 {
        world.enter(number);
        world.publish(number, &[crate::world::VOICE]);
    }
    world.enter_as(4, ROOM, ALL);
    world.ask(
        4,
        Ask::Enter {
            name: "p4".into(),
            rights: ALL,
            muted: MuteState::default(),
            mixed: false,
        },
    );
    world.subscribe_over(4, crate::world::Wire::udp(), Some(1), Some(0));
    let mut sequence = 0;
    let mut say = |world: &mut World| {
        if world.tick() {
            sequence += 1;
            for number in 1..=3 {
                let (sequence, timestamp, payload) = crate::world::opus(sequence);
                let packet = trefoil_peer::client::Media {
                    sequence,
                    timestamp,
                    marker: false,
                    payload: &payload,
                    level: Some(-20),
                };
                world.send(number, 0, None, packet);
            }
        }
    };
    world.until("somebody is heard", |world| {
        say(world);
        world.people[&4].received.len() > 20
    });
    announce(&world, 1, 60_000);
    world.until("the announcement is heard instead", |world| {
        say(world);
        track(world, 4).is_some_and(|track| world.received(4, track).len() > 20)
    });
}
