//! The estimator, step by step: what each kind of report and each call does to the estimate.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use proptest::prelude::*;
use trefoil_bwe::{Estimator, Limit, Micros, Sent, Settings, Trend};

/// An estimator and a path that delivers everything after 20 ms, or nothing.
struct Path {
    estimator: Estimator,
    now: Micros,
    numbers: Vec<(u16, i64)>,
}

impl Path {
    fn new() -> Path {
        Path {
            estimator: Estimator::new(Settings::default()),
            now: Micros::from_seconds(1),
            numbers: Vec::new(),
        }
    }

    /// Sends so many bits per second for a time, with packets each 10 ms; answers probes, and gives feedback each 50 ms
    /// if `hears`.
    fn run(&mut self, millis: u64, bits_per_second: usize, hears: bool) {
        for step in 0..millis / 10 {
            self.now = self.now + Duration::from_millis(10);
            if self.estimator.poll_timeout().is_some_and(|at| at <= self.now) {
                self.estimator.handle_timeout(self.now);
            }
            self.send(bits_per_second / 800, Sent::Media);
            while let Some(probe) = self.estimator.probe(self.now).filter(|probe| probe.bytes_due > 0) {
                self.send(probe.bytes_due.min(300), Sent::Probe);
            }
            if hears && step % 5 == 4 {
                self.feedback();
            }
        }
    }

    fn send(&mut self, bytes: usize, kind: Sent) {
        let number = self.estimator.sent(bytes, kind, self.now);
        self.numbers.push((number, self.now.0 as i64 + 20_000));
    }

    fn feedback(&mut self) {
        let statuses = self.numbers.drain(..).map(|(number, at)| (number, Some(at)));
        self.estimator
            .feedback(statuses, self.now + Duration::from_millis(40));
    }
}

#[test]
fn the_first_estimate_is_that_of_the_settings_and_settings_are_made_consistent() {
    let start = |settings| Estimator::new(settings).estimate();
    assert_eq!(start(Settings::default()), 300_000);
    let odd = Settings {
        start: 10,
        min: 5000,
        max: 100,
    };
    assert_eq!(start(odd), 5000);
}

#[test]
fn numbers_are_given_in_order_and_wrap() {
    let mut estimator = Estimator::new(Settings::default());
    let numbers: Vec<_> = (0..65_538_u64)
        .map(|index| estimator.sent(100, Sent::Media, Micros(index)))
        .collect();
    assert_eq!((numbers[0], numbers[65_535], numbers[65_536]), (0, 65_535, 0));
}

#[test]
fn nothing_is_probed_beyond_one_and_a_half_times_the_demand() {
    let mut path = Path::new();
    path.estimator.demand(400_000);
    let mut highest = 0;
    for _ in 0..1000 {
        path.run(10, 300_000, false);
        highest = highest.max(path.estimator.probe(path.now).map_or(0, |probe| probe.bitrate));
        path.feedback();
    }
    assert!((500_000..=600_000).contains(&highest), "{highest}");
    assert!(
        (400_000..=700_000).contains(&path.estimator.estimate()),
        "{}",
        path.estimator.estimate()
    );
    assert_eq!(path.estimator.probe(path.now), None);
}

#[test]
fn probes_find_a_fast_path_in_a_second_and_a_half() {
    let mut path = Path::new();
    path.estimator.demand(10_000_000);
    path.run(1500, 300_000, true);
    assert!(
        path.estimator.estimate() > 8_000_000,
        "{}",
        path.estimator.estimate()
    );
}

#[test]
fn a_receiver_without_transport_wide_feedback_is_probed_twice_and_no_more() {
    let mut path = Path::new();
    path.estimator.demand(10_000_000);
    let mut clusters = 0;
    for second in 0..30 {
        path.run(1000, 200_000, false);
        path.estimator
            .receiver_report(0, Some(Duration::from_millis(80)), path.now);
        clusters = clusters.max(path.estimator.probe(path.now).map_or(0, |probe| probe.cluster));
        assert!(second < 5 || !path.estimator.state().probing);
    }
    assert!(clusters <= 2, "{clusters}");
}

#[test]
fn the_pace_is_two_and_a_half_times_the_estimate_and_never_slower_than_the_probe() {
    let mut estimator = Estimator::new(Settings::default());
    assert_eq!(estimator.pace(), 750_000);
    estimator.sent(1200, Sent::Media, Micros::ZERO);
    estimator.handle_timeout(Micros::from_millis(1));
    assert!(estimator.state().probing);
    assert_eq!(estimator.pace(), 900_000);
}

