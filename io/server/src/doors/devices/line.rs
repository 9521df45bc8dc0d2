//! One WebSocket of a browser or a device: it is a member once it has answered a ping.

use std::sync::Arc;

use tokio::{sync::mpsc, time::Instant};
use trefoil_devices::{Address, Member, Role};
use trefoil_native::{Guard, Manner, Said, Verdict, Word};
use trefoil_room::{Event, LeaveReason};
use trefoil_wire::{Dialect, Part};

use super::{DOOR, Desk, Place, lock};
use crate::{
    config::seconds,
    doors::{
        stay::{Entered, Stay, Wish},
        websocket::{Heard, WebSocket},
    },
};

/// What our first ping holds, and the answer that makes a member.
const PING: &[u8] = b"ping";
/// Somebody of the same role has come.
const TAKEN: u16 = 4001;
/// It promised to be heard and was not, or its seat is gone: it should come again.
const SILENT: u16 = 4000;

/// Who opened the WebSocket, and for which room.
pub(super) struct Caller {
    pub(super) address: Address,
    pub(super) role: Role,
    pub(super) token: Option<String>,
    pub(super) host: Arc<str>,
}

struct Line {
    desk: Arc<Desk>,
    caller: Caller,
    socket: WebSocket,
    member: Member,
    guard: Guard,
    place: Arc<Place>,
    words: Option<mpsc::Receiver<Word>>,
}

/// Serves a WebSocket until its end.
pub(super) async fn serve(desk: Arc<Desk>, caller: Caller, socket: WebSocket) {
    let now = desk.shared.now();
    let mut line = Line {
        guard: Guard::new(desk.shared.config.guard_limits(), now),
        member: Member::new(),
        place: Arc::default(),
        words: None,
        desk,
        caller,
        socket,
    };
    let code = if line.socket.ping(PING).await {
        line.run().await
    } else {
        None
    };
    line.leave(code).await;
}

