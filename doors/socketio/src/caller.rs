//! One socket of the codelab's protocol: what its events ask for, and in which events it is answered.

use serde_json::Value;
use trefoil_room::room_name_for;
use trefoil_wire::{Dialect, Part};

use crate::Datum;

/// An event and its arguments.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// Its name.
    pub event: String,
    /// What it carries.
    pub arguments: Vec<Datum>,
}

/// What is to be done for a caller, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// Send this event to it.
    Emit(Packet),
    /// Take a seat for it in the room of this name, then say [`Caller::entered`] or [`Caller::refused`].
    Enter(String),
    /// Give its seat back.
    Leave,
    /// Tell the others in the room.
    Say {
        /// As it came, for others of this protocol.
        packet: Packet,
        /// What it means, for everybody else.
        parts: Vec<Part>,
    },
    /// Something does not belong here and was dropped.
    Drop,
}

/// What others may say to a page before it has its camera; more is dropped, the oldest first.
pub const HELD_LIMIT: usize = 256;

/// Said by a page that has its camera, and awaited by the page that calls.
const GOT_MEDIA: &str = "got user media";
const BYE: &str = "bye";

/// One socket of the codelab's protocol.
///
/// The first in a room hears `created` and calls; the second hears `joined`. Both hear `ready` once. Unlike in the original,
/// everything stays in the room, whoever is left behind hears `created` again and can be called anew, and a room is any text.
#[derive(Debug)]
pub struct Caller {
    /// The socket's id, which the page is told.
    id: String,
    /// Where it is or wants to be, as it was called by the page.
    room: Option<Datum>,
    inside: bool,
    /// The page believes that it calls.
    calls: bool,
    /// The page can take a call, or has begun one.
    prepared: bool,
    /// What others have said until then.
    held: Vec<Part>,
    /// The other one has hung up already.
    hung_up: bool,
    /// The other one is the media server.
    served: bool,
    /// The page has hung up, and has not called since.
    over: bool,
}

