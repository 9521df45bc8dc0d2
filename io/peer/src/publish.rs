//! What a publisher sends: a transport that the engine runs alone.

use std::{
    sync::Arc,
    time::{Instant, UNIX_EPOCH},
};

use str0m::{
    Event, Input, Output, Rtc,
    change::SdpOffer,
    format::Codec as EngineCodec,
    media::{Direction, KeyframeRequestKind, Mid, Rid},
    net::Receive,
    rtp::{ExtensionSerializer, ExtensionValues, RtpPacket, Ssrc},
};
use trefoil_rtp::Codec;

use trefoil_net::guarded;

use crate::{
    Engine, IceCredentials, Path, SdpRefusal, Via,
    call::BothWays,
    dtls::KeySlot,
    engine::{add_candidates, protocol, via},
    offered::{check_offer, in_the_order_of, sections},
    refusal::check_size,
};

/// A track as its m= section says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishedMedia {
    /// The m= section.
    pub mid: String,
    /// How it will be coded, unless its packets say otherwise.
    pub codec: Codec,
    /// The ids of its encodings, in the order of the description; empty without simulcast.
    pub rids: Vec<String>,
    /// Whether anything is sent now.
    pub sending: bool,
}

/// A packet of a publisher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishedPacket {
    /// The number of the m= section's media, as in [`PublishTransport::media`].
    pub media: u8,
    /// Which encoding, as in [`PublishedMedia::rids`].
    pub encoding: u8,
    /// How it is coded.
    pub codec: Codec,
    /// The sequence number, extended.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload.
    pub payload: Arc<[u8]>,
    /// The dependency descriptor; empty if there is none.
    pub descriptor: Arc<[u8]>,
    /// Voice and level (RFC 6464).
    pub level: Option<u8>,
    /// How the picture is turned.
    pub orientation: Option<u8>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Published {
    /// A datagram to send.
    Datagram {
        /// Where.
        path: Path,
        /// What.
        bytes: Vec<u8>,
    },
    /// ICE and DTLS are done.
    Connected,
    /// The other side closed it, or cannot be reached.
    Closed,
    /// A packet.
    Packet(Box<PublishedPacket>),
    /// A sender report: its clock was at so many microseconds when the encoding was at this timestamp.
    Report {
        /// Of which media.
        media: u8,
        /// Which encoding.
        encoding: u8,
        /// Since 1970, by the publisher's clock.
        microseconds: u64,
        /// The RTP timestamp then.
        timestamp: u32,
    },
}

/// The transport of a publisher.
pub struct PublishTransport {
    pub(crate) rtc: Rtc,
    credentials: IceCredentials,
    pub(crate) media: Vec<(Mid, PublishedMedia)>,
    /// Which source is which media and encoding: at most one for each.
    sources: Vec<(Ssrc, (u8, u8))>,
    /// By payload type.
    codecs: [Option<Codec>; 128],
    due: Instant,
    connected: bool,
    pub(crate) broken: bool,
    pub(crate) both_ways: Option<Box<BothWays>>,
}

impl std::fmt::Debug for PublishTransport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PublishTransport({:?})", self.credentials)
    }
}

/// Tracks of one transport.
const MEDIA: usize = 32;

impl PublishTransport {
    /// A transport that waits for an offer; `addresses` are where it can be reached.
    #[must_use]
    pub fn new(
        engine: &Engine,
        credentials: IceCredentials,
        addresses: &[(Via, std::net::SocketAddr)],
        now: Instant,
    ) -> Self {
        Self::with_keys(engine, credentials, addresses, now).0
    }

    /// The same, and where the keys of its handshake appear.
    pub(crate) fn with_keys(
        engine: &Engine,
        credentials: IceCredentials,
        addresses: &[(Via, std::net::SocketAddr)],
        now: Instant,
    ) -> (Self, KeySlot) {
        let (mut rtc, keys) = engine.receiving(&credentials, now);
        add_candidates(&mut rtc, addresses);
        let transport = Self {
            rtc,
            credentials,
            media: Vec::new(),
            sources: Vec::new(),
            codecs: [None; 128],
            due: now,
            connected: false,
            broken: false,
            both_ways: None,
        };
        (transport, keys)
    }

