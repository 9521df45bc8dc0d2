//! AES in counter mode with HMAC-SHA1, as RFC 3711 uses them: payload encrypted, then all of it authenticated.

use aws_lc_rs::{
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    hmac,
    iv::FixedLength,
};

use crate::{Refused, cipher::ENCRYPTED, header::RTCP_HEADER};

const TAG: usize = 10;
const TRAILER: usize = 4;

/// The keystream of AES in counter mode; its key schedule is made once.
pub(crate) struct Keystream {
    key: EncryptingKey,
    /// The 112-bit salt, shifted to its place.
    salt: u128,
}

impl Keystream {
    /// A keystream with a key of 16 or 32 bytes.
    #[expect(
        clippy::expect_used,
        reason = "the two lengths are those of the two algorithms"
    )]
    pub(crate) fn new(key: &[u8], salt: &[u8; 14]) -> Keystream {
        let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
        let unbound = UnboundCipherKey::new(algorithm, key).expect("a key has 16 or 32 bytes");
        let salt = salt.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        Keystream {
            key: EncryptingKey::ctr(unbound).expect("AES has a counter mode"),
            salt: salt << 16,
        }
    }

    /// Adds the keystream that begins at `start` (RFC 3711 section 4.1.1) to `bytes`: encrypts and decrypts.
    #[inline]
    pub(crate) fn apply(&self, start: u128, bytes: &mut [u8]) -> Option<()> {
        let counter = FixedLength::from((self.salt ^ start).to_be_bytes());
        let context = EncryptionContext::Iv128(counter);
        self.key.less_safe_encrypt(bytes, context).ok().map(|_| ())
    }
}

/// One keyed cipher and authenticator.
pub(crate) struct Counter {
    keystream: Keystream,
    authenticator: hmac::Key,
}

/// Where the keystream of a packet begins.
fn start(ssrc: u32, index: u64) -> u128 {
    u128::from(ssrc) << 64 | u128::from(index) << 16
}

impl Counter {
    pub(crate) fn new(key: &[u8], authentication_key: &[u8; 20], salt: &[u8; 14]) -> Counter {
        Counter {
            keystream: Keystream::new(key, salt),
            authenticator: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication_key),
        }
    }

    /// The tag over `packet`, and for RTP the rollover counter behind it.
    fn tag(&self, packet: &[u8], rollover: &[u8]) -> [u8; TAG] {
        let mut context = hmac::Context::with_key(&self.authenticator);
        context.update(packet);
        context.update(rollover);
        let mut tag = [0; TAG];
        tag.iter_mut()
            .zip(context.sign().as_ref())
            .for_each(|(into, byte)| *into = *byte);
        tag
    }

    /// Encrypts `packet[header..length]` and puts the tag behind it; `None` if it has no room.
    #[inline]
    pub(crate) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let (clear, room) = packet.split_at_mut_checked(length)?;
        let room = room.first_chunk_mut::<TAG>()?;
        self.keystream
            .apply(start(ssrc, index), clear.get_mut(header..)?)?;
        *room = self.tag(clear, &rollover(index));
        Some(length + TAG)
    }

    /// Checks and decrypts `packet[header..]`; the length without the tag.
    #[inline]
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Refused> {
        let (sealed, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(Refused::Malformed)?;
        let payload_length = sealed.len().checked_sub(header).ok_or(Refused::Malformed)?;
        self.verify(sealed, &rollover(index), tag)?;
        let payload = sealed.get_mut(header..).unwrap_or_default();
        self.keystream
            .apply(start(ssrc, index), payload)
            .ok_or(Refused::Forged)?;
        Ok(header + payload_length)
    }

    /// Encrypts a compound of `length` bytes and puts trailer and tag behind it.
    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], length: usize, ssrc: u32, index: u32) -> Option<usize> {
        let end = length + TRAILER;
        let (clear, room) = packet.split_at_mut_checked(end)?;
        let room = room.first_chunk_mut::<TAG>()?;
        let (payload, trailer) = clear.get_mut(RTCP_HEADER..)?.split_last_chunk_mut::<TRAILER>()?;
        self.keystream.apply(start(ssrc, u64::from(index)), payload)?;
        *trailer = (index | ENCRYPTED).to_be_bytes();
        *room = self.tag(clear, &[]);
        Some(end + TAG)
    }

    /// The trailer of a compound: flag and index.
    pub(crate) fn trailer(packet: &[u8]) -> Option<u32> {
        let (sealed, _) = packet.split_last_chunk::<TAG>()?;
        let (before, trailer) = sealed.split_last_chunk::<TRAILER>()?;
        (before.len() >= RTCP_HEADER).then(|| u32::from_be_bytes(*trailer))
    }

    /// Checks and decrypts a compound with this trailer; its length without trailer and tag.
    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Refused> {
        let (sealed, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(Refused::Malformed)?;
        self.verify(sealed, &[], tag)?;
        let end = sealed.len().saturating_sub(TRAILER);
        let payload = sealed.get_mut(RTCP_HEADER..end).ok_or(Refused::Malformed)?;
        let applied = self.keystream.apply(start(ssrc, u64::from(index)), payload);
        applied.map(|()| end).ok_or(Refused::Forged)
    }

    fn verify(&self, sealed: &[u8], rollover: &[u8], tag: &[u8; TAG]) -> Result<(), Refused> {
        let made = self.tag(sealed, rollover);
        verify_slices_are_equal(&made, tag).map_err(|_| Refused::Forged)
    }
}

/// The rollover counter of an index.
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keystream_is_that_of_rfc_3711_appendix_b_2() {
        let key = 0x2B7E_1516_28AE_D2A6_ABF7_1588_09CF_4F3C_u128.to_be_bytes();
        let [salt @ .., _, _] = 0xF0F1_F2F3_F4F5_F6F7_F8F9_FAFB_FCFD_0000_u128.to_be_bytes();
        let mut stream = vec![0; 0xFF02 * 16];
        Keystream::new(&key, &salt).apply(0, &mut stream).unwrap();
        for (block, expected) in [
            (0x0000, 0xE03E_AD09_35C9_5E80_E166_B16D_D92B_4EB4),
            (0x0001, 0xD235_1316_2B02_D0F7_2A43_A2FE_4A5F_97AB),
            (0x0002, 0x41E9_5B3B_B0A2_E8DD_4779_01E4_FCA8_94C0),
            (0xFEFF, 0xEC8C_DF73_9860_7CB0_F2D2_1675_EA9E_A1E4),
            (0xFF00, 0x362B_7C3C_6773_5163_18A0_77D7_FC50_73AE),
            (0xFF01, 0x6A2C_C378_7889_374F_BEB4_C81B_17BA_6C44_u128),
        ] {
            assert_eq!(
                stream[block * 16..][..16],
                expected.to_be_bytes(),
                "block {block:x}"
            );
        }
    }
}
