//! All devices that were added, in the form in which clients list them.

use serde::{Deserialize, Serialize};

/// The longest field of a device, in bytes.
pub const FIELD_BYTES: usize = 1024;

/// A device, as clients see it and as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// Made by the server.
    pub id: String,
    /// When it was added: `2026-11-21 20:00:00`.
    pub create_time: String,
    /// The path by which it is called.
    pub code: String,
    /// Where it hangs.
    pub install_address: String,
    /// Since when, as it was typed.
    pub install_time: String,
    /// Anything else.
    pub description: String,
}

/// What whoever adds a device says of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields {
    /// See [`Device::code`].
    pub code: String,
    /// See [`Device::install_address`].
    pub install_address: String,
    /// See [`Device::install_time`].
    pub install_time: String,
    /// See [`Device::description`].
    pub description: String,
}

/// Why a device was not added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAdded {
    /// It has no code, or a field is too long.
    Unusable,
    /// There is one with this code.
    Known,
    /// There are as many as may be.
    Full,
}

/// Which devices are wanted by whether they are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Online {
    /// All.
    Any,
    /// Those that are.
    Yes,
    /// Those that are not.
    No,
}

/// Which devices are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The one with this code only.
    pub code: Option<String>,
    /// By whether it is there.
    pub online: Online,
    /// Which page, from 1.
    pub page: usize,
    /// How many on a page.
    pub page_size: usize,
}

/// One page of devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing<'a> {
    /// How many are wanted, on all pages.
    pub total: usize,
    /// Those on this page, and whether each is there.
    pub rows: Vec<(&'a Device, bool)>,
}

/// All devices, the newest last.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Register(Vec<Device>);

impl Register {
    /// With one device more.
    ///
    /// # Errors
    /// Why not.
    pub fn with(
        &self,
        fields: Fields,
        id: String,
        create_time: String,
        limit: usize,
    ) -> Result<Self, NotAdded> {
        let Fields {
            code,
            install_address,
            install_time,
            description,
        } = fields;
        let all = [&code, &install_address, &install_time, &description];
        if code.trim().is_empty() || all.iter().any(|field| field.len() > FIELD_BYTES) {
            return Err(NotAdded::Unusable);
        }
        if self.0.iter().any(|device| device.code == code) {
            return Err(NotAdded::Known);
        }
        if self.0.len() >= limit {
            return Err(NotAdded::Full);
        }
        let mut more = self.clone();
        more.0.push(Device {
            id,
            create_time,
            code,
            install_address,
            install_time,
            description,
        });
        Ok(more)
    }

    /// Without the device that has this id or code; `None` if there is none.
    #[must_use]
    pub fn without(&self, id_or_code: &str) -> Option<Self> {
        let mut less = self.clone();
        less.0
            .retain(|device| device.id != id_or_code && device.code != id_or_code);
        (less.0.len() < self.0.len()).then_some(less)
    }

    /// The wanted ones, the newest first. Unlike in the original, pages are made of what is wanted.
    pub fn list(&self, wanted: &Wanted, is_online: impl Fn(&str) -> bool) -> Listing<'_> {
        let fits = |device: &&Device| wanted.code.as_ref().is_none_or(|code| *code == device.code);
        let rows: Vec<_> = self
            .0
            .iter()
            .rev()
            .filter(fits)
            .map(|device| (device, is_online(&device.code)))
            .filter(|(_, online)| match wanted.online {
                Online::Any => true,
                Online::Yes => *online,
                Online::No => !online,
            })
            .collect();
        let first = wanted.page.saturating_sub(1).saturating_mul(wanted.page_size);
        Listing {
            total: rows.len(),
            rows: rows.into_iter().skip(first).take(wanted.page_size).collect(),
        }
    }
}

/// A moment as `2026-11-21 20:00:00`, in UTC.
#[must_use]
pub fn clock_text(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Years of 400 begin on 0000-03-01, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{date:02} {:02}:{:02}:{:02}",
        era * 400 + year + next,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(codes: &[&str]) -> Register {
        codes.iter().fold(Register::default(), |register, code| {
            register
                .with(fields(code), format!("id-{code}"), "t".into(), 100)
                .unwrap()
        })
    }

    fn fields(code: &str) -> Fields {
        Fields {
            code: code.into(),
            ..Fields::default()
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            code: None,
            online: Online::Any,
            page: 1,
            page_size: 2,
        }
    }

    fn codes(listing: &Listing<'_>) -> Vec<String> {
        listing
            .rows
            .iter()
            .map(|(device, _)| device.code.clone())
            .collect()
    }

    #[test]
    fn the_newest_is_first_and_pages_are_made_of_what_is_wanted() {
        let all = register(&["a", "b", "c", "d"]);
        let online = |code: &str| code == "a" || code == "b" || code == "c";
        let first = all.list(&wanted(), online);
        assert_eq!((first.total, codes(&first)), (4, vec!["d".into(), "c".into()]));
        let there = Wanted {
            online: Online::Yes,
            page: 2,
            ..wanted()
        };
        let second = all.list(&there, online);
        assert_eq!((second.total, codes(&second)), (3, vec!["a".into()]));
        let one = Wanted {
            code: Some("b".into()),
            online: Online::No,
            ..wanted()
        };
        assert_eq!(all.list(&one, online).total, 0);
        let far = Wanted {
            page: usize::MAX,
            page_size: usize::MAX,
            ..wanted()
        };
        assert!(all.list(&far, online).rows.is_empty());
    }

    #[test]
    fn a_device_is_added_once_and_only_while_there_is_room() {
        let one = register(&["a"]);
        let add = |fields, limit| one.with(fields, "i".into(), "t".into(), limit);
        assert_eq!(add(fields("a"), 100), Err(NotAdded::Known));
        assert_eq!(add(fields("b"), 1), Err(NotAdded::Full));
        assert_eq!(add(fields(" "), 100), Err(NotAdded::Unusable));
        assert_eq!(
            add(fields(&"x".repeat(FIELD_BYTES + 1)), 100),
            Err(NotAdded::Unusable)
        );
    }

    #[test]
    fn a_device_is_removed_by_its_id_or_its_code() {
        let two = register(&["a", "b"]);
        assert_eq!(two.without("id-a"), Some(register(&["b"])));
        assert_eq!(two.without("a"), Some(register(&["b"])));
        assert_eq!(two.without("c"), None);
    }

    #[test]
    fn a_moment_is_written_as_people_write_it() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_291_200, "2026-11-21 20:00:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(clock_text(seconds), text);
        }
    }
}
