//! Sounds that administrators play into a room: what is answered, what those inside are told, and every refusal by its name.

use std::{net::SocketAddr, sync::Arc};

use crate::support::*;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc};
use trefoil_media::{Media, MediaConfig, Tell};
use trefoil_server::{MediaLink, Server, ServerConfig};

/// A server with keys and a media server.
async fn start_with_media(change: impl FnOnce(&mut ServerConfig)) -> Server {
    let config = MediaConfig {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        workers: 2,
        ..MediaConfig::default()
    };
    let (sender, notices) = mpsc::channel(1000);
    let tell: Tell = Arc::new(move |notice| sender.try_send(notice).is_ok());
    let media = Media::start(&config, &tell).unwrap();
    start_with_keys_and(change, Some(MediaLink { media, notices })).await
}

/// A room of a topology, and somebody in it.
async fn room(address: SocketAddr, room: &str, topology: &str) -> Client {
    let body = json!({ "topology": topology }).to_string();
    let path = format!("/v1/namespaces/default/rooms/{room}");
    assert!(admin(address, "main", "PUT", &path, &body).await.status < 300);
    come(address, room, "ann").await
}

async fn come(address: SocketAddr, room: &str, identity: &str) -> Client {
    let join = token(address, json!({"room":room,"identity":identity})).await;
    Client::join(address, json!({"token":join})).await
}

/// Silence of so many seconds, as a WAV file at 8 kHz.
fn wav(seconds: usize) -> Vec<u8> {
    let bytes = seconds * 16_000;
    let mut file =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
    file.extend((bytes as u32).to_le_bytes());
    file.resize(file.len() + bytes, 0);
    file
}

async fn play(address: SocketAddr, room: &str, query: &str, file: &[u8]) -> Answer {
    let head = format!(
        "POST /v1/namespaces/default/rooms/{room}/announcements{query} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-length: {}\r\n{}\r\n",
        file.len(),
        basic("main", SECRET)
    );
    raw(address, &[head.as_bytes(), file].concat()).await
}

async fn list(address: SocketAddr, room: &str) -> Value {
    let path = format!("/v1/namespaces/default/rooms/{room}/announcements");
    admin(address, "main", "GET", &path, "").await.json()["announcements"].clone()
}

async fn refusal(address: SocketAddr, room: &str, query: &str, file: &[u8]) -> (u16, String) {
    let answer = play(address, room, query, file).await;
    (answer.status, answer.code())
}

