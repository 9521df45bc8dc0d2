//! Rooms of a Janus, with its VideoRoom plugin over its HTTP API: what Trefoil is compared with.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::{
    call::Call,
    http::{Http, Place},
};

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Janus forgets a session after 60 s without a word.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A room of a Janus.
pub(super) struct Room {
    http: Http,
    url: String,
    session: u64,
    room: u64,
    /// By number.
    handles: Vec<u64>,
    /// What publishers publish, by the ids that Janus gave them.
    feeds: Vec<u64>,
    transactions: u64,
    /// What came while something else was waited for.
    events: Vec<Value>,
    spoke: Instant,
}

impl Room {
    /// Makes a session and a room.
    ///
    /// # Errors
    /// If the server cannot be reached, or has no VideoRoom.
    pub(super) fn open(url: &str, place: Place, publishers: usize) -> anyhow::Result<Self> {
        let mut room = Self {
            http: Http::new(place, String::new()),
            url: url.to_owned(),
            session: 0,
            room: u64::from(std::process::id()),
            handles: Vec::new(),
            feeds: Vec::new(),
            transactions: 0,
            events: Vec::new(),
            spoke: Instant::now(),
        };
        let created = room.ask("", json!({"janus": "create"}))?;
        room.session = id(&created, "/data/id").context("Janus gives no session")?;
        let handle = room.attach()?;
        let create = json!({"request": "create", "room": room.room, "publishers": publishers, "bitrate": 0,
            "audiocodec": "opus", "videocodec": "vp8", "notify_joining": false, "permanent": false});
        let made = room.message(handle, &create, None)?;
        ensure!(
            text(&made, "/plugindata/data/videoroom") == Some("created"),
            "Janus makes no room: {made}"
        );
        Ok(room)
    }

    fn attach(&mut self) -> anyhow::Result<u64> {
        let path = format!("/{}", self.session);
        let attach = json!({"janus": "attach", "plugin": "janus.plugin.videoroom"});
        let attached = self.ask(&path, attach)?;
        id(&attached, "/data/id").context("Janus gives no handle for its VideoRoom")
    }

    fn ask(&mut self, path: &str, mut request: Value) -> anyhow::Result<Value> {
        self.transactions += 1;
        if let Value::Object(fields) = &mut request {
            fields.insert("transaction".to_owned(), self.transactions.to_string().into());
        }
        let (status, answer) = self.http.ask("POST", path, Some(&request))?;
        self.spoke = Instant::now();
        ensure!(
            status == 200 && text(&answer, "/janus").is_some(),
            "what answers at {} is no Janus (status {status}): give the URL of its HTTP API, as \
             http://HOST:8088/janus",
            self.url
        );
        if let Some(reason) = text(&answer, "/error/reason") {
            bail!("Janus refuses: {reason}");
        }
        Ok(answer)
    }

    /// A message to the plugin: its answer, at once or as an event.
    fn message(&mut self, handle: u64, body: &Value, jsep: Option<Value>) -> anyhow::Result<Value> {
        let path = format!("/{}/{handle}", self.session);
        let message = match jsep {
            Some(jsep) => json!({"janus": "message", "body": body, "jsep": jsep}),
            None => json!({"janus": "message", "body": body}),
        };
        let mut answer = self.ask(&path, message)?;
        if text(&answer, "/janus") == Some("ack") {
            answer = self.event(self.transactions)?;
        }
        if let Some(error) = text(&answer, "/plugindata/data/error") {
            bail!(
                "Janus refuses {}: {error}",
                text(body, "/request").unwrap_or_default()
            );
        }
        Ok(answer)
    }

    /// Waits for the event that answers a transaction.
    fn event(&mut self, transaction: u64) -> anyhow::Result<Value> {
        let transaction = transaction.to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_it = |event: &Value| text(event, "/transaction") == Some(&transaction);
            if let Some(at) = self.events.iter().position(is_it) {
                return Ok(self.events.swap_remove(at));
            }
            ensure!(
                Instant::now() < deadline,
                "Janus did not answer within {} s",
                PATIENCE.as_secs()
            );
            // Only answers matter; what is told about others is forgotten.
            self.events.clear();
            let path = format!("/{}?maxev=100", self.session);
            let (_, events) = self.http.ask("GET", &path, None)?;
            match events {
                Value::Array(events) => self.events.extend(events),
                event => self.events.push(event),
            }
        }
    }

    fn handle(&self, number: usize) -> anyhow::Result<u64> {
        let handle = self.handles.get(number).copied();
        handle.with_context(|| format!("load-{number} is not inside"))
    }
}

impl Call for Room {
    fn enter(&mut self, _number: usize, _publishes: bool) -> anyhow::Result<()> {
        let handle = self.attach()?;
        self.handles.push(handle);
        Ok(())
    }

    fn publish(&mut self, number: usize, offer: String) -> anyhow::Result<String> {
        let handle = self.handle(number)?;
        let join = json!({"request": "joinandconfigure", "ptype": "publisher", "room": self.room});
        let joined = self.message(handle, &join, Some(json!({"type": "offer", "sdp": offer})))?;
        let feed = id(&joined, "/plugindata/data/id");
        self.feeds.push(feed.context("Janus gives a publisher no id")?);
        let answer = text(&joined, "/jsep/sdp");
        Ok(answer.context("Janus answers an offer with none")?.to_owned())
    }

    fn subscribe(
        &mut self,
        number: usize,
        answer: &mut dyn FnMut(&str) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let handle = self.handle(number)?;
        let streams: Vec<Value> = self.feeds.iter().map(|feed| json!({"feed": feed})).collect();
        let join = json!({"request": "join", "ptype": "subscriber", "room": self.room, "streams": streams});
        let attached = self.message(handle, &join, None)?;
        let offer = text(&attached, "/jsep/sdp");
        let sdp = answer(offer.context("Janus offers a subscriber nothing")?)?;
        self.message(
            handle,
            &json!({"request": "start"}),
            Some(json!({"type": "answer", "sdp": sdp})),
        )?;
        Ok(())
    }

    fn stay(&mut self) -> anyhow::Result<()> {
        if self.spoke.elapsed() > KEEP_ALIVE {
            let path = format!("/{}", self.session);
            self.ask(&path, json!({"janus": "keepalive"}))?;
        }
        Ok(())
    }

    fn leave(&mut self) {
        let path = format!("/{}", self.session);
        let _ = self.ask(&path, json!({"janus": "destroy"}));
    }
}

fn text<'a>(answer: &'a Value, path: &str) -> Option<&'a str> {
    answer.pointer(path)?.as_str()
}

fn id(answer: &Value, path: &str) -> Option<u64> {
    answer.pointer(path)?.as_u64()
}
