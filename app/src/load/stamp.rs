//! Payloads that look like VP8 and Opus to a server, and say at their end when they were sent.

use std::time::Duration;

/// What a stamp begins with, so that nothing else is taken for one.
const MARK: [u8; 4] = *b"load";
/// A stamp: the mark, and nanoseconds of the load's clock.
pub(super) const STAMP: usize = 12;
/// The longest that stands before the stamp.
const HEAD: usize = 14;
/// The shortest payload.
pub(super) const SHORTEST: usize = HEAD + STAMP;

/// A packet of video, as its head says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) keyframe: bool,
    pub(super) height: u16,
    /// The picture id, of which 15 bits are sent.
    pub(super) picture: u64,
    /// The first packet of the frame.
    pub(super) first: bool,
}

/// A payload of VP8 (RFC 7741, section 4.2), `length` bytes long.
pub(super) fn vp8(frame: Frame, length: usize, sent: Duration, into: &mut Vec<u8>) {
    let [high, low] = (frame.picture as u16 | 0x8000).to_be_bytes();
    into.clear();
    into.extend([if frame.first { 0x90 } else { 0x80 }, 0x80, high, low]);
    match (frame.first, frame.keyframe) {
        (true, true) => {
            into.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a]);
            into.extend((frame.height / 9 * 16).to_le_bytes());
            into.extend(frame.height.to_le_bytes());
        }
        (true, false) => into.extend([0x11, 0, 0]),
        (false, _) => {}
    }
    finish(length, sent, into);
}

/// A payload of Opus: 20 ms of one voice.
pub(super) fn opus(length: usize, sent: Duration, into: &mut Vec<u8>) {
    into.clear();
    into.push(0x78);
    finish(length, sent, into);
}

fn finish(length: usize, sent: Duration, into: &mut Vec<u8>) {
    into.resize(length.max(SHORTEST) - STAMP, 0xAB);
    into.extend(MARK);
    into.extend((sent.as_nanos() as u64).to_be_bytes());
}

/// When a payload was sent.
pub(super) fn sent(payload: &[u8]) -> Option<Duration> {
    let (_, stamp) = payload.split_last_chunk::<STAMP>()?;
    let (mark, nanoseconds) = stamp.split_first_chunk::<4>()?;
    let nanoseconds = u64::from_be_bytes(*nanoseconds.first_chunk()?);
    (*mark == MARK).then_some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_as_long_as_wanted_and_says_when_it_was_sent() {
        let (mut payload, at) = (Vec::new(), Duration::from_nanos(123_456_789_012));
        for keyframe in [true, false] {
            for first in [true, false] {
                let frame = Frame {
                    keyframe,
                    height: 720,
                    picture: 70_000,
                    first,
                };
                vp8(frame, 1200, at, &mut payload);
                assert_eq!((payload.len(), sent(&payload)), (1200, Some(at)));
                vp8(frame, 0, at, &mut payload);
                assert_eq!((payload.len(), sent(&payload)), (SHORTEST, Some(at)));
            }
        }
        opus(120, at, &mut payload);
        assert_eq!((payload.len(), sent(&payload)), (120, Some(at)));
        assert_eq!((sent(&[7; 1200]), sent(&[])), (None, None));
    }
}
