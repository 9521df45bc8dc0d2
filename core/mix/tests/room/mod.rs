//! A room on an imaginary clock: people who speak into a network, a mixer, and ears.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "shared by tests that each use a part of it; a test may panic"
)]

#[path = "../../../../io/codec/tests/sound/mod.rs"]
pub mod sound;
pub mod thin;

use std::{collections::BTreeMap, time::Duration};

use trefoil_mix::{
    Channels, Codec, Codecs, Decoder, Encoder, Mixer, Output, Packet, ParticipantId, Quality, Settings,
};

pub const FRAME: usize = 960;

pub fn id(number: u64) -> ParticipantId {
    ParticipantId(number)
}

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The frames of a voice, by their number.
pub type Say = Box<dyn FnMut(usize) -> Vec<f32>>;

pub fn says_tone(hertz: f64, level: f64) -> Say {
    Box::new(move |frame| sound::tone(hertz, level, frame * FRAME, FRAME))
}

pub fn says_nothing() -> Say {
    Box::new(|_| vec![0.0; FRAME])
}

/// Says these samples again and again.
pub fn says(samples: Vec<f32>) -> Say {
    Box::new(move |frame| {
        let frames = samples.len() / FRAME;
        samples[frame % frames * FRAME..][..FRAME].to_vec()
    })
}

/// What happens to packets on their way in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Net {
    pub delay: Duration,
    /// Up to so much more, evenly.
    pub jitter: Duration,
    pub loss: f64,
    /// The sender's clock is faster by this.
    pub ppm: f64,
}

pub struct Speaker<E> {
    pub say: Say,
    pub net: Net,
    pub codec: Codec,
    /// Whether packets say how loud they are.
    pub levels: bool,
    /// Silent frames are not sent.
    pub dtx: bool,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    encoder: E,
    frame: usize,
    began: Duration,
    /// What was said.
    pub said: Vec<f32>,
    /// And as which packets, from when somebody wants to know.
    pub packets: Option<Vec<Vec<u8>>>,
}

/// What somebody received.
pub struct Ear<D> {
    decoder: Option<(Codec, D)>,
    pub heard: Vec<f32>,
    pub packets: u64,
    pub bytes: u64,
    pub markers: u64,
    pub lost: u64,
    next: Option<(u16, u32)>,
    pub last: Duration,
    /// Of the last packet.
    pub payload: Vec<u8>,
    /// Of all packets, from when somebody wants to know.
    pub payloads: Option<Vec<Vec<u8>>>,
}

#[derive(Clone)]
struct OnTheWay {
    from: ParticipantId,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    codec: Codec,
    level: Option<u8>,
    payload: Vec<u8>,
}

pub struct Room<C: Codecs> {
    pub mixer: Mixer<C>,
    pub codecs: C,
    pub now: Duration,
    pub speakers: BTreeMap<ParticipantId, Speaker<C::Encoder>>,
    pub ears: BTreeMap<ParticipantId, Ear<C::Decoder>>,
    on_the_way: BTreeMap<(Duration, u64), OnTheWay>,
    noise: sound::Noise,
    count: u64,
    pub ticks: u64,
    /// Packets that went out in steps, for those who look at all.
    pub sent: u64,
}

impl<C: Codecs + Clone> Room<C> {
    pub fn new(settings: Settings, codecs: C) -> Self {
        Self {
            mixer: Mixer::new(settings, codecs.clone()),
            codecs,
            now: ms(1000),
            speakers: BTreeMap::new(),
            ears: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            noise: sound::Noise(0x1234_5678_9ABC_DEF1),
            count: 0,
            ticks: 0,
            sent: 0,
        }
    }

    /// Somebody who only listens.
    pub fn listen(&mut self, who: ParticipantId, output: Output) {
        self.mixer.join(who, output).unwrap();
        let ear = Ear {
            decoder: None,
            heard: Vec::new(),
            packets: 0,
            bytes: 0,
            markers: 0,
            lost: 0,
            next: None,
            last: Duration::ZERO,
            payload: Vec::new(),
            payloads: None,
        };
        self.ears.insert(who, ear);
    }

    /// Somebody who listens and speaks.
    pub fn join(&mut self, who: ParticipantId, output: Output, say: Say) {
        self.listen(who, output);
        self.speak(who, output.codec, say);
    }

    pub fn speak(&mut self, who: ParticipantId, codec: Codec, say: Say) {
        let quality = Quality {
            loss_percent: 10,
            ..Quality::default()
        };
        // People's clocks and steps are not the mixer's: each begins somewhere else.
        let began = self.now + ms(who.0 * 7 % 20);
        let speaker = Speaker {
            say,
            net: Net::default(),
            codec,
            levels: true,
            dtx: false,
            ssrc: who.0 as u32 + 1,
            sequence: 65_000_u16.wrapping_add(who.0 as u16 * 99),
            timestamp: u32::MAX - 100_000,
            encoder: self.codecs.encoder(codec, Channels::Mono, quality),
            frame: 0,
            began,
            said: Vec::new(),
            packets: None,
        };
        self.speakers.insert(who, speaker);
    }

    pub fn leave(&mut self, who: ParticipantId) {
        self.mixer.leave(who);
        self.speakers.remove(&who);
    }

