//! What an estimator and a pacer cost on this machine.

use std::time::{Duration, Instant};

use trefoil_bwe::{Estimator, Micros, Pacer, Priority, Sent, Settings};

/// Medians are taken over so many rounds.
const ROUNDS: usize = 500;
const FEEDBACKS: u64 = 100;
const PACKETS: u64 = 10;

/// Time for one round of each part.
#[derive(Default)]
struct Parts {
    noting: Vec<Duration>,
    pacing: Vec<Duration>,
    learning: Vec<Duration>,
}

/// A subscriber of 200 packets a second, with feedback 20 times a second, for a long imaginary time.
pub(crate) fn measure() -> String {
    let mut parts = Parts::default();
    let mut estimator = Estimator::new(Settings::default());
    let mut pacer: Pacer<u32> = Pacer::new();
    estimator.demand(2_000_000);
    let mut now = Micros::from_seconds(1);
    let mut statuses = Vec::new();
    for _ in 0..ROUNDS {
        let (mut noting, mut pacing, mut learning) = Default::default();
        for _ in 0..FEEDBACKS {
            let begun = now;
            timed(&mut noting, || {
                for _ in 0..PACKETS {
                    now = now + Duration::from_millis(5);
                    let number = estimator.sent(1200, Sent::Media, now);
                    statuses.push((number, now));
                }
            });
            timed(&mut pacing, || {
                for packet in 0..PACKETS {
                    let at = begun + Duration::from_millis(packet * 5);
                    std::hint::black_box(pacer.push(0, 1200, Priority::Video, at));
                    std::hint::black_box(pacer.pop(at));
                }
            });
            // Some jitter, and one packet in forty is lost.
            let arrival = |number: u16, sent: Micros| {
                let late = i64::from(number) * 7919 % 3000;
                (number % 40 != 7).then_some(sent.0 as i64 + 20_000 + late)
            };
            let told = now + Duration::from_millis(40);
            timed(&mut learning, || {
                let told_of = statuses
                    .drain(..)
                    .map(|(number, sent)| (number, arrival(number, sent)));
                estimator.feedback(told_of, told);
                estimator.handle_timeout(told);
                pacer.set_rate(estimator.pace());
            });
        }
        parts.noting.push(noting);
        parts.pacing.push(pacing);
        parts.learning.push(learning);
    }
    let each = |rounds: &mut Vec<Duration>, of: u64| {
        rounds.sort_unstable();
        rounds[rounds.len() / 2].as_nanos() / u128::from(of)
    };
    format!(
        "A packet costs {} ns to note and {} ns to pace; a feedback about {PACKETS} packets costs {} ns. \
         An estimator is {} bytes, and its history 16 KiB at most.",
        each(&mut parts.noting, FEEDBACKS * PACKETS),
        each(&mut parts.pacing, FEEDBACKS * PACKETS),
        each(&mut parts.learning, FEEDBACKS),
        size_of::<Estimator>(),
    )
}

fn timed(sum: &mut Duration, run: impl FnOnce()) {
    let started = Instant::now();
    run();
    *sum += started.elapsed();
}
