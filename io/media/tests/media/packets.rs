//! RTP and RTCP of members who have keys and mean no good, and subscribers that do not read (FAULTS: D12 to D25), beside a call.

use std::time::Duration;

use crate::world::{Call, PICTURE, VOICE, Wire, World, vp8};
use trefoil_media::TrackId;
use trefoil_peer::client::{Media as Packet, Tamper};

/// A call in which 3 publishes a voice and a picture with keys that are ours to seal with, and 4 receives.
fn with_member() -> (Call, Tamper) {
    let mut call = Call::new();
    call.world.enter(3);
    let (wire, tamper) = Wire::tampered();
    call.world.publish_over(3, wire, &[VOICE, PICTURE]);
    call.world.enter(4);
    call.world.subscribe(4);
    (call, tamper)
}

fn throw(world: &mut World, number: u64, datagrams: impl IntoIterator<Item = Vec<u8>>) {
    let server = world.server;
    let wire = world.people.get_mut(&number).unwrap().publish.as_mut().unwrap();
    datagrams
        .into_iter()
        .for_each(|datagram| wire.send_raw(server, &datagram));
}

/// 3 is still there and its picture is still seen by 4.
fn still_seen(mut call: Call) {
    let track = call.world.track(3, 1);
    let before = call.world.received(4, track).len();
    let mut sequence = 30_000;
    let mut frames = 0;
    while call.world.received(4, track).len() < before + 20 {
        call.go_on(Duration::from_millis(20), |world| {
            if world.tick() {
                show(world, sequence, 300);
                sequence += 1;
                frames += 1;
            }
        });
        assert!(frames < 2000, "3 is not seen any more");
    }
    assert!(call.world.people[&3].lost.is_empty() && call.world.people[&4].lost.is_empty());
    call.end();
}

/// One small picture of 3, each tenth of them whole.
fn show(world: &mut World, sequence: u64, length: usize) {
    let payload = vp8(sequence.is_multiple_of(10), 360, sequence as u16 & 0x7FFF, length);
    send(world, sequence, sequence as u32 * 3000, &payload);
}

fn send(world: &mut World, sequence: u64, timestamp: u32, payload: &[u8]) {
    let packet = Packet {
        sequence,
        timestamp,
        marker: true,
        payload,
        level: None,
    };
    world.send(3, 1, None, packet);
}

/// A header of 12 bytes, with the payload type, number and source that are given.
fn header(first: u8, kind: u8, sequence: u16, source: u32) -> Vec<u8> {
    let mut header = vec![first, kind];
    header.extend(sequence.to_be_bytes());
    header.extend(1_000_u32.to_be_bytes());
    header.extend(source.to_be_bytes());
    header
}

/// FAULTS D12, D14, D15: headers that lie about what follows, sealed as they are.
#[test]
fn headers_that_lie_are_dropped_packet_by_packet() {
    let (mut call, tamper) = with_member();
    let mut bad = Vec::new();
    for (number, first) in (0_u16..).zip([0x80_u8, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xB0]) {
        for (count, rest) in (0_u16..).zip([
            &[][..],
            &[0],
            &[0xFF; 4],
            &[0xBE, 0xDE, 0, 1, 0xF0, 0, 0, 0],
            &[0xBE, 0xDE, 0xFF, 0xFF, 1],
            &[0xBE, 0xDE, 0, 2, 0x0F, 1, 2, 3, 0x1F, 9],
            &[0x10, 0, 0, 1, 1, 200, 3, 4],
            &[1, 2, 3, 255],
            &[0, 0, 0, 0],
        ]) {
            for kind in [111_u8, 96, 97, 0x80 | 96] {
                let mut packet = header(first, kind, number * 100 + count, 77 + u32::from(kind));
                packet.extend_from_slice(rest);
                bad.extend(tamper.seal_rtp(&packet, 12));
            }
        }
    }
    assert!(bad.len() > 100);
    // And without any seal, in all versions.
    for version in [0_u8, 0x40, 0x80, 0xC0] {
        bad.push(header(version, 96, 1, 5));
    }
    call.go_on(Duration::from_millis(100), |_| {});
    for part in bad.chunks(20) {
        throw(&mut call.world, 3, part.iter().cloned());
        call.go_on(Duration::from_millis(10), |_| {});
    }
    still_seen(call);
}

