//! One signalling connection: reads, writes and keeps its times in one task.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep};
use trefoil_native::{Ending, Guard, Refusal, Taken, close_code, opening};
use trefoil_room::Moment;
use trefoil_wire::{ClientMessage, ServerMessage, Unreadable};
use tungstenite::{Error, Message, error::CapacityError};

use super::{
    joining::{Inside, join},
    socket::Socket,
};
use crate::{
    accept::Open,
    addresses::Permit,
    config::seconds,
    shared::{At, Shared},
};

/// A WebSocket at /v1/signal.
pub(super) struct Connection {
    socket: Socket,
    shared: Arc<Shared>,
    host: Arc<str>,
    phase: Phase,
    guard: Guard,
    opened: Moment,
    /// When anything was last read.
    heard: Moment,
    pinged: Moment,
    /// The kernel takes no more for now.
    stuck: bool,
    timer: Pin<Box<Sleep>>,
    timer_was_set: bool,
    _open: Arc<Open>,
    _permit: Option<Permit>,
}

enum Phase {
    /// Nobody knows yet who it is.
    Opening,
    /// Holds a session.
    Inside(Inside),
    /// Has said that it closes; what the client still sends is not heard.
    Closing { until: Moment, said: bool },
    /// Nothing more to do.
    Over,
}

/// What one poll reads at most before it writes and lets others run.
const READ_AT_ONCE: usize = 64;
/// What is taken from the hall at once, in bytes.
const WRITE_AT_ONCE: usize = 16 * 1024;
/// How long a closing connection may take.
const CLOSING: Duration = Duration::from_secs(2);
/// How often a connection whose client does not read looks after itself.
const BLOCKED: Duration = Duration::from_millis(500);

impl Connection {
    pub(super) fn new(
        socket: Socket,
        shared: Arc<Shared>,
        host: Arc<str>,
        open: Arc<Open>,
        permit: Option<Permit>,
    ) -> Self {
        let now = shared.now();
        shared.metrics.websockets.inc();
        let wait = seconds(shared.config.limits.join_seconds);
        Self {
            socket,
            guard: Guard::new(shared.config.guard_limits(), now),
            shared,
            host,
            phase: Phase::Opening,
            opened: now,
            heard: now,
            pinged: now,
            stuck: false,
            timer: Box::pin(tokio::time::sleep(wait)),
            timer_was_set: false,
            _open: open,
            _permit: permit,
        }
    }

    /// Does all that can be done; ready when the connection is over.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            // Reading comes first: what is there already was not silence.
            let more = self.read(context);
            while self.timer.as_mut().poll(context).is_ready() {
                self.on_timer();
            }
            self.timer_was_set = false;
            self.write(context);
            if matches!(self.phase, Phase::Closing { .. }) && self.poll_closing(context).is_ready() {
                self.phase = Phase::Over;
            }
            if matches!(self.phase, Phase::Over) {
                return Poll::Ready(());
            }
            // Whenever the timer was set anew, it must be asked again.
            let timer_was_set = mem::replace(&mut self.timer_was_set, false);
            match more {
                Progress::Budget => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Progress::None if !timer_was_set => return Poll::Pending,
                Progress::None | Progress::PhaseChanged => {}
            }
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Progress {
        for _ in 0..READ_AT_ONCE {
            if !matches!(self.phase, Phase::Opening | Phase::Inside(_)) {
                return Progress::None;
            }
            match self.socket.poll_read(context) {
                Poll::Pending => return Progress::None,
                Poll::Ready(Ok(message)) => {
                    self.heard = self.shared.now();
                    let was_opening = matches!(self.phase, Phase::Opening);
                    self.on_message(message);
                    if was_opening != matches!(self.phase, Phase::Opening) {
                        self.set_timer();
                        return Progress::PhaseChanged;
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.on_error(&error);
                    return Progress::PhaseChanged;
                }
            }
        }
        Progress::Budget
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Text(text) => {
                self.shared.metrics.messages.inc();
                match self.phase {
                    Phase::Opening => self.open(&text),
                    Phase::Inside(_) => self.receive(ClientMessage::parse(&text)),
                    Phase::Closing { .. } | Phase::Over => {}
                }
            }
            Message::Binary(_) => match self.phase {
                Phase::Opening => self.open(""),
                Phase::Inside(_) => self.receive(Err(Unreadable {
                    of: None,
                    unknown_type: false,
                })),
                Phase::Closing { .. } | Phase::Over => {}
            },
            // tungstenite answers pings by itself; too many of either are a flood like any other.
            Message::Ping(_) | Message::Pong(_) => {
                if self.guard.flood_of_control(self.heard) {
                    self.end(close_code::RATE_LIMITED);
                }
            }
            Message::Close(_) => self.lost(),
            Message::Frame(_) => {}
        }
    }

