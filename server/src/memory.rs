//! How much memory a server takes for messages that arrive, when nobody says.
//!
//! A share of what this process may have at most: the machine's memory, or the limit of its control group where that is
//! less. What cannot be read counts as no limit. The rest is for the windows of the transport, the indexes of the stores, and the
//! page cache, which is what makes a server fast.

use std::fs;

/// One part of so many is for messages.
pub const MEMORY_SHARE: u64 = 8;
/// For messages, where nothing says how much memory there is.
pub const MEMORY_DEFAULT: u64 = 256 << 20;

/// The default of this process.
pub fn for_messages() -> u64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = read("/proc/self/cgroup");
    let limits = group_files(&groups).into_iter().filter_map(|path| limit(&read(&path)));
    share(installed(&read("/proc/meminfo")).into_iter().chain(limits).min())
}

fn share(most: Option<u64>) -> u64 {
    most.map_or(MEMORY_DEFAULT, |most| most / MEMORY_SHARE)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn installed(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Where limits of the groups of `/proc/self/cgroup` are: version 2, version 1, and as seen from inside a container.
fn group_files(groups: &str) -> Vec<String> {
    let mut files = vec![
        "/sys/fs/cgroup/memory.max".to_owned(),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        match (fields.next(), fields.next()) {
            (Some(""), Some(path)) => files.push(format!("/sys/fs/cgroup{path}/memory.max")),
            (Some(kinds), Some(path)) if kinds.split(',').any(|kind| kind == "memory") => {
                files.push(format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"));
            }
            _ => {}
        }
    }
    files
}

/// A limit as its file tells it; `max` is none.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_counts() {
        assert_eq!(installed("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(installed("nonsense"), None);
        assert_eq!((limit("max\n"), limit("1073741824\n"), limit("")), (None, Some(1 << 30), None));
        let files = group_files("0::/system.slice/dits.service\n5:cpu,memory:/docker/x\n3:cpu:/y\n");
        assert_eq!(
            files[2..],
            [
                "/sys/fs/cgroup/system.slice/dits.service/memory.max",
                "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes"
            ]
        );
        assert_eq!((share(Some(8 << 30)), share(None)), (1 << 30, MEMORY_DEFAULT));
        assert!(for_messages() > 0);
    }
}
