//! Send-side bandwidth estimation, probing and pacing: feedback and time in, a bitrate out.
//!
//! [`Estimator`] answers how many bits per second the way to one subscriber carries; it numbers what is sent and reads
//! the transport-wide feedback about it. [`Pacer`] spreads what is sent in bursts over time. Neither has a clock:
//! `now` is an argument.

mod aimd;
mod cluster;
mod estimator;
mod groups;
mod history;
mod loss;
mod meter;
mod micros;
mod pacer;
mod probing;
mod queue;
mod queueing;
mod reports;
mod settings;
mod silence;
mod state;
mod throughput;
mod trend;

pub use estimator::Estimator;
pub use micros::Micros;
pub use pacer::{Pacer, Priority, Pushed};
pub use settings::Settings;
pub use state::{Limit, Probe, Sent, State, Trend};
