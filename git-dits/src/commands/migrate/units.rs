//! Units of sizes as git-lfs names them: `kb` is 1000 bytes, `kib` is 1024. Case does not matter.
//!
//! That is another reading than the one of Git's configuration, where `k` is 1024: here it is options that count, and
//! people bring these along from git-lfs.

/// The bytes of a unit; no unit is a byte.
pub fn unit(name: &str) -> Option<u64> {
    let name = name.trim().to_ascii_lowercase();
    let power = |letter: &str| ["k", "m", "g", "t", "p"].iter().position(|known| *known == letter);
    if name.is_empty() || name == "b" {
        return Some(1);
    }
    match name.strip_suffix("ib") {
        Some(letter) => Some(1024_u64.pow(power(letter)? as u32 + 1)),
        None => Some(1000_u64.pow(power(name.strip_suffix('b').unwrap_or(&name))? as u32 + 1)),
    }
}

/// A number of bytes, such as `100kb`, `20 MB` or `1.5gib`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let bytes = number * unit(&text[end..])? as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// `bytes` as a bare number of units.
pub fn shown(bytes: u64, unit: u64) -> String {
    let number = bytes as f64 / unit as f64;
    let digits = usize::from(unit > 1 && number < 9.95);
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_git_lfs_reads_them() {
        let table = [
            ("0", Some(0)),
            ("12", Some(12)),
            ("1b", Some(1)),
            ("20 MB", Some(20_000_000)),
            ("3TiB", Some(3 << 40)),
            ("1.5kb", Some(1500)),
            ("4k", Some(4000)),
            ("kb", None),
            ("1foo", None),
            ("-1", None),
            ("99999999pb", None),
        ];
        for (text, value) in table {
            assert_eq!(bytes(text), value, "{text}");
        }
        let shown = [shown(11_000_000, 1000), shown(1500, 1000), shown(120, 1000), shown(120, 1)];
        assert_eq!(shown, ["11000", "1.5", "0.1", "120"]);
    }
}
