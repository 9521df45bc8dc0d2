//! RTP headers: what is written is what is read, and what a hostile sender may write.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use proptest::{collection::vec, prelude::*};
use trefoil_rtp::{FIXED_HEADER, HeaderWriter, Malformed, RtpPacket, header_length, write_header};

/// A packet with this first byte, and these bytes after the fixed header.
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    [
        &[first, 0xE0, 0x12, 0x34, 0, 0, 0, 9, 0xCA, 0xFE, 0xBA, 0xBE][..],
        rest,
    ]
    .concat()
}

fn malformed(bytes: &[u8]) -> Malformed {
    RtpPacket::parse(bytes).unwrap_err()
}

fn elements(profile: [u8; 2], elements: &[u8]) -> Vec<(u8, Vec<u8>)> {
    assert_eq!(elements.len() % 4, 0);
    let extension = [&profile[..], &[0, (elements.len() / 4) as u8], elements].concat();
    let bytes = packet(0x90, &extension);
    let read = RtpPacket::parse(&bytes).unwrap();
    assert_eq!(read.header_len(), bytes.len());
    let owned = read.extensions().map(|(id, value)| (id, value.to_vec()));
    owned.collect()
}

#[test]
fn the_fields_of_a_header_are_where_rfc_3550_draws_them() {
    let bytes = packet(
        0xB2,
        &[
            0, 0, 0, 1, 0, 0, 0, 2, 0xBE, 0xDE, 0, 1, 0x31, 7, 8, 0, b'h', b'i', 0, 2,
        ],
    );
    let read = RtpPacket::parse(&bytes).unwrap();
    assert!(read.marker());
    assert_eq!(read.payload_type(), 0x60);
    assert_eq!(
        (read.sequence(), read.timestamp(), read.ssrc()),
        (0x1234, 9, 0xCAFE_BABE)
    );
    assert_eq!(read.csrcs().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(read.extension(3), Some(&[7, 8][..]));
    assert_eq!(read.extension(4), None);
    assert_eq!(read.header_len(), 28);
    assert_eq!(read.payload(), b"hi");
    let encrypted = RtpPacket::parse_encrypted(&bytes).unwrap();
    assert_eq!(
        (encrypted.header_len(), encrypted.payload()),
        (28, &b"hi\0\x02"[..])
    );
}

#[test]
fn other_versions_of_rtp_are_dropped() {
    for first in [0x00, 0x40, 0xC0] {
        assert_eq!(malformed(&packet(first, &[1, 2, 3])), Malformed::Version);
    }
    assert_eq!(malformed(&packet(0x80, &[])[..11]), Malformed::Short);
}

#[test]
fn csrcs_and_extensions_that_run_past_the_end_are_dropped() {
    assert_eq!(malformed(&packet(0x8F, &[0; 59])), Malformed::Csrcs);
    assert!(RtpPacket::parse(&packet(0x8F, &[0; 60])).is_ok());
    for rest in [
        &[][..],
        &[0xBE, 0xDE, 0],
        &[0xBE, 0xDE, 0, 2, 1, 2, 3, 4],
        &[0xBE, 0xDE, 0xFF, 0xFF, 1],
    ] {
        assert_eq!(malformed(&packet(0x90, rest)), Malformed::Extension);
    }
}

#[test]
fn padding_may_be_all_there_is_but_not_more_and_not_nothing() {
    let padded = packet(0xA0, &[0, 0, 0, 4]);
    assert_eq!(RtpPacket::parse(&padded).unwrap().payload(), b"");
    let padded = packet(0xA0, &[b'x', 0, 2]);
    assert_eq!(RtpPacket::parse(&padded).unwrap().payload(), b"x");
    for rest in [&[][..], &[0], &[1, 2, 3, 0], &[0, 0, 0, 5], &[1, 2, 255]] {
        assert_eq!(malformed(&packet(0xA0, rest)), Malformed::Padding, "{rest:?}");
    }
}

#[test]
fn one_byte_elements_end_at_id_fifteen_at_a_length_without_id_and_at_the_end() {
    let check = |bytes: &[u8], ids: &[u8]| {
        let read = elements([0xBE, 0xDE], bytes);
        assert_eq!(
            read.into_iter().map(|(id, _)| id).collect::<Vec<_>>(),
            ids,
            "{bytes:?}"
        );
    };
    check(&[0x10, 9, 0, 0, 0x21, 8, 8, 0], &[1, 2]);
    check(&[0x10, 9, 0xF1, 0, 0x20, 8, 0, 0], &[1]);
    check(&[0x10, 9, 0x01, 7, 0x20, 8, 0, 0], &[1]);
    check(&[0x10, 9, 0x2F, 7], &[1]);
    check(&[0x2F, 7, 7, 7], &[]);
    assert_eq!(
        elements(
            [0xBE, 0xDE],
            &[
                0x3F, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 0
            ]
        ),
        [(3, (1..=16).collect())]
    );
}

#[test]
fn two_byte_elements_have_any_length_and_any_id_but_zero() {
    let read = elements([0x10, 0x05], &[15, 0, 0, 200, 3, 1, 2, 3, 0, 0, 0, 0]);
    assert_eq!(read, [(15, vec![]), (200, vec![1, 2, 3])]);
    assert_eq!(elements([0x10, 0x00], &[1, 1, 9, 2]), [(1, vec![9])]);
    assert_eq!(elements([0x10, 0x00], &[1, 1, 9, 0, 2, 9, 9, 9]), [(1, vec![9])]);
    assert_eq!(
        elements([0x20, 0x00], &[1, 1, 9, 2]),
        [],
        "another profile is not ours to read"
    );
}

#[test]
fn a_header_is_written_in_the_one_byte_form_if_that_can_say_all() {
    let mut out = [0xAA; 64];
    let length = write_header(&mut out, true, 111, 7, 8, 9, &[(1, &[5]), (14, &[6; 16])]);
    assert_eq!(out[12..16], [0xBE, 0xDE, 0, 5]);
    assert_eq!(length, 36);
    assert_eq!(out[35], 0, "padded with zeros");
    assert_eq!(out[36], 0xAA, "and no further");
    let two_byte: [(u8, &[u8]); 3] = [(15, &[5]), (1, &[6; 17]), (1, &[])];
    for element in two_byte {
        let length = write_header(&mut out, true, 111, 7, 8, 9, &[(2, &[5]), element]);
        assert_eq!(out[12..14], [0x10, 0x00]);
        let read = RtpPacket::parse(&out[..length]).unwrap();
        assert_eq!(read.extension(2), Some(&[5][..]));
        assert_eq!(read.extension(element.0), Some(element.1));
    }
    assert_eq!(write_header(&mut out, false, 0, 0, 0, 0, &[]), FIXED_HEADER);
    assert_eq!(out[0], 0x80);
}

#[test]
fn an_element_that_cannot_be_said_is_left_out_and_a_short_buffer_is_not_written() {
    let long = [1; 256];
    let extensions: [(u8, &[u8]); 3] = [(0, &[1]), (3, &long), (4, &[2])];
    let mut out = [0; 64];
    let length = write_header(&mut out, false, 96, 1, 2, 3, &extensions);
    assert_eq!(length, header_length(&extensions));
    let read = RtpPacket::parse(&out[..length]).unwrap();
    assert_eq!(read.extensions().collect::<Vec<_>>(), [(4, &[2][..])]);
    for room in 0..length {
        assert_eq!(write_header(&mut out[..room], false, 96, 1, 2, 3, &extensions), 0);
    }
}

proptest! {
    #[test]
    fn a_header_comes_back_as_it_went(
        marker: bool,
        payload_type in 0..128_u8,
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
        csrcs in vec(any::<u32>(), 0..=15),
        extensions in vec((1..=255_u8, vec(any::<u8>(), 0..40)), 0..20),
        small: bool,
        payload in vec(any::<u8>(), 0..50),
    ) {
        // Half of the time all elements fit the one-byte form.
        let shrink = |(id, value): &(u8, Vec<u8>)| {
            if small { ((id - 1) % 14 + 1, [&[1], &value[..value.len().min(15)]].concat()) } else { (*id, value.clone()) }
        };
        let extensions: Vec<_> = extensions.iter().map(shrink).collect();
        let borrowed: Vec<_> = extensions.iter().map(|(id, value)| (*id, &value[..])).collect();
        let header = HeaderWriter { marker, payload_type, sequence, timestamp, ssrc, csrcs: &csrcs };
        let mut bytes = vec![0xFF; 1200];
        let length = header.write(&mut bytes, &borrowed);
        prop_assert_eq!(length, header_length(&borrowed) + 4 * csrcs.len());
        bytes.truncate(length);
        bytes.extend(&payload);
        let read = RtpPacket::parse(&bytes).unwrap();
        prop_assert_eq!((read.marker(), read.payload_type()), (marker, payload_type));
        prop_assert_eq!((read.sequence(), read.timestamp(), read.ssrc()), (sequence, timestamp, ssrc));
        prop_assert_eq!(read.csrcs().collect::<Vec<_>>(), csrcs);
        prop_assert_eq!(read.extensions().collect::<Vec<_>>(), borrowed);
        prop_assert_eq!((read.header_len(), read.payload()), (length, &payload[..]));
    }

    #[test]
    fn any_bytes_are_read_without_panic(mut bytes in vec(any::<u8>(), 0..100), version: bool) {
        if let (true, Some(first)) = (version, bytes.first_mut()) {
            *first = *first & 0x3F | 0x80;
        }
        if let Ok(read) = RtpPacket::parse(&bytes) {
            prop_assert!(read.header_len() + read.payload().len() <= bytes.len());
            prop_assert!(read.extensions().count() <= bytes.len());
            prop_assert!(read.csrcs().count() <= 15);
        }
    }
}
