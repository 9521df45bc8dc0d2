//! A WebSocket of a door: read and written by one task, pinged by us, closed politely.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tungstenite::{Error, Message, error::CapacityError};

use crate::{
    accept::{Open, Remote},
    addresses::Permit,
    config::seconds,
    shared::Shared,
    signalling::{handshake, proxied, socket::Socket},
};

/// What browsers close with when a page is left or its tab closed (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// How long a closing connection may take.
const CLOSING: Duration = Duration::from_secs(2);

/// What came over a WebSocket.
pub(super) enum Heard {
    Text(String),
    /// The answer to a ping, with what was in that.
    Pong(Bytes),
    /// It is time to ping.
    Tick,
    /// Nothing more will come; with the code to close with, if it can still be told.
    Over(Option<u16>),
}

/// A WebSocket of a door.
pub(super) struct WebSocket {
    socket: Socket,
    shared: Arc<Shared>,
    ticks: Interval,
    heard: Instant,
    /// The other side has closed: its page is gone, and nobody will come back for what was said.
    page_gone: bool,
    _open: Arc<Open>,
    _permit: Option<Permit>,
}

/// Makes a WebSocket of a request and gives it to `serve`, in a task of its own.
pub(super) fn open<F>(
    shared: &Arc<Shared>,
    Extension(remote): Extension<Remote>,
    mut request: Request,
    serve: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send,
{
    let Some((upgrade, answer)) = handshake(&mut request) else {
        return (StatusCode::BAD_REQUEST, "this path is a WebSocket\n").into_response();
    };
    let permit = match proxied(shared, &remote, request.headers()) {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        // The handshake is over once hyper has let go of the connection.
        let Ok(upgraded) = upgrade.await else { return };
        let mut ticks = interval(seconds(shared.config.heartbeat.ping_seconds));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        shared.metrics.websockets.inc();
        let socket = WebSocket {
            socket: Socket::new(upgraded, shared.config.limits.message_bytes),
            ticks,
            heard: Instant::now(),
            page_gone: false,
            shared,
            _open: remote.open,
            _permit: permit,
        };
        serve(socket).await;
    });
    answer
}

impl WebSocket {
    /// What comes next. Nothing is lost if this is dropped while it waits.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            let silence = seconds(self.shared.config.heartbeat.away_seconds);
            let deadline = self.heard + silence;
            let read = poll_fn(|context| poll_read(&mut self.socket, context));
            let message = tokio::select! {
                message = read => message,
                _ = self.ticks.tick() => return Heard::Tick,
                () = tokio::time::sleep_until(deadline) => return Heard::Over(None),
            };
            self.heard = Instant::now();
            match message {
                Ok(Message::Text(text)) => {
                    self.shared.metrics.messages.inc();
                    return Heard::Text(text.to_string());
                }
                Ok(Message::Pong(payload)) => return Heard::Pong(payload),
                Ok(Message::Close(frame)) => {
                    self.page_gone = frame.is_some_and(|frame| u16::from(frame.code) == GOING_AWAY);
                    return Heard::Over(None);
                }
                Ok(Message::Binary(_) | Message::Ping(_) | Message::Frame(_)) => {}
                Err(error) => return Heard::Over(code_of(&error)),
            }
        }
    }

    /// Whether the other side has closed because its page is gone.
    pub(super) const fn is_page_gone(&self) -> bool {
        self.page_gone
    }

    /// Sends a text; `false` if the other side does not take it in time, or is gone.
    pub(super) async fn send(&mut self, text: String) -> bool {
        self.socket.write(Bytes::from(text)).is_ok() && self.flush().await
    }

    /// Sends a ping; as [`WebSocket::send`].
    pub(super) async fn ping(&mut self, payload: &'static [u8]) -> bool {
        self.socket.ping(Bytes::from_static(payload)).is_ok() && self.flush().await
    }

    async fn flush(&mut self) -> bool {
        let patience = seconds(self.shared.config.heartbeat.away_seconds);
        let flushed = poll_fn(|context| self.socket.poll_flush(context));
        matches!(timeout(patience, flushed).await, Ok(Ok(())))
    }

    /// Closes with a code, and waits a little for the other side to have read all.
    pub(super) async fn close(mut self, code: u16) {
        // Whether it can still be told does not matter.
        let _ = self.socket.close(code);
        let farewell = async {
            let _ = poll_fn(|context| self.socket.poll_flush(context)).await;
            poll_fn(|context| self.socket.poll_shut_down(context)).await;
            poll_fn(|context| self.socket.poll_discard(context)).await;
        };
        let _ = timeout(CLOSING, farewell).await;
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.shared.metrics.websockets.dec();
    }
}

/// Reads, and sends what reading made: pongs and the answer to a close.
fn poll_read(socket: &mut Socket, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
    let message = socket.poll_read(context);
    // What cannot be flushed now is flushed with the next message.
    let _ = socket.poll_flush(context);
    message
}

fn code_of(error: &Error) -> Option<u16> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(1009),
        Error::Utf8(_) => Some(1007),
        Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        _ => Some(1002),
    }
}
