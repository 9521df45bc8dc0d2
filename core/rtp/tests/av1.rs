//! AV1: aggregation headers, dependency descriptors as Chrome sends them, and descriptors that lie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod descriptor;

use descriptor::{BitWriter, Structure, l1t2, l3t3, mandatory, template};
use proptest::{collection::vec, option, prelude::*};
use trefoil_rtp::{Codec, DependencyReader, Malformed, Peek, av1, peek};

/// An aggregation header with one element, which is a frame.
const PAYLOAD: [u8; 3] = [0x10, 0x30, 0];

fn read(dependency: &mut DependencyReader, descriptor: &[u8]) -> Result<Peek, Malformed> {
    peek(Codec::Av1, false, &PAYLOAD, dependency, Some(descriptor))
}

fn read_alone(payload: &[u8]) -> Result<Peek, Malformed> {
    peek(Codec::Av1, true, payload, &mut DependencyReader::default(), None)
}

#[test]
fn a_key_picture_says_all_of_itself() {
    let mut dependency = DependencyReader::default();
    assert_eq!(
        read(&mut dependency, &l1t2().key_frame(0, 500)),
        Ok(Peek {
            keyframe: true,
            starts_frame: true,
            ends_frame: true,
            spatial: 0,
            temporal: 0,
            switch_point: true,
            picture_id: Some(500),
            tl0: None,
            size: Some((1280, 720)),
            discardable: false,
        })
    );
}

#[test]
fn a_temporal_layer_that_refers_to_the_one_below_alone_can_be_joined_at_each_frame() {
    let (mut dependency, structure) = (DependencyReader::default(), l1t2());
    read(&mut dependency, &structure.key_frame(0, 65_534)).unwrap();
    for number in [65_535_u16, 1, 3] {
        let upper = read(&mut dependency, &structure.frame(2, number)).unwrap();
        assert!(upper.switch_point && upper.discardable, "{number}");
        assert_eq!(upper.temporal, 1);
        let again = read(&mut dependency, &structure.frame(2, number)).unwrap();
        assert!(again.switch_point, "each packet of the frame says the same");
        let base = read(&mut dependency, &structure.frame(1, number.wrapping_add(1))).unwrap();
        assert!(base.switch_point && !base.discardable && !base.keyframe);
    }
}

#[test]
fn a_temporal_layer_that_goes_on_from_itself_is_joined_at_a_switch_only() {
    let structure = Structure {
        id_offset: 60,
        templates: vec![
            template((0, 0), "SS", &[], &[]),
            template((0, 0), "SR", &[2], &[]),
            template((0, 1), "-R", &[2], &[]),
            template((0, 1), "-R", &[1], &[]),
            template((0, 1), "-S", &[1], &[]),
        ],
        protected_by: &[0, 0],
        sizes: &[],
    };
    let mut dependency = DependencyReader::default();
    let mut point = |bytes: &[u8]| read(&mut dependency, bytes).unwrap().switch_point;
    assert!(point(&structure.key_frame(0, 0)));
    assert!(point(&structure.frame(3, 1)), "the first after the key picture");
    assert!(point(&structure.frame(1, 2)));
    assert!(!point(&structure.frame(2, 3)), "this refers to frame 1");
    assert!(point(&structure.frame(1, 4)));
    assert!(point(&structure.frame(4, 5)), "the descriptor says so");
    assert!(
        point(&structure.frame(2, 6)),
        "all before the switch is not needed"
    );
    assert!(!point(&structure.frame(2, 7)));
    assert!(!point(&structure.frame(2, 5)), "a late frame is judged by itself");
}

#[test]
fn a_lost_frame_takes_the_point_to_join_with_it() {
    let (mut dependency, structure) = (DependencyReader::default(), l1t2());
    read(&mut dependency, &structure.key_frame(0, 0)).unwrap();
    assert!(
        !read(&mut dependency, &structure.frame(2, 3))
            .unwrap()
            .switch_point
    );
    assert!(
        read(&mut dependency, &structure.frame(1, 4))
            .unwrap()
            .switch_point
    );
    assert!(
        read(&mut dependency, &structure.frame(2, 5))
            .unwrap()
            .switch_point
    );
}

#[test]
fn layers_that_the_sender_has_switched_off_do_not_hinder_joining_others() {
    let (mut dependency, structure) = (DependencyReader::default(), l3t3());
    read(&mut dependency, &structure.key_frame(1, 0)).unwrap();
    // Spatial layer 2 is off, and the numbers 2, 5, 8 and so on are missing.
    for (at, number) in [
        (6, 1),
        (3, 3),
        (8, 4),
        (2, 6),
        (7, 7),
        (4, 9),
        (9, 10),
        (0, 12),
        (5, 13),
        (3, 15),
    ] {
        let peek = read(&mut dependency, &structure.frame(at, number)).unwrap();
        assert!(peek.switch_point, "{number}");
    }
}

