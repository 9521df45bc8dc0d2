//! A call that goes on beside whatever happens, and must not notice.

use std::time::Duration;

use trefoil_media::{MediaConfig, WorkerReading};
use trefoil_peer::client::Media as Packet;

use super::{World, opus};

/// An m= section: whether it is video, and its encodings.
pub type Section = (bool, &'static [&'static str]);

/// An m= section for sound, and one for pictures without simulcast.
pub const VOICE: Section = (false, &[]);
pub const PICTURE: Section = (true, &[]);

/// A call from 1 to 2 that goes on beside whatever happens.
pub struct Call {
    pub world: World,
    sequence: u64,
}

impl Call {
    pub fn new() -> Self {
        Self::with(|config| config.publish_bits_per_second = 3_000_000)
    }

    pub fn with(change: impl FnOnce(&mut MediaConfig)) -> Self {
        let mut world = World::with(change);
        world.enter(1);
        world.publish(1, &[VOICE]);
        world.enter(2);
        world.subscribe(2);
        let mut call = Self { world, sequence: 0 };
        call.go_on(Duration::from_millis(300), |_| {});
        call
    }

    /// Lets the call go on for so long while `meanwhile` happens again and again.
    pub fn go_on(&mut self, length: Duration, mut meanwhile: impl FnMut(&mut World)) {
        let sequence = &mut self.sequence;
        self.world.during(length, |world| {
            meanwhile(world);
            if world.tick() {
                let (number, timestamp, payload) = opus(*sequence);
                let packet = Packet {
                    sequence: number,
                    timestamp,
                    marker: false,
                    payload: &payload,
                    level: Some(-30),
                };
                world.send(1, 0, None, packet);
                *sequence += 1;
            }
        });
    }

    /// Ends the call: what was said was heard, to the last word.
    pub fn end(mut self) {
        let track = self.world.track(1, 0);
        self.go_on(Duration::from_millis(300), |_| {});
        let said = self.sequence;
        self.world.until("the last word is heard", |world| {
            let heard = world.received(2, track);
            heard
                .last()
                .is_some_and(|packet| packet.payload[1] == (said - 1) as u8)
        });
        let heard = self.world.received(2, track);
        let lost = heard
            .windows(2)
            .filter(|pair| pair[1].sequence != pair[0].sequence + 1)
            .count();
        // Where this machine has no time for the server, the kernel drops what its sockets cannot hold.
        assert!(
            lost * 100 <= heard.len(),
            "the bystander lost {lost} of {} packets",
            heard.len()
        );
    }

    pub fn counted(&self, pick: impl Fn(&WorkerReading) -> u64) -> u64 {
        self.world.media.reading().workers.iter().map(pick).sum()
    }
}
