//! One WebSocket of DotVoice: a seat in a mixed room, a call to the media server, and silence that ends it.

use std::{collections::VecDeque, sync::Arc};

use tokio::{sync::mpsc, time::Instant};
use trefoil_dotvoice::{Act, Caller, Join, Message, Peer, Welcome};
use trefoil_native::{Guard, Manner, Refusal, Said, Verdict, Word};
use trefoil_room::{Event, LeaveReason, Participant, Topology, room_name_for};
use trefoil_wire::{Description, DescriptionKind, MediaAsk, Part};

use super::DOOR;
use crate::{
    config::seconds,
    doors::{
        stay::{Entered, Stay, Wish},
        websocket::{Heard, WebSocket},
    },
    shared::Shared,
};

/// It was silent, or its connection with the media server is gone: it should come again.
const AGAIN: u16 = 4000;
/// The same identity came in once more.
const TAKEN: u16 = 4001;
/// It was not let in.
const REFUSED: u16 = 4003;
/// What it says breaks a limit again and again.
const POLICY: u16 = 1008;
/// It is over as it should be.
const NORMAL: u16 = 1000;

struct Line {
    shared: Arc<Shared>,
    host: Arc<str>,
    token: Option<String>,
    socket: WebSocket,
    caller: Caller,
    guard: Guard,
    /// Its seat, and what it is told there.
    seat: Option<(Stay, mpsc::Receiver<Word>)>,
}

/// Serves a WebSocket until its end.
pub(super) async fn serve(shared: Arc<Shared>, host: Arc<str>, token: Option<String>, socket: WebSocket) {
    let mut line = Line {
        guard: Guard::new(shared.config.guard_limits(), shared.now()),
        caller: Caller::new(),
        seat: None,
        shared,
        host,
        token,
        socket,
    };
    let code = line.run().await;
    if let Some((stay, _)) = line.seat.take() {
        let silent = code == Some(AGAIN);
        stay.leave(if silent {
            LeaveReason::Timeout
        } else {
            LeaveReason::Left
        });
    }
    line.socket.close(code.unwrap_or(NORMAL)).await;
}

impl Line {
    /// Gives the code to close with, if there is anybody to tell.
    async fn run(&mut self) -> Option<u16> {
        let patience = seconds(self.shared.config.doors.dotvoice.silent_seconds);
        let late = Instant::now() + seconds(self.shared.config.limits.join_seconds);
        let mut silent = Instant::now() + patience;
        loop {
            let Self { socket, seat, .. } = self;
            let unknown = seat.is_none();
            let told = async {
                match seat {
                    Some((_, words)) => words.recv().await,
                    None => std::future::pending().await,
                }
            };
            let over = tokio::select! {
                heard = socket.next() => match heard {
                    Heard::Text(text) => {
                        silent = Instant::now() + patience;
                        self.receive(&text).await
                    }
                    Heard::Pong(_) => {
                        let flood = self.guard.flood_of_control(self.shared.now());
                        flood.then_some(Some(POLICY))
                    }
                    Heard::Tick => (!self.socket.ping(b"").await).then_some(None),
                    Heard::Over(code) => Some(code),
                },
                word = told => match word {
                    Some(word) => self.told(word).await,
                    None => Some(Some(AGAIN)),
                },
                () = tokio::time::sleep_until(silent) => Some(Some(AGAIN)),
                () = tokio::time::sleep_until(late), if unknown => Some(Some(POLICY)),
            };
            if let Some(code) = over {
                return code;
            }
        }
    }

    /// It says something; how it ends, if it does.
    async fn receive(&mut self, text: &str) -> Option<Option<u16>> {
        let shared = self.shared.clone();
        shared.metrics.door(DOOR).messages.inc();
        let admitted = self.guard.admit(shared.now());
        if admitted != Verdict::Obey {
            shared.metrics.refused("rate_limited");
            return (admitted == Verdict::End).then_some(Some(POLICY));
        }
        let Ok(message) = Message::parse(text) else {
            shared.metrics.refused("malformed");
            let ends = self.guard.malformed() == Verdict::End;
            return ends.then_some(Some(POLICY));
        };
        let acts = self.caller.receive(message);
        self.act(acts).await
    }

