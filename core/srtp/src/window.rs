//! Which packets of one source were received, and in which turn of the sequence numbers it is.

use crate::Refused;

/// How far behind the newest packet a late one may be; more than the 64 that
/// [RFC 3711 section 3.3.2](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2) asks for.
pub const WINDOW: u64 = 128;

/// The number of SRTP indices.
const INDICES: u64 = 1 << 48;

/// The newest index and those before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    newest: u64,
    /// The lowest bit stands for `newest`, the next for the one before.
    seen: u128,
}

impl Window {
    pub(crate) fn beginning_with(index: u64) -> Window {
        Window {
            newest: index,
            seen: 1,
        }
    }

    /// The index that a packet with this sequence number most likely has
    /// ([RFC 3711 section 3.3.1](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.1)).
    #[inline]
    pub(crate) fn guess(&self, sequence: u16) -> Result<u64, Refused> {
        let (rollover, newest) = (self.newest >> 16, self.newest as u16);
        let turn = if newest < 0x8000 && sequence > newest && sequence - newest > 0x8000 {
            rollover.checked_sub(1).ok_or(Refused::TooOld)?
        } else if newest >= 0x8000 && newest - 0x8000 > sequence {
            rollover + 1
        } else {
            rollover
        };
        let index = turn << 16 | u64::from(sequence);
        if index < INDICES {
            Ok(index)
        } else {
            Err(Refused::TooOld)
        }
    }

    /// Whether a packet with this index may still be new.
    #[inline]
    pub(crate) fn check(&self, index: u64) -> Result<(), Refused> {
        let Some(behind) = self.newest.checked_sub(index) else {
            return Ok(());
        };
        if behind >= WINDOW {
            return Err(Refused::TooOld);
        }
        if self.seen >> behind & 1 == 1 {
            return Err(Refused::Replayed);
        }
        Ok(())
    }

    /// Remembers a packet that was checked and authenticated.
    #[inline]
    pub(crate) fn accept(&mut self, index: u64) {
        if let Some(behind) = self.newest.checked_sub(index) {
            self.seen |= 1_u128.checked_shl(behind as u32).unwrap_or(0);
            return;
        }
        // Beyond 128 nothing that was seen is left.
        let ahead = u32::try_from(index - self.newest).unwrap_or(u32::MAX);
        self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
        self.newest = index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(newest: u64, sequence: u16) -> Result<u64, Refused> {
        Window::beginning_with(newest).guess(sequence)
    }

    #[test]
    fn the_nearest_turn_is_guessed() {
        assert_eq!(guess(5, 9), Ok(9));
        assert_eq!(guess(65_535, 0), Ok(65_536));
        assert_eq!(guess(65_536, 65_535), Ok(65_535));
        assert_eq!(guess(3, 65_535), Err(Refused::TooOld));
        assert_eq!(guess(INDICES - 1, 0), Err(Refused::TooOld));
    }

    #[test]
    fn a_jump_of_half_the_numbers_stays_in_its_turn() {
        assert_eq!(guess(65_536 + 100, 100 + 0x8000), Ok(65_536 + 100 + 0x8000));
        assert_eq!(guess(65_536 + 100, 101 + 0x8000), Ok(101 + 0x8000));
        assert_eq!(guess(0xFFFF, 0x7FFF), Ok(0x7FFF));
        assert_eq!(guess(0xFFFF, 0x7FFE), Ok(0x1_7FFE));
    }

    #[test]
    fn each_index_is_accepted_once_and_only_inside_the_window() {
        let mut window = Window::beginning_with(1000);
        window.accept(1130);
        for index in [1000, 1002] {
            assert_eq!(window.check(index), Err(Refused::TooOld), "{index}");
        }
        for index in [1003, 1129, 1131] {
            assert_eq!(window.check(index), Ok(()), "{index}");
            window.accept(index);
            assert_eq!(window.check(index), Err(Refused::Replayed), "{index}");
        }
        assert_eq!(window.check(1130), Err(Refused::Replayed));
        assert_eq!(window.check(1003), Err(Refused::TooOld));
    }

    #[test]
    fn a_jump_ahead_forgets_what_is_behind_the_window() {
        let mut window = Window::beginning_with(7);
        window.accept(7 + (1 << 40));
        assert_eq!(window.check(7), Err(Refused::TooOld));
        assert_eq!(window.check(6 + (1 << 40)), Ok(()));
        window.accept(6 + (1 << 40));
        assert_eq!(window.check(6 + (1 << 40)), Err(Refused::Replayed));
        assert_eq!(window.check(7 + (1 << 40)), Err(Refused::Replayed));
    }
}
