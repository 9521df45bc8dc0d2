//! Send-side bandwidth estimation, probing and pacing: feedback and time in, a bitrate out.
//!
//! [`Estimator`] answers how many bits per second the way to one subscriber carries; it numbers what is sent and reads
//! the transport-wide feedback about it. [`Pacer`] spreads what is sent in bursts over time. Neither has a clock:
//! `now` is an argument. The rules are those of GCC (draft-ietf-rmcat-gcc-02) where `docs/decisions` says nothing else.
//!
//! A sender does this:
//!
//! ```
//! use trefoil_bwe::{Estimator, Micros, Pacer, Priority, Pushed, Sent, Settings};
//!
//! let mut estimator = Estimator::new(Settings::default());
//! let mut pacer: Pacer<u32> = Pacer::new();
//! let now = Micros::from_seconds(1);
//!
//! // What it would send if it could, whenever that changes.
//! estimator.demand(2_500_000);
//!
//! // For each packet: at once, or when `pacer.poll_timeout()` says so. The number goes into the header extension.
//! if pacer.push(17, 1240, Priority::Video, now) == Pushed::SendNow {
//!     let _number = estimator.sent(1240, Sent::Media, now);
//! }
//!
//! // For each transport-wide feedback: number and time of arrival on the receiver's clock, or none.
//! estimator.feedback([(0, Some(5_000_250))].into_iter(), now);
//! pacer.set_rate(estimator.pace());
//! assert_eq!(estimator.estimate(), 300_000);
//!
//! // When `estimator.poll_timeout()` says so. A probe under way says how much should leave now.
//! estimator.handle_timeout(now);
//! while let Some(probe) = estimator.probe(now).filter(|probe| probe.bytes_due > 0) {
//!     let padding = probe.bytes_due.clamp(60, 300);
//!     estimator.sent(padding, Sent::Probe, now);
//! }
//! ```

mod aimd;
mod cluster;
mod contest;
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
