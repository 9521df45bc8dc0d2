//! The cipher of one direction and protocol, whichever the profile has.

use crate::{Profile, Refused, counter::Counter, gcm::Gcm, keys::Material};

/// The flag in an SRTCP trailer that says that the compound is encrypted.
pub(crate) const ENCRYPTED: u32 = 1 << 31;

pub(crate) enum Cipher {
    Gcm(Gcm),
    /// Keyed contexts of HMAC and AES are large.
    Counter(Box<Counter>),
}

impl Cipher {
    pub(crate) fn new(profile: Profile, material: &Material) -> Cipher {
        let key = material.key(profile);
        match profile {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => Cipher::Gcm(Gcm::new(key, &material.salt)),
            Profile::Aes128CmSha1_80 => {
                let counter = Counter::new(key, &material.authentication_key, &material.salt);
                Cipher::Counter(Box::new(counter))
            }
        }
    }

    #[inline]
    pub(crate) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        match self {
            Cipher::Gcm(gcm) => gcm.seal_rtp(packet, header, length, ssrc, index),
            Cipher::Counter(counter) => counter.seal_rtp(packet, header, length, ssrc, index),
        }
    }

    #[inline]
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Refused> {
        match self {
            Cipher::Gcm(gcm) => gcm.open_rtp(packet, header, ssrc, index),
            Cipher::Counter(counter) => counter.open_rtp(packet, header, ssrc, index),
        }
    }

    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], length: usize, ssrc: u32, index: u32) -> Option<usize> {
        match self {
            Cipher::Gcm(gcm) => gcm.seal_rtcp(packet, length, ssrc, index),
            Cipher::Counter(counter) => counter.seal_rtcp(packet, length, ssrc, index),
        }
    }

    /// Flag and index of a compound, if it is long enough to have them.
    pub(crate) fn trailer(&self, packet: &[u8]) -> Option<u32> {
        match self {
            Cipher::Gcm(_) => Gcm::trailer(packet),
            Cipher::Counter(_) => Counter::trailer(packet),
        }
    }

    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Refused> {
        match self {
            Cipher::Gcm(gcm) => gcm.open_rtcp(packet, ssrc, index),
            Cipher::Counter(counter) => counter.open_rtcp(packet, ssrc, index),
        }
    }
}
