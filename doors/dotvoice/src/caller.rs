//! One WebSocket: what it says in which order, and in which messages it is answered.

use serde_json::{Value, json};
use trefoil_wire::IceServer;

use crate::{Configure, Join, Message};

/// What is to be done for a caller, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Act {
    /// Take a seat for it, then say [`Caller::entered`] or [`Caller::refused`].
    Enter(Join),
    /// Send this.
    Send(String),
    /// Its microphone is off, or on.
    Mute(bool),
    /// The encoder of its mix works so hard: 0 to 10.
    Complexity(u8),
    /// The others hear it so loud: percent.
    Volume(u16),
    /// Give its offer to the media server, then say [`Caller::answered`].
    Offer(String),
    /// Its stay is over by its own will.
    Leave,
    /// Something does not belong here and was dropped.
    Drop,
}

/// Somebody else in the room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Who.
    pub id: String,
    /// Whether they may be heard.
    pub published: bool,
}

/// What somebody is told who came in.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Who they are.
    pub user: String,
    /// What this stay is called.
    pub connection: String,
    /// Who was there.
    pub peers: Vec<Peer>,
    /// Where they may find a way.
    pub ice_servers: Vec<IceServer>,
}

/// One WebSocket of DotVoice.
#[derive(Debug, Default)]
pub struct Caller {
    inside: bool,
    user: String,
    connection: String,
    /// How it is heard and hears.
    muted: bool,
    quality: Option<u8>,
    volume: Option<u16>,
}

impl Caller {
    /// Somebody who has not said anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it has a seat.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.inside
    }

    /// It says something.
    pub fn receive(&mut self, message: Message) -> Vec<Act> {
        match message {
            Message::Join(join) if !self.inside => vec![Act::Enter(join)],
            Message::Configure(wish) if self.inside => self.configure(wish),
            Message::Leave if self.inside => vec![Act::Leave],
            // It also says so before anybody has answered its `join`.
            Message::KeepAlive => Vec::new(),
            Message::Candidates if self.inside => Vec::new(),
            Message::Join(_)
            | Message::Configure(_)
            | Message::Leave
            | Message::Candidates
            | Message::Other => vec![Act::Drop],
        }
    }

    fn configure(&mut self, wish: Configure) -> Vec<Act> {
        let Configure {
            muted,
            quality,
            volume,
            offer,
        } = wish;
        let mut acts = Vec::new();
        if let Some(muted) = muted.filter(|muted| *muted != self.muted) {
            self.muted = muted;
            acts.push(Act::Mute(muted));
        }
        if let Some(quality) = quality.filter(|quality| self.quality != Some(*quality)) {
            self.quality = Some(quality);
            acts.push(Act::Complexity(quality));
        }
        if let Some(volume) = volume.filter(|volume| self.volume != Some(*volume)) {
            self.volume = Some(volume);
            acts.push(Act::Volume(volume));
        }
        acts.push(match offer {
            Some(offer) => Act::Offer(offer),
            None => self.configured(None),
        });
        acts
    }

    /// The seat is taken.
    pub fn entered(&mut self, welcome: Welcome) -> Vec<Act> {
        let Welcome {
            user,
            connection,
            peers,
            ice_servers,
        } = welcome;
        (self.inside, self.user, self.connection) = (true, user, connection);
        let peers: Vec<_> = peers
            .into_iter()
            .map(|Peer { id, published }| json!({"id": id, "published": published}))
            .collect();
        let data = json!({"peers": peers, "iceServers": one_url_each(&ice_servers)});
        vec![self.send("joined", &self.user, json!({"data": data}))]
    }

    /// There is no seat: why, by its code and in words.
    #[must_use]
    pub fn refused(&self, code: &str, why: &str) -> Vec<Act> {
        vec![self.send("error", "", json!({"data": {"code": code, "message": why}}))]
    }

    /// Somebody came.
    #[must_use]
    pub fn joined(&self, peer: &Peer) -> Vec<Act> {
        let data = json!({"peer": {"id": peer.id, "published": peer.published}});
        vec![self.send("peer_connected", &peer.id, json!({"data": data}))]
    }

    /// The media server answers its offer. This is the only message with a `jsep`: clients take any for an answer.
    #[must_use]
    pub fn answered(&self, sdp: &str) -> Vec<Act> {
        vec![self.configured(Some(json!({"type": "answer", "sdp": sdp})))]
    }

    fn configured(&self, jsep: Option<Value>) -> Act {
        let mut data = json!({"muted": self.muted});
        for (name, value) in [("quality", json!(self.quality)), ("volume", json!(self.volume))] {
            if let (false, Some(data)) = (value.is_null(), data.as_object_mut()) {
                data.insert(name.into(), value);
            }
        }
        let mut more = json!({"data": data});
        if let (Some(jsep), Some(more)) = (jsep, more.as_object_mut()) {
            more.insert("jsep".into(), jsep);
        }
        self.send("configured", &self.user, more)
    }

    /// A message with what all of them have: clients forget their connection where one leaves it out.
    fn send(&self, kind: &str, from: &str, mut more: Value) -> Act {
        if let Some(more) = more.as_object_mut() {
            for (name, value) in [
                ("type", kind),
                ("from", from),
                ("target", &self.user),
                ("connectionId", &self.connection),
            ] {
                more.insert(name.into(), value.into());
            }
        }
        Act::Send(more.to_string())
    }
}

/// ICE servers as these clients read them: one URL each, in `url`.
fn one_url_each(servers: &[IceServer]) -> Vec<Value> {
    let each = |server: &IceServer| {
        let (username, credential) = (
            server.username.clone().unwrap_or_default(),
            server.credential.clone().unwrap_or_default(),
        );
        let one = move |url: &String| json!({"url": url, "username": username, "credential": credential});
        server.urls.iter().map(one).collect::<Vec<_>>()
    };
    servers.iter().flat_map(each).collect()
}
