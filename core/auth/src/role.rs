//! Roles and the permissions that they carry.

use serde::{Deserialize, Serialize};

/// One thing that a participant may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Send audio, video or a screen.
    Publish,
    /// Receive what others publish.
    Subscribe,
    /// Send messages to the whole room.
    Message,
    /// Mute and remove others, change roles, lock the room.
    Moderate,
}

impl Permission {
    /// All of them, in the order in which they are listed to people and programs.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Subscribe, Self::Message, Self::Moderate];

    const fn bit(self) -> u8 {
        match self {
            Self::Publish => 1,
            Self::Subscribe => 2,
            Self::Message => 4,
            Self::Moderate => 8,
        }
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Permissions(u8);

impl Permissions {
    /// Whether `permission` is in the set.
    #[must_use]
    pub const fn allow(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those in the set, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |permission| self.allow(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(
            permissions
                .into_iter()
                .fold(0, |set, permission| set | permission.bit()),
        )
    }
}

/// What a participant is in a room; each role has permissions of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Moderator,
    /// May publish, subscribe and send messages.
    #[default]
    Speaker,
    /// May subscribe and send messages.
    Viewer,
}

impl Role {
    /// What this role may do, unless a token says otherwise.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        use Permission::{Message, Moderate, Publish, Subscribe};
        match self {
            Self::Moderator => [Publish, Subscribe, Message, Moderate].into_iter().collect(),
            Self::Speaker => [Publish, Subscribe, Message].into_iter().collect(),
            Self::Viewer => [Subscribe, Message].into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_moderator_moderates_and_a_viewer_does_not_publish() {
        for role in [Role::Moderator, Role::Speaker, Role::Viewer] {
            assert_eq!(
                role.permissions().allow(Permission::Moderate),
                role == Role::Moderator
            );
            assert_eq!(
                role.permissions().allow(Permission::Publish),
                role != Role::Viewer
            );
            assert!(role.permissions().allow(Permission::Subscribe));
        }
    }

    #[test]
    fn a_set_gives_back_what_was_put_in_once_and_in_order() {
        let set: Permissions = [Permission::Moderate, Permission::Publish, Permission::Publish]
            .into_iter()
            .collect();
        assert_eq!(
            set.iter().collect::<Vec<_>>(),
            [Permission::Publish, Permission::Moderate]
        );
        assert_eq!(Permissions::default().iter().count(), 0);
    }
}
