//! What the hostile and the broken send, and a call beside them that must not notice (FAULTS: ICE, DTLS, SRTP, SDP).

use std::{io::Write as _, net::TcpStream, net::UdpSocket, time::Duration};

use crate::world::{ALL, Call, PICTURE, VOICE, Wire, World, vp8};
use trefoil_media::{Ask, RoomKey};
use trefoil_peer::client::Media as Packet;

/// FAULTS I01, I02, I03, I10, I11, I13, D01 to D03, D12: what comes from strangers is dropped before anything is made of it.
#[test]
fn strangers_are_not_answered_and_disturb_nobody() {
    let mut call = Call::new();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let mut stun = vec![0, 1, 0, 24, 0x21, 0x12, 0xA4, 0x42];
    stun.extend([9; 12]);
    stun.extend([0, 6, 0, 20]);
    stun.extend(b"00aaaaaaaaaaaaaa:abc");
    let answer = |kind: [u8; 2]| [&kind[..], &[0, 0, 0x21, 0x12, 0xA4, 0x42], &[9; 12]].concat();
    let nonsense: [Vec<u8>; 9] = [
        vec![],
        vec![0; 19],
        vec![0x16; 200], // a ClientHello, or what looks like one
        vec![0x80; 60],  // RTP without a key
        vec![0xFF; 1400],
        [&[0, 1, 0xFF, 0xFC][..], &[0; 16]].concat(),
        stun,           // a user fragment that nobody has
        answer([1, 1]), // a success and an error, which asked for would be answers
        answer([1, 0x11]),
    ];
    let server = call.world.server;
    call.go_on(Duration::from_millis(500), |_| {
        for datagram in &nonsense {
            drop(stranger.send_to(datagram, server));
        }
    });
    assert!(stranger.recv(&mut [0; 100]).is_err(), "strangers get no answer");
    call.go_on(Duration::from_millis(1200), |_| {});
    assert!(call.counted(|reading| reading.strangers) > 100);
    call.end();
}

/// FAULTS D11, D13: packets that do not verify from an address that did prove itself end nothing.
#[test]
fn two_hundred_packets_of_a_wrong_key_do_not_end_a_call() {
    let mut call = Call::new();
    let server = call.world.server;
    let mut sent = 0;
    call.go_on(Duration::from_millis(800), |world| {
        for number in [1, 2] {
            let person = world.people.get_mut(&number).unwrap();
            for wire in [&mut person.publish, &mut person.subscribe].into_iter().flatten() {
                let mut packet = vec![0x80, 111, 0, sent as u8, 0, 0, 0, 1, 0, 0, 0, 2];
                packet.resize(100, 0xEE);
                wire.send_raw(server, &packet);
                packet[1] = 201;
                wire.send_raw(server, &packet);
                sent += 2;
            }
        }
    });
    assert!(sent > 200);
    call.go_on(Duration::from_millis(1200), |_| {});
    assert!(call.counted(|reading| reading.unverified) > 50);
    call.end();
}

/// FAULTS D20: however often somebody loses the picture, its publisher is asked twice a second.
#[test]
fn a_storm_of_picture_losses_reaches_the_publisher_twice_a_second() {
    let mut call = Call::new();
    let world = &mut call.world;
    world.enter(3);
    world.publish(3, &[PICTURE]);
    world.enter(4);
    world.subscribe(4);
    let track = world.track(3, 0);
    let mut sequence = 1000;
    let mut show = move |world: &mut World| {
        let payload = vp8(sequence % 50 == 0, 360, sequence as u16 & 0x7FFF, 300);
        let packet = Packet {
            sequence,
            timestamp: sequence as u32 * 3000,
            marker: true,
            payload: &payload,
            level: None,
        };
        world.send(3, 0, None, packet);
        sequence += 1;
    };
    call.go_on(Duration::from_millis(500), &mut show);
    assert!(!call.world.received(4, track).is_empty());
    call.world.people.get_mut(&3).unwrap().keyframes_wanted.clear();
    call.go_on(Duration::from_secs(2), |world| {
        show(world);
        let person = world.people.get_mut(&4).unwrap();
        let mid = person
            .slots
            .iter()
            .find(|(_, shown)| **shown == track)
            .unwrap()
            .0
            .clone();
        person.subscribe.as_mut().unwrap().client.lose_picture(&mid);
    });
    let asked = call.world.people[&3].keyframes_wanted.len();
    assert!((1..=6).contains(&asked), "asked {asked} times in two seconds");
    call.end();
}

