//! The DotVoice door: test tokens, and a WebSocket for each client.

mod line;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use trefoil_auth::Claims;
use trefoil_dotvoice::{TokenClaims, TokenWish, refusal_reply, token_reply};
use trefoil_native::Refusal;
use trefoil_room::{check_identity, room_name_for};

use super::{
    gate::{self, asked},
    websocket,
};
use crate::{
    accept::Remote,
    http::{HostName, Problem},
    shared::{DEFAULT_NAMESPACE, Shared, unix_seconds},
};

pub(super) const DOOR: &str = "dotvoice";

/// What this door serves, on the main port and where it is alone.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let guarding = shared.clone();
    let pass = move |request: Request, next: Next| {
        let shared = guarding.clone();
        async move { gate::pass(&shared, &[], false, request, next).await }
    };
    Router::new()
        .route("/api/generateTestToken", post(make_token))
        .route("/dotvoice", get(connect))
        .layer(from_fn(pass))
        .with_state(shared.clone())
}

/// Makes a token for whoever shows a key; in development mode for everybody.
async fn make_token(
    State(shared): State<Arc<Shared>>,
    Extension(host): Extension<HostName>,
    remote: Option<Extension<Remote>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let remote = remote.as_ref().map(|Extension(remote)| remote);
    let secure = gate::is_secure(&shared, &host, remote, &headers);
    let scheme = if secure { "wss" } else { "ws" };
    let ws_url = format!("{scheme}://{}/dotvoice", host.authority);
    let made = wish(&shared, &headers, &body)
        .and_then(|wish| claims(&shared, wish))
        .and_then(|claims| shared.sign_as(&claims.iss, &TokenClaims::new(&claims, &ws_url)));
    let (status, reply) = match made {
        Ok(token) => (StatusCode::OK, token_reply(&token)),
        Err(refusal) => {
            let problem = Problem::from(refusal).into_response();
            shared.metrics.refused(refusal.code());
            (problem.status(), refusal_reply(&refusal.to_string()))
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], reply).into_response()
}

/// What is asked for, as a form or as JSON.
fn wish(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> Result<TokenWish, Refusal> {
    if body.len() > shared.config.limits.body_bytes {
        return Err(Refusal::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed)?;
    let json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json {
        return serde_json::from_str(text).map_err(|_| Refusal::Malformed);
    }
    let field = |names: [&str; 2]| {
        let mut found = names.iter().filter_map(|name| asked(Some(text), name));
        found.next().unwrap_or_default()
    };
    Ok(TokenWish {
        appkey: field(["appkey", "app_key"]),
        app_secret: field(["app_secret", "app_secret"]),
        room: field(["room", "room"]),
        user_id: field(["user_id", "user"]),
    })
}

/// What the token says besides: who shows a key may make it, as with `POST /v1/tokens`.
fn claims(shared: &Shared, wish: TokenWish) -> Result<Claims, Refusal> {
    let TokenWish {
        appkey,
        app_secret,
        room,
        user_id,
    } = wish;
    check_identity(&user_id)?;
    if room.is_empty() {
        return Err(trefoil_room::Refusal::InvalidName { what: "room" }.into());
    }
    let room = room_name_for(&room).into_owned();
    if shared.config.is_development() {
        let guest = shared.guest(None, Some(room), Some(user_id.clone()))?;
        return Ok(Claims {
            sub: user_id,
            ..guest
        });
    }
    if !shared.config.doors.dotvoice.test_tokens {
        return Err(trefoil_room::Refusal::Forbidden("test_tokens").into());
    }
    let key = shared.admin(appkey.as_bytes(), app_secret.as_bytes());
    let key = key.ok_or(Refusal::Unauthorized)?;
    Ok(Claims {
        iss: key.key.clone(),
        ns: key.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
        room,
        name: Some(user_id.clone()),
        sub: user_id,
        role: trefoil_auth::Role::Speaker,
        permissions: None,
        hidden: false,
        exp: unix_seconds().saturating_add(shared.config.tokens.ttl_seconds),
        nbf: None,
    })
}

/// The WebSocket: opened with a token, or one comes with `join`.
async fn connect(
    State(shared): State<Arc<Shared>>,
    Extension(host): Extension<HostName>,
    remote: Extension<Remote>,
    request: Request,
) -> Response {
    if shared.is_draining() {
        return Problem::from(Refusal::ServerStopping).into_response();
    }
    let token = asked(request.uri().query(), "token");
    if let Some(Err(refusal)) = token
        .as_deref()
        .map(|token| shared.claims(Some(token), None, None, None))
    {
        return Problem::from(refusal).into_response();
    }
    let served = shared.clone();
    websocket::open(&shared, remote, request, move |socket| async move {
        line::serve(served, host.name, token, socket).await;
    })
}
