//! Descriptions of one connection both ways, as browsers and stranger clients write them.

use proptest::prelude::*;

use super::*;

const PLACES: [Place; 2] = [
    Place {
        video: true,
        ssrc: 11,
        retransmission: 12,
    },
    Place {
        video: false,
        ssrc: 21,
        retransmission: 22,
    },
];

/// As the engine writes it: its own sources, and a section of data between.
const ENGINE: &str = "v=0\r\ns=-\r\na=msid-semantic: WMS x y\r\na=ice-lite\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 109 0\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=sendrecv\r\na=msid:x y\r\na=rtpmap:109 opus/48000/2\r\na=ssrc:1 cname:x\r\na=ssrc:1 msid:x y\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 120 124\r\na=mid:2\r\na=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
    a=extmap:8 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
    a=sendrecv\r\na=msid:x z\r\na=rtpmap:120 VP8/90000\r\na=rtpmap:124 rtx/90000\r\na=fmtp:124 apt=120\r\n\
    a=ssrc:2 cname:x\r\na=ssrc:3 cname:x\r\na=ssrc-group:FID 2 3\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 120\r\na=mid:3\r\na=sendrecv\r\na=msid:x w\r\na=ssrc:4 cname:x\r\n";

/// What follows `m=` of one kind, with its lines.
fn section<'a>(sdp: &'a str, mid: &str) -> &'a str {
    let of = |section: &&str| section.contains(&format!("a=mid:{mid}\r\n"));
    sdp.split("m=").find(of).unwrap()
}

#[test]
fn the_sources_of_the_plane_stand_where_those_of_the_engine_stood() {
    let ours = with_places(ENGINE, &PLACES);
    let sources = |mid| -> Vec<&str> {
        let lines = section(&ours, mid).lines();
        lines
            .filter(|line| line.starts_with("a=ssrc") || line.starts_with("a=msid"))
            .collect()
    };
    assert_eq!(
        sources("0"),
        [
            "a=msid:trefoil audio",
            "a=ssrc:21 cname:trefoil",
            "a=ssrc:21 msid:trefoil audio"
        ]
    );
    assert_eq!(
        sources("2"),
        [
            "a=msid:trefoil video",
            "a=ssrc-group:FID 11 12",
            "a=ssrc:11 cname:trefoil",
            "a=ssrc:11 msid:trefoil video",
            "a=ssrc:12 cname:trefoil",
            "a=ssrc:12 msid:trefoil video"
        ]
    );
    assert!(sources("3").is_empty() && section(&ours, "3").contains("a=recvonly\r\n"));
    for mid in ["0", "2"] {
        assert_eq!(section(&ours, mid).matches("a=sendrecv").count(), 1);
    }
    assert_eq!(
        section(&ours, "1"),
        section(ENGINE, "1"),
        "what is not media stays"
    );
    assert!(!ours.contains("WMS x"));
}

#[test]
fn only_what_goes_our_way_gets_a_source() {
    for (theirs, ours, has_source) in [
        ("a=recvonly", "a=recvonly", false),
        ("a=inactive", "a=inactive", false),
        ("a=sendonly", "a=sendonly", true),
    ] {
        let written = with_places(&ENGINE.replacen("a=sendrecv", theirs, 1), &PLACES);
        let audio = section(&written, "0");
        assert!(audio.contains(&format!("{ours}\r\n")), "{audio}");
        assert_eq!(audio.contains("a=ssrc:"), has_source, "{audio}");
    }
    let rejected = with_places(&ENGINE.replacen("video 9", "video 0", 1), &PLACES);
    assert!(!section(&rejected, "2").contains("a=ssrc:"));
    assert!(
        section(&rejected, "3").contains("a=ssrc:11"),
        "the next one takes its place"
    );
}

