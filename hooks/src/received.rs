//! Which refs a push moves, as Git tells a `pre-receive` hook: `<old> <new> <ref>` a line.
//!
//! A null id is none: the ref is new, or goes. In doubt there is no push: a line that is none is an error.

use crate::pre_push::Ref;
use crate::pre_receive::{HookError, NAME_DIGITS};

/// Reads Git's lines.
///
/// # Errors
/// [`HookError::Input`] for a line that is none.
pub fn read(input: &[u8]) -> Result<Vec<Ref>, HookError> {
    let text = input.strip_suffix(b"\n").unwrap_or(input);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let line = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        let mut words = line.splitn(3, ' ');
        let mut id = || {
            let id = words.next()?;
            let is_id = NAME_DIGITS.contains(&id.len()) && id.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_id.then(|| Some(id.to_owned()).filter(|id| id.bytes().any(|digit| digit != b'0')))
        };
        let (old, new) = (id()?, id()?);
        let name = words.next().filter(|name| !name.is_empty())?.to_owned();
        Some(Ref { name, old, new })
    };
    let refs: Option<Vec<Ref>> = text.split(|byte| *byte == b'\n').map(line).collect();
    refs.ok_or(HookError::Input("a line is not '<old> <new> <ref>'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_refs_or_an_error() {
        let (a, b, null) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        let text = format!("{null} {a} refs/heads/x\n{a} {b} refs/heads/y\n{b} {null} refs/heads/z\n");
        let refs = read(text.as_bytes()).unwrap();
        let update = |name: &str, old, new| Ref { name: format!("refs/heads/{name}"), old, new };
        let [x, y, z] = [
            update("x", None, Some(a.clone())),
            update("y", Some(a.clone()), Some(b.clone())),
            update("z", Some(b), None),
        ];
        assert_eq!(refs, [x, y, z]);
        assert_eq!(read(b"").unwrap(), []);
        for bad in [
            format!("{a} refs/heads/x\n"),
            format!("{a} {a} \n"),
            "\n\n".into(),
            format!("x {a} refs/heads/x"),
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(HookError::Input(_))), "{bad:?}");
        }
    }
}
