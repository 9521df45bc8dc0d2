//! One room's forwarding on an imaginary clock: who receives what, where, and what publishers are asked.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use trefoil_rtp::Codec;
use trefoil_sfu::{
    Capabilities, Limit, MemberId, Output, Router, RouterSettings, Source, TrackId, TrackInfo, View, Wish,
};

const ANN: MemberId = MemberId(1);
const BOB: MemberId = MemberId(2);
const CAROL: MemberId = MemberId(3);

struct Scene {
    router: Router,
    now: Duration,
    /// By track, what was sent so far.
    sent: u64,
    outputs: Vec<Output>,
}

impl Scene {
    fn new() -> Self {
        Self {
            router: Router::new(RouterSettings::default()),
            now: Duration::from_secs(1),
            sent: 1000,
            outputs: Vec::new(),
        }
    }

    fn publish(&mut self, publisher: MemberId, source: Source, encodings: u8) -> TrackId {
        let codec = if matches!(source, Source::Microphone) {
            Codec::Opus
        } else {
            Codec::Vp8
        };
        let info = TrackInfo {
            publisher,
            codec,
            source,
            encodings,
        };
        self.router.publish(info).unwrap()
    }

    fn subscribe(&mut self, member: MemberId, audio_slots: u8, video_slots: u8, budget: u64) {
        let capabilities = Capabilities {
            audio_slots,
            video_slots,
            codecs: vec![Codec::Opus, Codec::Vp8],
            first: 7,
        };
        self.router.subscribe(member, capabilities, budget);
        self.router.settle(self.now);
    }

    fn settle(&mut self) {
        self.router.settle(self.now);
        while let Some(output) = self.router.poll_output() {
            self.outputs.push(output);
        }
    }

    /// Time passes, with `each` every 20 ms.
    fn pass(&mut self, milliseconds: u64, mut each: impl FnMut(&mut Self)) {
        for _ in 0..milliseconds / 20 {
            self.now += Duration::from_millis(20);
            each(self);
            if self.router.poll_timeout().is_some_and(|due| due <= self.now) {
                self.router.handle_timeout(self.now);
            }
            self.settle();
        }
    }

    /// One packet of an encoding; `size` of its keyframe.
    fn send(&mut self, track: TrackId, encoding: u8, size: Option<u16>, length: usize) {
        let mut payload = vec![0x10, if size.is_some() { 0 } else { 1 }, 0, 0, 0x9d, 0x01, 0x2a];
        let height = size.unwrap_or(0);
        payload.extend((height / 9 * 16).to_le_bytes());
        payload.extend(height.to_le_bytes());
        payload.resize(length.max(payload.len()), 0);
        self.sent += 1;
        let numbers = (self.sent, self.sent as u32 * 3000, true);
        let packet = self
            .router
            .receive(track, encoding, numbers, &payload, None, self.now)
            .unwrap();
        let now = self.now;
        let (subscriptions, align) = self.router.subscriptions(track).unwrap();
        for subscription in subscriptions {
            let aligned = |to| align(encoding, to, packet.timestamp);
            let _ = subscription.gate.pass(encoding, &packet, aligned, now);
        }
    }

    fn shown(&self, member: MemberId) -> Vec<TrackId> {
        self.router
            .slots(member)
            .iter()
            .filter_map(trefoil_sfu::Slot::track)
            .collect()
    }

    fn taken(&mut self) -> Vec<Output> {
        self.settle();
        std::mem::take(&mut self.outputs)
    }
}

#[test]
fn everybody_receives_everybody_else() {
    let mut scene = Scene::new();
    let (voice, face) = (
        scene.publish(ANN, Source::Microphone, 1),
        scene.publish(ANN, Source::Camera, 1),
    );
    let other = scene.publish(BOB, Source::Microphone, 1);
    for member in [ANN, BOB, CAROL] {
        scene.subscribe(member, 4, 4, 10_000_000);
    }
    assert_eq!(scene.shown(ANN), [other]);
    assert_eq!(scene.shown(BOB), [voice, face]);
    assert_eq!(scene.shown(CAROL), [voice, other, face]);
    scene.router.unpublish(voice);
    assert!(scene.taken().contains(&Output::Slots(CAROL)));
    assert_eq!(scene.shown(CAROL), [other, face]);
}

