//! The places in which a subscriber receives: each is one stream of theirs, in which sources are switched.

use trefoil_rtp::Codec;

use crate::{Gate, TrackId};

/// One place.
#[derive(Debug)]
pub struct Slot {
    /// Whether it is for video.
    pub(crate) video: bool,
    /// What is shown in it.
    pub(crate) track: Option<TrackId>,
    /// Its numbers, while nothing is shown in it; otherwise the subscription has them.
    pub(crate) gate: Option<Gate>,
}

impl Slot {
    pub(crate) fn new(video: bool, first: u16) -> Self {
        let codec = if video { Codec::Vp8 } else { Codec::Opus };
        Self {
            video,
            track: None,
            gate: Some(Gate::new(codec, first)),
        }
    }

    /// What is shown in it.
    #[must_use]
    pub const fn track(&self) -> Option<TrackId> {
        self.track
    }

    /// Whether it is for video.
    #[must_use]
    pub const fn is_video(&self) -> bool {
        self.video
    }
}
