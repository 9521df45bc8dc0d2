//! Join tokens for whoever has an API key.

use axum::{Json, extract::State, http::StatusCode};
use trefoil_auth::Claims;
use trefoil_native::{permission_from, role_from};
use trefoil_room::{check_identity, check_room_name, clean_name};
use trefoil_wire::http::{ErrorBody, TokenAnswer, TokenRequest};

use super::{
    App, Problem,
    credentials::{Admin, Body},
};
use crate::shared::{DEFAULT_NAMESPACE, unix_seconds};

/// Makes a join token.
#[utoipa::path(post, path = "/v1/tokens", tag = "join", security(("key" = [])), request_body = TokenRequest, responses(
    (status = 201, description = "The token", body = TokenAnswer),
    (status = 400, description = "bad_request, invalid_name", body = ErrorBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody)))]
pub(super) async fn make(
    State(shared): State<App>,
    admin: Admin,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenAnswer>), Problem> {
    let namespace = request.namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.into());
    check_room_name("namespace", &namespace)?;
    check_room_name("room", &request.room)?;
    check_identity(&request.identity)?;
    let name = request
        .name
        .as_deref()
        .map(clean_name)
        .transpose()?
        .map(Into::into);
    admin.may_enter(&namespace)?;
    let limit = shared.config.tokens.ttl_seconds_limit;
    let ttl = request.ttl_seconds.unwrap_or(shared.config.tokens.ttl_seconds);
    if !(1..=limit).contains(&ttl) {
        return Err(Problem::bad_request(format!("ttl_seconds must be 1 to {limit}")));
    }
    let claims = Claims {
        iss: admin.key().into(),
        sub: request.identity,
        ns: namespace,
        room: request.room,
        name,
        role: request.role.map(role_from).unwrap_or_default(),
        permissions: request
            .permissions
            .map(|all| all.into_iter().map(permission_from).collect()),
        hidden: request.hidden.unwrap_or_default(),
        exp: unix_seconds().saturating_add(ttl),
        nbf: None,
    };
    let token = shared.sign(&claims)?;
    Ok((
        StatusCode::CREATED,
        Json(TokenAnswer {
            token,
            expires_at: claims.exp,
        }),
    ))
}