#[test]
fn what_is_shown_stays_in_its_slot_when_others_come_and_go() {
    let mut scene = Scene::new();
    scene.subscribe(CAROL, 0, 2, 10_000_000);
    let first = scene.publish(ANN, Source::Camera, 1);
    let second = scene.publish(BOB, Source::Camera, 1);
    scene.settle();
    let slot_of = |scene: &Scene, track| {
        let slots = scene.router.slots(CAROL);
        slots.iter().position(|slot| slot.track() == Some(track))
    };
    let place = slot_of(&scene, second);
    scene.router.unpublish(first);
    let third = scene.publish(ANN, Source::Screen, 1);
    scene.settle();
    assert_eq!(slot_of(&scene, second), place);
    assert!(slot_of(&scene, third).is_some());
}

#[test]
fn only_what_is_wished_for_is_sent_and_the_most_important_first() {
    let mut scene = Scene::new();
    let tracks: Vec<TrackId> = (0..4).map(|_| scene.publish(ANN, Source::Camera, 1)).collect();
    scene.subscribe(CAROL, 0, 2, 10_000_000);
    let wish = |index: usize, height, priority| Wish {
        track: tracks[index],
        height,
        priority,
    };
    let view = vec![
        wish(0, 180, 1),
        wish(1, 0, 9),
        wish(2, 180, 1),
        wish(3, 720, 5),
        wish(3, 720, 5),
    ];
    scene.router.set_view(CAROL, View::Only(view));
    scene.settle();
    let mut shown = scene.shown(CAROL);
    shown.sort();
    assert_eq!(shown, [tracks[0], tracks[3]]);
}

#[test]
fn muted_tracks_and_tracks_for_others_are_not_received() {
    let mut scene = Scene::new();
    let voice = scene.publish(ANN, Source::Microphone, 1);
    scene.subscribe(BOB, 4, 4, 10_000_000);
    scene.subscribe(CAROL, 4, 4, 10_000_000);
    scene.router.mute(voice, true);
    scene.settle();
    assert!(scene.shown(BOB).is_empty());
    scene.router.mute(voice, false);
    scene.router.allow(voice, Some([BOB].into()));
    scene.settle();
    assert_eq!((scene.shown(BOB), scene.shown(CAROL)), (vec![voice], vec![]));
    scene.router.allow(voice, None);
    scene.settle();
    assert_eq!(scene.shown(CAROL), [voice]);
}

#[test]
fn what_cannot_be_decoded_is_not_sent() {
    let mut scene = Scene::new();
    let face = scene.publish(ANN, Source::Camera, 1);
    scene.subscribe(BOB, 4, 4, 10_000_000);
    scene.router.recode(face, Codec::Av1);
    scene.settle();
    assert!(scene.shown(BOB).is_empty());
    scene.router.recode(face, Codec::Vp8);
    scene.settle();
    assert_eq!(scene.shown(BOB), [face]);
}

#[test]
fn in_a_crowd_those_who_speak_are_heard() {
    let mut scene = Scene::new();
    let voices: Vec<TrackId> = (10..20)
        .map(|member| scene.publish(MemberId(member), Source::Microphone, 1))
        .collect();
    scene.subscribe(CAROL, 2, 0, 10_000_000);
    let speak = |scene: &mut Scene, who: usize| {
        scene.pass(1000, |scene| {
            for (index, voice) in voices.iter().enumerate() {
                let level = if index == who { 30 } else { 127 };
                scene.router.level(*voice, level, scene.now);
            }
        });
    };
    for who in [7, 3, 9] {
        speak(&mut scene, who);
        assert!(scene.shown(CAROL).contains(&voices[who]), "{who}");
        assert_eq!(scene.router.speakers()[0].0, voices[who]);
    }
    assert!(
        scene.shown(CAROL).contains(&voices[3]),
        "who spoke before stays while there is room"
    );
}

