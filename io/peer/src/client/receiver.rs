//! A client that only receives: the engine does ICE and DTLS, SRTP and reports are done here, at less than a microsecond
//! a packet whatever the number of m= sections.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, change::SdpOffer, net::Receive};
use trefoil_rtp::{RtpPacket, rtcp, rtx};
use trefoil_srtp::{Opener, Sealer};

use super::{
    Heard,
    arrivals::{Arrivals, Came},
    offered::{Offered, Source},
    reports::{Reports, near, write_lost_picture, write_missing},
};
use crate::{
    Engine, Path, SdpRefusal, Via,
    dtls::{KeySlot, take_keys},
    engine::{protocol, via},
    refusal::check_size,
};

/// A keyframe is asked for at most so often.
const PICTURE_EVERY: Duration = Duration::from_secs(1);
/// The longest compound, sealed.
const LONGEST: usize = 1280;

/// A packet of media that came for the first time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// In which m= section of audio and video, from 0.
    pub place: u16,
    /// Whether that is video.
    pub video: bool,
    /// The marker bit.
    pub marker: bool,
    /// Where the payload stands in the datagram.
    pub payload: Range<usize>,
}

/// What came, since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReceiverStats {
    /// Packets of media, each counted once.
    pub received: u64,
    /// Of these, those that came late, most of them because they were asked for.
    pub recovered: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that had come before.
    pub repeated: u64,
    /// Datagrams that did not verify, or of no known source.
    pub refused: u64,
    /// Keyframes that were asked for.
    pub pictures_lost: u64,
}

/// A WebRTC client that answers an offer and receives.
pub struct Receiver {
    rtc: Rtc,
    keys: KeySlot,
    local: SocketAddr,
    offered: Offered,
    srtp: Option<(Opener, Sealer)>,
    /// By SSRC of the media.
    streams: BTreeMap<u32, Stream>,
    reports: Reports,
    /// Something is missing in one of the streams.
    missing: bool,
    path: Option<Path>,
    waiting: VecDeque<Vec<u8>>,
    stats: ReceiverStats,
    due: Instant,
    broken: bool,
}

#[derive(Debug, Default)]
struct Stream {
    arrivals: Arrivals,
    picture_asked: Option<Instant>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Receiver({:?})", self.stats)
    }
}

impl Receiver {
    /// A client that can be reached at `local`, over UDP.
    #[must_use]
    pub fn new(engine: &Engine, local: SocketAddr, now: Instant) -> Self {
        let (mut rtc, keys) = engine.client(now);
        if let Ok(candidate) = Candidate::host(local, protocol(Via::Udp)) {
            rtc.add_local_candidate(candidate);
        }
        Self {
            rtc,
            keys,
            local,
            offered: Offered::default(),
            srtp: None,
            streams: BTreeMap::new(),
            reports: Reports::new(now),
            missing: false,
            path: None,
            waiting: VecDeque::new(),
            stats: ReceiverStats::default(),
            due: now,
            broken: false,
        }
    }

    /// Answers an offer. Afterwards everything must be polled.
    ///
    /// # Errors
    /// If it is none.
    pub fn answer(&mut self, offer: &str) -> Result<String, SdpRefusal> {
        check_size(offer)?;
        let unusable = |error: &dyn std::fmt::Display| SdpRefusal::unusable(error.to_string());
        let parsed = SdpOffer::from_sdp_string(offer).map_err(|error| unusable(&error))?;
        let answer = self.rtc.sdp_api().accept_offer(parsed);
        let answer = answer.map_err(|error| unusable(&error))?;
        self.offered = Offered::parse(offer);
        Ok(answer.to_sdp_string())
    }

    /// A datagram came: a packet of media, if it is one that had not come before. It is opened in place. Afterwards
    /// everything must be polled, at the latest when there are no more datagrams.
    pub fn receive(&mut self, from: SocketAddr, datagram: &mut [u8], now: Instant) -> Option<Arrival> {
        let path = Path {
            via: Via::Udp,
            remote: from,
            local: self.local,
        };
        match *datagram {
            [128..192, 192..224, ..] => self.receive_reports(datagram, now),
            [128..192, ..] => return self.receive_media(path, datagram, now),
            _ => {
                if let Ok(receive) = Receive::new(protocol(path.via), path.remote, path.local, datagram) {
                    self.broken |= self.rtc.handle_input(Input::Receive(now, receive)).is_err();
                }
            }
        }
        None
    }

    fn receive_media(&mut self, path: Path, datagram: &mut [u8], now: Instant) -> Option<Arrival> {
        let opened = self.srtp.as_mut()?.0.open_rtp(datagram).ok();
        let packet = opened.and_then(|(index, length)| {
            let packet = RtpPacket::parse(datagram.get(..length)?).ok()?;
            Some((index, packet, self.offered.sources.get(&packet.ssrc()).copied()))
        });
        let Some((index, packet, source)) = packet else {
            self.stats.refused += 1;
            return None;
        };
        self.path = Some(path);
        let number = self.offered.transport.and_then(|id| packet.extension(id));
        if let Some([high, low]) = number {
            self.reports.arrived(u16::from_be_bytes([*high, *low]), now);
        }
        let Some(source) = source else {
            self.stats.refused += 1;
            return None;
        };
        let start = packet.header_len();
        let payload = start..start + packet.payload().len();
        self.place(index, &packet, source, payload, now)
    }

