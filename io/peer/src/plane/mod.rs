//! What a subscriber receives: headers, SRTP, retransmissions, reports and feedback, without the engine.
//!
//! Everything here runs once for each packet and subscriber, so it allocates nothing and looks at one stream only.

mod feedback;
mod stream;

use std::time::Duration;

use trefoil_bwe::{Estimator, Micros, Sent};
use trefoil_rtp::{Codec, HeaderWriter, audio_level, av1, red, rtcp, vp8, vp9};
use trefoil_srtp::{Opener, Sealer};

pub use feedback::Feedback;
use stream::Stream;
pub use stream::StreamStats;

use crate::{
    dtls::Handshake,
    sdp::{
        Place, Taken,
        extensions::{self, Accepted},
    },
};

/// A packet as it should go out.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// How it is coded.
    pub codec: Codec,
    /// The sequence number, extended by at least one roll-over.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
    /// Picture id and TL0PICIDX (VP8, VP9), or frame number (AV1), if they must be changed.
    pub renumber: Option<(u16, u8)>,
    /// The dependency descriptor.
    pub descriptor: &'a [u8],
    /// Voice and level (RFC 6464), for audio.
    pub level: Option<u8>,
    /// How the picture is turned (3GPP TS 26.114, section 7.4.5).
    pub orientation: Option<u8>,
    /// Whose voices are mixed in it, and how loud they are (RFC 6465): CSRC and -dBov, at most 15.
    pub voices: &'a [(u32, u8)],
}

/// What IPv4 and UDP add to a datagram.
const OVERHEAD: usize = 28;
/// What every path carries in a datagram: Ethernet, less IPv6 and UDP.
const LONGEST_DATAGRAM: usize = 1500 - 40 - 8;
/// The longest dependency descriptor that is carried.
const LONGEST_DESCRIPTOR: usize = 200;
/// Retransmissions may take a quarter of what the path carries (FAULTS D21), and this much time of that at once.
const CREDIT: Duration = Duration::from_millis(1500);

/// What may be sent again before anything is known of the path, in bytes.
const FIRST_CREDIT: u64 = 32 * 1024;

/// What one subscriber receives.
pub struct Plane {
    sealer: Sealer,
    opener: Opener,
    taken: Taken,
    streams: Vec<Stream>,
    estimator: Estimator,
    /// Bytes that may yet be sent again, as of then.
    credit: (u64, Micros),
    stats: PlaneStats,
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Plane({:?})", self.stats)
    }
}

/// What went out, since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlaneStats {
    /// Packets, without those sent again.
    pub packets: u64,
    /// Bytes in datagrams, with those sent again.
    pub bytes: u64,
    /// Packets sent again.
    pub repeated: u64,
    /// Packets asked for again that were not sent: forgotten, or too many.
    pub not_repeated: u64,
    /// Datagrams that did not verify.
    pub refused: u64,
}

impl Plane {
    pub(crate) fn new(keys: &Handshake, places: &[Place], taken: Taken, estimator: Estimator) -> Self {
        Self {
            sealer: Sealer::new(&keys.outbound),
            opener: Opener::new(&keys.inbound),
            taken,
            streams: places.iter().map(Stream::new).collect(),
            estimator,
            credit: (FIRST_CREDIT, Micros::ZERO),
            stats: PlaneStats::default(),
        }
    }

    pub(crate) fn set_places(&mut self, places: &[Place], taken: Taken) {
        self.taken = taken;
        for place in places.iter().skip(self.streams.len()) {
            self.streams.push(Stream::new(place));
        }
    }

    /// What the path carries.
    #[must_use]
    pub const fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// What the path carries, to be told of demand and time.
    pub const fn estimator_mut(&mut self) -> &mut Estimator {
        &mut self.estimator
    }

    /// What went out so far.
    #[must_use]
    pub const fn stats(&self) -> &PlaneStats {
        &self.stats
    }

    /// How one stream is received, as its receiver reports.
    #[must_use]
    pub fn stream_stats(&self, place: u8) -> Option<StreamStats> {
        Some(self.streams.get(usize::from(place))?.stats)
    }