    pub fn speaker(&mut self, who: u64) -> &mut Speaker<C::Encoder> {
        self.speakers.get_mut(&id(who)).unwrap()
    }

    pub fn ear(&mut self, who: u64) -> &mut Ear<C::Decoder> {
        self.ears.get_mut(&id(who)).unwrap()
    }

    /// Lets so much time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let speaks = self
                .speakers
                .iter()
                .map(|(id, speaker)| (speaker.next(), *id))
                .min();
            let arrives = self.on_the_way.keys().next().map(|(at, _)| *at);
            let ticks = self.mixer.poll_timeout();
            let next = [speaks.map(|(at, _)| at), arrives, ticks]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if arrives == Some(next) {
                self.arrive();
            } else if let Some((_, who)) = speaks.filter(|(at, _)| *at == next) {
                self.send(who);
            } else {
                self.tick();
            }
        }
        self.now = end;
    }

    fn arrive(&mut self) {
        let (_, packet) = self.on_the_way.pop_first().unwrap();
        let view = Packet {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            codec: packet.codec,
            level: packet.level,
            payload: &packet.payload,
        };
        self.mixer.packet_in(packet.from, &view, self.now);
    }

    fn send(&mut self, who: ParticipantId) {
        let speaker = self.speakers.get_mut(&who).unwrap();
        let frame = (speaker.say)(speaker.frame);
        speaker.said.extend(&frame);
        let silent = frame.iter().all(|sample| sample.abs() < 1e-5);
        let power = frame.iter().map(|sample| sample * sample).sum::<f32>() / frame.len() as f32;
        let level = (-10.0 * power.max(1e-13).log10()).clamp(0.0, 127.0) as u8;
        let mut payload = Vec::new();
        speaker.encoder.encode(&frame, &mut payload);
        if let Some(packets) = &mut speaker.packets {
            packets.push(payload.clone());
        }
        let step = FRAME as u32 / speaker.codec.step();
        let timestamp = speaker.timestamp.wrapping_add(speaker.frame as u32 * step);
        let at = speaker.next();
        speaker.frame += 1;
        if speaker.dtx && silent {
            return;
        }
        let sequence = speaker.sequence;
        speaker.sequence = sequence.wrapping_add(1);
        let net = speaker.net;
        if (self.noise.next() + 1.0) / 2.0 < net.loss {
            return;
        }
        let late = net.jitter.mul_f64((self.noise.next() + 1.0) / 2.0);
        self.count += 1;
        let packet = OnTheWay {
            from: who,
            ssrc: speaker.ssrc,
            sequence,
            timestamp,
            codec: speaker.codec,
            level: speaker.levels.then_some(level),
            payload,
        };
        self.on_the_way
            .insert((at + net.delay + late, self.count), packet);
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let outgoing = self.mixer.tick(self.now);
        for sent in outgoing.packets() {
            self.sent += 1;
            let Some(ear) = self.ears.get_mut(&sent.to) else {
                continue;
            };
            ear.hear(&sent, &mut self.codecs, self.now);
        }
    }
}

impl<E> Speaker<E> {
    fn next(&self) -> Duration {
        let span = (self.frame as f64 + 1.0) * 0.02 / (1.0 + self.net.ppm * 1e-6);
        self.began + Duration::from_secs_f64(span)
    }
}

impl<D: Decoder> Ear<D> {
    fn hear<C: Codecs<Decoder = D>>(&mut self, sent: &trefoil_mix::Sent<'_>, codecs: &mut C, now: Duration) {
        self.packets += 1;
        self.bytes += sent.payload.len() as u64;
        self.markers += u64::from(sent.marker);
        self.last = now;
        self.payload = sent.payload.to_vec();
        if let Some(payloads) = &mut self.payloads {
            payloads.push(self.payload.clone());
        }
        if self
            .decoder
            .as_ref()
            .is_none_or(|(codec, _)| *codec != sent.codec)
        {
            self.decoder = Some((sent.codec, codecs.decoder(sent.codec)));
        }
        let (_, decoder) = self.decoder.as_mut().unwrap();
        if let Some((sequence, timestamp)) = self.next {
            let lost = sent.sequence.wrapping_sub(sequence);
            assert!(
                lost < 1000,
                "sequence numbers go back from {sequence} to {}",
                sent.sequence
            );
            self.lost += u64::from(lost);
            let gap = sent.timestamp.wrapping_sub(timestamp) as i32;
            assert!(gap >= 0, "timestamps go back by {gap}");
            let mut gap = gap as usize * sent.codec.step() as usize;
            for at in 0..lost {
                let missing = gap.min(FRAME);
                if at + 1 == lost {
                    decoder.recover(sent.payload, missing, &mut self.heard);
                } else {
                    decoder.conceal(missing, &mut self.heard);
                }
                gap -= missing;
            }
            self.heard.resize(self.heard.len() + gap, 0.0);
        }
        let before = self.heard.len();
        decoder.decode(sent.payload, &mut self.heard).unwrap();
        let samples = (self.heard.len() - before) as u32 / sent.codec.step();
        self.next = Some((
            sent.sequence.wrapping_add(1),
            sent.timestamp.wrapping_add(samples),
        ));
    }
}
