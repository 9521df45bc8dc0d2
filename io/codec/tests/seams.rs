//! A stream that goes on with packets of another encoder sounds like what was said, from the first frame on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod sound;

use trefoil_codec::Builtin;
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, FRAME, Quality};

fn quality(bitrate: u32, loss_percent: u8) -> Quality {
    Quality {
        bitrate,
        loss_percent,
        ..Quality::default()
    }
}

fn level(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

/// By how much frames after a seam are too loud, the worst of all seams: a decoder that has heard a talker's own packets goes
/// on with an encoder that has run for some frames, again and again.
fn too_loud(said: &[f32], mixed: Quality, channels: Channels) -> f32 {
    let frames: Vec<&[f32]> = said.chunks_exact(FRAME).collect();
    let wide = |frame: &[f32]| -> Vec<f32> {
        let each = frame
            .iter()
            .flat_map(|sample| [*sample; 2].into_iter().take(channels.count()));
        each.collect()
    };
    let mut own = Builtin.encoder(Codec::Opus, Channels::Mono, quality(32_000, 10));
    let mut mix = Builtin.encoder(Codec::Opus, channels, mixed);
    let mut ear = Builtin.decoder(Codec::Opus);
    let (mut packet, mut heard, mut worst) = (Vec::new(), Vec::new(), 0.0_f32);
    for (at, frame) in frames.iter().enumerate() {
        let (is_mixed, seam) = (at % 20 >= 10, at % 20 == 10);
        packet.clear();
        own.encode(frame, &mut packet);
        if at % 20 >= 7 {
            if seam {
                mix.seam();
            }
            let mut mixed = Vec::new();
            mix.encode(&wide(frame), &mut mixed);
            if is_mixed {
                packet = mixed;
            }
        }
        heard.clear();
        ear.decode(&packet, &mut heard).unwrap();
        if at % 20 >= 10 && at % 20 < 16 {
            let around = level(frames[at - 1]).max(level(frame)).max(0.01);
            worst = worst.max(level(&heard) / around);
        }
    }
    worst
}

#[test]
fn after_a_seam_nothing_is_louder_than_what_was_said() {
    for (mixed, channels) in [
        (quality(32_000, 0), Channels::Mono),
        (quality(32_000, 10), Channels::Mono),
        (quality(16_000, 0), Channels::Mono),
        (quality(96_000, 0), Channels::Mono),
        (quality(64_000, 0), Channels::Stereo),
    ] {
        for seed in 0..4 {
            let said = sound::speech(9.9, seed);
            // Seams fall elsewhere in the syllables each time.
            let worst = too_loud(&said[seed as usize * FRAME..], mixed, channels);
            assert!(
                worst < 1.5,
                "{mixed:?} {channels:?}, seed {seed}: {worst:.1} times as loud"
            );
        }
    }
}
