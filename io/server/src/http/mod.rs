//! The HTTP interface: every route, and the document that describes them.

mod announcements;
mod credentials;
mod health;
mod join;
mod namespaces;
mod origin;
mod plain;
mod problem;
mod rooms;
mod tokens;

use std::sync::Arc;

use axum::{Json, Router, middleware};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use credentials::Schemes;
pub(crate) use credentials::admin;
pub(crate) use origin::{HostName, admit, complete};
pub(crate) use problem::Problem;

use crate::{page, shared::Shared, signalling};

type App = Arc<Shared>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Trefoil",
        description = "Rooms for WebRTC. Clients join with a token and talk over the WebSocket at /v1/signal, as \
                       docs/PROTOCOL.md says; API keys administer namespaces and rooms with HTTP Basic.",
        version = "1"
    ),
    modifiers(&Schemes)
)]
struct Document;

/// All routes with their description.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(join::join))
        .routes(routes!(tokens::make))
        .routes(routes!(namespaces::list))
        .routes(routes!(namespaces::read, namespaces::write, namespaces::delete))
        .routes(routes!(rooms::list))
        .routes(routes!(rooms::read, rooms::write, rooms::delete))
        .routes(routes!(rooms::participants))
        .routes(routes!(rooms::kick))
        .routes(routes!(plain::enter))
        .routes(routes!(plain::leave))
        .routes(routes!(announcements::list, announcements::play))
        .routes(routes!(announcements::stop))
        .routes(routes!(signalling::upgrade))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(openapi_json))
}

/// The OpenAPI document of the HTTP interface, as JSON.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "health",
    responses((status = 200, description = "This document", content_type = "application/json")))]
async fn openapi_json() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}

/// Everything that is served.
pub(crate) fn router(shared: &App) -> Router {
    let (routes, _) = routes().split_for_parts();
    routes
        .fallback(page::page)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(middleware::from_fn_with_state(shared.clone(), origin::check))
        .with_state(shared.clone())
}
