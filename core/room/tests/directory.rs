//! Which rooms exist: names, limits, closing and expiry.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use trefoil_room::{Directory, DirectoryLimits, Moment, Refusal};

const LIMITS: DirectoryLimits = DirectoryLimits {
    namespaces: 2,
    rooms: 2,
    closed_for: Duration::from_secs(60),
};

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

/// Rooms are numbers here.
fn enter(directory: &mut Directory<u32>, namespace: &str, room: &str, number: u32) -> Result<u32, Refusal> {
    directory
        .enter(namespace, room, true, at(0), |_, _| number)
        .copied()
}

#[test]
fn the_same_name_in_two_namespaces_is_two_rooms() {
    let mut directory = Directory::new(LIMITS);
    assert_eq!(enter(&mut directory, "a", "lobby", 1), Ok(1));
    assert_eq!(enter(&mut directory, "b", "lobby", 2), Ok(2));
    assert_eq!(enter(&mut directory, "a", "lobby", 3), Ok(1), "it exists already");
    assert_eq!(
        (directory.find("a", "lobby"), directory.find("b", "lobby")),
        (Some(&1), Some(&2))
    );
}

/// FAULTS W18: rooms and namespaces are limited, and idle ones go.
#[test]
fn there_are_only_so_many_rooms_and_namespaces() {
    let mut directory = Directory::new(LIMITS);
    enter(&mut directory, "a", "one", 1).unwrap();
    enter(&mut directory, "a", "two", 2).unwrap();
    assert_eq!(
        enter(&mut directory, "a", "three", 3),
        Err(Refusal::RoomLimit { limit: 2 })
    );
    enter(&mut directory, "b", "one", 4).unwrap();
    assert_eq!(
        enter(&mut directory, "c", "one", 5),
        Err(Refusal::NamespaceLimit { limit: 2 })
    );
    assert_eq!(
        directory.declare_namespace("c", None),
        Err(Refusal::NamespaceLimit { limit: 2 })
    );
    assert_eq!(directory.expire_room("b", "one"), Some(4));
    assert_eq!(
        enter(&mut directory, "c", "one", 5),
        Ok(5),
        "an empty namespace that nobody declared is gone"
    );
    assert_eq!(directory.declare_namespace("a", Some(3)), Ok(false));
    assert_eq!(enter(&mut directory, "a", "three", 3), Ok(3));
}

#[test]
fn a_declared_namespace_stays_without_rooms() {
    let mut directory = Directory::new(LIMITS);
    assert_eq!(directory.declare_namespace("a", Some(7)), Ok(true));
    enter(&mut directory, "a", "one", 1).unwrap();
    directory.expire_room("a", "one");
    let view = directory.namespace("a").unwrap();
    assert_eq!((&*view.name, view.rooms_limit, view.rooms), ("a", 7, 0));
    assert_eq!(directory.remove_namespace("a"), Some(Vec::new()));
    assert_eq!(directory.namespaces().count(), 0);
}

#[test]
fn a_closed_room_is_not_made_again_by_joining_until_a_minute_later_or_by_declaring_it() {
    let mut directory = Directory::new(LIMITS);
    enter(&mut directory, "a", "one", 1).unwrap();
    assert_eq!(directory.close_room("a", "one", at(0)), Some(1));
    assert_eq!(directory.close_room("a", "one", at(0)), None);
    let enter_at =
        |directory: &mut Directory<u32>, now| directory.enter("a", "one", true, now, |_, _| 2).copied();
    assert_eq!(enter_at(&mut directory, at(59)), Err(Refusal::NoSuchRoom));
    assert_eq!(enter_at(&mut directory, at(60)), Ok(2));
    directory.close_room("a", "one", at(60));
    assert_eq!(directory.declare_room("a", "one", |_, _| 3), Ok((&3, true)));
    assert_eq!(directory.declare_room("a", "one", |_, _| 4), Ok((&3, false)));
    assert_eq!(enter_at(&mut directory, at(61)), Ok(3));
}

#[test]
fn a_namespace_of_which_only_closed_rooms_are_left_makes_place_when_their_time_is_over() {
    let mut directory = Directory::new(LIMITS);
    enter(&mut directory, "a", "one", 1).unwrap();
    enter(&mut directory, "b", "one", 2).unwrap();
    directory.close_room("a", "one", at(0));
    let enter_c =
        |directory: &mut Directory<u32>, now| directory.enter("c", "one", true, now, |_, _| 3).copied();
    assert_eq!(
        enter_c(&mut directory, at(59)),
        Err(Refusal::NamespaceLimit { limit: 2 })
    );
    assert_eq!(enter_c(&mut directory, at(60)), Ok(3));
    let mut all = directory.remove_all();
    all.sort_unstable();
    assert_eq!((all, directory.namespaces().count()), (vec![2, 3], 0));
}

#[test]
fn where_joining_makes_no_rooms_only_declared_ones_open() {
    let mut directory = Directory::new(LIMITS);
    let refused = directory.enter("a", "one", false, at(0), |_, _| 1).copied();
    assert_eq!(refused, Err(Refusal::NoSuchRoom));
    directory.declare_room("a", "one", |_, _| 1).unwrap();
    assert_eq!(directory.enter("a", "one", false, at(0), |_, _| 2), Ok(&1));
}

#[test]
fn names_are_checked_everywhere() {
    let mut directory = Directory::new(LIMITS);
    let wrong = |what| Err(Refusal::InvalidName { what });
    assert_eq!(enter(&mut directory, "../a", "one", 1), wrong("namespace"));
    assert_eq!(enter(&mut directory, "a", "o/ne", 1), wrong("room"));
    assert_eq!(
        directory.declare_namespace("", None).map(u32::from),
        wrong("namespace")
    );
    assert_eq!(
        directory
            .declare_room("a", ".", |_, _| 1)
            .map(|(number, _)| *number),
        wrong("room")
    );
    assert_eq!(directory.namespaces().count(), 0);
}
