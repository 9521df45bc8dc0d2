//! The protection profiles that DTLS can agree on.

/// An SRTP protection profile ([RFC 7714 section 14.2](https://www.rfc-editor.org/rfc/rfc7714#section-14.2),
/// [RFC 5764 section 4.1.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// SRTP_AEAD_AES_128_GCM, 0x0007.
    AeadAes128Gcm,
    /// SRTP_AEAD_AES_256_GCM, 0x0008.
    AeadAes256Gcm,
    /// SRTP_AES128_CM_HMAC_SHA1_80, 0x0001.
    Aes128CmSha1_80,
}

impl Profile {
    /// Bytes of a master key, and of an encryption key.
    #[must_use]
    pub fn key_length(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::Aes128CmSha1_80 => 16,
            Profile::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a salt.
    #[must_use]
    pub fn salt_length(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes that DTLS must export: a key and a salt for each direction.
    #[must_use]
    pub fn keying_material_length(self) -> usize {
        2 * (self.key_length() + self.salt_length())
    }

    /// Bytes by which an RTP packet grows.
    #[must_use]
    pub fn rtp_overhead(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Bytes by which an RTCP packet grows: the tag and the index.
    #[must_use]
    pub fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }

    /// The profile of this number in DTLS's use_srtp extension.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Profile> {
        match number {
            0x0001 => Some(Profile::Aes128CmSha1_80),
            0x0007 => Some(Profile::AeadAes128Gcm),
            0x0008 => Some(Profile::AeadAes256Gcm),
            _ => None,
        }
    }
}
