//! RTCP as other senders write it, and as a hostile one may.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use trefoil_rtp::{
    Malformed,
    rtcp::{self, MOST_NACK_FIELDS, MOST_PACKETS, MOST_STATUSES, Rtcp, Twcc},
};

const SENDER: [u8; 4] = [0, 0, 0, 1];
const MEDIA: [u8; 4] = [0, 0, 0, 2];

/// A packet of this count or format and type; its length is right.
fn packet(count: u8, kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let words = (body.len() / 4) as u16;
    assert_eq!(body.len() % 4, 0);
    [&[0x80 | count, kind][..], &words.to_be_bytes(), &body].concat()
}

fn malformed(bytes: &[u8]) -> Malformed {
    let mut packets = rtcp::packets(bytes);
    let malformed = packets.next().unwrap().unwrap_err();
    assert!(packets.next().is_none(), "nothing is read behind it");
    malformed
}

fn one(bytes: &[u8]) -> Rtcp<'_> {
    rtcp::packets(bytes).next().unwrap().unwrap()
}

fn twcc(bytes: &[u8]) -> Twcc<'_> {
    let Rtcp::Twcc(twcc) = one(bytes) else {
        panic!("no feedback")
    };
    twcc
}

#[test]
fn a_compound_is_read_packet_by_packet() {
    let compound = [
        packet(0, 201, &[&SENDER]),
        packet(1, 202, &[&SENDER, &[1, 3, b'a', b'n', b'n', 0, 0, 0]]),
        packet(1, 206, &[&SENDER, &MEDIA]),
        packet(0, 207, &[&SENDER]),
    ]
    .concat();
    let read: Vec<_> = rtcp::packets(&compound).map(Result::unwrap).collect();
    assert!(matches!(read[0], Rtcp::ReceiverReport { ssrc: 1, .. }));
    assert!(matches!(read[1], Rtcp::Sdes));
    assert!(matches!(read[2], Rtcp::Pli { sender: 1, media: 2 }));
    assert!(matches!(read[3], Rtcp::Other));
    assert_eq!(rtcp::cnames(&compound).collect::<Vec<_>>(), [(1, &b"ann"[..])]);
}

#[test]
fn lengths_that_disagree_with_the_bytes_are_malformed() {
    assert_eq!(malformed(&[0x80]), Malformed::Short);
    assert_eq!(malformed(&[0x80, 200, 0]), Malformed::Short);
    assert_eq!(malformed(&[0x80, 200, 0, 0]), Malformed::Short);
    assert_eq!(malformed(&[0x80, 201, 0, 0]), Malformed::Short);
    assert_eq!(malformed(&[0x81, 203, 0, 0]), Malformed::Length);
    assert_eq!(malformed(&[0x80, 203, 0, 1]), Malformed::Length);
    assert_eq!(malformed(&[0x80, 203, 0xFF, 0xFF, 0, 0, 0, 0]), Malformed::Length);
    assert_eq!(malformed(&[0x40, 203, 0, 0]), Malformed::Version);
    assert_eq!(
        malformed(&packet(1, 201, &[&SENDER, &[0; 20]])),
        Malformed::Length
    );
    assert!(matches!(one(&[0x80, 203, 0, 0]), Rtcp::Bye { .. }));
}

#[test]
fn padding_belongs_to_the_last_packet_and_must_fit() {
    let padded = |mut packet: Vec<u8>| {
        packet[0] |= 0x20;
        packet
    };
    let bye = padded(packet(1, 203, &[&SENDER, &[0, 0, 0, 4]]));
    let Rtcp::Bye { ssrcs } = one(&bye) else {
        panic!("no bye")
    };
    assert_eq!(ssrcs.collect::<Vec<_>>(), [1]);
    assert_eq!(
        malformed(&[&bye[..], &packet(0, 203, &[])].concat()),
        Malformed::Padding
    );
    assert_eq!(malformed(&padded(packet(0, 203, &[]))), Malformed::Padding);
    assert_eq!(
        malformed(&padded(packet(0, 203, &[&[0, 0, 0, 0]]))),
        Malformed::Padding
    );
    assert_eq!(
        malformed(&padded(packet(0, 203, &[&[0, 0, 0, 5]]))),
        Malformed::Padding
    );
}

#[test]
fn a_compound_of_a_thousand_packets_is_read_to_its_bound() {
    let compound = packet(0, 203, &[]).repeat(1000);
    let read: Vec<_> = rtcp::packets(&compound).collect();
    assert_eq!(read.len(), MOST_PACKETS + 1);
    assert_eq!(read[MOST_PACKETS].as_ref().unwrap_err(), &Malformed::TooMany);
}

