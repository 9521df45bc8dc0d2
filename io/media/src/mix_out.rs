//! The stream in which one subscriber gets the mix: numbers that go on whatever mixer makes it.

use trefoil_mix::Sent;

/// A stream of mixed packets to one subscriber, over all the times that they began to hear the mix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MixOut {
    /// In which m= section.
    pub(crate) place: u8,
    /// What the mixer's numbers are added to.
    base: u64,
    /// The mixer's last number.
    last: Option<u16>,
    /// Which of the room's mixers that was.
    mixer: u64,
    /// What its timestamps are added to.
    pub(crate) timestamp: u32,
}

impl MixOut {
    pub(crate) const fn new(place: u8, first: u16, timestamp: u32) -> Self {
        Self {
            place,
            base: 65_536 + first as u64,
            last: None,
            mixer: 0,
            timestamp,
        }
    }

    /// The number and timestamp of a packet in this stream.
    pub(crate) fn place_in_stream(&mut self, mixer: u64, sent: &Sent<'_>) -> (u64, u32) {
        let timestamp = self.timestamp.wrapping_add(sent.timestamp);
        (self.number(mixer, sent.sequence), timestamp)
    }

    /// The number of a packet to which a mixer gave this one. Another mixer counts from 0 again.
    fn number(&mut self, mixer: u64, given: u16) -> u64 {
        if std::mem::replace(&mut self.mixer, mixer) != mixer
            && let Some(last) = self.last.take()
        {
            self.base += u64::from(last) + 1;
        }
        if self
            .last
            .is_some_and(|last| given < last && last.wrapping_sub(given) > 0x8000)
        {
            self.base += 65_536;
        }
        self.last = Some(given);
        self.base + u64::from(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_a_mixed_stream_comes_twice() {
        let mut out = MixOut::new(8, 100, 0);
        let given = (0..70_000_u32).map(|number| out.number(1, number as u16));
        let mut numbers: Vec<u64> = given.collect();
        assert_eq!(numbers[0], 65_636);
        numbers.extend((0..3).map(|number| out.number(2, number)));
        // A packet that got lost on its way to the mixer is missing in the mix too.
        numbers.push(out.number(2, 5));
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "each is higher than the one before"
        );
        assert_eq!(numbers.len() as u64, numbers.last().unwrap() - numbers[0] - 1);
    }
}
