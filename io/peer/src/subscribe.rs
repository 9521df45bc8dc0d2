//! What a subscriber receives: a transport whose media is our own plane's, and the rest the engine's.

use std::{net::SocketAddr, time::Instant};

use str0m::{
    Event, Input, Output, Rtc,
    channel::{ChannelConfig, ChannelId, Reliability},
    net::Receive,
};
use trefoil_net::guarded;

use crate::{
    Engine, IceCredentials, Outbound, Path, SdpRefusal, Via,
    dtls::{KeySlot, take_keys},
    engine::{add_candidates, protocol, via},
    sdp::{Answer, Offer, PayloadTypes, SectionAnswer},
};

/// The two data channels that every subscriber has, by the numbers that both sides know (RFC 8831, section 6.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Channel {
    /// Everything arrives, in order: stream 0.
    Reliable,
    /// What is late is left out: stream 1.
    Lossy,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataSent {
    /// It is on its way.
    Sent,
    /// Too much waits already.
    NoRoom,
    /// The other side has not opened the channel yet, or never will.
    NotOpen,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subscribed {
    /// A datagram to send.
    Datagram {
        /// Where.
        path: Path,
        /// What.
        bytes: Vec<u8>,
    },
    /// ICE and DTLS are done; [`Outbound::plane`] is there.
    Connected,
    /// The other side closed it, or cannot be reached.
    Closed,
    /// Something came over a data channel.
    Data {
        /// Which.
        channel: Channel,
        /// Whether as bytes; otherwise as text.
        binary: bool,
        /// What.
        data: Vec<u8>,
    },
}

/// The transport of a subscriber.
pub struct SubscribeTransport {
    rtc: Rtc,
    keys: KeySlot,
    credentials: IceCredentials,
    fingerprint: std::sync::Arc<str>,
    addresses: Vec<(Via, SocketAddr)>,
    /// Grows with each offer.
    version: u32,
    /// So many offers wait for an answer.
    unanswered: u32,
    started: bool,
    channels: [Option<ChannelId>; 2],
    /// Both channels can be written to; they open together with the association.
    open: bool,
    due: Instant,
    broken: bool,
}

impl std::fmt::Debug for SubscribeTransport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SubscribeTransport({:?})", self.credentials)
    }
}

/// Messages that may be this old on the lossy channel, in milliseconds.
const LOSSY: u16 = 500;

impl SubscribeTransport {
    /// A transport that can be offered, without places.
    #[must_use]
    pub fn new(
        engine: &Engine,
        credentials: IceCredentials,
        addresses: &[(Via, SocketAddr)],
        now: Instant,
    ) -> Self {
        let (mut rtc, keys) = engine.bare(&credentials, now);
        add_candidates(&mut rtc, addresses);
        Self {
            rtc,
            keys,
            credentials,
            fingerprint: engine.fingerprint.clone(),
            addresses: addresses.to_vec(),
            version: 0,
            unanswered: 0,
            started: false,
            channels: [None; 2],
            open: false,
            due: now,
            broken: false,
        }
    }

