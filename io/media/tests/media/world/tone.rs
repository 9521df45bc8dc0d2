//! People who say a tone each, and what of all tones somebody hears.

use std::{
    f32::consts::TAU,
    time::{Duration, Instant},
};

use trefoil_codec::{AnyDecoder, AnyEncoder, Builtin};
use trefoil_media::{Ask, HearWish, TrackId};
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, Quality};
use trefoil_peer::client::Media as Packet;

use super::World;

pub const MIX: TrackId = TrackId::MIX;
pub const TONES: [f32; 3] = [400.0, 1200.0, 800.0];

/// Somebody who says one tone.
pub struct Tone {
    pub who: u64,
    hertz: f32,
    codec: Codec,
    encoder: AnyEncoder,
    phase: f32,
    /// All packets, as they went.
    pub said: Vec<Vec<u8>>,
    sequence: u64,
}

impl Tone {
    pub fn new(who: u64, hertz: f32) -> Self {
        Self::coded(who, hertz, Codec::Opus)
    }

    pub fn coded(who: u64, hertz: f32, codec: Codec) -> Self {
        Self {
            who,
            hertz,
            codec,
            encoder: Builtin.encoder(codec, Channels::Mono, Quality::default()),
            phase: 0.0,
            said: Vec::new(),
            sequence: 0,
        }
    }

    pub fn say(&mut self, world: &mut World) {
        let samples: Vec<f32> = (0..960)
            .map(|_| {
                self.phase = (self.phase + self.hertz / 48_000.0).fract();
                0.3 * (self.phase * TAU).sin()
            })
            .collect();
        let mut payload = Vec::new();
        self.encoder.encode(&samples, &mut payload);
        self.sequence += 1;
        let packet = Packet {
            sequence: self.sequence,
            timestamp: self.sequence as u32 * 960 / self.codec.step(),
            marker: false,
            payload: &payload,
            level: Some(-20),
        };
        world.send(self.who, 0, None, packet);
        self.said.push(payload);
    }
}

/// Lets everybody talk for so many packets.
pub fn talk(world: &mut World, tones: &mut [Tone], packets: u32) {
    let mut next = Instant::now();
    for _ in 0..packets {
        for tone in &mut *tones {
            tone.say(world);
        }
        next += Duration::from_millis(20);
        while Instant::now() < next {
            world.turn();
        }
    }
}

/// What somebody heard of the mix since packet `from`: how loud each frequency is, in decibel.
pub fn heard(world: &World, who: u64, from: usize, hertz: &[f32]) -> Vec<f32> {
    heard_of(world, who, MIX, from, hertz)
}

/// The same of any track.
pub fn heard_of(world: &World, who: u64, track: TrackId, from: usize, hertz: &[f32]) -> Vec<f32> {
    let heard = try_heard(Codec::Opus, world, who, (track, from), hertz);
    heard.unwrap_or_else(|| panic!("{who} has not heard enough"))
}

fn try_heard(
    codec: Codec,
    world: &World,
    who: u64,
    (track, from): (TrackId, usize),
    hertz: &[f32],
) -> Option<Vec<f32>> {
    let mut decoder: AnyDecoder = Builtin.decoder(codec);
    let mut samples = Vec::new();
    for packet in world.received(who, track).into_iter().skip(from) {
        decoder.decode(&packet.payload, &mut samples).unwrap();
    }
    // What sounds in the end, after talkers are known and the codec has settled.
    let start = samples.len().checked_sub(24_000)?;
    Some(
        hertz
            .iter()
            .map(|hertz| loudness(&samples[start..], *hertz))
            .collect(),
    )
}

/// Which of the tones somebody should hear in the end, in which codec.
pub type Ears = (u64, Codec, [bool; TONES.len()]);

/// Lets everybody talk until all hear what they should at once, and nothing else.
pub fn talk_until_heard(world: &mut World, tones: &mut [Tone], ears: &[Ears]) {
    let mut wrong = Vec::new();
    for _ in 0..20 {
        talk(world, tones, 25);
        let hears = |(who, codec, _): &Ears| try_heard(*codec, world, *who, (MIX, 0), &TONES);
        wrong = ears.iter().map(|ear| (ear, hears(ear))).collect();
        wrong.retain(|((_, codec, wanted), heard)| {
            // What codecs add to two tones stands where the third one is.
            let silent = if *codec == Codec::Opus { -50.0 } else { -35.0 };
            let right = |(decibel, wanted): (&f32, &bool)| match wanted {
                true => (-22.0..-5.0).contains(decibel),
                false => *decibel < silent,
            };
            heard
                .as_ref()
                .is_none_or(|heard| !heard.iter().zip(wanted).all(right))
        });
        if wrong.is_empty() {
            return;
        }
    }
    panic!("who should hear what, and hears: {wrong:?}");
}

/// Goertzel's algorithm with a Hann window.
pub fn loudness(samples: &[f32], hertz: f32) -> f32 {
    let count = samples.len() as f32;
    let (mut real, mut imaginary) = (0.0_f64, 0.0_f64);
    for (at, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * at as f32 / count).cos();
        let angle = f64::from(hertz) * std::f64::consts::TAU * at as f64 / 48_000.0;
        real += f64::from(sample * window) * angle.cos();
        imaginary += f64::from(sample * window) * angle.sin();
    }
    let amplitude = 4.0 * real.hypot(imaginary) / samples.len() as f64;
    20.0 * (amplitude.max(1e-9) as f32).log10()
}

pub fn hear(world: &World, who: u64, mixed: bool) {
    let wish = HearWish {
        mixed: Some(mixed),
        ..HearWish::default()
    };
    world.ask(who, Ask::Hear(wish));
}
