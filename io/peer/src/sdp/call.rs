//! One connection both ways: our half of a description, written over the engine's, and what the client says it receives.

use std::{borrow::Cow, fmt::Write as _};

use trefoil_rtp::Codec;

use crate::sdp::{
    Numbers, PayloadTypes, Place, SectionAnswer,
    extensions::{self, Accepted},
    offer::CNAME,
};

/// Payload types of one m= section that are read.
const PAYLOADS: usize = 64;

/// One m= section, as it stands.
struct Section<'a> {
    /// What follows `m=`.
    media: &'a str,
    lines: Vec<&'a str>,
}

/// Which way an m= section goes, as its describer sees it.
#[derive(Clone, Copy)]
struct Direction {
    sends: bool,
    receives: bool,
}

impl Direction {
    const ALL: [(&'static str, Self); 4] = [
        ("a=sendrecv", Self::new(true, true)),
        ("a=sendonly", Self::new(true, false)),
        ("a=recvonly", Self::new(false, true)),
        ("a=inactive", Self::new(false, false)),
    ];

    const fn new(sends: bool, receives: bool) -> Self {
        Self { sends, receives }
    }

    fn of(line: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(name, _)| *name == line)?;
        Some(known.1)
    }

    fn name(self) -> &'static str {
        match (self.sends, self.receives) {
            (true, true) => "a=sendrecv",
            (true, false) => "a=sendonly",
            (false, true) => "a=recvonly",
            (false, false) => "a=inactive",
        }
    }
}

/// What stands before the first m= section, and the sections.
fn split(sdp: &str) -> (Vec<&str>, Vec<Section<'_>>) {
    let (mut head, mut sections) = (Vec::new(), Vec::<Section<'_>>::new());
    for line in sdp.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            let lines = Vec::new();
            sections.push(Section { media, lines });
        } else {
            sections
                .last_mut()
                .map_or(&mut head, |section| &mut section.lines)
                .push(line);
        }
    }
    (head, sections)
}

impl<'a> Section<'a> {
    /// Whether it is video, if it is sound or video at all.
    fn is_video(&self) -> Option<bool> {
        match self.media.split(' ').next() {
            Some("audio") => Some(false),
            Some("video") => Some(true),
            _ => None,
        }
    }

    fn is_rejected(&self) -> bool {
        self.media.split(' ').nth(1) == Some("0") && !self.lines.contains(&"a=bundle-only")
    }

