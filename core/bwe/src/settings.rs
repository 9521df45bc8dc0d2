//! What an operator may say about estimates.

/// No settings mean more than a terabit per second.
const MOST: u64 = 1_000_000_000_000;

/// Bounds of an estimate, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first estimate, before anything is known.
    pub start: u64,
    /// No estimate is lower.
    pub min: u64,
    /// No estimate is higher, and no probe asks for more.
    pub max: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            start: 300_000,
            min: 30_000,
            max: 20_000_000,
        }
    }
}

impl Settings {
    /// These settings made consistent: `1 <= min <= start <= max <= MOST`.
    pub(crate) fn sane(self) -> Settings {
        let min = self.min.clamp(1, MOST);
        let max = self.max.clamp(min, MOST);
        let start = self.start.clamp(min, max);
        Settings { start, min, max }
    }
}