    /// Writes a packet into `out`, sealed; how long it is, or 0 if it does not fit or the place does not exist.
    #[inline]
    pub fn write(&mut self, place: u8, picture: &Picture<'_>, now: Micros, out: &mut [u8]) -> usize {
        self.write_as(place, picture, false, now, out)
    }

    /// The same once more, as a retransmission (RFC 4588). Whether it may be, [`Plane::may_repeat`] has said.
    pub fn repeat(&mut self, place: u8, picture: &Picture<'_>, now: Micros, out: &mut [u8]) -> usize {
        let length = self.write_as(place, picture, true, now, out);
        if length == 0 {
            self.stats.not_repeated += 1;
        }
        length
    }

    /// Whether so many bytes may be sent again; if so, they are counted.
    pub fn may_repeat(&mut self, bytes: usize, now: Micros) -> bool {
        let (credit, at) = self.credit;
        let quarter = self.estimator.estimate() / 32;
        let grown = quarter
            * u64::try_from(now.since(at).as_micros())
                .unwrap_or(u64::MAX)
                .min(10_000_000)
            / 1_000_000;
        let most = (quarter * CREDIT.as_millis() as u64 / 1000).max(FIRST_CREDIT / 4);
        let credit = (credit + grown).min(most.max(credit.min(FIRST_CREDIT)));
        let may = credit >= bytes as u64;
        self.credit = (if may { credit - bytes as u64 } else { credit }, now);
        may
    }

    /// Something that was asked for is not there any more.
    pub const fn cannot_repeat(&mut self) {
        self.stats.not_repeated += 1;
    }

    #[inline]
    fn write_as(
        &mut self,
        place: u8,
        picture: &Picture<'_>,
        again: bool,
        now: Micros,
        out: &mut [u8],
    ) -> usize {
        let plain = (picture.codec == Codec::Red && !self.taken.red)
            .then(|| without_redundancy(picture))
            .flatten();
        let picture = plain.as_ref().unwrap_or(picture);
        let video = picture.codec.is_video();
        let accepted = if video { self.taken.video } else { self.taken.audio };
        let Some(stream) = self.streams.get_mut(usize::from(place)) else {
            return 0;
        };
        let Some(payload_types) = self.taken.payloads.of(picture.codec) else {
            return 0;
        };
        let Some((ssrc, number, index)) = stream.numbers(payload_types, picture, again) else {
            return 0;
        };
        let body = picture.payload.len() + if again { 2 } else { 0 };
        // The transport-wide number is part of what is sealed, so the size must be known before: this is what is usual.
        let size = 12 + 16 + body + 16 + OVERHEAD;
        let kind = if again { Sent::Retransmission } else { Sent::Media };
        let transport = self.estimator.sent(size, kind, now).to_be_bytes();
        let mut kept = [0; LONGEST_DESCRIPTOR];
        let (mut sources, mut levels) = ([0; 15], [0; 15]);
        let voices = picture.voices.iter();
        sources
            .iter_mut()
            .zip(voices.clone())
            .for_each(|(into, (source, _))| *into = *source);
        let made = Made {
            transport,
            send_time: send_time(now),
            descriptor: renumbered(picture, &mut kept),
            level: [picture.level.unwrap_or(0)],
            orientation: [picture.orientation.unwrap_or(0)],
            levels: audio_level::write_mixed(voices.map(|(_, level)| *level), &mut levels),
        };
        let around = 12 + 4 * picture.voices.len().min(15) + 4 + TAG;
        let room = LONGEST_DATAGRAM.saturating_sub(around + body);
        let (extensions, used) = made.accepted(picture, accepted, room);
        let header = HeaderWriter {
            marker: picture.marker,
            payload_type: number,
            sequence: index as u16,
            timestamp: picture.timestamp,
            ssrc,
            csrcs: sources.get(..picture.voices.len()).unwrap_or(&sources),
        };
        let start = header.write(out, extensions.get(..used).unwrap_or_default());
        let original = (picture.sequence as u16).to_be_bytes();
        let Some(length) = write_body(out, start, again.then_some(original), picture) else {
            return 0;
        };
        let length = self.sealer.seal_rtp(out, start, length, index);
        if length > 0 {
            stream.note(picture, again);
            self.note(length, again);
        }
        length
    }

