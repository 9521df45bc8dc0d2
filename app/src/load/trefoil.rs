//! Rooms of a Trefoil.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use trefoil_auth::{Claims, Role, Secret, sign};
use trefoil_wire::{
    MediaAsk, ServerMessage, Topology,
    http::{ErrorBody, JoinAnswer, RoomSettings},
};

use super::{
    call::Call,
    http::{Http, Place},
    signals::{Signals, remedy},
};
use crate::arguments::LoadArguments;

const NAMESPACE: &str = "default";
/// How long tokens are good for.
const TOKEN_SECONDS: u64 = 24 * 3600;

/// A room of a Trefoil.
pub(super) struct Room {
    url: String,
    name: String,
    http: Http,
    key: Option<(String, Secret)>,
    signalling: String,
    topology: Topology,
    /// By number; those whom a refusal kept out are missing at the end.
    inside: Vec<Signals>,
    /// Places that a subscriber asks for: sound, video.
    places: (u8, u8),
}

impl Room {
    /// Sets the room up, with a key; otherwise it must be large enough as it is.
    ///
    /// # Errors
    /// If the server cannot be reached or does not let anybody in.
    pub(super) fn open(
        arguments: &LoadArguments,
        place: Place,
        people: usize,
        places: (usize, usize),
    ) -> anyhow::Result<Self> {
        let key = arguments.key.clone().zip(arguments.secret.clone());
        let basic = key.as_ref().map(|(key, secret)| {
            let both = BASE64_STANDARD.encode(format!("{key}:{secret}"));
            format!("Authorization: Basic {both}\r\n")
        });
        let mut room = Self {
            url: arguments.url.clone(),
            name: arguments.room.clone(),
            http: Http::new(place, basic.unwrap_or_default()),
            key: key.map(|(key, secret)| (key, Secret::new(secret))),
            signalling: String::new(),
            topology: Topology::P2p,
            inside: Vec::new(),
            places: (asked(places.0)?, asked(places.1)?),
        };
        if room.key.is_some() {
            let settings = RoomSettings {
                member_limit: Some(u32::try_from(people.max(1))?),
                topology: Some(Topology::Sfu),
                ..RoomSettings::default()
            };
            let path = format!("/v1/namespaces/{NAMESPACE}/rooms/{}", room.name);
            room.ask("PUT", &path, &serde_json::to_value(settings)?)?;
        }
        room.look_inside(people)?;
        Ok(room)
    }

    /// Asks where to signal, and whether everybody has a seat.
    fn look_inside(&mut self, people: usize) -> anyhow::Result<()> {
        let place = Place::parse(&self.url)?;
        let bearer = self.token("load-0", false)?;
        let header = bearer.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let guest = json!({"namespace": NAMESPACE, "room": self.name, "name": "load"});
        let body = if header.is_some() { json!({}) } else { guest };
        let mut http = Http::new(place, header.unwrap_or_default());
        let (status, answer) = http.ask("POST", "/v1/join", Some(&body))?;
        ensure!(status == 200, "{}", refused(&self.url, status, &answer));
        let answer: JoinAnswer = serde_json::from_value(answer)
            .with_context(|| format!("what answers at {} is no Trefoil of this version", self.url))?;
        let seats = usize::try_from(answer.member_limit)?.saturating_sub(answer.participants.len());
        ensure!(
            seats >= people,
            "the room {} has {seats} free seats, but {people} people are to come: give --key, so that it is made \
             large enough, or raise server.rooms.member_limit",
            self.name
        );
        self.topology = answer.topology;
        self.signalling = answer.signalling_url;
        Ok(())
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.http.ask(method, path, Some(body))?;
        ensure!(
            (200..300).contains(&status),
            "{}",
            refused(&self.url, status, &answer)
        );
        Ok(answer)
    }

