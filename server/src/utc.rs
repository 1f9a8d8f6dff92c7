//! Times as people and programs read them: `2026-11-26T16:05:00Z`, always UTC; lives as `90d`.
//!
//! Seconds since 1970. Pure; what cannot be read is `None`.

/// Seconds of a day.
const DAY: u64 = 86_400;
/// The last second that has four digits in its year.
const LAST: u64 = 253_402_300_799;

/// The text of a moment.
pub fn text(seconds: u64) -> String {
    let seconds = seconds.min(LAST);
    let (day, second) = (seconds / DAY, seconds % DAY);
    let (year, month, date) = civil(day);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// The moment of a text; a date alone is its first second.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let date = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    if !(1970..=9999).contains(&date[0]) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = day_of(date);
    // No 30th of February.
    (civil(day) == (date[0], date[1], date[2])).then_some(day * DAY + hour * 3600 + minute * 60 + second)
}

/// A span as `90d`, `12h`, `30m` or `45s`, in seconds.
pub fn span(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => DAY,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(unit)
}

fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut out = [0; 3];
    let mut parts = text.split(separator);
    for (number, digits) in out.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(out)
}

/// Year, month and day of a day since 1970, by years that begin in March: then the leap day is the last (the usual "civil
/// from days" of calendar libraries).
pub fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, date)
}

/// The other way. Any numbers give some day: the caller compares.
fn day_of([year, month, date]: [u64; 3]) -> u64 {
    let (month, year) = (month.clamp(1, 12), if month <= 2 { year - 1 } else { year });
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date.max(1) - 1;
    let (era, of_era) = (year / 400, year % 400);
    let day = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    day.saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_have_known_texts() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_173_107, "2025-11-26T16:05:07Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(seconds), expected);
        }
        assert_eq!(parse("2000-03-01"), Some(951_868_800));
        for bad in
            ["", "2001-02-29", "2000-13-01", "2000-00-01", "2000-01-00", "2000-1-01", "2000-01-01T24:00:00Z"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(
            (span("90d"), span("1h"), span("+1h"), span("d"), span("1")),
            (Some(7_776_000), Some(3600), None, None, None)
        );
        assert_eq!(span("99999999999999999d"), None);
    }

    proptest! {
        #[test]
        fn every_moment_reads_back(seconds in 0..=LAST) {
            prop_assert_eq!(parse(&text(seconds)), Some(seconds));
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[0-9TZ:-]{0,24}") {
            let _ = (parse(&text), span(&text));
        }
    }
}
