//! The links that bandwidth estimation is tried on; tests assert figures of them, and bench/bwe prints them.

use std::time::Duration;

use crate::{CallSettings, CallWorld, Capacity, CrossTraffic, LinkSettings, Seed};

/// Rates of a forwarder that has a few participants in three layers to choose from.
pub const LAYERS: [u64; 7] = [
    150_000, 300_000, 500_000, 800_000, 1_500_000, 2_500_000, 4_000_000,
];

/// A link, who is on it, and for how long to look.
#[derive(Clone, Copy, Debug)]
pub struct CallScenario {
    /// What it is.
    pub name: &'static str,
    /// Everybody on the link, before it starts.
    pub world: fn(Seed) -> CallWorld,
    /// How many seconds it takes.
    pub seconds: u64,
    /// From which second on figures are taken.
    pub settled: u64,
    /// When the capacity changes for the last time, in seconds.
    pub changes: u64,
}

/// All of them.
pub const CALL_SCENARIOS: &[CallScenario] = &[
    scenario("steady 2.5 Mbit/s", steady, 60, 10, 0),
    scenario("steady 300 kbit/s", |seed| constant(300_000, seed), 60, 10, 0),
    scenario("steady 15 Mbit/s", |seed| constant(15_000_000, seed), 60, 15, 0),
    scenario("layers on 2.2 Mbit/s", layers, 60, 10, 0),
    scenario("step up 1 to 3 Mbit/s", step_up, 60, 40, 30),
    scenario("step down 2.5 to 0.6 Mbit/s", step_down, 60, 35, 30),
    scenario("ramp 3 to 0.5 to 3 Mbit/s", ramp, 90, 10, 0),
    scenario("bufferbloat: 1 s of queue", bufferbloat, 90, 10, 0),
    scenario("shallow queue: 30 ms", shallow, 60, 10, 0),
    scenario("loss 2 %", |seed| lossy(2, seed), 60, 10, 0),
    scenario("loss 5 %", |seed| lossy(5, seed), 60, 10, 0),
    scenario("loss 10 %", |seed| lossy(10, seed), 60, 10, 0),
    scenario("loss 20 %", |seed| lossy(20, seed), 60, 10, 0),
    scenario("jitter 30 ms, reordering 2 %", jittery, 60, 10, 0),
    scenario("radio: batches of 10 ms", radio, 60, 10, 0),
    scenario("round trip 300 ms, feedback loss 10 %", far, 60, 15, 0),
    scenario("cross traffic 1 of 3 Mbit/s, on and off", cross, 90, 10, 0),
    scenario("a TCP transfer from 20 s on, 3 Mbit/s", tcp, 80, 25, 0),
    scenario("two calls on 3 Mbit/s", two, 90, 40, 0),
    scenario("150 kbit/s wanted, then 4 Mbit/s on 5", limited, 60, 35, 30),
    scenario("blackout of 3 s", blackout, 60, 40, 33),
];

const fn scenario(
    name: &'static str,
    world: fn(Seed) -> CallWorld,
    seconds: u64,
    settled: u64,
    changes: u64,
) -> CallScenario {
    CallScenario {
        name,
        world,
        seconds,
        settled,
        changes,
    }
}

fn link(bits_per_second: u64) -> LinkSettings {
    LinkSettings::new(Capacity::constant(bits_per_second))
}

