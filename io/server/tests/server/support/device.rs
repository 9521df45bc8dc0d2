//! A browser or a device at the devices door.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};
use trefoil_server::Server;

use super::PATIENCE;

/// Where the door is alone.
pub fn door(server: &Server) -> SocketAddr {
    let sign = server.doors().iter().find(|sign| sign.door == "devices").unwrap();
    sign.listening[0]
}

/// A WebSocket of a browser or a device.
pub struct Peer(pub WebSocketStream<TcpStream>);

impl Peer {
    pub async fn try_open(address: SocketAddr, path: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.unwrap();
        let request = format!("ws://{address}{path}").into_client_request().unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Opens, and is a member: the first ping was answered.
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let mut peer = Self::try_open(address, path).await.unwrap();
        match timeout(PATIENCE, peer.0.next()).await.unwrap() {
            Some(Ok(Message::Ping(payload))) => assert_eq!(&payload[..], b"ping"),
            other => panic!("no ping but {other:?}"),
        }
        // The client library sends the answer with what is written next.
        peer.0.flush().await.unwrap();
        peer
    }

    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text, or the code with which it was closed.
    pub async fn next(&mut self) -> Result<String, u16> {
        loop {
            match timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing more comes")
            {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(0),
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.next().await.as_deref(), Ok(text));
    }
}
