//! Which paths a set of places covers: files by their keys, and all below folders.
//!
//! A path that no lock can name (not UTF-8, a backslash in it) is never covered; [`key_of`] has none for it.

use dits_lock::path::folders_above;
use dits_lock::{Lock, LockPath};
use std::collections::HashMap;

/// Places, with something known of each.
#[derive(Debug, Clone, Default)]
pub struct Places<T> {
    at: HashMap<String, T>,
    has_prefix: bool,
}

impl<'a, T> FromIterator<(&'a LockPath, T)> for Places<T> {
    fn from_iter<I: IntoIterator<Item = (&'a LockPath, T)>>(places: I) -> Places<T> {
        let mut found = Places { at: HashMap::new(), has_prefix: false };
        for (place, known) in places {
            found.has_prefix |= place.is_prefix();
            found.at.insert(place.key(), known);
        }
        found
    }
}

impl<'a> Places<&'a Lock> {
    /// The places of those `locks` whose lease is not over.
    pub fn of_locks(locks: impl IntoIterator<Item = &'a Lock>, now: u64) -> Places<&'a Lock> {
        locks.into_iter().filter(|lock| !lock.is_over(now)).map(|lock| (&lock.path, lock)).collect()
    }
}

impl<T> Places<T> {
    /// What is known of the place that covers `path`, a path of Git's.
    pub fn covering(&self, path: &[u8]) -> Option<&T> {
        if self.at.is_empty() {
            return None;
        }
        let key = key_of(path)?;
        let above = || folders_above(&key).find_map(|folder| self.at.get(folder));
        self.at.get(&key).or_else(|| if self.has_prefix { above() } else { None })
    }
}

/// The key of the place that is `path`, if it can be one.
pub fn key_of(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok()?;
    // Git's paths are in order, so most need no second look. There may be very many.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._- ".contains(byte);
    if path.iter().all(plain) {
        return Some(text.to_ascii_lowercase());
    }
    LockPath::parse(text).ok().map(|place| place.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(texts: &[&str]) -> Places<usize> {
        let parsed: Vec<LockPath> = texts.iter().map(|text| LockPath::parse(text).unwrap()).collect();
        parsed.iter().enumerate().map(|(at, place)| (place, at)).collect()
    }

    #[test]
    fn spellings_and_folders_are_covered() {
        let held = places(&["Art/Hero.uasset", "a/\u{e9}.png", "Maps/"]);
        for (path, expected) in [
            ("Art/Hero.uasset", Some(0)),
            ("art/hero.UASSET", Some(0)),
            ("a/e\u{301}.png", Some(1)),
            ("Maps/deep/x.umap", Some(2)),
            ("maps/x", Some(2)),
            ("Maps", None),
            ("Mapsx/y", None),
            ("Hero.uasset", None),
        ] {
            assert_eq!(held.covering(path.as_bytes()).copied(), expected, "{path}");
        }
        assert_eq!(held.covering(b"Maps/\xff"), None);
        assert_eq!(places(&[]).covering(b"x"), None);
    }

    #[test]
    fn the_short_way_to_a_key_is_the_same() {
        for path in ["A b/c-d_e.F", "x", "\u{130}/Y", "a(1).png"] {
            assert_eq!(key_of(path.as_bytes()), Some(LockPath::parse(path).unwrap().key()), "{path}");
        }
        assert_eq!((key_of(b"a\\b"), key_of(b"\xff")), (None, None));
    }
}
