//! Whether the server is alive and ready, and what it has counted.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};

use super::{App, Problem, credentials};

/// Whether the process serves.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "It does", body = String)))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether newcomers are let in.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "They are", body = String),
    (status = 503, description = "The server is draining", body = String)))]
pub(super) async fn ready(State(shared): State<App>) -> (StatusCode, &'static str) {
    if shared.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// Counters for Prometheus; with a key, in development mode without.
#[utoipa::path(get, path = "/metrics", tag = "health", security((), ("key" = [])), responses(
    (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
    (status = 401, description = "unauthorized", body = trefoil_wire::http::ErrorBody)))]
pub(super) async fn metrics(
    State(shared): State<App>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    if !shared.config.is_development() {
        credentials::admin(&shared, &headers)?;
    }
    let (rooms, participants) = shared.halls.census();
    shared.metrics.rooms.set(rooms.try_into().unwrap_or(i64::MAX));
    shared
        .metrics
        .participants
        .set(participants.try_into().unwrap_or(i64::MAX));
    if let Some(media) = &shared.media {
        let names = |key| shared.halls.names_of(key);
        shared.metrics.each_room.show(media.rooms(), names);
    }
    let mut text = String::new();
    let registry = shared
        .registry
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .map_err(|_| Problem::bad_request("the counters cannot be written"))?;
    Ok((
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    ))
}