    async fn act(&mut self, acts: Vec<Act>) -> Option<Option<u16>> {
        let (mut queue, mut over) = (VecDeque::from(acts), None);
        while let Some(act) = queue.pop_front() {
            match act {
                Act::Enter(join) => match self.enter(&join) {
                    Ok(acts) => queue.extend(acts),
                    Err(refusal) => {
                        queue.extend(self.caller.refused(refusal.code(), &refusal.to_string()));
                        over = Some(Some(REFUSED));
                    }
                },
                Act::Send(text) => {
                    if !self.socket.send(text).await {
                        return Some(None);
                    }
                }
                Act::Leave => return Some(Some(NORMAL)),
                Act::Drop => {
                    let early = !self.caller.is_inside();
                    let code = if early { "join_first" } else { "unknown_type" };
                    self.shared.metrics.refused(code);
                }
                Act::Mute(_) | Act::Complexity(_) | Act::Volume(_) | Act::Offer(_) => self.ask(act),
            }
        }
        over
    }

    /// What the room and the media server are asked.
    fn ask(&self, act: Act) {
        let Some((stay, _)) = &self.seat else { return };
        match act {
            Act::Mute(muted) => stay.mute(muted),
            Act::Complexity(complexity) => stay.ask(MediaAsk::Hear {
                audio: None,
                deafened: None,
                stereo: None,
                bitrate: None,
                complexity: Some(complexity),
                volumes: std::collections::BTreeMap::new(),
            }),
            Act::Volume(volume) => stay.ask(MediaAsk::Voice {
                participant: None,
                volume: Some(volume),
                place: None,
                denoise: None,
            }),
            Act::Offer(sdp) => {
                let offer = Description {
                    kind: DescriptionKind::Offer,
                    sdp,
                };
                stay.say(Arc::new(()), vec![Part::Description(offer)]);
            }
            Act::Enter(_) | Act::Send(_) | Act::Leave | Act::Drop => {}
        }
    }

    /// Takes a seat in the token's room, which is mixed if it is made for that.
    fn enter(&mut self, join: &Join) -> Result<Vec<Act>, Refusal> {
        let given = Some(join.token.as_str()).filter(|token| !token.is_empty());
        let token = self.token.as_deref().or(given).ok_or(Refusal::Unauthorized)?;
        let claims = self.shared.claims(Some(token), None, None, None)?;
        if !join.room.is_empty() && room_name_for(&join.room) != claims.room.as_str() {
            return Err(Refusal::Elsewhere);
        }
        let wish = Wish {
            door: DOOR,
            manner: Manner::Gathers,
            token: Some(token),
            namespace: &claims.ns,
            room: &claims.room,
            topology: Some(Topology::Mixed),
            name: None,
            host: self.host.clone(),
        };
        let Entered { stay, words, .. } = Stay::enter(&self.shared, wish)?;
        let welcome = Welcome {
            user: claims.sub.clone(),
            connection: stay.owner().map(|owner| owner.id.to_string()).unwrap_or_default(),
            peers: stay.others().iter().map(peer).collect(),
            ice_servers: self.shared.ice_servers(&claims.sub, &self.host).0,
        };
        self.seat = Some((stay, words));
        Ok(self.caller.entered(welcome))
    }

    /// The room says something; how it ends, if it does.
    async fn told(&mut self, word: Word) -> Option<Option<u16>> {
        let acts = match word {
            Word::Event(Event::Joined(other)) => self.caller.joined(&peer(&other)),
            Word::Event(Event::Ended(reason)) => {
                if let Some((stay, _)) = self.seat.take() {
                    stay.forget();
                }
                let code = match reason {
                    LeaveReason::Replaced => TAKEN,
                    LeaveReason::Left
                    | LeaveReason::Timeout
                    | LeaveReason::Kicked
                    | LeaveReason::RoomClosed
                    | LeaveReason::TooSlow
                    | LeaveReason::Misbehaved
                    | LeaveReason::ServerStopping => NORMAL,
                };
                return Some(Some(code));
            }
            // These clients have no word for whoever leaves.
            Word::Event(
                Event::Left { .. } | Event::Updated(_) | Event::Mute { .. } | Event::RoomUpdated(_),
            ) => Vec::new(),
            Word::Said(said) => answer(&said).map_or_else(Vec::new, |sdp| self.caller.answered(sdp)),
            Word::CallLost => return Some(Some(AGAIN)),
        };
        self.act(acts).await
    }
}

/// The media server's answer, if that is what was said.
fn answer(said: &Said) -> Option<&str> {
    said.parts.iter().find_map(|part| match part {
        Part::Description(description) => Some(description.sdp.as_str()),
        Part::Candidate(_) | Part::Removed(_) | Part::Bye | Part::Other(_) => None,
    })
}

/// Somebody else, as these clients know them.
fn peer(other: &Participant) -> Peer {
    Peer {
        id: other.identity.to_string(),
        published: other.permissions.allow(trefoil_auth::Permission::Publish),
    }
}
