//! The devices door over real sockets: browsers and devices in rooms, and the list of devices.

use std::net::SocketAddr;

use crate::support::{
    Answer, Client,
    device::{Peer, door},
    eio::Line,
    get, http, metric, start, start_with_keys,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest};
use trefoil_server::{DoorName, Server};

const OFFER: &str = r#"{"type":"offer","sdp":"v=0\r\n"}"#;
const ANSWER: &str = r#"{"type":"answer","sdp":"v=1\r\n"}"#;
const CANDIDATE: &str = r#"{"type":"candidate","id":"0","mlineindex":0,"candidate":"c"}"#;

/// Waits until so many are in rooms.
async fn until_inside(server: &Server, people: u64) {
    while metric(server.listening(), "trefoil_participants").await != people {
        tokio::task::yield_now().await;
    }
}

async fn add(address: SocketAddr, code: &str) -> Value {
    let form = format!("code={code}&install_address=%E9%97%A8%E5%8F%A3&install_time=2026-11-2&description=");
    let headers = "content-type: application/x-www-form-urlencoded\r\n";
    http(address, "POST", "/device", headers, &form).await.json()
}

async fn list(address: SocketAddr, query: &str) -> Value {
    get(address, &format!("/devices?{query}")).await.json()
}

#[tokio::test]
async fn a_browser_calls_a_device_and_can_call_again() {
    let server = start(|_| ()).await;
    let at = door(&server);
    let mut device = Peer::open(at, "/sunvua/1001?app").await;
    until_inside(&server, 1).await;
    for _ in 0..3 {
        // The demo's page never closes its WebSocket: the next call comes over a new one.
        let mut browser = Peer::open(at, "/sunvua/1001?pc").await;
        browser.send(OFFER).await;
        browser.send(CANDIDATE).await;
        device.hears(OFFER).await;
        device.hears(CANDIDATE).await;
        device.send(ANSWER).await;
        browser.hears(ANSWER).await;
        std::mem::forget(browser);
    }
    until_inside(&server, 2).await;
    let mut old = Peer::open(at, "/sunvua/1001?pc").await;
    until_inside(&server, 2).await;
    let _new = Peer::open(at, "/sunvua/1001?pc").await;
    assert_eq!(old.next().await, Err(4001));
}

#[tokio::test]
async fn what_is_said_before_membership_is_not_lost_and_a_device_that_comes_back_takes_its_place() {
    let server = start(|_| ()).await;
    let at = door(&server);
    let mut device = Peer::open(at, "/a/b?app").await;
    until_inside(&server, 1).await;
    let mut browser = Peer::try_open(at, "/a/b?pc").await.unwrap();
    // Said before the ping is even read, so before the answer to it.
    browser.send(OFFER).await;
    let both = async { browser.next().await };
    let (heard, ()) = tokio::join!(both, async {
        device.hears(OFFER).await;
        device.send(ANSWER).await;
    });
    assert_eq!(heard.as_deref(), Ok(ANSWER));
    let mut again = Peer::open(at, "/a/b?app").await;
    assert_eq!(device.next().await, Err(4001));
    until_inside(&server, 2).await;
    browser.send(OFFER).await;
    again.hears(OFFER).await;
}

#[tokio::test]
async fn rooms_are_apart_and_a_third_is_refused_with_502() {
    let server = start(|_| ()).await;
    let at = door(&server);
    let mut device = Peer::open(at, "/x/1?app").await;
    let mut stranger = Peer::open(at, "/x/2?pc").await;
    until_inside(&server, 2).await;
    stranger.send(OFFER).await;
    let mut browser = Peer::open(at, "/x/1").await;
    browser.send(CANDIDATE).await;
    device.hears(CANDIDATE).await;
    // Two of our own in a room leave no seat for a browser or a device.
    let _ann = Client::join(server.listening(), json!({"namespace": "x", "room": "3"})).await;
    let _bob = Client::join(server.listening(), json!({"namespace": "x", "room": "3"})).await;
    assert_eq!(Peer::try_open(at, "/x/3?pc").await.err(), Some(502));
    assert_eq!(Peer::try_open(at, "/x/3?app").await.err(), Some(502));
}