#[test]
fn receiver_reports_alone_raise_and_lower_the_estimate() {
    let mut estimator = Estimator::new(Settings::default());
    let report = |estimator: &mut Estimator, from: u64, fraction: u8| {
        for second in from..from + 10 {
            estimator.receiver_report(fraction, None, Micros::from_seconds(second));
        }
        estimator.estimate()
    };
    let raised = report(&mut estimator, 10, 0);
    assert!((600_000..700_000).contains(&raised), "{raised}");
    assert_eq!(report(&mut estimator, 20, 13), raised, "5 % is held");
    let lowered = report(&mut estimator, 30, 51);
    assert!((200_000..260_000).contains(&lowered), "{lowered}");
    assert_eq!(
        (estimator.state().trend, estimator.state().limit),
        (Trend::Decrease, Limit::Loss)
    );
    assert!((0.15..0.21).contains(&estimator.loss()), "{}", estimator.loss());
}

#[test]
fn a_remb_is_the_estimate_where_there_is_nothing_better_until_it_is_old() {
    let mut estimator = Estimator::new(Settings::default());
    estimator.remb(2_000_000, Micros::from_seconds(1));
    assert_eq!(estimator.estimate(), 2_240_000, "with headers");
    estimator.remb(150_000, Micros::from_seconds(2));
    assert_eq!(
        (estimator.estimate(), estimator.state().limit),
        (205_000, Limit::Receiver)
    );
    estimator.receiver_report(0, None, Micros::from_seconds(13));
    assert!(estimator.estimate() > 1_000_000);
}

#[test]
fn a_remb_bounds_what_feedback_allows_and_raises_nothing() {
    let mut path = Path::new();
    path.estimator.demand(5_000_000);
    path.run(2000, 300_000, true);
    let allowed = path.estimator.estimate();
    path.estimator.remb(u64::MAX, path.now);
    assert_eq!(path.estimator.estimate(), allowed);
    path.estimator.remb(200_000, path.now);
    assert_eq!(path.estimator.estimate(), 260_000);
}

#[test]
fn transport_wide_feedback_is_believed_before_receiver_reports() {
    let mut path = Path::new();
    path.estimator.demand(1_000_000);
    path.run(2000, 900_000, true);
    let before = path.estimator.estimate();
    path.estimator
        .receiver_report(128, Some(Duration::from_millis(60)), path.now);
    assert_eq!(path.estimator.estimate(), before);
}

#[test]
fn silence_lowers_the_estimate_to_the_least_and_the_end_of_it_brings_it_back() {
    let mut path = Path::new();
    path.estimator.demand(2_000_000);
    path.run(5000, 1_000_000, true);
    let before = path.estimator.estimate();
    assert!(before >= 1_900_000, "{before}");
    path.run(900, 1_000_000, false);
    assert_eq!(path.estimator.estimate(), before, "nothing in the first second");
    path.run(1100, 1_000_000, false);
    assert!(
        path.estimator.estimate() < before / 2,
        "{}",
        path.estimator.estimate()
    );
    assert_eq!(
        (path.estimator.state().trend, path.estimator.state().limit),
        (Trend::Decrease, Limit::Silence)
    );
    path.run(10_000, 1_000_000, false);
    assert_eq!(path.estimator.estimate(), Settings::default().min);
    path.numbers.clear();
    path.run(2000, 300_000, true);
    assert!(
        path.estimator.estimate() > before / 2,
        "{}",
        path.estimator.estimate()
    );
}

#[test]
fn a_sender_that_pauses_misses_no_feedback() {
    let mut path = Path::new();
    path.estimator.demand(500_000);
    path.run(3000, 500_000, true);
    let before = path.estimator.estimate();
    path.send(1000, Sent::Media);
    for second in 5..60 {
        path.estimator.handle_timeout(Micros::from_seconds(second));
    }
    assert_eq!(path.estimator.estimate(), before);
}

#[test]
fn a_sender_that_sends_little_is_told_so() {
    let mut path = Path::new();
    path.estimator.demand(2_000_000);
    path.run(12_000, 150_000, true);
    assert_eq!(path.estimator.state().limit, Limit::Application);
}

