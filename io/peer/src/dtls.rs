//! DTLS for the engine: one configuration for all handshakes, and the SRTP keys of each.
//!
//! The engine's own provider checks the whole cryptographic configuration anew for each connection, which costs five
//! times the handshake. And it keeps the keys, which our plane needs.

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use str0m::crypto::{
    CryptoError,
    dtls::{
        DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
        SrtpProfile,
    },
};
use trefoil_srtp::{Keys, Profile, SessionKeys};

/// What SRTP needs, once the handshake is done: our keys, then theirs.
pub(crate) struct Handshake {
    pub(crate) outbound: SessionKeys,
    pub(crate) inbound: SessionKeys,
}

/// Where the keys of one connection appear.
pub(crate) type KeySlot = Arc<Mutex<Option<Handshake>>>;

thread_local! {
    /// The slot of the connection that was made last on this thread: the engine makes it while it is built and has no
    /// way to hand it over.
    static LAST: RefCell<Option<KeySlot>> = const { RefCell::new(None) };
}

/// The key slot of the connection that was just made on this thread.
pub(crate) fn take_key_slot() -> KeySlot {
    LAST.take().unwrap_or_default()
}

/// The handshake's keys, if it is done and they were not taken before.
pub(crate) fn take_keys(slot: &KeySlot) -> Option<Handshake> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Makes DTLS connections of one configuration.
#[derive(Debug)]
pub(crate) struct Provider {
    config: Arc<dimpl::Config>,
}

impl Provider {
    /// # Errors
    /// If the cryptography does not pass its own checks.
    pub(crate) fn new() -> Result<Self, dimpl::Error> {
        // ICE has proved the address before the first flight, so a cookie would only cost a round trip.
        let config = dimpl::Config::builder().use_server_cookie(false).build()?;
        Ok(Self {
            config: Arc::new(config),
        })
    }
}

impl DtlsProvider for Provider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        dimpl::certificate::generate_self_signed_certificate().ok()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        _mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let keys = KeySlot::default();
        LAST.set(Some(keys.clone()));
        // 1.2, since there the server chooses the SRTP profile, and it prefers AES-GCM; in 1.3 the client's first one is
        // taken, which in browsers is the slow one.
        let dtls = dimpl::Dtls::new_12(self.config.clone(), certificate.clone(), now);
        Ok(Box::new(Instance { dtls, keys }))
    }
}

struct Instance {
    dtls: dimpl::Dtls,
    keys: KeySlot,
}

impl fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Instance")
    }
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let we_are_client = self.dtls.is_active();
        let output = self.dtls.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let keys = profile_of(*profile).and_then(|profile| {
                Keys::from_keying_material(profile, material.as_ref(), we_are_client).ok()
            });
            let handshake = keys.map(|(outbound, inbound)| Handshake { outbound, inbound });
            *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = handshake;
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

fn profile_of(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::AeadAes256Gcm),
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmSha1_80),
        _ => None,
    }
}