    fn direction(&self) -> Option<Direction> {
        self.lines.iter().find_map(|line| Direction::of(line))
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.strip_prefix(name))
    }

    fn mid(&self) -> &'a str {
        self.values("a=mid:").next().unwrap_or_default()
    }

    /// What follows the payload type in an attribute of it.
    fn of_payload(&self, name: &'static str, number: u8) -> Option<&'a str> {
        self.values(name).find_map(|value| {
            let (stated, rest) = value.split_once(' ')?;
            (stated.parse() == Ok(number)).then_some(rest)
        })
    }

    /// The value of a parameter of a payload type's format.
    fn parameter(&self, number: u8, name: &str) -> Option<&'a str> {
        let format = self.of_payload("a=fmtp:", number)?;
        let mut parameters = format
            .split(';')
            .filter_map(|parameter| parameter.trim().split_once('='));
        Some(parameters.find(|(known, _)| known.eq_ignore_ascii_case(name))?.1)
    }

    fn codec(&self, number: u8) -> Option<Codec> {
        let map = self.of_payload("a=rtpmap:", number).unwrap_or(match number {
            0 => "PCMU/8000",
            8 => "PCMA/8000",
            9 => "G722/8000",
            _ => "",
        });
        let name = map.split('/').next().unwrap_or_default().to_ascii_lowercase();
        // Of formats that one decoder cannot all read, the one that everybody sends.
        let usual = |name, value| {
            self.parameter(number, name)
                .is_none_or(|stated| stated.trim() == value)
        };
        match name.as_str() {
            "opus" => Some(Codec::Opus),
            "pcmu" => Some(Codec::Pcmu),
            "pcma" => Some(Codec::Pcma),
            "g722" => Some(Codec::G722),
            "vp8" => Some(Codec::Vp8),
            "vp9" => usual("profile-id", "0").then_some(Codec::Vp9),
            "av1" => usual("profile", "0").then_some(Codec::Av1),
            "h264" => (self.parameter(number, "packetization-mode")? == "1").then_some(Codec::H264),
            _ => None,
        }
    }

    /// What can be sent to its describer, in their order, and under which numbers.
    fn payloads(&self, types: &mut PayloadTypes) -> Vec<Codec> {
        let numbers = || {
            let listed = self.media.split_ascii_whitespace().skip(3).take(PAYLOADS);
            listed.filter_map(|number| number.parse().ok().filter(|number| *number < 128))
        };
        let mut codecs = Vec::new();
        for number in numbers() {
            let codec = self.codec(number).filter(|codec| !codecs.contains(codec));
            let Some(codec) = codec.filter(|codec| Some(codec.is_video()) == self.is_video()) else {
                continue;
            };
            let repeats = |other: &u8| {
                let map = self.of_payload("a=rtpmap:", *other);
                map.is_some_and(|map| map.to_ascii_lowercase().starts_with("rtx/"))
                    && self
                        .parameter(*other, "apt")
                        .is_some_and(|apt| apt.trim().parse() == Ok(number))
            };
            let retransmission = numbers().find(repeats);
            types.set(
                codec,
                Numbers {
                    number,
                    retransmission,
                },
            );
            codecs.push(codec);
        }
        codecs
    }

    /// The extensions that its describer takes, where it may be sent any (RFC 8285, section 5).
    fn extensions(&self) -> Accepted {
        let mut accepted = Accepted::default();
        for extension in self.values("a=extmap:") {
            let mut words = extension.split_ascii_whitespace();
            let id = words.next().unwrap_or_default();
            let (id, goes) = id.split_once('/').unwrap_or((id, "sendrecv"));
            let ours = words.next().and_then(extensions::named);
            if let (Ok(id), Some(ours), "sendrecv" | "recvonly") = (id.parse(), ours, goes) {
                accepted.add_as(ours, id);
            }
        }
        accepted
    }
}

/// An offer in which every m= section says which way it goes; without a word it is both (RFC 8866, section 6.7).
pub(crate) fn with_directions(offer: &str) -> Cow<'_, str> {
    let (head, sections) = split(offer);
    let silent = |section: &Section<'_>| section.is_video().is_some() && section.direction().is_none();
    if !sections.iter().any(silent) {
        return Cow::Borrowed(offer);
    }
    let usual = head.iter().find_map(|line| Direction::of(line));
    let usual = usual.unwrap_or(Direction::new(true, true));
    let mut whole = String::with_capacity(offer.len() + 64);
    write_lines(&mut whole, &head);
    for section in &sections {
        let _ = write!(whole, "m={}\r\n", section.media);
        write_lines(&mut whole, &section.lines);
        if silent(section) {
            let _ = write!(whole, "{}\r\n", usual.name());
        }
    }
    Cow::Owned(whole)
}

fn write_lines(into: &mut String, lines: &[&str]) {
    for line in lines {
        let _ = write!(into, "{line}\r\n");
    }
}

