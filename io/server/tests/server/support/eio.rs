//! A client of Engine.IO over bare sockets, so that tests see every byte.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{Answer, PATIENCE, http};

/// An Engine.IO session that polls.
pub struct Polling {
    address: SocketAddr,
    pub path: String,
}

impl Polling {
    /// Opens a session; `more` is the rest of the query.
    pub async fn open(address: SocketAddr, version: u8, more: &str) -> (Self, Answer) {
        let base = format!("/socket.io/?EIO={version}&transport=polling{more}");
        let answer = http(address, "GET", &base, "", "").await;
        let sid = sid_of(&answer.body);
        let path = format!("{base}&sid={sid}");
        (Self { address, path }, answer)
    }

    pub async fn poll(&self) -> Answer {
        http(self.address, "GET", &self.path, "", "").await
    }

    pub async fn post(&self, body: &str) -> Answer {
        let headers = "content-type: text/plain;charset=UTF-8\r\n";
        http(self.address, "POST", &self.path, headers, body).await
    }

    pub fn sid(&self) -> &str {
        self.path.rsplit('=').next().unwrap()
    }

    /// Polls until `wanted` was there, and gives all that came.
    pub async fn until(&self, wanted: &str) -> String {
        let mut all = String::new();
        while !all.contains(wanted) {
            let answer = self.poll().await;
            assert_eq!(answer.status, 200, "{answer:?} after {all}");
            all.push_str(&answer.body);
        }
        all
    }
}

/// The session id in an open packet.
pub fn sid_of(body: &str) -> String {
    let start = body.find("\"sid\":\"").map_or(body.len(), |at| at + 7);
    body[start..].split('"').next().unwrap().to_owned()
}

/// A length and a text, as a payload of version 3 has them.
pub fn framed(packet: &str) -> String {
    format!("{}:{packet}", packet.encode_utf16().count())
}

/// An Engine.IO session over a WebSocket.
pub struct Line(pub WebSocketStream<TcpStream>);

impl Line {
    pub async fn open(address: SocketAddr, query: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let request = format!("ws://{address}/socket.io/?{query}");
        let (socket, _) = client_async(request.into_client_request().unwrap(), stream)
            .await
            .unwrap();
        Self(socket)
    }

    /// A client of version 3 or 4 that is connected to `/`; gives its id too.
    pub async fn connect(address: SocketAddr, version: u8) -> (Self, String) {
        Self::connect_with(address, version, "").await
    }

    pub async fn connect_with(address: SocketAddr, version: u8, more: &str) -> (Self, String) {
        let mut line = Self::open(address, &format!("EIO={version}&transport=websocket{more}")).await;
        let opened = line.next().await;
        if version == 4 {
            line.send("40").await;
        }
        assert!(line.next().await.starts_with("40"));
        (line, sid_of(&opened))
    }

    pub async fn send(&mut self, packet: &str) {
        timeout(PATIENCE, self.0.send(Message::text(packet)))
            .await
            .unwrap()
            .unwrap();
    }

    pub async fn emit(&mut self, event: Value) {
        self.send(&format!("42{event}")).await;
    }

    /// The next packet; pings of the server are answered. Empty once it is closed.
    pub async fn next(&mut self) -> String {
        loop {
            match timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing more comes")
            {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await,
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Binary(bytes))) => return format!("{:?}", &bytes[..]),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return String::new(),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next event that is no log line.
    pub async fn event(&mut self) -> Value {
        loop {
            let packet = self.next().await;
            let text = packet
                .strip_prefix("42")
                .unwrap_or_else(|| panic!("no event but {packet:?}"));
            let event: Value = serde_json::from_str(text).unwrap();
            if event[0] != "log" {
                return event;
            }
        }
    }

    /// Nothing comes any more.
    pub async fn is_closed(&mut self) {
        while !self.next().await.is_empty() {}
    }
}
