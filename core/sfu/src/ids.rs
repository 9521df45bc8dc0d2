//! What tracks and members are called here.

/// Somebody in a room; who that is the caller knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberId(pub u64);

/// One published track; never used twice by one router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub u32);

impl TrackId {
    /// No published track: what others sent, mixed into one.
    pub const MIX: Self = Self(0);
}