impl Caller {
    /// A socket with this id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            room: None,
            inside: false,
            calls: false,
            prepared: false,
            held: Vec::new(),
            hung_up: false,
            served: false,
            over: false,
        }
    }

    /// Whether it has a seat.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.inside
    }

    /// The page sent an event. `addresses` are this server's, for those who ask.
    pub fn receive(&mut self, packet: Packet, addresses: &[String]) -> Vec<Act> {
        match packet.event.as_str() {
            "create or join" => self.create_or_join(packet.arguments.into_iter().next()),
            "message" => self.message(packet),
            "ipaddr" => {
                let one = |address: &String| emit("ipaddr", [Datum::text(address)]);
                addresses.iter().map(one).collect()
            }
            BYE => self.leave(),
            _ if self.inside => vec![Act::Say {
                packet,
                parts: Vec::new(),
            }],
            _ => vec![Act::Drop],
        }
    }

    fn create_or_join(&mut self, room: Option<Datum>) -> Vec<Act> {
        let room = room.unwrap_or(Datum::Plain(Value::Null));
        let mut acts = self.leave();
        acts.push(log(format!(
            "Received request to create or join room {}",
            shown(&room)
        )));
        acts.push(Act::Enter(room_name_for(&shown(&room)).into_owned()));
        self.room = Some(room);
        acts
    }

    fn leave(&mut self) -> Vec<Act> {
        let was_inside = self.inside;
        *self = Self::new(std::mem::take(&mut self.id));
        if was_inside { vec![Act::Leave] } else { Vec::new() }
    }

    fn message(&mut self, packet: Packet) -> Vec<Act> {
        let content = packet
            .arguments
            .first()
            .cloned()
            .unwrap_or(Datum::Plain(Value::Null));
        let heard = Datum::List(vec![
            Datum::text("Message from server:"),
            Datum::text("Client said: "),
            content.clone(),
        ]);
        let mut acts = vec![emit("log", [heard])];
        if !self.inside {
            acts.push(Act::Drop);
            return acts;
        }
        let parts = match content.as_text() {
            // Of no use to anybody but a page like this.
            Some(GOT_MEDIA) => Vec::new(),
            Some(BYE) => {
                self.over = true;
                vec![Part::Bye]
            }
            Some(_) | None => content
                .to_json()
                .map(|content| Dialect::Labelled.read(content))
                .into_iter()
                .collect(),
        };
        let begins = parts
            .iter()
            .any(|part| matches!(part, Part::Description(_) | Part::Candidate(_)));
        let released = if begins || content.as_text() == Some(GOT_MEDIA) {
            self.prepare()
        } else {
            Vec::new()
        };
        self.over &= !begins;
        // The media server needs no camera to call, and everybody else is no business of this page.
        if !self.served || content.as_text() != Some(GOT_MEDIA) {
            acts.push(Act::Say { packet, parts });
        }
        acts.extend(released);
        acts
    }

    /// The seat is taken, beside `others`; `served` where the other one is the media server, which calls.
    pub fn entered(&mut self, others: usize, served: bool) -> Vec<Act> {
        self.inside = true;
        self.served = served;
        self.calls = others == 0;
        let Some(room) = self.room.clone() else {
            return Vec::new();
        };
        let id = Datum::text(&self.id);
        let counted = log(format!("Room {} now has {others} client(s)", shown(&room)));
        let deed = if self.calls { "created" } else { "joined" };
        let mut acts = vec![
            counted,
            log(format!("Client ID {} {deed} room {}", self.id, shown(&room))),
            emit(deed, [room.clone(), id]),
        ];
        if !self.calls {
            acts.push(emit("ready", [room]));
        }
        acts
    }

    /// There is no seat, since there are `others` or because of something else.
    pub fn refused(&mut self, others: Result<u32, String>) -> Vec<Act> {
        let Some(room) = self.room.take() else {
            return Vec::new();
        };
        let why = match others {
            Ok(others) => format!("Room {} now has {others} client(s)", shown(&room)),
            Err(why) => why,
        };
        vec![log(why), emit("full", [room])]
    }

    /// Somebody came. `kin`: through this door too, so they say for themselves when they have their camera.
    pub fn joined(&mut self, kin: bool) -> Vec<Act> {
        let Some(room) = self.room.clone().filter(|_| self.inside) else {
            return Vec::new();
        };
        self.hung_up = false;
        let mut acts = vec![emit("join", [room.clone()]), emit("ready", [room])];
        if !kin {
            acts.push(emit("message", [Datum::text(GOT_MEDIA)]));
        }
        acts
    }

    /// Somebody is gone; `others` are left beside this one.
    pub fn left(&mut self, others: usize) -> Vec<Act> {
        let Some(room) = self.room.clone().filter(|_| self.inside) else {
            return Vec::new();
        };
        self.held.clear();
        let mut acts = Vec::new();
        if !std::mem::take(&mut self.hung_up) {
            // Killed pages say nothing, and whoever is left would wait for their media for ever.
            acts.push(emit("message", [Datum::text(BYE)]));
        }
        acts.push(emit(BYE, []));
        if others == 0 {
            self.calls = true;
            acts.push(emit("created", [room, Datum::text(&self.id)]));
        }
        acts
    }

    /// The connection with the media server is gone. The page makes another, if it has not hung up itself: to it, the other
    /// one is gone and somebody came who waits to be called.
    pub fn call_lost(&mut self) -> Vec<Act> {
        if self.over {
            return Vec::new();
        }
        let mut acts = self.left(0);
        acts.extend(self.joined(false));
        acts
    }

    /// Somebody of this protocol says something.
    pub fn heard(&mut self, packet: &Packet) -> Vec<Act> {
        if packet.event == "message" && packet.arguments.first().and_then(Datum::as_text) == Some(BYE) {
            self.hung_up = true;
        }
        vec![Act::Emit(packet.clone())]
    }

    /// Somebody of another protocol says something.
    pub fn heard_parts(&mut self, parts: &[Part]) -> Vec<Act> {
        let mut acts = Vec::new();
        for part in parts {
            match part {
                Part::Bye => {
                    self.hung_up = true;
                    acts.push(emit("message", [Datum::text(BYE)]));
                }
                // The codelab has no word for it, and its candidates do no harm.
                Part::Removed(_) => {}
                Part::Other(value) => acts.push(emit("message", [value.clone().into()])),
                Part::Description(_) | Part::Candidate(_) if self.prepared => acts.push(told(part)),
                Part::Description(_) | Part::Candidate(_) => {
                    if self.held.len() == HELD_LIMIT {
                        self.held.remove(0);
                    }
                    self.held.push(part.clone());
                }
            }
        }
        acts
    }

    /// The page has its camera, or has had time enough: what was held back is told.
    pub fn prepare(&mut self) -> Vec<Act> {
        self.prepared = self.inside;
        std::mem::take(&mut self.held).iter().map(told).collect()
    }

    /// Its stay was ended from outside.
    pub fn ended(&mut self) {
        *self = Self::new(std::mem::take(&mut self.id));
    }
}

fn told(part: &Part) -> Act {
    emit("message", [Dialect::Labelled.message(part).into()])
}

fn emit<const N: usize>(event: &str, arguments: [Datum; N]) -> Act {
    Act::Emit(Packet {
        event: event.to_owned(),
        arguments: arguments.into(),
    })
}

fn log(text: String) -> Act {
    let from = Datum::text("Message from server:");
    emit("log", [Datum::List(vec![from, Datum::text(text)])])
}

/// What a page calls a room, as a text.
fn shown(room: &Datum) -> String {
    match room {
        Datum::Plain(Value::String(text)) => text.clone(),
        Datum::Plain(value) => value.to_string(),
        Datum::Bytes(_) | Datum::List(_) | Datum::Object(_) => room
            .to_json()
            .map_or_else(|| "bytes".to_owned(), |json| json.to_string()),
    }
}
