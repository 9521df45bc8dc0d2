//! Abuse of HTTP and of handshakes while a bystander's call on the same server goes on and loses nothing.

use crate::support::{bystanders::*, *};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

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