    /// Finds out which packet of which stream this is, and whether it is wanted.
    fn place(
        &mut self,
        index: u64,
        packet: &RtpPacket<'_>,
        source: Source,
        mut payload: Range<usize>,
        now: Instant,
    ) -> Option<Arrival> {
        let (ssrc, sequence) = match source.repeats {
            None => {
                self.reports.received(packet.ssrc(), index);
                (packet.ssrc(), index)
            }
            Some(media) => {
                // An empty one only probes the path.
                let (original, _) = rtx::read(packet.payload()).ok()?;
                payload.start += rtx::HEADER;
                let highest = self.streams.get(&media)?.arrivals.highest()?;
                (media, near(highest, original))
            }
        };
        let arrivals = &mut self.streams.entry(ssrc).or_default().arrivals;
        let came = arrivals.came(sequence, now);
        self.missing |= arrivals.is_waiting();
        match came {
            Came::New => {}
            Came::Late => self.stats.recovered += 1,
            Came::Again => {
                self.stats.repeated += 1;
                return None;
            }
        }
        self.stats.received += 1;
        Some(Arrival {
            place: source.place,
            video: source.video,
            marker: packet.marker(),
            payload,
        })
    }

    fn receive_reports(&mut self, datagram: &mut [u8], now: Instant) {
        let Some((opener, _)) = &mut self.srtp else {
            return;
        };
        let Ok(length) = opener.open_rtcp(datagram) else {
            self.stats.refused += 1;
            return;
        };
        for packet in rtcp::packets(datagram.get(..length).unwrap_or_default()) {
            if let Ok(rtcp::Rtcp::SenderReport { ssrc, ntp, .. }) = packet {
                self.reports.told(ssrc, ntp, now);
            }
        }
    }

    /// Time has passed. Afterwards everything must be polled.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.due {
            self.broken |= self.rtc.handle_input(Input::Timeout(now)).is_err();
        }
        let Some((_, sealer)) = &mut self.srtp else {
            return;
        };
        let due = self.reports.take_due(now);
        let (waiting, stats) = (&mut self.waiting, &mut self.stats);
        let mut send = |compound: &[u8]| seal(sealer, compound, waiting);
        if due.look && self.missing {
            let mut ask = Vec::new();
            self.missing = false;
            for (ssrc, stream) in &mut self.streams {
                ask.clear();
                stream.arrivals.look(now, &mut ask);
                let lost = stream.arrivals.take_lost();
                stats.lost += lost;
                self.missing |= stream.arrivals.is_waiting();
                let video = self.offered.sources.get(ssrc).is_some_and(|source| source.video);
                let asked = stream.picture_asked.is_none_or(|at| now >= at + PICTURE_EVERY);
                if video && !ask.is_empty() {
                    write_missing(*ssrc, &ask, &mut send);
                }
                if video && lost > 0 && asked {
                    stream.picture_asked = Some(now);
                    stats.pictures_lost += 1;
                    write_lost_picture(*ssrc, &mut send);
                }
            }
        }
        self.reports.write(due, now, send);
    }

    /// When [`Receiver::handle_timeout`] wants to be called; known once everything was polled.
    #[must_use]
    pub fn due(&self) -> Instant {
        if self.srtp.is_none() {
            return self.due;
        }
        self.due.min(self.reports.due(self.missing))
    }

    /// What came so far.
    #[must_use]
    pub const fn stats(&self) -> ReceiverStats {
        self.stats
    }

    /// What came of it, until there is no more: datagrams, the connection and its end.
    pub fn poll(&mut self) -> Option<Heard> {
        if let (Some(path), Some(bytes)) = (self.path, self.waiting.pop_front()) {
            return Some(Heard::Datagram { path, bytes });
        }
        while !self.broken {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.due = due;
                    return None;
                }
                Ok(Output::Transmit(transmit)) => {
                    // SRTP and SRTCP are ours alone: a nonce that is used twice gives the key away.
                    if !matches!(*transmit.contents, [128..192, ..]) {
                        let path = Path {
                            via: via(transmit.proto),
                            remote: transmit.destination,
                            local: transmit.source,
                        };
                        let bytes = transmit.contents.to_vec();
                        return Some(Heard::Datagram { path, bytes });
                    }
                }
                Ok(Output::Event(Event::Connected)) => {
                    if let Some(keys) = take_keys(&self.keys) {
                        self.srtp = Some((Opener::new(&keys.inbound), Sealer::new(&keys.outbound)));
                        return Some(Heard::Connected);
                    }
                }
                Ok(Output::Event(
                    Event::Closed | Event::IceConnectionStateChange(IceConnectionState::Disconnected),
                )) => return Some(Heard::Closed),
                Ok(Output::Event(_)) => {}
                Err(_) => {
                    self.broken = true;
                    return Some(Heard::Closed);
                }
            }
        }
        None
    }
}

fn seal(sealer: &mut Sealer, compound: &[u8], waiting: &mut VecDeque<Vec<u8>>) {
    let mut bytes = vec![0; LONGEST];
    let Some(into) = bytes.get_mut(..compound.len()) else {
        return;
    };
    into.copy_from_slice(compound);
    let length = sealer.seal_rtcp(&mut bytes, compound.len());
    bytes.truncate(length);
    if length > 0 {
        waiting.push_back(bytes);
    }
}
