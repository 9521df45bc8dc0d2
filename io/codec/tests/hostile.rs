//! Packets that nobody should send, and packets that get lost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod sound;

use proptest::prelude::*;
use trefoil_codec::Builtin;
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, LONGEST, Quality};

const CODECS: [Codec; 3] = [Codec::Opus, Codec::Pcmu, Codec::Pcma];

fn encode(codec: Codec, samples: &[f32], channels: Channels) -> Vec<Vec<u8>> {
    let mut encoder = Builtin.encoder(codec, channels, Quality::default());
    let frames = samples.chunks_exact(960 * channels.count());
    frames
        .map(|frame| {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            packet
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_bytes_decode_to_at_most_120_ms_of_finite_sound_or_to_nothing(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12),
        missing in 1..6000_usize,
    ) {
        for codec in CODECS {
            let mut decoder = Builtin.decoder(codec);
            for packet in &packets {
                let mut samples = Vec::new();
                let decoded = decoder.decode(packet, &mut samples);
                match decoded {
                    Ok(()) => prop_assert!((1..=LONGEST).contains(&samples.len())),
                    Err(_) => prop_assert!(samples.is_empty()),
                }
                decoder.recover(packet, missing, &mut samples);
                decoder.conceal(missing, &mut samples);
                prop_assert!(samples.iter().all(|sample| sample.is_finite() && sample.abs() <= 4.0));
            }
        }
    }
}

#[test]
fn any_length_is_made_up_after_any_kind_of_packet() {
    let said = sound::speech(2.0, 9);
    let mut noise = sound::Noise(10);
    for bitrate in [12_000, 32_000, 128_000] {
        let quality = Quality {
            bitrate,
            loss_percent: 10,
            ..Quality::default()
        };
        for time in [480, 960, 1920, 2880] {
            let mut encoder = Builtin.encoder(Codec::Opus, Channels::Mono, quality);
            let (mut decoder, mut samples) = (Builtin.decoder(Codec::Opus), Vec::new());
            for frame in said.chunks_exact(time) {
                let mut packet = Vec::new();
                encoder.encode(frame, &mut packet);
                let missing = ((noise.next() + 1.0) * 1500.0) as usize + 1;
                samples.clear();
                match missing % 3 {
                    0 => decoder.conceal(missing, &mut samples),
                    1 => decoder.recover(&packet, missing, &mut samples),
                    _ => continue,
                }
                assert_eq!(samples.len(), missing);
                decoder.decode(&packet, &mut samples).unwrap();
            }
        }
    }
}

#[test]
fn bits_flipped_in_real_packets_are_survived() {
    let said = sound::speech(2.0, 6);
    let mut noise = sound::Noise(7);
    for codec in CODECS {
        let mut decoder = Builtin.decoder(codec);
        for mut packet in encode(codec, &said, Channels::Mono) {
            let at = ((noise.next() + 1.0) / 2.0 * packet.len() as f64) as usize;
            let last = packet.len() - 1;
            packet[at.min(last)] ^= 1 << (at % 8);
            let mut samples = Vec::new();
            let _either = decoder.decode(&packet, &mut samples);
            assert!(samples.iter().all(|sample| sample.is_finite()));
        }
    }
}

#[test]
fn packets_of_every_shape_are_as_long_as_they_say_and_never_beyond_120_ms() {
    // SILK, hybrid and CELT of every length, in one, two and up to 48 frames.
    for toc in 0..=255_u8 {
        for frames in [1, 3, 6, 48, 63] {
            let packet: Vec<u8> = [toc, frames].into_iter().chain([0x55; 100]).collect();
            let mut samples = Vec::new();
            let decoded = Builtin.decoder(Codec::Opus).decode(&packet, &mut samples);
            assert!(samples.len() <= LONGEST);
            if decoded.is_ok() {
                assert_eq!(
                    Codec::Opus.samples(&packet),
                    Some(samples.len()),
                    "{toc:#x} {frames}"
                );
            }
        }
    }
}

#[test]
fn stereo_is_heard_in_a_mono_room() {
    let left_only: Vec<f32> = sound::tone(440.0, 0.5, 0, 48_000)
        .into_iter()
        .flat_map(|sample| [sample, 0.0])
        .collect();
    let (mut decoder, mut heard) = (Builtin.decoder(Codec::Opus), Vec::new());
    for packet in encode(Codec::Opus, &left_only, Channels::Stereo) {
        decoder.decode(&packet, &mut heard).unwrap();
    }
    let level = sound::level_at(&heard[9600..], 440.0);
    assert!((-14.0..-8.0).contains(&level), "half of -6 dB, not {level:.1}");
}

#[test]
fn g711_carries_speech_and_covers_a_loss() {
    let said = sound::speech(3.0, 8);
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let (mut decoder, mut heard) = (Builtin.decoder(codec), Vec::new());
        let (mut coverer, mut covered) = (Builtin.decoder(codec), Vec::new());
        for (at, packet) in encode(codec, &said, Channels::Mono).iter().enumerate() {
            assert_eq!(packet.len(), 160);
            decoder.decode(packet, &mut heard).unwrap();
            if at % 10 == 5 {
                coverer.conceal(960, &mut covered);
            } else {
                coverer.decode(packet, &mut covered).unwrap();
            }
        }
        let delay = sound::delay(&said[9600..57_600], &heard[9600..], 400);
        let quality = sound::snr(&said[9600..96_000], &heard[9600 + delay..]);
        assert!(quality > 15.0, "{codec:?}: {quality:.1} dB, {delay} samples late");
        let with_loss = sound::snr(&heard, &covered);
        assert!(with_loss > 8.0, "{codec:?}: {with_loss:.1} dB with a tenth lost");
    }
}

#[test]
fn a_long_loss_fades_to_silence() {
    for codec in CODECS {
        let mut decoder = Builtin.decoder(codec);
        let mut samples = Vec::new();
        for packet in encode(codec, &sound::tone(300.0, 0.5, 0, 48_000), Channels::Mono) {
            decoder.decode(&packet, &mut samples).unwrap();
        }
        samples.clear();
        decoder.conceal(5760, &mut samples);
        decoder.conceal(5760, &mut samples);
        assert_eq!(samples.len(), 11_520);
        let end = samples[9600..]
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(end < 0.05, "{codec:?} still makes {end} after 200 ms");
    }
}

#[test]
fn opus_stops_coding_where_all_is_silent() {
    let packets = encode(Codec::Opus, &[0.0; 48_000], Channels::Mono);
    let tiny = packets.iter().filter(|packet| packet.len() <= 2).count();
    assert!(tiny >= 35, "{tiny} of 50");
}
