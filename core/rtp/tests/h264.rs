//! H.264: NAL units in each packetization, sizes from parameter sets, and packets cut short.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

#[allow(dead_code, reason = "each test file uses its part")]
mod descriptor;

use descriptor::{BitWriter, l1t2};
use proptest::{collection::vec, prelude::*};
use trefoil_rtp::{Codec, DependencyReader, Malformed, Peek, h264, peek};

fn read(payload: &[u8], dependency: &mut DependencyReader) -> Result<Peek, Malformed> {
    peek(Codec::H264, false, payload, dependency, None)
}

fn read_alone(payload: &[u8]) -> Result<Peek, Malformed> {
    read(payload, &mut DependencyReader::default())
}

/// A value as `ue(v)`.
fn golomb(bits: &mut BitWriter, value: u32) {
    let width = u32::BITS - (value + 1).leading_zeros();
    bits.put(0, width - 1).put(value + 1, width);
}

/// A sequence parameter set of this profile, in macroblocks, with a cropping rectangle (left, right, top, bottom).
fn parameter_set(
    profile: u32,
    columns: u32,
    rows: u32,
    frames_only: bool,
    crop: Option<[u32; 4]>,
) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(0x67, 8).put(profile, 8).put(0xC0, 8).put(31, 8);
    golomb(&mut bits, 0);
    if profile == 100 {
        // 4:2:0, 8 bits each, and a scaling matrix whose first list is given.
        golomb(&mut bits, 1);
        golomb(&mut bits, 0);
        golomb(&mut bits, 0);
        bits.put(0, 1).put(1, 1).put(1, 1);
        // Sixteen deltas of 0, then seven lists that are not there.
        bits.put(0xFFFF, 16).put(0, 7);
    }
    // log2_max_frame_num, picture order of type 1 with one reference, reference frames, gaps.
    golomb(&mut bits, 0);
    golomb(&mut bits, 1);
    bits.put(0, 1);
    for value in [3, 4, 1, 2, 1] {
        golomb(&mut bits, value);
    }
    bits.put(0, 1);
    golomb(&mut bits, columns - 1);
    golomb(&mut bits, rows - 1);
    bits.put(u32::from(frames_only), 1);
    if !frames_only {
        bits.put(0, 1);
    }
    bits.put(1, 1).put(u32::from(crop.is_some()), 1);
    for side in crop.into_iter().flatten() {
        golomb(&mut bits, side);
    }
    bits.put(0, 1).put(1, 1);
    bits.bytes()
}

#[test]
fn a_parameter_set_begins_a_key_picture_and_says_its_size() {
    // 1280x720 of Constrained Baseline, as a browser sends it, with an emulation prevention byte.
    let chrome = [
        0x67, 0x42, 0xC0, 0x1F, 0x8C, 0x8D, 0x40, 0x28, 0x02, 0xDD, 0x80, 0x88, 0x45, 0x00, 0x00, 0x03,
    ];
    let peek = read_alone(&chrome).unwrap();
    assert!(peek.keyframe && peek.starts_frame && peek.switch_point && !peek.discardable);
    assert_eq!(peek.size, Some((1280, 720)));
}

#[test]
fn sizes_are_those_of_each_kind_of_parameter_set() {
    let check = |set: Vec<u8>, size| assert_eq!(read_alone(&set).unwrap().size, size, "{set:x?}");
    check(parameter_set(66, 20, 15, true, None), Some((320, 240)));
    check(
        parameter_set(66, 120, 68, true, Some([0, 0, 0, 4])),
        Some((1920, 1080)),
    );
    check(
        parameter_set(100, 120, 68, true, Some([1, 1, 2, 2])),
        Some((1916, 1080)),
    );
    check(
        parameter_set(100, 120, 34, false, Some([0, 0, 0, 2])),
        Some((1920, 1080)),
    );
    check(parameter_set(66, 20, 15, true, Some([200, 0, 0, 0])), None);
    check(parameter_set(66, 5000, 15, true, None), None);
    let whole = parameter_set(66, 20, 15, true, None);
    check(whole[..whole.len() - 2].to_vec(), None);
}

#[test]
fn a_parameter_set_may_have_zeros_that_were_protected() {
    // The level and the fields behind it: 00 00 03 stands for 00 00.
    let mut bits = BitWriter::default();
    bits.put(0x67, 8).put(66, 8).put(0, 16).put(3, 8);
    for value in [0, 0, 0, 0, 1] {
        golomb(&mut bits, value);
    }
    bits.put(0, 1);
    golomb(&mut bits, 39);
    golomb(&mut bits, 29);
    bits.put(0b1100, 4).put(1, 1);
    assert_eq!(read_alone(&bits.bytes()).unwrap().size, Some((640, 480)));
}

