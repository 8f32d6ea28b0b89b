//! Events → what a step of a GitHub workflow shows: a summary, and annotations beside it.

use super::{Subject, markdown, words};
use crate::tally::{Cause, counts};

/// Most annotations of a kind that GitHub keeps of a step.
pub const ANNOTATIONS: usize = 10;

/// Most bytes of a summary: GitHub drops one of more than a mebibyte as a whole.
pub const SUMMARY_BYTES: usize = 1000 * 1000;

/// Most characters of a title or of a line of a message.
const LINE: usize = 300;

/// The summary of a step: the Markdown report, with as many causes in full as there is room for.
pub fn summary(subject: &Subject<'_>) -> String {
    summary_within(subject, SUMMARY_BYTES)
}

fn summary_within(subject: &Subject<'_>, limit: usize) -> String {
    let mut full = markdown::FULL;
    loop {
        let text = markdown::render_with(subject, full);
        if text.len() <= limit || full == 0 {
            return text;
        }
        full /= 2;
    }
}

/// Workflow commands, a line each: an error a cause that fails, a warning a cause that warns. Of each at most
/// [`ANNOTATIONS`], the last of which counts the others.
pub fn annotations(subject: &Subject<'_>) -> Vec<String> {
    let causes = subject.tally.causes();
    let expected = |cause: &&Cause<'_>| {
        cause.misses.iter().all(|miss| {
            matches!(subject.listed(miss.case, miss.check), crate::baseline::Standing::Expected(_))
        })
    };
    let unexpected = causes.iter().filter(|cause| !expected(cause));
    let (failures, warnings): (Vec<_>, Vec<_>) =
        unexpected.partition(|cause| counts(cause.level, subject.strict));
    let mut lines = annotated(subject, "error", &failures);
    lines.extend(annotated(subject, "warning", &warnings));
    lines
}

fn annotated(subject: &Subject<'_>, kind: &str, causes: &[&Cause<'_>]) -> Vec<String> {
    let shown = if causes.len() > ANNOTATIONS { ANNOTATIONS - 1 } else { causes.len() };
    let mut lines: Vec<String> =
        causes[..shown].iter().map(|cause| annotation(subject, kind, cause)).collect();
    if causes.len() > shown {
        let names: Vec<&str> = causes[shown..].iter().map(|cause| cause.name).collect();
        let told =
            format!("and {} more: {}", causes.len() - shown, words::shorten(&names.join(", "), 2 * LINE));
        lines.push(command(kind, "AVP conformance", &told));
    }
    lines
}

fn annotation(subject: &Subject<'_>, kind: &str, cause: &Cause<'_>) -> String {
    let first = &cause.misses[0];
    let id = cause.requirements.first().copied().unwrap_or_default();
    let title = format!("{id} {}: {}", words::level(cause.level), words::shorten(cause.name, LINE));
    let note =
        if first.check.note.is_empty() { words::outcome(first.check.outcome) } else { &first.check.note };
    let told = format!(
        "{}: {}\n{}\nrepeat: {}",
        words::shorten(&first.name(), LINE),
        words::shorten(note, LINE),
        words::shorten(&first.case.why, LINE),
        words::shorten(&words::repeat(&subject.tally.start, first.case), 2 * LINE)
    );
    command(kind, &title, &told)
}

fn command(kind: &str, title: &str, message: &str) -> String {
    format!("::{kind} title={}::{}", property(title), data(message))
}

/// The rest of a command's line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, which ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::CaseEvent,
        tally::{Tally, sample},
    };

    fn flood(number: usize) -> Tally {
        let one = sample::cases().remove(5);
        let cases: Vec<CaseEvent> = (0..number)
            .map(|number| {
                let mut case = one.clone();
                case.key = format!("kv/flood/{number:03}@0.4");
                case.bug = Some(format!("flood-{number:03}"));
                case
            })
            .collect();
        Tally::new(sample::stream(sample::start(), cases)).unwrap()
    }

    #[test]
    fn one_line_a_cause() {
        let tally = sample::tally();
        let lines = annotations(&Subject::new(&tally));
        assert_eq!(lines.len(), tally.causes().len());
        assert!(
            lines[0].starts_with("::error title=AVP-HDR-019 MUST%3A metadata-length-unchecked::hdr/"),
            "{}",
            lines[0]
        );
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert!(lines[0].contains("%0Arepeat: avp-conformance run"));
    }

    #[test]
    fn no_more_than_are_kept_and_the_rest_is_counted() {
        let lines = annotations(&Subject::new(&flood(12)));
        assert_eq!(lines.len(), ANNOTATIONS);
        assert!(lines[9].contains("and 3 more: flood-009, flood-010, flood-011"), "{}", lines[9]);
        assert_eq!(annotations(&Subject::new(&flood(10))).len(), 10);
        assert!(!annotations(&Subject::new(&flood(10)))[9].contains("more:"));
    }

    #[test]
    fn what_an_adapter_says_starts_no_command() {
        let mut cases = sample::cases();
        cases[5].checks[0].note = "100%\r\n::set-output name=x::y\n::error::z".into();
        cases[5].bug = Some("a,b:c\n::warning::d".into());
        let tally = Tally::new(sample::stream(sample::start(), cases)).unwrap();
        for line in annotations(&Subject::new(&tally)) {
            assert!(!line.contains(['\n', '\r']), "{line}");
            let (head, _) = line[2..].split_once("::").unwrap();
            assert!(!head.contains(',') && head.matches(':').count() == 0, "{head}");
        }
        assert_eq!(data("100%\r\n"), "100%25%0D%0A");
    }

    #[test]
    fn a_summary_fits_however_much_there_is_to_tell() {
        let tally = flood(40);
        let subject = Subject::new(&tally);
        let whole = summary(&subject);
        let small = summary_within(&subject, whole.len() / 2);
        assert!(small.len() <= whole.len() / 2, "{} {}", small.len(), whole.len());
        assert!(small.contains("NOT CONFORMANT") && small.contains("flood-039"), "{small}");
    }
}
