//! What is played into a room from files: which files, how it sounds, what is told of it, and when it ends.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "../../../io/codec/tests/sound/mod.rs"]
mod sound;

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use sound::level_at;
use trefoil_mix::{AnnouncementId, Player, Progress, Refusal, STEP, Sound, Unplayable};

const ONE: AnnouncementId = AnnouncementId(1);
const TWO: AnnouncementId = AnnouncementId(2);

/// A WAV file with one sine in each channel, 0.25 of full scale.
fn wav(rate: u32, hertz: &[f64], seconds: f64) -> Vec<u8> {
    let frames = (f64::from(rate) * seconds) as usize;
    let mut data = Vec::new();
    for at in 0..frames {
        for hertz in hertz {
            let phase = at as f64 * hertz / f64::from(rate) * std::f64::consts::TAU;
            data.extend(((phase.sin() * 8192.0) as i16).to_le_bytes());
        }
    }
    file(1, hertz.len() as u16, rate, 16, &data, data.len() as u32)
}

fn file(encoding: u16, channels: u16, rate: u32, bits: u16, data: &[u8], length: u32) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    file.extend(encoding.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(channels * bits / 8)).to_le_bytes());
    file.extend((channels * bits / 8).to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

/// All that is heard from `now` on until nothing is played.
fn heard(player: &mut Player, mut now: Duration) -> Vec<f32> {
    let mut heard = Vec::new();
    while let Some(due) = player.poll_timeout() {
        now = now.max(due);
        heard.extend_from_slice(player.step(now).unwrap());
    }
    heard
}

fn reports(player: &mut Player) -> Vec<(u64, Progress, u128)> {
    let report =
        |report: trefoil_mix::Report| (report.announcement.0, report.progress, report.played.as_millis());
    std::iter::from_fn(|| player.poll_report().map(report)).collect()
}

#[test]
fn a_file_of_any_rate_sounds_as_it_should_and_nothing_else_is_heard() {
    for rate in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
        let sound = Sound::read(wav(rate, &[1000.0], 1.0)).unwrap();
        assert_eq!((sound.rate(), sound.length()), (rate, Duration::from_secs(1)));
        let mut player = Player::new(1);
        player
            .play(ONE, Arc::new(sound), (1.0, 1), Duration::ZERO)
            .unwrap();
        let heard = heard(&mut player, Duration::ZERO);
        let middle = &heard[4800..43_200];
        let level = level_at(middle, 1000.0);
        assert!((-12.6..-11.6).contains(&level), "{rate}: {level:.2} dB");
        // Where a rate is raised, the tone must not appear again above it.
        let above = level_at(middle, f64::from(rate) - 1000.0);
        assert!(rate > 24_000 || above < -75.0, "{rate}: image at {above:.1} dB");
    }
}

#[test]
fn both_channels_are_heard_and_a_sound_is_repeated_without_a_gap() {
    let sound = Arc::new(Sound::read(wav(16_000, &[500.0, 900.0], 0.5)).unwrap());
    let mut player = Player::new(1);
    player.play(ONE, sound, (2.0, 3), Duration::ZERO).unwrap();
    let heard = heard(&mut player, Duration::ZERO);
    assert_eq!(
        heard.len(),
        75 * 960 + 3 * 960,
        "three times half a second, and a little silence"
    );
    for hertz in [500.0, 900.0] {
        let level = level_at(&heard[4800..67_200], hertz);
        assert!((-12.6..-11.6).contains(&level), "{hertz}: {level:.2} dB");
    }
    let loudest_step = heard[240..71_000]
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0_f32, f32::max);
    assert!(loudest_step < 0.08, "a click: {loudest_step}");
    assert_eq!(
        reports(&mut player),
        [
            (1, Progress::Started, 0),
            (1, Progress::Goes, 1000),
            (1, Progress::Ended, 1500)
        ]
    );
}

