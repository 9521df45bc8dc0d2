//! What is counted; docs/OPERATIONS.md says what each number means.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::room_metrics::RoomMetrics;

/// A refusal by its code.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct Code {
    code: &'static str,
}

/// An HTTP answer by its status.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct Status {
    status: u16,
}

/// A door by its name.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct Door {
    door: &'static str,
}

/// What is counted for each door but our own.
#[derive(Clone, Default)]
pub(crate) struct DoorMetrics {
    pub(crate) people: Gauge,
    pub(crate) messages: Counter,
}

/// Every code that can be counted, so that each is shown before it first happens.
const CODES: [&str; 35] = [
    "already_joined",
    "bad_request",
    "forbidden",
    "invalid_name",
    "join_first",
    "kicked",
    "malformed",
    "method_not_allowed",
    "no_media_server",
    "no_such_announcement",
    "no_such_participant",
    "no_such_room",
    "not_found",
    "origin_not_allowed",
    "payload_too_large",
    "rate_limited",
    "request_timeout",
    "room_empty",
    "room_encrypted",
    "room_full",
    "room_limit",
    "room_locked",
    "server_stopping",
    "session_lost",
    "sound_too_long",
    "too_large",
    "too_many_announcements",
    "too_many_connections",
    "too_slow",
    "unauthorized",
    "unknown_type",
    "unsupported_topology",
    "unsupported_version",
    "unusable_sdp",
    "unusable_sound",
];

/// All counters of the room server.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) websockets: Gauge,
    pub(crate) rooms: Gauge,
    pub(crate) participants: Gauge,
    pub(crate) joins: Counter,
    pub(crate) resumes: Counter,
    pub(crate) messages: Counter,
    door_people: Family<Door, Gauge>,
    door_messages: Family<Door, Counter>,
    pub(crate) each_room: RoomMetrics,
    refusals: Family<Code, Counter>,
    answers: Family<Status, Counter>,
}

impl Metrics {
    /// Registers all of them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "trefoil_connections",
            "Open TCP connections for HTTP and WebSocket",
            self.connections.clone(),
        );
        registry.register(
            "trefoil_websockets",
            "Open signalling WebSockets",
            self.websockets.clone(),
        );
        registry.register("trefoil_rooms", "Rooms that exist", self.rooms.clone());
        registry.register(
            "trefoil_participants",
            "Seats that are taken",
            self.participants.clone(),
        );
        registry.register("trefoil_joins", "Seats taken by join", self.joins.clone());
        registry.register(
            "trefoil_resumes",
            "Sessions resumed after a break",
            self.resumes.clone(),
        );
        registry.register(
            "trefoil_messages",
            "Signalling messages received",
            self.messages.clone(),
        );
        registry.register(
            "trefoil_door_people",
            "People who came in through another door than our own, by door",
            self.door_people.clone(),
        );
        registry.register(
            "trefoil_door_messages",
            "Messages received at another door than our own, by door",
            self.door_messages.clone(),
        );
        registry.register("trefoil_refusals", "Refusals by code", self.refusals.clone());
        registry.register(
            "trefoil_http_answers",
            "HTTP answers by status",
            self.answers.clone(),
        );
        self.each_room.register(registry);
        for code in CODES {
            drop(self.refusals.get_or_create(&Code { code }));
        }
        drop(self.answers.get_or_create(&Status { status: 200 }));
    }

    /// What is counted for a door.
    pub(crate) fn door(&self, door: &'static str) -> DoorMetrics {
        DoorMetrics {
            people: self.door_people.get_or_create(&Door { door }).clone(),
            messages: self.door_messages.get_or_create(&Door { door }).clone(),
        }
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&Code { code }).inc();
    }

    /// Counts an HTTP answer.
    pub(crate) fn answered(&self, status: u16) {
        self.answers.get_or_create(&Status { status }).inc();
    }
}
