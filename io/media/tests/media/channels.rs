//! SCTP and data channels of members who mean no good, and of those who do not read (FAULTS: C rows), beside a call.

use std::time::{Duration, Instant};

use crate::world::{Call, Wire, World};
use trefoil_peer::client::Tamper;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const ABORT: u8 = 6;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const RE_CONFIG: u8 = 130;
const FORWARD_TSN: u8 = 192;
/// Flags of DATA: the last fragment, the first, and not in order.
const LAST: u8 = 1;
const FIRST: u8 = 2;
const UNORDERED: u8 = 4;
/// Payload protocols: of channels themselves, text, bytes, and their empty forms (RFC 8831, section 8).
const DCEP: u32 = 50;
const TEXT: u32 = 51;
const BYTES: u32 = 53;

/// 3, whose SCTP is written by hand, in a call of 1 and 2.
struct Hand {
    call: Call,
    tamper: Tamper,
    tag: u32,
    tsn: u32,
    order: u16,
}

impl Hand {
    fn new() -> Self {
        let mut call = Call::new();
        call.world.enter(3);
        let (wire, tamper) = Wire::tampered();
        call.world.subscribe_over(3, wire, None, None);
        call.world.until("the association stands", |_| {
            tamper.said().iter().any(|packet| packet[12] == COOKIE_ACK)
        });
        call.go_on(Duration::from_millis(300), |_| {});
        tamper.gag(true);
        let said = tamper.said();
        let number = |packet: &[u8], at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        let init = said.iter().find(|packet| packet[12] == INIT_ACK).unwrap();
        let data = said
            .iter()
            .filter(|packet| packet[12] == DATA)
            .map(|packet| number(packet, 16) + 1);
        let tsn = data.fold(number(init, 28), u32::max);
        let tag = number(said.last().unwrap(), 4);
        Self {
            call,
            tamper,
            tag,
            tsn,
            order: 0,
        }
    }

    /// Sends these packets now.
    fn say(&mut self, packets: impl IntoIterator<Item = Vec<u8>>) {
        let person = self.call.world.people.get_mut(&3).unwrap();
        let wire = person.subscribe.as_mut().unwrap();
        // What nobody would send is not kept, so that memory is the server's.
        if !wire.closed {
            packets.into_iter().for_each(|packet| self.tamper.say(packet));
            wire.client.handle_timeout(Instant::now());
        }
        self.call.go_on(Duration::from_millis(2), |_| {});
    }

    fn packet(&self, chunks: &[u8]) -> Vec<u8> {
        packet(self.tag, chunks)
    }

    /// A chunk of DATA with the next number.
    fn data(&mut self, flags: u8, stream: u16, protocol: u32, payload: &[u8]) -> Vec<u8> {
        let mut body = self.tsn.to_be_bytes().to_vec();
        body.extend(stream.to_be_bytes());
        body.extend(self.order.to_be_bytes());
        body.extend(protocol.to_be_bytes());
        body.extend_from_slice(payload);
        self.tsn = self.tsn.wrapping_add(1);
        if flags & (LAST | UNORDERED) == LAST && stream == 0 {
            self.order = self.order.wrapping_add(1);
        }
        chunk(DATA, flags, &body)
    }

    /// A message to everybody by hand; whether 2 gets it.
    fn arrives(&mut self, word: &str) -> bool {
        let message = [&[1, 0], word.as_bytes()].concat();
        let chunk = self.data(FIRST | LAST, 0, TEXT, &message);
        let packet = self.packet(&chunk);
        self.say([packet]);
        for _ in 0..50 {
            self.call.go_on(Duration::from_millis(20), |_| {});
            if heard(&self.call.world, word) {
                return true;
            }
        }
        false
    }

    /// The same person begins to receive anew, and what they say is heard.
    fn begins_anew(mut self) {
        self.call.world.subscribe(3);
        let mut said = false;
        self.call.world.until("a word over another connection", |world| {
            let wire = world.people.get_mut(&3).unwrap().subscribe.as_mut().unwrap();
            said = said || wire.client.send_data(0, b"\x01\x00anew");
            heard(world, "anew")
        });
        self.call.end();
    }
}

fn heard(world: &World, word: &str) -> bool {
    world.people[&2]
        .data
        .iter()
        .any(|(_, data)| data.ends_with(word.as_bytes()))
}

fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend(u16::try_from(body.len() + 4).unwrap().to_be_bytes());
    chunk.extend_from_slice(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = [5000_u16.to_be_bytes(), 5000_u16.to_be_bytes()].concat();
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend_from_slice(chunks);
    let sum = crc32c(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    packet
}

/// RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ if sum & 1 == 1 { 0x82F6_3B78 } else { 0 };
        }
    }
    !sum
}

