//! Calls over imaginary links: how fast the estimate arrives, how much it uses, and how long the queue gets.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use trefoil_testkit::call_scenarios as scenarios;
use trefoil_testkit::{CallSettings, CallWorld, Capacity, LinkSettings, Seed};

/// Runs a world with several seeds, or with the one in the environment.
fn over_seeds(world: impl Fn(Seed) -> CallWorld, seconds: u64, check: impl Fn(&CallWorld)) {
    let seeds = match std::env::var_os("TREFOIL_SEED") {
        Some(_) => vec![Seed::from_environment(1)],
        None => (101..=104).map(Seed::new).collect(),
    };
    for seed in seeds {
        check(&world(seed).run_until(seconds));
    }
}

/// Asserts that a figure lies within bounds, and says how to see it again.
#[track_caller]
fn within(world: &CallWorld, what: &str, figure: f64, bounds: std::ops::RangeInclusive<f64>) {
    assert!(
        bounds.contains(&figure),
        "{what} is {figure:.3}, not in {bounds:?}; {}",
        world.again()
    );
}

#[track_caller]
fn reaches(world: &CallWorld, call: usize, from: u64, share: f64, seconds: f64) {
    let needed = world.seconds_until(call, from, share).unwrap_or(f64::INFINITY);
    within(world, "time until the estimate is there", needed, 0.0..=seconds);
}

#[track_caller]
fn uses(world: &CallWorld, during: std::ops::Range<u64>, least: f64) {
    within(world, "utilisation", world.utilisation(0, during), least..=1.1);
}

#[track_caller]
fn queues(world: &CallWorld, during: std::ops::Range<u64>, most_millis: u64) {
    let queue = world.queue_95(0, during).as_secs_f64() * 1000.0;
    within(
        world,
        "milliseconds in the queue, 95 %",
        queue,
        0.0..=most_millis as f64,
    );
}

#[test]
fn an_ordinary_link_is_found_within_three_seconds_and_used_without_a_long_queue() {
    over_seeds(scenarios::steady, 60, |world| {
        reaches(world, 0, 0, 0.85, 3.0);
        uses(world, 10..60, 0.8);
        queues(world, 5..60, 120);
        within(world, "overshoot", world.overshoot(0, 5..60), 0.8..=1.4);
        within(world, "loss", world.loss(0, 5..60), 0.0..=0.01);
    });
}

#[test]
fn a_slow_link_is_neither_flooded_nor_starved() {
    over_seeds(
        |seed| scenarios::constant(300_000, seed),
        60,
        |world| {
            uses(world, 10..60, 0.8);
            queues(world, 5..60, 150);
        },
    );
}

#[test]
fn a_fast_link_is_found_by_probes_within_five_seconds() {
    over_seeds(
        |seed| scenarios::constant(15_000_000, seed),
        60,
        |world| {
            reaches(world, 0, 0, 0.85, 5.0);
            uses(world, 10..60, 0.78);
            queues(world, 10..60, 100);
        },
    );
}

#[test]
fn a_forwarder_with_layers_gets_the_highest_that_fits_and_keeps_it() {
    over_seeds(scenarios::layers, 60, |world| {
        // 1.5 of 2.2 Mbit/s, and some audio.
        within(world, "utilisation", world.utilisation(0, 10..60), 0.64..=0.85);
        queues(world, 10..60, 80);
    });
}

#[test]
fn three_times_the_capacity_is_found_within_ten_seconds() {
    over_seeds(scenarios::step_up, 60, |world| {
        uses(world, 10..30, 0.75);
        reaches(world, 0, 30, 0.85, 10.0);
        uses(world, 40..60, 0.75);
        queues(world, 40..60, 120);
    });
}

#[test]
fn a_quarter_of_the_capacity_is_respected_within_two_seconds() {
    over_seeds(scenarios::step_down, 60, |world| {
        let below = world.seconds_until_below(0, 30).unwrap();
        within(
            world,
            "seconds until it sends less than the capacity",
            below,
            0.0..=3.0,
        );
        queues(world, 33..60, 150);
        uses(world, 35..60, 0.75);
    });
}

/// What of the larger layer is sent into the path after the fall is what the first picture of the smaller one waits for.
#[test]
fn a_path_that_falls_to_a_fifth_of_what_is_sent_gets_little_of_what_it_cannot_carry() {
    let falling = |seed| {
        let link = LinkSettings::new(Capacity::constant(5_000_000).step(30, 300_000));
        let layers = CallSettings::layers(&[150_000, 500_000, 1_500_000]);
        CallWorld::new(link, seed).with_call(layers)
    };
    over_seeds(falling, 35, |world| {
        let after = world.samples(0, 30..35).take(8);
        let sent: u64 = after.map(|(_, sample)| sample.sent).sum();
        within(world, "kilobytes in 0.8 s", sent as f64 / 1000.0, 0.0..=100.0);
    });
}

#[test]
fn a_capacity_that_wanes_and_grows_is_followed() {
    over_seeds(scenarios::ramp, 90, |world| {
        uses(world, 10..90, 0.78);
        queues(world, 10..90, 150);
    });
}

#[test]
fn a_queue_of_a_second_is_not_filled() {
    over_seeds(scenarios::bufferbloat, 90, |world| {
        queues(world, 5..90, 150);
        uses(world, 5..90, 0.78);
        let below = world.seconds_until_below(0, 30).unwrap();
        within(
            world,
            "seconds until it sends less than the capacity",
            below,
            0.0..=3.0,
        );
    });
}

