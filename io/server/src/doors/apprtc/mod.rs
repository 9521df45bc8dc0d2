//! The AppRTC door: the room server's requests, Collider under `/collider`, and the web client's pages.

mod collider;
mod desk;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::{Bytes, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{Next, from_fn},
    response::{Html, IntoResponse, Response},
    routing::{any, get, post},
};
use serde_json::{Value, json};
use trefoil_apprtc::{Place, Query, ice_config, page_params, render, room_params};
use trefoil_native::{Manner, Refusal};
use trefoil_room::{LeaveReason, Refusal as RoomRefusal, room_name_for};

use super::{
    gate::{self, asked, unescape},
    listen,
};
use crate::{
    accept::Remote,
    http::HostName,
    shared::{DEFAULT_NAMESPACE, Shared},
};
use desk::{Arrival, Desk, Key, Kind, Unsaid};

/// How long the answer to a join waits for the offer of somebody who only makes one when another comes.
const OFFER: Duration = Duration::from_millis(1500);

/// What this door adds to the main port, and what it serves where it is alone.
pub(super) fn routers(shared: &Arc<Shared>) -> (Router, Router) {
    let desk = Desk::new(shared.clone());
    let routes = Router::new()
        .route("/join/{room}", post(join))
        .route("/message/{room}/{client}", post(message))
        .route("/leave/{room}/{client}", post(leave))
        .route("/params", get(params))
        .route("/v1alpha/iceconfig", get(ice).post(ice))
        .route("/a/", post(analytics))
        .route("/collider/ws", get(collider::connect))
        .route("/collider/status", get(collider::status))
        .route("/collider/{room}/{client}", any(collider::message))
        .route("/collider/{room}", any(collider::nowhere));
    let alone = routes
        .clone()
        .route("/ws", get(collider::connect))
        .route("/", get(page))
        .route("/r/{room}", get(room_page))
        .fallback(files);
    let guarded = |routes: Router<Arc<Desk>>| {
        let shared = shared.clone();
        let pass = move |request: Request, next: Next| {
            let shared = shared.clone();
            async move {
                let also = shared.config.doors.apprtc.origins.clone();
                gate::pass(&shared, &also, false, request, next).await
            }
        };
        routes.layer(from_fn(pass)).with_state(desk.clone())
    };
    (guarded(routes), guarded(alone))
}

/// Who asks, and how.
struct Asker {
    host: HostName,
    secure: bool,
    raw_query: String,
    query: Query,
    desktop_chrome: bool,
}

impl Asker {
    fn of(shared: &Shared, host: HostName, remote: Option<&Remote>, uri: &Uri, headers: &HeaderMap) -> Self {
        let raw_query = uri.query().unwrap_or_default().to_owned();
        let pairs = raw_query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs
            .map(|(name, value)| (unescape(name), unescape(value)))
            .collect();
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|agent| agent.to_str().ok())
            .unwrap_or_default();
        let mobile = agent.contains("Android") || agent.contains("Mobile");
        Self {
            secure: gate::is_secure(shared, &host, remote, headers),
            host,
            query,
            raw_query,
            desktop_chrome: agent.contains("Chrome") && !mobile,
        }
    }

    /// Whether the client wants to hear itself.
    fn is_loopback(&self) -> bool {
        self.query.get("debug").is_some_and(|wish| wish == "loopback")
    }

    fn token(&self) -> Option<&str> {
        self.query.get("token").map(String::as_str)
    }

    fn place<'a>(&'a self, room: Option<&'a str>, client: Option<&'a str>) -> Place<'a> {
        Place {
            secure: self.secure,
            host: &self.host.authority,
            seat: room.zip(client),
            room,
            raw_query: &self.raw_query,
            key: self.token().unwrap_or_default(),
            desktop_chrome: self.desktop_chrome,
        }
    }
}

fn told(result: &str, params: Option<Value>) -> Response {
    let mut body = json!({"result": result});
    if let (Some(params), Some(body)) = (params, body.as_object_mut()) {
        body.insert("params".into(), params);
    }
    // Clients never look at the type, and this is the original's.
    (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        body.to_string(),
    )
        .into_response()
}

async fn join(
    State(desk): State<Arc<Desk>>,
    Extension(host): Extension<HostName>,
    remote: Option<Extension<Remote>>,
    Path(room): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !is_room(&room) {
        return told("INVALID_REQUEST", None);
    }
    let asker = Asker::of(
        desk.shared(),
        host,
        remote.as_ref().map(|Extension(remote)| remote),
        &uri,
        &headers,
    );
    let Some(client) = fresh_client(&desk, &room) else {
        return told("ERROR", None);
    };
    let key = (room.clone(), client.clone());
    let arrival = Arrival {
        token: asker.token(),
        host: asker.host.name.clone(),
        answers: true,
        kind: if asker.is_loopback() {
            Kind::Loopback
        } else {
            Kind::Usual
        },
    };
    match desk.enter(key, &arrival) {
        Ok((seat, mut messages)) => {
            let initiator = seat.is_initiator();
            if !initiator && messages.is_empty() {
                // Clients drop an offer that comes before they have made their connection, but not one that is here.
                let offered = tokio::time::timeout(OFFER, seat.offered()).await;
                messages = offered.unwrap_or_default();
            }
            let place = asker.place(Some(&room), Some(&client));
            let params = room_params(place, &asker.query, initiator, &messages);
            told("SUCCESS", Some(Value::Object(params)))
        }
        Err(Refusal::Room(
            RoomRefusal::RoomFull { .. } | RoomRefusal::RoomLocked | RoomRefusal::UnsupportedTopology(_),
        )) => told("FULL", Some(json!({"messages": []}))),
        Err(refusal) => told(
            "ERROR",
            Some(json!({"messages": [], "error_messages": [refusal.to_string()]})),
        ),
    }
}

