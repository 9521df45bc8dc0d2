//! Passing a talker's packets on, coming back to the mix, and everything else that begins or ends within a word.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod room;

use room::{
    Room, Say, id, ms, says, says_nothing, says_tone,
    sound::{self, level_at, snr},
    thin::Thin,
};
use trefoil_codec::Builtin;
use trefoil_mix::{Codec, Output, Quality, Settings};

fn pcma() -> Output {
    Output {
        codec: Codec::Pcma,
        ..Output::default()
    }
}

/// Says nothing, then something from a moment on.
fn says_from(frame: usize, mut say: Say) -> Say {
    Box::new(move |at| {
        if at < frame {
            vec![0.0; 960]
        } else {
            say(at - frame)
        }
    })
}

fn largest_step(samples: &[f32]) -> f32 {
    samples
        .windows(2)
        .fold(0.0, |most, pair| most.max((pair[1] - pair[0]).abs()))
}

#[test]
fn a_lone_talker_is_passed_on_byte_for_byte() {
    let mut room = Room::new(Settings::default(), Builtin);
    room.join(id(0), Output::default(), says(sound::speech(5.0, 1)));
    for listener in 1..20 {
        room.listen(id(listener), Output::default());
    }
    room.speaker(0).packets = Some(Vec::new());
    room.ear(19).payloads = Some(Vec::new());
    room.run(ms(5000));
    assert_eq!(room.mixer.groups(), 2);
    assert_eq!(room.ear(0).packets, 0, "who talks alone hears nothing");
    let (sent, got) = (
        room.speaker(0).packets.take().unwrap(),
        room.ear(19).payloads.take().unwrap(),
    );
    let first = sent.iter().position(|packet| *packet == got[0]).unwrap();
    // In order, and all but those that were left out to keep the delay.
    let mut rest = sent[first..].iter();
    assert!(got.iter().all(|packet| rest.any(|sent| sent == packet)));
    assert!(
        got.len() > 200 && got.len() + 5 > sent.len() - first,
        "{} of {}",
        got.len(),
        sent.len()
    );
    assert!(room.ears[&id(1)].heard == room.ears[&id(19)].heard);
}

#[test]
fn packets_lost_before_a_lone_talker_is_passed_on_are_recovered_by_the_receiver() {
    let mut room = Room::new(Settings::default(), Builtin);
    room.join(id(0), Output::default(), says(sound::speech(5.0, 1)));
    room.listen(id(1), Output::default());
    room.speaker(0).net.loss = 0.1;
    room.run(ms(5000));
    let ear = room.ear(1);
    assert!((15..40).contains(&ear.lost), "{} of 250 were missing", ear.lost);
}

/// A talker is alone; from 3 s on somebody else talks quietly for a second, then again at 7 s.
fn with_interruptions(pass_through: bool) -> Vec<f32> {
    let settings = Settings {
        pass_through,
        ..Settings::default()
    };
    let mut room = Room::new(settings, Builtin);
    room.join(id(0), Output::default(), says(sound::speech(9.9, 1)));
    let mut tone = says_tone(5000.0, 0.003);
    let other = move |frame: usize| {
        if frame % 200 < 50 {
            tone(frame)
        } else {
            vec![0.0; 960]
        }
    };
    room.join(id(2), Output::default(), says_from(150, Box::new(other)));
    room.listen(id(9), Output::default());
    room.run(ms(12_000));
    std::mem::take(&mut room.ear(9).heard)
}

#[test]
fn passed_on_and_mixed_again_a_talker_sounds_as_if_always_mixed() {
    let (mixed, passed) = (with_interruptions(false), with_interruptions(true));
    let pieces = |from: usize, to: usize| -> Vec<f64> {
        (from..to)
            .map(|at| {
                let piece = &mixed[at * 4800..][..4800];
                let around = &passed[at * 4800 - 1200..][..7200];
                let shift = sound::delay(piece, around, 2400);
                snr(piece, &around[shift..])
            })
            .collect()
    };
    // Coded once or twice, both are much alike. The mix is 11 ms later (limiter, second encoder), so where one turns into
    // the other a piece has two delays: its figure is that of a jump in time, not of noise.
    let worst = |pieces: &[f64]| pieces.iter().copied().fold(100.0, f64::min);
    let (before, at_seam, after) = (pieces(10, 28), pieces(28, 34), pieces(34, 44));
    let mut sorted = pieces(10, 100);
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    assert!(
        median > 15.0 && worst(&at_seam) > 6.0,
        "{median:.1}: {before:.0?} {at_seam:.0?} {after:.0?}"
    );
    let bound = largest_step(&mixed) * 1.3;
    assert!(
        largest_step(&passed) < bound,
        "{} and {bound}",
        largest_step(&passed)
    );
}

