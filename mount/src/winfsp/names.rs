//! Paths of Windows and names of the mount; pure.
//!
//! Windows gives paths as UTF-16 with `\`. Characters that it cannot have in a name stand there as the private ones at U+F000 and above, as
//! Cygwin, WSL and Samba write them. A name that is not UTF-8 cannot be shown and is left out of listings.

/// Characters that Windows does not have in names.
const SPECIAL: &[char] = &['"', '*', ':', '<', '>', '?', '|', '\\'];
/// Where they stand instead.
const PRIVATE: u32 = 0xf000;

/// The names on the way from the top to a path of Windows; `None` when it is no path that could be here.
pub fn parts(path: &[u16]) -> Option<Vec<String>> {
    let text = String::from_utf16(path).ok()?;
    let name = |part: &str| part.chars().map(from_private).collect();
    Some(text.split('\\').filter(|part| !part.is_empty()).map(name).collect())
}

fn from_private(char: char) -> char {
    let plain = (char as u32).checked_sub(PRIVATE).and_then(char::from_u32);
    plain.filter(|plain| SPECIAL.contains(plain) || plain.is_ascii_control()).unwrap_or(char)
}

/// A name as Windows sees it; `None` when it cannot.
pub fn shown(name: &[u8]) -> Option<Vec<u16>> {
    let to_private = |char: char| {
        let is_special = SPECIAL.contains(&char) || char.is_ascii_control();
        let private = is_special.then(|| char::from_u32(PRIVATE + char as u32)).flatten();
        private.unwrap_or(char)
    };
    let text: String = std::str::from_utf8(name).ok()?.chars().map(to_private).collect();
    Some(text.encode_utf16().collect())
}

/// Whether two names are the same without regard to case.
pub fn same(one: &str, other: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    one == other || lower(one) == lower(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_name_comes_back(name in "[^/\0\u{f000}-\u{f0ff}]{1,40}") {
            let shown = shown(name.as_bytes()).unwrap();
            prop_assert!(!shown.contains(&u16::from(b'\\')));
            prop_assert_eq!(parts(&shown), Some(vec![name]));
        }
    }

    #[test]
    fn paths_are_cut_at_backslashes() {
        let path: Vec<u16> = "\\a\\b c\\".encode_utf16().collect();
        assert_eq!(parts(&path), Some(vec!["a".into(), "b c".into()]));
        assert_eq!(parts(&[u16::from(b'\\')]), Some(vec![]));
        assert_eq!(parts(&[0xd800]), None, "half a character");
        assert_eq!(shown(b"caf\xe9"), None);
    }

    #[test]
    fn case_does_not_count() {
        assert!(same("Äpfel.MOV", "äPFEL.mov"));
        assert!(!same("a", "b"));
    }
}
