//! What people send in tests: packets like those of voices and pictures.

use trefoil_peer::client::Media as Packet;

use super::{World, opus, vp8};

/// Sends the next packets, if it is time: `send` is given their number.
pub fn next(world: &mut World, sequence: &mut u64, send: impl FnOnce(&mut World, u64)) {
    if world.tick() {
        send(world, *sequence);
        *sequence += 1;
    }
}

pub fn say(world: &mut World, number: u64, index: usize, sequence: u64) {
    say_at(world, number, index, sequence, -30);
}

/// The same, so loud.
pub fn say_at(world: &mut World, number: u64, index: usize, sequence: u64, level: i8) {
    let (sequence, timestamp, payload) = opus(sequence);
    let packet = Packet {
        sequence,
        timestamp,
        marker: false,
        payload: &payload,
        level: Some(level),
    };
    world.send(number, index, None, packet);
}

/// Sends one frame of one packet; a keyframe if the server wants one or it is the first.
pub fn show(world: &mut World, number: u64, index: usize, (rid, height): (Option<&str>, u16), sequence: u64) {
    let person = world.people.get_mut(&number).unwrap();
    let mid = person.mids[index].clone();
    let wanted = person.keyframes_wanted.len();
    person
        .keyframes_wanted
        .retain(|(of, encoding)| *of != mid || encoding.as_deref() != rid);
    let keyframe = sequence == 1000 || person.keyframes_wanted.len() < wanted;
    let payload = vp8(
        keyframe,
        height,
        sequence as u16 & 0x7FFF,
        300 + usize::from(height),
    );
    let packet = Packet {
        sequence,
        timestamp: (sequence as u32).wrapping_mul(3000),
        marker: true,
        payload: &payload,
        level: None,
    };
    world.send(number, index, rid, packet);
}
