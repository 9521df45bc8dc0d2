//! A call that must not notice what others do, and the bare bytes with which they do it.

use std::{net::SocketAddr, time::Duration};

use super::{Client, PATIENCE, start};
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{interval, timeout},
};
use trefoil_server::Server;

/// Two who talk to each other and notice if anything is lost, late, twice or not theirs.
pub struct Bystanders {
    pub stop: oneshot::Sender<()>,
    pub call: JoinHandle<i64>,
}

impl Bystanders {
    pub async fn start(address: SocketAddr) -> Self {
        let mut ann = Client::guest(address, "bystanders", "Ann").await;
        let mut bob = Client::guest(address, "bystanders", "Bob").await;
        ann.expect("participant_joined").await;
        let (stop, mut stopped) = oneshot::channel();
        let call = tokio::spawn(async move {
            let mut pace = interval(Duration::from_millis(25));
            let mut number = 0_i64;
            while stopped.try_recv().is_err() {
                pace.tick().await;
                number += 1;
                let to_bob = json!({"type":"signal","to":bob.id(),"data":number});
                ann.send(to_bob).await;
                assert_eq!(
                    bob.next().await,
                    json!({"type":"signal","from":ann.id(),"data":number})
                );
                bob.send(json!({"type":"message","data":-number})).await;
                assert_eq!(
                    ann.next().await,
                    json!({"type":"message","from":bob.id(),"data":-number})
                );
            }
            number
        });
        Self { stop, call }
    }

    /// How much was said, all of it heard.
    pub async fn end(self) -> i64 {
        self.stop.send(()).unwrap();
        self.call.await.expect("the bystanders' call broke")
    }
}

/// A WebSocket after its handshake, as bare TCP.
pub async fn bare(address: SocketAddr) -> TcpStream {
    Client::open(address).await.socket.into_inner()
}

/// A client's frame; the mask is zero.
pub fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the close frame that comes, past short texts and pings; then the connection must end.
pub async fn close_code(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 2];
    loop {
        timeout(PATIENCE, stream.read_exact(&mut head))
            .await
            .unwrap()
            .expect("closed without a close frame");
        let mut length = usize::from(head[1]);
        if length == 126 {
            let mut long = [0; 2];
            stream.read_exact(&mut long).await.unwrap();
            length = u16::from_be_bytes(long).into();
        }
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        if head[0] == 0x88 {
            let mut rest = Vec::new();
            let end = timeout(PATIENCE, stream.read_to_end(&mut rest))
                .await
                .expect("not closed after the close frame");
            assert!(end.is_err() || rest.is_empty());
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

pub async fn calm() -> (Server, SocketAddr, Bystanders) {
    let server = start(|_| {}).await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    (server, address, bystanders)
}
