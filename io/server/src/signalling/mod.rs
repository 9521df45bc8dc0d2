//! The WebSocket at /v1/signal: the handshake, then one small task for each connection.

mod connection;
mod joining;
pub(crate) mod socket;

use std::future::poll_fn;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use trefoil_native::Refusal;
use trefoil_wire::http::ErrorBody;
use tungstenite::handshake::derive_accept_key;

use crate::{
    accept::Remote,
    addresses::Permit,
    http::{HostName, Problem},
    shared::Shared,
};
use connection::Connection;
use socket::Socket;

/// Becomes a WebSocket that speaks docs/PROTOCOL.md.
#[utoipa::path(get, path = "/v1/signal", tag = "join", responses(
    (status = 101, description = "A WebSocket (RFC 6455)"),
    (status = 400, description = "bad_request: not a WebSocket handshake", body = ErrorBody),
    (status = 403, description = "origin_not_allowed", body = ErrorBody),
    (status = 429, description = "too_many_connections", body = ErrorBody),
    (status = 503, description = "server_stopping", body = ErrorBody)))]
pub(crate) async fn upgrade(
    State(shared): State<std::sync::Arc<Shared>>,
    Extension(host): Extension<HostName>,
    Extension(remote): Extension<Remote>,
    mut request: Request,
) -> Result<Response, Problem> {
    if shared.is_draining() {
        return Err(Refusal::ServerStopping.into());
    }
    let Some((upgrade, answer)) = handshake(&mut request) else {
        return Err(Problem::bad_request(
            "this path is a WebSocket (RFC 6455, version 13); open it as one",
        ));
    };
    let permit = proxied(&shared, &remote, request.headers())?;
    tokio::spawn(async move {
        // The handshake is over once hyper has let go of the connection.
        let Ok(upgraded) = upgrade.await else { return };
        let socket = Socket::new(upgraded, shared.config.limits.message_bytes);
        let mut connection = Connection::new(socket, shared, host.name, remote.open, permit);
        poll_fn(|context| connection.poll(context)).await;
    });
    Ok(answer)
}

/// The answer to the handshake of a WebSocket, and what becomes it once that is sent; `None` if this is none.
pub(crate) fn handshake(request: &mut Request) -> Option<(OnUpgrade, Response)> {
    let headers = request.headers();
    let wanted = says(headers, header::CONNECTION, "upgrade")
        && says(headers, header::UPGRADE, "websocket")
        && says(headers, header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| wanted && key.len() == 24)?;
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>()?;
    let headers = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Some((
        upgrade,
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response(),
    ))
}

/// Counts the connection for the client's own address where a trusted proxy is between.
pub(crate) fn proxied(
    shared: &Shared,
    remote: &Remote,
    headers: &HeaderMap,
) -> Result<Option<Permit>, Problem> {
    let Some(client) = shared.proxies.client(remote.address.ip(), headers) else {
        return Ok(None);
    };
    let (permit, count) = shared.addresses.count(client);
    let limit = shared.config.limits.connections_per_address;
    if limit > 0 && count > limit {
        Err(Problem::too_many_connections())
    } else {
        Ok(Some(permit))
    }
}

/// Whether the comma-separated header has `word`.
fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(word))
}