/// FAULTS D17, D18: another source with each packet, and payload types that nobody agreed on.
#[test]
fn sources_and_payload_types_that_nobody_announced_take_no_place() {
    let (mut call, tamper) = with_member();
    for round in 0..100_u32 {
        let packets = (0..50).filter_map(|number| {
            let source = round * 50 + number + 1_000_000;
            let kind = if number % 2 == 0 { 96 } else { (number % 128) as u8 };
            let packet = [
                header(0x80, kind, 9, source),
                vec![0x90, 0x80, 0x80, 1, 0x10, 0, 0],
            ]
            .concat();
            tamper.seal_rtp(&packet, 12)
        });
        throw(&mut call.world, 3, packets.collect::<Vec<_>>());
        call.go_on(Duration::from_millis(5), |_| {});
    }
    still_seen(call);
}

/// FAULTS D16: descriptors of VP8 that are cut off, or say what cannot be.
#[test]
fn payloads_that_cannot_be_read_do_not_stop_a_picture() {
    let (mut call, _) = with_member();
    let whole = vp8(true, 360, 5, 40);
    let mut sequence = 1000;
    for length in 0..whole.len() {
        for spoil in [0_u8, 0xFF] {
            let mut payload = whole[..length].to_vec();
            payload.iter_mut().take(4).for_each(|byte| *byte ^= spoil);
            send(&mut call.world, sequence, sequence as u32 * 3000, &payload);
            sequence += 1;
            call.go_on(Duration::from_millis(2), |_| {});
        }
    }
    still_seen(call);
}

/// FAULTS D23, D24: timestamps that jump by half of all, stand still and run back; sequence numbers that wrap twice.
#[test]
fn clocks_that_jump_and_numbers_that_wrap_are_followed() {
    let (mut call, _) = with_member();
    let mut sequence = 65_000_u64;
    for step in [0_u32, 1, 1 << 31, 0x7FFF_FFFF, u32::MAX, 90_000] {
        let mut timestamp = 5_u32;
        for _ in 0..20 {
            let payload = vp8(sequence.is_multiple_of(10), 360, sequence as u16 & 0x7FFF, 100);
            send(&mut call.world, sequence, timestamp, &payload);
            sequence += if sequence.is_multiple_of(50) { 20_000 } else { 1 };
            timestamp = timestamp.wrapping_add(step);
            call.go_on(Duration::from_millis(3), |_| {});
        }
    }
    let track = call.world.track(3, 1);
    assert!(call.world.received(4, track).len() > 50);
    let (mut last, mut broken) = (None, 0);
    for packet in call.world.received(4, track) {
        broken += usize::from(last.is_some_and(|last| packet.sequence <= last));
        last = Some(packet.sequence);
    }
    assert_eq!(broken, 0, "what is received goes up");
    call.end();
}

/// FAULTS D25: where headers would make a packet longer than a path carries, extensions give way, and never the payload.
#[test]
fn a_payload_that_fills_a_datagram_arrives_whole() {
    let (mut call, _) = with_member();
    let track = call.world.track(3, 1);
    let mut sequence = 1000;
    let lengths = [1200, 1380, 1400, 1410, 1412, 1416];
    let heard = |call: &Call| -> std::collections::BTreeSet<usize> {
        let received = call.world.received(4, track);
        received.iter().map(|packet| packet.payload.len()).collect()
    };
    while !lengths.iter().all(|length| heard(&call).contains(length)) {
        for length in lengths {
            show(&mut call.world, sequence, length);
            sequence += 1;
        }
        call.go_on(Duration::from_millis(20), |_| {});
        assert!(sequence < 20_000, "not all arrive: {:?}", heard(&call));
    }
    let longest = call.world.people[&4].subscribe.as_ref().unwrap().longest;
    assert!((1430..=1452).contains(&longest), "{longest}");
    // What is longer than any path carries is sent whole or not at all.
    for length in 1420..1600 {
        show(&mut call.world, sequence, length);
        sequence += 1;
        call.go_on(Duration::from_millis(1), |_| {});
    }
    // Behind what a keyframe begins with, there is one byte again and again.
    let received = call.world.received(4, track);
    let whole = |payload: &[u8]| payload[14..].iter().all(|byte| *byte == 0xAB);
    assert!(received.iter().all(|packet| whole(&packet.payload)));
    assert!(heard(&call).iter().all(|length| *length >= 1200));
    still_seen(call);
}

