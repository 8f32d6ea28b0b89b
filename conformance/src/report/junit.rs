//! Events → JUnit XML, for the test pages of CI systems.
//!
//! One suite an area, one test case a check. A missed check that counts is a failure; one that the baseline expects, or
//! that only warns, is skipped with a message, since JUnit knows nothing in between. A crash, a time limit and a fault
//! are errors.

use chrono::DateTime;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Subject, words};
use crate::{
    baseline::Standing,
    case::Level,
    dissect::render::Style,
    event::CaseEvent,
    requirement::area_of,
    tally::counts,
    verdict::{Check, Outcome},
};

/// Columns of the hexdumps inside.
const DUMP: Style = Style { ansi: false, width: 100 };

/// Most characters of an expected or actual value.
const VALUE: usize = 2000;

/// Renders the report.
///
/// # Errors
/// Never in practice: it is written into memory.
pub fn render(subject: &Subject<'_>) -> Result<String, quick_junit::SerializeError> {
    let start = &subject.tally.start;
    let mut report = Report::new(format!("AVP conformance of {}", words::implementation(start)));
    for area in subject.tally.areas() {
        let mut suite = TestSuite::new(format!("{} {}", area.code, area.title));
        suite.add_property(Property::new("seed", start.seed.to_string()));
        suite.add_property(Property::new("suite", start.suite.as_str()));
        if let Some(at) = i64::try_from(start.started).ok().and_then(|at| DateTime::from_timestamp(at, 0)) {
            suite.set_timestamp(at);
        }
        for case in &subject.tally.cases {
            for check in case.checks.iter().filter(|check| area_of_check(case, check) == area.code) {
                suite.add_test_case(test_case(subject, case, check));
            }
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

/// A check that speaks for several areas stands in the first only, so that every check counts once.
fn area_of_check<'a>(case: &'a CaseEvent, check: &'a Check) -> &'a str {
    check.requirements.first().or_else(|| case.requirements.first()).map_or("", |id| area_of(id))
}

fn test_case(subject: &Subject<'_>, case: &CaseEvent, check: &Check) -> TestCase {
    let mut test = TestCase::new(format!("{}#{}", case.key, check.name), status(subject, case, check));
    test.set_classname(check.requirements.join(" "));
    test.set_time(std::time::Duration::from_secs_f64(
        (case.duration_ms / 1000.0).max(0.0) / case.checks.len().max(1) as f64,
    ));
    if check.missed() && !case.stderr.is_empty() {
        test.set_system_err(case.stderr.as_str());
    }
    test
}

fn status(subject: &Subject<'_>, case: &CaseEvent, check: &Check) -> TestCaseStatus {
    let message = || {
        let listed = words::listed(subject, case, check);
        let note = if check.note.is_empty() { words::outcome(check.outcome) } else { &check.note };
        if listed.is_empty() { note.to_owned() } else { format!("{note} ({listed})") }
    };
    if check.outcome == Outcome::NotApplicable {
        let mut status = TestCaseStatus::skipped();
        status.set_message(message());
        return status;
    }
    if !check.missed() {
        return TestCaseStatus::success();
    }
    let excused = matches!(subject.listed(case, check), Standing::Expected(_));
    if excused || !counts(check.level, subject.strict) {
        let mut status = TestCaseStatus::skipped();
        let weight = if check.level == Level::Should { "warning: " } else { "" };
        status.set_message(format!("{weight}{}", message())).set_description(detail(subject, case, check));
        return status;
    }
    let kind = if check.outcome == Outcome::Fail { NonSuccessKind::Failure } else { NonSuccessKind::Error };
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_message(message())
        .set_type(words::outcome(check.outcome))
        .set_description(detail(subject, case, check));
    status
}

fn detail(subject: &Subject<'_>, case: &CaseEvent, check: &Check) -> String {
    let mut text = String::new();
    for requirement in check.requirements.iter().filter_map(|id| subject.tally.requirement(id)) {
        let brief = &requirement.brief;
        text.push_str(&format!(
            "{} {}: {}\n  source: {}\n",
            brief.id,
            words::level(brief.level),
            brief.sentence,
            brief.source
        ));
    }
    text.push_str(&format!("why: {}\n", case.why));
    for (label, value) in [("expected", &check.expected), ("actual", &check.actual)] {
        if !value.is_null() {
            text.push_str(&format!("{label}: {}\n", words::value(value, VALUE)));
        }
    }
    if let Some(step) = words::step_of(case, check) {
        for part in &step.parts {
            text.push_str(&format!("sent: {}\n", words::part(part)));
            if !part.fields.is_empty() {
                text.push_str(&words::dump(case, check.step, part, true, &DUMP));
            }
        }
    }
    text.push_str(&format!("repeat: {}\n", words::repeat(&subject.tally.start, case)));
    text
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::tally::sample;

    #[test]
    fn the_document() {
        assert_snapshot!(render(&Subject::new(&sample::tally())).unwrap());
    }

    #[test]
    fn strict_turns_warnings_into_failures() {
        let tally = sample::tally();
        let count = |strict: bool| {
            let text = render(&Subject { strict, ..Subject::new(&tally) }).unwrap();
            text.matches("<failure").count() + text.matches("<error").count()
        };
        assert_eq!((count(false), count(true)), (3, 4));
    }
}
