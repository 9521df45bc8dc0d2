//! AppRTC's room server and Collider: their requests become room commands, room events become their messages.
//!
//! A [`Member`] is one client, whether it speaks over HTTP, over Collider's WebSocket, or both. It owns neither: whoever has
//! them gives it what came and does what it answers.

mod collider;
mod member;
mod params;
mod template;

pub use collider::{Command, Fault, Told};
pub use member::{Act, Member, QueueFull};
pub use params::{Place, Query, ice_config, page_params, room_params};
pub use template::render;