#[test]
fn a_nack_is_read_field_by_field_up_to_its_bound() {
    let nack = packet(
        1,
        205,
        &[&SENDER, &MEDIA, &[0xFF, 0xFE, 0x80, 0x05], &[0, 9, 0, 0]],
    );
    let Rtcp::Nack {
        sender: 1,
        media: 2,
        seqs,
    } = one(&nack)
    else {
        panic!("no nack")
    };
    assert_eq!(seqs.collect::<Vec<_>>(), [0xFFFE, 0xFFFF, 1, 14, 9]);
    let everything: Vec<_> = (0..4096_u16)
        .map(|field| (u32::from(field) << 20 | 0xFFFF).to_be_bytes())
        .collect();
    let nack = packet(1, 205, &[&SENDER, &MEDIA, everything.as_flattened()]);
    let Rtcp::Nack { seqs, .. } = one(&nack) else {
        panic!("no nack")
    };
    assert_eq!(seqs.count(), MOST_NACK_FIELDS * 17);
}

#[test]
fn names_end_where_their_packet_does() {
    let names = |body: &[u8], count| {
        let bytes = packet(count, 202, &[body]);
        rtcp::cnames(&bytes)
            .map(|(ssrc, name)| (ssrc, name.to_vec()))
            .collect::<Vec<_>>()
    };
    let chunk = [0, 0, 0, 1, 1, 1, b'a', 0];
    assert_eq!(
        names(&chunk.repeat(2), 2),
        [(1, b"a".to_vec()), (1, b"a".to_vec())]
    );
    assert_eq!(names(&chunk.repeat(2), 1).len(), 1);
    // A note and no name, then an item that runs past the end, then items without end.
    assert_eq!(
        names(&[&[0, 0, 0, 7, 7, 1, b'x', 0], &chunk[..]].concat(), 2),
        [(1, b"a".to_vec())]
    );
    assert_eq!(names(&[0, 0, 0, 1, 1, 200, b'a', 0], 1), []);
    assert_eq!(
        names(&[&[0, 0, 0, 1][..], &[9, 0].repeat(30_000)].concat(), 1),
        []
    );
}

#[test]
fn a_bitrate_whose_exponent_overflows_is_malformed() {
    let remb = |exponent: u32, mantissa: u32, count: u32| {
        let value = (count << 24 | exponent << 18 | mantissa).to_be_bytes();
        packet(15, 206, &[&SENDER, &[0; 4], b"REMB", &value, &MEDIA])
    };
    let bytes = remb(3, 0x3_FFFF, 1);
    let Rtcp::Remb { bitrate, ssrcs } = one(&bytes) else {
        panic!("no remb")
    };
    assert_eq!((bitrate, ssrcs.collect::<Vec<_>>()), (0x3_FFFF << 3, vec![2]));
    assert!(matches!(one(&remb(46, 0x3_FFFF, 1)), Rtcp::Remb { .. }));
    assert_eq!(malformed(&remb(47, 0x3_FFFF, 1)), Malformed::Field);
    assert_eq!(malformed(&remb(63, 2, 1)), Malformed::Field);
    assert!(matches!(one(&remb(63, 0, 1)), Rtcp::Remb { bitrate: 0, .. }));
    assert_eq!(malformed(&remb(0, 1, 2)), Malformed::Length);
    assert!(matches!(
        one(&packet(15, 206, &[&SENDER, &MEDIA, b"GOOG"])),
        Rtcp::Other
    ));
}

#[test]
fn a_feedback_is_read_through_all_kinds_of_chunks() {
    // Base 65,530, nine plus fourteen plus seven statuses, reference time -1, number 5.
    let bytes = packet(
        15,
        205,
        &[
            &SENDER,
            &MEDIA,
            &[0xFF, 0xFA, 0, 30, 0xFF, 0xFF, 0xFF, 5],
            // A run of nine small deltas; one bit each: 1000 0000 0000 01; two bits each: large, lost, reserved, small, 3 lost.
            &[0x20, 9, 0xA0, 0x01, 0xE3, 0x40],
            &[1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 8, 0xFF, 0xF0, 2],
        ],
    );
    let twcc = twcc(&bytes);
    assert_eq!(
        (twcc.base_sequence, twcc.feedback_count, twcc.reference_time_64ms),
        (65_530, 5, -1)
    );
    assert_eq!(twcc.status_count(), 30);
    let all: Vec<_> = twcc.statuses().collect();
    assert_eq!(all.len(), 30);
    let numbers = (0..30).map(|at| 65_530_u16.wrapping_add(at));
    assert!(all.iter().map(|(sequence, _)| *sequence).eq(numbers));
    let arrived: Vec<_> = all
        .iter()
        .enumerate()
        .filter_map(|(at, (_, arrival))| Some((at, (*arrival)?)))
        .collect();
    let run = (0..9).map(|at| (at, -64_000 + 250 * (at as i64 + 1)));
    let rest = [(9, 13), (22, 21), (23, 5), (26, 7)].map(|(at, units)| (at, -64_000 + 250 * units));
    assert_eq!(arrived, run.chain(rest).collect::<Vec<_>>());
}

