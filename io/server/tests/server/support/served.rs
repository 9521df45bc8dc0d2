//! A server with a media server, and the offer of a client that knows what it is doing.

use std::sync::Arc;

use trefoil_media::{Media, MediaConfig, Tell};
use trefoil_server::{MediaLink, Server, ServerConfig, TopologyConfig};

use super::ice;

/// A server whose rooms go through its media server, changed by `change`; `silence` is how long that waits for a transport
/// that is not heard, in seconds.
pub async fn start_served(silence: u32, change: impl FnOnce(&mut ServerConfig)) -> Server {
    let mut config = ServerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ..ServerConfig::default()
    };
    config.rooms.topology = TopologyConfig::Sfu;
    change(&mut config);
    Server::start(config, ice(), Some(media(silence))).await.unwrap()
}

fn media(silence_seconds: u32) -> MediaLink {
    let (sender, notices) = tokio::sync::mpsc::channel(1024);
    let tell: Tell = Arc::new(move |notice| sender.try_send(notice).is_ok());
    let config = MediaConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        workers: 1,
        silence_seconds,
        ..MediaConfig::default()
    };
    MediaLink {
        media: Media::start(&config, &tell).unwrap(),
        notices,
    }
}

/// The offer of a client with one microphone, as libwebrtc wrote it when DotVoice was young.
pub fn voice_offer() -> String {
    let fingerprint = ["AB"; 32].join(":");
    [
        "v=0",
        "o=- 4962303333179871722 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE audio",
        "a=msid-semantic: WMS ARDAMS",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:8hhY",
        "a=ice-pwd:asd88fgpdd777uzjYhagZg12",
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:actpass",
        "a=mid:audio",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6",
        "a=ssrc:3570614608 msid:ARDAMS ARDAMSa0",
        "",
    ]
    .join("\r\n")
}