/// The names that the original takes.
fn is_room(room: &str) -> bool {
    !room.is_empty()
        && room.len() <= 128
        && room
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Eight digits that nobody in the room has.
fn fresh_client(desk: &Desk, room: &str) -> Option<String> {
    (0..8).find_map(|_| {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).ok()?;
        let client = format!("{:08}", u32::from_be_bytes(bytes) % 100_000_000);
        desk.find(&(room.to_owned(), client.clone()))
            .is_none()
            .then_some(client)
    })
}

async fn message(State(desk): State<Arc<Desk>>, Path(key): Path<Key>, request: Request) -> Response {
    let limit = desk.shared().config.limits.message_bytes;
    let body = to_bytes(request.into_body(), limit).await;
    let Some(seat) = desk.find(&key) else {
        let known = desk.knows_room(&key.0);
        return told(if known { "UNKNOWN_CLIENT" } else { "UNKNOWN_ROOM" }, None);
    };
    let Ok(body) = body else {
        desk.shared().metrics.refused("too_large");
        return told("INVALID_REQUEST", None);
    };
    match seat.say(desk.shared(), String::from_utf8_lossy(&body).into_owned()) {
        Ok(()) => told("SUCCESS", None),
        Err(Unsaid::TooMuch) => told("ERROR", None),
        Err(Unsaid::Gone) => told("UNKNOWN_CLIENT", None),
    }
}

async fn leave(State(desk): State<Arc<Desk>>, Path(key): Path<Key>) -> StatusCode {
    if let Some(seat) = desk.find(&key) {
        desk.stand_up(&seat, LeaveReason::Left);
    }
    StatusCode::OK
}

async fn params(
    State(desk): State<Arc<Desk>>,
    Extension(host): Extension<HostName>,
    remote: Option<Extension<Remote>>,
    uri: Uri,
    headers: HeaderMap,
) -> Json<Value> {
    let remote = remote.as_ref().map(|Extension(remote)| remote);
    let asker = Asker::of(desk.shared(), host, remote, &uri, &headers);
    Json(Value::Object(page_params(asker.place(None, None), &asker.query)))
}

/// ICE servers for whoever may come in: the key is the join token that was used, if one is needed.
async fn ice(State(desk): State<Arc<Desk>>, Extension(host): Extension<HostName>, uri: Uri) -> Json<Value> {
    let shared = desk.shared();
    let key = asked(uri.query(), "key").filter(|key| !key.is_empty());
    let claims = match key {
        Some(key) if !shared.config.is_development() => shared.claims(Some(&key), None, None, None),
        Some(_) | None => shared.visitor_claims(None, DEFAULT_NAMESPACE, "lobby", None),
    };
    Json(match claims {
        Ok(claims) => {
            let (servers, seconds) = shared.ice_servers(&claims.sub, &host.name);
            ice_config(&servers, seconds)
        }
        Err(refusal) => {
            shared.metrics.refused(refusal.code());
            ice_config(&[], shared.config.ice.ttl_seconds)
        }
    })
}

/// Read, and not kept.
async fn analytics(body: Bytes) -> Response {
    let known = serde_json::from_slice::<Value>(&body)
        .is_ok_and(|body| body.get("type").and_then(Value::as_str) == Some("event"));
    told(if known { "SUCCESS" } else { "INVALID_REQUEST" }, None)
}

async fn page(
    State(desk): State<Arc<Desk>>,
    Extension(host): Extension<HostName>,
    remote: Option<Extension<Remote>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let remote = remote.as_ref().map(|Extension(remote)| remote);
    let asker = Asker::of(desk.shared(), host, remote, &uri, &headers);
    filled_in(&desk, "index_template.html", &asker, None).await
}

async fn room_page(
    State(desk): State<Arc<Desk>>,
    Extension(host): Extension<HostName>,
    remote: Option<Extension<Remote>>,
    Path(room): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !is_room(&room) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let remote = remote.as_ref().map(|Extension(remote)| remote);
    let asker = Asker::of(desk.shared(), host, remote, &uri, &headers);
    let shared = desk.shared();
    let name = room_name_for(&room);
    let now = shared.now();
    let full = shared.halls.peek(DEFAULT_NAMESPACE, &name, now, |hall| {
        hall.is_ok_and(|hall| hall.may_join("", Some(Manner::Called), now).is_err())
    });
    let template = if full.unwrap_or(false) {
        "full_template.html"
    } else {
        "index_template.html"
    };
    filled_in(&desk, template, &asker, Some(&room)).await
}

/// A page of the web client, or a link to ours where there is none.
async fn filled_in(desk: &Desk, template: &str, asker: &Asker, room: Option<&str>) -> Response {
    let folder = desk.shared().config.doors.apprtc.files.as_deref();
    let Some(folder) = folder else {
        let words = "AppRTC's clients are served here. Its web client is not part of this server: name its folder in \
                     doors.apprtc.files, or open /demos/apprtc/ on the main port.\n";
        return (StatusCode::NOT_FOUND, words).into_response();
    };
    let Ok(text) = listen::read(&folder.join("html").join(template)).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let params = page_params(asker.place(room, None), &asker.query);
    let values = params
        .iter()
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.as_str(), text)
        })
        .collect();
    Html(render(&String::from_utf8_lossy(&text), &values)).into_response()
}

async fn files(State(desk): State<Arc<Desk>>, method: Method, uri: Uri) -> Response {
    match desk.shared().config.doors.apprtc.files.as_deref() {
        Some(folder) => listen::file(folder, &method, uri.path()).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
