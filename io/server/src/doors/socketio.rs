//! The Socket.IO door: Engine.IO 3 and 4 at `/socket.io/`, and one caller for each socket.

use std::{
    borrow::Cow,
    collections::VecDeque,
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use socketioxide::{
    ParserConfig, SendError, SocketError, SocketIo,
    extract::{AckSender, Event, SocketRef, TryData},
    handler::ConnectHandler,
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use trefoil_native::{Guard, Manner, Refusal, Said, Verdict, Word};
use trefoil_room::{Event as RoomEvent, LeaveReason, Refusal as RoomRefusal};
use trefoil_socketio::{Act, Arguments, Caller, Datum, Packet, with_types};

use super::{
    gate::{self, asked},
    stay::{Entered, Stay, Wish},
};
use crate::{
    accept::Remote,
    http::{HostName, Problem},
    page,
    shared::{DEFAULT_NAMESPACE, Shared},
};

const DOOR: &str = "socketio";
/// What is read of a WebSocket at once, in bytes; the crate's own 128 KiB stay with each connection.
const READ_BUFFER: usize = 4096;
/// Packets that wait for a client to fetch them.
const WAITING: usize = 128;
/// Attachments of one packet.
const ATTACHMENTS: usize = 16;
/// How long what other protocols say is held back from a page that does not say that it has its camera.
const CAMERA: Duration = Duration::from_secs(10);
/// How long a connection that polls may take to become a WebSocket.
const UPGRADE: Duration = Duration::from_secs(10);

/// The routes of this door, and the task that says goodbye when the server stops.
pub(super) fn router(shared: &Arc<Shared>) -> (Router, JoinHandle<()>) {
    let limits = &shared.config.limits;
    let config = &shared.config.doors.socketio;
    let parser = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS)
        .max_incoming_binary_buf_size(limits.message_bytes);
    let (service, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs(config.ping_seconds))
        .ping_timeout(Duration::from_secs(config.timeout_seconds))
        .connect_timeout(crate::config::seconds(limits.join_seconds))
        .upgrade_timeout(UPGRADE)
        .max_buffer_size(WAITING)
        .max_payload(limits.message_bytes as u64)
        .ws_read_buffer_size(READ_BUFFER)
        .ws_max_message_size(limits.message_bytes)
        .ws_max_frame_size(limits.message_bytes)
        .with_parser(parser)
        .build_svc();
    serve_namespace(&io, shared, "/", DEFAULT_NAMESPACE);
    for path in &config.namespaces {
        serve_namespace(&io, shared, path, path.trim_start_matches('/'));
    }
    let goodbye = tokio::spawn(close_at_the_end(shared.clone(), io));
    let shared = shared.clone();
    let router = Router::new()
        .route("/socket.io/socket.io.js", get(client))
        .route_service("/socket.io/", service)
        .layer(from_fn(move |request: Request, next: Next| {
            let shared = shared.clone();
            async move { enter(&shared, request, next).await }
        }));
    (router, goodbye)
}

/// Our own small client: pages of the original load it from here.
async fn client(headers: HeaderMap) -> Response {
    page::file("demos/socketio/socket.io.js", &headers)
        .unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

async fn close_at_the_end(shared: Arc<Shared>, io: SocketIo) {
    let mut stopping = shared.stopping.subscribe();
    drop(shared);
    // The guard that waiting gives is let go of at once; so is the subscription, which would hold up the end.
    drop(stopping.wait_for(|stopping| *stopping).await);
    drop(stopping);
    io.close().await;
}

/// Checks a request before the protocol sees it.
async fn enter(shared: &Arc<Shared>, mut request: Request, next: Next) -> Response {
    let query = request.uri().query().map(str::to_owned);
    let transport = asked(query.as_deref(), "transport");
    let polls = transport.as_deref() == Some("polling");
    let opens = asked(query.as_deref(), "sid").is_none();
    let patient = *request.method() == Method::GET;
    let asks = request.uri().path() == "/socket.io/" && *request.method() != Method::OPTIONS;
    if asks && !polls && transport.as_deref() != Some("websocket") {
        let answer = answered(
            StatusCode::BAD_REQUEST,
            r#"{"code":0,"message":"Transport unknown"}"#,
        );
        return gate::answer(shared, request.headers(), answer);
    }
    if asks && opens {
        let counted = if shared.is_draining() {
            Err(Refusal::ServerStopping.into())
        } else {
            permit(shared, &request)
        };
        match counted {
            Ok(permit) => drop(request.extensions_mut().insert(Arc::new(permit))),
            Err(problem) => return gate::answer(shared, request.headers(), problem.into_response()),
        }
    }
    let old = polls && asked(query.as_deref(), "EIO").as_deref() == Some("3");
    if old && opens {
        as_texts(&mut request);
    }
    if polls {
        // A session that polls outlives its connections: it must not keep them counted.
        request.extensions_mut().remove::<Remote>();
    }
    let response = gate::pass(shared, &[], patient, request, next).await;
    if old {
        typed(numbered(response).await).await
    } else {
        numbered(response).await
    }
}

/// Asks for binary packets as texts, whatever the client can read: these can be put right.
fn as_texts(request: &mut Request) {
    let asked = request.uri();
    let query = asked.query().unwrap_or_default();
    if let Ok(uri) = format!("{}?b64=1&{query}", asked.path()).parse() {
        *request.uri_mut() = uri;
    }
}

/// Binary packets to version 3 have a type, which the crate leaves out.
async fn typed(response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // The crate has made all of it already, from a bounded queue.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = match std::str::from_utf8(&bytes).map(with_types) {
        Ok(Cow::Owned(text)) => {
            head.headers.remove(header::CONTENT_LENGTH);
            Body::from(text)
        }
        Ok(Cow::Borrowed(_)) | Err(_) => Body::from(bytes),
    };
    Response::from_parts(head, body)
}

fn permit(shared: &Shared, request: &Request) -> Result<Option<crate::addresses::Permit>, Problem> {
    match request.extensions().get::<Remote>() {
        Some(remote) => gate::count(shared, remote, request.headers()),
        None => Ok(None),
    }
}

fn answered(status: StatusCode, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The protocol's error codes are numbers, which the crate writes as texts.
async fn numbered(response: Response) -> Response {
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if response.status() != StatusCode::BAD_REQUEST || !json {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let bytes = to_bytes(body, 4096).await.unwrap_or_default();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let number = value
        .get("code")
        .and_then(Value::as_str)
        .and_then(|code| code.parse::<u32>().ok());
    let body = match (value.get_mut("code"), number) {
        (Some(code), Some(number)) => {
            *code = number.into();
            Body::from(value.to_string())
        }
        (Some(_) | None, _) => Body::from(bytes),
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, body)
}

fn serve_namespace(io: &SocketIo, shared: &Arc<Shared>, path: &str, namespace: &str) {
    let (shared, namespace) = (shared.clone(), Arc::<str>::from(namespace));
    // A middleware runs before the client learns that it is connected, so no event of its can come before its handler.
    let prepare = move |socket: SocketRef| {
        connected(&shared, namespace, &socket);
        ready(Ok::<(), Infallible>(()))
    };
    io.ns(path.to_owned(), (|| ready(())).with(prepare));
}

fn connected(shared: &Arc<Shared>, namespace: Arc<str>, socket: &SocketRef) {
    let parts = socket.req_parts();
    let query = parts.uri.query();
    let host = parts
        .extensions
        .get::<HostName>()
        .map_or_else(|| "".into(), |host| host.name.clone());
    let line = Arc::new(Line {
        namespace,
        token: asked(query, "token"),
        name: asked(query, "name"),
        inner: Mutex::new(Inner {
            caller: Caller::new(socket.id.to_string()),
            guard: Guard::new(shared.config.guard_limits(), shared.now()),
            stay: None,
            others: 0,
        }),
        host,
        shared: shared.clone(),
    });
    let ended = line.clone();
    // What a handler does before it waits is done in order; the crate gives what it waits for to a task of its own.
    socket.on_fallback(
        move |socket: SocketRef,
              Event(event): Event,
              TryData(arguments): TryData<Arguments>,
              ack: AckSender| {
            line.on_event(&socket, event, arguments.ok(), ack);
            ready(())
        },
    );
    socket.on_disconnect(move |_: SocketRef| {
        ended.gone();
        ready(())
    });
}

/// One socket: what it is, and who speaks through it.
struct Line {
    shared: Arc<Shared>,
    namespace: Arc<str>,
    host: Arc<str>,
    token: Option<String>,
    name: Option<String>,
    /// Never held while anything waits; a hall's lock is taken inside it, never the other way round.
    inner: Mutex<Inner>,
}

struct Inner {
    caller: Caller,
    guard: Guard,
    stay: Option<Stay>,
    /// How many others are in the room, as far as this page was told.
    others: usize,
}

impl Line {
    fn on_event(
        self: &Arc<Self>,
        socket: &SocketRef,
        event: String,
        arguments: Option<Arguments>,
        ack: AckSender,
    ) {
        let Some(Arguments(arguments)) = arguments else {
            self.malformed(socket);
            return;
        };
        let outcome = self.receive(socket, Packet { event, arguments });
        // Nothing is sent to who asked for no answer.
        drop(ack.send(&Arguments(outcome.map(Datum::text).into_iter().collect())));
    }

    /// The page sent an event; answers what became of a wish to join.
    fn receive(self: &Arc<Self>, socket: &SocketRef, packet: Packet) -> Option<&'static str> {
        self.shared.metrics.messages.inc();
        self.shared.metrics.door(DOOR).messages.inc();
        let mut inner = self.lock();
        let verdict = inner.guard.admit(self.shared.now());
        if verdict != Verdict::Obey {
            self.shared.metrics.refused("rate_limited");
            drop(inner);
            if verdict == Verdict::End {
                self.cut(socket, LeaveReason::Misbehaved);
            }
            return None;
        }
        let acts = inner.caller.receive(packet, &self.addresses());
        self.act(socket, inner, acts)
    }

    fn malformed(&self, socket: &SocketRef) {
        self.shared.metrics.refused("malformed");
        let verdict = self.lock().guard.malformed();
        if verdict == Verdict::End {
            self.cut(socket, LeaveReason::Misbehaved);
        }
    }

    /// This server's addresses, for `ipaddr`: the one by which the page reaches it, if that is one.
    fn addresses(&self) -> Vec<String> {
        let address = self.host.parse::<std::net::Ipv4Addr>().ok();
        address
            .filter(|address| !address.is_loopback())
            .map(|address| address.to_string())
            .into_iter()
            .collect()
    }

    /// Does what the caller wants done, in order.
    fn act(
        self: &Arc<Self>,
        socket: &SocketRef,
        mut inner: std::sync::MutexGuard<'_, Inner>,
        acts: Vec<Act>,
    ) -> Option<&'static str> {
        let mut outcome = None;
        let mut queue = VecDeque::from(acts);
        while let Some(act) = queue.pop_front() {
            match act {
                Act::Emit(packet) => {
                    for known in ["created", "joined", "full"] {
                        if packet.event == known {
                            outcome = Some(known);
                        }
                    }
                    if !emit(socket, packet) {
                        drop(inner);
                        self.shared.metrics.refused("too_slow");
                        self.cut(socket, LeaveReason::TooSlow);
                        return outcome;
                    }
                }
                Act::Enter(room) => {
                    let more = self.enter(socket, &mut inner, &room);
                    more.into_iter().rev().for_each(|act| queue.push_front(act));
                }
                Act::Leave => {
                    if let Some(stay) = inner.stay.take() {
                        stay.leave(LeaveReason::Left);
                    }
                }
                Act::Say { packet, parts } => {
                    if let Some(stay) = &inner.stay {
                        stay.say(Arc::new(packet), parts);
                    }
                }
                Act::Drop => self.shared.metrics.refused("join_first"),
            }
        }
        outcome
    }

    fn enter(self: &Arc<Self>, socket: &SocketRef, inner: &mut Inner, room: &str) -> Vec<Act> {
        let wish = Wish {
            door: DOOR,
            manner: Manner::Called,
            token: self.token.as_deref(),
            namespace: &self.namespace,
            room,
            name: self.name.as_deref(),
            host: self.host.clone(),
        };
        match Stay::enter(&self.shared, wish) {
            Ok(Entered {
                stay,
                words,
                others,
                served,
            }) => {
                inner.stay = Some(stay);
                inner.others = others;
                tokio::spawn(listen(self.clone(), socket.clone(), words));
                inner.caller.entered(others, served)
            }
            Err(Refusal::Room(RoomRefusal::RoomFull { limit })) => inner.caller.refused(Ok(limit)),
            Err(refusal) => inner.caller.refused(Err(refusal.to_string())),
        }
    }

    /// The room says something.
    fn told(self: &Arc<Self>, socket: &SocketRef, word: Word) {
        let mut inner = self.lock();
        let Inner {
            caller,
            stay: Some(stay),
            others,
            ..
        } = &mut *inner
        else {
            return;
        };
        let acts = match word {
            Word::Event(RoomEvent::Joined(participant)) => {
                *others += 1;
                caller.joined(stay.is_kin(participant.id))
            }
            Word::Event(RoomEvent::Left { .. }) => {
                *others = others.saturating_sub(1);
                caller.left(*others)
            }
            Word::Event(RoomEvent::Ended(_)) => {
                caller.ended();
                if let Some(stay) = inner.stay.take() {
                    stay.forget();
                }
                drop(inner);
                // Whether it can still be told does not matter: the seat is gone.
                drop(socket.clone().disconnect());
                return;
            }
            Word::Event(RoomEvent::Updated(_) | RoomEvent::Mute { .. } | RoomEvent::RoomUpdated(_)) => {
                return;
            }
            Word::Said(said) => heard(caller, &said),
            Word::CallLost => caller.call_lost(),
        };
        self.act(socket, inner, acts);
    }

    /// The page had time enough to get its camera.
    fn prepare(self: &Arc<Self>, socket: &SocketRef) {
        let mut inner = self.lock();
        let acts = inner.caller.prepare();
        self.act(socket, inner, acts);
    }

    fn cut(&self, socket: &SocketRef, reason: LeaveReason) {
        let stay = self.lock().stay.take();
        if let Some(stay) = stay {
            stay.leave(reason);
        }
        // A queue that is full takes no goodbye either; the heartbeat ends such a connection.
        drop(socket.clone().disconnect());
    }

    /// The socket is closed, whoever closed it.
    fn gone(&self) {
        let mut inner = self.lock();
        inner.caller.ended();
        if let Some(stay) = inner.stay.take() {
            stay.leave(LeaveReason::Left);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heard(caller: &mut Caller, said: &Said) -> Vec<Act> {
    match said.raw.downcast_ref::<Packet>() {
        Some(packet) if said.door == DOOR => caller.heard(packet),
        Some(_) | None => caller.heard_parts(&said.parts),
    }
}

/// Tells the caller what its room says, until the stay is over.
async fn listen(line: Arc<Line>, socket: SocketRef, mut words: mpsc::Receiver<Word>) {
    let patience = tokio::time::sleep_until(Instant::now() + CAMERA);
    tokio::pin!(patience);
    let mut waited = false;
    loop {
        tokio::select! {
            word = words.recv() => match word {
                Some(word) => line.told(&socket, word),
                None => return,
            },
            () = &mut patience, if !waited => {
                waited = true;
                line.prepare(&socket);
            }
        }
    }
}

/// Sends an event; `false` if the client does not read.
fn emit(socket: &SocketRef, packet: Packet) -> bool {
    let Packet { event, arguments } = packet;
    match socket.emit(event, &Arguments(arguments)) {
        Err(SendError::Socket(SocketError::InternalChannelFull)) => false,
        // One that is closed is gone already, and what was read can be written.
        Ok(()) | Err(SendError::Socket(SocketError::Closed) | SendError::Serialize(_)) => true,
    }
}
