//! What our own programs wrote down while they were measured: sums over their trace. Pure.
//!
//! Lines that are not understood are left out: the trace may be of an older program.

use std::collections::BTreeMap;

use serde_json::Value;

/// For each event how often it came, and as `event.field` the sum of each number in it; and the largest
/// `peak_rss_bytes` of all.
pub(super) fn sums(text: &str) -> (BTreeMap<String, u64>, Option<u64>) {
    let (mut sums, mut peak) = (BTreeMap::new(), None);
    for line in text.lines() {
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else { continue };
        let Some(event) = fields.get("event").and_then(Value::as_str) else { continue };
        *sums.entry(event.to_owned()).or_insert(0) += 1;
        for (name, value) in &fields {
            match value.as_u64() {
                Some(number) if name == "peak_rss_bytes" => peak = peak.max(Some(number)),
                Some(number) => *sums.entry(format!("{event}.{name}")).or_insert(0) += number,
                None => {}
            }
        }
    }
    (sums, peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_and_their_numbers_added() {
        let text = r#"{"event":"push","chunks":2,"remote":"x","peak_rss_bytes":5}
nonsense
{"event":"push","chunks":3,"peak_rss_bytes":9}
{"chunks":7}
"#;
        let (sums, peak) = sums(text);
        let expected = [("push".to_owned(), 2), ("push.chunks".to_owned(), 5)];
        assert_eq!(sums, expected.into());
        assert_eq!(peak, Some(9));
    }
}
