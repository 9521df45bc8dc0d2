//! What a track shows or lets hear: one of the known sources, or one that the application has named.

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
pub const SOURCE_NAME_BYTES: usize = 32;

/// What a track shows or lets hear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TrackSource {
    /// A voice.
    Microphone,
    /// A face.
    Camera,
    /// A screen.
    Screen,
    /// What a screen sounds like.
    ScreenAudio,
    /// What is played into the room, by the room itself.
    Announcement,
    /// Whatever the application means.
    Other,
    /// The same, by the application's own name.
    Named(SourceName),
}

/// A name that an application has given: 1 to 32 of `A-Z a-z 0-9 - _ .`, and none of the known ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceName(String);

const NO_SOURCE: &str =
    "a source is microphone, camera, screen, screen_audio, other, or 1 to 32 of A-Z a-z 0-9 - _ .";

impl SourceName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TrackSource {
    /// What it is called.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Screen => "screen",
            Self::ScreenAudio => "screen_audio",
            Self::Announcement => "announcement",
            Self::Other => "other",
            Self::Named(name) => name.as_str(),
        }
    }
}

impl TryFrom<String> for TrackSource {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        Ok(match &*name {
            "microphone" => Self::Microphone,
            "camera" => Self::Camera,
            "screen" => Self::Screen,
            "screen_audio" => Self::ScreenAudio,
            "announcement" => Self::Announcement,
            "other" => Self::Other,
            own if (1..=SOURCE_NAME_BYTES).contains(&own.len()) && own.bytes().all(good) => {
                Self::Named(SourceName(name))
            }
            _ => return Err(NO_SOURCE),
        })
    }
}

impl From<TrackSource> for String {
    fn from(source: TrackSource) -> Self {
        match source {
            TrackSource::Named(SourceName(name)) => name,
            known => known.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_or_has_a_short_name_of_plain_letters() {
        for known in [
            "microphone",
            "camera",
            "screen",
            "screen_audio",
            "announcement",
            "other",
        ] {
            let source = TrackSource::try_from(known.to_owned()).unwrap();
            assert!(!matches!(source, TrackSource::Named(_)), "{known}");
            assert_eq!(String::from(source), known);
        }
        for own in ["whiteboard", "Slides-2", "a", "v1.2_x", &"n".repeat(32)] {
            let source = TrackSource::try_from(own.to_owned()).unwrap();
            assert!(matches!(source, TrackSource::Named(_)), "{own}");
            assert_eq!(String::from(source), own);
        }
        for wrong in ["", "white board", "é", "a/b", "<b>", "a\0", &"n".repeat(33)] {
            assert_eq!(TrackSource::try_from(wrong.to_owned()), Err(NO_SOURCE), "{wrong}");
        }
    }
}
