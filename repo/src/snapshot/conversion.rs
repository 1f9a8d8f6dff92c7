//! Whether Git changes a file on its way into a working tree, and whether it is ours. Pure.
//!
//! The rules are those of `gitattributes` (text, eol, crlf, ident, working-tree-encoding, filter) with the settings that they lean
//! on (`core.autocrlf`, `core.eol`, `filter.*`). A file of which this says that it may be converted is handed to Git, who
//! knows; one of which it says that it is not is never looked at again, so in doubt the answer is "maybe".

use crate::settings::parse_bool;
use std::collections::{HashMap, HashSet};

/// The attributes that count here.
pub(super) const NAMES: [&str; 6] = ["filter", "text", "eol", "crlf", "ident", "working-tree-encoding"];

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// It is as Git has it.
    AsIs,
    /// Git may change it.
    Converted,
    /// It is ours.
    Managed,
}

/// Settings.
#[derive(Debug)]
pub(super) struct Rules {
    /// Whether text is converted where no attribute says so.
    by_itself: bool,
    /// Whether lines of text end in CR LF here.
    is_crlf: bool,
    /// Filters that do something at a checkout.
    filters: HashSet<String>,
}

impl Rules {
    /// As this configuration has them.
    pub fn of(config: &HashMap<String, String>) -> Rules {
        let value = |key: &str| config.get(key).map(|value| value.to_ascii_lowercase());
        let auto = value("core.autocrlf");
        let is_input = auto.as_deref() == Some("input");
        let is_auto = !is_input && auto.as_deref().and_then(parse_bool) == Some(true);
        let is_eol = value("core.eol").as_deref() == Some("crlf");
        let filter = |(key, value): (&String, &String)| {
            let name = key.strip_prefix("filter.")?;
            let name = name.strip_suffix(".smudge").or_else(|| name.strip_suffix(".process"))?;
            (!value.is_empty()).then(|| name.to_owned())
        };
        let filters = config.iter().filter_map(filter).collect();
        Rules { by_itself: is_auto, is_crlf: is_auto || (!is_input && is_eol), filters }
    }

    /// What becomes of a file with these attributes; those without value are not among them.
    pub fn handling(&self, attributes: &[(&[u8], &[u8])]) -> Handling {
        let get = |name: &str| {
            let mut found = attributes.iter().filter(|(key, _)| *key == name.as_bytes());
            found.next().and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        let filter = get("filter");
        if filter == Some("dits") {
            return Handling::Managed;
        }
        let encoding = get("working-tree-encoding");
        let is_converted = filter.is_some_and(|filter| self.filters.contains(filter))
            || get("ident") == Some("set")
            || encoding.is_some_and(|name| name != "unset")
            || self.is_crlf(get("text").or_else(|| get("crlf")), get("eol"));
        if is_converted { Handling::Converted } else { Handling::AsIs }
    }

    fn is_crlf(&self, text: Option<&str>, eol: Option<&str>) -> bool {
        match (text, eol) {
            (Some("unset" | "input"), _) | (_, Some("lf")) => false,
            (_, Some("crlf")) => true,
            (Some("set" | "auto"), _) => self.is_crlf,
            _ => self.by_itself,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(config: &[(&str, &str)]) -> Rules {
        Rules::of(&config.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    fn handling(rules: &Rules, attributes: &[(&str, &str)]) -> Handling {
        let bytes: Vec<_> =
            attributes.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        rules.handling(&bytes)
    }

    #[test]
    fn without_settings_only_attributes_convert() {
        let rules = rules(&[("filter.lfs.process", "git-lfs filter-process"), ("filter.none.smudge", "")]);
        for attributes in [
            &[][..],
            &[("text", "set")],
            &[("text", "auto")],
            &[("eol", "lf")],
            &[("text", "unset"), ("eol", "crlf")],
            &[("filter", "none")],
            &[("filter", "unknown")],
            &[("working-tree-encoding", "unset")],
        ] {
            assert_eq!(handling(&rules, attributes), Handling::AsIs, "{attributes:?}");
        }
        for attributes in [
            [("eol", "crlf")],
            [("ident", "set")],
            [("filter", "lfs")],
            [("working-tree-encoding", "UTF-16")],
        ] {
            assert_eq!(handling(&rules, &attributes), Handling::Converted, "{attributes:?}");
        }
        assert_eq!(handling(&rules, &[("filter", "dits"), ("eol", "crlf")]), Handling::Managed);
    }

    #[test]
    fn settings_convert_what_attributes_call_text() {
        let auto = rules(&[("core.autocrlf", "true"), ("core.eol", "lf")]);
        assert_eq!(handling(&auto, &[]), Handling::Converted);
        assert_eq!(handling(&auto, &[("text", "unset")]), Handling::AsIs);
        assert_eq!(handling(&auto, &[("crlf", "unset")]), Handling::AsIs);
        assert_eq!(handling(&auto, &[("text", "auto")]), Handling::Converted);
        let eol = rules(&[("core.eol", "CRLF")]);
        assert_eq!(handling(&eol, &[]), Handling::AsIs);
        assert_eq!(handling(&eol, &[("text", "set")]), Handling::Converted);
        let input = rules(&[("core.autocrlf", "input"), ("core.eol", "crlf")]);
        assert_eq!(handling(&input, &[("text", "set")]), Handling::AsIs);
        assert_eq!(handling(&input, &[]), Handling::AsIs);
    }
}
