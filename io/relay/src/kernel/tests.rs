//! The program, run by the kernel for frames that go nowhere. That needs root and Linux 6.15; without root it is not tested.

use std::time::Duration;

use trefoil_turn::{BoundChannel, ChannelNumber, ClientAddr, PeerAddr, Traffic, Transport};

use super::KernelPath;
use super::program::word;
use crate::RelayConfig;

const CLIENT: &str = "198.51.100.7:1234";
const SERVER: &str = "192.0.2.1:3478";
const RELAYED: &str = "192.0.2.1:50000";
const PEER: &str = "203.0.113.9:4000";

/// Answers of the program.
const NEXT: u32 = u32::MAX;
const REDIRECT: u32 = 7;

fn at(text: &str) -> std::net::SocketAddrV4 {
    text.parse().unwrap()
}

/// The program at no interface; `None` where the kernel lets nobody load one.
fn at_no_interface(loopback: i32) -> Option<KernelPath> {
    KernelPath::attach(&RelayConfig::default(), loopback)
        .map_err(|error| {
            let code = error.downcast_ref().and_then(std::io::Error::raw_os_error);
            // EPERM and ENOSYS; whatever else it says is about the program.
            assert!(matches!(code, Some(1 | 38)), "{error:#}");
            eprintln!("no program is tested here: {error:#}");
        })
        .ok()
}

/// The program at no interface, for a server without loopback unless `loopback` is 1, with one channel; both ends have
/// shown their interface.
fn with_a_channel(loopback: i32) -> Option<KernelPath> {
    let kernel = at_no_interface(loopback)?;
    let bound = BoundChannel {
        client: ClientAddr {
            transport: Transport::Udp,
            local: SERVER.parse().unwrap(),
            remote: CLIENT.parse().unwrap(),
        },
        channel: ChannelNumber::new(0x4001).unwrap(),
        from: RELAYED.parse().unwrap(),
        peer: PeerAddr(PEER.parse().unwrap()),
        until: Duration::MAX,
    };
    kernel.carry(&bound).unwrap();
    let from = frame(PEER, RELAYED, b"first");
    assert_eq!(
        kernel.program.test(&from).unwrap().answer,
        NEXT,
        "the client has shown nothing yet"
    );
    let from = frame(CLIENT, SERVER, &channel_data(0x4001, b"first"));
    assert_eq!(kernel.program.test(&from).unwrap().answer, REDIRECT);
    Some(kernel)
}

fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&number.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
}

/// The Internet checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([word[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// What the checksum of UDP is made over.
fn pseudo_header(ip: &[u8], udp: &[u8]) -> Vec<u8> {
    let length = u16::try_from(udp.len()).unwrap().to_be_bytes();
    [&ip[12..20], &[0, 17], &length, udp].concat()
}

/// A whole frame with right checksums, as long as Ethernet asks for.
fn frame(from: &str, to: &str, data: &[u8]) -> Vec<u8> {
    let (from, to) = (at(from), at(to));
    let length = |more: usize| u16::try_from(data.len() + more).unwrap().to_be_bytes();
    let mut ip = vec![0x45, 0xb8];
    ip.extend(length(28));
    ip.extend([0x12, 0x34, 0x40, 0, 57, 17, 0, 0]);
    ip.extend(from.ip().octets());
    ip.extend(to.ip().octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let mut udp = [&ports[..], &length(8), &[0, 0], data].concat();
    let sum = checksum(&pseudo_header(&ip, &udp));
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut frame = [&[0; 12][..], &[8, 0], &ip, &udp].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Checks a frame that the program has sent on, and returns its data.
fn opened<'a>(frame: &'a [u8], from: &str, to: &str, has_checksum: bool) -> &'a [u8] {
    let (ip, length) = (
        &frame[14..34],
        usize::from(u16::from_be_bytes([frame[16], frame[17]])),
    );
    let udp = &frame[34..14 + length];
    assert_eq!(
        (checksum(ip), ip[0], ip[1], ip[8], ip[9]),
        (0, 0x45, 0xb8, 64, 17)
    );
    assert_eq!(ip[6..8], [0, 0], "routers may fragment it");
    assert_eq!(usize::from(u16::from_be_bytes([udp[4], udp[5]])), udp.len());
    assert_eq!(
        ip[12..20],
        [at(from).ip().octets(), at(to).ip().octets()].concat()
    );
    let port = |place: usize| u16::from_be_bytes([udp[place], udp[place + 1]]);
    assert_eq!((port(0), port(2)), (at(from).port(), at(to).port()));
    if has_checksum {
        assert_eq!(checksum(&pseudo_header(ip, udp)), 0, "the checksum is right");
    } else {
        assert_eq!(port(6), 0, "there is no checksum");
    }
    &udp[8..]
}

#[test]
fn channel_data_becomes_a_datagram_to_the_peer_and_back_with_right_checksums() {
    let Some(kernel) = with_a_channel(0) else { return };
    let (mut packets, mut bytes) = (1, 5);
    for size in [0, 1, 2, 3, 20, 21, 160, 1200, 1464, 1468] {
        // Each size with many contents, so that sums carry in every way.
        for seed in 0..40_u8 {
            let data: Vec<u8> = (0..size)
                .map(|at: usize| seed.wrapping_mul(at.to_le_bytes()[0]) | seed)
                .collect();
            let back = kernel.program.test(&frame(PEER, RELAYED, &data)).unwrap();
            assert_eq!(back.answer, REDIRECT);
            assert_eq!(
                opened(&back.packet, SERVER, CLIENT, true),
                channel_data(0x4001, &data)
            );
            let there = kernel
                .program
                .test(&frame(CLIENT, SERVER, &channel_data(0x4001, &data)));
            if size + 4 > 1468 {
                assert_eq!(there.unwrap().answer, NEXT);
                continue;
            }
            let there = there.unwrap();
            assert_eq!(there.answer, REDIRECT);
            assert_eq!(opened(&there.packet, RELAYED, PEER, true), data);
            packets += 1;
            bytes += size as u64;
        }
    }
    let traffic = kernel.traffic(&super::Row {
        number: 0,
        keys: [[0; super::KEY]; 2],
    });
    assert_eq!(
        (traffic.packets_from_client, traffic.bytes_from_client),
        (packets, bytes)
    );
    assert_eq!(
        (traffic.packets_to_client, traffic.bytes_to_client),
        (400, 40 * 4339)
    );
}

