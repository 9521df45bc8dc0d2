//! What of an offer a receiver needs: which source is in which m= section, and where the transport-wide number stands.

use std::collections::BTreeMap;

use crate::sdp::extensions;

/// What an offer says about media.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Offered {
    /// By SSRC.
    pub(crate) sources: BTreeMap<u32, Source>,
    /// The id of the extension with transport-wide sequence numbers.
    pub(crate) transport: Option<u8>,
}

/// A source of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Source {
    /// Which m= section of audio and video, from 0.
    pub(crate) place: u16,
    /// Whether it is video.
    pub(crate) video: bool,
    /// The source whose packets this one sends again (RFC 4588).
    pub(crate) repeats: Option<u32>,
}

impl Offered {
    pub(crate) fn parse(sdp: &str) -> Self {
        let (mut offered, mut section, mut places) = (Self::default(), None, 0);
        for line in sdp.lines().map(str::trim_end) {
            if let Some(media) = line.strip_prefix("m=") {
                let video = media.starts_with("video");
                section = (video || media.starts_with("audio")).then(|| {
                    places += 1;
                    Source {
                        place: places - 1,
                        video,
                        repeats: None,
                    }
                });
            } else if let (Some(source), Some(attribute)) = (section, line.strip_prefix("a=")) {
                offered.read(source, attribute);
            }
        }
        offered
    }

    fn read(&mut self, source: Source, attribute: &str) {
        let Some((name, value)) = attribute.split_once(':') else {
            return;
        };
        let mut words = value.split_ascii_whitespace();
        let number = |word: Option<&str>| word?.parse::<u32>().ok();
        match name {
            "ssrc" => {
                if let Some(ssrc) = number(words.next()) {
                    self.sources.entry(ssrc).or_insert(source);
                }
            }
            "ssrc-group" if words.next() == Some("FID") => {
                if let (Some(media), Some(again)) = (number(words.next()), number(words.next())) {
                    let repeats = Some(media);
                    self.sources.insert(again, Source { repeats, ..source });
                }
            }
            "extmap" => {
                let id = words.next().and_then(|word| word.split('/').next()?.parse().ok());
                if words.next() == Some(extensions::TRANSPORT) {
                    self.transport = self.transport.or(id);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_with_what_they_repeat() {
        let sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:data\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ssrc:5 cname:x\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
            a=extmap:3/recvonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
            a=ssrc-group:FID 7 8\r\na=ssrc:7 cname:x\r\na=ssrc:8 cname:x\r\n";
        let source = |place, video, repeats| Source {
            place,
            video,
            repeats,
        };
        let offered = Offered::parse(sdp);
        let expected = [
            (5, source(0, false, None)),
            (7, source(1, true, None)),
            (8, source(1, true, Some(7))),
        ];
        assert_eq!(offered.sources, expected.into());
        assert_eq!(offered.transport, Some(3));
    }
}
