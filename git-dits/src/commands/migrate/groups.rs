//! Versions by the kind of their file, and the table of them that git-lfs prints.
//!
//! A kind is the ending of the name (`*.mov`), or the whole name where there is none. Columns are padded with
//! spaces and separated by tabs: scripts cut at the tabs.

use super::units;
use crate::report::human_bytes;
use dits_repo::migrate::Version;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What to do with versions that are pointers already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointers {
    /// Count them in a row of their own, by the size of their content.
    Follow,
    /// Count them as the small files that they are.
    NoFollow,
    /// Leave them out.
    Ignore,
}

/// Versions of one kind of file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// Bytes of those above the limit.
    pub bytes: u64,
    /// How many are above the limit.
    pub above: u64,
    /// How many there are.
    pub files: u64,
}

impl Group {
    fn add(&mut self, bytes: u64, limit: u64) {
        self.files += 1;
        if bytes > limit {
            self.above += 1;
            self.bytes += bytes;
        }
    }

    fn percent(&self) -> u64 {
        (200 * self.above + self.files) / (2 * self.files.max(1))
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let Group { name, bytes, above, files } = self;
        json!({ "name": name, "bytes": bytes, "files_above": above, "files": files, "percent": self.percent() })
    }
}

/// All groups with a version above the limit, the largest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Ordinary files.
    pub files: Vec<Group>,
    /// Pointers, when they are followed and there are any.
    pub pointers: Option<Group>,
}

/// Sorts versions into groups; also returns those that could become pointers.
pub fn group(versions: Vec<Version>, pointers: Pointers, above: u64) -> (Groups, Vec<Version>) {
    let mut files: BTreeMap<String, Group> = BTreeMap::new();
    let mut followed = Group { name: "DITS Objects".into(), ..Group::default() };
    let mut counted = Vec::new();
    for version in versions {
        match (version.pointer, pointers) {
            (Some(bytes), Pointers::Follow) => followed.add(bytes, above),
            (Some(_), Pointers::Ignore) => {}
            _ => {
                let name = kind(&version.path);
                files
                    .entry(name.clone())
                    .or_insert(Group { name, ..Group::default() })
                    .add(version.bytes, above);
                if version.pointer.is_none() && version.bytes > above {
                    counted.push(version);
                }
            }
        }
    }
    let mut files: Vec<Group> = files.into_values().filter(|group| group.above > 0).collect();
    files.sort_by_key(|group| std::cmp::Reverse(group.bytes));
    (Groups { files, pointers: (followed.above > 0).then_some(followed) }, counted)
}

/// `*.mov` for `a/b.mov`, `name` for `a/name`.
fn kind(path: &[u8]) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let name = String::from_utf8_lossy(name);
    name.rfind('.').map_or_else(|| name.clone().into_owned(), |dot| format!("*{}", &name[dot..]))
}

/// The rows; sizes as bare numbers of `unit` where one is given.
pub fn table(groups: &Groups, unit: Option<u64>) -> String {
    let shown = |bytes| unit.map_or_else(|| human_bytes(bytes), |unit| units::shown(bytes, unit));
    let row = |group: &Group| {
        let files = if group.files == 1 { "file " } else { "files" };
        let files = format!("{}/{} {files}", group.above, group.files);
        [group.name.clone(), shown(group.bytes), files, format!("{}%", group.percent())]
    };
    let rows: Vec<[String; 4]> = groups.files.iter().chain(&groups.pointers).map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let mut out = String::new();
    for (at, [name, size, files, percent]) in rows.iter().enumerate() {
        if at == groups.files.len() && at > 0 {
            out.push('\n');
        }
        let [w0, w1, w2, w3] = widths;
        out.push_str(&format!("{name:<w0$}\t{size:<w1$}\t{files:>w2$}\t{percent:>w3$}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(path: &str, bytes: u64, pointer: Option<u64>) -> Version {
        Version { path: path.into(), id: String::new(), bytes, pointer }
    }

    #[test]
    fn rows_are_those_of_git_lfs() {
        let versions = vec![
            version("a.psd", 3_000_000, None),
            version("d/a.psd", 8_000_000, None),
            version("x/noext", 1500, None),
            version("b.psd", 10, None),
            version(".gitattributes", 42, None),
            version("p.bin", 120, Some(5_000_000)),
            version("empty.bin", 0, Some(0)),
        ];
        let (groups, counted) = group(versions.clone(), Pointers::Follow, 41);
        let rows = "*.psd          \t11 MB \t2/3 files\t 67%\n\
                    noext          \t1.5 KB\t1/1 file \t100%\n\
                    *.gitattributes\t42 B  \t1/1 file \t100%\n\
                    \n\
                    DITS Objects   \t5.0 MB\t1/2 files\t 50%\n";
        assert_eq!(table(&groups, None), rows);
        assert_eq!(counted.len(), 4);
        let (groups, _) = group(versions.clone(), Pointers::Ignore, 2000);
        assert_eq!(table(&groups, Some(1000)), "*.psd\t11000\t2/3 files\t67%\n");
        let (groups, counted) = group(versions, Pointers::NoFollow, 0);
        assert!(groups.pointers.is_none() && groups.files.iter().any(|group| group.name == "*.bin"));
        assert!(counted.iter().all(|version| version.pointer.is_none()));
    }
}
