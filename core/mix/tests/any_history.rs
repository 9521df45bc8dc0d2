//! Any history of packets, people, wishes and time: nothing panics, nobody gets what is not theirs, time goes forward.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod room;

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use room::{id, ms, says, sound, thin::Thin};
use trefoil_codec::Builtin;
use trefoil_mix::{Channels, Codec, Codecs, Mixer, Output, Packet, PacketTime, Quality, Settings, SourceId};

#[derive(Clone, Debug)]
enum Happens {
    Join(u64, Output),
    Leave(u64),
    Output(u64, Output),
    Mute(u64, bool),
    Deafen(u64, bool),
    Gain(u64, f32),
    Place(u64, f32),
    Volume(u64, u64, f32),
    Announce(usize),
    Load(f32),
    Packets(u64, Codec, u16, u32, Option<u8>, Vec<u8>, usize),
    Passes(u64),
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Opus), Just(Codec::Pcmu), Just(Codec::Pcma)]
}

fn output() -> impl Strategy<Value = Output> {
    let time = prop_oneof![
        Just(PacketTime::Ten),
        Just(PacketTime::Twenty),
        Just(PacketTime::Forty),
        Just(PacketTime::Sixty)
    ];
    (codec(), time, 0..200_000_u32, any::<u8>(), any::<bool>()).prop_map(
        |(codec, packet_time, bitrate, complexity, stereo)| Output {
            codec,
            channels: if stereo { Channels::Stereo } else { Channels::Mono },
            quality: Quality {
                bitrate,
                complexity,
                loss_percent: complexity % 30,
            },
            packet_time,
        },
    )
}

fn happens() -> impl Strategy<Value = Happens> {
    let who = 0..5_u64;
    let packets = (
        who.clone(),
        codec(),
        any::<u16>(),
        any::<u32>(),
        prop::option::of(any::<u8>()),
        prop::collection::vec(any::<u8>(), 0..170),
        1..30_usize,
    );
    prop_oneof![
        2 => (who.clone(), output()).prop_map(|(who, output)| Happens::Join(who, output)),
        1 => who.clone().prop_map(Happens::Leave),
        1 => (who.clone(), output()).prop_map(|(who, output)| Happens::Output(who, output)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, is)| Happens::Mute(who, is)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, is)| Happens::Deafen(who, is)),
        1 => (who.clone(), any::<f32>()).prop_map(|(who, gain)| Happens::Gain(who, gain)),
        1 => (who.clone(), any::<f32>()).prop_map(|(who, place)| Happens::Place(who, place)),
        1 => (who.clone(), who.clone(), 0.0..3.0_f32).prop_map(|(who, whom, gain)| Happens::Volume(who, whom, gain)),
        1 => (0..100_000_usize).prop_map(Happens::Announce),
        1 => (0.0..2.0_f32).prop_map(Happens::Load),
        6 => packets.prop_map(|(who, codec, sequence, timestamp, level, payload, count)| {
            Happens::Packets(who, codec, sequence, timestamp, level, payload, count)
        }),
        4 => (0..300_u64).prop_map(Happens::Passes),
    ]
}

/// A mixer, and what everybody may expect of it.
struct World<C: Codecs> {
    mixer: Mixer<C>,
    now: Duration,
    /// Packets are what their codec says.
    real: bool,
    /// Who is there, whether they hear, and the next number of their stream.
    people: BTreeMap<u64, (bool, Option<u16>)>,
}

impl<C: Codecs> World<C> {
    fn new(codecs: C, real: bool) -> Self {
        Self {
            mixer: Mixer::new(Settings::default(), codecs),
            now: ms(1000),
            real,
            people: BTreeMap::new(),
        }
    }

