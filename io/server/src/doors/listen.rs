//! Listeners that a door has for itself, and the files that it serves there.

use std::{
    io,
    net::SocketAddr,
    path::{Component, Path, PathBuf},
};

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};
use tokio::net::TcpListener;

use crate::ServerConfig;

/// The largest file that is served, in bytes.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Listens on these addresses.
pub(super) async fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("a door cannot listen on {address}; is another program there? Change its listen in the configuration")
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Listens where the configuration says, or on the original's port beside the main one. In development mode any free port
/// will do where that one is taken: the start-up lines say which.
pub(super) async fn bind_beside(
    config: &ServerConfig,
    wanted: Option<&[SocketAddr]>,
    port: u16,
) -> anyhow::Result<Vec<TcpListener>> {
    if let Some(wanted) = wanted {
        return bind(wanted).await;
    }
    let Some(main) = config.listen.first() else {
        return Ok(Vec::new());
    };
    let port = if main.port() == 0 { 0 } else { port };
    let usual = SocketAddr::new(main.ip(), port);
    match TcpListener::bind(usual).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && config.is_development() => {
            bind(&[SocketAddr::new(main.ip(), 0)]).await
        }
        Err(_) => bind(&[usual]).await,
        Ok(listener) => Ok(vec![listener]),
    }
}

/// `router`, and the files of a folder for everything else.
pub(super) fn with_files(router: Router, folder: Option<&Path>) -> Router {
    let Some(folder) = folder.map(Path::to_owned) else {
        return router;
    };
    router.fallback(any(move |method: Method, uri: Uri| {
        let folder = folder.clone();
        async move { file(&folder, &method, uri.path()).await }
    }))
}

/// A file below `folder`; `index.html` for `/`.
pub(super) async fn file(folder: &Path, method: &Method, path: &str) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let Some(file) = below(folder, path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match read(&file).await {
        Ok(bytes) => (
            [
                (header::CONTENT_TYPE, kind(&file)),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            Body::from(bytes),
        )
            .into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Reads a file that is not too large.
pub(super) async fn read(file: &Path) -> io::Result<Vec<u8>> {
    let file = file.to_owned();
    let read = move || {
        let about = std::fs::metadata(&file)?;
        if !about.is_file() || about.len() > FILE_BYTES {
            return Err(io::ErrorKind::NotFound.into());
        }
        std::fs::read(&file)
    };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(io::Error::other)?
}

/// The file that `path` names, if it stays below `folder`: plain names only, none that begins with a dot.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    if path.contains(['%', '\\', '\0']) {
        return None;
    }
    let plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(name) if !name.to_string_lossy().starts_with('.')));
    plain.then(|| folder.join(path))
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|end| end.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_folder() {
        let folder = Path::new("web");
        assert_eq!(below(folder, "/").as_deref(), Some(Path::new("web/index.html")));
        assert_eq!(
            below(folder, "/js/main.js").as_deref(),
            Some(Path::new("web/js/main.js"))
        );
        for wrong in [
            "/../x",
            "/a/../../x",
            "/.git/config",
            "/a/.b",
            "/%2e%2e/x",
            "/a\\b",
            "/a\0",
        ] {
            assert_eq!(below(folder, wrong), None, "{wrong}");
        }
    }
}