#[test]
fn one_picture_follows_whoever_speaks_and_stays_where_nobody_does() {
    let mut scene = Scene::new();
    let come = |scene: &mut Scene, who| {
        let voice = scene.publish(who, Source::Microphone, 1);
        (voice, scene.publish(who, Source::Camera, 1))
    };
    let (own, ann, bob) = (
        come(&mut scene, CAROL),
        come(&mut scene, ANN),
        come(&mut scene, BOB),
    );
    scene.subscribe(CAROL, 0, 1, 10_000_000);
    scene.router.set_view(CAROL, View::Speaker);
    let speak = |scene: &mut Scene, who: Option<TrackId>| {
        scene.pass(1500, |scene| {
            for (voice, _) in [own, ann, bob] {
                let level = if Some(voice) == who { 30 } else { 127 };
                scene.router.level(voice, level, scene.now);
            }
        });
    };
    scene.settle();
    assert_eq!(scene.shown(CAROL), [ann.1], "while nobody has spoken, the first");
    for (who, shown) in [
        (Some(bob.0), bob.1),
        (None, bob.1),
        (Some(own.0), bob.1),
        (Some(ann.0), ann.1),
        (Some(own.0), ann.1),
        (Some(bob.0), bob.1),
    ] {
        speak(&mut scene, who);
        assert_eq!(scene.shown(CAROL), [shown], "{who:?} speaks");
    }
    scene.router.mute(bob.1, true);
    scene.settle();
    assert_eq!(scene.shown(CAROL), [ann.1], "who speaks has no picture");
    scene.router.mute(bob.1, false);
    let screen = scene.publish(ANN, Source::Screen, 1);
    scene.settle();
    assert_eq!(scene.shown(CAROL), [screen], "what somebody shows goes first");
    scene.router.unpublish(screen);
    for (_, face) in [ann, bob] {
        scene.router.unpublish(face);
    }
    scene.settle();
    assert!(scene.shown(CAROL).is_empty(), "never their own");
}

#[test]
fn a_keyframe_is_asked_for_until_it_comes_and_no_more_than_twice_a_second() {
    let mut scene = Scene::new();
    let face = scene.publish(ANN, Source::Camera, 1);
    scene.subscribe(BOB, 0, 1, 10_000_000);
    let asked = |outputs: &[Output]| {
        let of = |output: &&Output| matches!(output, Output::Keyframe { .. });
        outputs.iter().filter(of).count()
    };
    scene.pass(2000, |scene| scene.send(face, 0, None, 500));
    let outputs = scene.taken();
    assert!((3..=5).contains(&asked(&outputs)), "{}", asked(&outputs));
    scene.send(face, 0, Some(360), 500);
    scene.pass(2000, |scene| scene.send(face, 0, None, 500));
    assert_eq!(asked(&scene.taken()), 0);
    for _ in 0..100 {
        scene.router.picture_lost(BOB, 0, scene.now);
    }
    assert_eq!(asked(&scene.taken()), 1);
}

#[test]
fn layers_follow_the_budget_and_say_why() {
    let mut scene = Scene::new();
    let face = scene.publish(ANN, Source::Camera, 3);
    scene.subscribe(BOB, 0, 1, 10_000_000);
    for (encoding, height) in [(0, 180), (1, 360), (2, 720)] {
        scene.send(face, encoding, Some(height), 500);
    }
    // 40, 160 and 400 kbit/s and a little.
    let all = |scene: &mut Scene| {
        for (encoding, length) in [(0, 60), (1, 360), (2, 960)] {
            scene.send(face, encoding, None, length);
        }
    };
    let share = |scene: &Scene| {
        let (_, _, subscription) = scene.router.received_by(BOB).next().unwrap();
        (
            subscription.share.layer.map(|layer| layer.encoding),
            subscription.share.limit,
        )
    };
    for (budget, expected) in [
        (10_000_000, (Some(2), Limit::Nothing)),
        (300_000, (Some(1), Limit::Bandwidth)),
        (60_000, (Some(0), Limit::Bandwidth)),
        (3_000, (None, Limit::Bandwidth)),
        (10_000_000, (Some(2), Limit::Nothing)),
    ] {
        scene.router.set_budget(BOB, budget);
        scene.pass(2000, all);
        assert_eq!(share(&scene), expected, "with {budget} bits a second");
    }
    assert!(
        (350_000..800_000).contains(&scene.router.demand(BOB)),
        "{}",
        scene.router.demand(BOB)
    );
}

