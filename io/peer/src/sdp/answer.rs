//! What a subscriber answers: what of the offer they take, and how their transport is secured.

use str0m::{IceCreds, crypto::Fingerprint};
use trefoil_rtp::Codec;

use crate::{
    SdpRefusal,
    refusal::check_size,
    sdp::{codecs::payload_of, extensions::Accepted},
};

/// One m= section of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SectionAnswer {
    pub(crate) mid: String,
    pub(crate) rejected: bool,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) extensions: Accepted,
    /// Milliseconds of sound that they want in a packet.
    pub(crate) packet_time: Option<u8>,
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    pub(crate) ice: IceCreds,
    pub(crate) fingerprint: Fingerprint,
    /// Whether they begin the DTLS handshake.
    pub(crate) they_begin: bool,
    pub(crate) sections: Vec<SectionAnswer>,
}

/// What stands above the first m= section, and in one that is not rejected; later ones repeat it (BUNDLE).
#[derive(Default)]
struct Transport {
    fragment: Option<String>,
    password: Option<String>,
    fingerprint: Option<Fingerprint>,
    setup: Option<String>,
}

impl Answer {
    /// # Errors
    /// [`SdpRefusal`] if it is too large, or has no usable credentials or fingerprint.
    pub(crate) fn parse(sdp: &str) -> Result<Self, SdpRefusal> {
        check_size(sdp)?;
        let (mut transport, mut sections) = (Transport::default(), Vec::<SectionAnswer>::new());
        for line in sdp.lines() {
            let line = line.trim_end();
            if let Some(media) = line.strip_prefix("m=") {
                sections.push(section(media));
            } else if let Some(attribute) = line.strip_prefix("a=") {
                let rejected = sections.last().is_some_and(|section| section.rejected);
                if !rejected {
                    transport.read(attribute);
                }
                if let Some(section) = sections.last_mut() {
                    section.read(attribute);
                }
            }
        }
        transport.finish(sections)
    }
}

impl Transport {
    fn read(&mut self, attribute: &str) {
        let Some((name, value)) = attribute.split_once(':') else {
            return;
        };
        match name {
            "ice-ufrag" => self.fragment = Some(value.to_owned()),
            "ice-pwd" => self.password = Some(value.to_owned()),
            "setup" => self.setup = Some(value.to_owned()),
            "fingerprint" => self.fingerprint = self.fingerprint.take().or_else(|| fingerprint(value)),
            _ => {}
        }
    }

    fn finish(self, sections: Vec<SectionAnswer>) -> Result<Answer, SdpRefusal> {
        let within =
            |text: Option<String>, least: usize| text.filter(|text| (least..=256).contains(&text.len()));
        let ufrag = within(self.fragment, 4)
            .ok_or_else(|| SdpRefusal::unusable("a=ice-ufrag has no 4 characters"))?;
        let pass = within(self.password, 22)
            .ok_or_else(|| SdpRefusal::unusable("a=ice-pwd has no 22 characters"))?;
        let fingerprint = self
            .fingerprint
            .ok_or_else(|| SdpRefusal::unusable("there is no a=fingerprint with sha-256"))?;
        let they_begin = match self.setup.as_deref() {
            Some("active") => true,
            Some("passive") => false,
            _ => return Err(SdpRefusal::unusable("a=setup is neither active nor passive")),
        };
        Ok(Answer {
            ice: IceCreds { ufrag, pass },
            fingerprint,
            they_begin,
            sections,
        })
    }
}

/// `media` is what follows `m=`.
fn section(media: &str) -> SectionAnswer {
    let mut words = media.split_ascii_whitespace();
    let _kind = words.next();
    let rejected = words.next() == Some("0");
    let mut codecs = Vec::new();
    for number in words.skip(1).take(64) {
        let payload = number.parse().ok().and_then(payload_of);
        if let Some(payload) = payload.filter(|payload| !codecs.contains(&payload.codec)) {
            codecs.push(payload.codec);
        }
    }
    SectionAnswer {
        rejected,
        codecs,
        ..SectionAnswer::default()
    }
}

impl SectionAnswer {
    fn read(&mut self, attribute: &str) {
        if let Some(mid) = attribute.strip_prefix("mid:") {
            self.mid = mid.chars().take(32).collect();
        } else if let Some(extension) = attribute.strip_prefix("extmap:") {
            let id = extension.split([' ', '/']).next().and_then(|id| id.parse().ok());
            if let Some(id) = id {
                self.extensions.add(id);
            }
        } else if let Some(time) = attribute.strip_prefix("ptime:") {
            self.packet_time = time.trim().parse().ok();
        } else if attribute == "inactive" {
            self.rejected = true;
        }
    }
}

/// Only SHA-256: weaker ones do not protect, stronger ones the engine cannot check (FAULTS D05).
fn fingerprint(value: &str) -> Option<Fingerprint> {
    let (function, digits) = value.split_once(' ')?;
    if !function.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let bytes: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() == 32).map(|bytes| Fingerprint {
        hash_func: "sha-256".to_owned(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trefoil_rtp::Codec;

    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE data s0 s1\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n\
        a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
        a=setup:active\r\na=mid:data\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:s0\r\na=extmap:1 urn:x\r\na=extmap:3/recvonly urn:y\r\na=recvonly\r\n\
        m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:s1\r\na=ice-ufrag:not-me\r\n";

    #[test]
    fn an_answer_says_what_is_taken_and_how_it_is_secured() {
        let answer = Answer::parse(ANSWER).unwrap();
        assert_eq!((answer.ice.ufrag.as_str(), answer.they_begin), ("abcd", true));
        assert_eq!(answer.fingerprint.bytes[31], 0x1F);
        let [data, audio, video] = answer.sections.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!((data.mid.as_str(), audio.mid.as_str()), ("data", "s0"));
        assert_eq!(audio.codecs, [Codec::Opus, Codec::Pcmu]);
        assert!([1, 2, 3].map(|id| audio.extensions.id_of(id)) == [Some(1), None, Some(3)]);
        assert!(
            video.rejected,
            "and what stands in a rejected section is not believed"
        );
    }

    #[test]
    fn an_answer_without_security_is_refused_by_what_is_missing() {
        for (line, word) in [
            ("a=ice-ufrag:abcd", "ice-ufrag"),
            ("a=ice-pwd:0123456789abcdefghijkl", "ice-pwd"),
            ("a=fingerprint:sha-256", "fingerprint"),
            ("a=setup:active", "setup"),
        ] {
            let without: String = ANSWER
                .lines()
                .filter(|other| !other.starts_with(line))
                .map(|line| format!("{line}\n"))
                .collect();
            let refusal = Answer::parse(&without).unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
        }
        let weak = ANSWER.replace("sha-256", "sha-1");
        assert!(Answer::parse(&weak).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(
            text in "(?s).{0,200}",
            cut in 0..ANSWER.len(),
            line in 0_usize..20,
        ) {
            let _ = Answer::parse(&text);
            let _ = Answer::parse(ANSWER.get(..cut).unwrap_or_default());
            let mut lines: Vec<&str> = ANSWER.lines().collect();
            lines.insert(line.min(lines.len()), &text);
            let _ = Answer::parse(&lines.join("\r\n"));
        }
    }
}