#[test]
fn the_layers_of_a_picture_are_told_apart_and_the_key_picture_is_whole() {
    let (mut dependency, structure) = (DependencyReader::default(), l3t3());
    let mut number = 1000;
    let mut next = |bytes: &dyn Fn(u16) -> Vec<u8>| {
        let peek = read(&mut dependency, &bytes(number)).unwrap();
        number += 1;
        (
            peek.spatial,
            peek.temporal,
            peek.keyframe,
            peek.switch_point,
            peek.size,
        )
    };
    let key = next(&|number| structure.key_frame(1, number));
    assert_eq!(key, (0, 0, true, true, Some((320, 180))));
    assert_eq!(
        next(&|number| structure.frame(6, number)),
        (1, 0, true, true, Some((640, 360)))
    );
    assert_eq!(
        next(&|number| structure.frame(11, number)),
        (2, 0, true, true, Some((1280, 720)))
    );
    // Temporal layers 2, 1 and 2 again: each may be joined, since each refers to lower ones alone.
    for (at, layers) in [
        (3, (0, 2)),
        (8, (1, 2)),
        (13, (2, 2)),
        (2, (0, 1)),
        (7, (1, 1)),
        (12, (2, 1)),
    ] {
        let (spatial, temporal, keyframe, switch_point, _) = next(&|number| structure.frame(at, number));
        assert_eq!((spatial, temporal), layers);
        assert!(!keyframe && switch_point, "{layers:?}");
    }
    for (at, layers) in [
        (4, (0, 2)),
        (9, (1, 2)),
        (14, (2, 2)),
        (0, (0, 0)),
        (5, (1, 0)),
        (10, (2, 0)),
    ] {
        let (spatial, temporal, keyframe, switch_point, _) = next(&|number| structure.frame(at, number));
        assert_eq!((spatial, temporal), layers);
        assert!(!keyframe && switch_point, "{layers:?}");
    }
}

#[test]
fn a_frame_with_the_number_of_an_old_key_picture_is_not_key() {
    let (mut dependency, structure) = (DependencyReader::default(), l1t2());
    assert!(
        read(&mut dependency, &structure.key_frame(0, 7))
            .unwrap()
            .keyframe
    );
    assert!(
        read(&mut dependency, &structure.frame(0, 7)).unwrap().keyframe,
        "another packet of it"
    );
    for number in 8..=65_536 + 7 {
        assert!(
            !read(&mut dependency, &structure.frame(1, number as u16))
                .unwrap()
                .keyframe,
            "{number}"
        );
    }
}

#[test]
fn a_frame_may_say_for_itself_what_its_template_does_not() {
    let (mut dependency, structure) = (DependencyReader::default(), l1t2());
    read(&mut dependency, &structure.key_frame(0, 0)).unwrap();
    // Indications, references and chains of its own: required, one reference of 8 bits, one chain.
    let mut bits = mandatory(0b10, structure.id(2), 1);
    bits.put(0b00111, 5).put(0b0011, 4);
    bits.put(2, 2).put(200, 8).put(0, 2).put(7, 8);
    let own = dependency.read(&bits.bytes()).unwrap();
    assert!(own.starts_frame && !own.ends_frame && !own.discardable);
    assert_eq!((own.frame_number, own.temporal, own.active_targets), (1, 1, None));
    let mut bits = mandatory(0b01, structure.id(1), 2);
    bits.put(0b01000, 5).put(0b01, 2);
    assert_eq!(dependency.read(&bits.bytes()).unwrap().active_targets, Some(1));
}

#[test]
fn a_template_that_there_is_not_is_malformed_and_changes_nothing() {
    let (mut dependency, structure) = (DependencyReader::default(), l1t2());
    assert_eq!(dependency.read(&structure.frame(0, 9)), Err(Malformed::Template));
    assert!(!dependency.has_structure());
    read(&mut dependency, &structure.key_frame(0, 0)).unwrap();
    for at in 3..64 {
        assert_eq!(
            read(&mut dependency, &structure.frame(at, 1)),
            Err(Malformed::Template),
            "{at}"
        );
    }
    assert!(
        read(&mut dependency, &structure.frame(2, 1))
            .unwrap()
            .switch_point
    );
    // A structure whose own frame has no template is not kept.
    let other = Structure {
        id_offset: 30,
        ..l3t3()
    };
    assert_eq!(
        read(&mut dependency, &other.key_frame(20, 2)),
        Err(Malformed::Template)
    );
    assert!(read(&mut dependency, &structure.frame(1, 2)).is_ok());
}

