//! The HTTP interface: rooms and people are administered, and the OpenAPI document says what there is.

use std::collections::BTreeSet;

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn rooms_are_made_read_changed_listed_and_deleted() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let call = async |method: &str, path: &str, body: Value| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = admin(address, "main", method, path, &body).await;
        (
            answer.status,
            if answer.body.is_empty() {
                Value::Null
            } else {
                answer.json()
            },
        )
    };
    let space = json!({"namespace":"team","rooms_limit":5,"rooms":0});
    assert_eq!(
        call("PUT", "/v1/namespaces/team", json!({"rooms_limit":5})).await,
        (201, space.clone())
    );
    assert_eq!(
        call("PUT", "/v1/namespaces/team", Value::Null).await,
        (200, space)
    );
    let room = json!({"namespace":"team","room":"daily","member_limit":4,"topology":"auto","locked":false,
                      "encrypted":false,"empty_timeout_seconds":300,"participants":0});
    let path = "/v1/namespaces/team/rooms/daily";
    assert_eq!(
        call("PUT", path, json!({"member_limit":4})).await,
        (201, room.clone())
    );
    assert_eq!(call("GET", path, Value::Null).await, (200, room.clone()));
    assert_eq!(
        call("GET", "/v1/namespaces/team/rooms", Value::Null).await,
        (200, json!({"rooms":[room]}))
    );

    let join = token(
        address,
        json!({"namespace":"team","room":"daily","identity":"ann"}),
    )
    .await;
    let mut ann = Client::join(address, json!({"token":join})).await;
    let (status, changed) = call("PUT", path, json!({"locked":true,"empty_timeout_seconds":0})).await;
    assert_eq!(
        (status, &changed["locked"], &changed["participants"]),
        (200, &json!(true), &json!(1))
    );
    assert_eq!(ann.expect("room_updated").await["room"]["locked"], true);
    let (_, list) = call("GET", &format!("{path}/participants"), Value::Null).await;
    assert_eq!(list["participants"], ann.joined["participants"]);
    let (_, spaces) = call("GET", "/v1/namespaces", Value::Null).await;
    assert_eq!(
        spaces["namespaces"],
        json!([{"namespace":"team","rooms_limit":5,"rooms":1}])
    );

    assert_eq!(call("DELETE", path, Value::Null).await, (204, Value::Null));
    assert_eq!(ann.next().await, json!({"type":"left","reason":"room_closed"}));
    assert_eq!(
        Client::refused(address, json!({"token":join})).await,
        "no_such_room"
    );
    let (status, gone) = call("GET", path, Value::Null).await;
    assert_eq!((status, &gone["error"]["code"]), (404, &json!("no_such_room")));
    assert_eq!(call("DELETE", path, Value::Null).await.0, 404);
    assert_eq!(
        call("DELETE", "/v1/namespaces/team", Value::Null).await,
        (204, Value::Null)
    );
    assert_eq!(call("GET", "/v1/namespaces/team", Value::Null).await.0, 404);
    assert_eq!(call("GET", "/v1/namespaces/team/rooms", Value::Null).await.0, 404);
}

#[tokio::test]
async fn an_administrator_removes_somebody() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let join = token(address, json!({"room":"r","identity":"ann"})).await;
    let mut ann = Client::join(address, json!({"token":join})).await;
    let path = format!("/v1/namespaces/default/rooms/r/participants/{}", ann.id());
    assert_eq!(admin(address, "main", "DELETE", &path, "").await.status, 204);
    assert_eq!(ann.next().await["reason"], "kicked");
    let again = admin(address, "main", "DELETE", &path, "").await;
    assert_eq!(
        (again.status, again.code()),
        (404, "no_such_participant".to_owned())
    );
    assert_eq!(Client::refused(address, json!({"token":join})).await, "kicked");
}

#[tokio::test]
async fn a_topology_that_cannot_be_done_is_kept_and_refused_by_name() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    for topology in ["sfu", "mixed"] {
        let path = format!("/v1/namespaces/default/rooms/{topology}");
        let body = json!({"topology":topology}).to_string();
        assert_eq!(
            admin(address, "main", "PUT", &path, &body).await.json()["topology"],
            topology
        );
        let join = token(address, json!({"room":topology,"identity":"ann"})).await;
        assert_eq!(
            Client::refused(address, json!({"token":join})).await,
            "unsupported_topology"
        );
        let answer = http(
            address,
            "POST",
            "/v1/join",
            &format!("authorization: Bearer {join}\r\n"),
            "",
        )
        .await;
        assert_eq!(
            (answer.status, answer.code()),
            (501, "unsupported_topology".to_owned())
        );
        assert!(answer.body.contains(topology));
    }
}

