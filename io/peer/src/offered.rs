//! What a publisher offers: what the engine does not say of it, and what it would take and must not.

use crate::SdpRefusal;

/// Encodings of one track.
const ENCODINGS: usize = 3;

/// One m= section of an offer, as far as the engine does not say.
pub(crate) struct Section<'a> {
    pub(crate) mid: &'a str,
    pub(crate) rids: Vec<String>,
}

pub(crate) fn sections(offer: &str) -> Vec<Section<'_>> {
    let mut found = Vec::new();
    for line in offer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            found.push(Section {
                mid: "",
                rids: Vec::new(),
            });
        }
        let Some(section) = found.last_mut() else { continue };
        if let Some(mid) = line.strip_prefix("a=mid:") {
            section.mid = mid;
        } else if let Some(simulcast) = line.strip_prefix("a=simulcast:send ") {
            let streams = simulcast.split(' ').next().unwrap_or_default().split(';');
            let ids = streams.filter_map(|stream| stream.split(',').next());
            section.rids = ids
                .take(ENCODINGS)
                .map(|rid| rid.trim_start_matches('~').to_owned())
                .collect();
        }
    }
    found.retain(|section| !section.mid.is_empty());
    found
}

/// What the engine would take and must not (FAULTS D05, P03, P04, P05).
pub(crate) fn check_offer(offer: &str) -> Result<(), SdpRefusal> {
    let mut mids = Vec::new();
    let mut strong = false;
    for line in offer.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            let secured = media.split(' ').nth(2).is_some_and(|proto| proto.contains("TLS"));
            if !secured {
                return Err(SdpRefusal::unusable(
                    "an m= section without DTLS: plain RTP and SDES are not taken",
                ));
            }
        } else if let Some(mid) = line.strip_prefix("a=mid:") {
            if mid.is_empty() || mid.len() > 16 || mids.contains(&mid) {
                return Err(SdpRefusal::unusable(
                    "a=mid is empty, longer than 16 characters, or there twice",
                ));
            }
            mids.push(mid);
        } else if let Some(fingerprint) = line.strip_prefix("a=fingerprint:") {
            strong |= fingerprint
                .get(..8)
                .is_some_and(|start| start.eq_ignore_ascii_case("sha-256 "));
        } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
            let number = map
                .split(' ')
                .next()
                .and_then(|number| number.parse::<u16>().ok());
            if number.is_none_or(|number| number > 127) {
                return Err(SdpRefusal::unusable("a=rtpmap has a payload type above 127"));
            }
        } else if line.starts_with("a=crypto:") {
            return Err(SdpRefusal::unusable("a=crypto: keys travel in DTLS only"));
        }
    }
    if strong {
        Ok(())
    } else {
        Err(SdpRefusal::unusable("there is no a=fingerprint with sha-256"))
    }
}

/// The answer with the payload types of each m= section in the order of the offer (RFC 9429, section 5.3.1). The engine names
/// RED first, and a publisher sends what is named first: they should send it only if they prefer it themselves.
pub(crate) fn in_the_order_of(offer: &str, answer: &str) -> String {
    let mut offered = offer.lines().filter(|line| line.starts_with("m="));
    let mut ordered = String::with_capacity(answer.len());
    for line in answer.lines() {
        if line.starts_with("m=") {
            let wanted: Vec<&str> = offered
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .skip(3)
                .collect();
            let mut words: Vec<&str> = line.split_whitespace().collect();
            if let Some(numbers) = words.get_mut(3..) {
                let place = |number: &&str| wanted.iter().position(|other| other == number);
                numbers.sort_by_key(|number| place(number).unwrap_or(usize::MAX));
            }
            ordered.push_str(&words.join(" "));
        } else {
            ordered.push_str(line);
        }
        ordered.push_str("\r\n");
    }
    ordered
}

/// A description in which RED is the last payload type of its m= section: as an offer, it is not asked for before others.
pub(crate) fn red_last(sdp: &str) -> String {
    let red = |line: &str| {
        let (number, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        codec.starts_with("red/").then(|| number.to_owned())
    };
    let red: Vec<String> = sdp.lines().filter_map(red).collect();
    let mut ordered = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(numbers) = words.get_mut(3..).filter(|_| line.starts_with("m=audio")) {
            numbers.sort_by_key(|number| red.iter().any(|red| red == number));
        }
        ordered.push_str(&words.join(" "));
        ordered.push_str("\r\n");
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_payload_types_as_they_were_offered() {
        let offer =
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n";
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 63 111 9\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 97 96\r\na=x\r\n";
        assert_eq!(
            in_the_order_of(offer, answer),
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=x\r\n"
        );
        assert_eq!(
            in_the_order_of("", answer),
            answer,
            "what was not offered stays as it is"
        );
    }
}