/// FAULTS D22: a publisher that sends more than it may loses the rest, and nobody else loses anything.
#[test]
fn a_publisher_that_floods_is_policed() {
    let mut call = Call::new();
    call.world.enter(3);
    call.world.publish(3, &[PICTURE]);
    let mut sequence = 1000;
    call.go_on(Duration::from_secs(2), |world| {
        for _ in 0..10 {
            let payload = vp8(sequence == 1000, 360, sequence as u16 & 0x7FFF, 1200);
            let packet = Packet {
                sequence,
                timestamp: sequence as u32 * 300,
                marker: true,
                payload: &payload,
                level: None,
            };
            world.send(3, 0, None, packet);
            sequence += 1;
        }
    });
    call.go_on(Duration::from_millis(1200), |_| {});
    assert!(call.counted(|reading| reading.policed) > 100);
    call.end();
}

/// FAULTS P01 to P05, P07, D05: descriptions that cannot be used are refused in words, and the next good one is taken.
#[test]
fn descriptions_that_cannot_be_used_are_refused() {
    let mut call = Call::new();
    let world = &mut call.world;
    world.enter(3);
    let (good, _) = Wire::udp().client.offer(&[VOICE]);
    let without = |what: &str| {
        let lines = good.lines().filter(|line| !line.starts_with(what));
        lines.map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let bad = [
        String::new(),
        "v=0\r\n".repeat(2),
        "a".repeat(300 * 1024),
        "a=x\r\n".repeat(6000),
        format!("{good}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(500)),
        without("a=fingerprint"),
        without("a=ice-ufrag"),
        good.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"),
        good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        format!(
            "{good}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
        ),
        format!("{good}a=rtpmap:200 opus/48000/2\r\n"),
        format!("{good}a=mid:0\r\na=mid:0\r\n"),
        "\0".repeat(1000),
    ];
    let count = bad.len();
    for offer in bad {
        let sources = Vec::new();
        world.ask(3, Ask::Publish { offer, sources });
    }
    world.ask(3, Ask::Answer { answer: good.clone() });
    world.until("each is refused", |world| {
        world.people[&3].refused.len() == count + 1
    });
    assert!(
        world.people[&3]
            .refused
            .iter()
            .all(|(_, why, forbidden)| !why.is_empty() && !forbidden)
    );
    world.publish(3, &[VOICE]);
    call.end();
}

/// FAULTS I20: lengths that cannot be, silence and crumbs over TCP.
#[test]
fn connections_that_say_nothing_sensible_are_closed_and_disturb_nobody() {
    let mut call = Call::new();
    let server = call.world.server;
    let mut streams: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(server).unwrap()).collect();
    for (index, stream) in streams.iter_mut().enumerate() {
        let said: &[u8] = match index % 4 {
            0 => &[0, 0],
            1 => &[0xFF, 0xFF, 1, 2, 3],
            2 => b"GET / HTTP/1.1\r\n\r\n",
            _ => &[0],
        };
        drop(stream.write_all(said));
    }
    call.go_on(Duration::from_millis(500), |_| {});
    call.end();
}

/// A client that vanishes without a word is gone after the time that was set; those who stay are told.
#[test]
fn a_publisher_that_dies_is_gone_for_everybody() {
    let mut world = World::with(|config| config.silence_seconds = 6);
    for number in [1, 2] {
        world.enter(number);
    }
    world.publish(1, &[VOICE]);
    world.subscribe(2);
    world.until("its track is there", |world| {
        world.people[&2]
            .tracks
            .get(&1)
            .is_some_and(|tracks| !tracks.is_empty())
    });
    world.people.get_mut(&1).unwrap().publish = None;
    world.until("its track is gone", |world| {
        world.people[&2].tracks[&1].is_empty()
    });
    assert_eq!(world.people[&1].lost, ["publish"]);
}

/// 500 joins and leaves: nothing of them stays.
#[test]
fn who_left_leaves_nothing_behind() {
    let mut call = Call::new();
    for round in 0..100_u64 {
        let numbers: Vec<u64> = (0..5).map(|index| 100 + round * 5 + index).collect();
        for number in &numbers {
            call.world.enter_as(*number, RoomKey(number % 7 + 10), ALL);
            let (offer, _) = Wire::udp().client.offer(&[VOICE, PICTURE]);
            let sources = Vec::new();
            call.world.ask(*number, Ask::Publish { offer, sources });
            let (audio, video, restart) = (None, None, false);
            call.world.ask(
                *number,
                Ask::Subscribe {
                    audio,
                    video,
                    restart,
                },
            );
        }
        call.go_on(Duration::from_millis(20), |_| {});
        for number in numbers {
            call.world.leave(number);
        }
    }
    call.go_on(Duration::from_millis(1500), |_| {});
    assert_eq!(call.counted(|reading| reading.rooms), 1);
    assert_eq!(call.counted(|reading| reading.members), 2);
    assert_eq!(call.counted(|reading| reading.addresses), 2);
    assert_eq!(call.counted(|reading| reading.untold), 0);
    call.end();
}
