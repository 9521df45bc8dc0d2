//! Serial numbers that wrap, told apart by the turn they are in.

/// Sequence numbers as numbers that do not wrap. The first becomes itself plus 2^16, so that earlier ones that arrive
/// late do not fall below zero. A number is taken for the nearest to the highest so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// The extended number of `sequence`.
    #[inline]
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            return *self.highest.insert(u64::from(sequence) + (1 << 16));
        };
        // The two's complement of the distance: as a signed number it is the nearest.
        let distance = sequence.wrapping_sub(highest as u16) as i16;
        let extended = highest.saturating_add_signed(i64::from(distance));
        self.highest = Some(highest.max(extended));
        extended
    }

    /// The highest extended number so far.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Timestamps as numbers that do not wrap; the first becomes itself plus 2^32.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampExtender {
    highest: Option<u64>,
}

impl TimestampExtender {
    /// The extended number of `timestamp`.
    #[inline]
    pub fn extend(&mut self, timestamp: u32) -> u64 {
        let Some(highest) = self.highest else {
            return *self.highest.insert(u64::from(timestamp) + (1 << 32));
        };
        let distance = timestamp.wrapping_sub(highest as u32) as i32;
        let extended = highest.saturating_add_signed(i64::from(distance));
        self.highest = Some(highest.max(extended));
        extended
    }

    /// The highest extended number so far.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_leaves_room_for_late_ones() {
        let mut extender = SequenceExtender::default();
        assert_eq!(extender.extend(3), 65_539);
        assert_eq!(extender.extend(65_535), 65_535);
        assert_eq!(extender.extend(4), 65_540);
        assert_eq!(extender.highest(), Some(65_540));
    }

    #[test]
    fn a_sequence_number_wraps_into_the_next_turn_and_late_ones_stay_in_theirs() {
        let mut extender = SequenceExtender::default();
        assert_eq!(extender.extend(65_534), 131_070);
        assert_eq!(extender.extend(1), 131_073);
        assert_eq!(extender.extend(65_535), 131_071);
        assert_eq!(extender.extend(0), 131_072);
    }

    #[test]
    fn a_jump_of_half_the_space_is_a_late_number_and_one_less_is_an_early_one() {
        let mut extender = SequenceExtender::default();
        extender.extend(0);
        assert_eq!(extender.extend(32_768), 32_768);
        assert_eq!(extender.extend(32_767), 65_536 + 32_767);
    }

    #[test]
    fn every_number_of_a_long_call_keeps_its_place() {
        let mut extender = SequenceExtender::default();
        for number in (65_536..1_000_000_u64).step_by(777) {
            assert_eq!(extender.extend(number as u16), number);
        }
    }

    #[test]
    fn timestamps_wrap_and_jump_by_half_their_space() {
        let mut extender = TimestampExtender::default();
        assert_eq!(extender.extend(u32::MAX), (1 << 32) + u64::from(u32::MAX));
        assert_eq!(extender.extend(9), (2 << 32) + 9);
        assert_eq!(extender.extend(9 + (1 << 31)), (2 << 32) + 9 - (1 << 31));
        assert_eq!(extender.highest(), Some((2 << 32) + 9));
    }
}