#[test]
fn a_tone_that_is_passed_on_and_mixed_again_makes_no_click() {
    let mut room = Room::new(Settings::default(), Builtin);
    room.join(id(0), Output::default(), says_tone(300.0, 0.3));
    room.join(id(2), Output::default(), says_from(100, says_tone(450.0, 0.05)));
    room.listen(id(9), Output::default());
    room.run(ms(4000));
    let heard = &room.ears[&id(9)].heard[9600..];
    // Around the change at 2 s: what is above both tones stays far below them.
    for part in heard.chunks_exact(2400).skip(30).take(20) {
        for hertz in [1500.0, 3000.0, 6000.0] {
            let level = level_at(part, hertz);
            assert!(level < -42.0, "{level:.1} dB at {hertz} Hz");
        }
    }
    assert!(largest_step(heard) < 0.05, "{}", largest_step(heard));
}

#[test]
fn joining_leaving_and_mute_within_a_word_make_no_steps() {
    for kind in 0..5 {
        let mut room = Room::new(Settings::default(), Thin);
        room.join(id(0), pcma(), says_tone(200.0, 0.5));
        room.join(id(1), pcma(), says_tone(150.0, 0.2));
        room.listen(id(9), pcma());
        room.run(ms(1000) + ms(7));
        match kind {
            0 => room.join(id(2), pcma(), says_tone(120.0, 0.3)),
            1 => room.leave(id(0)),
            2 => room.mixer.set_muted(id(0), true),
            3 => room.mixer.set_volume(id(9), id(0), 0.2),
            _ => room.mixer.set_gain(id(0), 0.3),
        }
        room.run(ms(1000));
        if kind == 2 {
            room.mixer.set_muted(id(0), false);
            room.run(ms(1000));
        }
        let heard = &room.ears[&id(9)].heard[4800..];
        // A byte of 8 kHz holds for six samples: its own steps are those of tones at 8 kHz, and a fade's.
        let own = std::f64::consts::TAU / 8000.0 * (200.0 * 0.5 + 150.0 * 0.2 + 120.0 * 0.3)
            + 0.5 / 40.0
            + 2.0 / 127.0;
        let step = f64::from(largest_step(heard));
        assert!(
            step < own * 1.1,
            "{kind}: a step of {step:.3}, and {own:.3} is the tones' own"
        );
        let level = level_at(&heard[heard.len() - 9600..], 150.0);
        assert!(
            (-17.0..-12.0).contains(&level),
            "the other one is still heard: {level:.1} dB"
        );
    }
}

#[test]
fn twenty_talkers_at_full_scale_are_limited_and_not_distorted() {
    let settings = Settings {
        talkers: usize::MAX,
        ..Settings::default()
    };
    let mut room = Room::new(settings, Builtin);
    for who in 0..20 {
        room.join(id(who), Output::default(), says_tone(440.0, 0.99));
    }
    let loud = Output {
        quality: Quality {
            bitrate: 128_000,
            ..Quality::default()
        },
        ..Output::default()
    };
    room.listen(id(99), loud);
    room.run(ms(3000));
    let heard = &room.ears[&id(99)].heard;
    let end = &heard[heard.len() - 48_000..];
    let own = level_at(end, 440.0);
    let harmonics: f64 = (2..12)
        .map(|n| 10_f64.powf(level_at(end, 440.0 * f64::from(n)) / 10.0))
        .sum();
    let distortion = 10.0 * harmonics.log10() - own;
    assert!(
        (-6.0..0.0).contains(&own) && distortion < -40.0,
        "{own:.1} dB, harmonics {distortion:.1} dB below"
    );
    // Wrapping would show as a step of twice full scale.
    let own_step = (std::f64::consts::TAU * 440.0 / 48_000.0) as f32;
    assert!(
        largest_step(&heard[9600..]) < own_step * 2.0,
        "{}",
        largest_step(&heard[9600..])
    );
}

