//! A client whose words inside DTLS can be changed: what it says over SCTP is seen, kept back and added to, and packets are
//! sealed with its own keys. For tests of what members may do who mean no good.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use str0m::{
    RtcConfig,
    config::CryptoProvider,
    crypto::{
        CryptoError,
        dtls::{
            DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
        },
    },
};
use trefoil_srtp::Sealer;

use crate::dtls::{KeySlot, Provider, take_key_slot, take_keys};

/// Sealing makes a packet longer by at most so many bytes.
const OVERHEAD: usize = 64;

/// What is seen of a client's SCTP, and what is to be said besides.
#[derive(Default)]
struct Words {
    say: VecDeque<Vec<u8>>,
    said: Vec<Vec<u8>>,
    heard: Vec<Vec<u8>>,
    gagged: bool,
    keys: Option<KeySlot>,
    sealer: Option<Sealer>,
}

/// The hand on a client's words.
#[derive(Clone, Default)]
pub struct Tamper {
    words: Arc<Mutex<Words>>,
}

impl fmt::Debug for Tamper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tamper")
    }
}

impl Tamper {
    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says these bytes as one SCTP packet, when the client is polled next.
    pub fn say(&self, packet: Vec<u8>) {
        self.words().say.push_back(packet);
    }

    /// From now on the client neither says nor hears SCTP of its own, or does again.
    pub fn gag(&self, gagged: bool) {
        self.words().gagged = gagged;
    }

    /// The SCTP packets that the client itself said, first to last.
    #[must_use]
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.words().said.clone()
    }

    /// The SCTP packets that it heard since this was last asked.
    #[must_use]
    pub fn heard(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.words().heard)
    }

    /// Seals a packet of RTP, whose header is so long, in its source's first turn; `None` before the handshake is done.
    #[must_use]
    pub fn seal_rtp(&self, packet: &[u8], header_length: usize) -> Option<Vec<u8>> {
        let index = packet.get(2..).and_then(<[u8]>::first_chunk);
        let index = u16::from_be_bytes(*index?).into();
        self.seal(packet, |sealer, buffer, length| {
            sealer.seal_rtp(buffer, header_length, length, index)
        })
    }

    /// Seals a compound of RTCP; `None` before the handshake is done.
    #[must_use]
    pub fn seal_rtcp(&self, compound: &[u8]) -> Option<Vec<u8>> {
        self.seal(compound, Sealer::seal_rtcp)
    }

    fn seal(
        &self,
        packet: &[u8],
        seal: impl FnOnce(&mut Sealer, &mut [u8], usize) -> usize,
    ) -> Option<Vec<u8>> {
        let mut words = self.words();
        if words.sealer.is_none() {
            let keys = take_keys(words.keys.as_ref()?)?.outbound;
            words.sealer = Some(Sealer::new(&keys));
        }
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + OVERHEAD, 0);
        let length = seal(words.sealer.as_mut()?, &mut buffer, packet.len());
        buffer.truncate(length);
        (length > 0).then_some(buffer)
    }

    /// The configuration of such a client.
    pub(crate) fn config(&self) -> Option<RtcConfig> {
        // It lives as long as the process, as the engine wants; tests make few.
        let provider: &'static Tampered = Box::leak(Box::new(Tampered {
            inner: Provider::new().ok()?,
            tamper: self.clone(),
        }));
        let base = str0m::crypto::from_feature_flags();
        let crypto = CryptoProvider {
            dtls_provider: provider,
            ..base
        };
        Some(RtcConfig::new().set_crypto_provider(Arc::new(crypto)))
    }
}

#[derive(Debug)]
struct Tampered {
    inner: Provider,
    tamper: Tamper,
}

impl DtlsProvider for Tampered {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.inner.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = self.inner.new_dtls(certificate, now, version, mtu)?;
        self.tamper.words().keys = Some(take_key_slot());
        let tamper = self.tamper.clone();
        Ok(Box::new(Instance { inner, tamper }))
    }
}

#[derive(Debug)]
struct Instance {
    inner: Box<dyn DtlsInstance>,
    tamper: Tamper,
}

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let say = std::mem::take(&mut self.tamper.words().say);
        for packet in say {
            // What cannot be said is lost, as it may be on the way.
            drop(self.inner.send_application_data(&packet));
        }
        let output = self.inner.poll_output(buffer);
        if let DtlsOutput::ApplicationData(data) = &output {
            let mut words = self.tamper.words();
            words.heard.push(data.to_vec());
            if words.gagged {
                // News of what the client itself never said would only confuse it.
                return DtlsOutput::ApplicationData(&[]);
            }
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        let gagged = {
            let mut words = self.tamper.words();
            words.said.push(data.to_vec());
            words.gagged
        };
        if gagged {
            return Ok(data.len());
        }
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
