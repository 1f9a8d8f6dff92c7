//! `git dits serve --faults FILE`: a server that fails as told, to see what clients make of it.
//!
//! The file has one rule to a line, each an object of JSON. Empty lines, and lines that begin with `#`, say nothing.
//!
//! ```text
//! {"seed": 7}
//! {"store": "commit", "nth": 2, "fault": "enospc"}
//! {"store": "read", "per_mille": 10, "fault": "delay", "ms": 50}
//! {"stream": "push", "repository": "team/a", "number": 1, "direction": "in", "after": 1000000, "fault": "reset"}
//! {"stream": "any", "direction": "out", "after": 0, "fault": "throttle", "value": 100000}
//! ```
//!
//! * `seed` is for chance; the last one counts.
//! * `store` names an operation: `has`, `read`, `bindings`, `put`, `bind`, `checkpoint`, `commit`, `remove`, `visit`. One of `nth` (from 1),
//!   `every` and `per_mille` says which calls, counted over all realms and streams. `fault` is `eio`, `enospc`, `delay` (with `ms`),
//!   `hang` (until the server ends), and of `read` also `truncate`, `wrong`, `corrupt`.
//! * `stream` is `push`, `pull`, `git`, `locks` or `any`; `repository` and `number` (the n-th such stream, from 1) are optional.
//!   `direction` is from the server's side, `after` counts bytes behind the hello. `fault` is `reset`, `black-hole`,
//!   `truncate`, `delay` (`value`: milliseconds), `corrupt` (`value`: XOR of the byte, 1 to 255), `throttle` (`value`: bytes a second).
//!
//! Always holds: without a file nothing here changes anything, and with one only this machine is served. Fails as
//! [`FaultsError`], which names the line; a file is taken as a whole or not at all.

use dits_net::Stream;
use dits_net::faulty::{self as net, Direction};
use dits_store::faulty::{self as store, Faulty, Operation, Plan, When};
use dits_sync::message::{Hello, Purpose};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What goes wrong at a server.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Arc<Plan>,
    /// With the streams that each has counted.
    streams: Vec<(StreamRule, AtomicU64)>,
}

