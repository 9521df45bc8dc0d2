//! Accepts TCP connections and serves HTTP on them, within what one address may have.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt;

use crate::{addresses::Permit, config::seconds, shared::Shared};

/// A connection's other end, as handlers learn it.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    /// Counts the connection for as long as anybody holds it.
    pub(crate) open: Arc<Open>,
}

/// An open connection; what is counted for it ends when it is dropped.
pub(crate) struct Open {
    shared: Arc<Shared>,
    _permit: Option<Permit>,
    /// Holds up the end of [`crate::Server::stop`].
    _stopping: watch::Receiver<bool>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.metrics.connections.dec();
    }
}

/// The kernel keeps at most this much for a client that does not read.
const SEND_BUFFER: usize = 256 * 1024;
/// The head of a request, in bytes and in lines.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_LINES: usize = 64;

/// Accepts connections until the server stops.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>, router: Router) {
    let mut stopping = shared.stopping.subscribe();
    let failures = AtomicU64::new(0);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok((stream, address)) => welcome(stream, address, &shared, &router),
            Err(error) => failed(&error, failures.fetch_add(1, Ordering::Relaxed)).await,
        }
    }
}

/// Out of descriptors, or the client is gone already: both pass.
async fn failed(error: &io::Error, times: u64) {
    if times.is_power_of_two() {
        tracing::warn!(%error, times, "cannot accept a connection; raise the limit of open files if this goes on");
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn welcome(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>, router: &Router) {
    // Clients behind a trusted proxy are counted one by one when they open a WebSocket.
    let counted = (!shared.proxies.trust(address.ip())).then(|| shared.addresses.count(address.ip()));
    let limit = shared.config.limits.connections_per_address;
    let permit = match counted {
        Some((permit, count)) if limit > 0 && count > limit => {
            shared.metrics.refused("too_many_connections");
            // Twice the limit is told so; beyond that the connection is just closed.
            if count <= limit.saturating_mul(2) {
                tokio::spawn(turn_away(stream, permit));
            }
            return;
        }
        Some((permit, _)) => Some(permit),
        None => None,
    };
    // Best effort: without these, messages are later and buffers larger.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
    tokio::spawn(serve(stream, address, permit, shared.clone(), router.clone()));
}

/// Serves HTTP on a connection until it ends or becomes a WebSocket.
pub(crate) async fn serve<S>(
    stream: S,
    address: SocketAddr,
    permit: Option<Permit>,
    shared: Arc<Shared>,
    router: Router,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    shared.metrics.connections.inc();
    let mut stopping = shared.stopping.subscribe();
    let open = Open {
        shared: shared.clone(),
        _permit: permit,
        _stopping: stopping.clone(),
    };
    let remote = Remote {
        address,
        open: Arc::new(open),
    };
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(remote.clone());
        let request: Request = request.map(Body::new);
        router.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(seconds(shared.config.limits.header_seconds))
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES);
    let mut connection = pin!(
        builder
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    // The guard that waiting gives is let go of at once.
    let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let first = tokio::select! {
        done = connection.as_mut() => Some(done),
        () = stop => None,
    };
    let done = match first {
        Some(done) => done,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// Says 429 to whatever is asked, and closes.
async fn turn_away(mut stream: TcpStream, permit: Permit) {
    const BODY: &str = r#"{"error":{"code":"too_many_connections","message":"too many connections from your address; close some or try again later","retry_after_seconds":10}}"#;
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 10\r\n\
         connection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    let exchange = async {
        // Reading first keeps a reset from overtaking the answer.
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await?;
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        while stream.read(&mut head).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), exchange).await;
    drop(permit);
}