    /// Reads the first message.
    fn open(&mut self, text: &str) {
        let refused = match opening(text, &mut self.guard) {
            Ok(wanted) => match join(&self.shared, &self.host, wanted) {
                Ok(inside) => {
                    self.phase = Phase::Inside(inside);
                    return;
                }
                Err(Refusal::ServerStopping) => (
                    Refusal::ServerStopping,
                    Some("join".to_owned()),
                    Some(close_code::GOING_AWAY),
                ),
                Err(refusal) => (refusal, Some("join".to_owned()), Some(close_code::JOIN_REFUSED)),
            },
            Err(refused) => refused,
        };
        let (refusal, of, code) = refused;
        self.refuse(refusal, of.as_deref());
        if let Some(code) = code {
            self.end(code);
        }
    }

    fn receive(&mut self, message: Result<ClientMessage<'_>, Unreadable>) {
        if let Phase::Inside(inside) = &self.phase {
            let at = At {
                shared: &self.shared,
                host: &self.host,
            };
            let guard = &mut self.guard;
            let now = self.heard;
            self.shared.halls.serve(&inside.cell, |hall| {
                hall.receive(inside.who, message, guard, &at, now)
            });
        }
    }

    /// Says before a session exists that something was refused.
    fn refuse(&mut self, refusal: Refusal, of: Option<&str>) {
        self.shared.metrics.refused(refusal.code());
        let text = ServerMessage::Refused(refusal.to_wire(of)).to_text();
        // Whether it was taken shows when it is flushed.
        let _ = self.socket.write(Bytes::from(text));
    }

