//! Abuse over real sockets while a bystander's call on the same server goes on and loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
#![allow(
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "stories and tables of cases"
)]

mod support;

use std::{net::SocketAddr, time::Duration};

use futures_util::SinkExt;
use serde_json::json;
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, interval, timeout},
};
use tokio_tungstenite::tungstenite::Message;
use trefoil_server::{HeartbeatConfig, Server};

/// Two who talk to each other and notice if anything is lost, late, twice or not theirs.
struct Bystanders {
    stop: oneshot::Sender<()>,
    call: JoinHandle<i64>,
}

impl Bystanders {
    async fn start(address: SocketAddr) -> Self {
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
    async fn end(self) -> i64 {
        self.stop.send(()).unwrap();
        self.call.await.expect("the bystanders' call broke")
    }
}

/// A WebSocket after its handshake, as bare TCP.
async fn bare(address: SocketAddr) -> TcpStream {
    Client::open(address).await.socket.into_inner()
}

/// A client's frame; the mask is zero.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
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
async fn close_code(stream: &mut TcpStream) -> u16 {
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

async fn calm() -> (Server, SocketAddr, Bystanders) {
    let server = start(|_| {}).await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    (server, address, bystanders)
}

/// FAULTS W01: frames that RFC 6455 forbids.
#[tokio::test]
async fn forbidden_frames_close_the_connection_with_1002() {
    let (_server, address, bystanders) = calm().await;
    let forbidden: [(&str, Vec<u8>); 8] = [
        ("not masked", vec![0x81, 2, b'{', b'}']),
        ("a reserved bit", frame(0xC1, b"{}")),
        ("opcode 3", frame(0x83, b"{}")),
        ("opcode 11", frame(0x8B, b"")),
        ("a long ping", frame(0x89, &[b'x'; 126])),
        ("a fragmented ping", frame(0x09, b"x")),
        ("a continuation of nothing", frame(0x80, b"{}")),
        (
            "a message within a message",
            [frame(0x01, b"{"), frame(0x81, b"{}")].concat(),
        ),
    ];
    for (what, bytes) in forbidden {
        for joined in [false, true] {
            let mut stream = bare(address).await;
            if joined {
                stream
                    .write_all(&frame(0x81, br#"{"type":"join","version":1,"room":"abuse"}"#))
                    .await
                    .unwrap();
            }
            stream.write_all(&bytes).await.unwrap();
            assert_eq!(close_code(&mut stream).await, 1002, "{what}, joined: {joined}");
        }
    }
    assert!(bystanders.end().await > 0);
}

/// FAULTS W02 and W19: what is too large is refused by its announced length, before it is there.
#[tokio::test]
async fn oversized_messages_close_the_connection_with_1009_before_they_arrive() {
    let (_server, address, bystanders) = calm().await;
    for length in [64 * 1024 + 1, 10 * 1024 * 1024, 1_u64 << 62] {
        let mut stream = bare(address).await;
        let mut head = vec![0x81, 0x80 | 127];
        head.extend(length.to_be_bytes());
        head.extend([0; 4]);
        // Not a byte of the payload follows.
        stream.write_all(&head).await.unwrap();
        assert_eq!(close_code(&mut stream).await, 1009, "{length}");
    }
    let mut ann = Client::guest(address, "abuse", "Ann").await;
    let data = "x".repeat(64 * 1024);
    ann.send(json!({"type":"message","data":data})).await;
    assert_eq!(ann.expect("refused").await["code"], "too_large");
    assert_eq!(ann.expect("left").await["reason"], "misbehaved");
    assert_eq!(ann.close_code().await, 1009);
    let mut bob = Client::guest(address, "abuse", "Bob").await;
    let fits = 64 * 1024 - json!({"type":"message","data":""}).to_string().len();
    bob.send(json!({"type":"message","data":"x".repeat(fits)})).await;
    bob.hears_nothing().await;
    assert!(bystanders.end().await > 0);
}

/// FAULTS W03: no extension is taken up, so nothing inflates.
#[tokio::test]
async fn compression_is_not_taken_up() {
    let (_server, address, bystanders) = calm().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /v1/signal HTTP/1.1\r\nhost: {address}\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-extensions: permessage-deflate\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = vec![0; 1024];
    let read = timeout(PATIENCE, stream.read(&mut head)).await.unwrap().unwrap();
    let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
    // RFC 6455 section 1.3 has this very key and answer.
    assert!(
        head.starts_with("http/1.1 101") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    assert!(bystanders.end().await > 0);
}

#[tokio::test]
async fn what_is_no_websocket_handshake_is_told_so() {
    let (_server, address, bystanders) = calm().await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    for headers in [
        "",
        upgrade,
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: short\r\n",
    ] {
        let answer = http(address, "GET", "/v1/signal", headers, "").await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "bad_request".to_owned()),
            "{headers}"
        );
    }
    assert!(bystanders.end().await > 0);
}

/// FAULTS W04: nonsense is answered by name; the tenth closes; what is not UTF-8 closes at once.
#[tokio::test]
async fn nonsense_is_answered_and_then_ends() {
    let (_server, address, bystanders) = calm().await;
    let mut ann = Client::guest(address, "abuse", "Ann").await;
    let deep = format!(r#"{{"type":"message","data":{}"#, "[".repeat(60_000));
    let nonsense = [
        "",
        "hello",
        "[]",
        &deep,
        r#"{"type":"message","data":NaN}"#,
        r#"{"type":"lock","locked":1,"locked":true}"#,
        r#"{"type":"signal","to":{},"data":1}"#,
        "{\"type\":\"message\",\"data\":\"\u{0}\"}",
    ];
    for text in nonsense {
        ann.send_text(text).await;
        assert_eq!(ann.expect("refused").await["code"], "malformed", "{text:.60}");
    }
    ann.send_text(r#"{"type":"fly"}"#).await;
    let refused = ann.expect("refused").await;
    assert_eq!(
        (&refused["of"], &refused["code"]),
        (&json!("fly"), &json!("unknown_type"))
    );
    ann.socket.send(Message::binary(vec![0xff])).await.unwrap();
    assert_eq!(ann.expect("refused").await["code"], "malformed");
    assert_eq!(ann.expect("left").await["reason"], "misbehaved");
    assert_eq!(ann.close_code().await, 4002);

    let mut stream = bare(address).await;
    stream
        .write_all(&frame(0x81, b"{\"type\":\"\xff\"}"))
        .await
        .unwrap();
    assert_eq!(close_code(&mut stream).await, 1007);

    let mut early = Client::open(address).await;
    for _ in 0..10 {
        early.send_text("[").await;
        assert_eq!(early.expect("refused").await["code"], "malformed");
    }
    assert_eq!(early.close_code().await, 4002);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W05: a message in endless pieces is bounded in size and does not count as a sign of life.
#[tokio::test]
async fn endless_fragments_are_capped() {
    let (_server, address, bystanders) = calm().await;
    let mut stream = bare(address).await;
    stream.write_all(&frame(0x01, &[b'x'; 1000])).await.unwrap();
    for _ in 0..70 {
        // Writing fails once the server has closed.
        let _ = stream.write_all(&frame(0x00, &[b'x'; 1000])).await;
    }
    assert_eq!(close_code(&mut stream).await, 1009);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W06: ten thousand messages at once.
#[tokio::test]
async fn a_flood_is_refused_and_then_ends() {
    let (_server, address, bystanders) = calm().await;
    let mut flooder = Client::guest(address, "abuse", "Flooder").await;
    let mut victim = Client::guest(address, "abuse", "Victim").await;
    flooder.expect("participant_joined").await;
    let stream = flooder.socket.get_mut();
    let message = frame(0x81, br#"{"type":"message","data":"flood"}"#);
    // The server closes before it has read them all.
    let _ = timeout(PATIENCE, stream.write_all(&message.repeat(10_000)))
        .await
        .unwrap();
    assert_eq!(victim.until("participant_left").await["reason"], "misbehaved");
    assert_eq!(flooder.close_code().await, 4008);
    assert!(metric(address, "trefoil_refusals_total{code=\"rate_limited\"}").await >= 100);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W07: one address may have so many connections, and whoever does not join is closed.
#[tokio::test]
async fn one_address_has_so_many_connections_and_a_silent_one_is_closed() {
    let server = start(|config| {
        config.limits.connections_per_address = 6;
        config.trusted_proxies = Vec::new();
    })
    .await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Client::open(address).await);
    }
    let answer = get(address, "/healthz").await;
    assert_eq!(
        (answer.status, answer.code()),
        (429, "too_many_connections".to_owned())
    );
    assert!(answer.header("retry-after").is_some());
    drop(silent.pop());
    let deadline = Instant::now() + PATIENCE;
    while get(address, "/healthz").await.status != 200 {
        assert!(
            Instant::now() < deadline,
            "a closed connection is never free again"
        );
    }
    assert!(bystanders.end().await > 0);

    let server = start(|config| config.limits.join_seconds = 0.3).await;
    let mut silent = Client::open(server.listening()).await;
    assert_eq!(silent.expect("refused").await["code"], "join_first");
    assert_eq!(silent.close_code().await, 4001);
    let mut eager = Client::open(server.listening()).await;
    eager.send(json!({"type":"message","data":1})).await;
    assert_eq!(eager.expect("refused").await["code"], "join_first");
    assert_eq!(eager.close_code().await, 4001);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_counted_for_itself() {
    let server = start(|config| config.limits.connections_per_address = 2).await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    let open = async |client: &str| {
        let mut request = request(address);
        request
            .headers_mut()
            .insert("x-forwarded-for", format!("6.6.6.6, {client}").parse().unwrap());
        tokio_tungstenite::client_async(request, TcpStream::connect(address).await.unwrap()).await
    };
    let (_one, _two) = (open("192.0.2.1").await.unwrap(), open("192.0.2.1").await.unwrap());
    let refused = open("192.0.2.1").await.unwrap_err().to_string();
    assert!(refused.contains("429"), "{refused}");
    let _other = open("192.0.2.2").await.unwrap();
    assert_eq!(
        metric(address, "trefoil_refusals_total{code=\"too_many_connections\"}").await,
        1
    );
    assert!(bystanders.end().await > 0);
}

/// FAULTS W08: a client that never reads is let go, and the room does not wait for it.
#[tokio::test]
async fn a_zero_window_is_let_go_and_nobody_waits() {
    let server = start(|config| {
        config.limits.messages_per_second = 100_000;
        config.limits.message_burst = 100_000;
    })
    .await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    let mut talker = Client::guest(address, "abuse", "Talker").await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let mut deaf = Client::over(small.connect(address).await.unwrap()).await;
    deaf.send_join(json!({"room":"abuse","name":"Deaf"})).await;
    let deaf_id = talker.expect("participant_joined").await["participant"]["id"].clone();
    let mut reader = Client::guest(address, "abuse", "Reader").await;
    talker.expect("participant_joined").await;

    let data = "x".repeat(60_000);
    let mut number = 0;
    let left = loop {
        talker
            .send(json!({"type":"message","data":{"n":number,"data":data}}))
            .await;
        let heard = reader.next().await;
        if heard["type"] == "participant_left" {
            break heard;
        }
        assert_eq!(heard["data"]["n"], number);
        number += 1;
        assert!(number < 1000, "the deaf client is never let go");
    };
    assert_eq!(
        left,
        json!({"type":"participant_left","participant":deaf_id,"reason":"too_slow"})
    );
    assert_eq!(
        metric(address, "trefoil_refusals_total{code=\"too_slow\"}").await,
        1
    );
    // Its connection is closed too, though it never reads the reason.
    let deadline = Instant::now() + PATIENCE;
    while metric(address, "trefoil_websockets").await > 4 {
        assert!(Instant::now() < deadline, "the deaf connection is never closed");
    }
    drop(deaf);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W09: pongs and pings of others are harmless, unless they are a flood.
#[tokio::test]
async fn control_frames_are_harmless_until_they_are_a_flood() {
    let (_server, address, bystanders) = calm().await;
    let mut ann = Client::guest(address, "abuse", "Ann").await;
    for _ in 0..60 {
        ann.socket.feed(Message::Pong(vec![7; 125].into())).await.unwrap();
        ann.socket.feed(Message::Ping(vec![8; 125].into())).await.unwrap();
    }
    ann.socket.flush().await.unwrap();
    ann.hears_nothing().await;
    let stream = ann.socket.get_mut();
    let _ = timeout(PATIENCE, stream.write_all(&frame(0x8A, &[9; 125]).repeat(10_000)))
        .await
        .unwrap();
    assert_eq!(ann.close_code().await, 4008);
    assert!(bystanders.end().await > 0);
}

/// FAULTS W09: a client that is silent is pinged, and closed if it does not answer.
#[tokio::test]
async fn a_silent_connection_is_closed_and_one_that_answers_stays() {
    let server = start(|config| {
        config.heartbeat = HeartbeatConfig {
            ping_seconds: 0.3,
            away_seconds: 1.5,
            seat_seconds: 1.5,
            resume_seconds: 1.5,
        };
    })
    .await;
    let address = server.listening();
    let mut answering = Client::guest(address, "lobby", "Answering").await;
    let silent = Client::guest(address, "lobby", "Silent").await;
    answering.expect("participant_joined").await;
    // Whoever waits for this answers pings meanwhile, for five times as long as silence would be allowed.
    answering.until("participant_left").await;
    let mut stream = silent.socket.into_inner();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the silent connection is not closed")
        .unwrap();
    answering.hears_nothing().await;
}

/// FAULTS W17: markup is let through as it is, what cannot be shown is refused.
#[tokio::test]
async fn display_names_are_checked() {
    let (_server, address, bystanders) = calm().await;
    let markup = "<img src=x onerror=alert(1)> ${jndi:ldap://x}";
    let ann = Client::guest(address, "abuse", markup).await;
    assert_eq!(ann.joined["participants"][0]["name"], markup);
    for name in [
        "x".repeat(10 * 1024),
        "a\u{202e}b".into(),
        "a\u{0}b".into(),
        "a\nb".into(),
        "\u{1b}[31m".into(),
    ] {
        assert_eq!(
            Client::refused(address, json!({"name":name})).await,
            "invalid_name"
        );
        let body = json!({"name":name}).to_string();
        let answer = http(address, "POST", "/v1/join", "", &body).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_name".to_owned()));
    }
    for (field, value) in [
        ("room", "../../etc"),
        ("room", ""),
        ("namespace", "a/b"),
        ("room", "%2e%2e"),
    ] {
        assert_eq!(
            Client::refused(address, json!({field:value})).await,
            "invalid_name",
            "{field} {value:?}"
        );
    }
    assert_eq!(
        Client::refused(address, json!({"version":1,"resume":{"token":"r_","received":0}})).await,
        "session_lost"
    );
    assert!(bystanders.end().await > 0);
}

/// FAULTS P11: no path leads out of the page's folder or into a room that cannot be.
#[tokio::test]
async fn paths_lead_nowhere_else() {
    let (_server, address, bystanders) = calm().await;
    for path in [
        "/../Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e/Cargo.toml",
        "/sdk/../../Cargo.toml",
        "/sdk/%00",
        "//etc/passwd",
        "/.git/config",
        "/\\..\\Cargo.toml",
        "/r/..",
        "/r/a%2fb",
        "/r/a/b",
        "/r/",
        "/package.json",
        "/test/",
    ] {
        let answer = get(address, path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(!answer.body.contains("[workspace]"), "{path}");
    }
    assert!(bystanders.end().await > 0);
}

/// FAULTS P12: requests whose end two readers would find in two places, and heads without end.
#[tokio::test]
async fn ambiguous_or_endless_requests_are_refused_and_closed() {
    let (_server, address, bystanders) = calm().await;
    let post = |headers: &str| format!("POST /v1/join HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n0\r\n\r\n");
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    for (what, request) in [
        (
            "CL and TE",
            post("content-length: 5\r\ntransfer-encoding: chunked\r\n") + smuggled,
        ),
        (
            "TE and CL",
            post("transfer-encoding: chunked\r\ncontent-length: 5\r\n") + smuggled,
        ),
        ("two lengths", post("content-length: 5\r\ncontent-length: 6\r\n")),
        ("a length that is none", post("content-length: +5\r\n")),
        ("an unknown coding", post("transfer-encoding: xchunked\r\n")),
        ("a folded line", post("x-a: b\r\n c\r\ncontent-length: 5\r\n")),
        (
            "two hosts",
            format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nhost: x\r\nconnection: close\r\n\r\n"),
        ),
        (
            "no host",
            "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(),
        ),
        (
            "a megabyte of header",
            post(&format!("x-a: {}\r\n", "x".repeat(1 << 20))),
        ),
        ("ten thousand headers", post(&"x-a: b\r\n".repeat(10_000))),
        ("no HTTP", "hello\r\n\r\n".to_owned()),
    ] {
        let answer = raw(address, request.as_bytes()).await;
        // With both lengths, the coding counts and the connection closes (RFC 9112 section 6.3). A server may also close
        // without a word while the client still writes.
        let fine = if what.contains("TE") {
            [200, 200]
        } else {
            [400, 431]
        };
        assert!(
            fine.contains(&answer.status) || answer.status == 0,
            "{what}: {answer:?}"
        );
        let answers = format!("{}{}", answer.head, answer.body)
            .matches("HTTP/1.1")
            .count();
        assert_eq!(answers, usize::from(answer.status > 0), "{what}: {answer:?}");
    }
    assert!(bystanders.end().await > 0);
}

/// FAULTS P13: whoever sends a byte now and then is closed by a deadline, and others are served meanwhile.
#[tokio::test]
async fn slow_heads_slow_bodies_and_idle_connections_are_closed() {
    let server = start(|config| {
        config.limits.header_seconds = 0.5;
        config.limits.body_seconds = 0.5;
    })
    .await;
    let address = server.listening();
    let bystanders = Bystanders::start(address).await;
    let begin = async |bytes: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    };
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(begin("").await);
    }
    let head = format!("POST /v1/join HTTP/1.1\r\nhost: {address}\r\n");
    let mut slow_head = begin(&head).await;
    let mut slow_body = begin(&format!("{head}content-length: 100\r\n\r\n{{")).await;
    assert_eq!(get(address, "/healthz").await.status, 200, "others are served");
    let answer = read_answer(&mut slow_body).await;
    assert_eq!(
        (answer.status, answer.code()),
        (408, "request_timeout".to_owned())
    );
    assert_eq!(read_answer(&mut slow_head).await.status, 0);
    for stream in &mut idle {
        assert_eq!(read_answer(stream).await.status, 0);
    }
    assert!(bystanders.end().await > 0);
}
