//! What a subscriber shows, as it says itself.

use crate::TrackId;

/// One track as it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Which.
    pub track: TrackId,
    /// How many pixels high; 0 for not at all.
    pub height: u16,
    /// Who goes first where not all can be had; 1 is usual, the higher goes first.
    pub priority: u8,
}

/// Which video a subscriber wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum View {
    /// Everything there is, screens first: for those who never say.
    #[default]
    Everything,
    /// Who speaks, or spoke last: for those who see fewer than there are. Screens go first, too.
    Speaker,
    /// These and no others, the most important first.
    Only(Vec<Wish>),
}

impl View {
    /// Wishes that are remembered; the rest is ignored.
    pub const LIMIT: usize = 64;
}