/// Compounds that say what cannot be, or of what is not theirs.
fn lies() -> Vec<Vec<u8>> {
    let source = 0x1234_u32.to_be_bytes();
    let block = |count_and_version: u8, kind: u8, words: u16, rest: &[u8]| {
        [&[count_and_version, kind][..], &words.to_be_bytes(), rest].concat()
    };
    let mut bad: Vec<Vec<u8>> = vec![
        block(0x81, 203, 1, &source),      // BYE of somebody else's source
        block(0x9F, 203, 0, &[]),          // BYE of sources that are not there
        block(0x80, 201, 0xFFFF, &source), // a length past the end
        block(0x9F, 200, 6, &[0; 24]),     // 31 reports in no bytes
        block(0x81, 202, 2, &[source, [1, 255, 65, 66]].concat()), // a name past the end
        block(
            0x8F,
            205,
            5,
            &[&source[..], &source, &[0; 4], &[0xFF; 8]].concat(),
        ), // 65535 statuses
        block(
            0x8F,
            206,
            5,
            &[&source[..], &[0; 4], b"REMB", &[1, 0xFF, 0xFF, 0xFF], &source].concat(),
        ),
        block(
            0x8F,
            206,
            5,
            &[&source[..], &[0; 4], b"REMB", &[255, 0, 0, 1], &source].concat(),
        ),
        block(0x84, 206, 4, &[&source[..], &source, &source, &[0; 4]].concat()),
        [0x80, 201, 0, 1, 0, 0, 0, 1].repeat(150), // a compound of many
    ];
    // All losses of all numbers, of every source that an offer might name.
    let mut nack = [&source[..], &source].concat();
    (0..200_u16).for_each(|index| nack.extend([index * 17, 0xFFFF].map(u16::to_be_bytes).concat()));
    bad.push(block(0x81, 205, 2 + 200, &nack));
    bad
}

/// FAULTS D19: RTCP that lies, from a publisher and from a subscriber.
#[test]
fn rtcp_that_lies_is_passed_over() {
    let (mut call, publishing) = with_member();
    call.world.enter(5);
    let (wire, subscribing) = Wire::tampered();
    call.world.subscribe_over(5, wire, None, None);
    let bad = lies();
    for _ in 0..20 {
        let by_publisher: Vec<_> = bad
            .iter()
            .filter_map(|compound| publishing.seal_rtcp(compound))
            .collect();
        let by_subscriber: Vec<_> = bad
            .iter()
            .filter_map(|compound| subscribing.seal_rtcp(compound))
            .collect();
        assert!(!by_publisher.is_empty() && !by_subscriber.is_empty());
        throw(&mut call.world, 3, by_publisher);
        let server = call.world.server;
        let wire = call.world.people.get_mut(&5).unwrap().subscribe.as_mut().unwrap();
        by_subscriber
            .iter()
            .for_each(|datagram| wire.send_raw(server, datagram));
        call.go_on(Duration::from_millis(20), |_| {});
    }
    assert!(call.world.people[&5].lost.is_empty());
    call.go_on(Duration::from_millis(1200), |_| {});
    assert_eq!(
        call.counted(|reading| reading.unverified),
        0,
        "the seals were right"
    );
    still_seen(call);
}

/// The source of the place in which somebody has this track, once there is one.
fn source_of(world: &mut World, number: u64, track: TrackId) -> u32 {
    let place = |world: &World| {
        let mut slots = world.people[&number].slots.iter();
        slots
            .find(|(_, shown)| **shown == track)
            .map(|(mid, _)| mid.clone())
    };
    world.until("there is a place for it", |world| place(world).is_some());
    let mid = format!("a=mid:{}\r\n", place(world).unwrap());
    let section = world.people[&number].offer.split(&mid).nth(1).unwrap();
    let source = section.split("a=ssrc:").nth(1).unwrap().split(' ').next();
    source.unwrap().parse().unwrap()
}

/// The two hundred packets before the newest one were lost, all of them.
fn all_lost(source: u32, newest: u16) -> Vec<u8> {
    let mut nack = [
        &[0x81, 205, 0, 2 + 12][..],
        &1_u32.to_be_bytes(),
        &source.to_be_bytes(),
    ]
    .concat();
    for index in (1..=12_u16).rev() {
        nack.extend(
            [newest.wrapping_sub(index * 17), 0xFFFF]
                .map(u16::to_be_bytes)
                .concat(),
        );
    }
    nack
}

