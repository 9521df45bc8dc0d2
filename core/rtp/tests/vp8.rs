//! VP8: descriptors as RFC 7741 draws them, cut short, and rewritten.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use proptest::{collection::vec, prelude::*};
use trefoil_rtp::{Codec, DependencyReader, Malformed, Peek, peek, vp8};

fn read(marker: bool, payload: &[u8]) -> Result<Peek, Malformed> {
    peek(
        Codec::Vp8,
        marker,
        payload,
        &mut DependencyReader::default(),
        None,
    )
}

/// X with I, L, T and K, a picture id of 15 bits, TID 2 with Y, KEYIDX 3; then the beginning of a keyframe of 640x360.
const KEYFRAME: [u8; 16] = [
    0x90, 0xF0, 0x92, 0x34, 0x11, 0xA3, 0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x41,
];

#[test]
fn a_keyframe_says_all_of_itself() {
    assert_eq!(
        read(false, &KEYFRAME),
        Ok(Peek {
            keyframe: true,
            starts_frame: true,
            ends_frame: false,
            spatial: 0,
            temporal: 2,
            switch_point: true,
            picture_id: Some(0x1234),
            tl0: Some(0x11),
            // The two highest bits of the height, a scale, are not part of it.
            size: Some((640, 0x168)),
            discardable: false,
        })
    );
    assert_eq!(vp8::Descriptor::parse(&KEYFRAME).unwrap().key_index, Some(3));
}

#[test]
fn a_descriptor_of_one_byte_is_enough() {
    let peek = read(true, &[0x10, 0x01]).unwrap();
    assert!(!peek.keyframe && peek.starts_frame && peek.ends_frame && peek.switch_point);
    assert_eq!((peek.picture_id, peek.tl0, peek.size), (None, None, None));
}

#[test]
fn only_the_first_partition_begins_a_frame() {
    for first in [0x00, 0x11, 0x17, 0x07] {
        let peek = read(false, &[first, 0x00, 1, 2]).unwrap();
        assert!(!peek.starts_frame && !peek.keyframe, "{first:x}");
    }
}

#[test]
fn layers_are_told_by_tid_and_joined_at_a_sync() {
    let layer = |tid_and_y: u8| read(false, &[0x90, 0x20, tid_and_y, 0x01]).unwrap();
    assert_eq!((layer(0x00).temporal, layer(0x00).switch_point), (0, true));
    assert_eq!((layer(0x40).temporal, layer(0x40).switch_point), (1, false));
    assert_eq!((layer(0xA0).temporal, layer(0xA0).switch_point), (2, true));
    let key_index_alone = read(false, &[0x90, 0x10, 0xFF, 0x01]).unwrap();
    assert_eq!(key_index_alone.temporal, 0);
    assert!(read(false, &[0x30, 0x01]).unwrap().discardable);
}

#[test]
fn every_truncation_is_malformed_until_the_frame_begins() {
    for length in 0..=6 {
        assert_eq!(
            read(false, &KEYFRAME[..length]),
            Err(Malformed::Short),
            "{length}"
        );
    }
    for length in 7..KEYFRAME.len() {
        let peek = read(false, &KEYFRAME[..length]).unwrap();
        assert_eq!((peek.keyframe, peek.size), (true, None), "{length}");
    }
}

#[test]
fn ids_are_rewritten_in_the_width_that_they_have() {
    let check = |before: &[u8], after: &[u8]| {
        let mut payload = before.to_vec();
        vp8::rewrite(&mut payload, 0xABCD, 0x99);
        assert_eq!(payload, after);
    };
    check(
        &[0x90, 0xC0, 0x81, 0x02, 0x03, 0x04],
        &[0x90, 0xC0, 0xAB, 0xCD, 0x99, 0x04],
    );
    check(&[0x90, 0xC0, 0x01, 0x03, 0x04], &[0x90, 0xC0, 0x4D, 0x99, 0x04]);
    check(&[0x90, 0x40, 0x03, 0x04], &[0x90, 0x40, 0x99, 0x04]);
    check(&[0x90, 0x80, 0x03, 0x04], &[0x90, 0x80, 0x4D, 0x04]);
    check(&[0x10, 0x80, 0x03], &[0x10, 0x80, 0x03]);
    check(&[0x90, 0xC0, 0x81], &[0x90, 0xC0, 0x81]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_rewritten_without_panic(
        mut payload in vec(any::<u8>(), 0..40), marker: bool, id: u16, tl0: u8,
    ) {
        let before = read(marker, &payload);
        vp8::rewrite(&mut payload, id, tl0);
        let after = read(marker, &payload);
        match (before, after) {
            (Ok(before), Ok(after)) => {
                prop_assert!(after.picture_id.is_none_or(|now| now == id & 0x7FFF || now == id & 0x7F));
                prop_assert!(after.tl0.is_none_or(|now| now == tl0));
                let same = Peek { picture_id: before.picture_id, tl0: before.tl0, ..after };
                prop_assert_eq!(same, before, "nothing else changed");
                prop_assert_eq!(after.picture_id.is_some(), before.picture_id.is_some());
            }
            (before, after) => prop_assert_eq!(before, after),
        }
    }
}