#[test]
fn a_checksum_that_is_wrong_stays_wrong_and_one_that_is_absent_stays_absent() {
    let Some(kernel) = with_a_channel(0) else { return };
    let mut damaged = frame(PEER, RELAYED, b"damaged on its way, by one bit");
    damaged[45] ^= 1;
    let sent = kernel.program.test(&damaged).unwrap();
    assert_eq!(sent.answer, REDIRECT);
    assert_ne!(
        checksum(&pseudo_header(&sent.packet[14..34], &sent.packet[34..])),
        0
    );
    let mut without = frame(CLIENT, SERVER, &channel_data(0x4001, b"without"));
    without[40..42].fill(0);
    let sent = kernel.program.test(&without).unwrap();
    assert_eq!(opened(&sent.packet, RELAYED, PEER, false), b"without");
}

#[test]
fn on_the_loopback_interface_there_are_no_checksums() {
    let Some(kernel) = with_a_channel(1) else { return };
    let sent = kernel.program.test(&frame(PEER, RELAYED, b"here")).unwrap();
    assert_eq!(
        opened(&sent.packet, SERVER, CLIENT, false),
        channel_data(0x4001, b"here")
    );
}

#[test]
fn whatever_is_in_doubt_goes_to_the_sockets_unchanged() {
    let Some(kernel) = with_a_channel(0) else { return };
    let there = frame(CLIENT, SERVER, &channel_data(0x4001, &[7; 20]));
    let back = frame(PEER, RELAYED, &[7; 20]);
    let changed = |original: &[u8], place: usize, to: u8| {
        let mut frame = original.to_vec();
        frame[place] = to;
        let sum = {
            frame[24..26].fill(0);
            checksum(&frame[14..34])
        };
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame
    };
    let mut cases = vec![
        frame(CLIENT, SERVER, &channel_data(0x4002, &[7; 20])),
        frame(
            CLIENT,
            SERVER,
            &[channel_data(0x4001, &[7; 20]), vec![0; 4]].concat(),
        ),
        frame(CLIENT, SERVER, &[0x40, 1, 0, 21, 7]),
        frame(CLIENT, SERVER, &[0, 1, 0, 0]),
        frame("198.51.100.7:1235", SERVER, &channel_data(0x4001, &[7; 20])),
        frame(CLIENT, "192.0.2.1:3479", &channel_data(0x4001, &[7; 20])),
        frame("203.0.113.9:4001", RELAYED, &[7; 20]),
        frame("203.0.113.8:4000", RELAYED, &[7; 20]),
        frame(PEER, "192.0.2.1:50001", &[7; 20]),
        frame(PEER, SERVER, &[7; 20]),
        frame(PEER, RELAYED, &[7; 1469]),
        there[..there.len() - 1].to_vec(),
    ];
    for original in [&there, &back] {
        // Another kind of frame, version or options, more fragments, a later fragment, another transport, lengths.
        for (place, to) in [
            (12, 0x86),
            (14, 0x46),
            (14, 0x65),
            (20, 0x20),
            (21, 1),
            (23, 6),
            (17, 1),
            (39, 1),
        ] {
            cases.push(changed(original, place, to));
        }
        let mut wrong = original.clone();
        wrong[24] ^= 1;
        cases.push(wrong);
    }
    for case in cases {
        let ran = kernel.program.test(&case).unwrap();
        assert_eq!(ran.answer, NEXT, "{case:x?}");
        assert_eq!(ran.packet, case);
    }
    for original in [there, back] {
        assert_eq!(kernel.program.test(&original).unwrap().answer, REDIRECT);
    }
}

#[test]
fn a_row_that_has_ended_carries_nothing_and_its_place_is_used_again_late() {
    let Some(kernel) = at_no_interface(0) else { return };
    let bound = |port: u16| BoundChannel {
        client: ClientAddr {
            transport: Transport::Udp,
            local: SERVER.parse().unwrap(),
            remote: std::net::SocketAddr::from(([198, 51, 100, 7], port)),
        },
        channel: ChannelNumber::new(0x4001).unwrap(),
        from: RELAYED.parse().unwrap(),
        peer: PeerAddr(PEER.parse().unwrap()),
        until: Duration::MAX,
    };
    let row = kernel.carry(&bound(1)).unwrap();
    assert_eq!(row.number, 0);
    assert_eq!(kernel.end(&row), Traffic::default());
    let from = frame("198.51.100.7:1", SERVER, &channel_data(0x4001, b"late"));
    assert_eq!(kernel.program.test(&from).unwrap().answer, NEXT);
    let next = kernel.carry(&bound(2)).unwrap();
    assert_eq!(next.number, 1);
    let words = kernel.words(next.number).unwrap();
    assert_eq!(words.len(), word::COUNT);
    kernel.forget_interfaces(&next);
}
