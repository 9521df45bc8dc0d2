//! Rooms in imaginary time, with talkers whose packets were made beforehand.

use std::time::Duration;

use trefoil_codec::Builtin;
use trefoil_mix::{
    Channels, Codec, Codecs, Decoder, Encoder, Mixer, Output, Packet, ParticipantId, Quality, STEP, Settings,
};

use crate::{cpu, sound};

/// One row of the table.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    rooms: usize,
    people: usize,
    talk: usize,
    heard: usize,
    levels: bool,
    pass_through: bool,
    silent_packets: bool,
    denoise: bool,
    pub(crate) goal: Option<u32>,
}

impl Scenario {
    pub(crate) const fn new(
        name: &'static str,
        rooms: usize,
        people: usize,
        talk: usize,
        heard: usize,
    ) -> Self {
        Self {
            name,
            rooms,
            people,
            talk,
            heard,
            levels: true,
            pass_through: true,
            silent_packets: false,
            denoise: false,
            goal: None,
        }
    }

    pub(crate) const fn goal(self, goal: u32) -> Self {
        Self {
            goal: Some(goal),
            ..self
        }
    }

    /// Packets do not say how loud they are.
    pub(crate) const fn without_levels(self) -> Self {
        Self {
            levels: false,
            ..self
        }
    }

    pub(crate) const fn encoded(self) -> Self {
        Self {
            pass_through: false,
            ..self
        }
    }

    /// Talkers have the noise taken out of their voices.
    pub(crate) const fn without_noise(self) -> Self {
        Self {
            denoise: true,
            ..self
        }
    }

    /// Who does not talk sends all the same.
    pub(crate) const fn silent_packets(self) -> Self {
        Self {
            silent_packets: true,
            ..self
        }
    }
}

/// Medians are taken of these.
pub(crate) struct Cost {
    pub(crate) microseconds: f64,
    /// For each participant and frame.
    pub(crate) packets_in: f64,
    pub(crate) packets_out: f64,
    pub(crate) groups: usize,
    /// How loud it was for the last one.
    pub(crate) heard: f64,
}

/// One packet of a talker, and how loud it is.
pub(crate) type Said = (Vec<u8>, u8);

/// Eighteen seconds of speech, as a client sends it.
pub(crate) fn packets() -> Vec<Said> {
    encode(&sound::speech(18.0, 1))
}

/// A tone of 40 ms in the first of so many frames, silence in the others; ten seconds.
pub(crate) fn pulses(frames: usize) -> Vec<Said> {
    let mut samples = vec![0.0; 10 * 48_000];
    for pulse in samples.chunks_mut(frames * 960) {
        let tone = sound::tone(1000.0, 0.6, 0, 1920);
        pulse
            .iter_mut()
            .zip(tone)
            .for_each(|(sample, tone)| *sample = tone);
    }
    encode(&samples)
}

fn encode(samples: &[f32]) -> Vec<Said> {
    let quality = Quality {
        loss_percent: 10,
        ..Quality::default()
    };
    let mut encoder = Builtin.encoder(Codec::Opus, Channels::Mono, quality);
    let frames = samples.chunks_exact(960);
    frames
        .map(|frame| {
            let power = frame.iter().map(|sample| sample * sample).sum::<f32>() / 960.0;
            let level = (-10.0 * power.max(1e-12).log10()).clamp(0.0, 127.0) as u8;
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            // Pauses are shorter than those after which a place is given up: everybody talks all the time.
            (packet, level.min(40))
        })
        .collect()
}

/// All rooms of a scenario.
pub(crate) struct Rooms<'a> {
    scenario: &'a Scenario,
    said: &'a [Said],
    rooms: Vec<Mixer<Builtin>>,
}

