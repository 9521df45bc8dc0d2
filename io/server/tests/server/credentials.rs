//! Who may do what over HTTP: keys, tokens, origins, guests, and what configuration does not start.

use std::collections::BTreeSet;

use crate::support::*;
use serde_json::json;
use trefoil_auth::{Claims, Role, Secret, sign};
use trefoil_server::{KeyConfig, Server, ServerConfig};

/// FAULTS W12: a key of one namespace, a token for one room, a participant who is no administrator.
#[tokio::test]
async fn a_credential_opens_what_it_is_for_and_nothing_else() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    for (method, path, body) in [
        ("GET", "/v1/namespaces/default", ""),
        ("PUT", "/v1/namespaces/default", ""),
        ("DELETE", "/v1/namespaces/default", ""),
        ("GET", "/v1/namespaces/default/rooms", ""),
        ("GET", "/v1/namespaces/default/rooms/r", ""),
        ("PUT", "/v1/namespaces/default/rooms/r", ""),
        ("DELETE", "/v1/namespaces/default/rooms/r", ""),
        ("GET", "/v1/namespaces/default/rooms/r/participants", ""),
        ("DELETE", "/v1/namespaces/default/rooms/r/participants/p_x", ""),
        ("POST", "/v1/tokens", r#"{"room":"r","identity":"a"}"#),
    ] {
        let answer = admin(address, "pole", method, path, body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "forbidden".to_owned()),
            "{method} {path}"
        );
    }
    assert_eq!(
        admin(address, "pole", "PUT", "/v1/namespaces/pole/rooms/r", "")
            .await
            .status,
        201
    );
    assert_eq!(
        admin(address, "main", "PUT", "/v1/namespaces/default/rooms/r", "")
            .await
            .status,
        201
    );
    let spaces = admin(address, "pole", "GET", "/v1/namespaces", "").await.json();
    assert_eq!(spaces["namespaces"].as_array().unwrap().len(), 1, "{spaces}");

    let join = token(
        address,
        json!({"room":"a","identity":"ann","permissions":["subscribe"]}),
    )
    .await;
    assert_eq!(
        Client::refused(address, json!({"token":join,"room":"b"})).await,
        "forbidden"
    );
    let bearer = format!("authorization: Bearer {join}\r\n");
    let answer = http(address, "POST", "/v1/join", &bearer, r#"{"room":"b"}"#).await;
    assert_eq!((answer.status, answer.code()), (403, "forbidden".to_owned()));
    let mut ann = Client::join(address, json!({"token":join,"room":"a"})).await;
    ann.send(json!({"type":"message","data":1})).await;
    assert_eq!(ann.expect("refused").await["code"], "forbidden");
    let answer = http(address, "GET", "/v1/namespaces", &bearer, "").await;
    assert_eq!((answer.status, answer.code()), (401, "unauthorized".to_owned()));
}

#[tokio::test]
async fn without_the_right_key_nothing_is_administered() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let mut bodies = BTreeSet::new();
    for headers in [
        String::new(),
        basic("main", "wrong"),
        basic("nobody", SECRET),
        basic("main", ""),
        basic("", ""),
        "authorization: Basic !!!\r\n".into(),
        "authorization: Basic bm9jb2xvbg==\r\n".into(),
        "authorization: Digest x\r\n".into(),
        "authorization: \u{1}\r\n".into(),
    ] {
        for path in ["/v1/namespaces", "/metrics"] {
            let answer = http(address, "GET", path, &headers, "").await;
            if answer.status != 400 {
                assert_eq!(answer.status, 401, "{headers:?}");
                assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"));
                bodies.insert(answer.body);
            }
        }
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(admin(address, "main", "GET", "/metrics", "").await.status, 200);
}

