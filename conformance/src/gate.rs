//! Verdicts × baseline → exit code.
//!
//! The verdict says what an implementation is; the exit code says whether anybody has to look. A baseline changes only
//! the second.

use crate::{
    baseline::{self, Applied},
    case::Source,
    event::CaseEvent,
    report::Subject,
    tally::Standing,
    verdict::Outcome,
};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was required ran, and passed or failed as the baseline lists it.
    Ok,
    /// A failure that no baseline lists.
    Failed,
    /// A mistake in the command line, in a selection, in a baseline or in another file of the user.
    Usage,
    /// The adapter can't be started, does not introduce itself, answers what it can't know, or dies again and again.
    Unusable,
    /// A listed failure is gone: the baseline has to follow.
    Stale,
    /// Nothing was verified, or something required was not.
    Incomplete,
    /// The suite itself is broken: vectors that are not what the recipes say, an oracle that contradicts itself.
    Integrity,
    /// Stopped by hand; what was judged until then stands.
    Interrupted,
}

impl Exit {
    /// All of them, by code.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Unusable,
        Self::Stale,
        Self::Incomplete,
        Self::Integrity,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unusable => 3,
            Self::Stale => 4,
            Self::Incomplete => 5,
            Self::Integrity => 6,
            Self::Interrupted => 130,
        }
    }

    /// What it means, in a line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "everything required ran, and passed or failed as the baseline lists it",
            Self::Failed => "a failure that the baseline does not list",
            Self::Usage => "wrong option, file or baseline; a pattern that matches nothing",
            Self::Unusable => "the adapter does not start, is not honest, or dies again and again",
            Self::Stale => "only this: the baseline lists failures that are gone",
            Self::Incomplete => "nothing was verified, or a required requirement was not",
            Self::Integrity => "the suite is broken: vectors drifted, or an oracle contradicts itself",
            Self::Interrupted => "stopped by hand; the report holds what was judged until then",
        }
    }
}

/// The exit code of a run that came to its end, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The code.
    pub exit: Exit,
    /// One sentence for a person; empty when all is well.
    pub why: String,
}

impl Gate {
    /// Decides. The first that holds counts: the run was interrupted, the baseline is wrong, an unlisted failure, nothing
    /// verified or something required left out, a stale entry.
    pub fn of(subject: &Subject<'_>) -> Self {
        let tally = subject.tally;
        if tally.interrupted {
            return Self::new(Exit::Interrupted, "the run was stopped by hand".to_owned());
        }
        if let Some(problem) = subject.baseline.and_then(|applied| applied.problems.first()) {
            return Self::new(Exit::Usage, format!("baseline: {problem}"));
        }
        if let Some(probe) = tally.probes.iter().find(|probe| probe.passed == Some(false)) {
            let told = format!("an honesty probe failed, so its answers prove nothing: {}", probe.note);
            return Self::new(Exit::Unusable, told);
        }
        let unlisted = subject.unlisted_failures().count();
        if unlisted > 0 {
            let listed = if subject.baseline.is_some() { " that the baseline does not list" } else { "" };
            let checks = if unlisted == 1 { "1 check".to_owned() } else { format!("{unlisted} checks") };
            let why = match tally.supports_nothing() {
                true => ": whatever is declared is answered as unsupported",
                false => "",
            };
            return Self::new(Exit::Failed, format!("{checks} failed{listed}{why}"));
        }
        if !tally.verified_something() {
            return Self::new(Exit::Incomplete, "no check was made that could have failed".to_owned());
        }
        if let Some(summary) = tally.summary.as_ref().filter(|summary| !summary.complete) {
            let told =
                format!("{} of {} cases were judged: {}", summary.cases, summary.selected, summary.stopped);
            return Self::new(Exit::Incomplete, told);
        }
        if tally.summary.is_none() {
            return Self::new(Exit::Incomplete, "the events end in the middle of the run".to_owned());
        }
        let missing = subject.unexcused();
        if let Some(first) = missing.first() {
            let told = format!(
                "{} required and not verified, {first} among them: an operation or a feature that it needs is not \
                 declared (a smaller --profile does not ask for all)",
                if missing.len() == 1 {
                    "1 requirement is".to_owned()
                } else {
                    format!("{} requirements are", missing.len())
                },
            );
            return Self::new(Exit::Incomplete, told);
        }
        match subject.baseline.map(|applied| applied.stale.as_slice()) {
            Some([(name, _), more @ ..]) => {
                let told = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                Self::new(Exit::Stale, format!("the baseline lists {name}{told}, and it passes now"))
            }
            _ => Self::new(Exit::Ok, String::new()),
        }
    }

