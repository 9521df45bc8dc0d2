//! Who hears whom, in spectra of what was received.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod room;

use room::{
    Room, id, ms, says_nothing, says_tone,
    sound::{level_at, snr},
    thin::Thin,
};
use trefoil_codec::Builtin;
use trefoil_mix::{Channels, Codec, Event, Mixer, Output, PacketTime, Quality, Refusal, Settings, SourceId};

/// Tones that no codec makes out of each other.
const TONES: [f64; 4] = [420.0, 730.0, 1130.0, 1710.0];

const PCMA: Output = Output {
    codec: Codec::Pcma,
    channels: Channels::Mono,
    quality: Quality {
        bitrate: 64_000,
        complexity: 4,
        loss_percent: 0,
    },
    packet_time: PacketTime::Twenty,
};

fn room(talkers: usize) -> Room<Builtin> {
    let settings = Settings {
        talkers,
        ..Settings::default()
    };
    Room::new(settings, Builtin)
}

fn end(heard: &[f32], milliseconds: usize) -> &[f32] {
    &heard[heard.len() - milliseconds * 48..]
}

#[test]
fn each_hears_every_other_and_never_themselves() {
    let mut room = room(4);
    for (at, hertz) in TONES.into_iter().enumerate() {
        let codec = if at == 3 { Codec::Pcmu } else { Codec::Opus };
        let output = Output {
            codec,
            quality: Quality {
                bitrate: 128_000,
                ..Quality::default()
            },
            ..Output::default()
        };
        room.join(id(at as u64), output, says_tone(hertz, 0.2));
    }
    room.listen(id(9), Output::default());
    room.run(ms(3000));
    for own in 0..4 {
        let heard = room.ears[&id(own as u64)].heard.clone();
        for (other, hertz) in TONES.into_iter().enumerate() {
            let level = level_at(end(&heard, 1000), hertz);
            if other == own {
                assert!(
                    level < -64.0,
                    "{own} hears themselves at {level:.1} dB: said at -14"
                );
            } else {
                assert!(
                    (-17.0..-12.0).contains(&level),
                    "{own} hears {other} at {level:.1} dB"
                );
            }
        }
    }
    for hertz in TONES {
        let level = level_at(end(&room.ears[&id(9)].heard, 1000), hertz);
        assert!(
            (-17.0..-12.0).contains(&level),
            "a listener hears {hertz} Hz at {level:.1} dB"
        );
    }
    assert_eq!(
        room.mixer.groups(),
        5,
        "one for each talker and one for who listens"
    );
}

#[test]
fn what_somebody_receives_does_not_depend_on_what_they_say_while_talkers_come_and_go() {
    let received = |own_hertz: f64| {
        let settings = Settings {
            talkers: 2,
            ..Settings::default()
        };
        let mut room = Room::new(settings, Thin);
        for (at, hertz) in TONES.into_iter().enumerate() {
            // Each speaks for 600 ms of every 1.6 s, so that the talkers change all the time.
            let mut tone = says_tone(if at == 0 { own_hertz } else { hertz }, 0.2);
            let say = move |frame: usize| {
                if (frame / 10 + at * 2) % 8 < 3 {
                    tone(frame)
                } else {
                    vec![0.0; 960]
                }
            };
            room.join(id(at as u64), PCMA, Box::new(say));
        }
        room.run(ms(12_000));
        let [own, other] = [0, 1].map(|who| std::mem::take(&mut room.ear(who).heard));
        (own, other)
    };
    let ((own, other), (own_again, other_again)) = (received(400.0), received(1000.0));
    assert!(
        own.len() > 300_000 && snr(&other, &other_again) < 10.0,
        "somebody else hears the difference"
    );
    let alike = snr(&own, &own_again);
    assert!(alike > 60.0, "{alike:.1} dB");
}

