//! ICE and DTLS of those who mean no good, or do not understand, from addresses that ICE has proved (FAULTS: I and D rows).

use std::{net::UdpSocket, time::Duration};

use crate::world::{Call, VOICE, Wire, World};
use trefoil_media::Ask;

/// 3 comes in and publishes a voice whose DTLS is kept back; the first flight that would have been sent.
fn stalled(call: &mut Call) -> Vec<u8> {
    call.world.enter(3);
    call.world.offer(3, Wire::holding(), &[VOICE], &[], |offer| offer);
    let began = |world: &World| !world.people[&3].publish.as_ref().unwrap().dtls.is_empty();
    call.world
        .until("ICE has proved the address", |world| began(world));
    call.world.people[&3].publish.as_ref().unwrap().dtls[0].clone()
}

fn throw(world: &mut World, number: u64, datagrams: &[Vec<u8>]) {
    let server = world.server;
    let wire = world.people.get_mut(&number).unwrap().publish.as_mut().unwrap();
    datagrams
        .iter()
        .for_each(|datagram| wire.send_raw(server, datagram));
}

/// The same person begins anew, and that works.
fn begins_anew(call: &mut Call) {
    call.world.publish(3, &[VOICE]);
    assert!(call.world.people[&3].publish.as_ref().unwrap().connected);
}

/// One DTLS 1.2 record of epoch 0.
fn record(kind: u8, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 0xFE, 0xFD, 0, 0];
    record.extend_from_slice(&sequence.to_be_bytes()[2..]);
    record.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    record.extend_from_slice(payload);
    record
}

