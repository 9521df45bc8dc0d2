//! Sounds that administrators play into a room: begun with a file, looked at, stopped.

use axum::{
    Json,
    body::to_bytes,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use trefoil_media::{AnnounceAsk, Ask, Command, Media, ROOM_ITSELF, RoomKey, Sound};
use trefoil_native::Hall;
use trefoil_room::{Refusal, Topology, clean_name};
use trefoil_wire::http::{AnnouncementBody, AnnouncementList, ErrorBody};

use super::{App, Problem, credentials::Admin, rooms::inside};
use crate::{
    announcements::{Entry, TooMany, body, number_of},
    shared::Shared,
};

/// What an announcement is called where nobody says.
const NAME: &str = "announcement";
/// An announcement is repeated so often at most.
const REPEAT: u16 = 1000;
/// No announcement is louder than so many times what its file holds.
const GAIN: f32 = 8.0;

/// How a sound is played.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    name: Option<String>,
    gain: Option<f32>,
    repeat: Option<u16>,
}

impl How {
    /// Name, gain and repetitions, each as usual where it is left out.
    fn check(self) -> Result<(Arc<str>, f32, u16), Problem> {
        let (gain, repeat) = (self.gain.unwrap_or(1.0), self.repeat.unwrap_or(1));
        if !(0.0..=GAIN).contains(&gain) {
            return Err(Problem::bad_request(format!(
                "gain must be 0 to {GAIN}; 1 is as loud as the file"
            )));
        }
        if !(1..=REPEAT).contains(&repeat) {
            return Err(Problem::bad_request(format!("repeat must be 1 to {REPEAT}")));
        }
        let name = self.name.unwrap_or_else(|| NAME.to_owned());
        Ok((clean_name(&name)?.into(), gain, repeat))
    }
}

/// Plays a WAV file (PCM of 16 bits, 8 to 48 kHz, mono or stereo) into a room: everybody in it hears that.
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/rooms/{room}/announcements", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path),
        ("name" = Option<String>, Query, description = "What people are told that it is; `announcement` where it is left out"),
        ("gain" = Option<f32>, Query, description = "How loud, 0 to 8; 1 is as loud as the file"),
        ("repeat" = Option<u16>, Query, description = "How often, 1 to 1000")),
    request_body(content = String, content_type = "audio/wav"), responses(
    (status = 201, description = "It is being played", body = AnnouncementBody),
    (status = 400, description = "bad_request, invalid_name", body = ErrorBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody),
    (status = 409, description = "no_media_server, room_encrypted, room_empty, too_many_announcements", body = ErrorBody),
    (status = 413, description = "payload_too_large, sound_too_long", body = ErrorBody),
    (status = 415, description = "unusable_sound", body = ErrorBody)))]
pub(super) async fn play(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
    how: Result<Query<How>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<(StatusCode, Json<AnnouncementBody>), Problem> {
    let (media, key) = playable(&shared, &admin, &namespace, &room)?;
    let Query(how) = how.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (name, gain, repeat) = how.check()?;
    let sound = read(&shared, request).await?;
    let entry = Entry {
        name: name.clone(),
        gain,
        repeat,
        bytes: sound.bytes(),
        played: Duration::ZERO,
        length: sound.length() * u32::from(repeat),
    };
    let (playing, config) = (&shared.announcements, &shared.config.announcements);
    let id = playing.begin(key, entry.clone(), config)?;
    let ask = AnnounceAsk {
        id,
        name,
        sound: Arc::new(sound),
        gain,
        times: repeat,
    };
    if !ask_room(media, key, Ask::Announce(Box::new(ask))) {
        playing.end(key, id);
        return Err(trefoil_native::Refusal::NoMediaServer.into());
    }
    Ok((StatusCode::CREATED, Json(body(id, &entry))))
}

/// What is being played into a room, and how far it is.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/rooms/{room}/announcements", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path)), responses(
    (status = 200, description = "The oldest first", body = AnnouncementList),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody)))]
pub(super) async fn list(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
) -> Result<Json<AnnouncementList>, Problem> {
    let key = inside(&shared, &admin, &namespace, &room, |hall| hall.key())?;
    let announcements = shared.announcements.list(key);
    Ok(Json(AnnouncementList { announcements }))
}

/// Stops one; people are told once it is silent.
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/rooms/{room}/announcements/{id}", tag = "rooms",
    security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path), ("id" = String, Path)), responses(
    (status = 204, description = "It fades and stops"),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room, no_such_announcement", body = ErrorBody),
    (status = 409, description = "no_media_server", body = ErrorBody)))]
pub(super) async fn stop(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room, id)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let key = inside(&shared, &admin, &namespace, &room, |hall| hall.key())?;
    let id = number_of(&id).filter(|id| shared.announcements.holds(key, *id));
    let id = id.ok_or_else(Problem::no_such_announcement)?;
    let told = shared
        .media
        .as_ref()
        .is_some_and(|media| ask_room(media, key, Ask::Silence(id)));
    if told {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(trefoil_native::Refusal::NoMediaServer.into())
    }
}

/// The media server and the room's key there, if everybody in the room can be given something to hear.
fn playable<'a>(
    shared: &'a App,
    admin: &Admin,
    namespace: &str,
    room: &str,
) -> Result<(&'a Media, u64), Problem> {
    let look = |hall: &mut Hall| {
        let view = hall.room().view();
        let nobody = hall.room().participants().len() == 0;
        (view.topology(), view.settings.encrypted, nobody, hall.key())
    };
    let (topology, encrypted, nobody, key) = inside(shared, admin, namespace, room, look)?;
    match &shared.media {
        _ if encrypted => Err(Refusal::RoomEncrypted.into()),
        _ if nobody => Err(Problem::room_empty()),
        Some(media) if topology != Topology::P2p => Ok((media, key)),
        Some(_) | None => Err(trefoil_native::Refusal::NoMediaServer.into()),
    }
}

/// The sound in a request's body.
async fn read(shared: &Shared, request: Request) -> Result<Sound, Problem> {
    let config = &shared.config.announcements;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|declared: usize| declared > config.bytes) {
        return Err(Problem::too_large(config.bytes));
    }
    let file = to_bytes(request.into_body(), config.bytes)
        .await
        .map_err(|_| Problem::too_large(config.bytes))?;
    let sound =
        Sound::read(file.into()).map_err(|unplayable| Problem::unusable_sound(unplayable.to_string()))?;
    if sound.length() > Duration::from_secs(config.seconds) {
        return Err(Problem::sound_too_long(config.seconds));
    }
    Ok(sound)
}

fn ask_room(media: &Media, key: u64, ask: Ask) -> bool {
    media.ask(Command {
        room: RoomKey(key),
        participant: ROOM_ITSELF,
        ask,
    })
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        Self::too_many_announcements(match too_many {
            TooMany::InRoom => "as many announcements are played into this room as may be; stop one, or wait",
            TooMany::InAll => {
                "the files of all announcements that are played take as much memory as they may; wait"
            }
        })
    }
}
