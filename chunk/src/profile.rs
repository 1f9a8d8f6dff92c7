//! The three chunk size profiles.
//!
//! Small chunks find more repeated content, large chunks cost less bookkeeping per byte. Video and other
//! large media rarely repeat in small pieces, so they take the largest chunks; project files (of editors,
//! design and 3D tools) change in small places; the smallest profile is for small files with many edits.
//!
//! "Average" is the size at which the search turns from the strict to the loose mask, not the mean one gets.
//! Because the search starts only after `min_bytes` and is strict up to the average, `Video` ("average
//! 64 KiB") gives a mean of 78-83 KiB in fact; the others lie above their average in the same way.
//!
//! What must always hold:
//! - Codes, names and sizes are stored or typed by users, so they never change; a new profile takes a new code.
//! - `min_bytes < avg_bytes < max_bytes`, all even: the published scan walks in byte pairs.
//! - No `max_bytes` is above `MAX_CHUNK_BYTES`, from which the cutter's buffer is sized.
//!
//! Units: bytes.

/// The longest chunk of any profile, in bytes.
pub(crate) const MAX_CHUNK_BYTES: usize = 256 * 1024;

/// Which chunk sizes a content is cut with. The default is [`Profile::Video`].
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// 16 / 64 / 256 KiB: large media. The mean is 78-83 KiB in fact.
    #[default]
    Video,
    /// 2 / 8 / 32 KiB: files edited in place, such as those of editors and design tools.
    Project,
    /// 1 / 4 / 16 KiB: small files.
    Small,
}

/// The three sizes of a profile, in bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// No chunk but the last of a content is shorter.
    pub min_bytes: u32,
    /// Where the search for a cut turns from strict to loose. The mean chunk is longer than this.
    pub avg_bytes: u32,
    /// No chunk is longer.
    pub max_bytes: u32,
}

impl Profile {
    /// Every profile, in the order of the codes.
    pub const ALL: [Self; 3] = [Self::Video, Self::Project, Self::Small];

    /// The sizes of this profile.
    pub const fn sizes(self) -> Sizes {
        let (min, avg, max) = match self {
            Self::Video => (16, 64, 256),
            Self::Project => (2, 8, 32),
            Self::Small => (1, 4, 16),
        };
        Sizes { min_bytes: min * 1024, avg_bytes: avg * 1024, max_bytes: max * 1024 }
    }

    /// The number that stands for this profile in stored files; stable for ever.
    pub const fn code(self) -> u8 {
        match self {
            Self::Video => 0,
            Self::Project => 1,
            Self::Small => 2,
        }
    }

    /// The name users write in their settings; stable for ever.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Project => "project",
            Self::Small => "small",
        }
    }

    /// The profile with exactly this name (lower case), if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_CHUNK_BYTES, Profile};

    #[test]
    fn codes_names_and_sizes_are_the_stored_ones() {
        let table = [
            (Profile::Video, 0, "video", [16 << 10, 64 << 10, 256 << 10]),
            (Profile::Project, 1, "project", [2 << 10, 8 << 10, 32 << 10]),
            (Profile::Small, 2, "small", [1 << 10, 4 << 10, 16 << 10]),
        ];
        for (profile, code, name, [min, avg, max]) in table {
            let sizes = profile.sizes();
            assert_eq!((profile.code(), profile.name()), (code, name));
            assert_eq!((sizes.min_bytes, sizes.avg_bytes, sizes.max_bytes), (min, avg, max));
            assert_eq!(Profile::from_name(name), Some(profile));
            assert!(max as usize <= MAX_CHUNK_BYTES);
        }
        assert_eq!(Profile::from_name("Video"), None);
        assert_eq!(Profile::default(), Profile::Video);
    }
}