#[test]
fn payload_types_and_extensions_are_those_of_the_client() {
    let theirs = ENGINE
        .replace("a=extmap:8 ", "a=extmap:8/sendonly ")
        .replace("a=mid:0", "a=mid:0\r\na=ptime:60");
    let terms = Terms::of_our_answer(&with_places(ENGINE, &PLACES), &theirs);
    let (audio, video) = (terms.audio.unwrap(), terms.video.unwrap());
    assert_eq!((audio.mid.as_str(), video.mid.as_str()), ("0", "2"));
    assert_eq!(audio.codecs, [Codec::Opus, Codec::Pcmu]);
    assert_eq!((audio.packet_time, video.packet_time), (Some(60), None));
    let numbers = |codec| {
        let numbers = terms.payloads.of(codec)?;
        Some((numbers.number, numbers.retransmission))
    };
    assert_eq!(numbers(Codec::Opus), Some((109, None)));
    assert_eq!(numbers(Codec::Pcmu), Some((0, None)), "without a=rtpmap");
    assert_eq!(numbers(Codec::Vp8), Some((120, Some(124))));
    assert_eq!(numbers(Codec::H264), None);
    let taken = video.extensions;
    assert_eq!(taken.id_of(extensions::SEND_TIME_ID), Some(7));
    assert_eq!(taken.id_of(extensions::DESCRIPTOR_ID), None, "they only send it");
    assert_eq!(audio.extensions.id_of(extensions::LEVEL_ID), Some(1));
}

#[test]
fn of_an_answer_only_what_they_receive_is_sent() {
    let answer = ENGINE.replacen("a=sendrecv", "a=sendonly", 1);
    let terms = Terms::of_their_answer(&answer);
    assert!(terms.audio.is_none() && terms.payloads.of(Codec::Opus).is_none());
    assert_eq!(terms.video.unwrap().codecs, [Codec::Vp8]);
    let terms = Terms::of_their_answer(&ENGINE.replace("video 9", "video 0"));
    assert!(terms.video.is_none() && terms.audio.is_some());
}

#[test]
fn of_formats_that_not_every_decoder_reads_only_the_usual_is_sent() {
    let video = |lines: &str| {
        let sdp =
            format!("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\na=mid:0\r\na=sendrecv\r\n{lines}");
        let terms = Terms::of_their_answer(&sdp);
        let codecs = terms.video.unwrap().codecs;
        let numbers = codecs
            .iter()
            .map(|codec| terms.payloads.of(*codec).unwrap().number);
        codecs.iter().copied().zip(numbers).collect::<Vec<_>>()
    };
    let h264 = "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=0\r\na=rtpmap:97 H264/90000\r\n\
        a=fmtp:97 level-asymmetry-allowed=1; packetization-mode=1\r\n";
    assert_eq!(video(h264), [(Codec::H264, 97)]);
    let vp9 = "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=2\r\na=rtpmap:99 vp9/90000\r\n";
    assert_eq!(video(vp9), [(Codec::Vp9, 99)]);
}

#[test]
fn a_section_that_says_no_direction_goes_both_ways_or_as_all_do() {
    let offer =
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=inactive\r\n";
    let both = with_directions(offer);
    assert!(both.contains("a=mid:0\r\na=sendrecv\r\nm=video") && both.ends_with("a=inactive\r\n"));
    let all = with_directions(&offer.replace("v=0\r\n", "v=0\r\na=recvonly\r\n")).into_owned();
    assert!(all.contains("a=mid:0\r\na=recvonly\r\nm=video"));
    assert!(
        matches!(with_directions(ENGINE), Cow::Borrowed(_)),
        "nothing to do"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(?s).{0,200}", line in 0_usize..40) {
        let mut lines: Vec<&str> = ENGINE.lines().collect();
        lines.insert(line.min(lines.len()), &text);
        for sdp in [text.as_str(), &lines.join("\r\n")] {
            let ours = with_places(&with_directions(sdp), &PLACES);
            drop((Terms::of_our_answer(&ours, sdp), Terms::of_their_answer(sdp)));
        }
    }
}
