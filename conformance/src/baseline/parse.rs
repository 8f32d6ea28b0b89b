//! TOML → baseline.

use serde::Deserialize;

use super::{Baseline, Date, Entry, Kind, Pattern};

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not TOML, or keys that are unknown, missing or of a wrong type; the text shows the place.
    #[error("{0}")]
    Toml(#[from] toml_edit::de::Error),
    /// An entry without a word on why.
    #[error("entry {number} ({check}): reason is empty; say why the implementation deviates")]
    NoReason {
        /// 1 for the first.
        number: usize,
        /// Its first pattern.
        check: String,
    },
    /// An entry that speaks for nothing.
    #[error("entry {number}: check is empty; name at least one check, such as \"hdr/magic/swapped#rejects\"")]
    NoCheck {
        /// 1 for the first.
        number: usize,
    },
    /// A date that is none.
    #[error("entry {number} ({check}): until = \"{until}\" is no date of the form 2027-01-31")]
    Until {
        /// 1 for the first.
        number: usize,
        /// Its first pattern.
        check: String,
        /// What stands there.
        until: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    expect: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    check: OneOrMany,
    kind: Kind,
    reason: String,
    issue: Option<String>,
    max: Option<usize>,
    until: Option<Until>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a check's name or pattern, or a list of them")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a date such as 2027-01-31")]
enum Until {
    Date(toml_edit::Datetime),
    Text(String),
}

impl Baseline {
    /// Reads a baseline file.
    ///
    /// # Errors
    /// [`ParseError`], with the place in the file.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let file: File = toml_edit::de::from_str(text)?;
        let entries = file.expect.into_iter().enumerate().map(|(index, raw)| raw.check(index + 1));
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }
}

impl Raw {
    fn check(self, number: usize) -> Result<Entry, ParseError> {
        let patterns = match self.check {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        let Some(check) = patterns.first().filter(|_| patterns.iter().all(|p| !p.is_empty())).cloned() else {
            return Err(ParseError::NoCheck { number });
        };
        if self.reason.trim().is_empty() {
            return Err(ParseError::NoReason { number, check });
        }
        let until = match self.until.map(Until::into_text) {
            None => None,
            Some(until) => match until.parse::<Date>() {
                Ok(date) => Some(date),
                Err(_) => return Err(ParseError::Until { number, check, until }),
            },
        };
        Ok(Entry {
            patterns: patterns.iter().map(|pattern| Pattern::new(pattern)).collect(),
            kind: self.kind,
            reason: self.reason,
            issue: self.issue,
            max: self.max,
            until,
        })
    }
}

impl Until {
    fn into_text(self) -> String {
        match self {
            Self::Date(date) => date.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_is_read() {
        let baseline = Baseline::parse(
            r#"
            # A comment never carries meaning.
            [[expect]]
            check = "cmp/zstd-bomb/*#rejects"
            kind = "fail"
            reason = "no limit"
            issue = "https://example.org/12"
            max = 6
            until = "2027-01-01"

            [[expect]]
            check = ["kv/a@0.4#payload", "kv/b"]
            kind = "not_run"
            reason = "no KV there"
            until = 2027-01-02
            "#,
        )
        .unwrap();
        assert_eq!(baseline.entries.len(), 2);
        assert_eq!(baseline.entries[0].until, Date::from_ymd_opt(2027, 1, 1));
        assert_eq!(baseline.entries[1].until, Date::from_ymd_opt(2027, 1, 2));
        assert_eq!(baseline.entries[1].kind, Kind::NotRun);
        assert!(baseline.entries[1].patterns[0].fits("kv/a@0.4", "payload"));
        assert!(!baseline.entries[1].patterns[0].fits("kv/a@0.2", "payload"));
        assert!(baseline.entries[1].patterns[1].fits("kv/b@0.2", "anything"));
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let told = |text: &str| Baseline::parse(text).unwrap_err().to_string();
        let missing = told("[[expect]]\ncheck = \"a/b\"\nkind = \"fail\"\n");
        assert!(missing.contains("missing field `reason`"), "{missing}");
        let unknown = told("[[expect]]\ncheck = \"a/b\"\nkind = \"fail\"\nreason = \"r\"\nresaon = \"r\"\n");
        assert!(unknown.contains("unknown field `resaon`") && unknown.contains("line 5"), "{unknown}");
        let kind = told("[[expect]]\ncheck = \"a/b\"\nkind = \"fails\"\nreason = \"r\"\n");
        assert!(kind.contains("unknown variant `fails`"), "{kind}");
        let empty = told("[[expect]]\ncheck = \"a/b\"\nkind = \"fail\"\nreason = \" \"\n");
        assert!(empty.contains("entry 1 (a/b)"), "{empty}");
        let none = told("[[expect]]\ncheck = []\nkind = \"fail\"\nreason = \"r\"\n");
        assert!(none.contains("entry 1"), "{none}");
        let date = told("[[expect]]\ncheck = \"a/b\"\nkind = \"fail\"\nreason = \"r\"\nuntil = \"soon\"\n");
        assert!(date.contains("\"soon\" is no date"), "{date}");
    }
}