#[test]
fn twenty_voices_at_full_scale_stay_below_it() {
    let settings = Settings {
        talkers: usize::MAX,
        ..Settings::default()
    };
    let mut room = Room::new(settings, Thin);
    for who in 0..20 {
        let loud = sound::speech(3.0, who)
            .iter()
            .map(|sample| sample * 2.0)
            .collect();
        room.join(id(who), pcma(), says(loud));
    }
    room.listen(id(99), pcma());
    room.run(ms(3000));
    let heard = &room.ears[&id(99)].heard;
    let peak = heard.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.5..0.9).contains(&peak), "{peak}");
}

#[test]
fn a_silent_room_has_no_next_step_and_sends_nothing() {
    let mut room = Room::new(Settings::default(), Builtin);
    for who in 0..5 {
        room.join(id(who), Output::default(), says_nothing());
    }
    room.run(ms(5000));
    assert_eq!((room.ticks, room.sent, room.mixer.poll_timeout()), (0, 0, None));
    // Somebody says a word; then it sleeps again.
    room.speaker(0).say = Box::new(|frame| {
        if frame < 300 {
            sound::tone(300.0, 0.2, frame * 960, 960)
        } else {
            vec![0.0; 960]
        }
    });
    room.run(ms(2100));
    let (ticks, sent) = (room.ticks, room.sent);
    assert!(
        (85..110).contains(&ticks),
        "{ticks} steps for a second and 800 ms"
    );
    assert!((340..400).contains(&sent), "{sent} packets to four");
    assert_eq!(room.ear(1).markers, 1);
    room.run(ms(5000));
    assert_eq!(
        (room.ticks, room.sent, room.mixer.poll_timeout()),
        (ticks, sent, None)
    );
}

#[test]
fn five_thousand_idle_rooms_have_no_deadlines() {
    let mut rooms = Vec::new();
    for _ in 0..5000 {
        let mut mixer = trefoil_mix::Mixer::new(Settings::default(), Thin);
        for who in 0..3 {
            mixer.join(id(who), pcma()).unwrap();
        }
        rooms.push(mixer);
    }
    assert_eq!(
        rooms.iter().filter_map(trefoil_mix::Mixer::poll_timeout).count(),
        0
    );
}

#[test]
fn a_thread_that_comes_late_leaves_steps_out_and_does_not_drift() {
    let mut room = Room::new(Settings::default(), Thin);
    room.join(id(0), pcma(), says_tone(200.0, 0.5));
    room.join(id(1), pcma(), says_tone(300.0, 0.2));
    room.listen(id(9), pcma());
    room.run(ms(1000));
    let due = room.mixer.poll_timeout().unwrap();
    let sent = room
        .mixer
        .tick(due + ms(390))
        .packets()
        .filter(|sent| sent.to == id(9))
        .count();
    assert_eq!((sent, room.mixer.skipped()), (3, 17));
    assert_eq!(room.mixer.poll_timeout(), Some(due + ms(400)));
    room.now = due + ms(390);
    for _ in 0..50 {
        room.mixer.report_load(0.99, room.now);
        room.run(ms(20));
    }
    assert_eq!(room.mixer.rung(), trefoil_mix::Rung::Overloaded);
    // What came at once, since nobody looked, is remembered as a delay for five seconds.
    room.run(ms(9000));
    let delay = room.mixer.reception(id(0)).unwrap().delay / 48;
    assert!((15..80).contains(&delay), "{delay} ms");
}

#[test]
fn what_is_given_up_under_load_is_that_each_has_a_mix_of_their_own() {
    let mut room = Room::new(Settings::default(), Builtin);
    room.join(id(0), Output::default(), says_tone(300.0, 0.2));
    room.join(id(1), Output::default(), says_tone(700.0, 0.2));
    for who in 10..20 {
        room.listen(id(who), Output::default());
        room.mixer.set_volume(id(who), id(0), who as f32 / 20.0);
    }
    room.run(ms(1000));
    assert_eq!(room.mixer.groups(), 12);
    while room.mixer.rung() < trefoil_mix::Rung::Shared {
        room.mixer.report_load(0.99, room.now);
    }
    room.run(ms(1000));
    assert_eq!(room.mixer.groups(), 3, "two talkers, and all who listen");
}