    /// Its user fragment.
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.credentials.fragment
    }

    /// An offer of all places.
    #[must_use]
    pub fn offer(&mut self, outbound: &Outbound) -> String {
        self.version += 1;
        self.unanswered = self.unanswered.saturating_add(1);
        let offer = Offer {
            version: self.version,
            credentials: &self.credentials,
            fingerprint: &self.fingerprint,
            candidates: &self.addresses,
            places: outbound.places(),
        };
        offer.to_sdp()
    }

    /// An offer with new ICE credentials (RFC 8445, section 9), for a client whose network has changed.
    #[must_use]
    pub fn restart(&mut self, credentials: IceCredentials, outbound: &Outbound) -> String {
        let rtc = &mut self.rtc;
        let engine = credentials.to_engine();
        self.broken |= guarded(|| rtc.direct_api().set_local_ice_credentials(engine)).is_none();
        self.credentials = credentials;
        self.offer(outbound)
    }

    /// Takes the answer to the last offer. Afterwards everything must be polled.
    ///
    /// # Errors
    /// [`SdpRefusal`] if it cannot be used.
    pub fn answer(&mut self, sdp: &str, outbound: &mut Outbound) -> Result<(), SdpRefusal> {
        let answer = Answer::parse(sdp)?;
        // Answers come in the order of the offers; of several that crossed, the last one counts.
        self.unanswered = self.unanswered.checked_sub(1).ok_or(SdpRefusal::NoOffer)?;
        learn(&answer.sections, outbound);
        let begin = !self.started;
        self.started = true;
        let (rtc, channels) = (&mut self.rtc, &mut self.channels);
        let done = guarded(|| -> Result<(), str0m::RtcError> {
            let mut api = rtc.direct_api();
            api.set_remote_ice_credentials(answer.ice);
            if begin {
                api.set_ice_controlling(false);
                api.set_remote_fingerprint(answer.fingerprint);
                api.start_dtls(!answer.they_begin)?;
                api.start_sctp(!answer.they_begin);
                *channels = [0, 1].map(|number| Some(api.create_data_channel(channel(number))));
            }
            Ok(())
        });
        match done {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(SdpRefusal::unusable(error.to_string())),
            None => {
                self.broken = true;
                Err(SdpRefusal::Closed)
            }
        }
    }

    /// A datagram of the engine came (STUN or DTLS). Afterwards everything must be polled.
    pub fn receive(&mut self, path: Path, bytes: &[u8], now: Instant) {
        let (protocol, rtc) = (protocol(path.via), &mut self.rtc);
        let done = guarded(|| match Receive::new(protocol, path.remote, path.local, bytes) {
            Ok(receive) => rtc.handle_input(Input::Receive(now, receive)),
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

    /// When [`SubscribeTransport::handle_timeout`] wants to be called; known once everything was polled.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// What came of it, until there is no more.
    pub fn poll(&mut self, outbound: &mut Outbound) -> Option<Subscribed> {
        while !self.broken {
            let rtc = &mut self.rtc;
            match guarded(|| rtc.poll_output()) {
                Some(Ok(Output::Timeout(due))) => {
                    self.due = due;
                    return None;
                }
                Some(Ok(Output::Transmit(transmit))) => {
                    let bytes = transmit.contents.to_vec();
                    let first = bytes.first().copied().unwrap_or(0);
                    let path = Path {
                        via: via(transmit.proto),
                        remote: transmit.destination,
                        local: transmit.source,
                    };
                    if (20..64).contains(&first) {
                        // DTLS goes where ICE has decided.
                        outbound.begin_at(path);
                    }
                    // SRTP and SRTCP are the plane's alone.
                    if !(128..192).contains(&first) {
                        return Some(Subscribed::Datagram { path, bytes });
                    }
                }
                Some(Ok(Output::Event(event))) => {
                    if let Some(subscribed) = self.event(event, outbound) {
                        return Some(subscribed);
                    }
                }
                Some(Err(_)) | None => {
                    self.broken = true;
                    return Some(Subscribed::Closed);
                }
            }
        }
        None
    }

    fn event(&mut self, event: Event, outbound: &mut Outbound) -> Option<Subscribed> {
        match event {
            Event::Connected => {
                outbound.connect(&take_keys(&self.keys)?);
                Some(Subscribed::Connected)
            }
            Event::Closed => Some(Subscribed::Closed),
            Event::ChannelOpen(..) => {
                self.open = true;
                None
            }
            Event::ChannelData(data) => {
                let known = [Channel::Reliable, Channel::Lossy].into_iter().zip(self.channels);
                let (channel, _) = known.into_iter().find(|(_, id)| *id == Some(data.id))?;
                Some(Subscribed::Data {
                    channel,
                    binary: data.binary,
                    data: data.data,
                })
            }
            _ => None,
        }
    }

    /// Sends over a data channel. Afterwards everything must be polled.
    pub fn send(&mut self, channel: Channel, binary: bool, data: &[u8]) -> DataSent {
        let [reliable, lossy] = self.channels;
        let id = match channel {
            Channel::Reliable => reliable,
            Channel::Lossy => lossy,
        };
        let (Some(id), true) = (id, self.open) else {
            return DataSent::NotOpen;
        };
        let rtc = &mut self.rtc;
        let write = || {
            rtc.channel(id)
                .map(|mut channel| channel.write(binary, data).unwrap_or(false))
        };
        match guarded(write) {
            Some(Some(true)) => DataSent::Sent,
            Some(Some(false)) => DataSent::NoRoom,
            Some(None) => DataSent::NotOpen,
            None => {
                self.broken = true;
                DataSent::NotOpen
            }
        }
    }

    /// Whether it can be used no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.broken || !self.rtc.is_alive()
    }

    /// Says goodbye. Afterwards everything must be polled.
    pub fn close(&mut self) {
        let rtc = &mut self.rtc;
        self.broken |= guarded(|| rtc.close()).is_none_or(|done| done.is_err());
    }
}

/// What the client receives, by its first section of each kind that is not rejected.
fn learn(sections: &[SectionAnswer], outbound: &mut Outbound) {
    let first = |video| {
        let mut of_kind = sections.iter().filter(|section| {
            let codec = section.codecs.first();
            !section.rejected && codec.is_some_and(|codec| codec.is_video() == video)
        });
        of_kind.next()
    };
    outbound.learn(first(false), first(true), PayloadTypes::default());
}

fn channel(number: u16) -> ChannelConfig {
    let lossy = number == 1;
    ChannelConfig {
        label: if lossy { "lossy" } else { "reliable" }.to_owned(),
        ordered: !lossy,
        reliability: if lossy {
            Reliability::MaxPacketLifetime { lifetime: LOSSY }
        } else {
            Reliability::Reliable
        },
        negotiated: Some(number),
        protocol: String::new(),
    }
}