/// FAULTS C01: lengths that are shorter than a chunk's own header, or longer than the packet.
#[test]
fn chunks_with_lengths_that_cannot_be_are_dropped() {
    let mut hand = Hand::new();
    assert!(hand.arrives("first"), "the hand writes as a client would");
    let mut bad = Vec::new();
    for kind in [
        DATA,
        INIT,
        SACK,
        4,
        7,
        COOKIE_ECHO,
        RE_CONFIG,
        FORWARD_TSN,
        63,
        255,
    ] {
        for length in [0_u16, 1, 2, 3, 5, 0xFFFF] {
            let [high, low] = length.to_be_bytes();
            bad.push(hand.packet(&[kind, 0, high, low]));
            bad.push(hand.packet(&[kind, 0xFF, high, low, 1, 2, 3, 4]));
        }
    }
    bad.push(hand.packet(&[]));
    bad.extend((0..12).map(|length| vec![0; length]));
    hand.say(bad);
    assert!(hand.arrives("second"));
    hand.call.end();
}

/// FAULTS C02: a second INIT, one with 65535 streams, and packets of another association.
#[test]
fn another_association_does_not_take_the_place_of_the_one_that_stands() {
    let mut hand = Hand::new();
    let init = |streams: u16| {
        let mut body = vec![0, 0, 0, 9, 0, 0, 0, 0];
        body.extend(streams.to_be_bytes());
        body.extend(streams.to_be_bytes());
        body.extend([0, 0, 0, 1]);
        chunk(INIT, 0, &body)
    };
    let other = hand.tag ^ 0xFFFF;
    let ignored = [
        packet(0, &init(0xFFFF)),
        hand.packet(&init(0xFFFF)),
        packet(other, &chunk(ABORT, 0, &[])),
        packet(0, &chunk(ABORT, 0, &[])),
        packet(other, &chunk(7, 0, &[0; 4])),
    ];
    hand.say(ignored);
    assert!(hand.arrives("still here"));
    // These may end it: then it is begun anew.
    let bad = [
        packet(0, &init(0)),
        packet(0, &[init(1), chunk(COOKIE_ECHO, 0, &[7; 60])].concat()),
        hand.packet(&chunk(COOKIE_ECHO, 0, &[7; 600])),
    ];
    for packet in bad {
        hand.say([packet]);
    }
    hand.begins_anew();
}

/// FAULTS C04, C05: news of what was never sent, a window of nothing, numbers far ahead, requests without end.
#[test]
fn news_of_what_never_was_moves_nothing() {
    let mut hand = Hand::new();
    let tsn = hand.tsn;
    let sack = |cumulative: u32, window: u32, gaps: &[(u16, u16)]| {
        let mut body = cumulative.to_be_bytes().to_vec();
        body.extend(window.to_be_bytes());
        body.extend((gaps.len() as u16).to_be_bytes());
        body.extend([0, 0]);
        for (from, to) in gaps {
            body.extend(from.to_be_bytes());
            body.extend(to.to_be_bytes());
        }
        chunk(SACK, 0, &body)
    };
    let mut bad = Vec::new();
    for cumulative in [0_u32, 1, tsn, tsn.wrapping_add(1 << 31), u32::MAX] {
        bad.push(hand.packet(&sack(cumulative, 0, &[])));
        bad.push(hand.packet(&sack(cumulative, 1 << 20, &[(1, 0xFFFF), (5, 2), (0, 0), (2, 9)])));
    }
    for number in 0..200_u32 {
        let mut request = vec![0, 13, 0, 20];
        request.extend(number.to_be_bytes());
        request.extend([0; 8]);
        request.extend([0xFF, 0xFF, 0, 1]);
        bad.push(hand.packet(&chunk(RE_CONFIG, 0, &request)));
        bad.push(hand.packet(&chunk(RE_CONFIG, 0, &[0, 13, 0, 0, 1, 2, 3, 4])));
    }
    hand.say(bad);
    assert!(hand.arrives("after the news"));
    // Where nothing was skipped there is nothing to forget: what comes after is a hole that nobody fills.
    let far = tsn.wrapping_add(0x4000_0000).to_be_bytes();
    let skip = hand.packet(&chunk(FORWARD_TSN, 0, &[&far[..], &[0, 0, 0xFF, 0xFF]].concat()));
    hand.say([skip]);
    hand.call.go_on(Duration::from_millis(300), |_| {});
    hand.begins_anew();
}

