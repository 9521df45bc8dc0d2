//! What an estimator and a pacer cost on this machine.

use std::time::{Duration, Instant};

use trefoil_bwe::{Estimator, Micros, Pacer, Priority, Sent, Settings};

const SECONDS: u64 = 2_000;
const PACKETS_PER_FEEDBACK: u64 = 10;

/// A subscriber of 200 packets a second, with feedback 20 times a second, for a long imaginary time.
pub(crate) fn measure() -> String {
    let (mut sending, mut learning, mut pacing) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut estimator = Estimator::new(Settings::default());
    let mut pacer: Pacer<u32> = Pacer::new();
    estimator.demand(2_000_000);
    let mut now = Micros::from_seconds(1);
    let mut statuses = Vec::new();
    let feedbacks = SECONDS * 20;
    for _ in 0..feedbacks {
        let started = Instant::now();
        for packet in 0..PACKETS_PER_FEEDBACK {
            now = now + Duration::from_millis(5);
            // Some jitter, and one packet in forty is lost.
            let arrival = (now.0 as i64) + 20_000 + (now.0 / 5000 * 7919 % 3000) as i64;
            let number = estimator.sent(1200, Sent::Media, now);
            statuses.push((number, (now.0 / 5000 % 40 != packet).then_some(arrival)));
        }
        sending += started.elapsed();
        let started = Instant::now();
        for packet in 0..PACKETS_PER_FEEDBACK {
            let at = now + Duration::from_millis(packet * 5);
            std::hint::black_box(pacer.push(0, 1200, Priority::Video, at));
            std::hint::black_box(pacer.pop(at));
        }
        pacing += started.elapsed();
        let started = Instant::now();
        estimator.feedback(statuses.drain(..), now + Duration::from_millis(40));
        estimator.handle_timeout(now + Duration::from_millis(40));
        pacer.set_rate(estimator.pace());
        learning += started.elapsed();
    }
    let packets = feedbacks * PACKETS_PER_FEEDBACK;
    format!(
        "A packet costs {} ns to note and {} ns to pace; a feedback about {PACKETS_PER_FEEDBACK} packets costs {} ns. \
         An estimator is {} bytes and its history 16 KiB at most.",
        sending.as_nanos() / u128::from(packets),
        pacing.as_nanos() / u128::from(packets),
        learning.as_nanos() / u128::from(feedbacks),
        size_of::<Estimator>(),
    )
}
