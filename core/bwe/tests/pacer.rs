//! The pacer: who leaves at once, who waits, and who goes when the queue is full.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use proptest::prelude::*;
use trefoil_bwe::{Micros, Pacer, Priority, Pushed};

const T0: Micros = Micros::from_seconds(1);
const PACKET: usize = 1200;

/// A pacer of 9.6 Mbit/s, which is a packet each millisecond, whose bucket is full.
fn busy() -> Pacer<u32> {
    let mut pacer = Pacer::new();
    pacer.set_rate(9_600_000);
    let mut sent = 0;
    while pacer.push(0, PACKET, Priority::Video, T0) == Pushed::SendNow {
        sent += 1;
    }
    pacer.clear();
    assert_eq!(sent, 11, "ten packets, and the one that makes it too much");
    pacer
}

fn popped(pacer: &mut Pacer<u32>, now: Micros) -> Vec<u32> {
    std::iter::from_fn(|| pacer.pop(now)).collect()
}

#[test]
fn a_small_burst_leaves_at_once_and_the_rest_at_the_rate() {
    let mut pacer = busy();
    for item in 1..=5 {
        assert_eq!(pacer.push(item, PACKET, Priority::Video, T0), Pushed::Queued);
    }
    assert_eq!(pacer.pop(T0), None);
    for item in 1..=5 {
        let at = pacer.poll_timeout().unwrap();
        assert_eq!(at, T0 + Duration::from_millis(u64::from(item)));
        assert_eq!(popped(&mut pacer, at), [item]);
    }
    assert_eq!(pacer.poll_timeout(), None);
}

#[test]
fn a_slow_rate_has_a_small_burst() {
    let mut pacer = Pacer::new();
    pacer.set_rate(240_000);
    let pushed: Vec<_> = (0..3)
        .map(|item| pacer.push(item, PACKET, Priority::Video, T0))
        .collect();
    assert_eq!(pushed, [Pushed::SendNow, Pushed::SendNow, Pushed::Queued]);
}

#[test]
fn audio_never_waits_and_takes_from_the_others() {
    let mut pacer = busy();
    pacer.push(1, PACKET, Priority::Video, T0);
    assert_eq!(pacer.poll_timeout(), Some(T0 + Duration::from_millis(1)));
    for _ in 0..10 {
        assert_eq!(pacer.push(9, 120, Priority::Audio, T0), Pushed::SendNow);
    }
    assert_eq!(pacer.poll_timeout(), Some(T0 + Duration::from_millis(2)));
}

#[test]
fn retransmissions_leave_before_video_and_padding_last() {
    let mut pacer = busy();
    pacer.push(3, PACKET, Priority::Padding, T0);
    pacer.push(2, PACKET, Priority::Video, T0);
    pacer.push(1, PACKET, Priority::Retransmission, T0);
    assert_eq!(popped(&mut pacer, T0 + Duration::from_millis(3)), [1, 2, 3]);
}

#[test]
fn a_full_queue_loses_padding_and_then_its_oldest_video() {
    let mut pacer = busy();
    assert_eq!(pacer.push(1000, 100, Priority::Padding, T0), Pushed::Queued);
    for item in 1..512 {
        assert_eq!(pacer.push(item, 100, Priority::Video, T0), Pushed::Queued);
    }
    assert_eq!(pacer.push(600, 100, Priority::Video, T0), Pushed::Dropped(1000));
    assert_eq!(pacer.push(601, 100, Priority::Video, T0), Pushed::Dropped(1));
    assert_eq!(
        pacer.push(602, 100, Priority::Retransmission, T0),
        Pushed::Dropped(2)
    );
    assert_eq!(pacer.push(603, 100, Priority::Padding, T0), Pushed::Dropped(603));
    assert_eq!((pacer.len(), pacer.dropped()), (512, 4));
    assert_eq!(pacer.pop(T0 + Duration::from_millis(1)), Some(602));
}