    fn on_error(&mut self, error: &Error) {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                if let Phase::Inside(inside) = &self.phase {
                    let (at, now) = (self.at(), self.shared.now());
                    self.shared
                        .halls
                        .serve(&inside.cell, |hall| hall.too_large(inside.who, &at, now));
                } else {
                    self.refuse(Refusal::TooLarge, None);
                    self.end(close_code::TOO_LARGE);
                }
            }
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => {
                self.lost();
                self.phase = Phase::Over;
            }
            Error::Utf8(_) => self.end(close_code::NOT_UTF8),
            _ => self.end(close_code::PROTOCOL),
        }
    }

    fn at(&self) -> At<'_> {
        At {
            shared: &self.shared,
            host: &self.host,
        }
    }

    /// Lets go of the session, which may be resumed, and closes with `code`.
    fn end(&mut self, code: u16) {
        self.lost();
        self.close(code);
    }

    /// Lets go of the session, which may be resumed.
    fn lost(&mut self) {
        self.let_go(self.shared.now());
        self.set_timer();
    }

    fn let_go(&mut self, heard: Moment) {
        let now = self.shared.now();
        let until = now + CLOSING;
        if let Phase::Inside(inside) = mem::replace(&mut self.phase, Phase::Closing { until, said: false }) {
            let (halls, at) = (&self.shared.halls, self.at());
            halls.serve(&inside.cell, |hall| {
                hall.connection_lost(inside.who, heard, &at, now)
            });
        }
    }

    fn close(&mut self, code: u16) {
        self.phase = Phase::Closing {
            until: self.shared.now() + CLOSING,
            said: false,
        };
        // What cannot be said is not said; the connection closes all the same.
        let _ = self.socket.close(code);
        self.set_timer();
    }

    /// Moves what the hall has to say to the socket, as far as the kernel takes it.
    fn write(&mut self, context: &mut Context<'_>) {
        let mut batch = Vec::new();
        while self.flush(context) {
            let Phase::Inside(inside) = &self.phase else {
                return;
            };
            let (halls, who) = (&self.shared.halls, inside.who);
            let taken = halls.serve(&inside.cell, |hall| {
                hall.take(who, context.waker(), &mut batch, WRITE_AT_ONCE)
            });
            for message in batch.drain(..) {
                if self.socket.write(message).is_err() {
                    return self.on_write_error();
                }
            }
            match taken {
                Taken::More => {}
                Taken::All => {
                    self.flush(context);
                    return;
                }
                Taken::Ended(Ending { code }) => return self.close(code),
            }
        }
    }

    /// Hands everything queued to the kernel, also a pong that tungstenite queued; `false` if it takes no more for now.
    fn flush(&mut self, context: &mut Context<'_>) -> bool {
        let flushed = self.socket.poll_flush(context);
        if flushed.is_pending() != self.stuck && matches!(self.phase, Phase::Inside(_)) {
            self.stuck = flushed.is_pending();
            self.set_timer();
        }
        match flushed {
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
            Poll::Ready(Err(_)) => {
                if !matches!(self.phase, Phase::Closing { .. }) {
                    self.on_write_error();
                }
                false
            }
        }
    }

    /// Closes although the kernel takes no more: what is queued goes out if it does after all.
    fn say_goodbye(&mut self) {
        let Phase::Inside(inside) = &self.phase else {
            return;
        };
        let (who, mut batch) = (inside.who, Vec::new());
        let halls = &self.shared.halls;
        let taken = halls.serve(&inside.cell, |hall| {
            hall.take(who, Waker::noop(), &mut batch, usize::MAX)
        });
        if let Taken::Ended(Ending { code }) = taken {
            for message in batch {
                // Nobody may ever read it.
                let _ = self.socket.write(message);
            }
            self.close(code);
        }
    }

    fn on_write_error(&mut self) {
        self.lost();
        self.phase = Phase::Over;
    }

    fn poll_closing(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Phase::Closing { said, .. } = &mut self.phase else {
            return Poll::Ready(());
        };
        if !*said {
            // An error here means that there is nothing left to say.
            if self.socket.poll_flush(context).is_pending()
                || self.socket.poll_shut_down(context).is_pending()
            {
                return Poll::Pending;
            }
            *said = true;
        }
        self.socket.poll_discard(context)
    }

    fn on_timer(&mut self) {
        let now = self.shared.now();
        match &self.phase {
            Phase::Opening if now >= self.opened + seconds(self.shared.config.limits.join_seconds) => {
                self.refuse(Refusal::JoinFirst, None);
                self.end(close_code::JOIN_FIRST);
            }
            Phase::Closing { until, .. } if now >= *until => self.phase = Phase::Over,
            Phase::Inside(inside) => {
                let heartbeat = &self.shared.config.heartbeat;
                if now >= self.heard + seconds(heartbeat.away_seconds) {
                    self.let_go(self.heard);
                    self.phase = Phase::Over;
                } else if self.stuck
                    && self
                        .shared
                        .halls
                        .serve(&inside.cell, |hall| hall.is_ending(inside.who))
                {
                    // Goodbye is said to whoever does not listen, and then it is over.
                    self.say_goodbye();
                } else if now >= self.pinged + seconds(heartbeat.ping_seconds) {
                    self.pinged = now;
                    // It goes out with whatever is flushed next, which is at once.
                    let _ = self.socket.ping(Bytes::new());
                }
            }
            Phase::Opening | Phase::Closing { .. } | Phase::Over => {}
        }
        self.set_timer();
    }

    /// Sets the timer to whatever is due first.
    fn set_timer(&mut self) {
        let now = self.shared.now();
        let heartbeat = &self.shared.config.heartbeat;
        let due = match &self.phase {
            Phase::Opening => self.opened + seconds(self.shared.config.limits.join_seconds),
            Phase::Closing { until, .. } => *until,
            Phase::Inside(_) => {
                let away = self.heard + seconds(heartbeat.away_seconds);
                let due = away.min(self.pinged + seconds(heartbeat.ping_seconds));
                if self.stuck { due.min(now + BLOCKED) } else { due }
            }
            Phase::Over => now,
        };
        self.timer_was_set = true;
        // A millisecond more, since moments are whole ones and a timer that is early would be set again and again.
        self.timer
            .as_mut()
            .reset(Instant::now() + due.since(now) + Duration::from_millis(1));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.let_go(self.heard);
        self.shared.metrics.websockets.dec();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    PhaseChanged,
    Budget,
}
