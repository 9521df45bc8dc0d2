//! What a stranger or a hostile sender may try: each refusal, and what must go on all the same.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use proptest::{collection::vec, prelude::*, sample::select};
use trefoil_srtp::{Keys, MOST_SOURCES, Opener, Profile, Refused, Sealer, WINDOW};

const PROFILES: [Profile; 3] = [
    Profile::AeadAes128Gcm,
    Profile::AeadAes256Gcm,
    Profile::Aes128CmSha1_80,
];
const SSRC: u32 = 0xCAFE;

/// A sealer of one side and the opener of the other; `seed` is their keys.
fn pair(profile: Profile, seed: u8) -> (Sealer, Opener) {
    let material = vec![seed; profile.keying_material_length()];
    let (outbound, _) = Keys::from_keying_material(profile, &material, true).unwrap();
    let (_, inbound) = Keys::from_keying_material(profile, &material, false).unwrap();
    (Sealer::new(&outbound), Opener::new(&inbound))
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn sealed(sealer: &mut Sealer, index: u64, ssrc: u32) -> Vec<u8> {
    let mut packet = rtp(index as u16, ssrc, b"payload");
    let length = packet.len();
    packet.resize(length + 16, 0);
    let length = sealer.seal_rtp(&mut packet, 12, length, index);
    packet.truncate(length);
    packet
}

fn sealed_rtcp(sealer: &mut Sealer, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.resize(8 + 20, 0);
    let length = sealer.seal_rtcp(&mut packet, 8);
    packet.truncate(length);
    packet
}

#[test]
fn two_hundred_packets_of_a_wrong_key_are_refused_and_the_call_goes_on() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile, 1);
        let (mut stranger, _) = pair(profile, 2);
        let length = 12 + 7;
        assert_eq!(
            opener.open_rtp(&mut sealed(&mut sealer, 0, SSRC)),
            Ok((0, length))
        );
        for index in 1..200 {
            let mut forged = sealed(&mut stranger, index + 30_000, SSRC);
            assert_eq!(opener.open_rtp(&mut forged), Err(Refused::Forged));
            let mut forged = sealed_rtcp(&mut stranger, SSRC);
            assert_eq!(opener.open_rtcp(&mut forged), Err(Refused::Forged));
            assert_eq!(
                opener.open_rtp(&mut sealed(&mut sealer, index, SSRC)),
                Ok((index, length))
            );
        }
        assert_eq!(opener.open_rtcp(&mut sealed_rtcp(&mut sealer, SSRC)), Ok(8));
    }
}

#[test]
fn plain_rtp_and_other_versions_are_refused() {
    for profile in PROFILES {
        let (_, mut opener) = pair(profile, 1);
        assert_eq!(opener.open_rtp(&mut rtp(1, SSRC, &[9; 50])), Err(Refused::Forged));
        for version in [0_u8, 1, 3] {
            let mut packet = rtp(1, SSRC, &[9; 50]);
            packet[0] = version << 6;
            assert_eq!(opener.open_rtp(&mut packet), Err(Refused::Malformed));
            assert_eq!(opener.open_rtcp(&mut packet), Err(Refused::Malformed));
        }
    }
}

#[test]
fn a_header_that_runs_past_the_end_is_refused() {
    let (_, mut opener) = pair(Profile::AeadAes128Gcm, 1);
    for first in [0x8F, 0x90, 0x9F] {
        let mut packet = rtp(1, SSRC, &[0xFF; 3]);
        packet[0] = first;
        assert_eq!(opener.open_rtp(&mut packet), Err(Refused::Malformed));
        let mut packet = rtp(1, SSRC, &[0xFF; 70]);
        packet[0] = 0x9F;
        assert_eq!(opener.open_rtp(&mut packet), Err(Refused::Malformed));
    }
    assert_eq!(opener.open_rtp(&mut [0x80; 11]), Err(Refused::Malformed));
    assert_eq!(opener.open_rtcp(&mut [0x80; 27]), Err(Refused::Malformed));
}

