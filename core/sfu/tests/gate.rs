//! What one subscription sees when layers come and go.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use proptest::prelude::*;
use trefoil_rtp::{Codec, Peek};
use trefoil_sfu::{Gate, Incoming, Layer, Outgoing, Rewrite};

/// A publisher of one encoding, frame by frame.
struct Camera {
    sequence: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
}

impl Camera {
    const fn new(first: u64, timestamp: u32, picture: u16) -> Self {
        Self {
            sequence: first,
            timestamp,
            picture,
            tl0: 0,
        }
    }

    /// The packets of one frame of one spatial layer.
    fn frame(
        &mut self,
        packets: u64,
        keyframe: bool,
        (spatial, temporal): (u8, u8),
        last: bool,
    ) -> Vec<Incoming> {
        let made = (0..packets).map(|index| Incoming {
            sequence: self.sequence + index,
            timestamp: self.timestamp,
            marker: last && index + 1 == packets,
            peek: Peek {
                keyframe: keyframe && index == 0,
                starts_frame: index == 0,
                ends_frame: index + 1 == packets,
                spatial,
                temporal,
                switch_point: true,
                picture_id: Some(self.picture),
                tl0: Some(self.tl0),
                ..Peek::default()
            },
        });
        let made = made.collect();
        self.sequence += packets;
        made
    }

    fn next(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(3000);
        self.picture = (self.picture + 1) & 0x7FFF;
    }
}

fn pass(gate: &mut Gate, encoding: u8, packets: &[Incoming], millisecond: u64) -> Vec<Outgoing> {
    let now = Duration::from_millis(millisecond);
    packets
        .iter()
        .filter_map(|packet| gate.pass(encoding, packet, |_| None, now))
        .collect()
}

const fn layer(encoding: u8, spatial: u8, temporal: u8) -> Option<Layer> {
    Some(Layer {
        encoding,
        spatial,
        temporal,
    })
}

fn unbroken(sent: &[Outgoing]) {
    for pair in sent.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1, "{pair:?}");
    }
}

#[test]
fn nothing_passes_before_a_keyframe_and_nothing_without_a_target() {
    let (mut gate, mut camera) = (Gate::new(Codec::Vp8, 100), Camera::new(5000, 9, 7));
    assert!(pass(&mut gate, 0, &camera.frame(3, true, (0, 0), true), 0).is_empty());
    gate.aim(layer(0, 0, 9));
    assert_eq!(gate.waits_for(), Some(0));
    camera.next();
    assert!(pass(&mut gate, 0, &camera.frame(3, false, (0, 0), true), 33).is_empty());
    camera.next();
    let sent = pass(&mut gate, 0, &camera.frame(3, true, (0, 0), true), 66);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].sequence, 65_536 + 101);
    assert_eq!(gate.waits_for(), None);
    gate.aim(None);
    camera.next();
    assert!(pass(&mut gate, 0, &camera.frame(3, false, (0, 0), true), 99).is_empty());
}

#[test]
fn upper_temporal_layers_are_left_out_without_a_gap_in_numbers_or_pictures() {
    let (mut gate, mut camera) = (Gate::new(Codec::Vp8, 0), Camera::new(65_530, 0, 0x7FF0));
    gate.aim(layer(0, 0, 0));
    let mut sent = Vec::new();
    for index in 0..200_u64 {
        let temporal = u8::from(index % 2 == 1);
        if temporal == 0 {
            camera.tl0 = camera.tl0.wrapping_add(1);
        }
        let packets = camera.frame(1 + index % 3, index == 0, (0, temporal), true);
        sent.extend(pass(&mut gate, 0, &packets, index * 33));
        camera.next();
    }
    unbroken(&sent);
    let pictures: Vec<u16> = sent
        .iter()
        .filter_map(|outgoing| match outgoing.rewrite {
            Rewrite::Pictures { picture, .. } => Some(picture & 0x7FFF),
            Rewrite::Nothing | Rewrite::Frame(_) => None,
        })
        .collect();
    for pair in pictures.windows(2) {
        let step = pair[1].wrapping_sub(pair[0]) & 0x7FFF;
        assert!(step <= 1, "picture ids have no gap: {pair:?}");
    }
}

