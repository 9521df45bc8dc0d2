//! Rooms and the people in them, for administrators.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use trefoil_native::{Hall, participant_of, topology_from, topology_of};
use trefoil_room::{ParticipantId, Refusal, SettingsChange};
use trefoil_wire::http::{ErrorBody, ParticipantList, RoomBody, RoomList, RoomSettings};

use super::{
    App, Problem,
    credentials::{Admin, Body},
};
use crate::{config::empty_timeout, shared::At};

/// The rooms of a namespace.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/rooms", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path)), responses(
    (status = 200, description = "By name", body = RoomList),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "not_found", body = ErrorBody)))]
pub(super) async fn list(
    State(shared): State<App>,
    admin: Admin,
    Path(namespace): Path<String>,
) -> Result<Json<RoomList>, Problem> {
    admin.may_enter(&namespace)?;
    let rooms = shared.halls.rooms(&namespace, body);
    let rooms = rooms.ok_or_else(|| Problem::not_found("there is no such namespace; PUT makes one"))?;
    Ok(Json(RoomList { rooms }))
}

/// One room.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/rooms/{room}", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path)), responses(
    (status = 200, description = "It", body = RoomBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody)))]
pub(super) async fn read(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
) -> Result<Json<RoomBody>, Problem> {
    inside(&shared, &admin, &namespace, &room, |hall| body(hall)).map(Json)
}

/// Makes a room, or sets it up anew; what is left out stays, or is the configured default.
#[utoipa::path(put, path = "/v1/namespaces/{namespace}/rooms/{room}", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path)), request_body = Option<RoomSettings>, responses(
    (status = 200, description = "Set up anew", body = RoomBody),
    (status = 201, description = "Made", body = RoomBody),
    (status = 400, description = "bad_request, invalid_name", body = ErrorBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 409, description = "room_limit, room_encrypted", body = ErrorBody)))]
pub(super) async fn write(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
    Body(settings): Body<RoomSettings>,
) -> Result<(StatusCode, Json<RoomBody>), Problem> {
    admin.may_enter(&namespace)?;
    if settings.member_limit == Some(0) {
        return Err(Problem::bad_request(
            "member_limit must be at least 1; lock the room to keep everybody out",
        ));
    }
    let change = SettingsChange {
        member_limit: settings.member_limit,
        topology: settings.topology.map(topology_from),
        locked: settings.locked,
        encrypted: settings.encrypted,
        empty_timeout: settings.empty_timeout_seconds.map(empty_timeout),
    };
    let (at, now) = (
        At {
            shared: &shared,
            host: "",
        },
        shared.now(),
    );
    let (body, made) = shared.halls.declare_room(&namespace, &room, now, |hall| {
        hall.room().may_configure(change)?;
        hall.change(&at, now, |room| room.configure(change));
        Ok::<_, Refusal>(body(hall))
    })?;
    let body = body?;
    Ok((
        if made { StatusCode::CREATED } else { StatusCode::OK },
        Json(body),
    ))
}

/// Closes a room for those inside. Joining does not make it again for a while; PUT does.
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/rooms/{room}", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path)), responses(
    (status = 204, description = "Closed"),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody)))]
pub(super) async fn delete(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    admin.may_enter(&namespace)?;
    let at = At {
        shared: &shared,
        host: "",
    };
    shared
        .halls
        .close_room(&namespace, &room, &at, shared.now())
        .ok_or(Refusal::NoSuchRoom)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is in a room.
#[utoipa::path(get, path = "/v1/namespaces/{namespace}/rooms/{room}/participants", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path)), responses(
    (status = 200, description = "By id", body = ParticipantList),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody)))]
pub(super) async fn participants(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
) -> Result<Json<ParticipantList>, Problem> {
    let list = |hall: &mut Hall| hall.room().participants().map(participant_of).collect();
    let participants = inside(&shared, &admin, &namespace, &room, list)?;
    Ok(Json(ParticipantList { participants }))
}

/// Removes somebody, who may not come back for a while.
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/rooms/{room}/participants/{id}", tag = "rooms",
    security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path), ("id" = String, Path)), responses(
    (status = 204, description = "Removed"),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room, no_such_participant", body = ErrorBody)))]
pub(super) async fn kick(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room, id)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let (at, now) = (
        At {
            shared: &shared,
            host: "",
        },
        shared.now(),
    );
    inside(&shared, &admin, &namespace, &room, |hall| {
        let id = ParticipantId::parse(&id).ok_or(Refusal::NoSuchParticipant)?;
        hall.change(&at, now, |room| room.remove(id, now))
    })??;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn inside<T>(
    shared: &App,
    admin: &Admin,
    namespace: &str,
    room: &str,
    act: impl FnOnce(&mut Hall) -> T,
) -> Result<T, Problem> {
    admin.may_enter(namespace)?;
    let cell = shared.halls.find(namespace, room).ok_or(Refusal::NoSuchRoom)?;
    Ok(shared.halls.act(&cell, act).ok_or(Refusal::NoSuchRoom)?)
}

fn body(hall: &Hall) -> RoomBody {
    let room = hall.room();
    let view = room.view();
    RoomBody {
        namespace: view.namespace.to_string(),
        room: view.name.to_string(),
        member_limit: view.settings.member_limit,
        topology: topology_of(view.settings.topology),
        locked: view.settings.locked,
        encrypted: view.settings.encrypted,
        empty_timeout_seconds: view.settings.empty_timeout.map_or(0, |timeout| timeout.as_secs()),
        participants: room.participants().len().try_into().unwrap_or(u32::MAX),
    }
}