    /// Its user fragment.
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.credentials.fragment
    }

    /// Takes an offer; the answer.
    ///
    /// # Errors
    /// [`SdpRefusal`] if it cannot be used.
    pub fn accept(&mut self, offer: &str) -> Result<String, SdpRefusal> {
        check_size(offer)?;
        check_offer(offer)?;
        if self.broken {
            return Err(SdpRefusal::Closed);
        }
        let rtc = &mut self.rtc;
        let answered = guarded(|| {
            let offer =
                SdpOffer::from_sdp_string(offer).map_err(|error| SdpRefusal::unusable(error.to_string()))?;
            let answer = rtc.sdp_api().accept_offer(offer);
            answer.map_err(|error| SdpRefusal::unusable(error.to_string()))
        });
        let Some(answered) = answered else {
            self.broken = true;
            return Err(SdpRefusal::Closed);
        };
        let answer = in_the_order_of(offer, &answered?.to_sdp_string());
        self.learn(offer);
        Ok(self.keep_credentials(answer))
    }

    /// After an ICE restart by the client the engine has made up credentials that name no worker: ours take their place.
    fn keep_credentials(&mut self, answer: String) -> String {
        let mut api = self.rtc.direct_api();
        let made = api.local_ice_credentials();
        if made.ufrag == self.credentials.fragment {
            return answer;
        }
        let worker = IceCredentials::worker_of(self.credentials.fragment.as_bytes()).unwrap_or(0);
        let Ok(ours) = IceCredentials::random(worker) else {
            return answer;
        };
        api.set_local_ice_credentials(ours.to_engine());
        self.credentials = ours;
        // They stand in attributes of their own, and the fragment in each candidate.
        let answer = answer.replace(&made.ufrag, &self.credentials.fragment);
        answer.replace(&made.pass, &self.credentials.password)
    }

    /// Reads from the engine what was agreed.
    pub(crate) fn learn(&mut self, offer: &str) {
        for params in self.rtc.codec_config().params() {
            let codec = codec_of(params.spec().codec);
            if let Some(slot) = self.codecs.get_mut(usize::from(*params.pt())) {
                *slot = codec;
            }
            let red = params
                .red()
                .and_then(|red| self.codecs.get_mut(usize::from(*red)));
            if let Some(slot) = red {
                *slot = Some(Codec::Red);
            }
        }
        for section in sections(offer) {
            let Some(media) = self.rtc.media(Mid::from(section.mid)) else {
                continue;
            };
            let first = media
                .remote_pts()
                .iter()
                .find_map(|pt| *self.codecs.get(usize::from(**pt))?);
            let Some(codec) = first else { continue };
            let described = PublishedMedia {
                mid: section.mid.to_owned(),
                codec,
                rids: section.rids,
                sending: matches!(media.direction(), Direction::RecvOnly | Direction::SendRecv),
            };
            let mid = media.mid();
            if let Some((_, known)) = self.media.iter_mut().find(|(known, _)| *known == mid) {
                *known = described;
            } else if self.media.len() < MEDIA {
                self.media.push((mid, described));
            }
        }
    }

    /// What is published, as the last offer said.
    pub fn media(&self) -> impl ExactSizeIterator<Item = &PublishedMedia> {
        self.media.iter().map(|(_, media)| media)
    }

    /// A datagram came. Afterwards everything must be polled.
    pub fn receive(&mut self, path: Path, bytes: &[u8], now: Instant) {
        let protocol = protocol(path.via);
        let rtc = &mut self.rtc;
        let done = guarded(|| match Receive::new(protocol, path.remote, path.local, bytes) {
            Ok(receive) => rtc.handle_input(Input::Receive(now, receive)),
            // Nonsense is dropped.
            Err(_) => Ok(()),
        });
        self.broken |= done.is_none_or(|done| done.is_err());
    }

    /// Time has passed. Afterwards everything must be polled.
    pub fn handle_timeout(&mut self, now: Instant) {
        let rtc = &mut self.rtc;
        let done = guarded(|| rtc.handle_input(Input::Timeout(now)));
        self.broken |= done.is_none_or(|done| done.is_err());
    }

    /// When [`PublishTransport::handle_timeout`] wants to be called; known once everything was polled.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// What came of it, until there is no more.
    pub fn poll(&mut self) -> Option<Published> {
        while !self.broken {
            let rtc = &mut self.rtc;
            match guarded(|| rtc.poll_output()) {
                Some(Ok(Output::Timeout(due))) => {
                    self.due = due;
                    return None;
                }
                Some(Ok(Output::Transmit(transmit))) => {
                    let bytes = transmit.contents.to_vec();
                    let path = Path {
                        via: via(transmit.proto),
                        remote: transmit.destination,
                        local: transmit.source,
                    };
                    let both_ways = self.both_ways.as_mut();
                    if both_ways.is_none_or(|both_ways| both_ways.lets_out(path, &bytes)) {
                        return Some(Published::Datagram { path, bytes });
                    }
                }
                Some(Ok(Output::Event(event))) => {
                    if let Some(published) = self.event(event) {
                        return Some(published);
                    }
                }
                Some(Err(_)) | None => {
                    self.broken = true;
                    return Some(Published::Closed);
                }
            }
        }
        None
    }

    /// Whether ICE and DTLS were ever done.
    #[must_use]
    pub const fn was_connected(&self) -> bool {
        self.connected
    }

    /// Whether it can be used no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.broken || !self.rtc.is_alive()
    }

    fn event(&mut self, event: Event) -> Option<Published> {
        match event {
            Event::Connected => {
                self.connected = true;
                Some(Published::Connected)
            }
            Event::Closed => Some(Published::Closed),
            Event::RtpPacket(packet) => self.packet(packet).map(Published::Packet),
            Event::SenderFeedback(report) => {
                let (media, encoding) = self.place(report.mid, report.rid)?;
                let since = report.sender_info.ntp_time.duration_since(UNIX_EPOCH);
                Some(Published::Report {
                    media,
                    encoding,
                    microseconds: u64::try_from(since.unwrap_or_default().as_micros()).ok()?,
                    timestamp: report.sender_info.rtp_time.numer() as u32,
                })
            }
            _ => None,
        }
    }

    fn place(&self, mid: Mid, rid: Option<Rid>) -> Option<(u8, u8)> {
        let (index, (_, media)) = (0_u8..).zip(&self.media).find(|(_, (known, _))| *known == mid)?;
        let encoding = match rid {
            Some(rid) => {
                let name: &str = &rid;
                media.rids.iter().position(|known| known == name)?
            }
            None => 0,
        };
        Some((index, u8::try_from(encoding).ok()?))
    }

    /// Which media and encoding a source belongs to; the engine has learnt it from the description or from the packets.
    fn place_of(&mut self, source: Ssrc) -> Option<(u8, u8)> {
        if let Some((_, place)) = self.sources.iter().find(|(known, _)| *known == source) {
            return Some(*place);
        }
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&source)?;
        let (mid, rid) = (stream.mid(), stream.rid());
        let place = self.place(mid, rid)?;
        // A source that takes the place of another is what is sent there now.
        self.sources.retain(|(_, other)| *other != place);
        self.sources.push((source, place));
        Some(place)
    }

    fn packet(&mut self, packet: RtpPacket) -> Option<Box<PublishedPacket>> {
        let (media, encoding) = self.place_of(packet.header.ssrc)?;
        let stream_values = &packet.header.ext_vals;
        let codec = (*self.codecs.get(usize::from(*packet.header.payload_type))?)?;
        let voice = stream_values.voice_activity.unwrap_or(false);
        let level = stream_values
            .audio_level
            .map(|level| level.unsigned_abs().min(127) | if voice { 0x80 } else { 0 });
        let descriptor = stream_values.user_values.get::<Descriptor>();
        Some(Box::new(PublishedPacket {
            media,
            encoding,
            codec,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            descriptor: descriptor.map_or_else(|| Arc::from(&[][..]), |descriptor| descriptor.0.clone()),
            level,
            orientation: stream_values
                .video_orientation
                .map(|orientation| orientation as u8),
            payload: packet.payload,
        }))
    }

    /// Asks the publisher for a keyframe of one encoding. Afterwards everything must be polled.
    pub fn request_keyframe(&mut self, media: u8, encoding: u8) {
        let Some((mid, described)) = self.media.get(usize::from(media)) else {
            return;
        };
        let rid = described
            .rids
            .get(usize::from(encoding))
            .map(|rid| Rid::from(rid.as_str()));
        let (mid, rtc) = (*mid, &mut self.rtc);
        let done = guarded(|| {
            let mut api = rtc.direct_api();
            if let Some(stream) = api.stream_rx_by_mid(mid, rid) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        });
        self.broken |= done.is_none();
    }

    /// Says goodbye. Afterwards everything must be polled.
    pub fn close(&mut self) {
        let rtc = &mut self.rtc;
        self.broken |= guarded(|| rtc.close()).is_none_or(|done| done.is_err());
    }
}

const fn codec_of(codec: EngineCodec) -> Option<Codec> {
    match codec {
        EngineCodec::Opus => Some(Codec::Opus),
        EngineCodec::PCMU => Some(Codec::Pcmu),
        EngineCodec::PCMA => Some(Codec::Pcma),
        EngineCodec::G722 => Some(Codec::G722),
        EngineCodec::Vp8 => Some(Codec::Vp8),
        EngineCodec::Vp9 => Some(Codec::Vp9),
        EngineCodec::Av1 => Some(Codec::Av1),
        EngineCodec::H264 => Some(Codec::H264),
        _ => None,
    }
}

/// A dependency descriptor as it came.
struct Descriptor(Arc<[u8]>);

/// Takes the dependency descriptor as the bytes that it is.
#[derive(Debug)]
pub(crate) struct RawDescriptor;

impl ExtensionSerializer for RawDescriptor {
    fn write_to(&self, _buffer: &mut [u8], _values: &ExtensionValues) -> usize {
        0
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Descriptor(Arc::from(bytes)));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }
}
