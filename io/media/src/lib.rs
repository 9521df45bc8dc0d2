//! The media server: workers that receive what is published and forward it to those who subscribe.
//!
//! One thread for each core owns its socket, its transports and its rooms ([`Media`] starts them). They share nothing and
//! lock nothing on the packet path; commands come over a bounded queue, and what is to be told goes out through one
//! function that the caller gives.

mod announce;
mod call;
mod clock;
mod command;
mod config;
mod data;
mod demux;
mod detail;
mod due;
mod forward;
mod gather;
mod handle;
mod hearing;
mod history;
mod links;
mod member;
mod meters;
mod mix_out;
mod mixing;
mod negotiate;
mod outbox;
mod places;
mod plain;
mod poll;
mod receive;
mod room;
mod slab;
mod spread;
mod streams;
mod tell;
mod timers;
mod worker;

pub use announce::{AnnounceAsk, AnnouncementView, ROOM_ITSELF};
pub use command::{
    Ask, Command, Described, HearWish, MuteState, Notice, Reception, Rights, RoomKey, Told, TrackReception,
    TrackView, ViewWish, VoiceWish,
};
pub use config::MediaConfig;
pub use detail::{RoomReading, TrackReading};
pub use handle::{Media, Tell};
pub use meters::{MediaReading, WorkerReading};
pub use plain::PlainAsk;
pub use trefoil_mix::{Progress, Sound, Unplayable};
pub use trefoil_peer::PlainKeys;
pub use trefoil_rtp::Codec;
pub use trefoil_sfu::{Limit, Source, TrackId};