/// FAULTS W11: whatever is wrong with a token, the answer is the same, and the token is not in it.
#[tokio::test]
async fn every_wrong_token_gets_the_same_answer() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let good = Claims {
        iss: "main".into(),
        sub: "ann".into(),
        ns: "default".into(),
        room: "r".into(),
        name: None,
        role: Role::Speaker,
        permissions: None,
        hidden: false,
        exp: now + 600,
        nbf: None,
    };
    let secret = Secret::new(SECRET);
    let signed = |claims: &Claims| sign(claims, &secret).unwrap();
    let wrong = [
        sign(&good, &Secret::new("another")).unwrap(),
        signed(&Claims {
            iss: "nobody".into(),
            ..good.clone()
        }),
        signed(&Claims {
            iss: "pole".into(),
            ..good.clone()
        }),
        signed(&Claims {
            exp: now - 3600,
            ..good.clone()
        }),
        signed(&Claims {
            nbf: Some(now + 3600),
            ..good.clone()
        }),
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJtYWluIn0.".into(),
        "nonsense".into(),
        "a".repeat(9000),
    ];
    let mut bodies = BTreeSet::new();
    for token in &wrong {
        let answer = http(
            address,
            "POST",
            "/v1/join",
            &format!("authorization: Bearer {token}\r\n"),
            "",
        )
        .await;
        assert_eq!(answer.status, 401, "{answer:?}");
        bodies.insert(answer.body);
        assert_eq!(
            Client::refused(address, json!({"token":token})).await,
            "unauthorized"
        );
    }
    let answer = http(address, "POST", "/v1/join", "", "").await;
    assert_eq!(answer.status, 401);
    bodies.insert(answer.body);
    assert_eq!(Client::refused(address, json!({})).await, "unauthorized");
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let counted = admin(address, "main", "GET", "/metrics", "").await.body;
    let refusals = format!(
        "trefoil_refusals_total{{code=\"unauthorized\"}} {}",
        2 * (wrong.len() + 1)
    );
    assert!(counted.contains(&refusals), "{counted}");
    let mut long = Client::open(address).await;
    long.send_join(json!({"token":"a".repeat(1 << 20)})).await;
    assert_eq!(long.expect("refused").await["code"], "too_large");
    assert_eq!(long.close_code().await, 1009);
    Client::join(address, json!({"token":signed(&good)})).await;
}

#[tokio::test]
async fn a_token_request_is_checked() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    for (body, code) in [
        (json!({"identity":"a"}), "bad_request"),
        (json!({"room":"a/b","identity":"a"}), "invalid_name"),
        (
            json!({"namespace":"..","room":"a","identity":"a"}),
            "invalid_name",
        ),
        (json!({"room":"a","identity":""}), "invalid_name"),
        (
            json!({"room":"a","identity":"a","name":"\u{202e}"}),
            "invalid_name",
        ),
        (json!({"room":"a","identity":"a","role":"king"}), "bad_request"),
        (json!({"room":"a","identity":"a","ttl_seconds":0}), "bad_request"),
        (
            json!({"room":"a","identity":"a","ttl_seconds":999_999_999}),
            "bad_request",
        ),
        (json!([]), "bad_request"),
    ] {
        let answer = admin(address, "main", "POST", "/v1/tokens", &body.to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{body}");
    }
    let answer = admin(address, "main", "POST", "/v1/tokens", &" ".repeat(17 * 1024)).await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, "payload_too_large".to_owned())
    );
    let answer = admin(address, "main", "POST", "/v1/tokens", &"[".repeat(10_000)).await;
    assert_eq!((answer.status, answer.code()), (400, "bad_request".to_owned()));
    let body = json!({"room":"a","identity":"a","role":"viewer","ttl_seconds":60}).to_string();
    let answer = admin(address, "main", "POST", "/v1/tokens", &body).await;
    let viewer = Client::join(address, json!({"token":answer.json()["token"]})).await;
    assert_eq!(viewer.joined["participants"][0]["role"], "viewer");
}

