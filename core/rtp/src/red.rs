//! Redundant audio (RFC 2198): a packet that carries earlier ones once more.

/// A block's header has this bit while others follow.
const MORE: u8 = 0x80;

/// The newest block, which is what the packet would be without redundancy: its payload type and its payload. `None` if
/// the headers do not fit the payload.
#[must_use]
pub fn primary(payload: &[u8]) -> Option<(u8, &[u8])> {
    let (mut rest, mut earlier) = (payload, 0_usize);
    loop {
        let (first, behind) = rest.split_first()?;
        if first & MORE == 0 {
            return Some((*first, behind.get(earlier..)?));
        }
        // 14 bits of timestamp offset, 10 bits of length.
        let ([_, length_high, length_low], behind) = behind.split_first_chunk::<3>()?;
        earlier += usize::from(u16::from_be_bytes([length_high & 3, *length_low]));
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest_block_stands_behind_the_earlier_ones() {
        let twice = [0x80 | 111, 0x0F, 0x00, 3, 111, 1, 2, 3, 7, 8];
        assert_eq!(primary(&twice), Some((111, &[7, 8][..])));
        let alone = [111, 7, 8];
        assert_eq!(primary(&alone), Some((111, &[7, 8][..])));
        assert_eq!(primary(&[111]), Some((111, &[][..])), "an empty block is a block");
    }

    #[test]
    fn headers_that_promise_more_than_there_is_are_no_packet() {
        for nonsense in [
            &[][..],
            &[0x80 | 111],
            &[0x80 | 111, 0, 0, 9, 111, 1],
            &[0x80 | 111, 0, 0, 9],
        ] {
            assert_eq!(primary(nonsense), None, "{nonsense:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = primary(&payload);
        }
    }
}