#[test]
fn of_spatial_layers_the_wanted_ones_pass_and_the_last_of_them_ends_the_picture() {
    let (mut gate, mut camera) = (Gate::new(Codec::Vp9, 0), Camera::new(10, 0, 0));
    let picture = |camera: &mut Camera, keyframe| {
        let mut packets = Vec::new();
        for spatial in 0..3 {
            packets.extend(camera.frame(2, keyframe, (spatial, 0), spatial == 2));
        }
        camera.next();
        packets
    };
    gate.aim(layer(0, 1, 9));
    let mut sent = pass(&mut gate, 0, &picture(&mut camera, true), 0);
    assert_eq!(sent.len(), 4);
    assert_eq!(
        sent.iter().map(|outgoing| outgoing.marker).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    gate.aim(layer(0, 2, 9));
    assert_eq!(
        gate.waits_for(),
        Some(0),
        "a higher spatial layer begins at a keyframe"
    );
    sent.extend(pass(&mut gate, 0, &picture(&mut camera, false), 33));
    assert_eq!(sent.len(), 8);
    sent.extend(pass(&mut gate, 0, &picture(&mut camera, true), 66));
    assert_eq!(sent.len(), 14);
    gate.aim(layer(0, 0, 9));
    sent.extend(pass(&mut gate, 0, &picture(&mut camera, false), 99));
    assert_eq!(sent.len(), 16, "a lower one begins at any picture");
    assert!(sent[15].marker);
    unbroken(&sent);
}

#[test]
fn another_source_goes_on_where_the_last_one_stopped() {
    let (mut gate, mut ann, mut bob) = (
        Gate::new(Codec::Vp8, 7),
        Camera::new(40_000, 1, 5),
        Camera::new(100, 4_000_000_000, 900),
    );
    gate.aim(layer(0, 0, 9));
    let mut sent = pass(&mut gate, 0, &ann.frame(3, true, (0, 0), true), 0);
    gate.change_source(Codec::Vp8);
    gate.aim(layer(0, 0, 9));
    assert!(pass(&mut gate, 0, &bob.frame(2, false, (0, 0), true), 500).is_empty());
    bob.next();
    sent.extend(pass(&mut gate, 0, &bob.frame(2, true, (0, 0), true), 1000));
    unbroken(&sent);
    let step = sent[3].timestamp.wrapping_sub(sent[2].timestamp);
    assert_eq!(step, 90_000, "a second passed");
    assert_eq!(sent[3].rewrite, Rewrite::Pictures { picture: 6, tl0: 1 });
}

#[test]
fn encodings_are_aligned_by_their_sender_reports() {
    let mut gate = Gate::new(Codec::Vp8, 0);
    let (mut small, mut large) = (Camera::new(1, 1000, 1), Camera::new(1, 700_000, 1));
    gate.aim(layer(1, 0, 9));
    let first = pass(&mut gate, 0, &small.frame(1, true, (0, 0), true), 0);
    // The large one's timestamp is 8 ms after the small one's, as both senders say; it arrived 20 ms later.
    let packets = large.frame(1, true, (0, 0), true);
    let aligned = |to| (to == 0).then_some(1000 + 720);
    let second = gate
        .pass(1, &packets[0], aligned, Duration::from_millis(20))
        .unwrap();
    assert_eq!(second.timestamp.wrapping_sub(first[0].timestamp), 720);
    small.next();
    assert!(
        pass(&mut gate, 0, &small.frame(1, false, (0, 0), true), 33).is_empty(),
        "the small one stops"
    );
}

#[test]
fn a_late_packet_passes_in_its_place_and_one_from_before_the_switch_does_not() {
    let (mut gate, mut camera) = (Gate::new(Codec::Vp8, 0), Camera::new(10, 0, 0));
    gate.aim(layer(0, 0, 9));
    let early = camera.frame(2, false, (0, 0), true);
    camera.next();
    let mut packets = camera.frame(4, true, (0, 0), true);
    let late = packets.remove(2);
    let sent = pass(&mut gate, 0, &packets, 0);
    assert_eq!(
        sent[2].sequence,
        sent[0].sequence + 3,
        "the gap of the late one stays"
    );
    let late = pass(&mut gate, 0, &[late], 10);
    assert_eq!(late[0].sequence, sent[0].sequence + 2);
    assert!(pass(&mut gate, 0, &early, 20).is_empty());
}

#[test]
fn what_was_sent_is_found_by_its_number_and_goes_out_the_same_again() {
    let (mut gate, mut camera) = (Gate::new(Codec::Vp8, 0), Camera::new(10, 0, 0));
    gate.aim(layer(0, 0, 0));
    let mut kept = Vec::new();
    for index in 0..40_u64 {
        let packets = camera.frame(2, index == 0, (0, u8::from(index % 2 == 1)), true);
        let sent = pass(&mut gate, 0, &packets, index * 33);
        kept.extend(packets.into_iter().zip(sent));
        camera.next();
    }
    for (packet, sent) in kept {
        let found = gate.sent_as(sent.sequence as u16).unwrap();
        assert_eq!((found.outgoing, found.sequence), (sent, packet.sequence));
    }
    assert_eq!(gate.sent_as(60_000), None);
}

#[test]
fn a_packet_goes_out_again_once_in_an_interval_and_not_after_another_encoding_has_begun() {
    let (mut gate, mut small, mut large) = (
        Gate::new(Codec::Vp8, 0),
        Camera::new(10, 0, 0),
        Camera::new(10, 0, 0),
    );
    gate.aim(layer(0, 0, 9));
    let sent = pass(&mut gate, 0, &small.frame(1, true, (0, 0), true), 0);
    let again = |gate: &mut Gate, millisecond| {
        let (interval, now) = (Duration::from_millis(50), Duration::from_millis(millisecond));
        gate.repeat(sent[0].sequence as u16, interval, now)
            .map(|sent| sent.outgoing)
    };
    assert_eq!(again(&mut gate, 100), Some(sent[0]));
    assert_eq!(again(&mut gate, 120), None);
    assert_eq!(again(&mut gate, 150), Some(sent[0]));
    gate.aim(layer(1, 0, 9));
    pass(&mut gate, 1, &large.frame(1, true, (0, 0), true), 200);
    assert_eq!(again(&mut gate, 300), None);
}

#[test]
fn a_step_down_has_no_gap_unless_the_old_encoding_is_left() {
    for left in [false, true] {
        let (mut gate, mut large, mut small) = (
            Gate::new(Codec::Vp8, 0),
            Camera::new(10, 0, 0),
            Camera::new(900, 77, 30),
        );
        gate.aim(layer(2, 0, 9));
        let mut sent = pass(&mut gate, 2, &large.frame(4, true, (0, 0), true), 0);
        large.next();
        gate.aim(layer(0, 0, 9));
        if left {
            gate.leave();
        }
        assert_eq!(gate.waits_for(), Some(0));
        let between = pass(&mut gate, 2, &large.frame(4, true, (0, 0), true), 33);
        assert_eq!(between.is_empty(), left);
        let number = sent[0].sequence as u16;
        let again = gate.repeat(number, Duration::ZERO, Duration::from_millis(40));
        assert_eq!(again.is_none(), left);
        sent.extend(between);
        sent.extend(pass(&mut gate, 0, &small.frame(2, true, (0, 0), true), 66));
        assert_eq!(gate.waits_for(), None);
        unbroken(&sent);
        let step = sent.last().unwrap().timestamp.wrapping_sub(sent[0].timestamp);
        assert!(step.abs_diff(66 * 90) <= 90, "pictures stay in time: {step}");
    }
}

#[test]
fn sound_needs_no_keyframe() {
    let (mut gate, mut voice) = (Gate::new(Codec::Opus, 0), Camera::new(10, 0, 0));
    gate.aim(Some(Layer::all_of(0)));
    assert_eq!(gate.waits_for(), None);
    assert_eq!(
        pass(&mut gate, 0, &voice.frame(1, false, (0, 0), false), 0).len(),
        1
    );
}

proptest! {
    /// Whatever comes in whatever order and however often, a number goes out once.
    #[test]
    fn numbers_are_never_used_twice(
        order in proptest::collection::vec((0_u8..3, 0_u64..400), 1..400),
        seed in any::<u64>(),
        targets in proptest::collection::vec(proptest::option::of((0_u8..3, 0_u8..3, 0_u8..3)), 1..20),
        leaves in any::<u32>(),
    ) {
        let mut gate = Gate::new(Codec::Vp8, 0);
        let mut seen = std::collections::BTreeSet::new();
        for (index, (encoding, sequence)) in order.into_iter().enumerate() {
            if index % 16 == 0 {
                let target = targets[index / 16 % targets.len()];
                gate.aim(target.map(|(encoding, spatial, temporal)| Layer { encoding, spatial, temporal }));
                if leaves >> (index / 16 % 32) & 1 == 1 {
                    gate.leave();
                }
            }
            // What a packet is, its number decides: it is the same packet each time it comes.
            let mixed = (sequence + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            let packet = Incoming {
                sequence: 70_000 + sequence,
                timestamp: sequence as u32 * 3000,
                marker: false,
                peek: Peek {
                    keyframe: mixed % 4 == 0, starts_frame: mixed % 3 != 0,
                    spatial: (mixed >> 4) as u8 % 3, temporal: (mixed >> 6) as u8 % 3, switch_point: mixed % 2 == 0,
                    picture_id: Some(sequence as u16), tl0: Some(0), ..Peek::default()
                },
            };
            let out = gate.pass(encoding, &packet, |_| None, Duration::from_millis(index as u64));
            if let Some(outgoing) = out {
                prop_assert!(seen.insert(outgoing.sequence), "{outgoing:?}");
            }
        }
    }
}