impl Line {
    /// Gives the code to close with, if there is anybody to tell.
    async fn run(&mut self) -> Option<u16> {
        let late = Instant::now() + seconds(self.desk.shared.config.limits.join_seconds);
        loop {
            let silent = self.silent_at();
            let unknown = !self.member.is_inside();
            let Self {
                socket, words, place, ..
            } = self;
            let told = async {
                match words {
                    Some(words) => words.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = place.taken.notified() => return Some(TAKEN),
                heard = socket.next() => match heard {
                    Heard::Text(text) => {
                        if let Some(code) = self.receive(text) { return Some(code); }
                    }
                    Heard::Pong(payload) => {
                        if self.guard.flood_of_control(self.desk.shared.now()) { return Some(1008); }
                        if unknown && payload == PING && !self.enter() { return Some(SILENT); }
                    }
                    Heard::Tick => if !self.socket.ping(PING).await { return None; },
                    Heard::Over(code) => return code,
                },
                word = told => match word {
                    Some(word) => if !self.told(word).await { return Some(SILENT); },
                    None => return Some(SILENT),
                },
                () = until(silent) => return Some(SILENT),
                () = tokio::time::sleep_until(late), if unknown => return Some(1008),
            }
        }
    }

    async fn leave(self, code: Option<u16>) {
        self.stand_up(code);
        self.socket.close(code.unwrap_or(1000)).await;
    }

    fn stand_up(&self, code: Option<u16>) {
        let key = (self.caller.address.clone(), self.caller.role);
        let mut places = lock(&self.desk.places);
        if places
            .get(&key)
            .is_some_and(|place| Arc::ptr_eq(place, &self.place))
        {
            places.remove(&key);
        }
        drop(places);
        let stay = lock(&self.place.stay).take();
        if let Some(stay) = stay {
            let silent = code == Some(SILENT);
            stay.leave(if silent {
                LeaveReason::Timeout
            } else {
                LeaveReason::Left
            });
        }
    }

    /// When it will have been silent for too long.
    fn silent_at(&self) -> Option<Instant> {
        let shared = &self.desk.shared;
        let patience = seconds(shared.config.doors.devices.silent_seconds);
        let deadline = self.member.deadline(patience)?;
        Some(Instant::now() + deadline.since(shared.now()))
    }

    /// It says something; the code to close with if that was too much.
    fn receive(&mut self, text: String) -> Option<u16> {
        let shared = self.desk.shared.clone();
        shared.metrics.door(DOOR).messages.inc();
        let verdict = self.guard.admit(shared.now());
        if verdict != Verdict::Obey {
            shared.metrics.refused("rate_limited");
            return (verdict == Verdict::End).then_some(1008);
        }
        if let Some(text) = self.member.receive(text, shared.now()) {
            self.say(text);
        }
        None
    }

    fn say(&self, text: String) {
        let parts = serde_json::from_str(&text).map(|value| Dialect::Numbered.read(value));
        let stay = lock(&self.place.stay);
        if let Some(stay) = stay.as_ref() {
            stay.say(Arc::new(text), parts.into_iter().collect());
        }
    }

    /// It has shown that it is there: it is a member now. Whoever had its role in the room is gone.
    fn enter(&mut self) -> bool {
        let key = (self.caller.address.clone(), self.caller.role);
        let before = lock(&self.desk.places).insert(key, self.place.clone());
        if let Some(before) = before {
            // Before its seat goes, so that it knows why that went.
            before.taken.notify_one();
            let stay = lock(&before.stay).take();
            if let Some(stay) = stay {
                stay.leave(LeaveReason::Replaced);
            }
        }
        if !self.sit_down() {
            return false;
        }
        for text in self.member.entered() {
            self.say(text);
        }
        true
    }

    fn sit_down(&mut self) -> bool {
        let Caller {
            address, token, host, ..
        } = &self.caller;
        let wish = Wish {
            door: DOOR,
            manner: manner(self.caller.role),
            token: token.as_deref(),
            namespace: &address.namespace,
            room: &address.room,
            topology: None,
            name: Some(match self.caller.role {
                Role::Pc => "Browser",
                Role::App => "Device",
            }),
            host: host.clone(),
        };
        match Stay::enter(&self.desk.shared, wish) {
            Ok(Entered { stay, words, .. }) => {
                *lock(&self.place.stay) = Some(stay);
                self.words = Some(words);
                true
            }
            Err(_) => false,
        }
    }

    /// The room says something; `false` once there is no seat any more.
    async fn told(&mut self, word: Word) -> bool {
        let texts = match word {
            Word::Event(Event::Joined(other)) => {
                let is_kin = lock(&self.place.stay)
                    .as_ref()
                    .is_none_or(|stay| stay.is_kin(other.id));
                return is_kin || self.caller.role == Role::Pc || self.sit_down_anew();
            }
            Word::Event(Event::Ended(_)) => {
                let stay = lock(&self.place.stay).take();
                if let Some(stay) = stay {
                    stay.forget();
                }
                return false;
            }
            Word::Event(
                Event::Left { .. } | Event::Updated(_) | Event::Mute { .. } | Event::RoomUpdated(_),
            ) => return true,
            Word::Said(said) => texts(&said),
            // A device comes again and is called; a browser has no other word for the end of a call.
            Word::CallLost => return false,
        };
        for text in texts {
            if !self.socket.send(text).await {
                return false;
            }
        }
        true
    }

    /// A device never calls, and in every other protocol those who were there first do. So it comes after whoever came.
    fn sit_down_anew(&mut self) -> bool {
        let stay = lock(&self.place.stay).take();
        if let Some(stay) = stay {
            stay.leave(LeaveReason::Left);
        }
        self.sit_down()
    }
}

/// A browser calls, a device is called, also by the media server.
pub(super) const fn manner(role: Role) -> Manner {
    match role {
        Role::Pc => Manner::Calls,
        Role::App => Manner::Called,
    }
}

/// What somebody says, as these clients read it.
fn texts(said: &Said) -> Vec<String> {
    if said.door == DOOR
        && let Some(text) = said.raw.downcast_ref::<String>()
    {
        return vec![text.clone()];
    }
    let known = said.parts.iter().filter(|part| match part {
        Part::Description(_) | Part::Candidate(_) => true,
        Part::Removed(_) | Part::Bye | Part::Other(_) => false,
    });
    known
        .map(|part| Dialect::Numbered.message(part).to_string())
        .collect()
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
