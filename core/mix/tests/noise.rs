//! Noise suppression in a room: for whom, from when, and what is given up for it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod room;

use room::{Room, id, ms, says, says_tone, sound, thin::Thin};
use trefoil_codec::Builtin;
use trefoil_mix::{Codec, Output, Rung, Settings};

fn pcma() -> Output {
    Output {
        codec: Codec::Pcma,
        ..Output::default()
    }
}

/// How loud a tone is in the last 100 ms that somebody heard.
fn level(room: &Room<Thin>, hertz: f64) -> f64 {
    let heard = &room.ears[&id(9)].heard;
    sound::level_at(&heard[heard.len() - 4800..], hertz)
}

/// Two talk, one listens; the noise of the first is taken away, which for this codec makes half of what there is.
fn two_talkers() -> Room<Thin> {
    let mut room = Room::new(Settings::default(), Thin);
    room.join(id(0), pcma(), says_tone(200.0, 0.5));
    room.join(id(1), pcma(), says_tone(1000.0, 0.2));
    room.listen(id(9), pcma());
    room.mixer.set_denoise(id(0), true);
    room.run(ms(1000));
    room
}

#[test]
fn only_the_voice_of_who_asks_for_it_is_changed() {
    let mut room = two_talkers();
    let (first, second) = (level(&room, 200.0), level(&room, 1000.0));
    assert!(
        (first + 12.0).abs() < 0.5 && (second + 14.0).abs() < 0.5,
        "{first:.1} and {second:.1} dB"
    );
    room.mixer.set_denoise(id(0), false);
    room.run(ms(500));
    let first = level(&room, 200.0);
    assert!((first + 6.0).abs() < 0.5, "{first:.1} dB");
}

#[test]
fn it_is_given_up_before_any_talker_and_comes_back() {
    let mut room = two_talkers();
    room.join(id(2), pcma(), says_tone(450.0, 0.1));
    room.run(ms(500));
    while room.mixer.rung() < Rung::Noisy {
        room.mixer.report_load(0.99, room.now);
    }
    room.run(ms(500));
    let (first, third) = (level(&room, 200.0), level(&room, 450.0));
    assert!(
        (first + 6.0).abs() < 0.5 && (third + 20.0).abs() < 1.0,
        "{first:.1} and {third:.1} dB"
    );
    while room.mixer.rung() > Rung::Cheap {
        room.run(ms(100));
        room.mixer.report_load(0.1, room.now);
    }
    room.run(ms(500));
    let first = level(&room, 200.0);
    assert!((first + 12.0).abs() < 0.5, "{first:.1} dB");
}

#[test]
fn a_lone_talker_who_asks_for_it_is_mixed_instead_of_passed_on() {
    let run = |denoise: bool| {
        let mut room = Room::new(Settings::default(), Builtin);
        room.join(id(0), Output::default(), says(sound::speech(3.0, 1)));
        room.listen(id(9), Output::default());
        room.mixer.set_denoise(id(0), denoise);
        room.speaker(0).packets = Some(Vec::new());
        room.ear(9).payloads = Some(Vec::new());
        room.run(ms(3000));
        let said = room.speaker(0).packets.take().unwrap();
        let heard = room.ear(9).payloads.take().unwrap();
        let same = heard.iter().filter(|payload| said.contains(payload)).count();
        (same, heard.len())
    };
    let ((passed, of), (mixed, sent)) = (run(false), run(true));
    assert!(passed == of && of > 130, "{passed} of {of}");
    assert!(mixed < 3 && sent > 130, "{mixed} of {sent}");
}

#[test]
fn where_nobody_who_talks_asks_for_it_every_bit_is_as_without_it() {
    let run = |denoise: bool| {
        let mut room = Room::new(Settings::default(), Builtin);
        room.join(id(0), Output::default(), says(sound::speech(3.0, 1)));
        room.join(id(1), Output::default(), says(sound::speech(3.0, 2)));
        room.listen(id(9), Output::default());
        room.ear(9).payloads = Some(Vec::new());
        room.mixer.set_denoise(id(9), denoise);
        // And whoever asked for it and thought better of it.
        room.mixer.set_denoise(id(1), denoise);
        room.mixer.set_denoise(id(1), false);
        room.run(ms(3000));
        room.ear(9).payloads.take().unwrap()
    };
    assert!(run(true) == run(false));
}

#[test]
fn turned_on_and_off_within_a_word_it_makes_no_steps() {
    let mut room = Room::new(Settings::default(), Builtin);
    room.join(id(0), Output::default(), says_tone(200.0, 0.3));
    room.join(id(1), Output::default(), says_tone(300.0, 0.1));
    room.listen(id(9), Output::default());
    for at in 0..20 {
        room.mixer.set_denoise(id(0), at % 2 == 0);
        room.run(ms(90));
    }
    let heard = &room.ears[&id(9)].heard[9600..];
    let step = heard
        .windows(2)
        .fold(0.0_f32, |most, pair| most.max((pair[1] - pair[0]).abs()));
    // The tones' own steps, twice.
    let own = (std::f64::consts::TAU / 48_000.0 * (200.0 * 0.3 + 300.0 * 0.1)) as f32;
    assert!(
        step < 2.0 * own,
        "a step of {step:.4}, and {own:.4} is the tones' own"
    );
}
