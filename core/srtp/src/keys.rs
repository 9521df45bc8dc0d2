//! Session keys from what DTLS exported ([RFC 5764 section 4.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.2)).

use std::fmt;

use crate::{Profile, counter::Keystream};

/// The keying material has not the length that the profile needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keying material of {got} bytes, where {needed} are needed")]
pub struct KeyingMaterial {
    /// How many bytes there are.
    pub got: usize,
    /// How many there must be.
    pub needed: usize,
}

/// Makes session keys of keying material.
#[derive(Clone, Copy, Debug)]
pub enum Keys {}

impl Keys {
    /// The keys for what we send, and for what we receive.
    ///
    /// `material` is what the DTLS exporter gave for `EXTRACTOR-dtls_srtp`: key of the client, key of the server, salt of
    /// the client, salt of the server.
    ///
    /// # Errors
    /// [`KeyingMaterial`] if its length is not [`Profile::keying_material_length`].
    pub fn from_keying_material(
        profile: Profile,
        material: &[u8],
        we_are_dtls_client: bool,
    ) -> Result<(SessionKeys, SessionKeys), KeyingMaterial> {
        let wrong = KeyingMaterial {
            got: material.len(),
            needed: profile.keying_material_length(),
        };
        if wrong.got != wrong.needed {
            return Err(wrong);
        }
        let (keys, salts) = material.split_at_checked(2 * profile.key_length()).ok_or(wrong)?;
        let (client_key, server_key) = keys.split_at_checked(profile.key_length()).ok_or(wrong)?;
        let (client_salt, server_salt) = salts.split_at_checked(profile.salt_length()).ok_or(wrong)?;
        let client = SessionKeys::derive(profile, client_key, client_salt);
        let server = SessionKeys::derive(profile, server_key, server_salt);
        Ok(if we_are_dtls_client {
            (client, server)
        } else {
            (server, client)
        })
    }
}

/// The keys of one direction. They cannot be printed.
#[derive(Clone)]
pub struct SessionKeys {
    pub(crate) profile: Profile,
    pub(crate) rtp: Material,
    pub(crate) rtcp: Material,
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(***)")
    }
}

impl SessionKeys {
    /// Derives them from a master key and salt of the profile's lengths
    /// ([RFC 3711 section 4.3.1](https://www.rfc-editor.org/rfc/rfc3711#section-4.3.1), rate 0).
    fn derive(profile: Profile, master_key: &[u8], master_salt: &[u8]) -> SessionKeys {
        // A salt of 96 bits is padded with zeros (RFC 7714 section 11).
        let mut salt = [0; 14];
        salt.iter_mut()
            .zip(master_salt)
            .for_each(|(into, byte)| *into = *byte);
        let source = Keystream::new(master_key, &salt);
        SessionKeys {
            profile,
            rtp: Material::derive(&source, 0),
            rtcp: Material::derive(&source, 3),
        }
    }

    /// Which profile they are for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

/// The keys of one direction and protocol. Each profile uses as much of them as it needs.
#[derive(Clone)]
pub(crate) struct Material {
    key: [u8; 32],
    pub(crate) authentication_key: [u8; 20],
    pub(crate) salt: [u8; 14],
}

impl Material {
    /// `label` is that of the encryption key; authentication key and salt have the next two.
    fn derive(source: &Keystream, label: u8) -> Material {
        Material {
            key: derive(source, label),
            authentication_key: derive(source, label + 1),
            salt: derive(source, label + 2),
        }
    }

    /// The encryption key.
    pub(crate) fn key(&self, profile: Profile) -> &[u8] {
        self.key.get(..profile.key_length()).unwrap_or(&self.key)
    }
}

/// As much of a label's keystream as is asked for: a shorter key is the beginning of a longer one.
#[expect(
    clippy::expect_used,
    reason = "a counter of 128 bits is what the cipher takes"
)]
fn derive<const N: usize>(source: &Keystream, label: u8) -> [u8; N] {
    let mut derived = [0; N];
    source
        .apply(u128::from(label) << 64, &mut derived)
        .expect("counter mode takes any length");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    #[test]
    fn the_keys_are_those_of_rfc_3711_appendix_b_3() {
        let master_key = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
        let master_salt = bytes("0EC675AD498AFEEBB6960B3AABE6");
        let keys = SessionKeys::derive(Profile::Aes128CmSha1_80, &master_key, &master_salt);
        assert_eq!(
            keys.rtp.key(keys.profile),
            bytes("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(keys.rtp.salt[..], bytes("30CBBC08863D8C85D49DB34A9AE1"));
        let authentication_key = bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        assert_eq!(keys.rtp.authentication_key[..], authentication_key);
    }

    #[test]
    fn each_side_seals_with_the_key_that_the_other_opens_with() {
        let profile = Profile::AeadAes256Gcm;
        let material: Vec<u8> = (0..88).collect();
        let (client_out, client_in) = Keys::from_keying_material(profile, &material, true).unwrap();
        let (server_out, server_in) = Keys::from_keying_material(profile, &material, false).unwrap();
        assert_eq!(client_out.rtp.key, server_in.rtp.key);
        assert_eq!(client_in.rtcp.salt, server_out.rtcp.salt);
        assert_ne!(client_out.rtp.key, client_in.rtp.key);
        let client = SessionKeys::derive(profile, &material[..32], &material[64..76]);
        assert_eq!(client_out.rtp.key, client.rtp.key);
        assert_eq!(client_out.rtp.salt, client.rtp.salt);
    }

    #[test]
    fn keying_material_of_another_length_is_refused() {
        let wrong = Keys::from_keying_material(Profile::AeadAes128Gcm, &[0; 60], true);
        assert_eq!(wrong.unwrap_err(), KeyingMaterial { got: 60, needed: 56 });
    }

    #[test]
    fn keys_cannot_be_printed() {
        let (keys, _) = Keys::from_keying_material(Profile::Aes128CmSha1_80, &[7; 60], true).unwrap();
        assert_eq!(format!("{keys:?}"), "SessionKeys(***)");
    }
}