#[test]
fn what_is_stopped_fades_within_a_step_while_the_other_goes_on() {
    let mut player = Player::new(2);
    let now = Duration::from_secs(7);
    for (id, hertz) in [(ONE, 600.0), (TWO, 1500.0)] {
        let sound = Sound::read(wav(48_000, &[hertz], 2.0)).unwrap();
        player.play(id, Arc::new(sound), (1.0, 1), now).unwrap();
    }
    for step in 0..25 {
        player.step(now + STEP * step).unwrap();
    }
    assert!(player.stop(ONE) && !player.stop(ONE));
    assert!(!player.stop(AnnouncementId(3)));
    let rest = heard(&mut player, now);
    assert!(level_at(&rest[1200..48_000], 600.0) < -70.0);
    assert!(level_at(&rest[1200..48_000], 1500.0) > -12.6);
    let told = reports(&mut player);
    assert!(told.contains(&(1, Progress::Ended, 520)), "{told:?}");
    assert_eq!(told.last(), Some(&(2, Progress::Ended, 2000)));
    assert_eq!(player.playing().count(), 0);
}

#[test]
fn many_at_once_stay_below_full_scale_and_one_more_is_refused_by_name() {
    let sound = Arc::new(Sound::read(wav(48_000, &[700.0], 0.5)).unwrap());
    let mut player = Player::new(2);
    player.play(ONE, sound.clone(), (8.0, 1), Duration::ZERO).unwrap();
    let again = player.play(ONE, sound.clone(), (8.0, 1), Duration::ZERO);
    assert_eq!(again, Err(Refusal::Present));
    player.play(TWO, sound.clone(), (8.0, 1), Duration::ZERO).unwrap();
    let third = player.play(AnnouncementId(3), sound, (1.0, 1), Duration::ZERO);
    assert_eq!(third, Err(Refusal::Busy));
    let peak = heard(&mut player, Duration::ZERO)
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.8..=1.0).contains(&peak), "{peak}");
}

#[test]
fn whoever_comes_late_for_a_step_misses_nothing_and_hurries_nobody() {
    let sound = Arc::new(Sound::read(wav(48_000, &[700.0], 0.2)).unwrap());
    let mut player = Player::new(1);
    player.play(ONE, sound, (1.0, 1), Duration::ZERO).unwrap();
    let late = Duration::from_secs(60);
    assert!(player.step(late).is_some());
    assert_eq!(player.poll_timeout(), Some(late + STEP));
    assert!(player.step(late).is_none(), "not before its time");
    assert_eq!(heard(&mut player, late).len(), (9 + 3) * 960);
}

#[test]
fn what_cannot_be_played_is_refused_by_name() {
    let check = |file: Vec<u8>, refusal| assert_eq!(Sound::read(file).err(), Some(refusal));
    check(b"OggS".to_vec(), Unplayable::NotWav);
    check(wav(8000, &[1.0], 0.1)[..40].to_vec(), Unplayable::NotWav);
    check(file(3, 1, 48_000, 32, &[0; 8], 8), Unplayable::Encoding);
    check(file(1, 1, 48_000, 24, &[0; 6], 6), Unplayable::Encoding);
    check(file(1, 6, 48_000, 16, &[0; 12], 12), Unplayable::Channels);
    check(file(1, 1, 96_000, 16, &[0; 2], 2), Unplayable::Rate);
    check(file(1, 1, 7_999, 16, &[0; 2], 2), Unplayable::Rate);
    check(file(1, 1, 8_000, 16, &[0; 2], 4), Unplayable::Truncated);
    check(file(1, 2, 8_000, 16, &[0; 3], 3), Unplayable::Empty);
    // What does not know its own length ends with the file, in whole samples.
    let endless = Sound::read(file(1, 1, 8_000, 16, &[0; 17], u32::MAX)).unwrap();
    assert_eq!((endless.frames(), endless.bytes()), (8, 73));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_is_played_is_finite(
        channels in 0..4_u16, rate in 7_000..50_000_u32, bits in prop::sample::select(vec![8_u16, 16, 24]),
        data in prop::collection::vec(any::<u8>(), 0..400), length in any::<u32>(),
        at in 0..44_usize, byte in any::<u8>(), gain in any::<f32>(), times in any::<u16>(),
    ) {
        let mut file = file(1, channels, rate, bits, &data, length % 500);
        file[at] = byte;
        if let Ok(sound) = Sound::read(file) {
            let mut player = Player::new(1);
            player.play(ONE, Arc::new(sound), (gain, times), Duration::ZERO).unwrap();
            for step in 0..20 {
                if let Some(frame) = player.step(STEP * step) {
                    prop_assert!(frame.iter().all(|sample| sample.is_finite() && sample.abs() <= 1.0));
                }
            }
        }
    }
}