#[test]
fn a_replay_is_refused_inside_the_window_and_behind_it() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile, 1);
        let packets: Vec<_> = (0..=WINDOW)
            .map(|index| sealed(&mut sealer, index, SSRC))
            .collect();
        for packet in &packets[1..] {
            opener.open_rtp(&mut packet.clone()).unwrap();
        }
        for packet in &packets[1..] {
            assert_eq!(opener.open_rtp(&mut packet.clone()), Err(Refused::Replayed));
        }
        assert_eq!(opener.open_rtp(&mut packets[0].clone()), Err(Refused::TooOld));
    }
}

#[test]
fn a_replay_of_rtcp_is_refused_inside_the_window_and_behind_it() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile, 1);
        let packets: Vec<_> = (0..=WINDOW).map(|_| sealed_rtcp(&mut sealer, SSRC)).collect();
        for packet in packets[1..].iter().rev() {
            assert_eq!(opener.open_rtcp(&mut packet.clone()), Ok(8));
            assert_eq!(opener.open_rtcp(&mut packet.clone()), Err(Refused::Replayed));
        }
        assert_eq!(opener.open_rtcp(&mut packets[0].clone()), Err(Refused::TooOld));
    }
}

#[test]
fn the_rollover_counter_is_followed_through_loss_reordering_and_jumps() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile, 1);
        let indices = [
            32_767, 65_530, 65_537, 65_535, 65_536, 98_305, 131_072, 131_070, 160_000,
        ];
        for index in indices {
            let opened = opener.open_rtp(&mut sealed(&mut sealer, index, SSRC));
            assert_eq!(opened, Ok((index, 19)), "{profile:?}");
        }
        // A whole turn was lost: the guess is one turn short, so the tag is wrong.
        let lost = sealed(&mut sealer, 160_000 + 65_536, SSRC);
        assert_eq!(opener.open_rtp(&mut lost.clone()), Err(Refused::Replayed));
        let lost = sealed(&mut sealer, 160_001 + 65_536, SSRC);
        assert_eq!(opener.open_rtp(&mut lost.clone()), Err(Refused::Forged));
        assert_eq!(
            opener.open_rtp(&mut sealed(&mut sealer, 160_001, SSRC)),
            Ok((160_001, 19))
        );
    }
}

#[test]
fn a_source_of_a_long_call_goes_past_every_rollover() {
    let (mut sealer, mut opener) = pair(Profile::AeadAes128Gcm, 1);
    // Beyond 2^32 the counter has come a long way; each step is less than half a turn.
    for index in (0..40 * 65_536).step_by(30_011) {
        assert_eq!(
            opener.open_rtp(&mut sealed(&mut sealer, index, SSRC)),
            Ok((index, 19))
        );
    }
}

#[test]
fn strangers_take_no_place_among_the_sources_and_members_only_so_many() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile, 1);
        let (mut stranger, _) = pair(profile, 2);
        for ssrc in 0..2 * MOST_SOURCES as u32 {
            let mut forged = sealed(&mut stranger, 1, ssrc);
            assert_eq!(opener.open_rtp(&mut forged), Err(Refused::Forged));
        }
        for ssrc in 0..MOST_SOURCES as u32 {
            assert!(opener.open_rtp(&mut sealed(&mut sealer, 1, ssrc)).is_ok());
            assert!(opener.open_rtcp(&mut sealed_rtcp(&mut sealer, ssrc)).is_ok());
        }
        let further = MOST_SOURCES as u32;
        let mut packet = sealed(&mut sealer, 1, further);
        assert_eq!(opener.open_rtp(&mut packet), Err(Refused::TooManySources));
        let mut packet = sealed_rtcp(&mut sealer, further);
        assert_eq!(opener.open_rtcp(&mut packet), Err(Refused::TooManySources));
        assert!(
            opener.open_rtp(&mut sealed(&mut sealer, 2, 0)).is_ok(),
            "known sources go on"
        );
    }
}

#[test]
fn rtcp_that_is_not_encrypted_is_refused() {
    // RFC 7714 section 17.3: authentic with the right key, but its flag is not set.
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile, 1);
        let mut packet = sealed_rtcp(&mut sealer, SSRC);
        let flag = match profile {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => packet.len() - 4,
            Profile::Aes128CmSha1_80 => packet.len() - 14,
        };
        packet[flag] &= 0x7F;
        assert_eq!(opener.open_rtcp(&mut packet), Err(Refused::Unencrypted));
    }
}

