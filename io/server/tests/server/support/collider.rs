//! A client of AppRTC: the room server's requests and Collider's WebSocket.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{Answer, PATIENCE, http};

pub async fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    let answer = http(
        address,
        "POST",
        path,
        "content-type: text/plain; charset=utf-8\r\n",
        body,
    )
    .await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}

/// Joins, and gives the parameters.
pub async fn join(address: SocketAddr, room: &str) -> Value {
    let answer = post(address, &format!("/join/{room}"), "").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let body = answer.json();
    assert_eq!(body["result"], "SUCCESS", "{body}");
    body["params"].clone()
}

pub async fn result(address: SocketAddr, path: &str, body: &str) -> String {
    post(address, path, body).await.json()["result"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A client at Collider's WebSocket.
pub struct Collider(pub WebSocketStream<TcpStream>);

impl Collider {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        // No Origin, as native clients send none.
        let request = format!("ws://{address}/collider/ws")
            .into_client_request()
            .unwrap();
        Self(client_async(request, stream).await.unwrap().0)
    }

    pub async fn registered(address: SocketAddr, room: &str, client: &str) -> Self {
        let mut line = Self::open(address).await;
        line.register(room, client).await;
        line
    }

    pub async fn register(&mut self, room: &str, client: &str) {
        self.send(&json!({"cmd": "register", "roomid": room, "clientid": client}).to_string())
            .await;
    }

    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn say(&mut self, text: &str) {
        self.send(&json!({"cmd": "send", "msg": text}).to_string()).await;
    }

    /// The next message, both fields of it; `None` once it is closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing more comes")
            {
                Some(Ok(Message::Text(text))) => {
                    assert!(text.ends_with('\n'), "{text}");
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.next().await.unwrap(), json!({"msg": text, "error": ""}));
    }

    /// Is told this fault, and closed.
    pub async fn fails(mut self, words: &str) {
        let told = self.next().await.unwrap();
        assert_eq!(told["msg"], "");
        assert!(told["error"].as_str().unwrap().starts_with(words), "{told}");
        assert!(self.next().await.is_none());
    }
}
