//! The other end of our transports: a WebRTC client without a browser, for tests and load.
//!
//! [`Client`] is the engine alone, and can do both. [`Receiver`] only receives, at a fraction of the cost.

mod arrivals;
mod kinds;
mod offered;
mod receiver;
mod reports;
mod tamper;

pub use receiver::{Arrival, Receiver, ReceiverStats};
pub use tamper::Tamper;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    format::Codec as EngineCodec,
    media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer},
    net::{Receive, TcpType},
    rtp::{ExtensionValues, RtpWrite, SeqNo},
};

use crate::{
    Path, SdpRefusal, Via,
    engine::{protocol, via},
};

pub(crate) fn read_offer(sdp: &str) {
    drop(offered::Offered::parse(sdp));
}

/// What a client heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A datagram to send.
    Datagram {
        /// Where.
        path: Path,
        /// What.
        bytes: Vec<u8>,
    },
    /// ICE and DTLS are done.
    Connected,
    /// It is over.
    Closed,
    /// A packet of media.
    Packet {
        /// In which m= section.
        mid: String,
        /// The sequence number, extended.
        sequence: u64,
        /// The RTP timestamp.
        timestamp: u32,
        /// The marker bit.
        marker: bool,
        /// The payload.
        payload: Arc<[u8]>,
    },
    /// The server wants a keyframe of this m= section and encoding.
    KeyframeWanted {
        /// The m= section.
        mid: String,
        /// The encoding.
        rid: Option<String>,
    },
    /// Something came over a data channel: 0 is the reliable one, 1 the lossy one.
    Data {
        /// Which.
        channel: u16,
        /// What.
        data: Vec<u8>,
    },
}

/// A packet to send.
#[derive(Clone, Copy, Debug)]
pub struct Media<'a> {
    /// The sequence number, extended.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
    /// How loud it is, in dBov, for audio.
    pub level: Option<i8>,
}

/// A WebRTC client: it offers what it publishes, or answers what it is offered.
pub struct Client {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    channels: [Option<ChannelId>; 2],
    due: Instant,
    broken: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Client")
    }
}

impl Client {
    /// A client that can be reached at `local`.
    #[must_use]
    pub fn new(via: Via, local: SocketAddr, now: Instant) -> Self {
        Self::with(RtcConfig::new(), via, local, now)
    }

    /// The same, with a hand on what it says inside DTLS; `None` if the cryptography does not pass its own checks.
    #[must_use]
    pub fn tampered(via: Via, local: SocketAddr, now: Instant) -> Option<(Self, Tamper)> {
        let tamper = Tamper::default();
        let config = tamper.config()?;
        Some((Self::with(config, via, local, now), tamper))
    }

    fn with(config: RtcConfig, via: Via, local: SocketAddr, now: Instant) -> Self {
        let mut rtc = config.set_rtp_mode(true).build(now);
        let candidate = match via {
            Via::Udp => Candidate::host(local, protocol(via)),
            Via::Tcp => Candidate::builder()
                .tcp()
                .host(local)
                .tcptype(TcpType::Active)
                .build(),
        };
        if let Ok(candidate) = candidate {
            rtc.add_local_candidate(candidate);
        }
        Self {
            rtc,
            pending: None,
            channels: [None; 2],
            due: now,
            broken: false,
        }
    }

    /// Offers one m= section for each: whether it is video, and the ids of its encodings (simulcast) if there are several.
    /// Returns the offer and the m= sections' names.
    pub fn offer(&mut self, media: &[(bool, &[&str])]) -> (String, Vec<String>) {
        self.offer_as(Direction::SendOnly, media)
    }

    /// The same, to send and to receive in each.
    pub fn offer_both(&mut self, media: &[(bool, &[&str])]) -> (String, Vec<String>) {
        self.offer_as(Direction::SendRecv, media)
    }

    fn offer_as(&mut self, direction: Direction, media: &[(bool, &[&str])]) -> (String, Vec<String>) {
        let mut api = self.rtc.sdp_api();
        let mut mids = Vec::new();
        for (video, rids) in media {
            let kind = if *video {
                MediaKind::Video
            } else {
                MediaKind::Audio
            };
            let simulcast = (!rids.is_empty()).then(|| {
                let mut simulcast = Simulcast::new();
                rids.iter()
                    .for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
                simulcast
            });
            let mid = api.add_media(kind, direction, None, None, simulcast);
            mids.push(mid.to_string());
        }
        match api.apply() {
            Some((offer, pending)) => {
                self.pending = Some(pending);
                (offer.to_sdp_string(), mids)
            }
            None => (String::new(), mids),
        }
    }