    fn new(exit: Exit, why: String) -> Self {
        Self { exit, why }
    }
}

impl Subject<'_> {
    /// Failures that count and that no entry of the baseline expects.
    pub fn unlisted_failures(&self) -> impl Iterator<Item = (&CaseEvent, &crate::verdict::Check)> {
        let expected = |applied: &Applied<'_>, key: &str, name: &str| {
            matches!(applied.standing(key, name), baseline::Standing::Expected(_))
        };
        self.tally.failures(self.strict).filter(move |(case, check)| {
            self.baseline.is_none_or(|applied| !expected(applied, &case.key, &check.name))
        })
    }

    /// Required requirements of the profile that were not verified, and whose cases the baseline does not list as not run.
    /// A run that was narrowed to some cases owes no completeness.
    ///
    /// Where vectors speak for a requirement, they alone have to be listed: which generated cases speak for it as well is
    /// another question with every seed.
    fn unexcused(&self) -> Vec<String> {
        let tally = self.tally;
        let verdict = tally.profile(self.profile, self.strict);
        let Some(verdict) = verdict.filter(|verdict| verdict.standing != Standing::NotJudged) else {
            return Vec::new();
        };
        let excused = |id: &String| {
            let skipped: Vec<_> = tally
                .checks()
                .filter(|(_, check)| {
                    check.outcome == Outcome::NotApplicable && check.requirements.contains(id)
                })
                .collect();
            let is_vector = |case: &CaseEvent| matches!(case.source, Source::Vector { .. });
            let any_vector = skipped.iter().any(|(case, _)| is_vector(case));
            self.baseline.is_some_and(|applied| {
                skipped.iter().filter(|(case, _)| !any_vector || is_vector(case)).all(|(case, check)| {
                    matches!(applied.standing(&case.key, &check.name), baseline::Standing::Expected(_))
                })
            })
        };
        verdict.unverified.into_iter().filter(|id| !excused(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baseline::{Baseline, Date, Seen},
        event::Event,
        tally::{Tally, sample},
    };

    fn gate(events: Vec<Event>, baseline: &str, strict: bool) -> Gate {
        let tally = Tally::new(events).unwrap();
        let baseline = Baseline::parse(baseline).unwrap();
        let seen = Seen::new(&tally.cases);
        let applied = baseline.apply(&seen, Date::from_ymd_opt(2026, 11, 20).unwrap());
        let subject = Subject { baseline: Some(&applied), strict, ..Subject::new(&tally) };
        Gate::of(&subject)
    }

    fn stream(ids: &[usize]) -> Vec<Event> {
        let all = sample::cases();
        let cases: Vec<CaseEvent> = ids.iter().map(|id| all[*id].clone()).collect();
        let mut start = sample::start();
        start.requirements.retain(|brief| cases.iter().any(|case| case.requirements.contains(&brief.id)));
        sample::stream(start, cases)
    }

    const PASS: usize = 0;
    const INFO: usize = 2;
    const FAIL: usize = 3;
    const SKIPPED: usize = 6;

    fn entry(check: &str, kind: &str) -> String {
        format!("[[expect]]\ncheck = \"{check}\"\nkind = \"{kind}\"\nreason = \"r\"\n")
    }

    #[test]
    fn each_code_has_its_cause() {
        let listed = entry("hdr/metadata-longer-than-payload", "fail");
        let table = [
            (Exit::Ok, stream(&[PASS]), String::new()),
            (Exit::Ok, stream(&[PASS, FAIL]), listed.clone()),
            (Exit::Failed, stream(&[PASS, FAIL]), String::new()),
            (Exit::Failed, stream(&[PASS, FAIL]), entry("hdr/metadata-longer-than-payload", "crash")),
            (Exit::Usage, stream(&[PASS]), entry("hdr/magik", "fail")),
            (Exit::Stale, stream(&[PASS]), entry("hdr/magic", "fail")),
            (Exit::Incomplete, stream(&[INFO]), String::new()),
            (Exit::Incomplete, stream(&[PASS, SKIPPED]), String::new()),
            (Exit::Ok, stream(&[PASS, SKIPPED]), entry("ses/**", "not_run")),
        ];
        for (wanted, events, baseline) in table {
            let gate = gate(events, &baseline, false);
            assert_eq!(gate.exit, wanted, "{}\n{baseline}", gate.why);
            assert_eq!(gate.why.is_empty(), wanted == Exit::Ok, "{}", gate.why);
        }
    }

    #[test]
    fn a_failed_probe_outweighs_every_passed_check() {
        let mut events = stream(&[PASS]);
        let note = "an operation that nobody defined was answered".to_owned();
        events.insert(
            1,
            Event::Probe(crate::event::Probe { name: "unknown-op".into(), passed: Some(false), note }),
        );
        let tally = Tally::new(events.clone()).unwrap();
        let standings: Vec<_> = tally.profiles(false).iter().map(|profile| profile.standing).collect();
        assert!(!standings.contains(&Standing::Conformant), "{standings:?}");
        assert_eq!(gate(events, "", false).exit, Exit::Unusable);
    }

    #[test]
    fn generated_cases_need_no_entry_where_vectors_have_one() {
        let with_generated = |vector: bool| {
            let mut generated = sample::cases().remove(SKIPPED);
            generated.key = "gen/sessions/3@0.4".into();
            generated.id = "gen/sessions/3".into();
            generated.source = Source::Generated { seed: 1, index: 3 };
            let mut cases = vec![sample::cases().remove(PASS), generated];
            if vector {
                cases.push(sample::cases().remove(SKIPPED));
            }
            sample::stream(sample::start(), cases)
        };
        assert_eq!(gate(with_generated(true), &entry("ses/**", "not_run"), false).exit, Exit::Ok);
        assert_eq!(gate(with_generated(true), "", false).exit, Exit::Incomplete);
        assert_eq!(gate(with_generated(false), "", false).exit, Exit::Incomplete);
    }

    #[test]
    fn an_unlisted_failure_outweighs_a_stale_entry() {
        let gate = gate(stream(&[PASS, FAIL]), &entry("hdr/magic", "fail"), false);
        assert_eq!(gate.exit, Exit::Failed);
    }

    #[test]
    fn warnings_fail_under_strict_only() {
        let mut case = sample::cases().remove(FAIL);
        case.checks.remove(0);
        let events = || sample::stream(sample::start(), vec![sample::cases().remove(PASS), case.clone()]);
        let unstrict = gate(events(), "", false);
        assert_ne!(unstrict.exit, Exit::Failed, "{}", unstrict.why);
        assert_eq!(gate(events(), "", true).exit, Exit::Failed);
    }

    #[test]
    fn a_run_that_ended_early_is_never_a_success() {
        let mut cut = stream(&[PASS]);
        cut.pop();
        assert_eq!(gate(cut, "", false).exit, Exit::Incomplete);
        let mut stopped = stream(&[PASS]);
        if let Some(Event::Summary(summary)) = stopped.pop() {
            stopped.push(Event::Interrupted(summary));
        }
        assert_eq!(gate(stopped, "", false).exit, Exit::Interrupted);
        let mut partial = stream(&[PASS]);
        if let Some(Event::Summary(mut summary)) = partial.pop() {
            summary.complete = false;
            partial.push(Event::Summary(summary));
        }
        assert_eq!(gate(partial, "", false).exit, Exit::Incomplete);
    }

    #[test]
    fn codes_are_distinct_and_in_order() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 130]);
    }
}