#[test]
fn a_queue_that_overflows_at_once_is_noticed_by_its_losses() {
    over_seeds(scenarios::shallow, 60, |world| {
        uses(world, 10..60, 0.7);
        within(world, "loss", world.loss(0, 10..60), 0.0..=0.06);
    });
}

#[test]
fn losses_that_are_the_links_own_do_not_starve_a_call() {
    for (percent, least) in [(2, 0.75), (5, 0.7), (10, 0.65), (20, 0.5)] {
        over_seeds(
            |seed| scenarios::lossy(percent, seed),
            60,
            |world| {
                reaches(world, 0, 0, 0.5, 10.0);
                within(
                    world,
                    "share of the estimate",
                    world.mean_estimate(0, 10..60) / 2.5e6,
                    least..=1.2,
                );
                queues(world, 10..60, 150);
            },
        );
    }
}

#[test]
fn jitter_and_reordering_are_no_congestion() {
    over_seeds(scenarios::jittery, 60, |world| {
        reaches(world, 0, 0, 0.85, 15.0);
        uses(world, 15..60, 0.75);
        queues(world, 15..60, 120);
    });
}

#[test]
fn packets_that_arrive_in_batches_tell_no_higher_rate() {
    over_seeds(scenarios::radio, 60, |world| {
        reaches(world, 0, 0, 0.85, 5.0);
        uses(world, 10..60, 0.78);
        within(world, "overshoot", world.overshoot(0, 5..60), 0.8..=1.5);
        queues(world, 10..60, 120);
    });
}

#[test]
fn a_far_link_that_loses_feedback_works_too() {
    over_seeds(scenarios::far, 60, |world| {
        reaches(world, 0, 0, 0.85, 10.0);
        uses(world, 15..60, 0.7);
        queues(world, 15..60, 150);
    });
}

#[test]
fn traffic_that_comes_and_goes_is_made_room_for() {
    over_seeds(scenarios::cross, 90, |world| {
        uses(world, 10..90, 0.75);
        queues(world, 10..90, 150);
    });
}

#[test]
fn a_transfer_that_fills_the_queue_does_not_silence_a_call() {
    over_seeds(scenarios::tcp, 80, |world| {
        within(world, "share", world.utilisation(0, 25..80), 0.1..=0.7);
    });
}

#[test]
fn two_calls_share_a_link_fairly() {
    over_seeds(scenarios::two, 90, |world| {
        let [first, second] = [0, 1].map(|call| world.utilisation(call, 40..90));
        let fairness = (first + second).powi(2) / 2.0 / (first * first + second * second);
        within(world, "fairness by Jain", fairness, 0.8..=1.0);
        within(world, "what both use", first + second, 0.8..=1.05);
        queues(world, 40..90, 150);
    });
}

#[test]
fn when_much_is_wanted_after_little_probes_find_it_within_three_seconds() {
    over_seeds(scenarios::limited, 60, |world| {
        let little = world
            .samples(0, 0..30)
            .map(|(_, sample)| sample.estimate)
            .max()
            .unwrap();
        within(
            world,
            "estimate while little is wanted",
            little as f64,
            0.0..=450_000.0,
        );
        // Of 5 Mbit/s, 85 % of the 4 that are wanted.
        reaches(world, 0, 30, 0.68, 3.0);
        queues(world, 33..60, 100);
    });
}

#[test]
fn an_outage_lowers_the_estimate_and_is_forgotten_soon_after() {
    over_seeds(scenarios::blackout, 60, |world| {
        let at = |second: u64| world.samples(0, second..second + 1).last().unwrap().1.estimate as f64;
        within(
            world,
            "estimate after 2 s without feedback",
            at(31) / at(29),
            0.0..=0.6,
        );
        within(
            world,
            "estimate after 3 s without feedback",
            at(32) / at(29),
            0.0..=0.3,
        );
        reaches(world, 0, 33, 0.7, 5.0);
        queues(world, 35..60, 120);
    });
}

#[test]
fn a_sender_that_cannot_pad_grows_by_what_it_sends() {
    let unpadded = |seed| {
        let call = CallSettings {
            pads: false,
            ..CallSettings::encoder()
        };
        CallWorld::new(LinkSettings::new(Capacity::constant(1_500_000)), seed).with_call(call)
    };
    over_seeds(unpadded, 60, |world| {
        reaches(world, 0, 0, 0.85, 40.0);
        queues(world, 5..60, 120);
    });
}

#[test]
fn probes_cost_a_twentieth_of_the_rate_at_most() {
    over_seeds(scenarios::layers, 60, |world| {
        let padding = world.calls()[0].padding_bytes() as f64 * 8.0 / 60.0;
        within(world, "padding in bits per second", padding, 0.0..=75_000.0);
    });
}

#[test]
fn a_call_that_runs_again_from_its_seed_is_the_same() {
    let run = || scenarios::jittery(Seed::new(7)).run_until(20);
    let (one, other) = (run(), run());
    let estimates = |world: &CallWorld| -> Vec<u64> {
        world
            .samples(0, 0..20)
            .map(|(_, sample)| sample.estimate)
            .collect()
    };
    assert_eq!(estimates(&one), estimates(&other));
    assert_eq!(one.queue_95(0, 0..20), other.queue_95(0, 0..20));
    assert!(one.queue_95(0, 0..20) > Duration::ZERO);
}