#[test]
fn an_aggregate_is_what_its_units_are() {
    let set = parameter_set(66, 20, 15, true, None);
    let mut payload = vec![24, 0, set.len() as u8];
    payload.extend(&set);
    payload.extend([0, 2, 0x68, 0xCE, 0, 3, 0x65, 0x88, 0x80]);
    let peek = read_alone(&payload).unwrap();
    assert!(peek.keyframe && peek.starts_frame);
    assert_eq!(peek.size, Some((320, 240)));
    let kinds: Vec<_> = h264::units(&payload)
        .unwrap()
        .map(|unit| unit.unwrap().kind)
        .collect();
    assert_eq!(kinds, [7, 8, 5]);
}

#[test]
fn a_fragment_begins_what_its_first_packet_begins() {
    let start = read_alone(&[0x7C, 0x85, 0x88, 0x80]).unwrap();
    assert!(start.keyframe && start.starts_frame);
    for rest in [[0x7C, 0x05, 0x88, 0x80], [0x7C, 0x45, 0x88, 0x80]] {
        let peek = read_alone(&rest).unwrap();
        assert!(!peek.keyframe && !peek.starts_frame);
    }
}

#[test]
fn where_parameter_sets_are_sent_a_decoder_begins_with_them() {
    let mut dependency = DependencyReader::default();
    let idr = [0x65, 0x88, 0x80];
    assert!(
        read(&idr, &mut dependency).unwrap().keyframe,
        "they were agreed on elsewhere"
    );
    assert!(
        read(&parameter_set(66, 20, 15, true, None), &mut dependency)
            .unwrap()
            .keyframe
    );
    assert!(!read(&[0x68, 0xCE], &mut dependency).unwrap().keyframe);
    let idr = read(&idr, &mut dependency).unwrap();
    assert!(!idr.keyframe && idr.starts_frame);
}

#[test]
fn a_slice_begins_a_frame_if_it_is_the_first_and_is_discardable_if_nothing_refers_to_it() {
    let check = |payload: &[u8], starts_frame, discardable| {
        let peek = read_alone(payload).unwrap();
        assert_eq!(
            (peek.keyframe, peek.starts_frame, peek.discardable),
            (false, starts_frame, discardable)
        );
    };
    check(&[0x41, 0x9A, 0x01], true, false);
    check(&[0x41, 0x5A, 0x01], false, false);
    check(&[0x01, 0x9A, 0x01], true, true);
    check(&[0x09, 0xF0], true, false);
    check(&[0x06, 0x05, 0x01], true, false);
    check(&[0x0C, 0xFF], false, false);
    check(&[0x41], false, false);
}

#[test]
fn layers_come_from_a_descriptor_if_there_is_one() {
    let (mut dependency, structure) = (DependencyReader::default(), l1t2());
    let slice = [0x41, 0x9A, 0x01];
    let mut read = |descriptor: &[u8]| peek(Codec::H264, true, &slice, &mut dependency, Some(descriptor));
    let early = read(&structure.frame(2, 9)).unwrap();
    assert_eq!((early.temporal, early.starts_frame), (0, true));
    read(&structure.key_frame(0, 10)).unwrap();
    let upper = read(&structure.frame(2, 11)).unwrap();
    assert_eq!(
        (upper.temporal, upper.switch_point, upper.discardable),
        (1, true, true)
    );
    assert_eq!(read(&structure.frame(40, 12)), Err(Malformed::Template));
}

#[test]
fn packets_cut_short_or_of_other_kinds_are_malformed() {
    let check = |payload: &[u8], malformed| assert_eq!(read_alone(payload), Err(malformed), "{payload:x?}");
    check(&[], Malformed::Short);
    check(&[24], Malformed::Short);
    check(&[24, 0], Malformed::Short);
    check(&[24, 0, 0], Malformed::Short);
    check(&[24, 0, 5, 0x41, 0x9A], Malformed::Short);
    check(&[24, 0, 1, 0x41, 0], Malformed::Short);
    check(&[24, 0, 1, 24], Malformed::Field);
    check(&[24, 0, 2, 28, 0x85], Malformed::Field);
    check(&[28], Malformed::Short);
    check(&[28, 0xC5], Malformed::Field);
    check(&[28, 0x80], Malformed::Field);
    check(&[28, 0x9C], Malformed::Field);
    for kind in [0, 25, 26, 27, 29, 30, 31] {
        check(&[kind, 1, 2, 3, 4], Malformed::Field);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(payload in vec(any::<u8>(), 0..100)) {
        let _ = read_alone(&payload);
        if let Ok(units) = h264::units(&payload) {
            prop_assert!(units.count() <= payload.len());
        }
    }

    #[test]
    fn a_parameter_set_of_any_bytes_is_read_without_panic(body in vec(any::<u8>(), 0..400), high: bool) {
        let profile = if high { 100 } else { 66 };
        let _ = read_alone(&[&[0x67, profile][..], &body].concat());
    }

    #[test]
    fn any_size_is_read_back(columns in 1..500_u32, rows in 1..500_u32, high: bool) {
        let profile = if high { 100 } else { 66 };
        let size = read_alone(&parameter_set(profile, columns, rows, true, None)).unwrap().size;
        prop_assert_eq!(size, Some((columns as u16 * 16, rows as u16 * 16)));
    }
}
