//! Collider: the WebSocket by which a client is told, and the same over HTTP for those whose WebSocket is not open.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::to_bytes,
    extract::{Path, Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use trefoil_apprtc::{Command, Fault, Told};
use trefoil_native::{Guard, Verdict};
use trefoil_room::LeaveReason;
use trefoil_wire::{Dialect, Part};

use super::desk::{Arrival, Desk, Key, Kind, Seat, Unsaid};
use crate::{
    accept::Remote,
    doors::{
        gate::asked,
        websocket::{self, Heard, WebSocket},
    },
    http::HostName,
};

/// The WebSocket.
pub(super) async fn connect(
    State(desk): State<Arc<Desk>>,
    Extension(host): Extension<HostName>,
    remote: Extension<Remote>,
    request: Request,
) -> Response {
    let token = asked(request.uri().query(), "token");
    let shared = desk.shared().clone();
    websocket::open(&shared, remote, request, move |socket| async move {
        let mut line = Line {
            guard: Guard::new(desk.shared().config.guard_limits(), desk.shared().now()),
            desk,
            host: host.name,
            token,
            socket,
            seat: None,
        };
        let code = line.run().await;
        line.close(code).await;
    })
}

struct Line {
    desk: Arc<Desk>,
    host: Arc<str>,
    token: Option<String>,
    socket: WebSocket,
    guard: Guard,
    /// Who it is, and what is to be told, once it has said so.
    seat: Option<(Arc<Seat>, mpsc::Receiver<String>)>,
}

impl Line {
    /// Serves until the end; gives the code to close with, if there is anybody to tell.
    async fn run(&mut self) -> Option<u16> {
        let shared = self.desk.shared().clone();
        let late = crate::config::seconds(shared.config.limits.join_seconds);
        let late = tokio::time::sleep(late);
        tokio::pin!(late);
        loop {
            let Self { socket, seat, .. } = self;
            let unknown = seat.is_none();
            let told = async {
                match seat {
                    Some((_, texts)) => texts.recv().await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                heard = socket.next() => heard,
                text = told => {
                    let text = text?;
                    if !socket.send(Told::Message(text).to_text()).await {
                        return None;
                    }
                    continue;
                }
                () = &mut late, if unknown => return Some(1008),
            };
            match heard {
                Heard::Text(text) => {
                    if let Some(fault) = self.receive(&text).err() {
                        shared.metrics.refused("malformed");
                        let ends = fault.ends();
                        let sent = self.socket.send(Told::Fault(fault).to_text()).await;
                        if ends || !sent {
                            return Some(1000);
                        }
                    }
                }
                Heard::Tick => {
                    if self.seat.as_ref().is_some_and(|(seat, _)| seat.is_over()) {
                        return Some(1000);
                    }
                    if !self.socket.ping(b"").await {
                        return None;
                    }
                }
                Heard::Pong(_) => {
                    if self.guard.flood_of_control(shared.now()) {
                        return Some(1008);
                    }
                }
                Heard::Over(code) => return code,
            }
        }
    }

    async fn close(self, code: Option<u16>) {
        if let Some((seat, _)) = &self.seat {
            seat.detach();
            if self.socket.is_page_gone() {
                self.desk.leave(seat, LeaveReason::Left);
            }
        }
        // Whoever ended the stay waits for nothing, and a client that asked for it is told.
        self.socket.close(code.unwrap_or(1000)).await;
    }

    fn receive(&mut self, text: &str) -> Result<(), Fault> {
        let shared = self.desk.shared().clone();
        if self.guard.admit(shared.now()) != Verdict::Obey {
            shared.metrics.refused("rate_limited");
            return Ok(());
        }
        match Command::parse(text, self.seat.is_some())? {
            Command::Register { room, client } => self.register((room, client)),
            Command::Send(text) => {
                if let Some((seat, _)) = &self.seat {
                    // What is too much was counted; Collider says nothing of it either.
                    let _ = seat.say(&shared, text);
                }
                Ok(())
            }
        }
    }

    /// Who has joined over HTTP is known; who has not takes a seat now.
    fn register(&mut self, key: Key) -> Result<(), Fault> {
        let seat = match self.desk.find(&key) {
            Some(seat) => seat,
            None => {
                let arrival = Arrival {
                    token: self.token.as_deref(),
                    host: self.host.clone(),
                    answers: false,
                    kind: Kind::registering(&key.1),
                };
                let (seat, said) = self.desk.enter(key, &arrival).map_err(|_| Fault::Full)?;
                seat.hear_all(&said);
                seat
            }
        };
        let texts = seat.attach().ok_or(Fault::Duplicate)?;
        self.seat = Some((seat, texts));
        Ok(())
    }
}

/// `POST` says something for a client, `DELETE` ends its stay, anything else is nothing.
pub(super) async fn message(
    State(desk): State<Arc<Desk>>,
    Extension(host): Extension<HostName>,
    Path(key): Path<Key>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    if method == Method::DELETE {
        if let Some(seat) = desk.find(&key) {
            desk.leave(&seat, LeaveReason::Left);
        }
        return "OK\n".into_response();
    }
    if method != Method::POST {
        return StatusCode::OK.into_response();
    }
    let token = asked(request.uri().query(), "token");
    let limit = desk.shared().config.limits.message_bytes;
    let Ok(body) = to_bytes(request.into_body(), limit).await else {
        return failed("Failed to read request body: too large");
    };
    let text = String::from_utf8_lossy(&body).into_owned();
    if text.is_empty() {
        return failed("Empty request body");
    }
    let seat = match desk.find(&key) {
        Some(seat) => seat,
        // Whoever says goodbye after it has left must not come back for that.
        None if is_goodbye(&text) => return "OK\n".into_response(),
        None => {
            let arrival = Arrival {
                token: token.as_deref(),
                host: host.name,
                answers: false,
                kind: Kind::registering(&key.1),
            };
            match desk.enter(key, &arrival) {
                Ok((seat, said)) => {
                    seat.hear_all(&said);
                    seat
                }
                Err(_) => return failed("Failed to send the message: Max room capacity reached"),
            }
        }
    };
    match seat.say(desk.shared(), text) {
        Ok(()) => "OK\n".into_response(),
        Err(Unsaid::TooMuch) => failed("Failed to send the message: Too many messages queued for the client"),
        Err(Unsaid::Gone) => failed("Failed to send the message: Client not registered"),
    }
}

/// A path with anything but a room and a client.
pub(super) async fn nowhere(request: Request) -> Response {
    if matches!(*request.method(), Method::POST | Method::DELETE) {
        return failed(&format!("Invalid path: {}", request.uri().path()));
    }
    StatusCode::OK.into_response()
}

fn is_goodbye(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|message| matches!(Dialect::Labelled.read(message), Part::Bye))
}

fn failed(why: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response()
}

/// What Collider's own status page counts, as far as it is counted here.
pub(super) async fn status(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let shared = desk.shared();
    Json(json!({
        "upsec": shared.now().since(trefoil_room::Moment::default()).as_secs_f64(),
        "openws": shared.metrics.websockets.get(),
        "totalws": shared.metrics.joins.get(),
        "wserrors": 0,
        "httperrors": 0,
    }))
}