#[tokio::test]
async fn those_inside_are_told_its_name_and_progress_and_its_end() {
    let server = start_with_media(|_| {}).await;
    let address = server.listening();
    for topology in ["sfu", "mixed"] {
        let mut ann = room(address, topology, topology).await;
        let answer = play(address, topology, "?name=Doors+open&gain=0.5&repeat=2", &wav(1)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let made = answer.json();
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(
            made,
            json!({"id":id,"name":"Doors open","gain":0.5,"repeat":2,"seconds":0.0,"length_seconds":2.0})
        );
        assert_eq!(list(address, topology).await[0]["id"], id.as_str());
        let told = |state: &str, seconds: f64| json!({"type":"announcement","id":id,"name":"Doors open","state":state,"seconds":seconds,"length_seconds":2.0});
        assert_eq!(ann.until("announcement").await, told("started", 0.0));
        assert_eq!(ann.until("announcement").await, told("progress", 1.0));
        // Who comes in the middle is told how far it is.
        let mut bob = come(address, topology, "bob").await;
        assert_eq!(bob.until("announcement").await["state"], "progress");
        assert_eq!(ann.until("announcement").await, told("ended", 2.0));
        assert_eq!(bob.until("announcement").await, told("ended", 2.0));
        assert_eq!(list(address, topology).await, json!([]));
    }
}

#[tokio::test]
async fn its_track_is_of_the_room_and_whoever_stops_it_stops_it_for_all() {
    let server = start_with_media(|config| config.announcements.at_once = 2).await;
    let address = server.listening();
    let mut ann = room(address, "hall", "sfu").await;
    for id in ["a_1", "a_2"] {
        assert_eq!(play(address, "hall", "", &wav(60)).await.json()["id"], id);
    }
    assert_eq!(
        refusal(address, "hall", "", &wav(1)).await,
        (409, "too_many_announcements".to_owned())
    );
    let tracks = ann.until("tracks").await;
    assert_eq!(tracks["participant"], "room");
    assert_eq!(tracks["tracks"][0]["source"], "announcement");
    let stop = async |id: &str| {
        let path = format!("/v1/namespaces/default/rooms/hall/announcements/{id}");
        admin(address, "main", "DELETE", &path, "").await
    };
    assert_eq!(stop("a_1").await.status, 204);
    loop {
        let told = ann.until("announcement").await;
        if told["state"] == "ended" {
            assert_eq!(
                (&told["id"], &told["name"]),
                (&json!("a_1"), &json!("announcement"))
            );
            break;
        }
    }
    assert_eq!(list(address, "hall").await.as_array().unwrap().len(), 1);
    for wrong in ["a_1", "a_9", "p_x"] {
        let answer = stop(wrong).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "no_such_announcement".to_owned())
        );
    }
    let text = admin(address, "main", "GET", "/metrics", "").await.body;
    assert!(text.contains("code=\"too_many_announcements\"} 1"), "{text}");
    // With the last one inside, it is over.
    drop(ann);
    let path = "/v1/namespaces/default/rooms/hall";
    assert_eq!(admin(address, "main", "DELETE", path, "").await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_by_name() {
    let server = start_with_media(|config| {
        config.announcements.bytes = 200_000;
        config.announcements.seconds = 10;
        config.announcements.all_bytes = 100_000;
    })
    .await;
    let address = server.listening();
    let _ann = room(address, "hall", "sfu").await;
    let refused = async |query: &str, file: &[u8]| refusal(address, "hall", query, file).await;
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused("", b"").await, is(415, "unusable_sound"));
    assert_eq!(refused("", b"OggS and more").await, is(415, "unusable_sound"));
    assert_eq!(refused("", &wav(2)[..1000]).await, is(415, "unusable_sound"));
    assert_eq!(refused("", &wav(12)).await, is(413, "sound_too_long"));
    assert_eq!(refused("", &wav(13)).await, is(413, "payload_too_large"));
    assert_eq!(refused("", &wav(7)).await, is(409, "too_many_announcements"));
    for query in [
        "?gain=9",
        "?gain=-1",
        "?gain=NaN",
        "?gain=loud",
        "?repeat=0",
        "?repeat=1001",
        "?volume=1",
    ] {
        assert_eq!(refused(query, &wav(1)).await, is(400, "bad_request"), "{query}");
    }
    let long = format!("?name={}", "n".repeat(200));
    assert_eq!(refused(&long, &wav(1)).await, is(400, "invalid_name"));
    assert_eq!(list(address, "hall").await, json!([]));
}

#[tokio::test]
async fn where_nobody_could_hear_it_that_is_said() {
    let server = start_with_media(|_| {}).await;
    let address = server.listening();
    let is = |status: u16, code: &str| (status, code.to_owned());
    let sound = wav(1);
    assert_eq!(
        refusal(address, "nowhere", "", &sound).await,
        is(404, "no_such_room")
    );
    let _ann = room(address, "direct", "p2p").await;
    assert_eq!(
        refusal(address, "direct", "", &sound).await,
        is(409, "no_media_server")
    );
    let path = "/v1/namespaces/default/rooms/empty";
    let body = json!({"topology":"sfu"}).to_string();
    assert_eq!(admin(address, "main", "PUT", path, &body).await.status, 201);
    assert_eq!(refusal(address, "empty", "", &sound).await, is(409, "room_empty"));
    let path = "/v1/namespaces/default/rooms/secret";
    let body = json!({"topology":"sfu","encrypted":true}).to_string();
    assert_eq!(admin(address, "main", "PUT", path, &body).await.status, 201);
    let _bob = come(address, "secret", "bob").await;
    assert_eq!(
        refusal(address, "secret", "", &sound).await,
        is(409, "room_encrypted")
    );
    let other = admin(address, "pole", "GET", &format!("{path}/announcements"), "").await;
    assert_eq!((other.status, other.code()), is(403, "forbidden"));
    let nobody = get(address, &format!("{path}/announcements")).await;
    assert_eq!((nobody.status, nobody.code()), is(401, "unauthorized"));
    let plain = start_with_keys(|_| {}).await;
    let address = plain.listening();
    let _cem = room(address, "hall", "auto").await;
    assert_eq!(
        refusal(address, "hall", "", &sound).await,
        is(409, "no_media_server")
    );
}

#[tokio::test]
async fn a_file_that_is_announced_too_large_is_refused_before_it_is_there() {
    use tokio::io::AsyncWriteExt;
    let server = start_with_media(|_| {}).await;
    let address = server.listening();
    let _ann = room(address, "hall", "sfu").await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/namespaces/default/rooms/hall/announcements HTTP/1.1\r\nhost: {address}\r\ncontent-length: 99999999\r\n{}\r\n",
        basic("main", SECRET)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, "payload_too_large".to_owned())
    );
}
