//! VP9: descriptors as RFC 9628 draws them, cut short, and rewritten.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use proptest::{collection::vec, prelude::*};
use trefoil_rtp::{Codec, DependencyReader, Malformed, Peek, peek, vp9};

fn read(payload: &[u8], dependency: &mut DependencyReader) -> Result<Peek, Malformed> {
    peek(Codec::Vp9, false, payload, dependency, None)
}

fn read_alone(payload: &[u8]) -> Result<Peek, Malformed> {
    read(payload, &mut DependencyReader::default())
}

/// I, L, B and V: picture id 0x1234, layers 0/0, TL0PICIDX 7; two layers of 320x180 and 640x360, and two pictures in the
/// group, the second of which refers to one; then a byte of VP9.
const KEYFRAME: [u8; 19] = [
    0xAA, 0x92, 0x34, 0x00, 0x07, 0x38, 0x01, 0x40, 0x00, 0xB4, 0x02, 0x80, 0x01, 0x68, 0x02, 0x00, 0x34,
    0x01, 0x82,
];

/// The same picture's spatial layer 1, which refers to the one below, and its last packet.
const UPPER: [u8; 6] = [0xAC, 0x92, 0x34, 0x03, 0x07, 0x82];

#[test]
fn a_keyframe_says_all_of_itself() {
    assert_eq!(
        read_alone(&KEYFRAME),
        Ok(Peek {
            keyframe: true,
            starts_frame: true,
            ends_frame: false,
            spatial: 0,
            temporal: 0,
            switch_point: true,
            picture_id: Some(0x1234),
            tl0: Some(7),
            size: Some((320, 180)),
            discardable: false,
        })
    );
    let sizes = vp9::Descriptor::parse(&KEYFRAME).unwrap().sizes;
    assert_eq!(sizes[..3], [Some((320, 180)), Some((640, 360)), None]);
}

#[test]
fn upper_layers_of_a_key_picture_are_part_of_it_and_those_of_another_are_not() {
    let mut dependency = DependencyReader::default();
    assert!(
        !read(&UPPER, &mut dependency).unwrap().keyframe,
        "without the layer below it is none"
    );
    assert!(read(&KEYFRAME, &mut dependency).unwrap().keyframe);
    let upper = read(&UPPER, &mut dependency).unwrap();
    assert!(upper.keyframe && upper.starts_frame && upper.ends_frame);
    assert_eq!((upper.spatial, upper.size), (1, Some((640, 360))));
    let mut later = UPPER;
    later[2] = 0x35;
    assert!(
        !read(&later, &mut dependency).unwrap().keyframe,
        "a layer may begin in any picture"
    );
    let mut inter = UPPER;
    inter[0] |= 0x40;
    assert!(!read(&inter, &mut dependency).unwrap().keyframe);
    let mut middle = KEYFRAME;
    middle[0] &= !0x08;
    assert!(
        !read(&middle, &mut dependency).unwrap().keyframe,
        "not the first packet"
    );
}

#[test]
fn a_picture_with_the_number_of_an_old_key_picture_is_not_key() {
    let mut dependency = DependencyReader::default();
    read(&KEYFRAME, &mut dependency).unwrap();
    let next_base = [0xE8, 0x92, 0x35, 0x00, 0x08, 0x82];
    assert!(!read(&next_base, &mut dependency).unwrap().keyframe);
    assert!(!read(&UPPER, &mut dependency).unwrap().keyframe);
}

#[test]
fn flexible_mode_has_references_instead_of_an_index() {
    // I, P, L, F and B, a picture id of 7 bits, TID 2 with U, SID 1 with D, two references.
    let payload = [0xF8, 0x05, 0x53, 0x03, 0x04, 0x82];
    let peek = read_alone(&payload).unwrap();
    assert_eq!(
        (peek.temporal, peek.spatial, peek.picture_id, peek.tl0),
        (2, 1, Some(5), None)
    );
    assert!(peek.switch_point && !peek.keyframe);
    let mut no_switch = payload;
    no_switch[2] &= !0x10;
    assert!(!read_alone(&no_switch).unwrap().switch_point);
    let four_references = [0xF8, 0x05, 0x53, 0x03, 0x03, 0x03, 0x02, 0x82];
    assert_eq!(read_alone(&four_references), Err(Malformed::TooMany));
}

#[test]
fn every_truncation_is_malformed_until_the_frame_begins() {
    for length in 0..KEYFRAME.len() {
        assert_eq!(read_alone(&KEYFRAME[..length]), Err(Malformed::Short), "{length}");
    }
    // 255 pictures of three references each, of which none is there.
    assert_eq!(read_alone(&[0x02, 0x08, 0xFF, 0x0C]), Err(Malformed::Short));
}

#[test]
fn ids_are_rewritten_in_the_width_that_they_have() {
    let check = |before: &[u8], after: &[u8]| {
        let mut payload = before.to_vec();
        vp9::rewrite(&mut payload, 0xABCD, 0x99);
        assert_eq!(payload, after);
    };
    check(&UPPER, &[0xAC, 0xAB, 0xCD, 0x03, 0x99, 0x82]);
    check(&[0xA0, 0x05, 0x03, 0x07, 0x82], &[0xA0, 0x4D, 0x03, 0x99, 0x82]);
    check(&[0x20, 0x03, 0x07, 0x82], &[0x20, 0x03, 0x99, 0x82]);
    check(&[0xB0, 0x05, 0x03, 0x82], &[0xB0, 0x4D, 0x03, 0x82]);
    check(&[0xA0, 0x85], &[0xA0, 0x85]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_rewritten_without_panic(mut payload in vec(any::<u8>(), 0..60), id: u16, tl0: u8) {
        let before = read_alone(&payload);
        vp9::rewrite(&mut payload, id, tl0);
        let after = read_alone(&payload);
        match (before, after) {
            (Ok(before), Ok(after)) => {
                prop_assert!(after.picture_id.is_none_or(|now| now == id & 0x7FFF || now == id & 0x7F));
                prop_assert!(after.tl0.is_none_or(|now| now == tl0));
                let same = Peek { picture_id: before.picture_id, tl0: before.tl0, ..after };
                prop_assert_eq!(same, before, "nothing else changed");
            }
            (before, after) => prop_assert_eq!(before, after),
        }
    }
}
