//! Trefoil's own signalling protocol: its messages become room commands, room events become its messages.
//!
//! A [`Hall`] is one room with the sessions of this protocol in it. It owns no socket and no clock: whoever has a
//! connection gives it what was received and takes what is to be sent.

mod convert;
mod guard;
mod hall;
mod joined;
mod media;
mod outbox;
mod receive;
mod refusal;
mod resume_token;
mod served;
mod visitor;

pub use convert::{participant_of, permission_from, role_from, room_of, topology_from, topology_of};
pub use guard::{Guard, GuardLimits, Verdict};
pub use hall::{Attachment, Ending, Hall, HallSettings, MediaWord, Outside, Taken};
pub use media::Lasting;
pub use outbox::{Outbox, OutboxLimits, Overflow};
pub use receive::opening;
pub use refusal::{Refusal, close_code};
pub use resume_token::ResumeToken;
pub use served::CallWord;
pub use visitor::{Manner, Said, Visit, Visitor, Word};
