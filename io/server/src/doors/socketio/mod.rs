//! The Socket.IO door: Engine.IO 3 and 4 at `/socket.io/`, and one caller for each socket.

mod line;

use std::{borrow::Cow, convert::Infallible, future::ready, sync::Arc, time::Duration};

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
use socketioxide::{ParserConfig, SocketIo, extract::SocketRef, handler::ConnectHandler};
use tokio::task::JoinHandle;
use trefoil_native::Refusal;
use trefoil_socketio::with_types;

use super::gate::{self, asked};
use crate::{
    accept::Remote,
    http::Problem,
    page,
    shared::{DEFAULT_NAMESPACE, Shared},
};

/// What is read of a WebSocket at once, in bytes; the crate's own 128 KiB stay with each connection.
const READ_BUFFER: usize = 4096;
/// Packets that wait for a client to fetch them.
const WAITING: usize = 128;
/// Attachments of one packet.
const ATTACHMENTS: usize = 16;
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
        line::connected(&shared, namespace, &socket);
        ready(Ok::<(), Infallible>(()))
    };
    io.ns(path.to_owned(), (|| ready(())).with(prepare));
}
