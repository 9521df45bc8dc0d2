//! ERROR-CODE values of STUN and TURN.

/// A three-digit code of [RFC 8489 section 14.8](https://www.rfc-editor.org/rfc/rfc8489#section-14.8) and of TURN's list
/// in [RFC 8656 section 19](https://www.rfc-editor.org/rfc/rfc8656#section-19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u16);

impl ErrorCode {
    /// Try Alternate.
    pub const TRY_ALTERNATE: ErrorCode = ErrorCode(300);
    /// Bad Request.
    pub const BAD_REQUEST: ErrorCode = ErrorCode(400);
    /// Unauthenticated.
    pub const UNAUTHENTICATED: ErrorCode = ErrorCode(401);
    /// Forbidden.
    pub const FORBIDDEN: ErrorCode = ErrorCode(403);
    /// Mobility Forbidden, RFC 8016.
    pub const MOBILITY_FORBIDDEN: ErrorCode = ErrorCode(405);
    /// Unknown Attribute.
    pub const UNKNOWN_ATTRIBUTE: ErrorCode = ErrorCode(420);
    /// Allocation Mismatch.
    pub const ALLOCATION_MISMATCH: ErrorCode = ErrorCode(437);
    /// Stale Nonce.
    pub const STALE_NONCE: ErrorCode = ErrorCode(438);
    /// Address Family not Supported.
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: ErrorCode = ErrorCode(440);
    /// Wrong Credentials.
    pub const WRONG_CREDENTIALS: ErrorCode = ErrorCode(441);
    /// Unsupported Transport Protocol.
    pub const UNSUPPORTED_TRANSPORT: ErrorCode = ErrorCode(442);
    /// Peer Address Family Mismatch.
    pub const PEER_ADDRESS_FAMILY_MISMATCH: ErrorCode = ErrorCode(443);
    /// Connection Already Exists, RFC 6062.
    pub const CONNECTION_ALREADY_EXISTS: ErrorCode = ErrorCode(446);
    /// Connection Timeout or Failure, RFC 6062.
    pub const CONNECTION_FAILED: ErrorCode = ErrorCode(447);
    /// Allocation Quota Reached.
    pub const ALLOCATION_QUOTA: ErrorCode = ErrorCode(486);
    /// Server Error.
    pub const SERVER_ERROR: ErrorCode = ErrorCode(500);
    /// Insufficient Capacity.
    pub const INSUFFICIENT_CAPACITY: ErrorCode = ErrorCode(508);

    /// The code as a number from 300 to 699; `None` outside that range.
    #[must_use]
    pub fn new(code: u16) -> Option<ErrorCode> {
        (300..700).contains(&code).then_some(ErrorCode(code))
    }

    /// The code as a number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The first four bytes of the attribute's value: two reserved, class, number.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 4] {
        let [class, number] = [self.0 / 100, self.0 % 100].map(|part| u8::try_from(part).unwrap_or(0));
        [0, 0, class, number]
    }

    /// Reads an ERROR-CODE value; the reason phrase is left aside.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<ErrorCode> {
        let [_, _, class, number, ..] = value else {
            return None;
        };
        if *number > 99 {
            None
        } else {
            ErrorCode::new(u16::from(class & 7) * 100 + u16::from(*number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_hundreds_and_rest() {
        assert_eq!(ErrorCode::STALE_NONCE.to_bytes(), [0, 0, 4, 38]);
        assert_eq!(
            ErrorCode::decode(&[0, 0, 4, 38, b'x']),
            Some(ErrorCode::STALE_NONCE)
        );
        assert_eq!(ErrorCode::decode(&[0, 0, 4, 100]), None);
        assert_eq!(ErrorCode::decode(&[0, 0, 2, 0]), None);
        assert_eq!(ErrorCode::decode(&[0, 0, 4]), None);
    }
}
