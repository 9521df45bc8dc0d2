//! A media-mixing mixer as a machine ([RFC 7667, section 3.4](https://www.rfc-editor.org/rfc/rfc7667#section-3.4)).
//!
//! One [`Mixer`] for each room. Packets go in as they come ([`Mixer::packet_in`]); every 20 ms in which somebody is heard
//! ([`Mixer::poll_timeout`]) one call gives all that is to be sent ([`Mixer::tick`]). Nobody hears themselves. What makes
//! it cheap: only the few loudest are decoded, all who hear the same share one encoder, a lone talker's packets go on as
//! they came, and a silent room has no next step. Encoders and decoders are given in ([`Codecs`]).
//!
//! What is played into a room from files is a machine of its own ([`Player`]); the mixer is fed with what it gives.
//!
//! Seams between encoders, delays and the rest: docs/decisions/0007-mixing.md.

mod announcement;
mod choice;
mod codec;
mod delay;
mod event;
mod group;
mod hearing;
mod level;
mod limiter;
mod mixer;
mod noise;
mod out;
mod overload;
mod participant;
mod player;
mod playout;
mod regroup;
mod resample;
mod sound;
mod stage;
mod stretch;
mod tick;
mod voice;

pub use codec::{
    Channels, Codec, Codecs, Decoder, Encoder, FRAME, LONGEST, Quality, RATE, Suppressor, Undecodable,
};
pub use event::{Event, Refusal};
pub use hearing::{AnnouncementId, Output, PacketTime, ParticipantId, SourceId};
pub use mixer::{Mixer, STEP, Settings};
pub use out::{Outgoing, Sent};
pub use overload::Rung;
pub use player::{Player, Progress, Report};
pub use playout::{Packet, Reception};
pub use resample::kaiser;
pub use sound::{Sound, Unplayable};
