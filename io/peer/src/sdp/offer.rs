//! What a subscriber is offered.

use std::fmt::Write as _;

use crate::{
    IceCredentials, Via,
    sdp::{
        codecs::{AUDIO, Payload, VIDEO},
        extensions,
    },
};

/// One place of the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) video: bool,
    pub(crate) ssrc: u32,
    /// The SSRC of retransmissions; video only.
    pub(crate) retransmission: u32,
}

/// A description to be written.
pub(crate) struct Offer<'a> {
    pub(crate) version: u32,
    pub(crate) credentials: &'a IceCredentials,
    pub(crate) fingerprint: &'a str,
    /// Where we can be reached.
    pub(crate) candidates: &'a [(Via, std::net::SocketAddr)],
    pub(crate) places: &'a [Place],
}

/// The CNAME of all that we send.
pub(crate) const CNAME: &str = "trefoil";

impl Offer<'_> {
    /// The description.
    pub(crate) fn to_sdp(&self) -> String {
        let mut sdp = String::with_capacity(1024 + 700 * self.places.len());
        let _ = self.write(&mut sdp);
        sdp
    }

    fn write(&self, sdp: &mut String) -> std::fmt::Result {
        write!(
            sdp,
            "v=0\r\no=trefoil 1 {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
            self.version
        )?;
        sdp.push_str("a=group:BUNDLE data");
        for index in 0..self.places.len() {
            write!(sdp, " s{index}")?;
        }
        sdp.push_str("\r\na=ice-lite\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n");
        sdp.push_str(
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:data\r\n",
        );
        self.write_transport(sdp)?;
        sdp.push_str("a=sctp-port:5000\r\na=max-message-size:262144\r\n");
        for (index, (via, address)) in self.candidates.iter().enumerate() {
            write_candidate(sdp, index, *via, *address)?;
        }
        sdp.push_str("a=end-of-candidates\r\n");
        for (index, place) in self.places.iter().enumerate() {
            self.write_place(sdp, index, place)?;
        }
        Ok(())
    }

    fn write_transport(&self, sdp: &mut String) -> std::fmt::Result {
        let (fragment, password) = (&self.credentials.fragment, &self.credentials.password);
        write!(
            sdp,
            "a=ice-ufrag:{fragment}\r\na=ice-pwd:{password}\r\na=fingerprint:{}\r\na=setup:actpass\r\n",
            self.fingerprint
        )
    }

    fn write_place(&self, sdp: &mut String, index: usize, place: &Place) -> std::fmt::Result {
        let (kind, payloads, extensions) = if place.video {
            ("video", VIDEO, extensions::VIDEO)
        } else {
            ("audio", AUDIO, extensions::AUDIO)
        };
        write!(sdp, "m={kind} 9 UDP/TLS/RTP/SAVPF")?;
        for payload in payloads {
            write!(sdp, " {}", payload.number)?;
            if let Some(retransmission) = payload.retransmission {
                write!(sdp, " {retransmission}")?;
            }
        }
        write!(
            sdp,
            "\r\nc=IN IP4 0.0.0.0\r\na=mid:s{index}\r\na=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
        )?;
        self.write_transport(sdp)?;
        for (id, uri) in extensions {
            write!(sdp, "a=extmap:{id} {uri}\r\n")?;
        }
        for payload in payloads {
            write_payload(sdp, payload)?;
        }
        let Place {
            ssrc, retransmission, ..
        } = place;
        write!(sdp, "a=msid:s{index} s{index}\r\n")?;
        // The first source must be the media's: browsers take it for that, whatever the group says.
        if place.video {
            write!(sdp, "a=ssrc-group:FID {ssrc} {retransmission}\r\n")?;
        }
        write!(sdp, "a=ssrc:{ssrc} cname:{CNAME}\r\n")?;
        if place.video {
            write!(sdp, "a=ssrc:{retransmission} cname:{CNAME}\r\n")?;
        }
        Ok(())
    }
}

fn write_payload(sdp: &mut String, payload: &Payload) -> std::fmt::Result {
    let number = payload.number;
    write!(sdp, "a=rtpmap:{number} {}\r\n", payload.rtpmap)?;
    if let Some(fmtp) = payload.fmtp {
        write!(sdp, "a=fmtp:{number} {fmtp}\r\n")?;
    }
    write!(sdp, "a=rtcp-fb:{number} transport-cc\r\n")?;
    if let Some(retransmission) = payload.retransmission {
        for feedback in ["goog-remb", "ccm fir", "nack", "nack pli"] {
            write!(sdp, "a=rtcp-fb:{number} {feedback}\r\n")?;
        }
        write!(
            sdp,
            "a=rtpmap:{retransmission} rtx/90000\r\na=fmtp:{retransmission} apt={number}\r\n"
        )?;
    }
    Ok(())
}

/// A host candidate (RFC 8839, section 5.1); UDP is preferred to TCP, and the first address to the next.
fn write_candidate(
    sdp: &mut String,
    index: usize,
    via: Via,
    address: std::net::SocketAddr,
) -> std::fmt::Result {
    let (ip, port) = (address.ip(), address.port());
    let preference = 65_535_u32.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX));
    let (protocol, kind, suffix) = match via {
        Via::Udp => ("udp", 126_u32, ""),
        Via::Tcp => ("tcp", 90_u32, " tcptype passive"),
    };
    let priority = kind << 24 | preference << 8 | 255;
    write!(
        sdp,
        "a=candidate:{index} 1 {protocol} {priority} {ip} {port} typ host{suffix}\r\n"
    )
}