/// FAULTS C03, C09: fragments that never end, and a message that is larger than may be: the association ends once its
/// window is full.
#[test]
fn a_message_that_never_ends_is_not_kept() {
    let mut hand = Hand::new();
    let (mut round, mut sent) = (0, 0);
    while hand.call.world.people[&3].lost.is_empty() {
        let packets: Vec<_> = (0..100)
            .map(|count| {
                let flags = if round + count == 0 { FIRST } else { 0 };
                let data = hand.data(flags, 0, BYTES, &[7; 1100]);
                sent += data.len();
                hand.packet(&data)
            })
            .collect();
        hand.say(packets);
        round += 1;
        assert!(sent < 16 << 20, "{sent} bytes of one message were taken");
    }
    assert_eq!(hand.call.world.people[&3].lost, ["subscribe"]);
    hand.begins_anew();
}

/// A DCEP message that opens a channel: these lengths, and what follows.
fn open(label: u16, protocol: u16, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![3, 0, 0, 0, 0, 0, 0, 0];
    message.extend(label.to_be_bytes());
    message.extend(protocol.to_be_bytes());
    message.extend_from_slice(rest);
    message
}

/// FAULTS C06: channels whose opening cannot be read.
#[test]
fn openings_that_cannot_be_read_disturb_nobody() {
    let mut hand = Hand::new();
    let bad = [
        open(0xFFFF, 0, b"a"),
        open(4, 0xFFFF, b"abcd"),
        open(2, 0, &[0xFF, 0xFE]),
        open(0, 0, &[])[..3].to_vec(),
        vec![3],
        vec![2],
        vec![99, 1, 2, 3],
    ];
    for (stream, message) in (0_u16..).zip(bad.iter().cycle().take(21)) {
        let data = hand.data(FIRST | LAST | UNORDERED, stream % 7, DCEP, message);
        let packet = hand.packet(&data);
        hand.say([packet]);
    }
    hand.begins_anew();
}

/// FAULTS C07: as many channels as there are numbers.
#[test]
fn channels_that_nobody_asked_for_are_no_burden() {
    let mut hand = Hand::new();
    for first in (2..0xFFFF_u16).step_by(100) {
        let packets: Vec<_> = (first..first.saturating_add(100))
            .map(|stream| {
                let data = hand.data(FIRST | LAST | UNORDERED, stream, DCEP, &open(3, 0, b"abc"));
                hand.packet(&data)
            })
            .collect();
        hand.say(packets);
    }
    hand.begins_anew();
}

/// FAULTS C10: empty messages, which are one byte (RFC 8831, section 6.6), and kinds of payload that nobody knows.
#[test]
fn empty_messages_and_payloads_of_other_kinds_disturb_nobody() {
    let mut hand = Hand::new();
    for protocol in [56, 57] {
        let data = hand.data(FIRST | LAST, 0, protocol, b"\0");
        let packet = hand.packet(&data);
        hand.say([packet]);
    }
    assert!(hand.arrives("after nothing"));
    for protocol in [0, 52, 54, u32::MAX] {
        let data = hand.data(FIRST | LAST, 0, protocol, b"other");
        let packet = hand.packet(&data);
        hand.say([packet]);
    }
    hand.begins_anew();
}

/// FAULTS C08: somebody who does not read loses the transport once too much waits, and nobody else does.
#[test]
fn who_does_not_read_what_was_promised_begins_anew() {
    let mut call = Call::new();
    for number in [3, 4] {
        call.world.enter(number);
        call.world.subscribe(number);
    }
    call.world.until("4 hears 3", |world| {
        let wire = world.people.get_mut(&3).unwrap().subscribe.as_mut().unwrap();
        wire.client.send_data(0, b"\x01\x00hello");
        !world.people[&4].data.is_empty()
    });
    // 4 is there and hears nothing more: its wire does not move.
    let silent = call.world.people.get_mut(&4).unwrap().subscribe.take().unwrap();
    let message = [&[0, 0][..], &[7; 16_000]].concat();
    let mut sent = 0_usize;
    for _ in 0..600 {
        call.go_on(Duration::from_millis(10), |world| {
            let wire = world.people.get_mut(&3).unwrap().subscribe.as_mut().unwrap();
            if wire.client.send_data(0, &message) {
                sent += message.len();
            }
        });
        if call.world.people[&4].lost == ["subscribe"] {
            break;
        }
    }
    assert_eq!(call.world.people[&4].lost, ["subscribe"], "after {sent} bytes");
    assert!(call.world.people[&2].lost.is_empty() && call.world.people[&3].lost.is_empty());
    drop(silent);
    call.end();
}
