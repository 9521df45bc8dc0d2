//! From a packet to the mix that holds it, whenever it comes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod room;

use room::{Net, Room, id, ms, says, sound, thin::Thin};
use trefoil_codec::Builtin;
use trefoil_mix::{Codec, Codecs, Output, Settings};

/// Frames between two tones of 40 ms.
const PULSE: usize = 25;

/// Milliseconds from the packet with a tone's beginning to the mix in which it is heard, the median, where the room is entered
/// so many milliseconds later.
fn delay_of_tones(phase: u64, pass_through: bool) -> u64 {
    let settings = Settings {
        pass_through,
        ..Settings::default()
    };
    let mut room = Room::new(settings, Builtin);
    room.run(ms(phase));
    let mut pulse = sound::tone(1000.0, 0.6, 0, 2 * room::FRAME);
    pulse.resize(PULSE * room::FRAME, 0.0);
    room.join(id(0), Output::default(), says(pulse));
    room.listen(id(1), Output::default());
    room.speaker(0).levels = false;
    room.run(ms(2000));
    let (mut delays, mut said, mut was_loud) = (Vec::new(), None, true);
    for millisecond in 0..5000 {
        let (frames, packets) = (room.speaker(0).said.len() / room::FRAME, room.ear(1).packets);
        room.run(ms(1));
        if frames % PULSE == 0 && room.speaker(0).said.len() / room::FRAME > frames {
            said = Some(millisecond);
        }
        if room.ear(1).packets > packets {
            let heard = &room.ear(1).heard;
            let power: f32 = heard[heard.len() - room::FRAME..]
                .iter()
                .map(|sample| sample * sample)
                .sum();
            let is_loud = (power / room::FRAME as f32).sqrt() > 0.05;
            if let Some(said) = said.filter(|_| is_loud && !was_loud) {
                delays.push(millisecond - said);
            }
            was_loud = is_loud;
        }
    }
    delays.sort_unstable();
    assert!(delays.len() >= 9, "all tones are heard: {delays:?}");
    delays[delays.len() / 2]
}

#[test]
fn a_lone_talker_is_heard_25_ms_after_each_packet_whenever_it_comes() {
    for pass_through in [true, false] {
        let delays: Vec<u64> = (0..20).map(|phase| delay_of_tones(phase, pass_through)).collect();
        assert!(delays.iter().all(|delay| (25..=27).contains(delay)), "{delays:?}");
    }
}

fn pcma() -> Output {
    Output {
        codec: Codec::Pcma,
        ..Output::default()
    }
}

/// In milliseconds, beyond the fastest packet.
fn delay<C: Codecs>(room: &Room<C>, who: u64) -> f64 {
    room.mixer.reception(id(who)).unwrap().delay as f64 / 48.0
}

#[test]
fn who_talks_beside_somebody_waits_for_the_rest_of_a_step_at_most() {
    let mut delays = Vec::new();
    for phase in 0..20 {
        let mut room = Room::new(Settings::default(), Thin);
        room.join(id(0), pcma(), says(sound::speech(3.0, 1)));
        room.listen(id(9), pcma());
        room.run(ms(100 + phase));
        room.join(id(1), pcma(), says(sound::speech(3.0, 2)));
        room.run(ms(3000));
        let settled = room.mixer.reception(id(1)).unwrap().stretched;
        room.run(ms(20_000));
        let first = delay(&room, 0);
        assert!((25.0..27.0).contains(&first), "at phase {phase}: {first:.0} ms");
        for who in 0..2 {
            let reception = room.mixer.reception(id(who)).unwrap();
            assert_eq!((reception.lost, reception.late), (0, 0), "at phase {phase}");
        }
        let stretched = room.mixer.reception(id(1)).unwrap().stretched - settled;
        assert_eq!(
            stretched, 0,
            "at phase {phase} nothing is cut and stretched again and again"
        );
        delays.push(delay(&room, 1));
    }
    let mut sorted = delays.clone();
    sorted.sort_by(f64::total_cmp);
    assert!(
        sorted[0] >= 20.0 && sorted[10] <= 35.0 && sorted[19] <= 43.0,
        "{delays:.0?}"
    );
}

#[test]
fn a_shaky_network_is_waited_for_from_the_first_word_that_follows_a_pause() {
    let mut room = Room::new(Settings::default(), Thin);
    let mut words = sound::speech(1.0, 1);
    words.resize(3 * 48_000, 0.0);
    room.join(id(0), pcma(), says(words));
    room.listen(id(9), pcma());
    room.speaker(0).net = Net {
        jitter: ms(15),
        ..Net::default()
    };
    room.run(ms(30_000));
    let reception = room.mixer.reception(id(0)).unwrap();
    assert_eq!((reception.lost, reception.restarts), (0, 0));
    assert!(reception.late <= 3, "{reception:?}");
    assert!(
        (20.0..43.0).contains(&delay(&room, 0)),
        "{:.0} ms",
        delay(&room, 0)
    );
}
