//! RTCP: what is written is what is read, and each packet as the RFCs draw it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use proptest::{collection::vec, option, prelude::*};
use trefoil_rtp::{
    Malformed,
    rtcp::{self, ReportBlock, Rtcp},
};

fn one(bytes: &[u8]) -> Rtcp<'_> {
    let mut packets = rtcp::packets(bytes);
    let packet = packets.next().unwrap().unwrap();
    assert!(packets.next().is_none(), "one packet is one packet");
    packet
}

fn block() -> impl Strategy<Value = ReportBlock> {
    (any::<[u32; 5]>(), any::<u8>(), -0x80_0000..=0x7F_FFFF).prop_map(|(words, fraction_lost, lost)| {
        ReportBlock {
            ssrc: words[0],
            fraction_lost,
            lost,
            highest_sequence: words[1],
            jitter: words[2],
            last_sr: words[3],
            delay_since_last_sr: words[4],
        }
    })
}

/// Statuses as a receiver has them: numbers in order, arrivals in steps of 250 microseconds that fit a delta.
fn statuses() -> impl Strategy<Value = Vec<(u16, Option<i64>)>> {
    let packet = (1..40_u16, option::of(-300..3_000_i64));
    (any::<u16>(), 0..20_000_000_i64, vec(packet, 1..200)).prop_map(|(base, start, packets)| {
        let (mut sequence, mut units) = (base, start);
        let each = |(step, delta): (u16, Option<i64>)| {
            sequence = sequence.wrapping_add(step);
            let arrival = delta.map(|delta| {
                units += delta;
                units * 250
            });
            (sequence, arrival)
        };
        packets.into_iter().map(each).collect()
    })
}