#[test]
fn only_the_loudest_few_are_heard_and_a_louder_one_takes_a_place_after_300_ms() {
    let mut room = room(2);
    for (at, level) in [0.2, 0.1].into_iter().enumerate() {
        room.join(id(at as u64), Output::default(), says_tone(TONES[at], level));
    }
    room.join(
        id(2),
        Output::default(),
        Box::new(|frame| {
            let level = if frame < 100 { 0.01 } else { 0.4 };
            room::sound::tone(TONES[2], level, frame * 960, 960)
        }),
    );
    room.listen(id(9), Output::default());
    room.run(ms(2000));
    let levels =
        |room: &Room<Builtin>| TONES.map(|hertz| level_at(end(&room.ears[&id(9)].heard, 160), hertz));
    let [first, second, third, _] = levels(&room);
    assert!(
        first > -25.0 && second > -30.0 && third < -50.0,
        "{first} {second} {third}"
    );
    room.run(ms(200));
    assert!(levels(&room)[1] > -30.0, "a cough takes no place");
    room.run(ms(600));
    let [first, second, third, _] = levels(&room);
    assert!(
        first > -25.0 && second < -50.0 && third > -15.0,
        "{first} {second} {third}"
    );
}

#[test]
fn muted_deafened_volume_and_gain_do_what_they_say() {
    let mut room = room(3);
    for (at, hertz) in TONES.into_iter().enumerate().take(3) {
        room.join(id(at as u64), Output::default(), says_tone(hertz, 0.1));
    }
    for listener in 7..10 {
        room.listen(id(listener), Output::default());
    }
    room.mixer.set_muted(id(0), true);
    room.mixer.set_gain(id(1), 2.0);
    room.mixer.set_volume(id(7), id(2), 0.1);
    room.mixer.set_volume(id(8), id(2), 0.0);
    room.mixer.set_deafened(id(9), true);
    room.run(ms(2000));
    let levels = |who: u64| TONES.map(|hertz| level_at(end(&room.ears[&id(who)].heard, 1000), hertz).round());
    let [muted, louder, quieter, _] = levels(7);
    assert!(
        muted < -55.0 && (-16.0..-12.0).contains(&louder) && (-45.0..-36.0).contains(&quieter),
        "{:?}",
        levels(7)
    );
    let [_, louder, unheard, _] = levels(8);
    assert!(
        (-16.0..-12.0).contains(&louder) && unheard < -55.0,
        "{:?}",
        levels(8)
    );
    assert_eq!(room.ears[&id(9)].packets, 0);
    let events: Vec<_> = std::iter::from_fn(|| room.mixer.poll_event()).collect();
    let told = events
        .iter()
        .filter(|event| **event == Event::TalksMuted(id(0)))
        .count();
    assert_eq!(told, 1, "{events:?}");
}

#[test]
fn those_with_stereo_hear_where_somebody_stands() {
    let mut room = room(3);
    room.join(id(0), Output::default(), says_tone(TONES[0], 0.2));
    room.join(id(1), Output::default(), says_tone(TONES[1], 0.2));
    room.mixer.set_place(id(0), -1.0);
    let stereo = Output {
        channels: Channels::Stereo,
        quality: Quality {
            bitrate: 64_000,
            ..Quality::default()
        },
        ..Output::default()
    };
    room.listen(id(8), Output::default());
    room.listen(id(9), stereo);
    room.run(ms(2000));
    // A mono ear hears half of who stands at one side and all of who stands in the middle.
    let heard = end(&room.ears[&id(9)].heard, 1000).to_vec();
    let (side, middle) = (level_at(&heard, TONES[0]), level_at(&heard, TONES[1]));
    assert!((middle - side - 6.0).abs() < 1.5, "{side:.1} and {middle:.1} dB");
    assert!(room.ear(9).payload[0] & 4 != 0, "the packet says stereo");
    assert!(room.ear(8).payload[0] & 4 == 0, "the other one mono");
}

#[test]
fn packets_are_as_long_as_asked_for() {
    for (packet_time, samples) in [
        (PacketTime::Ten, 480),
        (PacketTime::Twenty, 960),
        (PacketTime::Forty, 1920),
        (PacketTime::Sixty, 2880),
    ] {
        for codec in [Codec::Opus, Codec::Pcma] {
            let mut room = room(3);
            room.join(id(0), Output::default(), says_tone(TONES[0], 0.2));
            room.join(id(1), Output::default(), says_tone(TONES[1], 0.2));
            let output = Output {
                codec,
                packet_time,
                ..Output::default()
            };
            room.listen(id(9), output);
            room.run(ms(1500));
            let ear = room.ear(9);
            assert_eq!(codec.samples(&ear.payload), Some(samples));
            let level = level_at(end(&ear.heard, 900), TONES[0]);
            assert!(
                (-16.0..-12.0).contains(&level),
                "{codec:?} {packet_time:?}: {level:.1} dB"
            );
            assert_eq!(ear.lost, 0);
        }
    }
}

