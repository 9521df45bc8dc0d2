//! Everybody in one stream: who hears the mix hears all others and never themselves, over real sockets and real Opus.

use std::f32::consts::TAU;

use crate::world::{
    ALL, ROOM, World,
    tone::{MIX, TONES, Tone, hear, heard, loudness, talk},
};
use trefoil_codec::{AnyDecoder, AnyEncoder, Builtin};
use trefoil_media::{Ask, Codec as RtpCodec, HearWish, MuteState, PlainAsk, PlainKeys, Source, VoiceWish};
use trefoil_mix::{Channels, Codec, Codecs, Decoder, Encoder, Quality};
use trefoil_peer::{Picture, PlainTransport};

const VOICE: (bool, &[&str]) = (false, &[]);

/// Three who speak, each on a tone of their own, and all hear the mix.
fn three() -> (World, Vec<Tone>) {
    let mut world = World::new();
    let mut tones = Vec::new();
    for (who, hertz) in (1..).zip(TONES) {
        world.enter(who);
        world.publish(who, &[VOICE]);
        hear(&world, who, true);
        tones.push(Tone::new(who, hertz));
    }
    for who in 1..=3 {
        world.subscribe(who);
    }
    (world, tones)
}

#[test]
fn each_hears_all_others_in_one_stream_and_never_themselves() {
    let (mut world, mut tones) = three();
    talk(&mut world, &mut tones, 75);
    for who in 1..=3_u64 {
        let heard = heard(&world, who, 0, &TONES);
        for (other, decibel) in (1..).zip(heard) {
            if other == who {
                // What codecs add to the two other tones stands where the own one is.
                assert!(decibel < -50.0, "{who} hears themselves: {decibel}");
            } else {
                assert!((-20.0..-5.0).contains(&decibel), "{who} hears {other}: {decibel}");
            }
        }
        let received = world.people[&who].received.iter();
        assert!(
            received.clone().all(|packet| packet.track == Some(MIX)),
            "nothing but the mix"
        );
        let numbers: Vec<u64> = received.map(|packet| packet.sequence).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "in one unbroken stream"
        );
    }
}

#[test]
fn mixed_and_separate_are_in_one_room_and_anybody_changes_at_any_time() {
    let (mut world, mut tones) = three();
    hear(&world, 3, false);
    talk(&mut world, &mut tones, 50);
    let (first, second) = (world.track(1, 0), world.track(2, 0));
    assert!(world.received(3, first).len() > 20 && world.received(3, second).len() > 20);
    assert!(world.received(3, MIX).is_empty());
    hear(&world, 3, true);
    hear(&world, 1, false);
    world.until("both are told", |world| {
        world.people[&3].slots.values().eq([&MIX])
            && world.people[&1].slots.values().all(|track| *track != MIX)
    });
    talk(&mut world, &mut tones, 75);
    let at_third = heard(&world, 3, 0, &TONES);
    assert!(
        at_third[0] > -20.0 && at_third[1] > -20.0 && at_third[2] < -60.0,
        "{at_third:?}"
    );
    assert!(world.received(1, second).len() > 20);
    assert_eq!(world.people[&3].offers, 1, "nothing was negotiated again");
}

#[test]
fn who_wants_the_noise_taken_from_their_voice_is_not_passed_on_as_they_came() {
    let (mut world, mut tones) = three();
    let mut passed_on = |denoise| {
        let wish = VoiceWish {
            denoise: Some(denoise),
            ..VoiceWish::default()
        };
        world.ask(3, Ask::Voice(wish));
        let (from, said) = (world.received(1, MIX).len(), &mut tones[2..]);
        talk(&mut world, said, 100);
        let heard = world.received(1, MIX);
        let heard = &heard[from..][20..];
        assert!(heard.len() > 50, "{} packets", heard.len());
        let said = &tones[2].said;
        let passed = heard
            .iter()
            .filter(|packet| said.iter().any(|said| **said == *packet.payload));
        passed.count() * 100 / heard.len()
    };
    let percent = [false, true].map(&mut passed_on);
    assert!(
        percent[0] > 95 && percent[1] < 5,
        "{percent:?} percent are passed on"
    );
}

