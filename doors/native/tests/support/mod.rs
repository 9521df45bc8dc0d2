//! A hall without sockets and the people in it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

use std::cell::RefCell;
use std::task::Waker;

use serde_json::Value;
use trefoil_auth::Role;
use trefoil_native::{
    Attachment, Guard, GuardLimits, Hall, HallSettings, MediaWord, Outside, Refusal, ResumeToken, Taken,
};
use trefoil_room::{
    Entrance, Moment, ParticipantId, Room, RoomSettings, RoomView, Rules, SettingsChange, Topology,
};
use trefoil_wire::{ClientMessage, IceServer};

/// Gives the same ICE servers to all and remembers what was refused, and what the media server was asked.
#[derive(Default)]
pub struct World(pub RefCell<Vec<&'static str>>, pub RefCell<Vec<Asked>>);

/// What the media server was asked for by, or because of, somebody.
pub type Asked = (ParticipantId, MediaWord<'static>);

impl Outside for World {
    fn ice_servers(&self, identity: &str) -> (Vec<IceServer>, u64) {
        (
            vec![IceServer {
                urls: vec![format!("stun:{identity}")],
                username: None,
                credential: None,
            }],
            600,
        )
    }

    fn refused(&self, code: &'static str) {
        self.0.borrow_mut().push(code);
    }

    fn media(&self, _room: u64, of: ParticipantId, word: MediaWord<'_>) -> bool {
        let word = match word {
            MediaWord::Is(..) => return true,
            MediaWord::Gone => MediaWord::Gone,
            MediaWord::Calls(offer) => MediaWord::Calls(offer),
            MediaWord::Asks(ask) => MediaWord::Asks(ask),
        };
        self.1.borrow_mut().push((of, word));
        true
    }
}

pub struct Scene {
    pub hall: Hall,
    pub world: World,
    pub now: Moment,
}

/// Somebody with a connection.
pub struct Person {
    pub at: Attachment,
    pub guard: Guard,
    pub joined: Value,
}

const SETTINGS: HallSettings = HallSettings {
    key: 5,
    outbox: trefoil_native::OutboxLimits {
        messages: 8,
        bytes: 4096,
    },
    window_seconds: 30,
    heartbeat_seconds: 10,
};

impl Scene {
    pub fn new() -> Self {
        let settings = RoomSettings {
            member_limit: 8,
            topology: Topology::P2p,
            locked: false,
            encrypted: false,
            empty_timeout: None,
        };
        let view = RoomView {
            namespace: "default".into(),
            name: "lobby".into(),
            settings,
            crowded: false,
        };
        let room = Room::new(view, Rules::default(), [3; 32], Moment::default());
        Self {
            hall: Hall::new(room, SETTINGS),
            world: World::default(),
            now: Moment::default(),
        }
    }

    /// A room that is set up so, on a server that has a media server.
    pub fn with(settings: SettingsChange) -> Self {
        let mut scene = Self::new();
        let rules = Rules {
            media_server: true,
            ..Rules::default()
        };
        let room = Room::new(scene.hall.room().view().clone(), rules, [3; 32], scene.now);
        scene.hall = Hall::new(room, SETTINGS);
        scene
            .hall
            .change(&scene.world, scene.now, |room| room.configure(settings));
        scene
    }

    /// What the media server was asked since this was last asked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.world.1.borrow_mut())
    }

    pub fn person(&mut self, at: Attachment) -> Person {
        let mut person = Person {
            at,
            guard: Guard::new(GuardLimits::default(), self.now),
            joined: Value::Null,
        };
        person.joined = self.hear(&person).remove(0);
        person
    }

    pub fn join(&mut self, identity: &str, role: Role) -> Person {
        self.enter(identity, role, false)
    }

    pub fn join_hidden(&mut self, identity: &str) -> Person {
        self.enter(identity, Role::Viewer, true)
    }

    fn enter(&mut self, identity: &str, role: Role, hidden: bool) -> Person {
        let entrance = Entrance {
            identity: identity.into(),
            name: identity.into(),
            role,
            permissions: role.permissions(),
            hidden,
            served: false,
        };
        let at = self.hall.join(entrance, &self.world, self.now).unwrap();
        self.person(at)
    }

    pub fn resume(&mut self, joined: &Value, received: u64) -> Result<(Person, Vec<Value>), Refusal> {
        let token = ResumeToken::parse(joined["resume"]["token"].as_str().unwrap()).unwrap();
        let at = self.hall.resume(token, received, &self.world, self.now)?;
        let guard = Guard::new(GuardLimits::default(), self.now);
        let mut person = Person {
            at,
            guard,
            joined: Value::Null,
        };
        let mut heard = self.hear(&person);
        person.joined = heard.remove(0);
        Ok((person, heard))
    }

    pub fn say_text(&mut self, person: &mut Person, text: &str) {
        let message = ClientMessage::parse(text);
        self.hall
            .receive(person.at, message, &mut person.guard, &self.world, self.now);
    }

    pub fn say(&mut self, person: &mut Person, message: Value) {
        self.say_text(person, &message.to_string());
    }

    pub fn take(&mut self, person: &Person) -> (Vec<String>, Taken) {
        let mut batch = Vec::new();
        let taken = self.hall.take(person.at, Waker::noop(), &mut batch, 1 << 20);
        (
            batch
                .iter()
                .map(|text| String::from_utf8(text.to_vec()).unwrap())
                .collect(),
            taken,
        )
    }

    pub fn hear(&mut self, person: &Person) -> Vec<Value> {
        self.take(person)
            .0
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    pub fn kinds(&mut self, person: &Person) -> Vec<String> {
        self.hear(person)
            .iter()
            .map(|message| message["type"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn break_off(&mut self, person: &Person) {
        self.hall
            .connection_lost(person.at, self.now, &self.world, self.now);
    }

    /// The refusal's code with which `person` is answered.
    pub fn refused(&mut self, person: &mut Person, text: &str) -> String {
        self.say_text(person, text);
        let heard = self.hear(person);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(heard[0]["type"], "refused", "{heard:?}");
        heard[0]["code"].as_str().unwrap().to_owned()
    }
}

pub fn id(person: &Person) -> String {
    person.at.id.to_string()
}
