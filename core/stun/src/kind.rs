//! What a datagram on a shared port is, told by its first byte.

/// The protocols that share a port, by [RFC 7983 section 7](https://www.rfc-editor.org/rfc/rfc7983#section-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 16 to 19.
    Zrtp,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 64 to 127: the channels of RFC 8656 (64 to 79) and the wider range that RFC 5766 clients use.
    Channel,
    /// First byte 128 to 191.
    Rtp,
    /// Anything else, and the empty datagram.
    Other,
}

impl Kind {
    /// The kind of a datagram or of a stream's next bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Kind {
        match bytes.first() {
            Some(0..=3) => Kind::Stun,
            Some(16..=19) => Kind::Zrtp,
            Some(20..=63) => Kind::Dtls,
            Some(64..=127) => Kind::Channel,
            Some(128..=191) => Kind::Rtp,
            Some(_) | None => Kind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_protocols_apart() {
        for (byte, kind) in [
            (0, Kind::Stun),
            (3, Kind::Stun),
            (4, Kind::Other),
            (16, Kind::Zrtp),
            (20, Kind::Dtls),
            (63, Kind::Dtls),
            (64, Kind::Channel),
            (79, Kind::Channel),
            (127, Kind::Channel),
            (128, Kind::Rtp),
            (192, Kind::Other),
        ] {
            assert_eq!(Kind::of(&[byte]), kind, "{byte}");
        }
        assert_eq!(Kind::of(&[]), Kind::Other);
    }
}
