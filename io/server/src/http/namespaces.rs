//! Namespaces, for administrators.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use trefoil_room::NamespaceView;
use trefoil_wire::http::{ErrorBody, NamespaceBody, NamespaceList, NamespaceSettings};

use super::{
    App, Problem,
    credentials::{Admin, Body},
};
use crate::shared::At;

/// The namespaces that the key may see.
#[utoipa::path(get, path = "/v1/namespaces", tag = "rooms", security(("key" = [])), responses(
    (status = 200, description = "By name", body = NamespaceList),
    (status = 401, description = "unauthorized", body = ErrorBody)))]
pub(super) async fn list(State(shared): State<App>, admin: Admin) -> Json<NamespaceList> {
    let all = shared.halls.namespaces();
    let namespaces = all
        .iter()
        .filter(|space| admin.sees(&space.name))
        .map(body)
        .collect();
    Json(NamespaceList { namespaces })
}

/// One namespace.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path)), responses(
    (status = 200, description = "It", body = NamespaceBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "not_found", body = ErrorBody)))]
pub(super) async fn read(
    State(shared): State<App>,
    admin: Admin,
    Path(namespace): Path<String>,
) -> Result<Json<NamespaceBody>, Problem> {
    admin.may_enter(&namespace)?;
    shared
        .halls
        .namespace(&namespace)
        .map(|space| Json(body(&space)))
        .ok_or_else(missing)
}

/// Makes a namespace, or changes how many rooms it may hold.
#[utoipa::path(put, path = "/v1/namespaces/{namespace}", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path)), request_body = Option<NamespaceSettings>, responses(
    (status = 200, description = "Changed", body = NamespaceBody),
    (status = 201, description = "Made", body = NamespaceBody),
    (status = 400, description = "bad_request, invalid_name", body = ErrorBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 409, description = "room_limit", body = ErrorBody)))]
pub(super) async fn write(
    State(shared): State<App>,
    admin: Admin,
    Path(namespace): Path<String>,
    Body(settings): Body<NamespaceSettings>,
) -> Result<(StatusCode, Json<NamespaceBody>), Problem> {
    admin.may_enter(&namespace)?;
    let limit = settings
        .rooms_limit
        .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let made = shared.halls.declare_namespace(&namespace, limit)?;
    let space = shared.halls.namespace(&namespace).ok_or_else(missing)?;
    Ok((
        if made { StatusCode::CREATED } else { StatusCode::OK },
        Json(body(&space)),
    ))
}

/// Closes all rooms of a namespace for those inside, and forgets it.
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path)), responses(
    (status = 204, description = "Gone"),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "not_found", body = ErrorBody)))]
pub(super) async fn delete(
    State(shared): State<App>,
    admin: Admin,
    Path(namespace): Path<String>,
) -> Result<StatusCode, Problem> {
    admin.may_enter(&namespace)?;
    let at = At {
        shared: &shared,
        host: "",
    };
    shared
        .halls
        .remove_namespace(&namespace, &at, shared.now())
        .ok_or_else(missing)?;
    tracing::info!("an administrator deleted a namespace");
    Ok(StatusCode::NO_CONTENT)
}

fn missing() -> Problem {
    Problem::not_found(
        "there is no such namespace; PUT makes one, and so does a join where rooms are made by joining",
    )
}

fn body(space: &NamespaceView) -> NamespaceBody {
    NamespaceBody {
        namespace: space.name.to_string(),
        rooms_limit: space.rooms_limit.try_into().unwrap_or(u32::MAX),
        rooms: space.rooms.try_into().unwrap_or(u32::MAX),
    }
}