#[test]
fn an_announcement_is_heard_by_all_and_then_the_room_sleeps() {
    let mut room = room(3);
    room.join(id(0), Output::default(), says_nothing());
    room.listen(id(1), Output::default());
    let chime = room::sound::tone(TONES[2], 0.2, 0, 200_000);
    assert_eq!(
        room.mixer.feed(&chime, room.now),
        96_000,
        "two seconds wait at most"
    );
    room.run(ms(2500));
    for who in 0..2 {
        let level = level_at(&room.ears[&id(who)].heard[9600..43_200], TONES[2]);
        assert!((-16.0..-12.0).contains(&level), "{who} hears {level:.1} dB");
    }
    assert_eq!(room.mixer.poll_timeout(), None);
}

#[test]
fn whom_somebody_must_not_hear_they_do_not_even_hear_begin() {
    let mut room = room(3);
    room.join(id(0), Output::default(), says_tone(TONES[0], 0.5));
    room.listen(id(1), Output::default());
    room.listen(id(2), Output::default());
    room.mixer.set_volume(id(1), id(0), 0.0);
    room.run(ms(500));
    assert!(room.ear(2).packets > 10);
    assert_eq!(room.ear(1).packets, 0);
}

#[test]
fn speakers_are_told_and_packets_name_the_voices_in_them() {
    let mut room = room(3);
    room.join(id(0), Output::default(), says_tone(TONES[0], 0.1));
    room.join(id(1), Output::default(), says_tone(TONES[1], 0.3));
    room.listen(id(9), Output::default());
    room.run(ms(1000));
    assert_eq!(room.mixer.speakers(), [id(1), id(0)]);
    assert_eq!((room.mixer.level(id(1)), room.mixer.level(id(9))), (13, 127));
    let events: Vec<_> = std::iter::from_fn(|| room.mixer.poll_event()).collect();
    assert!(events.contains(&Event::Speakers));
    let mut seen = Vec::new();
    while seen.is_empty() {
        let now = room.mixer.poll_timeout().unwrap();
        let outgoing = room.mixer.tick(now);
        seen = outgoing
            .packets()
            .map(|sent| (sent.to, sent.voices.to_vec(), sent.level))
            .collect();
    }
    let voices = |who| seen.iter().find(|(to, _, _)| *to == id(who)).unwrap().1.clone();
    assert_eq!(
        voices(9),
        [
            (SourceId::Participant(id(1)), 13),
            (SourceId::Participant(id(0)), 23)
        ]
    );
    assert_eq!(voices(1), [(SourceId::Participant(id(0)), 23)]);
}

#[test]
fn those_who_do_not_say_how_loud_they_are_are_found_out() {
    let mut room = room(2);
    for at in 0..12 {
        let say = if at == 7 || at == 11 {
            says_tone(TONES[at as usize % 4], 0.2)
        } else {
            says_tone(300.0, 0.0003)
        };
        room.join(id(at), Output::default(), say);
        room.speaker(at).levels = false;
    }
    room.listen(id(20), Output::default());
    room.run(ms(2500));
    assert_eq!(room.mixer.speakers().len(), 2);
    assert!(room.mixer.speakers().contains(&id(7)) && room.mixer.speakers().contains(&id(11)));
}

#[test]
fn what_is_refused_is_refused_by_name() {
    let settings = Settings {
        participants: 1,
        ..Settings::default()
    };
    let mut mixer = Mixer::new(settings, Thin);
    assert_eq!(mixer.join(id(1), PCMA), Ok(()));
    assert_eq!(mixer.join(id(1), PCMA), Err(Refusal::Present));
    assert_eq!(mixer.join(id(2), PCMA), Err(Refusal::Full));
    mixer.leave(id(1));
    assert_eq!(mixer.join(id(2), PCMA), Ok(()));
}
