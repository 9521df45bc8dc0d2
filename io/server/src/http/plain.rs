//! Gateways: plain RTP into a room and the mix of the room out of it, for administrators.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use trefoil_auth::{Permission, Role};
use trefoil_media::{Ask, Codec, Command, PlainAsk, PlainKeys, RoomKey, VoiceWish};
use trefoil_native::Refusal as Refused;
use trefoil_room::{Entrance, LeaveReason, ParticipantId, Refusal, check_identity};
use trefoil_wire::http::{ErrorBody, PlainAnswer, PlainRequest, PlainSrtp};

use super::{
    App, Problem,
    credentials::{Admin, Body},
    rooms::inside,
};
use crate::shared::{At, Shared};

/// Lets a gateway into a room.
#[utoipa::path(post, path = "/v1/namespaces/{namespace}/rooms/{room}/plain", tag = "rooms", security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path)), request_body = PlainRequest, responses(
    (status = 201, description = "Inside", body = PlainAnswer),
    (status = 400, description = "bad_request, invalid_name", body = ErrorBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody),
    (status = 409, description = "room_full, room_locked, room_encrypted, unsupported_topology, no_media_server", body = ErrorBody)))]
pub(super) async fn enter(
    State(shared): State<App>,
    admin: Admin,
    Path((namespace, room)): Path<(String, String)>,
    Body(request): Body<PlainRequest>,
) -> Result<(StatusCode, Json<PlainAnswer>), Problem> {
    let remote = allowed(&shared, &request.remote)?;
    check_identity(&request.identity)?;
    let codec = match request.codec.to_ascii_lowercase().as_str() {
        "opus" => Codec::Opus,
        "pcmu" => Codec::Pcmu,
        "pcma" => Codec::Pcma,
        _ => return Err(Problem::bad_request("codec must be opus, PCMU or PCMA")),
    };
    if request.payload_type > 127 {
        return Err(Problem::bad_request("payload_type must be 0 to 127"));
    }
    let packet_time = request.packet_ms.unwrap_or(20);
    if ![10, 20, 40, 60].contains(&packet_time) {
        return Err(Problem::bad_request("packet_ms must be 10, 20, 40 or 60"));
    }
    let keys = request.srtp.as_ref().map(keys).transpose()?;
    let media = shared.media.as_ref().ok_or(Refused::NoMediaServer)?;
    let address = shared.config.plain_rtp.address;
    let local = media.plain_address(address).ok_or_else(|| {
        Problem::bad_request("media.listen has no address of the family of server.plain_rtp.address")
    })?;
    if media.has_gateway(remote) {
        return Err(Problem::bad_request(
            "another gateway sends from that remote address: give each an address and port of its own",
        ));
    }
    let ask = PlainAsk {
        local,
        remote,
        codec,
        payload_type: request.payload_type,
        packet_time,
        keys,
    };
    let id = admit(&shared, &admin, (&namespace, &room), request, ask)?;
    let answer = PlainAnswer {
        participant: id.to_string(),
        local: local.to_string(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn admit(
    shared: &Arc<Shared>,
    admin: &Admin,
    (namespace, room): (&str, &str),
    request: PlainRequest,
    ask: PlainAsk,
) -> Result<ParticipantId, Problem> {
    let Some(media) = &shared.media else {
        return Err(Refused::NoMediaServer.into());
    };
    let (at, now) = (At { shared, host: "" }, shared.now());
    let voice = VoiceWish {
        denoise: Some(request.denoise),
        ..VoiceWish::default()
    };
    let entrance = Entrance {
        name: request.name.unwrap_or_else(|| request.identity.clone()),
        identity: request.identity,
        role: Role::Speaker,
        permissions: [Permission::Publish, Permission::Subscribe].into_iter().collect(),
        hidden: false,
        served: true,
    };
    let (id, key) = inside(shared, admin, namespace, room, |hall| {
        let id = hall.admit_gateway(entrance, &at, now)?;
        Ok::<_, Refused>((id, hall.key()))
    })??;
    let tell = |ask| {
        media.ask(Command {
            room: RoomKey(key),
            participant: id.number(),
            ask,
        })
    };
    if tell(Ask::Plain(Box::new(ask))) && tell(Ask::Voice(voice)) {
        return Ok(id);
    }
    inside(shared, admin, namespace, room, |hall| {
        hall.change(&at, now, |room| room.leave(id, LeaveReason::ServerStopping, now));
    })?;
    Err(Refused::NoMediaServer.into())
}

/// Takes a gateway out of a room.
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}/rooms/{room}/plain/{id}", tag = "rooms",
    security(("key" = [])),
    params(("namespace" = String, Path), ("room" = String, Path), ("id" = String, Path)), responses(
    (status = 204, description = "Gone"),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room, no_such_participant", body = ErrorBody)))]
pub(super) async fn leave(
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
        let known = hall.room().participant(id).filter(|known| known.served);
        known.ok_or(Refusal::NoSuchParticipant)?;
        hall.change(&at, now, |room| room.leave(id, LeaveReason::Left, now));
        Ok::<_, Refusal>(())
    })??;
    Ok(StatusCode::NO_CONTENT)
}

/// The remote address, if the configuration lets media go there.
fn allowed(shared: &Shared, remote: &str) -> Result<SocketAddr, Problem> {
    let config = &shared.config.plain_rtp;
    if !config.enabled {
        return Err(Problem::bad_request(
            "plain RTP is off: set server.plain_rtp.enabled = true, for gateways that you trust",
        ));
    }
    let remote: SocketAddr = remote
        .parse()
        .map_err(|_| Problem::bad_request("remote must be an address and a port, as 127.0.0.1:4000"))?;
    let named = |ip: IpAddr| config.peers.contains(&ip);
    if !(remote.ip().is_loopback() || named(remote.ip())) || remote.port() == 0 {
        return Err(Problem::bad_request(
            "media may not go there: name the gateway's address in server.plain_rtp.peers",
        ));
    }
    if remote.is_ipv4() != config.address.is_ipv4() {
        return Err(Problem::bad_request(
            "remote must be of the same family as server.plain_rtp.address",
        ));
    }
    Ok(remote)
}

fn keys(srtp: &PlainSrtp) -> Result<PlainKeys, Problem> {
    let read = |text: &str| {
        let bytes = BASE64_STANDARD.decode(text).ok();
        bytes.and_then(|bytes| bytes.try_into().ok())
    };
    match (read(&srtp.to_gateway), read(&srtp.from_gateway)) {
        (Some(outbound), Some(inbound)) => Ok(PlainKeys { outbound, inbound }),
        _ => Err(Problem::bad_request(
            "srtp keys must be 30 bytes each, a key of 16 and a salt of 14, in base64",
        )),
    }
}