#[test]
fn every_truncation_of_a_descriptor_is_malformed_and_changes_nothing() {
    let whole = l3t3().key_frame(1, 1);
    for length in (0..whole.len()).filter(|length| *length != 3) {
        let mut dependency = DependencyReader::default();
        let truncated = read(&mut dependency, &whole[..length]);
        assert_eq!(truncated, Err(Malformed::Short), "{length}");
        assert!(!dependency.has_structure());
    }
}

#[test]
fn a_structure_without_end_is_malformed() {
    let start = || {
        let mut bits = mandatory(0b11, 0, 1);
        bits.put(0b10000, 5).put(0, 6).put(0, 5);
        bits
    };
    let check = |bits: &BitWriter| {
        let read = DependencyReader::default().read(&bits.bytes());
        assert_eq!(read.unwrap_err(), Malformed::TooMany);
    };
    for step in 0..3 {
        let mut bits = start();
        for _ in 0..100 {
            bits.put(step, 2);
        }
        check(&bits);
    }
    let mut references = start();
    references.put(3, 2).put(2, 2);
    for _ in 0..100 {
        references.put(0b10000, 5);
    }
    check(&references);
}

#[test]
fn without_a_descriptor_the_payload_tells_what_it_can() {
    // N, one element: a sequence header.
    let key = read_alone(&[0x18, 0x08, 0x00]).unwrap();
    assert!(key.keyframe && key.starts_frame && key.ends_frame && key.switch_point);
    // Two elements, the first of which has its length before it: a frame of temporal layer 1 and spatial layer 2.
    let inter = read_alone(&[0x20, 0x83, 0x01, 0x34, 0x30, 0x00]).unwrap();
    assert!(!inter.keyframe && inter.starts_frame && !inter.switch_point);
    assert_eq!((inter.temporal, inter.spatial, inter.picture_id), (1, 2, None));
    let tiles = read_alone(&[0x10, 0x20, 0x00]).unwrap();
    assert!(!tiles.starts_frame);
    let continued = read_alone(&[0x90, 0xFF, 0xFF]).unwrap();
    assert!(!continued.starts_frame && !continued.keyframe);
    // As long as no structure came, a descriptor says nothing.
    let descriptor = l1t2().frame(1, 7);
    let early = read(&mut DependencyReader::default(), &descriptor).unwrap();
    assert!(early.starts_frame && early.picture_id.is_none());
}

#[test]
fn a_payload_cut_short_or_against_itself_is_malformed() {
    assert_eq!(read_alone(&[]), Err(Malformed::Short));
    assert_eq!(read_alone(&[0x10]), Err(Malformed::Short));
    assert_eq!(
        read_alone(&[0x88, 1, 2]),
        Err(Malformed::Field),
        "a new sequence goes on with nothing"
    );
    assert_eq!(read_alone(&[0x20, 0x81, 0x80]), Err(Malformed::Short));
    assert_eq!(read_alone(&[0x20, 0x81]), Err(Malformed::Short));
    assert_eq!(
        read_alone(&[[0x20].as_slice(), &[0x80; 9]].concat()),
        Err(Malformed::Field)
    );
    assert_eq!(read_alone(&[0x10, 0x34]), Err(Malformed::Short));
}

#[test]
fn a_frame_is_renumbered_in_place() {
    let mut descriptor = l3t3().key_frame(1, 1);
    let before = descriptor.clone();
    av1::rewrite_frame_number(&mut descriptor, 0xABCD);
    assert_eq!(
        DependencyReader::default()
            .read(&descriptor)
            .unwrap()
            .frame_number,
        0xABCD
    );
    assert_eq!((descriptor[0], &descriptor[3..]), (before[0], &before[3..]));
    let mut short = [1, 2];
    av1::rewrite_frame_number(&mut short, 9);
    assert_eq!(short, [1, 2]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        payload in vec(any::<u8>(), 0..20),
        descriptors in vec(option::of(vec(any::<u8>(), 0..60)), 1..10),
        known: bool,
    ) {
        let mut dependency = DependencyReader::default();
        if known {
            read(&mut dependency, &l3t3().key_frame(1, 0)).unwrap();
        }
        for descriptor in descriptors {
            let _ = peek(Codec::Av1, true, &payload, &mut dependency, descriptor.as_deref());
        }
    }

    #[test]
    fn a_structure_of_any_bytes_is_read_without_panic(mut bytes in vec(any::<u8>(), 4..120), flips in vec(any::<(prop::sample::Index, u8)>(), 0..6)) {
        bytes[3] |= 0x80;
        let mut dependency = DependencyReader::default();
        let _ = dependency.read(&bytes);
        let mut damaged = l3t3().key_frame(1, 0);
        for (at, value) in flips {
            let at = at.index(damaged.len());
            damaged[at] = value;
        }
        let _ = dependency.read(&damaged);
        let _ = dependency.read(&bytes);
    }
}
