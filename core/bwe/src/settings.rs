//! What an operator may say about estimates.

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
    /// These settings made consistent: `1 <= min <= start <= max`.
    pub(crate) fn sane(self) -> Settings {
        let min = self.min.max(1);
        let max = self.max.max(min);
        let start = self.start.clamp(min, max);
        Settings { start, min, max }
    }
}
