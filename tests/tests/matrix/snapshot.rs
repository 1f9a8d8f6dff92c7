//! What a working tree looks like, so that two can be compared.

use dits_format::Oid;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Files by path, with what they are.
pub type Files = BTreeMap<String, String>;

/// A working tree at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `git status --porcelain`, empty for plain folders.
    pub status: String,
    /// Its files.
    pub files: Files,
}

impl Snapshot {
    /// How this differs from what is expected, one line each.
    pub fn differences(&self, expected: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        if self.status != expected.status {
            lines.push(format!("status {:?}, expected {:?}", self.status, expected.status));
        }
        let all = self.files.keys().chain(expected.files.keys());
        for path in all.collect::<std::collections::BTreeSet<_>>() {
            let (is, should) = (self.files.get(path), expected.files.get(path));
            if is != should {
                lines.push(format!("'{path}' is {}, expected {}", shown(is), shown(should)));
            }
        }
        lines
    }
}

fn shown(file: Option<&String>) -> &str {
    file.map_or("absent", String::as_str)
}

/// The files below `top` but Git's own.
pub fn files(top: &Path) -> Files {
    let mut files = Files::new();
    walk(top, &mut |path| {
        let name = path.strip_prefix(top).expect("it is below").to_string_lossy().into_owned();
        if name.split('/').all(|part| part != ".git") {
            files.insert(name, look(path));
        }
    });
    files
}

fn look(path: &Path) -> String {
    let meta = fs::symlink_metadata(path).expect("it was listed");
    if meta.is_symlink() {
        return format!("a link to {:?}", fs::read_link(path).expect("it is a link"));
    }
    let bytes = fs::read(path).expect("a file can be read");
    let kind = if bytes.starts_with(b"version git-dits/1\n") { "a ghost" } else { "a file" };
    let executable = if meta.permissions().mode() & 0o100 == 0 { "" } else { ", executable" };
    format!("{kind} of {} bytes, {}{executable}", bytes.len(), &Oid::of(&bytes).to_string()[..24])
}

/// Locks and temporary files below `top`.
pub fn leftovers(top: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(top, &mut |path| {
        let text = path.to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = text.contains("/dits/");
        let lock = name.ends_with(".lock") && !ours;
        let temporary =
            name.starts_with(".dits-") || text.contains("/dits/tmp/") || text.contains("/dits/hydrate/");
        if lock || temporary {
            found.push(text.into_owned());
        }
    });
    found
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        } else {
            visit(&entry.path());
        }
    }
}