#[test]
fn a_queue_of_a_second_is_full() {
    let mut pacer = busy();
    pacer.set_rate(240_000);
    let pushed = (0..26).map(|item| pacer.push(item, PACKET, Priority::Video, T0));
    let pushed: Vec<_> = pushed.collect();
    assert!(pushed[..25].iter().all(|pushed| *pushed == Pushed::Queued));
    assert_eq!(pushed[25], Pushed::Dropped(0));
    assert_eq!(pacer.queue_delay(), Duration::from_secs(1));
    assert_eq!(pacer.queued_bytes(), 25 * PACKET);
}

#[test]
fn retransmissions_that_wait_in_masses_are_refused() {
    let mut pacer = busy();
    let pushed = (0..200).map(|item| pacer.push(item, 100, Priority::Retransmission, T0));
    assert_eq!(pushed.filter(|pushed| *pushed == Pushed::Queued).count(), 128);
}

#[test]
fn what_was_cleared_does_not_come_back() {
    let mut pacer = busy();
    pacer.push(1, PACKET, Priority::Video, T0);
    assert_eq!(
        pacer.oldest(T0 + Duration::from_millis(7)),
        Duration::from_millis(7)
    );
    pacer.clear();
    assert_eq!(
        (
            pacer.pop(Micros::from_seconds(9)),
            pacer.queued_bytes(),
            pacer.len()
        ),
        (None, 0, 0)
    );
    assert_eq!(
        (pacer.poll_timeout(), pacer.queue_delay()),
        (None, Duration::ZERO)
    );
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![
        Just(Priority::Audio),
        Just(Priority::Retransmission),
        Just(Priority::Video),
        Just(Priority::Padding),
    ]
}

proptest! {
    #[test]
    fn each_packet_comes_out_once_and_no_faster_than_the_rate(
        rate in 50_000_u64..50_000_000,
        packets in prop::collection::vec((0_u64..3000, 1_usize..1500, priority()), 1..800),
    ) {
        let mut pacer: Pacer<usize> = Pacer::new();
        pacer.set_rate(rate);
        let (mut now, mut sent_bits, mut audio_bits) = (T0, 0_u64, 0_u64);
        let mut fate = vec![0_u32; packets.len()];
        for (item, (wait, bytes, priority)) in packets.iter().enumerate() {
            now = now + Duration::from_micros(*wait);
            while let Some(item) = pacer.pop(now) {
                fate[item] += 1;
                sent_bits += packets[item].1 as u64 * 8;
            }
            match pacer.push(item, *bytes, *priority, now) {
                Pushed::SendNow => {
                    fate[item] += 1;
                    let bits = *bytes as u64 * 8;
                    if *priority == Priority::Audio { audio_bits += bits } else { sent_bits += bits }
                }
                Pushed::Queued => {}
                Pushed::Dropped(item) => fate[item] += 1,
            }
            prop_assert!(pacer.len() <= 512);
            let burst = (12_000 * 8).clamp(rate / 200, rate / 25) + 1500 * 8;
            let may = now.since(T0).as_micros() as u64 * rate / 1_000_000 + burst;
            prop_assert!(sent_bits <= may + audio_bits, "{sent_bits} of {may}");
        }
        while let Some(at) = pacer.poll_timeout() {
            let item = pacer.pop(at);
            prop_assert!(item.is_some(), "the timeout was too early");
            fate[item.unwrap()] += 1;
        }
        prop_assert!(fate.iter().all(|times| *times == 1));
    }

    #[test]
    fn no_input_panics(
        steps in prop::collection::vec((any::<u64>(), any::<usize>(), any::<u64>(), priority()), 0..50),
    ) {
        let mut pacer = Pacer::new();
        for (now, bytes, rate, priority) in steps {
            pacer.push((), bytes, priority, Micros(now));
            pacer.set_rate(rate);
            pacer.pop(Micros(now));
            let _ = (pacer.poll_timeout(), pacer.queue_delay(), pacer.oldest(Micros(now)));
        }
    }
}