/// FAULTS D21: somebody who says again and again that all was lost gets a quarter of what the path carries, and no more.
#[test]
fn a_storm_of_losses_has_a_budget() {
    let (mut call, _) = with_member();
    call.world.enter(5);
    let (wire, tamper) = Wire::tampered();
    call.world.subscribe_over(5, wire, None, None);
    let track = call.world.track(3, 1);
    let source = source_of(&mut call.world, 5, track);
    let mut sequence = 1000;
    let bytes = |world: &World, number: u64| world.people[&number].subscribe.as_ref().unwrap().media_bytes;
    let before = [4, 5].map(|number| bytes(&call.world, number));
    call.go_on(Duration::from_secs(2), |world| {
        if !world.tick() {
            return;
        }
        show(world, sequence, 1100);
        sequence += 1;
        let newest = world
            .received(5, track)
            .last()
            .map_or(0, |packet| packet.sequence as u16);
        let nack = tamper.seal_rtcp(&all_lost(source, newest)).unwrap();
        let server = world.server;
        world
            .people
            .get_mut(&5)
            .unwrap()
            .subscribe
            .as_mut()
            .unwrap()
            .send_raw(server, &nack);
    });
    let [plain, storm] =
        [(4, 0), (5, 1)].map(|(number, index): (u64, usize)| bytes(&call.world, number) - before[index]);
    let asked = (sequence - 1000) as usize * 204 * 1100;
    let again = storm.saturating_sub(plain);
    // A quarter of 5 Mbit/s for two seconds, and what may come at once.
    assert!(again > 10_000, "the requests were understood: {again}");
    assert!(again < 800_000, "{again} bytes again of {asked} asked for");
    still_seen(call);
}

/// Somebody who receives over TCP and stops reading, while much is shown: nobody else waits for them.
#[test]
fn a_subscriber_that_never_reads_holds_up_nobody() {
    let (mut call, _) = with_member();
    let server = call.world.server;
    call.world.enter(5);
    call.world.subscribe_over(5, Wire::tcp(server), None, None);
    let silent = call.world.people.get_mut(&5).unwrap().subscribe.take();
    let track = call.world.track(3, 1);
    let mut sequence = 1000;
    call.go_on(Duration::from_secs(3), |world| {
        if world.tick() {
            (0..2).for_each(|_| {
                show(world, sequence, 1200);
                sequence += 1;
            });
        }
    });
    let seen = call.world.received(4, track).len();
    assert!(seen > 100, "{seen} packets of {}", sequence - 1000);
    drop(silent);
    still_seen(call);
}

/// FAULTS P06: more encodings than there are, ids that cannot be, groups of sources that are not there.
#[test]
fn a_simulcast_that_cannot_be_is_cut_or_refused() {
    let mut call = Call::new();
    call.world.enter(3);
    let many: Vec<String> = (0..100).map(|number| format!("r{number}")).collect();
    let many = many.join(";");
    let simulcasts = [
        many.as_str(),
        "",
        ";;;,,,~~~",
        "a\u{0}b;\u{FFFD};%n",
        "q;q;q",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "q,h,f;~q",
    ];
    for simulcast in simulcasts {
        call.world
            .offer(3, Wire::udp(), &[(true, &["q", "h", "f"])], &[], |offer| {
                let spoiled =
                    offer.replace("a=simulcast:send q;h;f", &format!("a=simulcast:send {simulcast}"));
                assert_ne!(spoiled, offer);
                let rids: String = simulcast
                    .split(';')
                    .map(|rid| format!("a=rid:{rid} send\r\n"))
                    .collect();
                spoiled + &rids + "a=ssrc-group:FID 1 2\r\na=ssrc-group:SIM 3 4 5 6\r\na=ssrc-group:FID x\r\n"
            });
        call.go_on(Duration::from_millis(100), |_| {});
    }
    call.world.publish(3, &[(true, &["q", "h", "f"])]);
    call.end();
}

/// Loudness, for what a voice may say of itself, is not believed beyond its bits.
#[test]
fn a_voice_that_shouts_without_end_is_one_speaker() {
    let (mut call, _) = with_member();
    let mut sequence = 0;
    call.go_on(Duration::from_secs(1), |world| {
        let packet = Packet {
            sequence,
            timestamp: sequence as u32 * 960,
            marker: true,
            payload: &[0x78, 1, 2, 3],
            level: Some(0),
        };
        world.send(3, 0, None, packet);
        sequence += 1;
    });
    let speakers: Vec<u64> = call.world.people[&2]
        .speakers
        .iter()
        .map(|(who, _)| *who)
        .collect();
    assert!(
        speakers.iter().filter(|who| **who == 3).count() <= 1,
        "{speakers:?}"
    );
    still_seen(call);
}
