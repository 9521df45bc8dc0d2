//! The page: files of web/, from the disk in debug builds, from the binary in release builds.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use trefoil_room::check_room_name;

use crate::http::Problem;

#[derive(RustEmbed)]
#[folder = "../../web"]
#[allow_missing = true]
#[include = "*.html"]
#[include = "*.js"]
#[include = "*.css"]
#[include = "*.svg"]
#[include = "*.png"]
#[include = "*.ico"]
#[include = "*.webmanifest"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
struct Web;

/// What the page may do: load from here only, signal anywhere it is allowed in, play what it receives.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; \
     img-src 'self' blob: data:; worker-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; \
     form-action 'none'";

/// Answers whatever is no route: a file of the page, `index.html` for a folder, the page itself for `/r/{room}`, or 404.
pub(crate) async fn page(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/v1" || path.starts_with("/v1/") {
        return Problem::not_found(
            "there is no such path in version 1 of the interface; see /v1/openapi.json",
        )
        .into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::method_not_allowed().into_response();
    }
    let file = match path.strip_prefix("/r/") {
        Some(room) if check_room_name("room", room).is_ok() => "index.html".into(),
        Some(_) => {
            return Problem::not_found("no room can have that name; open / and choose another")
                .into_response();
        }
        None if path.ends_with('/') => Cow::Owned(format!("{}index.html", path.trim_start_matches('/'))),
        None => path.trim_start_matches('/').into(),
    };
    match Web::get(&file).filter(|_| is_plain(&file)) {
        Some(found) => answer(&file, found, request.headers()),
        None => Problem::not_found("there is no such file; open / for the page").into_response(),
    }
}

/// A file of the page by its name.
pub(crate) fn file(name: &str, asked: &HeaderMap) -> Option<Response> {
    Web::get(name).map(|found| answer(name, found, asked))
}

/// Whether `file` names a file below the folder without detours.
fn is_plain(file: &str) -> bool {
    file.split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.'))
        && !file.contains(['\\', '%', '\0'])
}

fn answer(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let html = name.ends_with(".html");
    let tag: String = file
        .metadata
        .sha256_hash()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{tag}\"");
    let mut headers = HeaderMap::new();
    let mut set = |name, value: &str| {
        HeaderValue::from_str(value)
            .map(|value| headers.insert(name, value))
            .ok()
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    if html {
        set(header::CACHE_CONTROL, "no-store");
    } else {
        set(header::CACHE_CONTROL, "no-cache");
        set(header::ETAG, &tag);
        let known = asked
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok());
        if known
            .flat_map(|value| value.split(','))
            .any(|known| known.trim() == tag)
        {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
    }
    let kind = file.metadata.mimetype();
    let text = kind.starts_with("text/") || kind.ends_with("javascript") || kind.ends_with("json");
    set(
        header::CONTENT_TYPE,
        &if text {
            format!("{kind}; charset=utf-8")
        } else {
            kind.to_owned()
        },
    );
    (headers, Body::from(file.data)).into_response()
}
