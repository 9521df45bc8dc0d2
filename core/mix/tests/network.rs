//! What arrives late, twice, never or from a clock of its own, and what is heard of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod room;

use room::{
    Net, Room, id, ms, says, says_tone,
    sound::{self, level_at, snr},
    thin::Thin,
};
use trefoil_codec::Builtin;
use trefoil_mix::{Codec, Codecs, Output, Settings};

/// Two talk, so that everything is decoded and mixed; one listens. The network of the first is `net`.
fn room<C: Codecs + Clone>(codecs: C, codec: Codec, net: Net) -> Room<C> {
    let output = Output {
        codec,
        ..Output::default()
    };
    let mut room = Room::new(Settings::default(), codecs);
    room.join(id(0), output, says(sound::speech(9.9, 1)));
    room.join(id(1), output, says(sound::tone(3000.0, 0.002, 0, 48_000)));
    room.listen(id(9), output);
    room.speaker(0).net = net;
    room
}

/// In milliseconds, beyond the fastest packet.
fn delay<C: Codecs>(room: &Room<C>) -> f64 {
    room.mixer.reception(id(0)).unwrap().delay as f64 / 48.0
}

/// How far the error of each piece of 100 ms stands below it, each at its own delay, within 60 ms; the median.
fn quality(clean: &[f32], heard: &[f32]) -> f64 {
    let (piece, around) = (4800, 2880);
    let mut found: Vec<f64> = Vec::new();
    for start in (48_000..clean.len().min(heard.len()) - piece - around).step_by(2 * piece) {
        let said = &clean[start..start + piece];
        if said.iter().map(|sample| sample * sample).sum::<f32>() < 1.0 {
            continue;
        }
        let heard = &heard[start - around..];
        let shift = sound::delay(said, &heard[..2 * around + piece], 2 * around);
        found.push(snr(said, &heard[shift..]));
    }
    found.sort_by(f64::total_cmp);
    assert!(found.len() > 10, "there was something to compare");
    found[found.len() / 2]
}

fn heard_with(net: Net, seconds: u64) -> (Vec<f32>, Room<Builtin>) {
    let mut room = room(Builtin, Codec::Opus, net);
    room.run(ms(seconds * 1000));
    (std::mem::take(&mut room.ear(9).heard), room)
}

#[test]
fn losses_of_5_and_10_percent_cost_little_and_half_of_all_packets_much() {
    let seconds = 12;
    let (clean, _) = heard_with(Net::default(), seconds);
    let mut found = Vec::new();
    for loss in [0.05, 0.1, 0.3, 0.5] {
        let net = Net {
            loss,
            ..Net::default()
        };
        let (heard, room) = heard_with(net, seconds);
        let reception = room.mixer.reception(id(0)).unwrap();
        let share = reception.recovered as f64 / reception.lost as f64;
        let whole = snr(&clean[48_000..], &heard[48_000..]);
        found.push((
            loss,
            whole.round(),
            quality(&clean, &heard).round(),
            (share * 100.0).round(),
        ));
        assert!(delay(&room) < 65.0, "{loss}: {:.0} ms", delay(&room));
    }
    let [five, ten, third, half] = found[..] else {
        panic!("{found:?}");
    };
    assert!(
        five.2 > 20.0 && ten.2 > 10.0 && third.2 > 3.0 && half.2 > 0.0,
        "{found:?}"
    );
    assert!(
        five.3 > 75.0 && ten.3 > 70.0,
        "most is recovered from the next packet: {found:?}"
    );
}

#[test]
fn jitter_and_reordering_are_waited_for_and_forgotten() {
    let mut room = room(Builtin, Codec::Opus, Net::default());
    room.run(ms(5000));
    let before = delay(&room);
    room.speaker(0).net.jitter = ms(200);
    room.run(ms(8000));
    let during = delay(&room);
    let late = room.mixer.reception(id(0)).unwrap().late;
    room.run(ms(10_000));
    let reception = room.mixer.reception(id(0)).unwrap();
    assert!(
        (150.0..280.0).contains(&during),
        "{during:.0} ms with 200 ms of jitter"
    );
    assert!(
        reception.late - late < 50,
        "{} of 500 came too late",
        reception.late - late
    );
    room.speaker(0).net.jitter = ms(0);
    room.run(ms(15_000));
    let after = delay(&room);
    assert!(
        (18.0..46.0).contains(&before) && (18.0..46.0).contains(&after),
        "{before:.0} and {after:.0} ms"
    );
}

#[test]
fn jitter_of_30_ms_costs_no_quality() {
    let (clean, _) = heard_with(Net::default(), 12);
    let net = Net {
        jitter: ms(30),
        ..Net::default()
    };
    let (heard, _) = heard_with(net, 12);
    let found = quality(&clean, &heard);
    assert!(found > 12.0, "{found:.1} dB");
}

