//! A hook file as text: our lines between two marks, everything else somebody's.
//!
//! Whatever stands around the marks is kept byte for byte, whether lines are put in, renewed or taken out. A
//! file that we made alone is `#!/bin/sh` and the marked lines; taking these out leaves nothing worth keeping.
//! A file with one mark but not the other is not ours to edit.

use crate::kind::ClientHook;

const SHEBANG: &[u8] = b"#!/bin/sh\n";
const BEGIN: &[u8] = b"# git-dits: begin";
const BEGIN_LINE: &str = "# git-dits: begin (renewed by: git dits update, removed by: git dits uninstall)\n";
const END: &[u8] = b"# git-dits: end\n";

/// Where our lines stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ours {
    start: usize,
    end: usize,
}

/// Finds our lines.
pub fn find(text: &[u8]) -> Option<Ours> {
    let start = at_line_start(text, BEGIN)?;
    let end = start + at_line_start(&text[start..], END)? + END.len();
    Some(Ours { start, end })
}

fn at_line_start(text: &[u8], mark: &[u8]) -> Option<usize> {
    let mut starts =
        std::iter::once(0).chain(text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
    starts.find(|at| text[*at..].starts_with(mark))
}

/// Our lines with their marks.
pub fn block(hook: ClientHook, program: &str) -> Vec<u8> {
    [BEGIN_LINE.as_bytes(), hook.lines(program).as_bytes(), END].concat()
}

/// A file of our own.
pub fn fresh(block: &[u8]) -> Vec<u8> {
    [SHEBANG, block].concat()
}

/// The file with `block` in place of our lines.
pub fn renewed(text: &[u8], ours: Ours, block: &[u8]) -> Vec<u8> {
    [&text[..ours.start], block, &text[ours.end..]].concat()
}

/// What is left without our lines, if it is anything.
pub fn without(text: &[u8], ours: Ours) -> Option<Vec<u8>> {
    let rest = renewed(text, ours, b"");
    (rest != SHEBANG).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_survives_every_change() {
        let (old, new) =
            (block(ClientHook::PrePush, "'/old/git-dits'"), block(ClientHook::PrePush, "git-dits"));
        let alone = fresh(&old);
        assert_eq!(without(&alone, find(&alone).unwrap()), None);
        let shared = [&alone[..], b"echo theirs\r\n\xff"].concat();
        let renewed = renewed(&shared, find(&shared).unwrap(), &new);
        assert_eq!(renewed, [&fresh(&new)[..], b"echo theirs\r\n\xff"].concat());
        assert_eq!(without(&renewed, find(&renewed).unwrap()).unwrap(), b"#!/bin/sh\necho theirs\r\n\xff");
    }

    #[test]
    fn half_marked_files_are_not_ours() {
        for text in [
            &b"#!/bin/sh\ngit lfs pre-push \"$@\"\n"[..],
            b"# git-dits: begin\nx\n",
            b"x # git-dits: begin\n# git-dits: end\n",
            b"",
        ] {
            assert_eq!(find(text), None);
        }
    }
}
