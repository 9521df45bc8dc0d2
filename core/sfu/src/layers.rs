//! A layer: which encoding of a simulcast, and how much of it.

/// One encoding of a track (by rank, the smallest first) with its spatial and temporal layers up to these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Layer {
    /// Which encoding, as the track numbers them.
    pub encoding: u8,
    /// The highest spatial layer within it (SVC); 0 where there is only one.
    pub spatial: u8,
    /// The highest temporal layer within it.
    pub temporal: u8,
}

impl Layer {
    /// Every layer of one encoding.
    #[must_use]
    pub const fn all_of(encoding: u8) -> Self {
        Self {
            encoding,
            spatial: u8::MAX,
            temporal: u8::MAX,
        }
    }
}