#[test]
fn a_buffer_without_room_or_an_index_beyond_the_last_is_not_sealed() {
    for profile in PROFILES {
        let (mut sealer, _) = pair(profile, 1);
        let mut packet = rtp(1, SSRC, &[5; 20]);
        let length = packet.len();
        packet.resize(length + profile.rtp_overhead() - 1, 0);
        assert_eq!(sealer.seal_rtp(&mut packet, 12, length, 1), 0);
        packet.resize(length + profile.rtcp_overhead() - 1, 0);
        assert_eq!(sealer.seal_rtcp(&mut packet, length), 0);
        packet.resize(length + profile.rtcp_overhead(), 0);
        assert_eq!(sealer.seal_rtp(&mut packet, 12, length, 1 << 48), 0);
        assert_eq!(sealer.seal_rtp(&mut packet, length + 1, length, 1), 0);
        assert_eq!(sealer.seal_rtcp(&mut packet, 7), 0);
        assert_eq!(
            sealer.seal_rtp(&mut packet, 12, length, 1),
            length + profile.rtp_overhead()
        );
    }
}

#[test]
fn neither_sealer_nor_opener_can_be_printed() {
    let (sealer, opener) = pair(Profile::Aes128CmSha1_80, 1);
    assert_eq!(format!("{sealer:?} {opener:?}"), "Sealer(***) Opener(***)");
}

#[test]
fn a_worker_may_take_sealer_and_opener_to_its_thread() {
    fn moves<T: Send>(_: T) {}
    moves(pair(Profile::AeadAes128Gcm, 1));
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_and_a_flipped_bit_is_not(
        profile in select(&PROFILES[..]),
        sequence in 0..0x8000_u16,
        ssrc: u32,
        payload in vec(any::<u8>(), 0..1200),
        flip: prop::sample::Index,
    ) {
        let (mut sealer, mut opener) = pair(profile, 1);
        let clear = rtp(sequence, ssrc, &payload);
        let mut packet = clear.clone();
        packet.resize(clear.len() + profile.rtp_overhead(), 0);
        let length = sealer.seal_rtp(&mut packet, 12, clear.len(), u64::from(sequence));
        prop_assert_eq!(length, packet.len());
        let flip = flip.index(length * 8);
        let mut broken = packet.clone();
        broken[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(opener.open_rtp(&mut broken).is_err());
        prop_assert_eq!(opener.open_rtp(&mut packet), Ok((u64::from(sequence), clear.len())));
        prop_assert_eq!(&packet[..clear.len()], &clear);
    }

    #[test]
    fn a_sealed_compound_is_opened_and_a_flipped_bit_is_not(
        profile in select(&PROFILES[..]),
        body in vec(any::<u8>(), 0..1200),
        flip: prop::sample::Index,
    ) {
        let (mut sealer, mut opener) = pair(profile, 1);
        let clear = [&[0x80, 201, 0, 1, 1, 2, 3, 4][..], &body].concat();
        let mut packet = clear.clone();
        packet.resize(clear.len() + profile.rtcp_overhead(), 0);
        let length = sealer.seal_rtcp(&mut packet, clear.len());
        prop_assert_eq!(length, packet.len());
        let flip = flip.index(length * 8);
        let mut broken = packet.clone();
        broken[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(opener.open_rtcp(&mut broken).is_err());
        prop_assert_eq!(opener.open_rtcp(&mut packet), Ok(clear.len()));
        prop_assert_eq!(&packet[..clear.len()], &clear);
    }

    #[test]
    fn any_bytes_are_refused_without_panic(profile in select(&PROFILES[..]), bytes in vec(any::<u8>(), 0..200)) {
        let (_, mut opener) = pair(profile, 1);
        prop_assert!(opener.open_rtp(&mut bytes.clone()).is_err());
        prop_assert!(opener.open_rtcp(&mut bytes.clone()).is_err());
    }
}