/// Until the keyframe of less comes, a path of two thirds takes a little more than it carries; one of a quarter takes nothing.
#[test]
fn a_path_that_collapses_is_sent_nothing_of_what_it_had_and_a_better_one_goes_on() {
    for (budget, stays) in [(300_000, true), (100_000, false)] {
        let mut scene = Scene::new();
        let face = scene.publish(ANN, Source::Camera, 3);
        scene.subscribe(BOB, 0, 1, 10_000_000);
        for (encoding, height) in [(0, 180), (1, 360), (2, 720)] {
            scene.send(face, encoding, Some(height), 500);
        }
        // Nobody needs the smaller ones, and they are paused.
        scene.pass(5000, |scene| {
            (0..3).for_each(|encoding| scene.send(face, encoding, None, 960))
        });
        scene.pass(3000, |scene| scene.send(face, 2, None, 960));
        scene.taken();
        scene.router.set_budget(BOB, budget);
        let outputs = scene.taken();
        let (_, _, subscription) = scene.router.received_by(BOB).next().unwrap();
        assert_eq!(
            subscription.gate.current().is_some(),
            stays,
            "{budget} bits a second"
        );
        assert_eq!(outputs.contains(&Output::Left(BOB, 0)), !stays, "{outputs:?}");
        let encoding = subscription.gate.waits_for().unwrap();
        assert!(outputs.contains(&Output::Keyframe {
            track: face,
            encoding
        }));
        let needed = |output: &Output| match output {
            Output::Needed { encodings, .. } => encodings >> encoding & 1 == 1,
            Output::Keyframe { .. } | Output::Left(..) | Output::Slots(_) | Output::Speakers => false,
        };
        assert!(outputs.iter().any(needed), "{outputs:?}");
    }
}

#[test]
fn encodings_that_nobody_needs_may_be_paused_and_are_wanted_again_at_once() {
    let mut scene = Scene::new();
    let face = scene.publish(ANN, Source::Camera, 3);
    scene.subscribe(BOB, 0, 1, 10_000_000);
    let show = |scene: &mut Scene, height| {
        let wish = Wish {
            track: face,
            height,
            priority: 1,
        };
        scene.router.set_view(BOB, View::Only(vec![wish]));
    };
    let all = |scene: &mut Scene| {
        for (encoding, height) in [(0, 180), (1, 360), (2, 720)] {
            scene.send(face, encoding, Some(height), 500);
        }
    };
    show(&mut scene, 180);
    scene.pass(3000, all);
    let needed = |outputs: Vec<Output>| {
        let of = |output| match output {
            Output::Needed { encodings, .. } => Some(encodings),
            _ => None,
        };
        outputs.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(needed(scene.taken()), [], "not so soon");
    scene.pass(3000, all);
    assert_eq!(needed(scene.taken()), [0b001]);
    show(&mut scene, 720);
    scene.pass(200, |scene| scene.send(face, 0, None, 500));
    assert_eq!(needed(scene.taken()), [0b101]);
}

#[test]
fn a_member_has_no_more_tracks_than_it_may() {
    let mut scene = Scene::new();
    let limit = RouterSettings::default().tracks_limit;
    for _ in 0..limit {
        scene.publish(ANN, Source::Camera, 1);
    }
    let info = TrackInfo {
        publisher: ANN,
        codec: Codec::Vp8,
        source: Source::Camera,
        encodings: 1,
    };
    assert_eq!(scene.router.publish(info), None);
    scene.publish(BOB, Source::Camera, 1);
}

#[test]
fn an_empty_room_wants_no_time() {
    let mut scene = Scene::new();
    scene.subscribe(BOB, 2, 2, 1_000_000);
    assert_eq!(scene.router.poll_timeout(), None);
    let face = scene.publish(ANN, Source::Camera, 1);
    assert!(scene.router.poll_timeout().is_some());
    scene.router.unpublish(face);
    assert_eq!(scene.router.poll_timeout(), None);
}
