//! What the system tells of processes, the network and itself below `/proc`, as numbers.
//!
//! The parsers are pure. Times of processes come in hundredths of a second here, which is enough for servers:
//! what a client cost is asked with `wait4`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Ticks a second of the times in `/proc`, on every system that we have met.
const TICKS: f64 = 100.0;

/// The parent of a process, and its CPU seconds with those of the children that it has waited for.
fn stat(text: &str) -> Option<(u32, f64)> {
    // The name stands in parentheses and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>().ok()).sum::<Option<f64>>()?;
    Some((fields.get(1)?.parse().ok()?, ticks / TICKS))
}

/// Bytes that came over the loopback interface: each was sent and received once, and counts once.
fn loopback(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("lo:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Ticks that all cores were busy, and all there were.
fn busy(text: &str) -> Option<(f64, f64)> {
    let fields: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|f| f.parse().ok()).collect();
    let all: f64 = fields.iter().sum();
    // Idle, and waiting for a disk.
    Some((all - fields.get(3)? - fields.get(4)?, all))
}

pub(super) fn loopback_bytes() -> u64 {
    fs::read_to_string("/proc/net/dev").ok().and_then(|text| loopback(&text)).unwrap_or(0)
}

pub(super) fn busy_ticks() -> (f64, f64) {
    fs::read_to_string("/proc/stat").ok().and_then(|text| busy(&text)).unwrap_or((0.0, 0.0))
}

/// The ids of all processes.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// When a process started, in ticks since the system did; `None` when there is none.
pub(super) fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// CPU seconds that a process and everything below it have had until now.
pub(super) fn tree_cpu(root: u32) -> f64 {
    let mut known: HashMap<u32, (u32, f64)> = HashMap::new();
    for pid in all() {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(found) = stat(&text) {
            known.insert(pid, found);
        }
    }
    let below = |mut pid: u32| {
        while pid != root && pid > 1 {
            pid = known.get(&pid).map_or(0, |(parent, _)| *parent);
        }
        pid == root
    };
    known.iter().filter(|(pid, _)| below(**pid)).map(|(_, (_, cpu))| cpu).sum()
}

/// Most memory that a process has had.
pub(super) fn peak_rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The model of the CPU, what it can do that matters here, cores, memory and kernel.
pub(super) fn machine() -> Vec<(String, String)> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flags = field("flags").unwrap_or_default();
    let wanted = ["sha_ni", "avx2", "avx512f", "avx512bw", "avx512_vbmi"];
    let flags: Vec<&str> = flags.split(' ').filter(|flag| wanted.contains(flag)).collect();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let line = |name: &str, value: String| (name.to_owned(), value);
    vec![
        line(
            "processor",
            format!("{} × {} ({})", cores, field("model name").unwrap_or_default(), flags.join(" ")),
        ),
        line("memory", format!("{:.0} GiB", kib / 1024.0 / 1024.0)),
        line("kernel", format!("Linux {}", kernel.trim())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_named_like_fields_is_read() {
        let text = "7 (a) b) 1 2) S 42 7 7 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 9 8 7";
        assert_eq!(stat(text), Some((42, 2.0)));
        assert_eq!(stat("7 (a) S 42"), None);
    }

    #[test]
    fn the_loopback_interface_is_found_among_others() {
        let text = "Inter-|   Receive\n face |bytes\n  eth0: 9 1\n    lo: 1234 5 0 0 0 0 0 0 1234 5\n";
        assert_eq!(loopback(text), Some(1234));
        assert_eq!(loopback("eth0: 9\n"), None);
    }

    #[test]
    fn waiting_for_a_disk_is_not_busy() {
        assert_eq!(busy("cpu  10 0 5 80 5 0 0 0 0 0\ncpu0 1\n"), Some((15.0, 100.0)));
    }

    #[test]
    fn a_child_counts_for_its_tree() {
        let pid = std::process::id();
        assert!(tree_cpu(pid) >= 0.0 && tree_cpu(u32::MAX) == 0.0);
        assert!(peak_rss(pid).unwrap() > 100_000);
    }
}
