//! One socket of the Socket.IO door: what its page says and hears, and the seat that it holds.

use std::{
    collections::VecDeque,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, Event, SocketRef, TryData},
};
use tokio::{sync::mpsc, time::Instant};
use trefoil_native::{Guard, Manner, Refusal, Said, Verdict, Word};
use trefoil_room::{Event as RoomEvent, LeaveReason, Refusal as RoomRefusal};
use trefoil_socketio::{Act, Arguments, Caller, Datum, Packet};

use crate::{
    doors::{
        gate::asked,
        stay::{Entered, Stay, Wish},
    },
    http::HostName,
    shared::Shared,
};

const DOOR: &str = "socketio";
/// How long what other protocols say is held back from a page that does not say that it has its camera.
const CAMERA: Duration = Duration::from_secs(10);

/// Serves a socket that has connected to one of our namespaces.
pub(super) fn connected(shared: &Arc<Shared>, namespace: Arc<str>, socket: &SocketRef) {
    let parts = socket.req_parts();
    let query = parts.uri.query();
    let host = parts
        .extensions
        .get::<HostName>()
        .map_or_else(|| "".into(), |host| host.name.clone());
    let line = Arc::new(Line {
        namespace,
        token: asked(query, "token"),
        name: asked(query, "name"),
        inner: Mutex::new(Inner {
            caller: Caller::new(socket.id.to_string()),
            guard: Guard::new(shared.config.guard_limits(), shared.now()),
            stay: None,
            others: 0,
        }),
        host,
        shared: shared.clone(),
    });
    let ended = line.clone();
    // What a handler does before it waits is done in order; the crate gives what it waits for to a task of its own.
    socket.on_fallback(
        move |socket: SocketRef,
              Event(event): Event,
              TryData(arguments): TryData<Arguments>,
              ack: AckSender| {
            line.on_event(&socket, event, arguments.ok(), ack);
            ready(())
        },
    );
    socket.on_disconnect(move |_: SocketRef| {
        ended.gone();
        ready(())
    });
}

/// One socket: what it is, and who speaks through it.
struct Line {
    shared: Arc<Shared>,
    namespace: Arc<str>,
    host: Arc<str>,
    token: Option<String>,
    name: Option<String>,
    /// Never held while anything waits; a hall's lock is taken inside it, never the other way round.
    inner: Mutex<Inner>,
}

struct Inner {
    caller: Caller,
    guard: Guard,
    stay: Option<Stay>,
    /// How many others are in the room, as far as this page was told.
    others: usize,
}

impl Line {
    fn on_event(
        self: &Arc<Self>,
        socket: &SocketRef,
        event: String,
        arguments: Option<Arguments>,
        ack: AckSender,
    ) {
        let Some(Arguments(arguments)) = arguments else {
            self.malformed(socket);
            return;
        };
        let outcome = self.receive(socket, Packet { event, arguments });
        // Nothing is sent to who asked for no answer.
        drop(ack.send(&Arguments(outcome.map(Datum::text).into_iter().collect())));
    }

