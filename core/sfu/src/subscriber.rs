//! Somebody who receives: what they can decode, what they show, what their path carries.

use trefoil_rtp::Codec;

use crate::{View, slots::Slot};

/// What a subscriber can take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Streams of sound.
    pub audio_slots: u8,
    /// Streams of video.
    pub video_slots: u8,
    /// What can be decoded.
    pub codecs: Vec<Codec>,
    /// Where sequence numbers begin: a random number.
    pub first: u16,
}

/// SRTP begins with a roll-over counter of zero, so numbers begin where none is near (RFC 3711, section 3.3.1).
const FIRST: u16 = 0x7FFF;

#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) capabilities: Capabilities,
    /// Those for sound, then those for video.
    pub(crate) slots: Vec<Slot>,
    pub(crate) view: View,
    /// They receive no sound from here: none at all, or a mix.
    pub(crate) deaf: bool,
    /// Bits a second for everything.
    pub(crate) budget: u64,
    /// What of it was shared last.
    pub(crate) shared: u64,
    /// What all that is shown would take.
    pub(crate) demand: u64,
    /// Which tracks are in which slots must be thought about again.
    pub(crate) unsettled: bool,
    /// The shares must be thought about again.
    pub(crate) unshared: bool,
}

impl Subscriber {
    pub(crate) fn new(capabilities: Capabilities, budget: u64) -> Self {
        let mut subscriber = Self {
            slots: Vec::new(),
            view: View::Everything,
            deaf: false,
            budget,
            shared: budget,
            demand: 0,
            unsettled: true,
            unshared: true,
            capabilities,
        };
        subscriber.fit_slots();
        subscriber
    }

    /// Makes as many slots as there are streams; there may come more, but never fewer.
    pub(crate) fn fit_slots(&mut self) {
        let Capabilities {
            audio_slots,
            video_slots,
            first,
            ..
        } = self.capabilities;
        for (video, wanted) in [(false, audio_slots), (true, video_slots)] {
            let have = self.slots.iter().filter(|slot| slot.video == video).count();
            for _ in have..usize::from(wanted) {
                let number = u16::try_from(self.slots.len()).unwrap_or(0);
                self.slots.push(Slot::new(
                    video,
                    first.wrapping_add(number.wrapping_mul(4099)) & FIRST,
                ));
            }
        }
    }
}
