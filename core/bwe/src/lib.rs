//! Send-side bandwidth estimation, probing and pacing: feedback and time in, a bitrate out.
//!
//! [`Estimator`] answers how many bits per second the way to one subscriber carries; it numbers what is sent and reads
//! the transport-wide feedback about it. [`Pacer`] spreads what is sent in bursts over time. Neither has a clock:
//! `now` is an argument.

mod estimator;
mod micros;
mod pacer;
mod queue;
mod settings;
mod state;

pub use estimator::Estimator;
pub use micros::Micros;
pub use pacer::{Pacer, Priority, Pushed};
pub use settings::Settings;
pub use state::{Limit, Probe, Sent, State, Trend};