    #[inline]
    const fn note(&mut self, length: usize, again: bool) {
        self.stats.bytes += length as u64;
        if again {
            self.stats.repeated += 1;
        } else {
            self.stats.packets += 1;
        }
    }

    /// Writes padding on the retransmission stream of a video, for probes: how long it is, or 0 where no video was ever sent.
    pub fn pad(&mut self, probe: bool, now: Micros, out: &mut [u8]) -> usize {
        const PADDING: u8 = 224;
        let video = self.taken.video;
        let sent = |stream: &Stream| stream.codec.filter(|codec| codec.is_video());
        let found = self
            .streams
            .iter_mut()
            .find_map(|stream| Some((sent(stream)?, stream)));
        let Some((codec, stream)) = found else { return 0 };
        let Some(number) = self
            .taken
            .payloads
            .of(codec)
            .and_then(|numbers| numbers.retransmission)
        else {
            return 0;
        };
        let size = 12 + 12 + usize::from(PADDING) + 16 + OVERHEAD;
        let kind = if probe { Sent::Probe } else { Sent::Padding };
        let transport = self.estimator.sent(size, kind, now).to_be_bytes();
        stream.repeats += 1;
        let header = HeaderWriter {
            marker: false,
            payload_type: number,
            sequence: stream.repeats as u16,
            timestamp: stream.timestamp,
            ssrc: stream.retransmission,
            csrcs: &[],
        };
        let taken = video.id_of(extensions::TRANSPORT_ID);
        let extension = taken.map(|id| (id, &transport[..]));
        let start = header.write(out, extension.as_slice());
        let end = start + usize::from(PADDING);
        if let Some(first) = out.first_mut() {
            *first |= 0x20;
        }
        let Some(body) = out.get_mut(start..end) else {
            return 0;
        };
        body.fill(0);
        if let Some(last) = body.last_mut() {
            *last = PADDING;
        }
        let length = self.sealer.seal_rtp(out, start, end, stream.repeats);
        self.stats.bytes += length as u64;
        length
    }

    /// Writes a sender report for one place, sealed; `ntp` is what time it is, and `timestamp` the stream's time then.
    pub fn report(&mut self, place: u8, ntp: u64, timestamp: u32, now: Micros, out: &mut [u8]) -> usize {
        let Some(stream) = self.streams.get_mut(usize::from(place)) else {
            return 0;
        };
        if stream.packets == 0 {
            return 0;
        }
        stream.reported = Some((ntp, now));
        let length = rtcp::write_sender_report(
            out,
            stream.ssrc,
            ntp,
            timestamp,
            stream.packets,
            stream.octets,
            &[],
        );
        let rest = out.get_mut(length..).unwrap_or_default();
        let length = length + rtcp::write_sdes(rest, stream.ssrc, CNAME);
        self.sealer.seal_rtcp(out, length)
    }

    /// Opens what the subscriber says and adds what must be done about it to `feedback`; whether it was theirs.
    pub fn receive(&mut self, datagram: &mut [u8], now: Micros, feedback: &mut Vec<Feedback>) -> bool {
        let Ok(length) = self.opener.open_rtcp(datagram) else {
            self.stats.refused += 1;
            return false;
        };
        let compound = datagram.get(..length).unwrap_or_default();
        feedback::read(&mut self.streams, &mut self.estimator, compound, now, feedback);
        true
    }
}

const CNAME: &[u8] = b"trefoil";

/// The values of header extensions.
struct Made<'a> {
    transport: [u8; 2],
    send_time: [u8; 3],
    descriptor: &'a [u8],
    level: [u8; 1],
    orientation: [u8; 1],
    levels: &'a [u8],
}