#[test]
fn the_round_trip_is_what_feedback_and_reports_say() {
    let mut path = Path::new();
    assert_eq!(path.estimator.round_trip(), Duration::from_millis(100));
    path.run(1000, 300_000, true);
    let measured = path.estimator.round_trip();
    assert!((35..=60).contains(&measured.as_millis()), "{measured:?}");
    for _ in 0..50 {
        path.estimator
            .receiver_report(0, Some(Duration::from_millis(200)), path.now);
    }
    assert!(path.estimator.round_trip() > Duration::from_millis(195));
}

#[test]
fn what_was_told_before_or_never_sent_changes_nothing() {
    let mut path = Path::new();
    path.run(1000, 300_000, true);
    let (loss, estimate) = (path.estimator.loss(), path.estimator.estimate());
    path.estimator
        .feedback((0..2000).map(|number| (number, None)), path.now);
    path.estimator
        .feedback((40_000..42_000).map(|number| (number, None)), path.now);
    assert_eq!(
        (path.estimator.loss(), path.estimator.estimate()),
        (loss, estimate)
    );
}

#[test]
fn an_estimator_with_a_full_history_stays_below_24_kilobytes() {
    // The history is 2048 records of eight bytes at most (its own test says so).
    assert!(
        size_of::<Estimator>() + 2048 * 8 < 24 * 1024,
        "{}",
        size_of::<Estimator>()
    );
}

#[derive(Clone, Debug)]
enum Step {
    Sent(usize, u8),
    Feedback(Vec<(u16, Option<i64>)>),
    Report(u8, Option<u64>),
    Remb(u64),
    Demand(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let near = prop::option::of(prop_oneof![any::<i64>(), 0_i64..10_000_000]);
    let status = (prop_oneof![any::<u16>(), 0_u16..300], near);
    prop_oneof![
        4 => (prop_oneof![any::<usize>(), 1_usize..1500], 0_u8..4).prop_map(|(bytes, kind)| Step::Sent(bytes, kind)),
        2 => prop::collection::vec(status, 0..60).prop_map(Step::Feedback),
        1 => (any::<u8>(), any::<Option<u64>>()).prop_map(|(lost, trip)| Step::Report(lost, trip)),
        1 => any::<u64>().prop_map(Step::Remb),
        1 => any::<u64>().prop_map(Step::Demand),
        2 => prop_oneof![any::<u64>(), 0_u64..200_000].prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn no_history_panics_or_leaves_the_bounds(
        (start, min, max) in prop_oneof![any::<(u64, u64, u64)>(), Just((300_000, 30_000, 20_000_000))],
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut estimator = Estimator::new(Settings { start, min, max });
        let mut now = Micros::ZERO;
        for step in steps {
            match step {
                Step::Sent(bytes, kind) => {
                    let kinds = [Sent::Media, Sent::Retransmission, Sent::Probe, Sent::Padding];
                    estimator.sent(bytes, kinds[usize::from(kind)], now);
                }
                Step::Feedback(statuses) => estimator.feedback(statuses.into_iter(), now),
                Step::Report(lost, trip) => estimator.receiver_report(lost, trip.map(Duration::from_micros), now),
                Step::Remb(bitrate) => estimator.remb(bitrate, now),
                Step::Demand(bitrate) => estimator.demand(bitrate),
                Step::Wait(micros) => now = now + Duration::from_micros(micros),
            }
            estimator.handle_timeout(now);
            let again = estimator.poll_timeout();
            prop_assert!(now.0 > u64::MAX / 2 || again.is_none_or(|at| at > now), "{again:?} was handled at {now:?}");
            let _ = (estimator.probe(now), estimator.state(), estimator.pace());
            let least = min.clamp(1, 1_000_000_000_000);
            let bounds = least..=max.clamp(least, 1_000_000_000_000);
            prop_assert!(bounds.contains(&estimator.estimate()), "{} not in {bounds:?}", estimator.estimate());
            prop_assert!((0.0..=1.0).contains(&estimator.loss()));
        }
    }

    #[test]
    fn estimates_depend_on_nothing_but_the_inputs(seed in any::<u64>()) {
        let run = || {
            let mut path = Path::new();
            path.estimator.demand(seed % 5_000_000);
            path.run(3000, (seed % 3_000_000) as usize, true);
            path.estimator.estimate()
        };
        prop_assert_eq!(run(), run());
    }
}
