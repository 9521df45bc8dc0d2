//! What the target `rtp_packet` does with its bytes; shared with the test that replays the corpus.
//!
//! The bytes are a codec and a history of packets of one encoding: two bytes say how long a packet is, and it follows.

use trefoil_rtp::{
    Codec, DependencyReader, HeaderWriter, RtpPacket, audio_level, av1, h264, header_length, peek, rtx, vp8,
    vp9,
};

/// Reads the packets in every way, and writes and rewrites what could be read.
pub(crate) fn run(bytes: &[u8]) {
    let Some((codec, mut bytes)) = bytes.split_first() else {
        return;
    };
    let codecs = Codec::ALL.len();
    let Some(codec) = Codec::ALL.get(usize::from(*codec) % codecs) else {
        return;
    };
    let mut dependency = DependencyReader::default();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        bytes = rest;
        read(*codec, packet, &mut dependency);
    }
}

fn read(codec: Codec, bytes: &[u8], dependency: &mut DependencyReader) {
    let encrypted = RtpPacket::parse_encrypted(bytes).is_ok();
    let Ok(packet) = RtpPacket::parse(bytes) else {
        return;
    };
    assert!(encrypted && packet.header_len() + packet.payload().len() <= bytes.len());
    let _ = (
        rtx::read(packet.payload()),
        h264::units(packet.payload()).map(Iterator::count),
    );
    for (_, value) in packet.extensions() {
        let _ = audio_level::read(value);
    }
    // The first element stands for the descriptor.
    let descriptor = packet.extensions().next().map(|(_, value)| value);
    let peeked = peek(codec, packet.marker(), packet.payload(), dependency, descriptor);
    if let (Ok(_), Some(descriptor)) = (peeked, descriptor) {
        av1::rewrite_frame_number(&mut descriptor.to_vec(), 0xABCD);
    }
    rewrite(codec, &packet);
    write(&packet);
}

/// A rewritten payload is what it was but for its ids.
fn rewrite(codec: Codec, packet: &RtpPacket<'_>) {
    let mut payload = packet.payload().to_vec();
    match codec {
        Codec::Vp8 => vp8::rewrite(&mut payload, 0x1234, 5),
        Codec::Vp9 => vp9::rewrite(&mut payload, 0x1234, 5),
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Av1 | Codec::H264 => {
            return;
        }
    }
    let look = |payload: &[u8]| {
        peek(
            codec,
            packet.marker(),
            payload,
            &mut DependencyReader::default(),
            None,
        )
    };
    match (look(packet.payload()), look(&payload)) {
        (Ok(before), Ok(mut after)) => {
            assert!(matches!(after.picture_id, None | Some(0x1234 | 0x34)));
            assert!(matches!(after.tl0, None | Some(5)));
            (after.picture_id, after.tl0) = (before.picture_id, before.tl0);
            assert_eq!(before, after);
        }
        (before, after) => assert_eq!(before, after),
    }
}

/// A header that is written again says the same.
fn write(packet: &RtpPacket<'_>) {
    let csrcs: Vec<_> = packet.csrcs().collect();
    let extensions: Vec<_> = packet.extensions().collect();
    let header = HeaderWriter {
        marker: packet.marker(),
        payload_type: packet.payload_type(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
        csrcs: &csrcs,
    };
    let mut out = vec![0xFF; header_length(&extensions) + 4 * csrcs.len()];
    let length = header.write(&mut out, &extensions);
    assert_eq!(length, out.len());
    let again = RtpPacket::parse(&out);
    assert!(
        again.is_ok_and(|again| again.extensions().eq(extensions.iter().copied())
            && again.csrcs().eq(csrcs.iter().copied())
            && again.sequence() == packet.sequence()
            && again.header_len() == length)
    );
}