impl Made<'_> {
    /// Those that the other side takes and that say something of this packet, and how many they are. What nobody needs gives
    /// way where there is no `room` for it in a datagram; the payload never does.
    #[inline]
    fn accepted(
        &self,
        picture: &Picture<'_>,
        accepted: Accepted,
        mut room: usize,
    ) -> ([(u8, &[u8]); 4], usize) {
        let video = picture.codec.is_video();
        // Only AV1 cannot do without a descriptor; the other codecs' own numbers are changed, and it would contradict them.
        let wanted = [
            (true, extensions::TRANSPORT_ID, &self.transport[..]),
            (
                picture.codec == Codec::Av1 && !self.descriptor.is_empty(),
                extensions::DESCRIPTOR_ID,
                self.descriptor,
            ),
            (true, extensions::SEND_TIME_ID, &self.send_time[..]),
            (
                video && picture.orientation.is_some(),
                extensions::ORIENTATION_ID,
                &self.orientation[..],
            ),
            (
                !video && picture.level.is_some(),
                extensions::LEVEL_ID,
                &self.level[..],
            ),
            (!self.levels.is_empty(), extensions::MIXED_LEVELS_ID, self.levels),
        ];
        let mut chosen = [(0_u8, &[][..]); 4];
        let mut used = 0;
        for (says, id, value) in wanted {
            let needed = matches!(id, extensions::TRANSPORT_ID | extensions::DESCRIPTOR_ID);
            // With the longer form's header, and what it is padded by.
            let takes = value.len() + 2 + 3;
            if says
                && let Some(id) = accepted.id_of(id)
                && (needed || takes <= room)
                && let Some(free) = chosen.get_mut(used)
            {
                *free = (id, value);
                used += 1;
                room = room.saturating_sub(takes);
            }
        }
        (chosen, used)
    }
}

/// What a packet with redundancy would be without: for those who cannot read it.
fn without_redundancy<'a>(picture: &Picture<'a>) -> Option<Picture<'a>> {
    let (_, payload) = red::primary(picture.payload)?;
    Some(Picture {
        codec: Codec::Opus,
        payload,
        ..*picture
    })
}

/// 6.18 fixed point seconds, modulo 64 s.
#[inline]
fn send_time(now: Micros) -> [u8; 3] {
    let ticks = (u128::from(now.0) << 18) / 1_000_000;
    let [.., a, b, c] = (ticks as u32).to_be_bytes();
    [a, b, c]
}

/// The dependency descriptor with the frame number that the receiver expects.
#[inline]
fn renumbered<'a>(picture: &Picture<'a>, kept: &'a mut [u8; LONGEST_DESCRIPTOR]) -> &'a [u8] {
    let Some((frame, _)) = picture.renumber.filter(|_| picture.codec == Codec::Av1) else {
        return picture.descriptor;
    };
    let Some(copy) = kept.get_mut(..picture.descriptor.len()) else {
        return &[];
    };
    copy.copy_from_slice(picture.descriptor);
    av1::rewrite_frame_number(copy, frame);
    copy
}

#[inline]
fn write_body(
    out: &mut [u8],
    start: usize,
    original: Option<[u8; 2]>,
    picture: &Picture<'_>,
) -> Option<usize> {
    let mut at = start;
    if let Some(original) = original {
        out.get_mut(at..at + 2)?.copy_from_slice(&original);
        at += 2;
    }
    let end = at + picture.payload.len();
    let body = out.get_mut(at..end)?;
    body.copy_from_slice(picture.payload);
    match (picture.codec, picture.renumber) {
        (Codec::Vp8, Some((id, tl0))) => vp8::rewrite(body, id, tl0),
        (Codec::Vp9, Some((id, tl0))) => vp9::rewrite(body, id, tl0),
        _ => {}
    }
    // The tag needs room behind.
    (start > 0 && out.len() >= end + TAG).then_some(end)
}

/// What a seal adds at most.
const TAG: usize = 16;

/// How long ago a report was, as the receiver's report about it says.
fn round_trip(reported: Option<(u64, Micros)>, last: u32, delay: u32, now: Micros) -> Option<Duration> {
    let (ntp, at) = reported?;
    if last == 0 || (ntp >> 16) as u32 != last {
        return None;
    }
    let delay = Duration::from_micros(u64::from(delay) * 1_000_000 / 65_536);
    Some(now.since(at).saturating_sub(delay))
}