/// A line that is no rule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct FaultsError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Debug)]
struct StreamRule {
    purpose: Option<&'static str>,
    repository: Option<String>,
    number: Option<u64>,
    rule: net::Rule,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedLine {
    seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreLine {
    store: String,
    nth: Option<u64>,
    every: Option<u64>,
    per_mille: Option<u16>,
    fault: String,
    ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamLine {
    stream: String,
    repository: Option<String>,
    number: Option<u64>,
    direction: String,
    after: u64,
    fault: String,
    value: Option<u64>,
}

impl Faults {
    /// Reads a file of rules.
    pub fn parse(text: &str) -> Result<Faults, FaultsError> {
        let (mut seed, mut rules, mut streams) = (0, Vec::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let wrong = |why: String| FaultsError { line, why };
            let value: serde_json::Value =
                serde_json::from_str(text).map_err(|_| wrong("not JSON".into()))?;
            if value.get("store").is_some() {
                rules.push(read(value).and_then(StoreLine::rule).map_err(wrong)?);
            } else if value.get("stream").is_some() {
                let rule = read(value).and_then(StreamLine::rule).map_err(wrong)?;
                streams.push((rule, AtomicU64::new(0)));
            } else {
                seed = read::<SeedLine>(value).map_err(wrong)?.seed;
            }
        }
        Ok(Faults { plan: Arc::new(Plan::new(seed, rules)), streams })
    }

    /// A store as these rules make it.
    pub(crate) fn store<S>(&self, store: S) -> Faulty<S> {
        Faulty::new(store, self.plan.clone())
    }

    /// A stream as these rules make it, after its hello.
    pub(crate) fn stream(&self, hello: &Hello, stream: Stream) -> Stream {
        let purpose = match hello.purpose {
            Purpose::Push => "push",
            Purpose::Pull => "pull",
            Purpose::Git { .. } => "git",
            Purpose::Locks => "locks",
            Purpose::Login { .. } => return stream,
        };
        let strikes = |(rule, count): &(StreamRule, AtomicU64)| {
            let fits = rule.purpose.is_none_or(|wanted| wanted == purpose)
                && rule.repository.as_ref().is_none_or(|wanted| *wanted == hello.repository);
            let number = if fits { count.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
            (fits && rule.number.is_none_or(|wanted| wanted == number)).then_some(rule.rule)
        };
        let rules: Vec<net::Rule> = self.streams.iter().filter_map(strikes).collect();
        net::wrap(stream, &rules)
    }

    /// Lets everything go on that hangs: the server ends.
    pub(crate) fn release(&self) {
        self.plan.release();
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: serde_json::Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

impl StoreLine {
    fn rule(self) -> Result<store::Rule, String> {
        let when = match (self.nth, self.every, self.per_mille) {
            (Some(n), None, None) => When::Nth(n),
            (None, Some(k), None) => When::Every(k),
            (None, None, Some(share)) => When::PerMille(share),
            _ => return Err("one of 'nth', 'every' and 'per_mille' is needed".into()),
        };
        let operation: Operation = self.store.parse().map_err(|error: store::RuleError| error.to_string())?;
        let fault = store::Fault::named(&self.fault, self.ms).map_err(|error| error.to_string())?;
        store::Rule::new(operation, when, fault).map_err(|error| error.to_string())
    }
}

impl StreamLine {
    fn rule(self) -> Result<StreamRule, String> {
        let purpose = match self.stream.as_str() {
            "push" => Some("push"),
            "pull" => Some("pull"),
            "git" => Some("git"),
            "locks" => Some("locks"),
            "any" => None,
            other => return Err(format!("unknown stream '{other}'")),
        };
        let direction = match self.direction.as_str() {
            "in" => Direction::In,
            "out" => Direction::Out,
            other => return Err(format!("unknown direction '{other}'")),
        };
        if self.number == Some(0) {
            return Err("streams are counted from 1".into());
        }
        let fault = match (self.fault.as_str(), self.value) {
            ("reset", None) => net::Fault::Reset,
            ("black-hole", None) => net::Fault::BlackHole,
            ("truncate", None) => net::Fault::Truncate,
            ("delay", Some(ms)) => net::Fault::Delay(Duration::from_millis(ms)),
            ("corrupt", Some(mask @ 1..=255)) => net::Fault::Corrupt(mask as u8),
            ("throttle", Some(rate @ 1..)) => net::Fault::Throttle(rate),
            (other, _) => {
                return Err(format!("unknown fault '{other}', or its value is missing or out of bounds"));
            }
        };
        let rule = net::Rule { direction, after: self.after, fault };
        Ok(StreamRule { purpose, repository: self.repository, number: self.number, rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_read() {
        let text = r#"
            # a comment
            {"seed": 7}
            {"store": "commit", "nth": 2, "fault": "enospc"}
            {"store": "read", "per_mille": 10, "fault": "delay", "ms": 50}
            {"stream": "push", "repository": "team/a", "number": 1, "direction": "in", "after": 9, "fault": "reset"}
            {"stream": "any", "direction": "out", "after": 0, "fault": "throttle", "value": 100000}
            {"stream": "locks", "direction": "out", "after": 0, "fault": "reset"}
        "#;
        let faults = Faults::parse(text).unwrap();
        assert_eq!(faults.streams.len(), 3);
        let expected = net::Rule { direction: Direction::In, after: 9, fault: net::Fault::Reset };
        assert_eq!(faults.streams[0].0.rule, expected);
        assert!(Faults::parse("").unwrap().streams.is_empty());
    }

    #[test]
    fn a_damaged_line_is_named() {
        let lines = [
            ("{", "not JSON"),
            ("[]", "invalid"),
            (r#"{"seed": "x"}"#, "invalid"),
            (r#"{"store": "reed", "nth": 1, "fault": "eio"}"#, "unknown operation 'reed'"),
            (r#"{"store": "read", "fault": "eio"}"#, "one of 'nth'"),
            (r#"{"store": "read", "nth": 1, "every": 2, "fault": "eio"}"#, "one of 'nth'"),
            (r#"{"store": "has", "nth": 1, "fault": "wrong"}"#, "changes bytes"),
            (r#"{"store": "read", "nth": 1, "fault": "delay"}"#, "milliseconds"),
            (r#"{"store": "read", "nth": 1, "fault": "eio", "typo": 1}"#, "unknown field `typo`"),
            (
                r#"{"stream": "pish", "direction": "in", "after": 1, "fault": "reset"}"#,
                "unknown stream 'pish'",
            ),
            (
                r#"{"stream": "push", "direction": "up", "after": 1, "fault": "reset"}"#,
                "unknown direction 'up'",
            ),
            (r#"{"stream": "push", "direction": "in", "after": -1, "fault": "reset"}"#, "invalid value"),
            (
                r#"{"stream": "push", "direction": "in", "after": 1, "fault": "corrupt", "value": 256}"#,
                "bounds",
            ),
            (r#"{"stream": "push", "direction": "in", "after": 1, "fault": "reset", "number": 0}"#, "from 1"),
        ];
        for (line, why) in lines {
            let error = Faults::parse(&format!("{{\"seed\": 1}}\n\n{line}\n")).unwrap_err();
            assert_eq!(error.line, 3, "{line}");
            assert!(error.to_string().contains(why), "{line}: {error}");
        }
    }
}
