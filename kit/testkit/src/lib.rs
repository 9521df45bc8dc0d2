//! What tests share: seeds, an imaginary network with its clock, loss, delay and NATs (RFC 4787), a TURN client, and video
//! calls over an imaginary narrow link.

mod call;
pub mod call_scenarios;
mod call_world;
mod link_model;
mod nat;
mod network;
mod reno;
mod seed;
mod turn_client;
mod video_source;

pub use call::{Call, CallSettings, SAMPLE, Sample};
pub use call_scenarios::{CALL_SCENARIOS, CallScenario};
pub use call_world::{CallWorld, CrossTraffic};
pub use link_model::{Capacity, LinkModel, LinkSettings};
pub use nat::{Dependence, Nat};
pub use network::{Datagram, Link, Network};
pub use reno::RenoFlow;
pub use seed::Seed;
pub use turn_client::{Answer, TurnClient};
pub use video_source::{Follows, VideoSource};
