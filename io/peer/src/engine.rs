//! What all transports of a process share: the certificate, the cryptography, and how ICE credentials are made.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use str0m::{
    Candidate, IceCreds, Rtc, RtcConfig,
    config::{CryptoProvider, DtlsCert},
    net::{Protocol, TcpType},
    rtp::Extension,
};

use crate::{
    Via,
    dtls::{KeySlot, Provider, take_key_slot},
    publish::RawDescriptor,
    sdp::extensions,
};

/// What all transports of a process share.
#[derive(Clone)]
pub struct Engine {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    /// As it stands in SDP.
    pub(crate) fingerprint: Arc<str>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Engine({})", self.fingerprint)
    }
}

impl Engine {
    /// A new certificate; it lives as long as the process and is never written anywhere.
    ///
    /// # Errors
    /// If the cryptography does not pass its own checks, or the system gives no randomness.
    pub fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let provider: &'static Provider = Box::leak(Box::new(Provider::new()?));
        let base = str0m::crypto::from_feature_flags();
        let crypto = Arc::new(CryptoProvider {
            dtls_provider: provider,
            ..base
        });
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .ok_or("no certificate could be made")?;
        let digest = crypto.sha256_provider.sha256(&certificate.certificate);
        let mut fingerprint = String::from("sha-256 ");
        for (index, byte) in digest.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            let _ = write!(fingerprint, "{colon}{byte:02X}");
        }
        Ok(Self {
            crypto,
            certificate,
            fingerprint: fingerprint.into(),
        })
    }

    fn config(&self, credentials: &IceCredentials) -> RtcConfig {
        RtcConfig::new()
            .set_crypto_provider(self.crypto.clone())
            .set_dtls_cert(self.certificate.clone())
            .set_local_ice_credentials(credentials.to_engine())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_sctp_max_buffered_amount(BUFFERED)
    }

    /// An engine that receives media, and where its SRTP keys appear.
    pub(crate) fn receiving(&self, credentials: &IceCredentials, now: std::time::Instant) -> (Rtc, KeySlot) {
        let config = self
            .config(credentials)
            .enable_opus(true, true)
            .enable_g722(true, false)
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            // It cannot be forwarded, so nobody should send it.
            .enable_h265(false)
            .set_extension(
                extensions::DESCRIPTOR_ID,
                Extension::with_serializer(extensions::DESCRIPTOR, RawDescriptor),
            )
            .set_rtcp_report_interval_video(Duration::from_secs(1))
            .set_rtcp_report_interval_audio(Duration::from_secs(3));
        (config.build(now), take_key_slot())
    }

    /// The engine of a client, which is not ICE-lite, and where its SRTP keys appear.
    pub(crate) fn client(&self, now: std::time::Instant) -> (Rtc, KeySlot) {
        let config = RtcConfig::new()
            .set_crypto_provider(self.crypto.clone())
            .set_dtls_cert(self.certificate.clone());
        (config.set_rtp_mode(true).build(now), take_key_slot())
    }

    /// An engine without media, and where its SRTP keys appear.
    pub(crate) fn bare(&self, credentials: &IceCredentials, now: std::time::Instant) -> (Rtc, KeySlot) {
        let rtc = self.config(credentials).clear_codecs().build(now);
        (rtc, take_key_slot())
    }
}

pub(crate) fn add_candidates(rtc: &mut Rtc, addresses: &[(Via, std::net::SocketAddr)]) {
    for (via, address) in addresses {
        let candidate = match via {
            Via::Udp => Candidate::host(*address, Protocol::Udp),
            Via::Tcp => Candidate::builder()
                .tcp()
                .host(*address)
                .tcptype(TcpType::Passive)
                .build(),
        };
        if let Ok(candidate) = candidate {
            rtc.add_local_candidate(candidate);
        }
    }
}

pub(crate) const fn protocol(via: Via) -> Protocol {
    match via {
        Via::Udp => Protocol::Udp,
        Via::Tcp => Protocol::Tcp,
    }
}

pub(crate) const fn via(protocol: Protocol) -> Via {
    match protocol {
        Protocol::Udp => Via::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Via::Tcp,
    }
}

/// What may wait in one transport's data channels, in bytes.
const BUFFERED: usize = 1024 * 1024;

/// The user fragment and password of one transport (RFC 8445, section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 16 letters and digits, of which the first two name the worker: 72 random bits.
    pub fragment: String,
    pub(crate) password: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "IceCredentials({})", self.fragment)
    }
}

impl IceCredentials {
    /// New ones, for a transport that lives on this worker.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn random(worker: u8) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 38];
        getrandom::fill(&mut bytes)?;
        let letters: String = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
            .map(|letter| char::from(*letter))
            .collect();
        let (fragment, password) = letters.split_at(14);
        Ok(Self {
            fragment: format!("{worker:02x}{fragment}"),
            password: password.to_owned(),
        })
    }

    /// The worker on which the transport of this user fragment lives; `None` if it is none of ours.
    #[must_use]
    pub fn worker_of(fragment: &[u8]) -> Option<u8> {
        let (worker, rest) = fragment.split_at_checked(2)?;
        if rest.len() != 14 {
            return None;
        }
        u8::from_str_radix(std::str::from_utf8(worker).ok()?, 16).ok()
    }

    pub(crate) fn to_engine(&self) -> IceCreds {
        IceCreds {
            ufrag: self.fragment.clone(),
            pass: self.password.clone(),
        }
    }
}

/// 32 of them, so that a random byte picks each alike.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_name_their_worker_and_are_never_the_same() {
        let one = IceCredentials::random(7).unwrap();
        let two = IceCredentials::random(7).unwrap();
        assert_ne!(one, two);
        assert_eq!(IceCredentials::worker_of(one.fragment.as_bytes()), Some(7));
        assert_eq!(IceCredentials::worker_of(b"zz"), None);
        assert_eq!(IceCredentials::worker_of(b"short"), None);
        assert!(one.password.len() >= 22 && !format!("{one:?}").contains(&one.password));
    }
}
