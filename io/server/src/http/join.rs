//! What a client needs to know before it opens the WebSocket.

use axum::{Extension, Json, extract::State, http::HeaderMap};
use trefoil_auth::Claims;
use trefoil_native::{Refusal, participant_of, topology_of};
use trefoil_room::{RoomSettings, Topology, check_identity, clean_name};
use trefoil_wire::{
    Participant,
    http::{ErrorBody, JoinAnswer, JoinRequest},
};

use super::{
    App, HostName, Problem,
    credentials::{Body, bearer},
};
use crate::shared::{Shared, entrance};

/// Answers where to signal, which ICE servers to use and who is inside. The seat is taken by `join` on the WebSocket;
/// what would be refused there is refused here already.
#[utoipa::path(post, path = "/v1/join", tag = "join", security((), ("token" = [])), request_body = Option<JoinRequest>, responses(
    (status = 200, description = "All that is needed to join", body = JoinAnswer),
    (status = 400, description = "invalid_name, bad_request", body = ErrorBody),
    (status = 401, description = "unauthorized", body = ErrorBody),
    (status = 403, description = "kicked, forbidden", body = ErrorBody),
    (status = 404, description = "no_such_room", body = ErrorBody),
    (status = 409, description = "room_full, room_limit", body = ErrorBody),
    (status = 423, description = "room_locked", body = ErrorBody),
    (status = 501, description = "unsupported_topology", body = ErrorBody),
    (status = 503, description = "server_stopping", body = ErrorBody)))]
pub(super) async fn join(
    State(shared): State<App>,
    Extension(host): Extension<HostName>,
    headers: HeaderMap,
    Body(request): Body<JoinRequest>,
) -> Result<Json<JoinAnswer>, Problem> {
    if shared.is_draining() {
        return Err(Refusal::ServerStopping.into());
    }
    let JoinRequest {
        namespace,
        room,
        name,
    } = request;
    let given = bearer(&headers);
    let claims = shared.claims(given, namespace, room, name)?;
    check_identity(&claims.sub)?;
    let entrance = entrance(&claims);
    let name = clean_name(&entrance.name)?.to_owned();

    let (settings, topology, participants) = look_inside(&shared, &claims)?;
    let token = match given {
        Some(token) => token.to_owned(),
        None => shared.sign(&claims)?,
    };
    let (ice_servers, ice_ttl_seconds) = shared.ice_servers(&claims.sub, &host.name);
    let RoomSettings {
        member_limit,
        locked,
        topology: _,
        encrypted: _,
        empty_timeout: _,
    } = settings;
    Ok(Json(JoinAnswer {
        token,
        expires_at: claims.exp,
        namespace: claims.ns,
        room: claims.room,
        identity: claims.sub,
        name,
        signalling_url: signalling_url(&shared, &host),
        ice_servers,
        ice_ttl_seconds,
        topology: topology_of(topology),
        member_limit,
        locked,
        participants,
    }))
}

/// How the room is set up and who is in it, or why its door would stay closed.
fn look_inside(
    shared: &Shared,
    claims: &Claims,
) -> Result<(RoomSettings, Topology, Vec<Participant>), Refusal> {
    let now = shared.now();
    let seen: Result<_, Refusal> = shared
        .halls
        .peek(&claims.ns, &claims.room, now, |hall| match hall {
            Ok(hall) => {
                let room = hall.room();
                hall.may_join(&claims.sub, None, now)?;
                Ok((
                    room.view().settings,
                    room.view().topology(),
                    room.participants()
                        .filter(|other| !other.hidden)
                        .map(participant_of)
                        .collect(),
                ))
            }
            Err(settings) => {
                shared.halls.rules().may_be(settings.topology)?;
                let topology = match settings.topology {
                    Topology::Auto => Topology::P2p,
                    settled => settled,
                };
                Ok((settings, topology, Vec::new()))
            }
        })?;
    seen
}

fn signalling_url(shared: &Shared, host: &HostName) -> String {
    let plain = format!("http://{}", host.authority);
    let base = shared
        .config
        .public_url
        .as_deref()
        .unwrap_or(&plain)
        .trim_end_matches('/');
    // `http` becomes `ws` and `https` becomes `wss`.
    format!("ws{}/v1/signal", base.trim_start_matches("http"))
}