#[tokio::test]
async fn every_counter_is_shown_from_the_start() {
    let server = start(|_| {}).await;
    let text = get(server.listening(), "/metrics").await.body;
    for name in [
        "trefoil_connections",
        "trefoil_websockets",
        "trefoil_rooms",
        "trefoil_participants",
        "trefoil_joins",
        "trefoil_resumes",
        "trefoil_messages",
        "trefoil_refusals",
        "trefoil_http_answers",
    ] {
        assert!(
            text.contains(&format!("# HELP {name} ")) && text.contains(&format!("# TYPE {name} ")),
            "{name}: {text}"
        );
    }
}

#[tokio::test]
async fn a_host_header_decides_what_clients_are_told() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let join = token(address, json!({"room":"r","identity":"a"})).await;
    let request = format!(
        "POST /v1/join HTTP/1.1\r\nhost: meet.example.org:8443\r\nconnection: close\r\nauthorization: Bearer {join}\r\n\r\n"
    );
    let answer = raw(address, request.as_bytes()).await.json();
    assert_eq!(answer["signalling_url"], "ws://meet.example.org:8443/v1/signal");
    assert_eq!(
        answer["ice_servers"][0]["urls"],
        json!(["stun:meet.example.org:3478"])
    );
}

/// Every path and method that the server has, as the contract lists them.
const ROUTES: [(&str, &str); 25] = [
    ("post", "/v1/join"),
    ("get", "/v1/signal"),
    ("post", "/v1/tokens"),
    ("get", "/v1/namespaces"),
    ("get", "/v1/namespaces/{namespace}"),
    ("put", "/v1/namespaces/{namespace}"),
    ("delete", "/v1/namespaces/{namespace}"),
    ("get", "/v1/namespaces/{namespace}/rooms"),
    ("get", "/v1/namespaces/{namespace}/rooms/{room}"),
    ("put", "/v1/namespaces/{namespace}/rooms/{room}"),
    ("delete", "/v1/namespaces/{namespace}/rooms/{room}"),
    ("get", "/v1/namespaces/{namespace}/rooms/{room}/participants"),
    (
        "delete",
        "/v1/namespaces/{namespace}/rooms/{room}/participants/{id}",
    ),
    ("post", "/v1/namespaces/{namespace}/rooms/{room}/plain"),
    ("delete", "/v1/namespaces/{namespace}/rooms/{room}/plain/{id}"),
    ("get", "/v1/namespaces/{namespace}/rooms/{room}/announcements"),
    ("post", "/v1/namespaces/{namespace}/rooms/{room}/announcements"),
    (
        "delete",
        "/v1/namespaces/{namespace}/rooms/{room}/announcements/{id}",
    ),
    ("get", "/v1/openapi.json"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("head", "/"),
    ("get", "/"),
    ("get", "/r/{room}"),
];

#[tokio::test]
async fn the_openapi_document_has_every_route_and_every_documented_route_answers_as_documented() {
    let server = start_with_keys(|_| {}).await;
    let address = server.listening();
    let document = get(address, "/v1/openapi.json").await.json();
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            documented.insert((method.clone(), path.clone()));
            let concrete = path
                .replace("{namespace}", "default")
                .replace("{room}", "r")
                .replace("{id}", "p_x");
            let answer = admin(address, "main", &method.to_uppercase(), &concrete, "").await;
            let status = answer.status.to_string();
            assert!(
                operation["responses"].get(&status).is_some(),
                "{method} {path}: {answer:?}"
            );
        }
    }
    let page = ["/", "/r/{room}"];
    let expected = ROUTES.iter().filter(|(_, path)| !page.contains(path));
    let expected: BTreeSet<_> = expected
        .map(|(method, path)| (method.to_string(), path.to_string()))
        .collect();
    assert_eq!(documented, expected);
    for (method, path) in ROUTES {
        for wrong in ["PATCH", "TRACE"] {
            let concrete = path
                .replace("{namespace}", "default")
                .replace("{room}", "r")
                .replace("{id}", "p_x");
            let answer = http(address, wrong, &concrete, "", "").await;
            assert_eq!(
                (answer.status, answer.code()),
                (405, "method_not_allowed".to_owned()),
                "{method} {path}"
            );
        }
    }
    let answer = get(address, "/v1/nothing").await;
    assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()));
}
