//! One connection both ways, between a client that knows one "other" and the people of a room, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod world;

use world::{
    PICTURE, Section, VOICE, World,
    tone::{TONES, Tone, hear, heard, talk},
};

/// Which side makes the offer of a call.
const SIDES: [Option<&[Section]>; 2] = [Some(&[VOICE, PICTURE]), None];

/// Somebody in a call (1) and two with two transports (2 and 3), who all hear the mix, each with a tone of their own.
fn three(media: Option<&[Section]>) -> (World, Vec<Tone>) {
    let mut world = World::new();
    world.enter(1);
    world.call(1, media);
    for who in [2, 3] {
        world.enter(who);
        world.publish(who, &[VOICE, PICTURE]);
        hear(&world, who, true);
        world.subscribe(who);
    }
    let tones = (1..).zip(TONES).map(|(who, hertz)| Tone::new(who, hertz));
    (world, tones.collect())
}

#[test]
fn who_is_in_a_call_hears_all_others_and_is_heard_whoever_made_the_offer() {
    for side in SIDES {
        let (mut world, mut tones) = three(side);
        talk(&mut world, &mut tones, 75);
        for who in 1..=3_u64 {
            for (other, decibel) in (1..).zip(heard(&world, who, 0, &TONES)) {
                if other == who {
                    assert!(decibel < -60.0, "{who} hears themselves: {decibel}");
                } else {
                    assert!((-20.0..-5.0).contains(&decibel), "{who} hears {other}: {decibel}");
                }
            }
        }
    }
}
