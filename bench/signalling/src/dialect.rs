//! How each kind of server is joined, and what one relayed message looks like on its wire.

use anyhow::Context as _;
use serde_json::Value;

use crate::socket::Socket;

/// The servers that can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// docs/PROTOCOL.md
    Trefoil,
    /// Engine.IO 4 and Socket.IO 5 over WebSocket; peers/socketio.cjs relays `signal` to the others in a room
    Socketio,
    /// The `peer` server of PeerJS
    Peerjs,
}

impl Dialect {
    /// The WebSocket's path for client number `n`.
    pub fn path(self, n: usize) -> String {
        match self {
            Self::Trefoil => "/v1/signal".to_owned(),
            Self::Socketio => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::Peerjs => format!("/peerjs?key=peerjs&id=c{n}&token=t{n}"),
        }
    }

    /// Joins room `n / 2` and answers with the id by which others reach this client.
    pub fn join(self, socket: &mut Socket, n: usize) -> anyhow::Result<String> {
        let room = n / 2;
        match self {
            Self::Trefoil => {
                let join = format!(r#"{{"type":"join","version":1,"room":"r{room}","name":"c{n}"}}"#);
                socket.send(join.as_bytes())?;
                socket.wait(|text| field(text, "joined", "you")).context("joined")
            }
            Self::Socketio => {
                socket.wait(|text| text.starts_with('0').then_some(()))?;
                socket.send(b"40")?;
                socket.wait(|text| text.starts_with("40").then_some(()))?;
                socket.send(format!(r#"42["join","r{room}"]"#).as_bytes())?;
                socket
                    .wait(|text| text.starts_with(r#"42["joined""#).then(|| format!("c{n}")))
                    .context("joined")
            }
            Self::Peerjs => socket
                .wait(|text| text.contains(r#""OPEN""#).then(|| format!("c{n}")))
                .context("OPEN"),
        }
    }

    /// One message of `size` bytes of payload to the other one of the pair.
    pub fn message(self, to: &str, size: usize) -> Vec<u8> {
        let payload = "x".repeat(size);
        match self {
            Self::Trefoil => format!(r#"{{"type":"signal","to":"{to}","data":"{payload}"}}"#),
            Self::Socketio => format!(r#"42["signal","{payload}"]"#),
            Self::Peerjs => format!(r#"{{"type":"OFFER","dst":"{to}","payload":"{payload}"}}"#),
        }
        .into_bytes()
    }

    /// Whether `text` is a relayed message of this load.
    pub fn is_relayed(self, text: &[u8], size: usize) -> bool {
        text.len() >= size
    }

    /// What must be answered to stay alive.
    pub fn heartbeat(self, text: &[u8]) -> Option<&'static [u8]> {
        (self == Self::Socketio && text == b"2").then_some(b"3")
    }

    /// What an idle client says every few seconds.
    pub fn keepalive(self) -> Option<&'static [u8]> {
        match self {
            Self::Trefoil | Self::Socketio => None,
            Self::Peerjs => Some(br#"{"type":"HEARTBEAT"}"#),
        }
    }
}

fn field(text: &str, kind: &str, name: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    (message["type"] == kind)
        .then(|| message[name].as_str().map(str::to_owned))
        .flatten()
}
