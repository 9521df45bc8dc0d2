//! ChannelData, and where one message ends and the next begins on a stream.

use std::ops::Range;

use crate::{HEADER, Kind};

/// The size of a ChannelData header in bytes.
pub const CHANNEL_HEADER: usize = 4;

/// A ChannelData message ([RFC 8656 section 12.4](https://www.rfc-editor.org/rfc/rfc8656#section-12.4)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelData {
    /// 0x4000 to 0x7FFF.
    pub channel: u16,
    /// Where the application data lies in the bytes that were parsed.
    pub data: Range<usize>,
}

impl ChannelData {
    /// Reads a datagram. Padding after the data is allowed and ignored; a length past the end is not.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<ChannelData> {
        let [c0, c1, l0, l1] = *bytes.first_chunk::<CHANNEL_HEADER>()?;
        let channel = u16::from_be_bytes([c0, c1]);
        let end = CHANNEL_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
        let sound = (0x4000..=0x7FFF).contains(&channel) && end <= bytes.len();
        sound.then_some(ChannelData {
            channel,
            data: CHANNEL_HEADER..end,
        })
    }
}

/// The header to put before `length` bytes of application data.
#[must_use]
#[inline]
pub fn channel_header(channel: u16, length: u16) -> [u8; CHANNEL_HEADER] {
    let ([c0, c1], [l0, l1]) = (channel.to_be_bytes(), length.to_be_bytes());
    [c0, c1, l0, l1]
}

/// What the beginning of a stream's buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFrame {
    /// A whole STUN message or ChannelData: its `length` without padding, and how many bytes to `consume`.
    Whole {
        /// Bytes of the message.
        length: usize,
        /// Bytes of the message and the padding after it.
        consume: usize,
    },
    /// More bytes are needed.
    Incomplete,
    /// Neither STUN nor ChannelData: the stream has lost its framing and must be closed.
    Nonsense,
}

/// Finds the first message in a stream's bytes; on TCP and TLS ChannelData is padded to four bytes
/// ([RFC 8656 section 12.5](https://www.rfc-editor.org/rfc/rfc8656#section-12.5)).
#[must_use]
pub fn stream_frame(bytes: &[u8]) -> StreamFrame {
    let Some([_, _, l0, l1]) = bytes.first_chunk() else {
        let hopeful = matches!(Kind::of(bytes), Kind::Stun | Kind::Channel) || bytes.is_empty();
        return if hopeful {
            StreamFrame::Incomplete
        } else {
            StreamFrame::Nonsense
        };
    };
    let field = usize::from(u16::from_be_bytes([*l0, *l1]));
    let (length, consume) = match Kind::of(bytes) {
        Kind::Stun if field % 4 == 0 => (HEADER + field, HEADER + field),
        Kind::Channel => (
            CHANNEL_HEADER + field,
            (CHANNEL_HEADER + field).next_multiple_of(4),
        ),
        Kind::Stun | Kind::Zrtp | Kind::Dtls | Kind::Rtp | Kind::Other => return StreamFrame::Nonsense,
    };
    if bytes.len() < consume {
        StreamFrame::Incomplete
    } else {
        StreamFrame::Whole { length, consume }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_data_is_header_and_bytes() {
        let bytes = [0x40, 0x01, 0, 3, b'a', b'b', b'c', 0];
        assert_eq!(
            ChannelData::parse(&bytes),
            Some(ChannelData {
                channel: 0x4001,
                data: 4..7
            })
        );
        assert_eq!(channel_header(0x4001, 3), [0x40, 0x01, 0, 3]);
    }

    #[test]
    fn channel_data_that_lies_about_its_length_or_channel_is_refused() {
        for bytes in [
            &[0x40, 0x01, 0, 4, b'a', b'b', b'c'][..],
            &[0x3F, 0xFF, 0, 0],
            &[0x80, 0, 0, 0],
            &[0x40, 1, 0],
        ] {
            assert_eq!(ChannelData::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_stream_is_cut_into_messages_and_their_padding() {
        let check = |bytes: &[u8], expected| assert_eq!(stream_frame(bytes), expected, "{bytes:?}");
        check(&[], StreamFrame::Incomplete);
        check(&[0x40], StreamFrame::Incomplete);
        check(&[0x16, 3], StreamFrame::Nonsense);
        check(&[0x40, 0, 0, 1, 9], StreamFrame::Incomplete);
        check(
            &[0x40, 0, 0, 1, 9, 0, 0, 0, 7],
            StreamFrame::Whole {
                length: 5,
                consume: 8,
            },
        );
        check(&[0, 1, 0, 3], StreamFrame::Nonsense);
        check(&[0, 1, 0, 0], StreamFrame::Incomplete);
        check(
            &[0; 20],
            StreamFrame::Whole {
                length: 20,
                consume: 20,
            },
        );
    }
}
