//! Retransmission payloads ([RFC 4588](https://www.rfc-editor.org/rfc/rfc4588)): the original sequence number, then the
//! original payload.

use crate::Malformed;

/// The bytes before the original payload.
pub const HEADER: usize = 2;

/// The original sequence number and the original payload.
///
/// # Errors
/// [`Malformed::Short`] for a payload of 0 or 1 bytes: a probe of padding has none and carries nothing.
pub fn read(payload: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (sequence, original) = payload.split_first_chunk::<HEADER>().ok_or(Malformed::Short)?;
    Ok((u16::from_be_bytes(*sequence), original))
}

/// What stands before the original payload.
#[must_use]
pub fn write(original_sequence: u16) -> [u8; HEADER] {
    original_sequence.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retransmission_names_its_original() {
        assert_eq!(read(&[1, 2, 9, 8]), Ok((0x0102, &[9, 8][..])));
        assert_eq!(read(&write(777)), Ok((777, &[][..])));
    }

    #[test]
    fn a_payload_of_no_or_one_byte_is_no_retransmission() {
        assert_eq!(read(&[]), Err(Malformed::Short));
        assert_eq!(read(&[7]), Err(Malformed::Short));
    }
}
