//! A real server on loopback and clients that talk to it over real sockets.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

pub mod bystanders;
pub mod collider;
pub mod device;
pub mod eio;
pub mod served;

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, handshake::client::Request},
};
use trefoil_auth::Secret;
use trefoil_server::{IceServers, KeyConfig, MediaLink, Server, ServerConfig};

/// Longer than anything here takes on a busy machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const SECRET: &str = "a secret of at least thirty-two bytes";

pub fn ice() -> IceServers {
    IceServers {
        stun_urls: vec!["stun:{host}:3478".into()],
        turn_urls: vec!["turn:{host}:3478?transport=udp".into()],
        secret: Some(Secret::new("north")),
    }
}

/// A server in development mode, changed by `change`.
pub async fn start(change: impl FnOnce(&mut ServerConfig)) -> Server {
    start_and(change, None).await
}

async fn start_and(change: impl FnOnce(&mut ServerConfig), media: Option<MediaLink>) -> Server {
    let mut config = ServerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ..ServerConfig::default()
    };
    change(&mut config);
    Server::start(config, ice(), media).await.unwrap()
}

/// A server with the keys `main`, for all namespaces, and `pole`, for the namespace of that name.
pub async fn start_with_keys(change: impl FnOnce(&mut ServerConfig)) -> Server {
    start_with_keys_and(change, None).await
}

/// The same, with a media server or without.
pub async fn start_with_keys_and(change: impl FnOnce(&mut ServerConfig), media: Option<MediaLink>) -> Server {
    let key = |key: &str, namespace: Option<&str>| KeyConfig {
        key: key.into(),
        secret: Secret::new(SECRET),
        namespace: namespace.map(Into::into),
    };
    let keyed = |config: &mut ServerConfig| {
        config.keys = vec![key("main", None), key("pole", Some("pole"))];
        change(config);
    };
    start_and(keyed, media).await
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {self:?}"))
            .to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Writes `bytes` to a new connection and reads all that comes until the server closes.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early closes before it has read all.
    let _ = stream.write_all(bytes).await;
    read_answer(&mut stream).await
}

pub async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match timeout(PATIENCE, stream.read(&mut chunk))
            .await
            .expect("the server neither answers nor closes")
        {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(&chunk[..read]),
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// One request, with `headers` as lines.
pub async fn http(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    raw(address, request.as_bytes()).await
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    http(address, "GET", path, "", "").await
}

/// A request with the key `key`.
pub async fn admin(address: SocketAddr, key: &str, method: &str, path: &str, body: &str) -> Answer {
    http(address, method, path, &basic(key, SECRET), body).await
}

pub fn basic(key: &str, secret: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!(
        "authorization: Basic {}\r\n",
        BASE64_STANDARD.encode(format!("{key}:{secret}"))
    )
}

/// A token by `main` for whatever `request` asks.
pub async fn token(address: SocketAddr, request: Value) -> String {
    let answer = admin(address, "main", "POST", "/v1/tokens", &request.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// The value of a counter in /metrics, 0 where it was never counted.
pub async fn metric(address: SocketAddr, name: &str) -> u64 {
    let text = get(address, "/metrics").await.body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// A client of the signalling protocol.
pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    /// What `joined` said.
    pub joined: Value,
}

impl Client {
    /// A WebSocket without a `join`.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub async fn over(stream: TcpStream) -> Self {
        let request = request(stream.peer_addr().unwrap());
        let (socket, _) = client_async(request, stream).await.unwrap();
        Self {
            socket,
            joined: Value::Null,
        }
    }

    /// A guest in `room`.
    pub async fn guest(address: SocketAddr, room: &str, name: &str) -> Self {
        Self::join(address, json!({"room": room, "name": name})).await
    }

    /// Somebody who joins with the fields in `join` and is let in.
    pub async fn join(address: SocketAddr, join: Value) -> Self {
        let mut client = Self::open(address).await;
        client.send_join(join).await;
        client.joined = client.next().await;
        assert_eq!(client.joined["type"], "joined", "{}", client.joined);
        client
    }

    /// Somebody who is not let in: the refusal's code, after the connection was closed with 4000.
    pub async fn refused(address: SocketAddr, join: Value) -> String {
        let mut client = Self::open(address).await;
        client.send_join(join).await;
        let refused = client.next().await;
        assert_eq!(
            (&refused["type"], &refused["of"]),
            (&json!("refused"), &json!("join")),
            "{refused}"
        );
        assert_eq!(client.close_code().await, 4000);
        refused["code"].as_str().unwrap().to_owned()
    }

    pub async fn send_join(&mut self, mut join: Value) {
        join["type"] = json!("join");
        join["version"] = json!(1);
        self.send(join).await;
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        timeout(PATIENCE, self.socket.send(Message::text(text)))
            .await
            .unwrap()
            .unwrap();
    }

    /// The next frame, whatever it is but a ping or pong; `None` once the connection is gone.
    pub async fn frame(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("nothing more arrives")
            {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next message as it was written.
    pub async fn next_text(&mut self) -> String {
        match self.frame().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("no text but {other:?}"),
        }
    }

    pub async fn next(&mut self) -> Value {
        serde_json::from_str(&self.next_text().await).unwrap()
    }

    /// The next message, which must be of the type `kind`.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// The next message of the type `kind`, past all others.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The code with which the server closes, past all messages.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Some(Message::Close(Some(frame))) => return frame.code.into(),
                Some(Message::Text(_)) => {}
                other => panic!("no close but {other:?}"),
            }
        }
    }

    /// Nothing is waiting for this client: the answer to a ping is the next that arrives.
    pub async fn hears_nothing(&mut self) {
        self.send(json!({"type": "ping", "received": 0})).await;
        self.expect("pong").await;
    }

    pub fn id(&self) -> &str {
        self.joined["you"].as_str().unwrap()
    }

    pub fn resume_token(&self) -> &str {
        self.joined["resume"]["token"].as_str().unwrap()
    }

    /// The connection breaks, without a word.
    pub fn break_off(self) -> Value {
        drop(self.socket);
        self.joined
    }
}

/// The handshake's request.
pub fn request(address: SocketAddr) -> Request {
    format!("ws://{address}/v1/signal").into_client_request().unwrap()
}
