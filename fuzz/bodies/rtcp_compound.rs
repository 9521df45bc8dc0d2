//! What the target `rtcp_compound` does with its bytes; shared with the test that replays the corpus.

use trefoil_rtp::rtcp::{
    self, MOST_NACK_FIELDS, MOST_PACKETS, MOST_STATUSES, NackSequences, ReportBlock, Rtcp, Twcc,
};

/// Reads a compound, and writes again what could be read.
pub(crate) fn run(bytes: &[u8]) {
    let mut count = 0;
    for packet in rtcp::packets(bytes) {
        count += 1;
        if let Ok(packet) = packet {
            again(&packet);
        }
    }
    assert!(count <= MOST_PACKETS + 1);
    let _ = rtcp::cnames(bytes).count();
}

fn again(packet: &Rtcp<'_>) {
    match packet {
        Rtcp::SenderReport { ssrc, blocks, .. } | Rtcp::ReceiverReport { ssrc, blocks } => {
            let blocks: Vec<ReportBlock> = blocks.collect();
            same(
                &|out| rtcp::write_receiver_report(out, *ssrc, &blocks),
                &|read| matches!(read, Rtcp::ReceiverReport { blocks: b, .. } if b.eq(blocks.iter().copied())),
            );
        }
        Rtcp::Bye { ssrcs } => {
            let ssrcs: Vec<u32> = ssrcs.collect();
            same(
                &|out| rtcp::write_bye(out, &ssrcs),
                &|read| matches!(read, Rtcp::Bye { ssrcs: s } if s.eq(ssrcs.iter().copied())),
            );
        }
        Rtcp::Nack { seqs, .. } => nack(*seqs),
        Rtcp::Fir { sender, entries } => {
            let entries: Vec<_> = entries.collect();
            same(
                &|out| rtcp::write_fir(out, *sender, &entries),
                &|read| matches!(read, Rtcp::Fir { entries: e, .. } if e.eq(entries.iter().copied())),
            );
        }
        Rtcp::Remb { bitrate, ssrcs } => {
            let ssrcs: Vec<u32> = ssrcs.collect();
            same(
                &|out| rtcp::write_remb(out, 1, *bitrate, &ssrcs),
                &|read| matches!(read, Rtcp::Remb { bitrate: b, .. } if b == bitrate),
            );
        }
        Rtcp::Twcc(twcc) => feedback(twcc),
        Rtcp::Sdes | Rtcp::Pli { .. } | Rtcp::Other => {}
    }
}

/// What is written is read, and it is the `same`.
fn same(write: &dyn Fn(&mut [u8]) -> usize, same: &dyn Fn(&Rtcp<'_>) -> bool) {
    let mut out = vec![0; 1 << 18];
    let length = write(&mut out);
    let written = out.get(..length).unwrap_or_default();
    let read = rtcp::packets(written).next();
    assert!(read.is_some_and(|read| read.is_ok_and(|read| same(&read))));
}

/// Neighbours may share a field when they are written again, so that their order changes.
fn nack(sequences: NackSequences<'_>) {
    let sorted = |sequences: &mut dyn Iterator<Item = u16>| {
        let mut sorted: Vec<_> = sequences.collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    };
    let all: Vec<u16> = sequences.collect();
    assert!(all.len() <= MOST_NACK_FIELDS * 17);
    let expected = sorted(&mut all.iter().copied());
    same(
        &|out| rtcp::write_nack(out, 1, 2, &all),
        &|read| matches!(read, Rtcp::Nack { seqs, .. } if sorted(&mut seqs.clone()) == expected),
    );
}

/// Arrivals are the same but for turns of the reference time.
fn feedback(twcc: &Twcc<'_>) {
    const TURN: i64 = (1 << 24) * 64_000;
    let all: Vec<_> = twcc.statuses().collect();
    assert!(all.len() == usize::from(twcc.status_count()) && twcc.status_count() <= MOST_STATUSES);
    if all.is_empty() {
        return;
    }
    let turned = |(sequence, arrival): (u16, Option<i64>)| (sequence, arrival.map(|at| at.rem_euclid(TURN)));
    same(
        &|out| rtcp::write_twcc(out, 1, 2, twcc.feedback_count, &all),
        &|read| matches!(read, Rtcp::Twcc(t) if t.statuses().map(turned).eq(all.iter().copied().map(turned))),
    );
}