    /// Those who only receive watch unseen, like the subscribers of other servers: nobody is told of each of them.
    fn token(&self, identity: &str, hidden: bool) -> anyhow::Result<Option<String>> {
        let Some((key, secret)) = &self.key else {
            return Ok(None);
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.context("the clock stands before 1970")?.as_secs();
        let claims = Claims {
            iss: key.clone(),
            sub: identity.to_owned(),
            ns: NAMESPACE.to_owned(),
            room: self.name.clone(),
            name: None,
            role: Role::Speaker,
            permissions: None,
            hidden,
            exp: now + TOKEN_SECONDS,
            nbf: None,
        };
        Ok(Some(
            sign(&claims, secret).context("these claims cannot be signed")?,
        ))
    }

    fn somebody(&mut self, number: usize) -> anyhow::Result<&mut Signals> {
        let who = self.inside.get_mut(number);
        who.with_context(|| format!("load-{number} is not inside"))
    }

    /// Hears what the others say, so that nobody is too slow for the server.
    fn hear(&mut self) -> anyhow::Result<()> {
        for signals in &mut self.inside {
            signals.hear(|message| {
                if let ServerMessage::RoomUpdated { room } = message {
                    self.topology = room.topology;
                }
            })?;
        }
        Ok(())
    }
}

impl Call for Room {
    fn enter(&mut self, number: usize, publishes: bool) -> anyhow::Result<()> {
        let name = format!("load-{number}");
        let mut signals = Signals::open(&self.signalling, name.clone())?;
        signals.say(&match self.token(&name, !publishes)? {
            Some(token) => json!({"type": "join", "version": 1, "token": token}),
            None => {
                json!({"type": "join", "version": 1, "namespace": NAMESPACE, "room": self.name, "name": name})
            }
        })?;
        self.topology = signals.wait("joined", |message| match message {
            ServerMessage::Joined(joined) => Some(joined.room.topology),
            _ => None,
        })?;
        self.inside.push(signals);
        self.hear()
    }

    fn publish(&mut self, number: usize, offer: String) -> anyhow::Result<String> {
        self.hear()?;
        if self.topology != Topology::Sfu {
            bail!(
                "the room {} at {} does not go through the media server: give --key, so that it is set up so, or set \
                 server.rooms.topology = \"sfu\"",
                self.name,
                self.url
            );
        }
        let signals = self.somebody(number)?;
        signals.say(&serde_json::to_value(MediaAsk::Publish {
            sdp: offer,
            tracks: Vec::new(),
        })?)?;
        signals.wait("published", |message| match message {
            ServerMessage::Published { sdp, .. } => Some(sdp),
            _ => None,
        })
    }

    fn subscribe(
        &mut self,
        number: usize,
        answer: &mut dyn FnMut(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let (audio, video) = self.places;
        let signals = self.somebody(number)?;
        signals.say(&serde_json::to_value(MediaAsk::Subscribe {
            audio_slots: Some(audio),
            video_slots: Some(video),
            restart: false,
        })?)?;
        let offer = signals.wait("offer", |message| match message {
            ServerMessage::Offer { sdp } => Some(sdp),
            _ => None,
        })?;
        let sdp = answer(&offer)?;
        signals.say(&serde_json::to_value(MediaAsk::Answer { sdp })?)?;
        self.hear()
    }

    fn stay(&mut self) -> anyhow::Result<()> {
        self.hear()
    }

    fn leave(&mut self) {
        self.inside.iter_mut().for_each(Signals::close);
        if self.key.is_some() {
            let path = format!("/v1/namespaces/{NAMESPACE}/rooms/{}", self.name);
            let _ = self.http.ask("DELETE", &path, None);
        }
    }
}

fn asked(places: usize) -> anyhow::Result<u8> {
    u8::try_from(places)
        .ok()
        .with_context(|| format!("no subscriber can have {places} places: fewer --publishers"))
}

/// What the server said instead of what was asked for.
fn refused(url: &str, status: u16, answer: &Value) -> String {
    let detail: Option<ErrorBody> = serde_json::from_value(answer.clone()).ok();
    match detail {
        Some(ErrorBody { error }) => {
            let (code, message) = (&error.code, &error.message);
            format!("{url} refuses ({code}): {message}{}", remedy(code))
        }
        None => format!("{url} answers with status {status}: it is no Trefoil, or a proxy is before it"),
    }
}