    /// Offers the same once more with other ICE credentials (RFC 8445, section 9).
    pub fn restart(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let Some((offer, pending)) = api.apply() else {
            return String::new();
        };
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Takes the answer to the offer.
    ///
    /// # Errors
    /// If it is none.
    pub fn accept(&mut self, answer: &str) -> Result<(), SdpRefusal> {
        let pending = self.pending.take().ok_or(SdpRefusal::NoOffer)?;
        let unusable = |error: &dyn std::fmt::Display| SdpRefusal::unusable(error.to_string());
        let answer = SdpAnswer::from_sdp_string(answer).map_err(|error| unusable(&error))?;
        let done = self.rtc.sdp_api().accept_answer(pending, answer);
        done.map_err(|error| unusable(&error))
    }

    /// Answers an offer; the data channels 0 and 1 are there from then on, where it has data.
    ///
    /// # Errors
    /// If it is none.
    pub fn answer(&mut self, offer: &str) -> Result<String, SdpRefusal> {
        let unusable = |error: &dyn std::fmt::Display| SdpRefusal::unusable(error.to_string());
        let with_channels = offer.contains("m=application");
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| unusable(&error))?;
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| unusable(&error))?;
        if self.channels == [None; 2] && with_channels {
            let mut api = self.rtc.direct_api();
            self.channels = [0, 1].map(|number| {
                Some(api.create_data_channel(ChannelConfig {
                    negotiated: Some(number),
                    ordered: number == 0,
                    reliability: if number == 0 {
                        Reliability::Reliable
                    } else {
                        Reliability::MaxPacketLifetime { lifetime: 500 }
                    },
                    ..ChannelConfig::default()
                }))
            });
        }
        Ok(answer.to_sdp_string())
    }

    /// Sends a packet: VP8 if the m= section is video, else Opus, or G.711 where that is all there is. Afterwards everything must be polled.
    pub fn send(&mut self, mid: &str, rid: Option<&str>, media: Media<'_>, now: Instant) {
        let (mid, rid) = (Mid::from(mid), rid.map(Rid::from));
        let Some(kind) = self.rtc.media(mid).map(str0m::media::Media::kind) else {
            return;
        };
        let wanted: &[EngineCodec] = if kind == MediaKind::Video {
            &[EngineCodec::Vp8]
        } else {
            &[EngineCodec::Opus, EngineCodec::PCMU]
        };
        let codecs = self.rtc.codec_config();
        let params = codecs.find(|params| wanted.contains(&params.spec().codec));
        let Some(payload_type) = params.map(str0m::format::PayloadParams::pt) else {
            return;
        };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, rid) else {
            return;
        };
        let values = ExtensionValues {
            audio_level: media.level,
            voice_activity: media.level.map(|level| level > -60),
            mid: Some(mid),
            rid,
            ..ExtensionValues::default()
        };
        let packet = RtpWrite::new(
            payload_type,
            SeqNo::from(media.sequence),
            media.timestamp,
            now,
            media.payload,
        );
        stream.write_rtp(
            packet
                .marker(media.marker)
                .ext_vals(values)
                .nackable(kind == MediaKind::Video),
        );
    }

    /// Asks for a keyframe of an m= section. Afterwards everything must be polled.
    pub fn lose_picture(&mut self, mid: &str) {
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_rx_by_mid(Mid::from(mid), None) {
            stream.request_keyframe(str0m::media::KeyframeRequestKind::Pli);
        }
    }

    /// Says goodbye. Afterwards everything must be polled.
    pub fn close(&mut self) {
        self.broken |= self.rtc.close().is_err();
    }

    /// Sends over a data channel; whether there was room. Afterwards everything must be polled.
    pub fn send_data(&mut self, channel: u16, data: &[u8]) -> bool {
        let id = self.channels.get(usize::from(channel)).copied().flatten();
        id.and_then(|id| self.rtc.channel(id))
            .is_some_and(|mut channel| channel.write(true, data).unwrap_or(false))
    }

    /// A datagram came. Afterwards everything must be polled.
    pub fn receive(&mut self, path: Path, bytes: &[u8], now: Instant) {
        if let Ok(receive) = Receive::new(protocol(path.via), path.remote, path.local, bytes) {
            self.broken |= self.rtc.handle_input(Input::Receive(now, receive)).is_err();
        }
    }

    /// Time has passed. Afterwards everything must be polled.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.broken |= self.rtc.handle_input(Input::Timeout(now)).is_err();
    }

    /// When [`Client::handle_timeout`] wants to be called; known once everything was polled.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// What came of it, until there is no more.
    pub fn poll(&mut self) -> Option<Heard> {
        while !self.broken {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.due = due;
                    return None;
                }
                Ok(Output::Transmit(transmit)) => {
                    return Some(Heard::Datagram {
                        path: Path {
                            via: via(transmit.proto),
                            remote: transmit.destination,
                            local: transmit.source,
                        },
                        bytes: transmit.contents.to_vec(),
                    });
                }
                Ok(Output::Event(event)) => {
                    if let Some(heard) = self.event(event) {
                        return Some(heard);
                    }
                }
                Err(_) => {
                    self.broken = true;
                    return Some(Heard::Closed);
                }
            }
        }
        None
    }

    fn event(&mut self, event: Event) -> Option<Heard> {
        match event {
            Event::Connected => Some(Heard::Connected),
            Event::Closed | Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                Some(Heard::Closed)
            }
            Event::RtpPacket(packet) => {
                let mid = self
                    .rtc
                    .direct_api()
                    .stream_rx(&packet.header.ssrc)
                    .map(|stream| stream.mid())?;
                Some(Heard::Packet {
                    mid: mid.to_string(),
                    sequence: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload,
                })
            }
            Event::KeyframeRequest(request) => Some(Heard::KeyframeWanted {
                mid: request.mid.to_string(),
                rid: request.rid.map(|rid| rid.to_string()),
            }),
            Event::ChannelData(data) => {
                let channel = self.channels.iter().position(|id| *id == Some(data.id))?;
                Some(Heard::Data {
                    channel: u16::try_from(channel).ok()?,
                    data: data.data,
                })
            }
            _ => None,
        }
    }
}