#[test]
fn a_feedback_of_too_many_statuses_or_too_few_deltas_is_malformed() {
    let feedback = |count: u16, rest: &[u8]| {
        let count = count.to_be_bytes();
        packet(15, 205, &[&SENDER, &MEDIA, &[0, 0], &count, &[0, 0, 0, 0], rest])
    };
    let longest = [0x1F, 0xFF].repeat(6);
    assert_eq!(malformed(&feedback(65_535, &longest)), Malformed::TooMany);
    assert_eq!(
        malformed(&feedback(MOST_STATUSES + 1, &longest)),
        Malformed::TooMany
    );
    assert_eq!(
        twcc(&feedback(MOST_STATUSES, &longest)).statuses().count(),
        usize::from(MOST_STATUSES)
    );
    assert_eq!(
        malformed(&feedback(MOST_STATUSES, &longest[..8])),
        Malformed::Short
    );
    assert_eq!(malformed(&feedback(8, &[0x20, 8, 1, 1])), Malformed::Length);
    assert_eq!(malformed(&feedback(8, &[0x20, 0, 0x20, 0])), Malformed::Length);
    assert_eq!(malformed(&feedback(2, &[0x40, 2, 1, 1])), Malformed::Length);
    assert_eq!(twcc(&feedback(0, &[])).statuses().count(), 0);
    // Statuses of a chunk beyond the count are not there, nor are their deltas.
    assert_eq!(twcc(&feedback(2, &[0x3F, 0xFF, 1, 1])).statuses().count(), 2);
}

#[test]
fn what_does_not_fit_is_not_written() {
    let statuses: Vec<_> = (0..100)
        .map(|sequence| (sequence, Some(i64::from(sequence) * 1000)))
        .collect();
    type Write<'a> = &'a dyn Fn(&mut [u8]) -> usize;
    let writers: [Write<'_>; 8] = [
        &|out| rtcp::write_sender_report(out, 1, 2, 3, 4, 5, &[rtcp::ReportBlock::default()]),
        &|out| rtcp::write_receiver_report(out, 1, &[rtcp::ReportBlock::default()]),
        &|out| rtcp::write_sdes(out, 1, b"ann"),
        &|out| rtcp::write_bye(out, &[1, 2]),
        &|out| rtcp::write_nack(out, 1, 2, &[3, 90]),
        &|out| rtcp::write_fir(out, 1, &[(2, 3)]),
        &|out| rtcp::write_remb(out, 1, 1_000_000, &[2]),
        &|out| rtcp::write_twcc(out, 1, 2, 3, &statuses),
    ];
    for write in writers {
        let mut out = [0; 500];
        let length = write(&mut out);
        assert!(length > 0 && rtcp::packets(&out[..length]).all(|packet| packet.is_ok()));
        for room in 0..length {
            assert_eq!(write(&mut out[..room]), 0);
        }
    }
}

#[test]
fn what_one_packet_cannot_say_is_not_written() {
    let mut out = vec![0; 70_000];
    assert_eq!(rtcp::write_bye(&mut out, &[1; 32]), 0);
    assert_eq!(
        rtcp::write_receiver_report(&mut out, 1, &[rtcp::ReportBlock::default(); 32]),
        0
    );
    assert_eq!(rtcp::write_sdes(&mut out, 1, &[b'a'; 256]), 0);
    assert_eq!(rtcp::write_remb(&mut out, 1, 1, &[1; 256]), 0);
    assert_eq!(rtcp::write_twcc(&mut out, 1, 2, 3, &[]), 0);
    assert_eq!(
        rtcp::write_twcc(&mut out, 1, 2, 3, &[(0, Some(0)), (1, Some(9_000_000))]),
        0
    );
    assert_eq!(
        rtcp::write_twcc(&mut out, 1, 2, 3, &[(0, Some(0)), (MOST_STATUSES, Some(0))]),
        0
    );
    assert!(rtcp::write_twcc(&mut out, 1, 2, 3, &[(0, Some(0)), (MOST_STATUSES - 1, Some(0))]) > 0);
}

#[test]
fn lost_packets_are_a_signed_number_of_24_bits() {
    let mut out = [0; 100];
    for (lost, said) in [
        (-1, -1),
        (0x7F_FFFF, 0x7F_FFFF),
        (i32::MAX, 0x7F_FFFF),
        (i32::MIN, -0x80_0000),
    ] {
        let block = rtcp::ReportBlock {
            lost,
            fraction_lost: 9,
            ..Default::default()
        };
        let length = rtcp::write_receiver_report(&mut out, 1, &[block]);
        let Rtcp::ReceiverReport { mut blocks, .. } = one(&out[..length]) else {
            panic!("no report")
        };
        assert_eq!(blocks.next(), Some(rtcp::ReportBlock { lost: said, ..block }));
    }
}