/// One fragment of a handshake message of this length.
fn fragment(kind: u8, length: u32, offset: u32, part: &[u8]) -> Vec<u8> {
    let mut fragment = vec![kind];
    fragment.extend_from_slice(&length.to_be_bytes()[1..]);
    fragment.extend([0, 0]);
    fragment.extend_from_slice(&offset.to_be_bytes()[1..]);
    fragment.extend_from_slice(&(part.len() as u32).to_be_bytes()[1..]);
    fragment.extend_from_slice(part);
    fragment
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const CLIENT_HELLO: u8 = 1;

/// FAULTS D04: what cannot end in good keys ends that transport, which may be begun anew.
#[test]
fn a_handshake_that_offers_nothing_good_ends_its_transport_alone() {
    for spoil in [old_version, no_srtp, weak_suites, no_suites] {
        let mut call = Call::with(|config| config.silence_seconds = 3);
        let mut hello = stalled(&mut call);
        spoil(&mut hello);
        throw(&mut call.world, 3, &[hello.clone(), hello]);
        call.go_on(Duration::from_millis(500), |_| {});
        assert!(!call.world.people[&3].publish.as_ref().unwrap().connected);
        begins_anew(&mut call);
        call.end();
    }
}

/// The record, and the message in it, are of DTLS 1.0.
fn old_version(hello: &mut [u8]) {
    hello[1..3].copy_from_slice(&[0xFE, 0xFF]);
    hello[25..27].copy_from_slice(&[0xFE, 0xFF]);
}

fn no_srtp(hello: &mut [u8]) {
    // The extension's number and the length behind it, which is small.
    let at = hello.windows(3).rposition(|found| found == [0, 14, 0]).unwrap();
    hello[at] = 0x7F;
}

/// Where the suites stand: behind version, random, session id and cookie.
fn suites(hello: &mut [u8]) -> &mut [u8] {
    let session = usize::from(hello[59]);
    let cookie = usize::from(hello[60 + session]);
    let at = 61 + session + cookie;
    let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    &mut hello[at + 2..at + 2 + length]
}

/// `TLS_RSA_WITH_NULL_SHA`, again and again.
fn weak_suites(hello: &mut [u8]) {
    suites(hello)
        .chunks_mut(2)
        .for_each(|suite| suite.copy_from_slice(&[0, 2]));
}

fn no_suites(hello: &mut [u8]) {
    suites(hello).fill(0xFF);
}

/// FAULTS D05: a certificate that is not the one of the description ends the transport.
#[test]
fn a_certificate_that_was_not_announced_ends_its_transport() {
    let mut call = Call::new();
    call.world.enter(3);
    call.world.offer(3, Wire::udp(), &[VOICE], &[], |offer| {
        let at = offer.find("sha-256 ").unwrap() + 8;
        let other = if &offer[at..at + 2] == "00" { "11" } else { "00" };
        offer.replace(&offer[at..at + 5], &format!("{other}:{other}"))
    });
    call.world.until("the transport is lost", |world| {
        world.people[&3].lost == ["publish"]
    });
    begins_anew(&mut call);
    call.end();
}

/// FAULTS D06: fragments of one byte, overlapping ones, and a message of 16 MB that never comes.
#[test]
fn a_message_in_fragments_of_any_kind_takes_no_memory_and_disturbs_nobody() {
    let mut call = Call::new();
    let hello = stalled(&mut call);
    let body = hello[25..].to_vec();
    let length = body.len() as u32;
    let whole = 0x00FF_FFFF;
    let mut crumbs = Vec::new();
    for (at, byte) in (0_u32..).zip(&body) {
        crumbs.push(record(
            HANDSHAKE,
            100 + u64::from(at),
            &fragment(CLIENT_HELLO, whole, at * 70_000, &[*byte]),
        ));
        crumbs.push(record(
            HANDSHAKE,
            1100 + u64::from(at),
            &fragment(CLIENT_HELLO, length, at / 2, &body[..20]),
        ));
        crumbs.push(record(
            HANDSHAKE,
            2100 + u64::from(at),
            &fragment(CLIENT_HELLO, length, length + at, &[*byte]),
        ));
    }
    for count in 0..20_000 {
        crumbs.push(record(
            HANDSHAKE,
            5000 + count,
            &fragment(CLIENT_HELLO, whole, count as u32 * 800, &[7; 800]),
        ));
    }
    let mut rest = crumbs.chunks(64);
    call.go_on(Duration::from_secs(2), |world| {
        throw(world, 3, rest.next().unwrap_or_default());
    });
    begins_anew(&mut call);
    call.end();
}

/// FAULTS D07: forty handshakes at once.
#[test]
fn a_flood_of_handshakes_is_served_and_the_call_goes_on() {
    let mut call = Call::new();
    let numbers = 100..140;
    for number in numbers.clone() {
        call.world.enter(number);
        call.world
            .offer(number, Wire::udp(), &[VOICE], &[], |offer| offer);
    }
    let mut connected = 0;
    for _ in 0..200 {
        call.go_on(Duration::from_millis(100), |_| {});
        let wires = numbers
            .clone()
            .map(|number| call.world.people[&number].publish.as_ref());
        connected = wires.filter(|wire| wire.unwrap().connected).count();
        if connected == 40 {
            break;
        }
    }
    assert_eq!(connected, 40);
    call.end();
}

/// FAULTS D08, D10: replays, other epochs, alerts and a second ClientHello in the clear, all from the address that ICE has
/// proved, as somebody between could send them: who speaks is heard on.
#[test]
fn records_that_prove_nothing_end_no_transport() {
    let mut call = Call::new();
    let again = call.world.people[&1].publish.as_ref().unwrap().dtls.clone();
    let mut bad = again.clone();
    for epoch in [1, 2, 5, 0xFFFF] {
        for datagram in &again {
            let mut other = datagram.clone();
            other[3..5].copy_from_slice(&u16::to_be_bytes(epoch));
            bad.push(other);
        }
        for kind in [20, ALERT, HANDSHAKE, 23, 24, 63] {
            let mut other = record(kind, 77, &[1, 0, 3, 4]);
            other[3..5].copy_from_slice(&u16::to_be_bytes(epoch));
            bad.push(other);
        }
    }
    // close_notify and a fatal alert, twice each.
    for sequence in 0..4 {
        bad.push(record(ALERT, 1000 + sequence, &[1, 0]));
        bad.push(record(ALERT, 2000 + sequence, &[2, 40]));
    }
    // What asks for a new handshake, and messages of the wrong time.
    for kind in [0, 1, 2, 4, 11, 12, 14, 16, 20, 24] {
        bad.push(record(
            HANDSHAKE,
            3000 + u64::from(kind),
            &fragment(kind, 4, 0, &[1, 2, 3, 4]),
        ));
    }
    let mut rest = bad.chunks(8);
    call.go_on(Duration::from_millis(800), |world| {
        throw(world, 1, rest.next().unwrap_or_default());
    });
    call.go_on(Duration::from_millis(500), |_| {});
    assert!(call.world.people[&1].lost.is_empty());
    call.end();
}

/// FAULTS D09: ICE goes on for ever and DTLS never begins.
#[test]
fn a_handshake_that_never_begins_is_given_up() {
    let mut call = Call::with(|config| config.silence_seconds = 3);
    stalled(&mut call);
    for _ in 0..100 {
        call.go_on(Duration::from_millis(100), |_| {});
        if !call.world.people[&3].lost.is_empty() {
            break;
        }
    }
    assert_eq!(call.world.people[&3].lost, ["publish"]);
    call.end();
}

/// FAULTS I14: the right user fragment and a wrong password, from another address, a thousand times.
#[test]
fn checks_with_a_wrong_password_are_not_answered_and_move_nothing() {
    let mut call = Call::new();
    let fragment = |sdp: &str| {
        let line = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        line.unwrap().trim().to_owned()
    };
    let name = format!("{}:abcd", fragment(&call.world.people[&1].answer));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let server = call.world.server;
    let mut sent = 0_u32;
    call.go_on(Duration::from_secs(1), |_| {
        for _ in 0..4 {
            let mut attributes = vec![0, 6, 0, name.len() as u8];
            attributes.extend(name.bytes());
            attributes.resize(attributes.len().next_multiple_of(4), 0);
            attributes.extend([0, 0x25, 0, 0, 0, 8, 0, 20]);
            attributes.extend([sent as u8; 20]);
            let mut check = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xA4, 0x42];
            check.extend([9; 8]);
            check.extend(sent.to_be_bytes());
            check.extend(attributes);
            drop(stranger.send_to(&check, server));
            sent += 1;
        }
    });
    assert!(sent > 1000, "{sent}");
    let mut answer = [0; 200];
    while let Ok((length, _)) = stranger.recv_from(&mut answer) {
        // An error may be said, a success not.
        assert!(
            length >= 20 && answer[0] == 1 && answer[1] & 0x10 == 0x10,
            "{:?}",
            &answer[..2]
        );
    }
    call.end();
}