proptest! {
    #[test]
    fn a_sender_report_comes_back_as_it_went(
        ssrc: u32, ntp: u64, rtp: u32, sent: u32, bytes: u32, blocks in vec(block(), 0..=31),
    ) {
        let mut out = [0; 1000];
        let length = rtcp::write_sender_report(&mut out, ssrc, ntp, rtp, sent, bytes, &blocks);
        prop_assert_eq!(length, 28 + 24 * blocks.len());
        let Rtcp::SenderReport { ssrc: s, ntp: n, rtp: r, packets, octets, blocks: b } = one(&out[..length]) else {
            panic!("no sender report");
        };
        prop_assert_eq!((s, n, r, packets, octets), (ssrc, ntp, rtp, sent, bytes));
        prop_assert_eq!(b.collect::<Vec<_>>(), blocks);
    }

    #[test]
    fn a_receiver_report_comes_back_as_it_went(ssrc: u32, blocks in vec(block(), 0..=31)) {
        let mut out = [0; 1000];
        let length = rtcp::write_receiver_report(&mut out, ssrc, &blocks);
        let Rtcp::ReceiverReport { ssrc: s, blocks: b } = one(&out[..length]) else {
            panic!("no receiver report");
        };
        prop_assert_eq!(s, ssrc);
        prop_assert_eq!(b.collect::<Vec<_>>(), blocks);
    }

    #[test]
    fn a_name_comes_back_as_it_went(ssrc: u32, name in vec(any::<u8>(), 0..=255)) {
        let mut out = [0; 300];
        let length = rtcp::write_sdes(&mut out, ssrc, &name);
        prop_assert!(matches!(one(&out[..length]), Rtcp::Sdes));
        prop_assert_eq!(rtcp::cnames(&out[..length]).collect::<Vec<_>>(), vec![(ssrc, &name[..])]);
    }

    #[test]
    fn a_nack_comes_back_as_it_went(sender: u32, media: u32, base: u16, steps in vec(1..40_u16, 1..100)) {
        let numbers = steps.iter().scan(base, |at, step| { *at = at.wrapping_add(*step); Some(*at) });
        let numbers: Vec<_> = numbers.collect();
        let mut out = [0; 1000];
        let length = rtcp::write_nack(&mut out, sender, media, &numbers);
        let Rtcp::Nack { sender: s, media: m, seqs } = one(&out[..length]) else { panic!("no nack") };
        prop_assert_eq!((s, m), (sender, media));
        prop_assert_eq!(seqs.collect::<Vec<_>>(), numbers);
    }

    #[test]
    fn requests_for_pictures_come_back_as_they_went(
        sender: u32, media: u32, entries in vec(any::<(u32, u8)>(), 0..20),
    ) {
        let mut out = [0; 300];
        let length = rtcp::write_pli(&mut out, sender, media);
        let Rtcp::Pli { sender: s, media: m } = one(&out[..length]) else { panic!("no pli") };
        prop_assert_eq!((s, m), (sender, media));
        let length = rtcp::write_fir(&mut out, sender, &entries);
        let Rtcp::Fir { sender: s, entries: e } = one(&out[..length]) else { panic!("no fir") };
        prop_assert_eq!(s, sender);
        prop_assert_eq!(e.collect::<Vec<_>>(), entries);
    }

    #[test]
    fn a_bitrate_comes_back_in_eighteen_bits(sender: u32, wanted: u64, shift in 0..64, ssrcs in vec(any::<u32>(), 0..=255)) {
        let wanted = wanted >> shift;
        let mut out = [0; 1100];
        let length = rtcp::write_remb(&mut out, sender, wanted, &ssrcs);
        let Rtcp::Remb { bitrate, ssrcs: s } = one(&out[..length]) else { panic!("no remb") };
        prop_assert!(bitrate <= wanted && wanted - bitrate <= wanted >> 17);
        prop_assert_eq!(s.collect::<Vec<_>>(), ssrcs);
    }

    #[test]
    fn a_goodbye_comes_back_as_it_went(ssrcs in vec(any::<u32>(), 0..=31)) {
        let mut out = [0; 300];
        let length = rtcp::write_bye(&mut out, &ssrcs);
        let Rtcp::Bye { ssrcs: s } = one(&out[..length]) else { panic!("no bye") };
        prop_assert_eq!(s.collect::<Vec<_>>(), ssrcs);
    }

    #[test]
    fn a_transport_feedback_comes_back_as_it_went(sender: u32, media: u32, number: u8, statuses in statuses()) {
        let mut out = vec![0; 20_000];
        let length = rtcp::write_twcc(&mut out, sender, media, number, &statuses);
        prop_assert!(length > 0);
        let Rtcp::Twcc(twcc) = one(&out[..length]) else { panic!("no twcc") };
        prop_assert_eq!((twcc.sender, twcc.media, twcc.feedback_count), (sender, media, number));
        prop_assert_eq!(twcc.base_sequence, statuses[0].0);
        let said: Vec<_> = twcc.statuses().collect();
        prop_assert_eq!(said.len(), usize::from(twcc.status_count()));
        let named = |sequence: &u16| statuses.iter().any(|(named, _)| named == sequence);
        let (named, others): (Vec<_>, Vec<_>) = said.into_iter().partition(|(sequence, _)| named(sequence));
        prop_assert_eq!(named, statuses);
        prop_assert!(others.iter().all(|(_, arrival)| arrival.is_none()));
    }

    #[test]
    fn any_bytes_are_read_in_bounded_time_without_panic(bytes in vec(any::<u8>(), 0..1500)) {
        for packet in rtcp::packets(&bytes) {
            let _ = walk(packet);
        }
        let _ = rtcp::cnames(&bytes).count();
    }
}

/// How many parts a packet has.
fn walk(packet: Result<Rtcp<'_>, Malformed>) -> usize {
    match packet {
        Ok(Rtcp::SenderReport { blocks, .. } | Rtcp::ReceiverReport { blocks, .. }) => blocks.count(),
        Ok(Rtcp::Bye { ssrcs } | Rtcp::Remb { ssrcs, .. }) => ssrcs.count(),
        Ok(Rtcp::Nack { seqs, .. }) => seqs.count(),
        Ok(Rtcp::Fir { entries, .. }) => entries.count(),
        Ok(Rtcp::Twcc(twcc)) => twcc.statuses().count(),
        Ok(Rtcp::Sdes | Rtcp::Pli { .. } | Rtcp::Other) | Err(_) => 0,
    }
}
