//! Our Opus beside Debian's libopus: each decodes what the other encoded, and both hear the same.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod sound;

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::LazyLock,
};

use trefoil_codec::{AnyDecoder, Builtin};
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, Quality};

/// The helper beside this file, built with the system's C compiler and library.
static REFERENCE: LazyLock<String> = LazyLock::new(|| {
    let program = format!("{}/opus-reference", env!("CARGO_TARGET_TMPDIR"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference.c");
    let built = Command::new("cc")
        .args(["-O2", "-o", &program, source, "-l:libopus.so.0"])
        .status()
        .unwrap();
    assert!(
        built.success(),
        "needs Debian's libopus0, which ffmpeg of kit/lab/setup.sh brings"
    );
    program
});

fn reference(arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(REFERENCE.as_str())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect()
}

fn framed(length: usize, bytes: &[u8]) -> Vec<u8> {
    [&(length as u16).to_le_bytes(), bytes].concat()
}

fn libopus_encodes(samples: &[f32], quality: Quality, channels: Channels) -> Vec<Vec<u8>> {
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let [bitrate, complexity, loss, channels] = [
        quality.bitrate.to_string(),
        quality.complexity.to_string(),
        quality.loss_percent.to_string(),
        channels.count().to_string(),
    ];
    let out = reference(&["encode", &bitrate, &complexity, &loss, &channels], bytes);
    let (mut rest, mut packets) = (&out[..], Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (packet, tail) = tail.split_at(usize::from(u16::from_le_bytes(*length)));
        packets.push(packet.to_vec());
        rest = tail;
    }
    packets
}

fn libopus_decodes(packets: &[Vec<u8>]) -> Vec<f32> {
    let input = packets
        .iter()
        .flat_map(|packet| framed(packet.len(), packet))
        .collect();
    floats(&reference(&["decode"], input))
}

fn we_encode(samples: &[f32], quality: Quality, channels: Channels) -> Vec<Vec<u8>> {
    let mut encoder = Builtin.encoder(Codec::Opus, channels, quality);
    let frames = samples.chunks_exact(960 * channels.count());
    frames
        .map(|frame| {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            packet
        })
        .collect()
}

fn decoder() -> AnyDecoder {
    Builtin.decoder(Codec::Opus)
}

fn we_decode(packets: &[Vec<u8>]) -> Vec<f32> {
    let (mut decoder, mut samples) = (decoder(), Vec::new());
    for packet in packets {
        decoder.decode(packet, &mut samples).unwrap();
    }
    samples
}

fn qualities() -> Vec<(Quality, Channels)> {
    let mut all = Vec::new();
    for bitrate in [16_000, 24_000, 32_000, 64_000] {
        for (complexity, loss_percent) in [(0, 0), (4, 0), (4, 10), (9, 10)] {
            let quality = Quality {
                bitrate,
                complexity,
                loss_percent,
            };
            all.push((quality, Channels::Mono));
        }
    }
    all.push((Quality::default(), Channels::Stereo));
    all
}

/// As `channels` samples for each one; the right channel is quieter.
fn spread(samples: &[f32], channels: Channels) -> Vec<f32> {
    match channels {
        Channels::Mono => samples.to_vec(),
        Channels::Stereo => samples
            .iter()
            .flat_map(|sample| [*sample, sample * 0.5])
            .collect(),
    }
}

#[test]
fn each_decodes_what_the_other_encoded_and_both_hear_the_same() {
    let said = sound::speech(4.0, 1);
    for (quality, channels) in qualities() {
        let samples = spread(&said, channels);
        for packets in [
            we_encode(&samples, quality, channels),
            libopus_encodes(&samples, quality, channels),
        ] {
            let (ours, theirs) = (we_decode(&packets), libopus_decodes(&packets));
            assert_eq!(ours.len(), theirs.len());
            let alike = sound::snr(&theirs, &ours);
            assert!(alike > 60.0, "{quality:?} {channels:?}: {alike:.1} dB apart");
        }
    }
}

#[test]
fn we_code_speech_as_well_as_libopus_at_the_same_rate() {
    let said = sound::speech(6.0, 2);
    for (quality, channels) in qualities() {
        if channels == Channels::Stereo {
            continue; // below: a mono decoder hears the sum, whose level is another
        }
        let judge = |packets: &[Vec<u8>]| {
            let heard = libopus_decodes(packets);
            let bytes: usize = packets.iter().map(Vec::len).sum();
            (
                sound::snr(&said, &heard[312..]),
                bytes as f64 * 8.0 / 6.0 / 1000.0,
            )
        };
        let (ours, our_rate) = judge(&we_encode(&said, quality, channels));
        let (theirs, their_rate) = judge(&libopus_encodes(&said, quality, channels));
        assert!(
            ours > theirs - 1.5 && our_rate < their_rate * 1.15,
            "{quality:?}: {ours:.1} dB at {our_rate:.1} kbit/s, libopus {theirs:.1} dB at {their_rate:.1}"
        );
    }
}

#[test]
fn what_was_lost_is_recovered_from_the_next_packet_as_well_as_libopus_does_it() {
    let said = sound::speech(6.0, 3);
    let quality = Quality {
        loss_percent: 10,
        ..Quality::default()
    };
    let packets = we_encode(&said, quality, Channels::Mono);
    let (mut ours, mut decoder, mut input) = (Vec::new(), decoder(), Vec::new());
    let mut guessed = Vec::new();
    let mut guesser = self::decoder();
    let lost = |at: usize| at % 8 == 5;
    for (at, packet) in packets.iter().enumerate().take(packets.len() - 1) {
        if lost(at) {
            let next = &packets[at + 1];
            decoder.recover(next, 960, &mut ours);
            guesser.conceal(960, &mut guessed);
            input.extend(framed(next.len() | 0x8000, next));
        } else {
            decoder.decode(packet, &mut ours).unwrap();
            guesser.decode(packet, &mut guessed).unwrap();
            input.extend(framed(packet.len(), packet));
        }
    }
    let theirs = floats(&reference(&["decode"], input));
    let whole = we_decode(&packets);
    let at_losses = |heard: &[f32]| -> Vec<f32> {
        let frames = heard.chunks_exact(960).enumerate();
        frames
            .filter(|(at, _)| lost(*at))
            .flat_map(|(_, frame)| frame.to_vec())
            .collect()
    };
    let [ours, theirs, guessed] =
        [ours, theirs, guessed].map(|heard| sound::snr(&at_losses(&whole), &at_losses(&heard)));
    assert!(ours > theirs - 0.5, "{ours:.1} dB, libopus {theirs:.1} dB");
    assert!(ours > guessed + 2.0, "{ours:.1} dB, guessed {guessed:.1} dB");
}

#[test]
fn a_seam_sounds_the_same_to_libopus_whatever_was_played_before_it() {
    let said = sound::speech(4.0, 4);
    let other = libopus_encodes(&sound::speech(4.0, 5), Quality::default(), Channels::Mono);
    for (bitrate, channels) in [
        (32_000, Channels::Mono),
        (96_000, Channels::Mono),
        (48_000, Channels::Stereo),
    ] {
        let quality = Quality {
            bitrate,
            ..Quality::default()
        };
        let mut encoder = Builtin.encoder(Codec::Opus, channels, quality);
        let frames = spread(&said, channels);
        let mut packets = Vec::new();
        for (at, frame) in frames.chunks_exact(960 * channels.count()).enumerate() {
            if at == 100 {
                encoder.seam();
            }
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            packets.push(packet);
        }
        let whole = libopus_decodes(&packets);
        let spliced = libopus_decodes(&[&other[..100], &packets[100..]].concat());
        let after = |frame: usize| {
            let of = |samples: &[f32]| samples[frame * 960..(frame + 1) * 960].to_vec();
            sound::snr(&of(&whole), &of(&spliced))
        };
        let found = [after(101), after(102), after(103)];
        assert!(
            found[0] > 15.0 && found[1] > 40.0 && found[2] > 60.0,
            "{bitrate} {channels:?}: {found:.1?} dB after the seam"
        );
    }
}