fn on(link: LinkSettings, seed: Seed) -> CallWorld {
    CallWorld::new(link, seed).with_call(CallSettings::encoder())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An ordinary link.
#[must_use]
pub fn steady(seed: Seed) -> CallWorld {
    constant(2_500_000, seed)
}

/// The same capacity all the time.
#[must_use]
pub fn constant(bits_per_second: u64, seed: Seed) -> CallWorld {
    on(link(bits_per_second), seed)
}

/// A forwarder with layers on a link that carries less than all of them.
#[must_use]
pub fn layers(seed: Seed) -> CallWorld {
    CallWorld::new(link(2_200_000), seed).with_call(CallSettings::layers(&LAYERS))
}

/// Three times the capacity, from 30 s on.
#[must_use]
pub fn step_up(seed: Seed) -> CallWorld {
    on(
        LinkSettings::new(Capacity::constant(1_000_000).step(30, 3_000_000)),
        seed,
    )
}

/// A quarter of the capacity, from 30 s on.
#[must_use]
pub fn step_down(seed: Seed) -> CallWorld {
    on(
        LinkSettings::new(Capacity::constant(2_500_000).step(30, 600_000)),
        seed,
    )
}

/// Down for 30 s and up for 30 s.
#[must_use]
pub fn ramp(seed: Seed) -> CallWorld {
    let capacity = Capacity::constant(3_000_000)
        .ramp(15, 3_000_000)
        .ramp(45, 500_000);
    on(LinkSettings::new(capacity.ramp(75, 3_000_000)), seed)
}

/// A queue of a second, and a capacity that halves and comes back.
#[must_use]
pub fn bufferbloat(seed: Seed) -> CallWorld {
    let capacity = Capacity::constant(2_000_000)
        .step(30, 1_000_000)
        .step(60, 2_000_000);
    let link = LinkSettings {
        queue: millis(1000),
        ..LinkSettings::new(capacity)
    };
    on(link, seed)
}

/// A queue that overflows before its delay is noticed.
#[must_use]
pub fn shallow(seed: Seed) -> CallWorld {
    let link = LinkSettings {
        queue: millis(30),
        ..link(2_000_000)
    };
    on(link, seed)
}

/// Losses that have nothing to do with the rate.
#[must_use]
pub fn lossy(percent: u8, seed: Seed) -> CallWorld {
    let link = LinkSettings {
        loss_percent: percent,
        ..link(2_500_000)
    };
    on(link, seed)
}

/// Delays that have nothing to do with the rate.
#[must_use]
pub fn jittery(seed: Seed) -> CallWorld {
    let link = LinkSettings {
        jitter: millis(30),
        reorder_percent: 2,
        ..link(2_500_000)
    };
    on(link, seed)
}

/// Packets are collected for 10 ms and come out together.
#[must_use]
pub fn radio(seed: Seed) -> CallWorld {
    let link = LinkSettings {
        batch: millis(10),
        ..link(2_500_000)
    };
    on(link, seed)
}

/// The other side of the world, and some feedback is lost.
#[must_use]
pub fn far(seed: Seed) -> CallWorld {
    let link = LinkSettings {
        delay: millis(150),
        ..link(2_500_000)
    };
    let call = CallSettings {
        feedback_loss_percent: 10,
        ..CallSettings::encoder()
    };
    CallWorld::new(link, seed).with_call(call)
}

/// A third of the link is taken every other ten seconds.
#[must_use]
pub fn cross(seed: Seed) -> CallWorld {
    on(link(3_000_000), seed).with_cross_traffic(CrossTraffic {
        rate: 1_000_000,
        during: (10, u64::MAX),
        turns: millis(10_000),
    })
}

/// A flow that fills the queue.
#[must_use]
pub fn tcp(seed: Seed) -> CallWorld {
    on(link(3_000_000), seed).with_transfer(20)
}

/// A second call begins after 20 s.
#[must_use]
pub fn two(seed: Seed) -> CallWorld {
    let second = CallSettings {
        begins: 20,
        ..CallSettings::encoder()
    };
    on(link(3_000_000), seed).with_call(second)
}

/// Little is wanted at first, and much from 30 s on.
#[must_use]
pub fn limited(seed: Seed) -> CallWorld {
    let call = CallSettings {
        demand: vec![(0, 150_000), (30, 4_000_000)],
        ..CallSettings::encoder()
    };
    CallWorld::new(link(5_000_000), seed).with_call(call)
}

/// Nothing passes in either direction from 30 s to 33 s.
#[must_use]
pub fn blackout(seed: Seed) -> CallWorld {
    let link = LinkSettings {
        blackout: Some((30, 33)),
        ..link(2_500_000)
    };
    on(link, seed)
}