/// FAULTS W10: foreign pages are refused, our own and listed ones are not, programs have no origin.
#[tokio::test]
async fn origins_are_checked_everywhere() {
    let server = start(|config| config.origins = vec!["https://app.example.org".into()]).await;
    let address = server.listening();
    for path in ["/v1/join", "/v1/signal", "/healthz", "/"] {
        for origin in [
            "https://evil.example",
            "null",
            "https://app.example.org.evil.example",
            "http://app.example.org",
        ] {
            let answer = http(address, "GET", path, &format!("origin: {origin}\r\n"), "").await;
            assert_eq!(
                (answer.status, answer.code()),
                (403, "origin_not_allowed".to_owned()),
                "{path} {origin}"
            );
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    let own = format!("http://{address}");
    for origin in [own.as_str(), "https://app.example.org"] {
        let answer = http(address, "POST", "/v1/join", &format!("origin: {origin}\r\n"), "").await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (200, Some(origin))
        );
    }
    let asks = "origin: https://app.example.org\r\naccess-control-request-method: POST\r\n";
    let answer = http(address, "OPTIONS", "/v1/join", asks, "").await;
    assert_eq!(answer.status, 204);
    assert!(
        answer
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
    let foreign = asks.replace("app.example.org", "evil.example");
    assert_eq!(
        http(address, "OPTIONS", "/v1/join", &foreign, "").await.status,
        403
    );

    let mut request = request(address);
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let refused = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    let counted = metric(address, "trefoil_refusals_total{code=\"origin_not_allowed\"}").await;
    assert_eq!(counted, 4 * 4 + 2);
}

#[tokio::test]
async fn in_development_mode_no_foreign_name_is_answered() {
    let server = start(|_| {}).await;
    let address = server.listening();
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("a b", 400),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(address, request.as_bytes()).await.status, status, "{host}");
    }
    let answer = admin(address, "main", "GET", "/v1/namespaces", "").await;
    assert_eq!((answer.status, answer.code()), (401, "unauthorized".to_owned()));
    assert!(answer.body.contains("configured"), "{answer:?}");
}

#[tokio::test]
async fn a_guests_token_opens_no_other_server() {
    let guests = start(|_| {}).await;
    let token = http(guests.listening(), "POST", "/v1/join", "", "").await.json()["token"].clone();
    let other = start(|_| {}).await;
    assert_eq!(
        Client::refused(other.listening(), json!({"token":token})).await,
        "unauthorized"
    );
}

#[tokio::test]
async fn a_configuration_that_would_let_strangers_in_or_cannot_work_does_not_start() {
    let key = |secret: &str| KeyConfig {
        key: "main".into(),
        secret: Secret::new(secret),
        namespace: None,
    };
    let local = || vec!["127.0.0.1:0".parse().unwrap()];
    let config = || ServerConfig {
        listen: local(),
        ..ServerConfig::default()
    };
    let wrong = [
        (
            ServerConfig {
                listen: vec!["0.0.0.0:0".parse().unwrap()],
                ..config()
            },
            "trefoil token",
        ),
        (
            ServerConfig {
                public_url: Some("https://meet.example.org".into()),
                ..config()
            },
            "trefoil token",
        ),
        (
            ServerConfig {
                listen: Vec::new(),
                ..config()
            },
            "listen is empty",
        ),
        (
            ServerConfig {
                keys: vec![key("short")],
                ..config()
            },
            "shorter than 32",
        ),
        (
            ServerConfig {
                keys: vec![key(SECRET), key(SECRET)],
                ..config()
            },
            "same key",
        ),
        (
            ServerConfig {
                public_url: Some("meet.example.org".into()),
                keys: vec![key(SECRET)],
                ..config()
            },
            "https://",
        ),
        (
            ServerConfig {
                origins: vec!["*".into()],
                ..config()
            },
            "origins",
        ),
        (
            ServerConfig {
                trusted_proxies: vec!["proxy".into()],
                ..config()
            },
            "trusted_proxies",
        ),
    ];
    for (config, words) in wrong {
        let error = Server::start(config, ice(), None)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(words) && !error.contains(SECRET), "{error}");
    }
    let running = start(|_| {}).await;
    let taken = ServerConfig {
        listen: vec![running.listening()],
        ..config()
    };
    assert!(
        Server::start(taken, ice(), None)
            .await
            .err()
            .unwrap()
            .to_string()
            .contains("cannot listen")
    );
    let public = ServerConfig {
        public_url: Some("https://meet.example.org/".into()),
        keys: vec![key(SECRET)],
        ..config()
    };
    let server = Server::start(public, ice(), None).await.unwrap();
    let join = token(server.listening(), json!({"room":"r","identity":"a"})).await;
    let answer = http(
        server.listening(),
        "POST",
        "/v1/join",
        &format!("authorization: Bearer {join}\r\n"),
        "",
    )
    .await;
    assert_eq!(
        answer.json()["signalling_url"],
        "wss://meet.example.org/v1/signal"
    );
}