    fn apply(&mut self, happens: Happens) {
        let now = self.now;
        match happens {
            Happens::Join(who, output) => {
                let joined = self.mixer.join(id(who), output).is_ok();
                assert_eq!(joined, !self.people.contains_key(&who));
                self.people.entry(who).or_insert((true, None));
            }
            Happens::Leave(who) => {
                self.mixer.leave(id(who));
                self.people.remove(&who);
            }
            Happens::Output(who, output) => self.mixer.set_output(id(who), output),
            Happens::Mute(who, is) => self.mixer.set_muted(id(who), is),
            Happens::Deafen(who, is) => {
                self.mixer.set_deafened(id(who), is);
                if let Some(person) = self.people.get_mut(&who) {
                    person.0 = !is;
                }
            }
            Happens::Gain(who, gain) => self.mixer.set_gain(id(who), gain),
            Happens::Place(who, place) => self.mixer.set_place(id(who), place),
            Happens::Volume(who, whom, volume) => self.mixer.set_volume(id(who), id(whom), volume),
            Happens::Announce(samples) => {
                let taken = self.mixer.feed(&vec![0.2; samples], now);
                assert!(taken <= samples.min(96_000));
            }
            Happens::Load(busy) => self.mixer.report_load(busy, now),
            Happens::Packets(who, codec, sequence, timestamp, level, payload, count) => {
                for at in 0..count {
                    let samples = codec.samples(&payload).unwrap_or(960) as u32;
                    let packet = Packet {
                        ssrc: who as u32,
                        sequence: sequence.wrapping_add(at as u16),
                        timestamp: timestamp.wrapping_add(at as u32 * samples / codec.step()),
                        codec,
                        level,
                        payload: &payload,
                    };
                    self.mixer.packet_in(id(who), &packet, self.now);
                    self.pass(ms(u64::from(samples) / 48));
                }
            }
            Happens::Passes(span) => self.pass(ms(span)),
        }
        while self.mixer.poll_event().is_some() {}
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.mixer.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            for sent in self.mixer.tick(self.now).packets() {
                let (hears, next) = self
                    .people
                    .get_mut(&sent.to.0)
                    .expect("only to those who are there");
                assert!(*hears, "{:?} is deaf", sent.to);
                assert!(!sent.payload.is_empty());
                assert!(!self.real || sent.codec.samples(sent.payload).is_some());
                assert!(
                    sent.voices
                        .iter()
                        .all(|(voice, _)| *voice != SourceId::Participant(sent.to))
                );
                let gap = sent.sequence.wrapping_sub(next.unwrap_or(sent.sequence));
                assert!(gap < 3000, "numbers go forward");
                *next = Some(sent.sequence.wrapping_add(1));
            }
            assert!(
                self.mixer.poll_timeout().is_none_or(|next| next > self.now),
                "time goes forward"
            );
        }
        self.now = end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn holds_with_real_codecs(history in prop::collection::vec(happens(), 1..40)) {
        let mut world = World::new(Builtin, true);
        for event in history {
            world.apply(event);
        }
    }

    #[test]
    fn holds_for_long_with_a_thin_one(history in prop::collection::vec(happens(), 1..400)) {
        let mut world = World::new(Thin, false);
        for event in history {
            world.apply(event);
        }
    }
}

#[test]
fn packets_of_every_length_are_heard_alike() {
    // 10 to 60 ms are what people send; 120 ms what they may.
    for samples in [480, 960, 1920, 2880, 5760] {
        let mut mixer = Mixer::new(Settings::default(), Builtin);
        let (talker, other, listener) = (id(1), id(2), id(3));
        for who in [talker, other, listener] {
            mixer.join(who, Output::default()).unwrap();
        }
        let mut codecs = Builtin;
        let mut encoder = codecs.encoder(Codec::Pcmu, Channels::Mono, Quality::default());
        let (mut ear, mut heard) = (codecs.decoder(Codec::Opus), Vec::new());
        let mut say = says(sound::tone(600.0, 0.3, 0, 48_000));
        let mut waiting = Vec::new();
        for frame in 0..150_u32 {
            let now = ms(1000) + ms(20) * frame;
            trefoil_mix::Encoder::encode(&mut encoder, &say(frame as usize), &mut waiting);
            let bytes = samples / 6;
            let mut number = 0;
            while waiting.len() >= bytes {
                let payload: Vec<u8> = waiting.drain(..bytes).collect();
                let done = frame as usize * 160 + 160 - waiting.len() - bytes;
                number += 1;
                let packet = Packet {
                    ssrc: 1,
                    sequence: (done / bytes) as u16,
                    timestamp: done as u32,
                    codec: Codec::Pcmu,
                    level: Some(13),
                    payload: &payload,
                };
                mixer.packet_in(talker, &packet, now);
            }
            assert!(number <= 2);
            while let Some(due) = mixer.poll_timeout().filter(|due| *due <= now + ms(10)) {
                for sent in mixer.tick(due).packets().filter(|sent| sent.to == listener) {
                    trefoil_mix::Decoder::decode(&mut ear, sent.payload, &mut heard).unwrap();
                }
            }
        }
        let reception = mixer.reception(talker).unwrap();
        assert_eq!(
            (reception.lost, reception.late),
            (0, 0),
            "{samples}: {reception:?}"
        );
        let level = sound::level_at(&heard[heard.len() - 48_000..], 600.0);
        assert!((-13.0..-8.0).contains(&level), "{samples}: {level:.1} dB");
    }
}