#[test]
fn one_may_be_louder_for_me_quieter_for_all_or_nothing_at_all() {
    let (mut world, mut tones) = three();
    world.ask(
        1,
        Ask::Hear(HearWish {
            volumes: vec![(2, 0.1)],
            ..HearWish::default()
        }),
    );
    world.ask(
        3,
        Ask::Voice(VoiceWish {
            gain: Some(0.25),
            ..VoiceWish::default()
        }),
    );
    talk(&mut world, &mut tones, 75);
    let (one, two) = (heard(&world, 1, 0, &TONES), heard(&world, 2, 0, &TONES));
    // 0.3 is -10.5 dB; a tenth of it 20 dB less, a quarter 12 dB less.
    assert!(
        (one[1] + 30.5).abs() < 3.0 && (one[2] + 22.5).abs() < 3.0,
        "{one:?}"
    );
    assert!(
        (two[0] + 10.5).abs() < 3.0 && (two[2] + 22.5).abs() < 3.0,
        "{two:?}"
    );
    world.ask(
        2,
        Ask::Hear(HearWish {
            deafened: Some(true),
            ..HearWish::default()
        }),
    );
    talk(&mut world, &mut tones, 10);
    let before = world.received(2, MIX).len();
    talk(&mut world, &mut tones, 25);
    assert_eq!(
        world.received(2, MIX).len(),
        before,
        "who is deafened hears nothing"
    );
}

#[test]
fn who_is_muted_by_a_moderator_is_in_no_mix_and_is_told_when_they_speak() {
    let (mut world, mut tones) = three();
    world.ask(
        2,
        Ask::Enter {
            name: "p2".into(),
            rights: ALL,
            muted: MuteState {
                audio: true,
                video: false,
            },
            mixed: false,
        },
    );
    talk(&mut world, &mut tones, 75);
    let one = heard(&world, 1, 0, &TONES);
    assert!(one[1] < -60.0 && one[2] > -20.0, "{one:?}");
    assert!(world.people[&2].talked_muted > 0);
    assert_eq!(world.people[&1].talked_muted, 0);
}

#[test]
fn a_room_that_is_mixed_by_its_settings_needs_no_wish_and_what_is_for_one_is_for_one() {
    let mut world = World::new();
    let mut tones = Vec::new();
    for (who, hertz) in (1..).zip(TONES) {
        world.enter_mixed(who, ROOM);
        world.publish(who, &[VOICE]);
        world.subscribe(who);
        tones.push(Tone::new(who, hertz));
    }
    let track = world.track(1, 0);
    world.ask(
        1,
        Ask::Allow {
            track,
            to: Some(vec![2]),
        },
    );
    talk(&mut world, &mut tones, 75);
    let (two, three) = (heard(&world, 2, 0, &TONES), heard(&world, 3, 0, &TONES));
    assert!(two[0] > -20.0 && two[2] > -20.0, "{two:?}");
    assert!(three[0] < -60.0 && three[1] > -20.0, "{three:?}");
}

#[test]
fn nobody_hears_the_sound_of_their_own_screen() {
    let mut world = World::new();
    for who in [1, 2] {
        world.enter(who);
        hear(&world, who, true);
    }
    world.publish_as(1, &[VOICE], &[Source::ScreenAudio]);
    world.publish(2, &[VOICE]);
    for who in [1, 2] {
        world.subscribe(who);
    }
    let mut tones = vec![Tone::new(1, TONES[0]), Tone::new(2, TONES[1])];
    talk(&mut world, &mut tones, 75);
    let (one, two) = (heard(&world, 1, 0, &TONES), heard(&world, 2, 0, &TONES));
    assert!(one[0] < -60.0 && one[1] > -20.0, "{one:?}");
    assert!(two[0] > -20.0 && two[1] < -60.0, "{two:?}");
}

/// A gateway beside the server: plain RTP over a socket of its own.
struct Gateway {
    socket: std::net::UdpSocket,
    server: std::net::SocketAddr,
    transport: PlainTransport,
    encoder: AnyEncoder,
    phase: f32,
    sequence: u64,
    heard: Vec<f32>,
    decoder: AnyDecoder,
    strange: usize,
}

const PAYLOAD_TYPE: u8 = 0;

