//! Packets that left together, compared with how they arrived: GCC section 4.1 (pre-filtering) and 4.2.

use crate::Micros;

/// Packets that left within this time are one group.
const TOGETHER_MICROS: u64 = 5_000;
/// Packets that piled up before a lossless hop come out together; such a burst is one group, up to this long.
const BURST_MICROS: i64 = 100_000;
/// A receiver's clock that jumps by more than this against ours has changed: start again.
const JUMP_MICROS: i64 = 3_000_000;

/// Packets that left together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) first_sent: Micros,
    pub(crate) last_sent: Micros,
    pub(crate) first_arrival: i64,
    pub(crate) last_arrival: i64,
    pub(crate) bytes: u32,
}

impl Group {
    /// How long the last packet was under way, on two clocks: only differences of it mean something.
    pub(crate) fn one_way(&self) -> i64 {
        self.last_arrival.saturating_sub_unsigned(self.last_sent.0)
    }
}

/// What a new packet has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It joined the group that is being filled, or is too old for it.
    Nothing,
    /// A group is complete; and it follows another.
    Complete { group: Group, before: Option<Group> },
    /// The clocks jumped: what was known of delays is void.
    Jumped,
}

/// The group that is being filled and the one before it.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    filling: Option<Group>,
    before: Option<Group>,
}

impl Groups {
    /// Adds a packet that arrived. Packets come in the order in which they were sent; one that does not is left out.
    pub(crate) fn add(&mut self, sent: Micros, arrival: i64, bytes: u16) -> Seen {
        let packet = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrival: arrival,
            last_arrival: arrival,
            bytes: u32::from(bytes),
        };
        let Some(group) = self.filling.as_mut() else {
            self.filling = Some(packet);
            return Seen::Nothing;
        };
        if sent < group.first_sent {
            return Seen::Nothing;
        }
        if packet.one_way().saturating_sub(group.one_way()).saturating_abs() > JUMP_MICROS {
            (self.filling, self.before) = (Some(packet), None);
            return Seen::Jumped;
        }
        if belongs(group, &packet) {
            group.last_sent = group.last_sent.max(sent);
            group.first_arrival = group.first_arrival.min(arrival);
            group.last_arrival = group.last_arrival.max(arrival);
            group.bytes = group.bytes.saturating_add(u32::from(bytes));
            return Seen::Nothing;
        }
        let (complete, before) = (*group, self.before);
        (self.filling, self.before) = (Some(packet), Some(complete));
        Seen::Complete {
            group: complete,
            before,
        }
    }
}

fn belongs(group: &Group, packet: &Group) -> bool {
    if packet.last_sent.0 - group.first_sent.0 <= TOGETHER_MICROS {
        return true;
    }
    let later = packet.last_arrival.saturating_sub(group.last_arrival);
    let in_burst = later <= TOGETHER_MICROS as i64 && packet.one_way() < group.one_way();
    in_burst && packet.last_arrival.saturating_sub(group.first_arrival) < BURST_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(groups: &mut Groups, packets: &[(u64, i64)]) -> Vec<Group> {
        let seen = packets
            .iter()
            .map(|(sent, arrival)| groups.add(Micros(*sent), *arrival, 100));
        seen.filter_map(|seen| match seen {
            Seen::Complete { group, .. } => Some(group),
            Seen::Nothing | Seen::Jumped => None,
        })
        .collect()
    }

    #[test]
    fn packets_that_leave_within_five_milliseconds_are_one_group() {
        let mut groups = Groups::default();
        let packets = [(0, 50_000), (4000, 51_000), (5000, 55_000), (30_000, 80_000)];
        let complete = complete(&mut groups, &packets);
        assert_eq!(complete.len(), 1);
        assert_eq!((complete[0].bytes, complete[0].last_arrival), (300, 55_000));
    }

    #[test]
    fn packets_that_piled_up_are_one_group() {
        let mut groups = Groups::default();
        let packets = [(0, 90_000), (10_000, 91_000), (20_000, 92_000), (60_000, 120_000)];
        assert_eq!(complete(&mut groups, &packets)[0].bytes, 300);
    }

    #[test]
    fn a_packet_that_comes_out_of_order_changes_nothing() {
        let mut groups = Groups::default();
        groups.add(Micros(10_000), 60_000, 100);
        assert_eq!(groups.add(Micros(2000), 61_000, 100), Seen::Nothing);
        assert_eq!(groups.filling.unwrap().bytes, 100);
    }

    #[test]
    fn a_jump_of_the_receivers_clock_starts_again() {
        let mut groups = Groups::default();
        groups.add(Micros(0), 50_000, 100);
        assert_eq!(groups.add(Micros(20_000), i64::MIN, 100), Seen::Jumped);
        assert_eq!(groups.add(Micros(40_000), i64::MAX, 100), Seen::Jumped);
    }
}