#[tokio::test]
async fn a_device_that_stops_saying_that_it_is_alive_is_closed_so_that_it_comes_back() {
    let server = start(|config| config.doors.devices.silent_seconds = 0.3).await;
    let at = door(&server);
    let mut quiet = Peer::open(at, "/q/1?app").await;
    let mut promised = Peer::open(at, "/q/2?app").await;
    until_inside(&server, 2).await;
    promised.send(r#"{"type":"keepAlive"}"#).await;
    assert_eq!(promised.next().await, Err(4000));
    until_inside(&server, 1).await;
    // Who never promised anything stays.
    let mut browser = Peer::open(at, "/q/1?pc").await;
    browser.send(OFFER).await;
    quiet.hears(OFFER).await;
}

#[tokio::test]
async fn who_never_answers_the_ping_is_no_member() {
    let server = start(|config| config.limits.join_seconds = 0.3).await;
    let at = door(&server);
    let stream = TcpStream::connect(at).await.unwrap();
    let request = "/silent?app".to_owned();
    let mut peer = Peer(
        client_async(
            format!("ws://{at}{request}").into_client_request().unwrap(),
            stream,
        )
        .await
        .unwrap()
        .0,
    );
    assert_eq!(metric(server.listening(), "trefoil_participants").await, 0);
    // Reading would answer: the server closes, and that is all there is when it is read.
    while metric(server.listening(), "trefoil_websockets").await != 0 {
        tokio::task::yield_now().await;
    }
    assert!(peer.next().await.is_err());
}

#[tokio::test]
async fn devices_are_added_listed_and_removed_in_the_originals_words() {
    let server = start(|_| ()).await;
    let at = door(&server);
    assert_eq!(
        add(at, "%2Fsunvua%2F1001").await,
        json!({"success": true, "message": "添加成功", "data": null})
    );
    assert_eq!(add(at, "%2Fsunvua%2F1001").await["message"], "添加失败");
    add(at, "%2Fsunvua%2F1002").await;
    let _device = Peer::open(at, "/sunvua/1001?app").await;
    until_inside(&server, 1).await;
    let all = list(at, "online=a&page=1&pageSize=10").await;
    assert_eq!(all["message"], "设备列表获取成功");
    assert_eq!(all["data"]["total"], 2);
    let row = &all["data"]["rows"][1];
    assert_eq!(
        (
            &row["code"],
            &row["install_address"],
            &row["install_time"],
            &row["online"]
        ),
        (
            &json!("/sunvua/1001"),
            &json!("门口"),
            &json!("2026-11-2"),
            &json!("y")
        )
    );
    assert_eq!(row["create_time"].as_str().unwrap().len(), 19);
    assert_eq!(list(at, "online=y").await["data"]["total"], 1);
    assert_eq!(
        list(at, "online=n").await["data"]["rows"][0]["code"],
        "/sunvua/1002"
    );
    let exact = list(at, "code=%2Fsunvua%2F1002&online=a").await;
    assert_eq!(exact["data"]["total"], 1);
    let id = row["id"].as_str().unwrap();
    let removed = http(at, "DELETE", &format!("/device?id={id}"), "", "")
        .await
        .json();
    assert_eq!(removed["success"], true);
    assert_eq!(list(at, "online=a").await["data"]["total"], 1);
}

#[tokio::test]
async fn devices_are_there_after_a_restart() {
    let file = std::env::temp_dir().join(format!("trefoil-devices-{}.json", std::process::id()));
    for turn in 0..2 {
        let store = Some(file.clone());
        let server = start(|config| config.doors.devices.store = store).await;
        assert_eq!(list(door(&server), "").await["data"]["total"], turn);
        add(door(&server), &format!("%2Fa%2F{turn}")).await;
        server.stop().await;
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask_with_its_cookies_and_an_unknown_path_is_empty() {
    let server = start(|config| config.origins = vec!["https://app.example.org".into()]).await;
    let at = door(&server);
    let headers = "origin: https://app.example.org\r\naccess-control-request-headers: x-one\r\n";
    let answer: Answer = http(at, "GET", "/devices", headers, "").await;
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.org"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET,POST,PUT,DELETE"),
        ("access-control-allow-headers", "x-one"),
        ("content-type", "application/json;charset=UTF-8"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let nothing = get(at, "/no/such/path").await;
    assert_eq!((nothing.status, nothing.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_main_port_takes_the_same_websockets_and_keeps_its_page() {
    let server = start(|_| ()).await;
    let at = server.listening();
    let mut device = Peer::open(at, "/main/1?app").await;
    until_inside(&server, 1).await;
    let mut browser = Peer::open(door(&server), "/main/1?pc").await;
    browser.send(OFFER).await;
    device.hears(OFFER).await;
    assert!(get(at, "/").await.body.contains("<html"));
    assert_eq!(list(at, "").await["success"], true);
    Client::guest(at, "lobby", "Ann").await;
}

#[tokio::test]
async fn our_own_client_and_a_codelab_page_call_a_device_and_a_browser_calls_ours() {
    let server = start(|_| ()).await;
    let (main, at) = (server.listening(), door(&server));
    // A device never calls: so it comes anew after whoever came, who then does.
    let mut device = Peer::open(at, "/default/d1?app").await;
    until_inside(&server, 1).await;
    let mut ann = Client::guest(main, "d1", "Ann").await;
    let came = ann.until("participant_joined").await;
    let data = json!({"connection": "1", "description": {"type": "offer", "sdp": "v=0\r\n"}});
    ann.send(json!({"type": "signal", "to": came["participant"]["id"], "data": data}))
        .await;
    device.hears(OFFER).await;
    device.send(ANSWER).await;
    let answer = ann.until("signal").await;
    assert_eq!(answer["data"]["connection"], "1");

    let mut device = Peer::open(at, "/default/d2?app").await;
    until_inside(&server, 3).await;
    let (mut page, _) = Line::connect(main, 3).await;
    page.emit(json!(["create or join", "d2"])).await;
    loop {
        if page.event().await == json!(["message", "got user media"]) {
            break;
        }
    }
    page.emit(json!(["message", {"type": "offer", "sdp": "v=0\r\n"}]))
        .await;
    device.hears(OFFER).await;
    device.send(CANDIDATE).await;
    assert_eq!(
        page.event().await,
        json!(["message", {"type": "candidate", "label": 0, "id": "0", "candidate": "c"}])
    );

    let mut bob = Client::guest(main, "d3", "Bob").await;
    let mut browser = Peer::open(at, "/default/d3?pc").await;
    browser.send(OFFER).await;
    let offer = bob.until("signal").await;
    assert_eq!(offer["data"]["description"]["type"], "offer");
}

#[tokio::test]
async fn outside_of_development_guests_must_be_wanted_and_the_list_needs_a_key() {
    let enabled = Some(vec![DoorName::Devices]);
    let server = start_with_keys(|config| config.doors.enabled = enabled.clone()).await;
    let at = door(&server);
    assert_eq!(Peer::try_open(at, "/a/b?pc").await.err(), Some(502));
    assert_eq!(add(at, "%2Fa%2Fb").await["success"], false);
    let form = "code=%2Fa%2Fb&install_address=&install_time=&description=";
    let key = crate::support::basic("main", crate::support::SECRET);
    assert_eq!(
        http(at, "POST", "/device", &key, form).await.json()["success"],
        true
    );

    let server = start_with_keys(|config| {
        config.doors.enabled = enabled;
        config.doors.guests = true;
    })
    .await;
    Peer::open(door(&server), "/a/b?pc").await;
    assert_eq!(add(door(&server), "%2Fa%2Fb").await["success"], true);
}
