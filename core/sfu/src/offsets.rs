//! What is subtracted from sequence numbers and picture ids, and from where on: gaps left by dropped packets are closed,
//! gaps left by lost ones stay.

/// Changes that are remembered; packets older than all of them cannot be forwarded any more.
const REMEMBERED: usize = 16;

/// From the packet `from` on, so much is subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    from: u64,
    packets: u64,
    pictures: u16,
}

/// What was dropped so far, by where it was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offsets {
    changes: [Change; REMEMBERED],
    /// How many of `changes` hold something; the newest is the last of them.
    used: usize,
}

impl Offsets {
    /// Nothing was dropped, and nothing before `from` will be asked for.
    pub(crate) fn starting_at(from: u64) -> Self {
        let mut offsets = Self::default();
        offsets.push(Change {
            from,
            packets: 0,
            pictures: 0,
        });
        offsets
    }

    /// The packet `sequence` is dropped; `picture`: it begins a picture that is dropped whole.
    pub(crate) fn drop_packet(&mut self, sequence: u64, picture: bool) {
        let last = self.newest();
        let change = Change {
            from: sequence + 1,
            packets: last.packets + 1,
            pictures: last.pictures.wrapping_add(u16::from(picture)),
        };
        if last.from == sequence && self.used > 1 {
            self.replace(change);
        } else {
            self.push(change);
        }
    }

    /// How many packets and pictures were dropped before the packet `sequence`; `None` if that is forgotten.
    #[inline]
    pub(crate) fn before(&self, sequence: u64) -> Option<(u64, u16)> {
        let used = self.changes.get(..self.used).unwrap_or_default();
        used.iter()
            .rev()
            .find(|change| change.from <= sequence)
            .map(|change| (change.packets, change.pictures))
    }

    fn newest(&self) -> Change {
        self.used
            .checked_sub(1)
            .and_then(|index| self.changes.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn replace(&mut self, change: Change) {
        if let Some(last) = self
            .used
            .checked_sub(1)
            .and_then(|index| self.changes.get_mut(index))
        {
            *last = change;
        }
    }

    fn push(&mut self, change: Change) {
        if self.used == REMEMBERED {
            self.changes.rotate_left(1);
            self.replace(change);
        } else if let Some(free) = self.changes.get_mut(self.used) {
            *free = change;
            self.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_packets_leave_no_gap_and_lost_ones_do() {
        let mut offsets = Offsets::starting_at(100);
        offsets.drop_packet(102, true);
        offsets.drop_packet(103, false);
        // 104 was lost and 105 is dropped: 104 keeps its place.
        offsets.drop_packet(105, true);
        let out = |sequence| offsets.before(sequence).map(|(packets, _)| sequence - packets);
        assert_eq!(out(99), None);
        assert_eq!(out(101), Some(101));
        assert_eq!(out(104), Some(102));
        assert_eq!(out(106), Some(103));
        assert_eq!(offsets.before(106).unwrap().1, 2);
    }

    #[test]
    fn what_is_older_than_all_remembered_changes_is_not_guessed() {
        let mut offsets = Offsets::starting_at(0);
        for sequence in 1..=40 {
            offsets.drop_packet(sequence * 10, false);
        }
        assert_eq!(offsets.before(100), None);
        assert_eq!(offsets.before(395), Some((39, 0)));
    }
}
