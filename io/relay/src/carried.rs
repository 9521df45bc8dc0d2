//! A shard's side of what the kernel carries: which channels, and what was counted.

use std::collections::BTreeMap;

use trefoil_turn::{AllocationId, BoundChannel, Traffic};

use crate::kernel::{KernelPath, Row};
use crate::shard::Running;

/// The channels of this shard's clients that the kernel carries.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    channels: BTreeMap<AllocationId, Vec<CarriedChannel>>,
    /// Packets that were carried in all.
    packets: u64,
    /// What was carried last for an allocation that has ended.
    last: Option<(AllocationId, Traffic)>,
}

#[derive(Debug)]
struct CarriedChannel {
    bound: BoundChannel,
    row: Row,
    /// What the machine has been told of.
    told: Traffic,
}

impl Carried {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.channels.values().map(Vec::len).sum()
    }

    /// How many packets were carried.
    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    fn count(&mut self, carried: Traffic) {
        self.packets += carried.packets_from_client + carried.packets_to_client;
    }

    /// What was carried for an allocation and counted after it had ended.
    pub(crate) fn take_last(&mut self, allocation: AllocationId) -> Traffic {
        match self.last.take() {
            Some((ended, traffic)) if ended == allocation => traffic,
            Some(_) | None => Traffic::default(),
        }
    }
}

impl Running {
    /// Makes the kernel's table say what the machine says of an allocation's channels.
    pub(crate) fn channels_changed(&mut self, allocation: AllocationId) {
        let Some(kernel) = self.parts.kernel.clone() else {
            return;
        };
        let wanted: Vec<BoundChannel> = self
            .machine
            .bound_channels(allocation, self.now.elapsed)
            .collect();
        let before = self.carried.channels.remove(&allocation).unwrap_or_default();
        let (mut now, mut rest) = (Vec::new(), Traffic::default());
        for mut carried in before {
            match wanted.iter().find(|bound| same(bound, &carried.bound)) {
                Some(bound) => {
                    carried.bound = *bound;
                    kernel.forget_interfaces(&carried.row);
                    now.push(carried);
                }
                None => rest += less(kernel.end(&carried.row), carried.told),
            }
        }
        for bound in wanted {
            if !now
                .iter()
                .any(|carried: &CarriedChannel| same(&carried.bound, &bound))
                && let Some(row) = kernel.carry(&bound)
            {
                let told = Traffic::default();
                now.push(CarriedChannel { bound, row, told });
            }
        }
        self.carried.count(rest);
        self.machine.handle_carried(allocation, rest);
        self.carried.last = Some((allocation, rest));
        if !now.is_empty() {
            self.carried.channels.insert(allocation, now);
        }
    }

    /// Counts what was carried and ends what has expired; called once a second.
    pub(crate) fn look_at_carried(&mut self) {
        let Some(kernel) = self.parts.kernel.clone() else {
            return;
        };
        let (mut expired, mut sum) = (Vec::new(), Traffic::default());
        for (allocation, channels) in &mut self.carried.channels {
            let carried = read(&kernel, channels);
            self.machine.handle_carried(*allocation, carried);
            sum += carried;
            if channels
                .iter()
                .any(|carried| carried.bound.until <= self.now.elapsed)
            {
                expired.push(*allocation);
            }
        }
        self.carried.count(sum);
        for allocation in expired {
            self.channels_changed(allocation);
        }
    }

    /// Ends all of it, when the thread ends.
    pub(crate) fn end_carried(&mut self) {
        let Some(kernel) = self.parts.kernel.clone() else {
            return;
        };
        for (_, channels) in std::mem::take(&mut self.carried.channels) {
            for carried in channels {
                kernel.end(&carried.row);
            }
        }
    }
}

/// What was carried in all of these since the last look.
fn read(kernel: &KernelPath, channels: &mut [CarriedChannel]) -> Traffic {
    let mut sum = Traffic::default();
    for carried in channels {
        let all = kernel.traffic(&carried.row);
        sum += less(all, carried.told);
        carried.told = all;
    }
    sum
}

fn same(one: &BoundChannel, other: &BoundChannel) -> bool {
    (one.client, one.channel, one.from, one.peer) == (other.client, other.channel, other.from, other.peer)
}

fn less(all: Traffic, told: Traffic) -> Traffic {
    Traffic {
        packets_from_client: all.packets_from_client.wrapping_sub(told.packets_from_client),
        bytes_from_client: all.bytes_from_client.wrapping_sub(told.bytes_from_client),
        packets_to_client: all.packets_to_client.wrapping_sub(told.packets_to_client),
        bytes_to_client: all.bytes_to_client.wrapping_sub(told.bytes_to_client),
    }
}
