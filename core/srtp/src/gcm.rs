//! AES-GCM as RFC 7714 uses it: header as associated data, payload encrypted, 16 bytes of tag.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::{Refused, cipher::ENCRYPTED, header::RTCP_HEADER};

const TAG: usize = 16;
const TRAILER: usize = 4;

/// One keyed cipher; its key schedule is made once.
pub(crate) struct Gcm {
    key: LessSafeKey,
    /// The 96-bit session salt.
    salt: u128,
}

impl Gcm {
    /// A cipher with a key of 16 or 32 bytes and a salt of which the first 12 bytes count.
    #[expect(
        clippy::expect_used,
        reason = "the two lengths are those of the two algorithms"
    )]
    pub(crate) fn new(key: &[u8], salt: &[u8; 14]) -> Gcm {
        let algorithm = if key.len() == 32 {
            &AES_256_GCM
        } else {
            &AES_128_GCM
        };
        let unbound = UnboundKey::new(algorithm, key).expect("a key has 16 or 32 bytes");
        let salt = salt
            .iter()
            .take(12)
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        Gcm {
            key: LessSafeKey::new(unbound),
            salt,
        }
    }

    /// The nonce of RFC 7714 sections 8.1 and 9.1: SSRC and index of a packet, which never come twice, and the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let unique = u128::from(ssrc) << 48 | u128::from(index);
        let [_, _, _, _, nonce @ ..] = (unique ^ self.salt).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
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
        let (header, payload) = clear.split_at_mut_checked(header)?;
        let aad = Aad::from(&*header);
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), aad, payload);
        room.copy_from_slice(tag.ok()?.as_ref());
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
        let (clear, rest) = packet.split_at_mut_checked(header).ok_or(Refused::Malformed)?;
        let aad = Aad::from(&*clear);
        let opened = self.key.open_in_place(self.nonce(ssrc, index), aad, rest);
        opened
            .map(|payload| header + payload.len())
            .map_err(|_| Refused::Forged)
    }

    /// Encrypts a compound of `length` bytes and puts tag and trailer behind it.
    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], length: usize, ssrc: u32, index: u32) -> Option<usize> {
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let aad = rtcp_associated(packet, trailer)?;
        let (clear, room) = packet.split_at_mut_checked(length)?;
        let (tag_room, trailer_room) = room.get_mut(..TAG + TRAILER)?.split_at_mut_checked(TAG)?;
        let payload = clear.get_mut(RTCP_HEADER..)?;
        let nonce = self.nonce(ssrc, u64::from(index));
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), payload);
        tag_room.copy_from_slice(tag.ok()?.as_ref());
        trailer_room.copy_from_slice(&trailer);
        Some(length + TAG + TRAILER)
    }

    /// The trailer of a compound: flag and index.
    pub(crate) fn trailer(packet: &[u8]) -> Option<u32> {
        let (before, trailer) = packet.split_last_chunk::<TRAILER>()?;
        (before.len() >= RTCP_HEADER + TAG).then(|| u32::from_be_bytes(*trailer))
    }

    /// Checks and decrypts a compound with this trailer; its length without tag and trailer.
    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Refused> {
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let aad = rtcp_associated(packet, trailer).ok_or(Refused::Malformed)?;
        let end = packet.len().saturating_sub(TRAILER);
        let rest = packet.get_mut(RTCP_HEADER..end).ok_or(Refused::Malformed)?;
        let nonce = self.nonce(ssrc, u64::from(index));
        let opened = self.key.open_in_place(nonce, Aad::from(aad), rest);
        opened
            .map(|payload| RTCP_HEADER + payload.len())
            .map_err(|_| Refused::Forged)
    }
}

/// The associated data of an encrypted compound: its header and trailer.
fn rtcp_associated(packet: &[u8], trailer: [u8; TRAILER]) -> Option<[u8; RTCP_HEADER + TRAILER]> {
    let [a, b, c, d, e, f, g, h] = *packet.first_chunk::<RTCP_HEADER>()?;
    let [i, j, k, l] = trailer;
    Some([a, b, c, d, e, f, g, h, i, j, k, l])
}

#[cfg(test)]
#[path = "gcm_tests.rs"]
mod tests;
