//! Which room a path names, and who opens it.

use std::borrow::Cow;

use trefoil_room::room_name_for;

/// Whether a WebSocket is a browser's or a device's; a room has one of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// A browser, which calls.
    Pc,
    /// A device, which is called.
    App,
}

/// A room by namespace and name, as Trefoil calls them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address {
    /// The namespace.
    pub namespace: String,
    /// The room in it.
    pub room: String,
}

impl Role {
    /// The role that a query names: its first word. Without one, whoever it is calls.
    #[must_use]
    pub fn of_query(query: Option<&str>) -> Self {
        match query.and_then(|query| query.split('&').next()) {
            Some("app") => Self::App,
            Some(_) | None => Self::Pc,
        }
    }

    /// Whether a query is one of this protocol's, on a port where others are served too.
    #[must_use]
    pub fn is_named(query: Option<&str>) -> bool {
        let first = query.and_then(|query| query.split('&').next());
        matches!(first, Some("app" | "pc"))
    }
}

impl Address {
    /// The room that a path names, or a device's code, which is one: `/namespace/room/...`; what is blank is the default.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let mut parts = path.split('/').skip(1);
        let mut next = |default: &'static str| {
            let part = parts.next().map(str::trim).filter(|part| !part.is_empty());
            part.map_or(Cow::Borrowed(default), room_name_for).into_owned()
        };
        Self {
            namespace: next("default"),
            room: next("lobby"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_rooms_as_the_original_reads_them() {
        for (path, namespace, room) in [
            ("/", "default", "lobby"),
            ("", "default", "lobby"),
            ("/a", "a", "lobby"),
            ("/a/b", "a", "b"),
            ("/a/b/c/d", "a", "b"),
            ("//b", "default", "b"),
            ("/ /b", "default", "b"),
            ("/sunvua/1001", "sunvua", "1001"),
        ] {
            let address = Address::of_path(path);
            assert_eq!(
                (address.namespace.as_str(), address.room.as_str()),
                (namespace, room),
                "{path}"
            );
        }
        assert!(Address::of_path("/%2e%2e/门口").room.starts_with('~'));
    }

    #[test]
    fn a_query_is_the_role_and_without_one_it_is_a_browser() {
        assert_eq!(Role::of_query(Some("app")), Role::App);
        assert_eq!(Role::of_query(Some("app&token=x")), Role::App);
        for browser in [Some("pc"), Some(""), Some("else"), None] {
            assert_eq!(Role::of_query(browser), Role::Pc);
        }
        assert!(Role::is_named(Some("pc")) && Role::is_named(Some("app&token=x")));
        assert!(!Role::is_named(Some("apple")) && !Role::is_named(None));
    }
}
