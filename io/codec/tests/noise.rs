//! Noise suppression: how much better it sounds, in dB, and that voices do not meet in it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod sound;

use trefoil_codec::{Builtin, NoiseSuppressor};
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, FRAME, Quality, Suppressor};

/// By so many samples it is later: 10 ms.
const LATER: usize = FRAME / 2;

fn suppress(suppressor: &mut NoiseSuppressor, samples: &[f32]) -> Vec<f32> {
    let mut out = samples.to_vec();
    out.chunks_exact_mut(FRAME)
        .for_each(|frame| suppressor.suppress(frame));
    out
}

fn with_noise(samples: &[f32], level: f64, seed: u64) -> Vec<f32> {
    let mut noise = sound::Noise(seed);
    let noisy = samples
        .iter()
        .map(|sample| sample + (noise.next() * level) as f32);
    noisy.collect()
}

fn decibels(samples: &[f32]) -> f64 {
    let power = samples
        .iter()
        .map(|sample| f64::from(sample * sample))
        .sum::<f64>();
    10.0 * (power / samples.len() as f64 + 1e-15).log10()
}

/// How far what is heard in pauses stands below what is heard in words.
fn signal_to_noise(clean: &[f32], heard: &[f32]) -> f64 {
    // From the third second on it knows the noise; a pause begins with the end of a word.
    let parts = clean.chunks_exact(FRAME).zip(heard.chunks_exact(FRAME)).skip(100);
    let (mut words, mut pauses, mut silent) = (Vec::new(), Vec::new(), 0);
    for (clean, heard) in parts {
        silent = if decibels(clean) < -65.0 { silent + 1 } else { 0 };
        match silent {
            0 => words.extend(heard),
            1..=2 => {}
            _ => pauses.extend(heard),
        }
    }
    assert!(words.len() > 96_000 && pauses.len() > 24_000);
    decibels(&words) - decibels(&pauses)
}

#[test]
fn white_noise_goes_from_speech_and_the_speech_stays() {
    for (level, gained) in [(0.01, 1.0), (0.03, 6.0), (0.1, 11.0)] {
        let clean = sound::speech(10.0, 3);
        let noisy = with_noise(&clean, level, 77);
        let heard = &suppress(&mut Builtin.suppressor(), &noisy)[LATER..];
        let before = signal_to_noise(&clean, &noisy);
        let after = signal_to_noise(&clean, heard);
        // The same beside what becomes of speech without noise, sample by sample: so noise in words counts as well.
        let alone = &suppress(&mut Builtin.suppressor(), &clean)[LATER..];
        let [came, left] = [(&clean[..], &noisy[..]), (alone, heard)]
            .map(|(clean, noisy)| sound::snr(&clean[96_000..], &noisy[96_000..]));
        assert!(
            after > before + 20.0 && left > came + gained,
            "noise of {level}: {before:.1} dB before, {after:.1} after; {came:.1} and {left:.1} in all"
        );
        let voice = decibels(alone) - decibels(&clean);
        assert!(voice > -1.0, "the voice itself loses {voice:.1} dB");
    }
}

#[test]
fn noise_that_came_through_opus_goes_as_well() {
    let quality = Quality {
        complexity: 9,
        ..Quality::default()
    };
    let clean = sound::speech(10.0, 4);
    let mut encoder = Builtin.encoder(Codec::Opus, Channels::Mono, quality);
    let (mut decoder, mut coded) = (Builtin.decoder(Codec::Opus), Vec::new());
    for frame in with_noise(&clean, 0.03, 9).chunks_exact(FRAME) {
        let mut packet = Vec::new();
        encoder.encode(frame, &mut packet);
        decoder.decode(&packet, &mut coded).unwrap();
    }
    // The codec is 6.5 ms late.
    let coded = &coded[312..];
    let heard = &suppress(&mut Builtin.suppressor(), coded)[LATER..];
    let (before, after) = (signal_to_noise(&clean, coded), signal_to_noise(&clean, heard));
    assert!(after > before + 20.0, "{before:.1} dB before, {after:.1} after");
}

#[test]
fn no_voice_changes_what_is_made_of_another() {
    let one = with_noise(&sound::speech(3.0, 1), 0.05, 1);
    let other = with_noise(&sound::speech(3.0, 2), 0.2, 2);
    let alone = suppress(&mut Builtin.suppressor(), &one);
    let (mut first, mut second) = (Builtin.suppressor(), Builtin.suppressor());
    let mut beside = Vec::new();
    for (frame, others) in one.chunks_exact(FRAME).zip(other.chunks_exact(FRAME)) {
        beside.extend(suppress(&mut first, frame));
        suppress(&mut second, others);
    }
    assert!(alone == beside);
}

#[test]
fn any_samples_give_finite_ones_and_what_follows_is_a_voice_again() {
    let mut suppressor = Builtin.suppressor();
    let mut noise = sound::Noise(99);
    for odd in [f32::NAN, f32::INFINITY, f32::MAX, -4.0, 4.0, 1e-40, 1e-5] {
        // All the time, now and then, and at either end of the scale by chance.
        let constant = [odd; 8 * FRAME];
        let rare: Vec<f32> = (0..8 * FRAME)
            .map(|at| if at % 777 == 0 { odd } else { 0.0 })
            .collect();
        let wild: Vec<f32> = (0..8 * FRAME)
            .map(|_| odd * noise.next().signum() as f32)
            .collect();
        for samples in [&constant[..], &rare, &wild] {
            let out = suppress(&mut suppressor, samples);
            assert!(out.iter().all(|sample| sample.is_finite()), "{odd}");
        }
        let voice = sound::speech(3.0, 4);
        let heard = suppress(&mut suppressor, &voice);
        let less = decibels(&voice[48_000..]) - decibels(&heard[48_000..]);
        assert!(less < 6.0, "after {odd} a voice is {less:.1} dB quieter");
    }
}