/// Our description: the engine's, in which the sources of these places stand instead of its own. Sound and video are in the
/// first section of their kind that goes our way, as one stream.
pub(crate) fn with_places(engine: &str, places: &[Place]) -> String {
    let (head, sections) = split(engine);
    let mut whole = String::with_capacity(engine.len() + 512);
    for line in head {
        // One stream, and not those of the engine.
        let line = match line.starts_with("a=msid-semantic:") {
            true => "a=msid-semantic: WMS *",
            false => line,
        };
        let _ = write!(whole, "{line}\r\n");
    }
    let chosen = [false, true].map(|video| {
        let first = first(&sections, video, |direction| direction.sends);
        (first, places.iter().find(|place| place.video == video))
    });
    for (index, section) in sections.iter().enumerate() {
        let _ = write!(whole, "m={}\r\n", section.media);
        let (Some(_), Some(direction)) = (section.is_video(), section.direction()) else {
            write_lines(&mut whole, &section.lines);
            continue;
        };
        let written_anew = |line: &&str| {
            let starts = ["a=ssrc:", "a=ssrc-group:", "a=msid:"];
            Direction::of(line).is_some() || starts.iter().any(|start| line.starts_with(start))
        };
        let kept = section.lines.iter().copied().filter(|line| !written_anew(line));
        write_lines(&mut whole, &kept.collect::<Vec<_>>());
        let ours = chosen.iter().find(|(first, _)| *first == Some(index));
        let place = ours.and_then(|(_, place)| *place);
        let direction = Direction::new(place.is_some(), direction.receives);
        let _ = write!(whole, "{}\r\n", direction.name());
        if let Some(place) = place {
            write_place(&mut whole, place);
        }
    }
    whole
}

fn write_place(into: &mut String, place: &Place) {
    let Place {
        video,
        ssrc,
        retransmission,
    } = place;
    let track = if *video { "video" } else { "audio" };
    let _ = write!(into, "a=msid:{CNAME} {track}\r\n");
    if *video {
        let _ = write!(into, "a=ssrc-group:FID {ssrc} {retransmission}\r\n");
    }
    let second = video.then_some(retransmission);
    for source in [ssrc].into_iter().chain(second) {
        // Older clients read the stream's name here only.
        let _ = write!(
            into,
            "a=ssrc:{source} cname:{CNAME}\r\na=ssrc:{source} msid:{CNAME} {track}\r\n"
        );
    }
}

fn first(sections: &[Section<'_>], video: bool, goes: impl Fn(Direction) -> bool) -> Option<usize> {
    sections.iter().position(|section| {
        let direction = section.direction();
        section.is_video() == Some(video) && !section.is_rejected() && direction.is_some_and(&goes)
    })
}

/// What is sent to a client, by its first section of sound and of video in which something is.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) audio: Option<SectionAnswer>,
    pub(crate) video: Option<SectionAnswer>,
    pub(crate) payloads: PayloadTypes,
}

impl Terms {
    /// As the answer says that we have given.
    pub(crate) fn of_our_answer(ours: &str, theirs: &str) -> Self {
        let mut terms = Self::read(ours, |direction| direction.sends);
        let (_, theirs) = split(theirs);
        for answer in [&mut terms.audio, &mut terms.video].into_iter().flatten() {
            let offered = theirs.iter().find(|section| section.mid() == answer.mid);
            let taken = offered.map_or(Accepted::NONE, Section::extensions);
            answer.extensions = answer.extensions.and(taken);
            answer.packet_time = offered.and_then(packet_time);
        }
        terms
    }

    /// As the answer says that they have given.
    pub(crate) fn of_their_answer(theirs: &str) -> Self {
        Self::read(&with_directions(theirs), |direction| direction.receives)
    }

    fn read(sdp: &str, goes: impl Fn(Direction) -> bool) -> Self {
        let (_, sections) = split(sdp);
        let mut payloads = PayloadTypes::NONE;
        let [audio, video] = [false, true].map(|video| {
            let section = sections.get(first(&sections, video, &goes)?)?;
            Some(SectionAnswer {
                mid: section.mid().to_owned(),
                rejected: false,
                codecs: section.payloads(&mut payloads),
                extensions: section.extensions(),
                packet_time: packet_time(section),
            })
        });
        Self {
            audio,
            video,
            payloads,
        }
    }
}

fn packet_time(section: &Section<'_>) -> Option<u8> {
    section.values("a=ptime:").next()?.trim().parse().ok()
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
