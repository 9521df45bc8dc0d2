//! What is counted; docs/OPERATIONS.md says what each number means.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

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
        registry.register("trefoil_refusals", "Refusals by code", self.refusals.clone());
        registry.register(
            "trefoil_http_answers",
            "HTTP answers by status",
            self.answers.clone(),
        );
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
