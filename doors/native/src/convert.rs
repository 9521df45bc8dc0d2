//! Room words into wire words and back.

use trefoil_auth::{Permission, Role};
use trefoil_room::{LeaveReason, Participant, RoomView, Topology};
use trefoil_wire as wire;

/// A participant as the others are told of them.
#[must_use]
pub fn participant_of(participant: &Participant) -> wire::Participant {
    wire::Participant {
        id: participant.id.to_string(),
        identity: participant.identity.to_string(),
        name: participant.name.to_string(),
        role: match participant.role {
            Role::Moderator => wire::Role::Moderator,
            Role::Speaker => wire::Role::Speaker,
            Role::Viewer => wire::Role::Viewer,
        },
        permissions: participant.permissions.iter().map(permission_of).collect(),
        muted: wire::Muted {
            audio: participant.muted.audio,
            video: participant.muted.video,
        },
        away: participant.away,
        hidden: participant.hidden,
    }
}

/// A room as those inside are told of it.
#[must_use]
pub fn room_of(room: &RoomView) -> wire::Room {
    wire::Room {
        namespace: room.namespace.to_string(),
        name: room.name.to_string(),
        topology: topology_of(room.topology()),
        member_limit: room.settings.member_limit,
        locked: room.settings.locked,
        encrypted: room.settings.encrypted,
    }
}

/// A topology's word.
#[must_use]
pub const fn topology_of(topology: Topology) -> wire::Topology {
    match topology {
        Topology::P2p => wire::Topology::P2p,
        Topology::Sfu => wire::Topology::Sfu,
        Topology::Mixed => wire::Topology::Mixed,
        Topology::Auto => wire::Topology::Auto,
    }
}

/// The topology of a word.
#[must_use]
pub const fn topology_from(topology: wire::Topology) -> Topology {
    match topology {
        wire::Topology::P2p => Topology::P2p,
        wire::Topology::Sfu => Topology::Sfu,
        wire::Topology::Mixed => Topology::Mixed,
        wire::Topology::Auto => Topology::Auto,
    }
}

/// The role of a word.
#[must_use]
pub const fn role_from(role: wire::Role) -> Role {
    match role {
        wire::Role::Moderator => Role::Moderator,
        wire::Role::Speaker => Role::Speaker,
        wire::Role::Viewer => Role::Viewer,
    }
}

/// The permission of a word.
#[must_use]
pub const fn permission_from(permission: wire::Permission) -> Permission {
    match permission {
        wire::Permission::Publish => Permission::Publish,
        wire::Permission::Subscribe => Permission::Subscribe,
        wire::Permission::Message => Permission::Message,
        wire::Permission::Moderate => Permission::Moderate,
    }
}

pub(crate) const fn reason_of(reason: LeaveReason) -> wire::LeaveReason {
    match reason {
        LeaveReason::Left => wire::LeaveReason::Left,
        LeaveReason::Timeout => wire::LeaveReason::Timeout,
        LeaveReason::Kicked => wire::LeaveReason::Kicked,
        LeaveReason::Replaced => wire::LeaveReason::Replaced,
        LeaveReason::RoomClosed => wire::LeaveReason::RoomClosed,
        LeaveReason::TooSlow => wire::LeaveReason::TooSlow,
        LeaveReason::Misbehaved => wire::LeaveReason::Misbehaved,
        LeaveReason::ServerStopping => wire::LeaveReason::ServerStopping,
    }
}

const fn permission_of(permission: Permission) -> wire::Permission {
    match permission {
        Permission::Publish => wire::Permission::Publish,
        Permission::Subscribe => wire::Permission::Subscribe,
        Permission::Message => wire::Permission::Message,
        Permission::Moderate => wire::Permission::Moderate,
    }
}
