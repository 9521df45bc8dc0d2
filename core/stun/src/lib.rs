//! STUN and TURN messages as bytes: RFC 8489 codec, integrity, fingerprint, ChannelData.
