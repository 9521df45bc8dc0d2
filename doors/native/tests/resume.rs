//! Random breaks and resumes: whoever resumes hears everything once and in order, or is told that the session is lost.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::*;
use trefoil_auth::Role;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Bob says the next number.
    Say,
    /// Ann reads what there is and acknowledges it or not.
    Read(bool),
    /// What is on its way is lost but for the first few, the connection breaks, and Ann comes back.
    Break(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::Say),
        2 => any::<bool>().prop_map(Step::Read),
        2 => (0..6_usize).prop_map(Step::Break),
    ];
    prop::collection::vec(step, 1..120)
}

/// What Ann has heard: numbers, and how many counted messages.
#[derive(Default)]
struct Heard {
    numbers: Vec<u64>,
    counted: u64,
}

impl Heard {
    fn all(&mut self, messages: &[Value]) {
        for message in messages.iter().filter(|message| message["type"] != "pong") {
            self.counted += 1;
            self.numbers.extend(message["data"].as_u64());
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_missed_and_nothing_comes_twice(steps in steps()) {
        let mut scene = Scene::new();
        let mut ann = scene.join("ann", Role::Speaker);
        let mut bob = scene.join("bob", Role::Speaker);
        let (mut heard, mut said) = (Heard::default(), 0);
        for step in steps {
            scene.hear(&bob);
            match step {
                Step::Say => {
                    said += 1;
                    scene.say(&mut bob, json!({"type":"message","data":said}));
                    // Not more than may wait: whoever does not read is let go, which is not what this is about.
                    if said % 4 == 0 {
                        heard.all(&scene.hear(&ann));
                    }
                }
                Step::Read(acknowledge) => {
                    heard.all(&scene.hear(&ann));
                    if acknowledge {
                        scene.say(&mut ann, json!({"type":"ping","received":heard.counted}));
                        heard.all(&scene.hear(&ann));
                    }
                }
                Step::Break(arrived) => {
                    let on_its_way = scene.hear(&ann);
                    heard.all(on_its_way.get(..arrived).unwrap_or(&on_its_way));
                    scene.break_off(&ann);
                    let (back, missed) = scene.resume(&ann.joined, heard.counted).unwrap();
                    ann = back;
                    heard.all(&missed);
                }
            }
        }
        heard.all(&scene.hear(&ann));
        prop_assert_eq!(heard.numbers, (1..=said).collect::<Vec<_>>());
    }
}