/// FAULTS I12, I15: indications, errors, requests with roles and attributes that cannot be, from a proved address.
#[test]
fn stun_that_makes_no_sense_is_passed_over() {
    let mut call = Call::new();
    let header = |kind: u16, length: u16| {
        let mut message = kind.to_be_bytes().to_vec();
        message.extend(length.to_be_bytes());
        message.extend([0x21, 0x12, 0xA4, 0x42]);
        message.extend([5; 12]);
        message
    };
    let attribute = |kind: u16, length: u16, value: &[u8]| {
        [&kind.to_be_bytes()[..], &length.to_be_bytes()[..], value].concat()
    };
    let mut bad = Vec::new();
    for kind in [0x0001_u16, 0x0011, 0x0101, 0x0111, 0x0003, 0x3FFF] {
        bad.push(header(kind, 0));
        bad.push(header(kind, 400));
        for (name, length, value) in [
            (0x8029_u16, 8_u16, &[1_u8; 8][..]),
            (0x802A, 8, &[1; 8]),
            (0x0006, 200, &[b'a'; 8]),
            (0x0009, 4, &[0, 0, 4, 87]),
            (0x0008, 20, &[0; 20]),
            (0x0020, 1, &[0; 4]),
            (0x7777, 0, &[]),
        ] {
            let attribute = attribute(name, length, value);
            let message = header(kind, attribute.len() as u16);
            bad.push([message, attribute].concat());
        }
    }
    call.go_on(Duration::from_millis(500), |world| throw(world, 1, &bad));
    assert!(call.world.people[&1].lost.is_empty());
    call.end();
}

/// FAULTS I16: a thousand candidates that nobody can be reached at.
#[test]
fn candidates_that_lead_nowhere_are_ignored() {
    let mut call = Call::new();
    call.world.enter(3);
    call.world.offer(3, Wire::udp(), &[VOICE], &[], |offer| {
        let mut more = String::new();
        for number in 0..250_u32 {
            for place in [
                "0b1c.local 9",
                "0.0.0.0 9",
                "239.1.2.3 9",
                "203.0.113.7 0",
                "fe80::1%eth0 9",
                "::1 70000",
            ] {
                more += &format!("a=candidate:{number} 1 udp {} {place} typ host\r\n", number + 1);
            }
        }
        offer + &more
    });
    // Taken or refused, the next good one is taken.
    call.go_on(Duration::from_millis(500), |_| {});
    begins_anew(&mut call);
    call.end();
}

/// FAULTS I18: a hundred ICE restarts at once: the last one counts, and what was received is received on.
#[test]
fn a_hundred_restarts_at_once_end_in_one_way_that_works() {
    let mut call = Call::new();
    for _ in 0..100 {
        let (audio, video, restart) = (None, None, true);
        call.world.ask(
            2,
            Ask::Subscribe {
                audio,
                video,
                restart,
            },
        );
    }
    call.go_on(Duration::from_secs(1), |_| {});
    assert!(call.world.people[&2].lost.is_empty());
    assert!(call.world.people[&2].refused.is_empty());
    call.end();
}

/// Offers that cross: a second before the first is answered, both ways.
#[test]
fn offers_that_cross_end_in_connections_that_work() {
    let mut call = Call::new();
    let world = &mut call.world;
    world.enter(3);
    // Another connection takes the place of one whose answer is still under way, and is for nobody then.
    world.offer(3, Wire::udp(), &[VOICE], &[], |offer| offer);
    world.people.get_mut(&3).unwrap().stale_answers = 1;
    world.offer(3, Wire::udp(), &[VOICE, VOICE], &[], |offer| offer);
    world.until("the second is connected", |world| {
        world.people[&3].publish.as_ref().unwrap().connected
    });
    // The server's offer of a new connection, and one of a restart, before any answer.
    world.people.get_mut(&3).unwrap().subscribe = Some(Wire::udp());
    for restart in [false, true, true] {
        let (audio, video) = (None, None);
        world.ask(
            3,
            Ask::Subscribe {
                audio,
                video,
                restart,
            },
        );
    }
    world.until("receiving is connected", |world| {
        world.people[&3].subscribe.as_ref().unwrap().connected
    });
    call.go_on(Duration::from_millis(500), |_| {});
    let track = call.world.track(1, 0);
    assert!(!call.world.received(3, track).is_empty());
    call.end();
}