#[test]
fn a_clock_that_is_200_or_1500_ppm_off_is_followed_without_being_heard() {
    let (clean, _) = heard_with(Net::default(), 20);
    for ppm in [200.0, -200.0, 1500.0, -1500.0] {
        let net = Net {
            ppm,
            ..Net::default()
        };
        let (heard, room) = heard_with(net, 20);
        let found = quality(&clean, &heard);
        let reception = room.mixer.reception(id(0)).unwrap();
        let delay = delay(&room);
        assert!((18.0..46.0).contains(&delay), "{ppm} ppm: {delay:.0} ms");
        assert!(found > 12.0, "{ppm} ppm: {found:.1} dB, {reception:?}");
        assert_eq!((reception.lost, reception.late), (0, 0));
        assert!(ppm.abs() < 1000.0 || reception.stretched > 480, "{reception:?}");
    }
}

#[test]
fn an_hour_at_300_ppm_leaves_the_delay_where_it_was() {
    for ppm in [300.0, -300.0] {
        let net = Net {
            ppm,
            jitter: ms(10),
            loss: 0.01,
            ..Net::default()
        };
        let mut room = room(Thin, Codec::Pcma, net);
        let mut most: f64 = 0.0;
        for _ in 0..60 {
            room.run(ms(60_000));
            room.ear(9).heard.clear();
            room.speaker(0).said.clear();
            room.speaker(1).said.clear();
            most = most.max(delay(&room));
        }
        assert!(most < 66.0, "{ppm} ppm: up to {most:.0} ms");
        let reception = room.mixer.reception(id(0)).unwrap();
        // 1.08 s in an hour.
        assert!(reception.stretched > 40_000, "{reception:?}");
        assert!(reception.late < 400, "{reception:?}");
    }
}

#[test]
fn pauses_in_sending_are_silence_and_words_after_them_are_whole() {
    let mut room = Room::new(Settings::default(), Builtin);
    let say = |frame: usize| {
        if frame % 100 < 50 {
            sound::tone(500.0, 0.3, frame * 960, 960)
        } else {
            vec![0.0; 960]
        }
    };
    room.join(id(0), Output::default(), Box::new(say));
    room.speaker(0).dtx = true;
    room.join(id(1), Output::default(), says_tone(1500.0, 0.05));
    room.listen(id(9), Output::default());
    room.run(ms(10_000));
    let heard = &room.ears[&id(9)].heard;
    let levels: Vec<f64> = heard
        .chunks_exact(4800)
        .map(|part| level_at(part, 500.0))
        .collect();
    let loud = levels
        .iter()
        .filter(|level| (-13.0..-8.0).contains(*level))
        .count();
    let silent = levels.iter().filter(|level| **level < -45.0).count();
    assert!(
        loud >= 42 && silent >= 38 && loud + silent >= levels.len() - 15,
        "{levels:.0?}"
    );
    let reception = room.mixer.reception(id(0)).unwrap();
    assert_eq!((reception.lost, reception.late, reception.restarts), (0, 0, 0));
}

#[test]
fn a_stream_that_begins_anew_is_heard_within_a_moment() {
    for kind in 0..4 {
        let mut room = Room::new(Settings::default(), Builtin);
        room.join(id(0), Output::default(), says_tone(500.0, 0.3));
        room.join(id(1), Output::default(), says_tone(1500.0, 0.05));
        room.listen(id(9), Output::default());
        room.run(ms(2000));
        let speaker = room.speaker(0);
        match kind {
            0 => speaker.ssrc += 7,
            1 => speaker.sequence = speaker.sequence.wrapping_add(20_000),
            2 => speaker.timestamp = speaker.timestamp.wrapping_add(1 << 31),
            _ => {
                speaker.ssrc += 7;
                speaker.sequence = 5;
                speaker.timestamp = 99;
            }
        }
        room.run(ms(500));
        let heard = &room.ears[&id(9)].heard;
        let level = level_at(&heard[heard.len() - 9600..], 500.0);
        assert!((-13.0..-8.0).contains(&level), "{kind}: {level:.1} dB");
        assert!(
            (18.0..46.0).contains(&delay(&room)),
            "{kind}: {:.0} ms",
            delay(&room)
        );
    }
}

#[test]
fn three_hours_grow_neither_delay_nor_memory() {
    let net = Net {
        ppm: 120.0,
        jitter: ms(25),
        loss: 0.02,
        ..Net::default()
    };
    let mut room = room(Thin, Codec::Pcma, net);
    let (mut sizes, mut delays) = (Vec::new(), Vec::new());
    for minute in 0..180 {
        room.run(ms(59_000));
        // Every minute somebody comes and goes.
        let guest = id(100 + minute);
        let pcma = Output {
            codec: Codec::Pcma,
            ..Output::default()
        };
        room.join(guest, pcma, says(sound::tone(900.0, 0.1, 0, 48_000)));
        room.run(ms(1000));
        room.leave(guest);
        room.ears.remove(&guest);
        room.ear(9).heard.clear();
        for who in 0..2 {
            room.speaker(who).said.clear();
        }
        while room.mixer.poll_event().is_some() {}
        delays.push(delay(&room));
        // Everything the mixer holds, written out.
        sizes.push(format!("{:?}", room.mixer).len());
    }
    let most = |values: &[usize]| values.iter().copied().max().unwrap();
    let (early, late) = (most(&sizes[10..60]), most(&sizes[120..]));
    assert!(
        (late as f64) < early as f64 * 1.15,
        "{early} and {late} characters"
    );
    assert!(delays.iter().all(|delay| *delay < 80.0), "{delays:.0?}");
    assert_eq!(room.mixer.skipped(), 0);
}