impl<'a> Rooms<'a> {
    pub(crate) fn new(scenario: &'a Scenario, said: &'a [Said]) -> Self {
        let settings = Settings {
            talkers: scenario.heard,
            pass_through: scenario.pass_through,
            ..Settings::default()
        };
        let room = |_| {
            let mut mixer = Mixer::new(settings, Builtin);
            for who in 0..scenario.people {
                // The limit is above every scenario.
                let _joined = mixer.join(ParticipantId(who as u64), Output::default());
                mixer.set_denoise(ParticipantId(who as u64), scenario.denoise);
            }
            mixer
        };
        Self {
            scenario,
            said,
            rooms: (0..scenario.rooms).map(room).collect(),
        }
    }

    /// Two seconds to begin, then as many as asked for.
    pub(crate) fn run(mut self, seconds: usize) -> anyhow::Result<Cost> {
        let (mut packets_in, mut packets_out, mut datagram, mut start) = (0, 0, Vec::new(), 0);
        let mut ear = (Builtin.decoder(Codec::Opus), Vec::new());
        let (warm, frames) = (100, seconds * 50);
        for frame in 0..warm + frames {
            if frame == warm {
                start = cpu::nanoseconds()?;
                (packets_in, packets_out) = (0, 0);
            }
            let now = STEP * frame as u32 + Duration::from_millis(1);
            for (number, mixer) in self.rooms.iter_mut().enumerate() {
                packets_in += talk(self.scenario, self.said, mixer, number, frame, now);
                let Some(due) = mixer.poll_timeout().filter(|due| *due <= now + STEP) else {
                    continue;
                };
                for sent in mixer.tick(due).packets() {
                    // What a shell does at least: each receiver's datagram is put together.
                    datagram.clear();
                    datagram.extend_from_slice(&sent.sequence.to_be_bytes());
                    datagram.extend_from_slice(&sent.timestamp.to_be_bytes());
                    datagram.extend_from_slice(sent.payload);
                    packets_out += 1;
                    let last = sent.to.0 as usize + 1 == self.scenario.people;
                    if last && number == 0 && frame % 50 == 0 {
                        ear.0.decode(sent.payload, &mut ear.1)?;
                    }
                }
            }
        }
        let nanoseconds = cpu::nanoseconds()? - start;
        let shares = (frames * self.scenario.rooms * self.scenario.people) as f64;
        let power = ear.1.iter().map(|sample| sample * sample).sum::<f32>() / ear.1.len().max(1) as f32;
        Ok(Cost {
            microseconds: nanoseconds as f64 / 1000.0 / shares,
            packets_in: f64::from(packets_in) / shares,
            packets_out: f64::from(packets_out) / shares,
            groups: self.rooms.iter().map(Mixer::groups).sum(),
            heard: 10.0 * f64::from(power.max(1e-12)).log10(),
        })
    }
}

/// Everybody's packet of this frame; says how many.
fn talk(
    scenario: &Scenario,
    said: &[Said],
    mixer: &mut Mixer<Builtin>,
    room: usize,
    frame: usize,
    now: Duration,
) -> u32 {
    let mut sent = 0;
    for who in 0..scenario.people {
        let talks = who < scenario.talk;
        if !talks && !scenario.silent_packets {
            break;
        }
        let at = (frame + who * 37 + room * 101) % said.len().max(1);
        let Some((payload, level)) = said.get(at) else {
            break;
        };
        let level = if talks { *level } else { 127 };
        let packet = Packet {
            ssrc: who as u32,
            sequence: frame as u16,
            timestamp: frame as u32 * 960,
            codec: Codec::Opus,
            level: scenario.levels.then_some(level),
            payload,
        };
        mixer.packet_in(ParticipantId(who as u64), &packet, now);
        sent += 1;
    }
    sent
}

/// Deadlines of so many rooms with three people who say nothing.
pub(crate) fn idle(rooms: usize) -> usize {
    let room = |_| {
        let mut mixer = Mixer::new(Settings::default(), Builtin);
        for who in 0..3 {
            let _joined = mixer.join(ParticipantId(who), Output::default());
        }
        mixer
    };
    let rooms: Vec<_> = (0..rooms).map(room).collect();
    rooms.iter().filter_map(Mixer::poll_timeout).count()
}