impl Gateway {
    /// Lets one into the room, with PCMU.
    fn enter(world: &mut World, who: u64, keys: Option<(PlainKeys, PlainKeys)>) -> Self {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let server = world.media.plain_address([127, 0, 0, 1].into()).unwrap();
        // What is late for whoever had this port before is not for us.
        socket.connect(server).unwrap();
        let (ours, servers) = keys.unzip();
        world.enter(who);
        world.ask(
            who,
            Ask::Plain(Box::new(PlainAsk {
                local: server,
                remote: socket.local_addr().unwrap(),
                codec: RtpCodec::Pcmu,
                payload_type: PAYLOAD_TYPE,
                packet_time: 20,
                keys: servers,
            })),
        );
        Self {
            socket,
            server,
            transport: PlainTransport::new(RtpCodec::Pcmu, PAYLOAD_TYPE, 77, ours.as_ref()),
            encoder: Builtin.encoder(Codec::Pcmu, Channels::Mono, Quality::default()),
            phase: 0.0,
            sequence: 0,
            heard: Vec::new(),
            decoder: Builtin.decoder(Codec::Pcmu),
            strange: 0,
        }
    }

    /// Says 20 ms of 400 Hz, and hears what has come.
    fn turn(&mut self) {
        let samples: Vec<f32> = (0..960)
            .map(|_| {
                self.phase = (self.phase + TONES[0] / 48_000.0).fract();
                0.3 * (self.phase * TAU).sin()
            })
            .collect();
        let mut payload = Vec::new();
        self.encoder.encode(&samples, &mut payload);
        let picture = Picture {
            codec: RtpCodec::Pcmu,
            sequence: 65_536 + self.sequence,
            timestamp: self.sequence as u32 * 160,
            marker: false,
            payload: &payload,
            renumber: None,
            descriptor: &[],
            level: None,
            orientation: None,
            voices: &[],
        };
        self.sequence += 1;
        let mut out = [0; 1500];
        let length = self.transport.write(&picture, &mut out);
        self.socket.send(&out[..length]).unwrap();
        while let Ok(length) = self.socket.recv(&mut out) {
            match self.transport.receive(&mut out[..length]) {
                Some(packet) => self.decoder.decode(&packet.payload, &mut self.heard).unwrap(),
                None => self.strange += 1,
            }
        }
    }
}

/// A gateway with G.711 and somebody with Opus, who talk with each other for a while.
fn talk_through_a_gateway(keys: Option<(PlainKeys, PlainKeys)>) -> (World, Gateway) {
    let mut world = World::new();
    world.enter(2);
    world.publish(2, &[VOICE]);
    hear(&world, 2, true);
    world.subscribe(2);
    let mut gateway = Gateway::enter(&mut world, 1, keys);
    let mut tone = Tone::new(2, TONES[1]);
    for _ in 0..90 {
        gateway.turn();
        talk(&mut world, std::slice::from_mut(&mut tone), 1);
    }
    (world, gateway)
}

#[test]
fn a_gateway_with_g711_and_somebody_with_opus_hear_each_other_sealed_or_not() {
    let keys = || {
        let (one, other) = ([5; 30], [9; 30]);
        let keys = |outbound, inbound| PlainKeys { outbound, inbound };
        (keys(one, other), keys(other, one))
    };
    for keys in [None, Some(keys())] {
        let (world, gateway) = talk_through_a_gateway(keys);
        let two = heard(&world, 2, 0, &TONES[..2]);
        assert!(two[0] > -20.0 && two[1] < -55.0, "{two:?}");
        let samples = &gateway.heard[gateway.heard.len() - 24_000..];
        let (own, other) = (loudness(samples, TONES[0]), loudness(samples, TONES[1]));
        assert!(own < -35.0 && other > -20.0, "own {own}, other {other}");
        assert_eq!(gateway.strange, 0);
    }
}

#[test]
fn a_gateway_that_has_gone_is_heard_no_more_and_strangers_are_not_heard_at_all() {
    let (mut world, gateway) = talk_through_a_gateway(None);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger
        .send_to(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF], gateway.server)
        .unwrap();
    world.until("the stranger is counted", |world| {
        world
            .media
            .reading()
            .workers
            .iter()
            .any(|worker| worker.strangers > 0)
    });
    world.leave(1);
    world.until("its track is gone", |world| {
        let reading = world.media.reading();
        reading.workers.iter().map(|worker| worker.members).sum::<u64>() == 1
    });
    let strangers = |world: &World| -> u64 {
        let reading = world.media.reading();
        reading.workers.iter().map(|worker| worker.strangers).sum()
    };
    let before = strangers(&world);
    gateway.socket.send_to(&[0x80; 20], gateway.server).unwrap();
    world.until("it is a stranger too", |world| strangers(world) > before);
}