    /// The page sent an event; answers what became of a wish to join.
    fn receive(self: &Arc<Self>, socket: &SocketRef, packet: Packet) -> Option<&'static str> {
        self.shared.metrics.messages.inc();
        self.shared.metrics.door(DOOR).messages.inc();
        let mut inner = self.lock();
        let verdict = inner.guard.admit(self.shared.now());
        if verdict != Verdict::Obey {
            self.shared.metrics.refused("rate_limited");
            drop(inner);
            if verdict == Verdict::End {
                self.cut(socket, LeaveReason::Misbehaved);
            }
            return None;
        }
        let acts = inner.caller.receive(packet, &self.addresses());
        self.act(socket, inner, acts)
    }

    fn malformed(&self, socket: &SocketRef) {
        self.shared.metrics.refused("malformed");
        let verdict = self.lock().guard.malformed();
        if verdict == Verdict::End {
            self.cut(socket, LeaveReason::Misbehaved);
        }
    }

    /// This server's addresses, for `ipaddr`: the one by which the page reaches it, if that is one.
    fn addresses(&self) -> Vec<String> {
        let address = self.host.parse::<std::net::Ipv4Addr>().ok();
        address
            .filter(|address| !address.is_loopback())
            .map(|address| address.to_string())
            .into_iter()
            .collect()
    }

    /// Does what the caller wants done, in order.
    fn act(
        self: &Arc<Self>,
        socket: &SocketRef,
        mut inner: std::sync::MutexGuard<'_, Inner>,
        acts: Vec<Act>,
    ) -> Option<&'static str> {
        let mut outcome = None;
        let mut queue = VecDeque::from(acts);
        while let Some(act) = queue.pop_front() {
            match act {
                Act::Emit(packet) => {
                    for known in ["created", "joined", "full"] {
                        if packet.event == known {
                            outcome = Some(known);
                        }
                    }
                    if !emit(socket, packet) {
                        drop(inner);
                        self.shared.metrics.refused("too_slow");
                        self.cut(socket, LeaveReason::TooSlow);
                        return outcome;
                    }
                }
                Act::Enter(room) => {
                    let more = self.enter(socket, &mut inner, &room);
                    more.into_iter().rev().for_each(|act| queue.push_front(act));
                }
                Act::Leave => {
                    if let Some(stay) = inner.stay.take() {
                        stay.leave(LeaveReason::Left);
                    }
                }
                Act::Say { packet, parts } => {
                    if let Some(stay) = &inner.stay {
                        stay.say(Arc::new(packet), parts);
                    }
                }
                Act::Drop => self.shared.metrics.refused("join_first"),
            }
        }
        outcome
    }

    fn enter(self: &Arc<Self>, socket: &SocketRef, inner: &mut Inner, room: &str) -> Vec<Act> {
        let wish = Wish {
            door: DOOR,
            manner: Manner::Called,
            token: self.token.as_deref(),
            namespace: &self.namespace,
            room,
            topology: None,
            name: self.name.as_deref(),
            host: self.host.clone(),
        };
        match Stay::enter(&self.shared, wish) {
            Ok(Entered {
                stay,
                words,
                others,
                served,
            }) => {
                inner.stay = Some(stay);
                inner.others = others;
                tokio::spawn(listen(self.clone(), socket.clone(), words));
                inner.caller.entered(others, served)
            }
            Err(Refusal::Room(RoomRefusal::RoomFull { limit })) => inner.caller.refused(Ok(limit)),
            Err(refusal) => inner.caller.refused(Err(refusal.to_string())),
        }
    }

    /// The room says something.
    fn told(self: &Arc<Self>, socket: &SocketRef, word: Word) {
        let mut inner = self.lock();
        let Inner {
            caller,
            stay: Some(stay),
            others,
            ..
        } = &mut *inner
        else {
            return;
        };
        let acts = match word {
            Word::Event(RoomEvent::Joined(participant)) => {
                *others += 1;
                caller.joined(stay.is_kin(participant.id))
            }
            Word::Event(RoomEvent::Left { .. }) => {
                *others = others.saturating_sub(1);
                caller.left(*others)
            }
            Word::Event(RoomEvent::Ended(_)) => {
                caller.ended();
                if let Some(stay) = inner.stay.take() {
                    stay.forget();
                }
                drop(inner);
                // Whether it can still be told does not matter: the seat is gone.
                drop(socket.clone().disconnect());
                return;
            }
            Word::Event(RoomEvent::Updated(_) | RoomEvent::Mute { .. } | RoomEvent::RoomUpdated(_)) => {
                return;
            }
            Word::Said(said) => heard(caller, &said),
            Word::CallLost => caller.call_lost(),
        };
        self.act(socket, inner, acts);
    }

    /// The page had time enough to get its camera.
    fn prepare(self: &Arc<Self>, socket: &SocketRef) {
        let mut inner = self.lock();
        let acts = inner.caller.prepare();
        self.act(socket, inner, acts);
    }

    fn cut(&self, socket: &SocketRef, reason: LeaveReason) {
        let stay = self.lock().stay.take();
        if let Some(stay) = stay {
            stay.leave(reason);
        }
        // A queue that is full takes no goodbye either; the heartbeat ends such a connection.
        drop(socket.clone().disconnect());
    }

    /// The socket is closed, whoever closed it.
    fn gone(&self) {
        let mut inner = self.lock();
        inner.caller.ended();
        if let Some(stay) = inner.stay.take() {
            stay.leave(LeaveReason::Left);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn heard(caller: &mut Caller, said: &Said) -> Vec<Act> {
    match said.raw.downcast_ref::<Packet>() {
        Some(packet) if said.door == DOOR => caller.heard(packet),
        Some(_) | None => caller.heard_parts(&said.parts),
    }
}

/// Tells the caller what its room says, until the stay is over.
async fn listen(line: Arc<Line>, socket: SocketRef, mut words: mpsc::Receiver<Word>) {
    let patience = tokio::time::sleep_until(Instant::now() + CAMERA);
    tokio::pin!(patience);
    let mut waited = false;
    loop {
        tokio::select! {
            word = words.recv() => match word {
                Some(word) => line.told(&socket, word),
                None => return,
            },
            () = &mut patience, if !waited => {
                waited = true;
                line.prepare(&socket);
            }
        }
    }
}

/// Sends an event; `false` if the client does not read.
fn emit(socket: &SocketRef, packet: Packet) -> bool {
    let Packet { event, arguments } = packet;
    match socket.emit(event, &Arguments(arguments)) {
        Err(SendError::Socket(SocketError::InternalChannelFull)) => false,
        // One that is closed is gone already, and what was read can be written.
        Ok(()) | Err(SendError::Socket(SocketError::Closed) | SendError::Serialize(_)) => true,
    }
}
