//! Clients that are not as most are.

use std::{net::SocketAddr, time::Instant};

use str0m::{
    RtcConfig,
    format::{Codec, FormatParams},
    media::Frequency,
    rtp::{Extension, ExtensionMap},
};

use crate::{Via, client::Client};

impl Client {
    /// A client whose only codec is G.711 (mu-law).
    #[must_use]
    pub fn telephone(via: Via, local: SocketAddr, now: Instant) -> Self {
        let config = RtcConfig::new().clear_codecs().enable_pcmu(true, false);
        Self::with(config, via, local, now)
    }

    /// A client whose payload types and ids of header extensions are not those that most use.
    #[must_use]
    pub fn renumbered(via: Via, local: SocketAddr, now: Instant) -> Self {
        let mut config = RtcConfig::new().clear_codecs();
        let codecs = config.codec_config();
        let rate = Frequency::FORTY_EIGHT_KHZ;
        codecs.add_config(
            109.into(),
            None,
            Codec::Opus,
            rate,
            Some(2),
            FormatParams::default(),
        );
        let (again, rate) = (Some(124.into()), Frequency::NINETY_KHZ);
        codecs.add_config(120.into(), again, Codec::Vp8, rate, None, FormatParams::default());
        let mut extensions = ExtensionMap::empty();
        extensions.set(9, Extension::AudioLevel);
        extensions.set(6, Extension::TransportSequenceNumber);
        extensions.set(3, Extension::RtpMid);
        Self::with(config.set_extension_map(extensions), via, local, now)
    }
}
