//! Two routers that share a room: what one needs of the other's tracks.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use trefoil_rtp::Codec;
use trefoil_sfu::{MemberId, Output, Router, RouterSettings, Source, TrackId, TrackInfo};

const CAMERA: TrackInfo = TrackInfo {
    publisher: MemberId(1),
    codec: Codec::Vp8,
    source: Source::Camera,
    encodings: 3,
};

fn seconds(router: &mut Router, from: u64, to: u64) -> Vec<Output> {
    for tick in from * 10..to * 10 {
        router.handle_timeout(Duration::from_millis(tick * 100));
    }
    std::iter::from_fn(|| router.poll_output()).collect()
}

#[test]
fn an_encoding_is_needed_as_long_as_it_is_needed_behind_a_link() {
    let mut router = Router::new(RouterSettings::default());
    let track = router.publish(CAMERA).unwrap();
    router.set_linked(track, 2, u8::MAX);
    assert_eq!(router.track(track).unwrap().links(1).collect::<Vec<_>>(), [2]);
    assert_eq!(
        seconds(&mut router, 1, 10),
        [],
        "everything was needed from the beginning"
    );
    router.set_linked(track, 2, 0b010);
    let only_the_middle = Output::Needed {
        track,
        encodings: 0b010,
    };
    assert_eq!(seconds(&mut router, 10, 20), [only_the_middle]);
    assert_eq!(router.track(track).unwrap().links(0).count(), 0);
    router.set_linked(track, 3, 0b100);
    let more = Output::Needed {
        track,
        encodings: 0b110,
    };
    assert_eq!(seconds(&mut router, 20, 21), [more], "more is told at once");
    router.unlink(2);
    router.unlink(3);
    let nothing = Output::Needed { track, encodings: 0 };
    assert_eq!(seconds(&mut router, 21, 30), [nothing]);
}

#[test]
fn routers_that_share_a_room_never_give_one_number_twice() {
    let mut here = Router::new(RouterSettings::default());
    let mut there = Router::new(RouterSettings {
        first_track: 1 << 24,
        ..RouterSettings::default()
    });
    let own = here.publish(CAMERA).unwrap();
    let other = there.publish(CAMERA).unwrap();
    assert_eq!((own, other), (TrackId(1), TrackId(1 << 24)));
    assert!(here.adopt(other, CAMERA) && !here.adopt(other, CAMERA));
    assert_eq!(here.tracks().count(), 2);
}
