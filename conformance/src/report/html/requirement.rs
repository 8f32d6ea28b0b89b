//! A row a requirement: what it came to, and every missed check below it.

use std::collections::{BTreeMap, HashMap};

use super::{escape::escape, miss, short};
use crate::{
    event::CaseEvent,
    report::{Subject, words},
    requirement::{Basis, area_of},
    tally::{Miss, RequirementVerdict, Status},
    verdict::{Check, Outcome},
};

/// Most missed checks of a requirement that are told in full; one defect mostly shows the same way in all of them.
const FULL: usize = 5;
/// Most further checks of a requirement that are named.
const NAMED: usize = 40;
/// Most records of a requirement that are told.
const RECORDS: usize = 12;
/// Most reasons for not running checks of a requirement that are told.
const REASONS: usize = 8;
/// Most checks that hold that are named.
const HELD: usize = 8;
/// Most rows: the catalogue has a quarter of that, and events may name what they like.
pub(super) const ROWS: usize = 2000;
/// Bytes of the page after which missed checks are only named: what a browser still shows at once.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// What the checks that speak for a requirement came to.
#[derive(Default)]
struct Found<'a> {
    missed: Vec<Miss<'a>>,
    records: Vec<(&'a CaseEvent, &'a Check)>,
    skipped: BTreeMap<&'a str, usize>,
    held: Vec<(&'a CaseEvent, &'a Check)>,
}

/// All rows, by area.
pub(super) struct Rows<'a> {
    subject: Subject<'a>,
    found: HashMap<&'a str, Found<'a>>,
    /// Where a missed check is told in full.
    told: HashMap<String, usize>,
    anchors: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(subject: &Subject<'a>) -> Self {
        let mut found: HashMap<&str, Found<'a>> = HashMap::new();
        // In the order of the causes, which puts the plainest first.
        for cause in subject.tally.causes() {
            for miss in cause.misses {
                for id in &miss.check.requirements {
                    found.entry(id).or_default().missed.push(miss);
                }
            }
        }
        for (case, check) in subject.tally.checks() {
            for id in &check.requirements {
                let of = found.entry(id).or_default();
                match check.outcome {
                    Outcome::NotApplicable => *of.skipped.entry(check.note.as_str()).or_default() += 1,
                    Outcome::Pass => of.held.push((case, check)),
                    Outcome::Info => of.records.push((case, check)),
                    _ if check.level == crate::case::Level::May => of.records.push((case, check)),
                    _ => {}
                }
            }
        }
        Self { subject: *subject, found, told: HashMap::new(), anchors: 0 }
    }

    /// Writes the sections of all areas.
    pub(super) fn write(&mut self, out: &mut String) {
        let tally = self.subject.tally;
        let titles: HashMap<String, String> =
            tally.areas().into_iter().map(|area| (area.code, area.title)).collect();
        let mut area = "";
        for (number, verdict) in tally.requirements.iter().enumerate().take(ROWS) {
            let code = area_of(&verdict.brief.id);
            if code != area || number == 0 {
                if number > 0 {
                    out.push_str("</section>\n");
                }
                let title = titles.get(code).map(String::as_str).unwrap_or_default();
                out.push_str(&format!(
                    "<section class=\"area\" id=\"a{number}\">\n<h3>{} <span>{}</span></h3>\n",
                    short(code, 40),
                    short(title, 200)
                ));
                area = code;
            }
            self.row(out, number, verdict);
        }
        if !tally.requirements.is_empty() {
            out.push_str("</section>\n");
        }
        if tally.requirements.len() > ROWS {
            out.push_str(&format!("<p>{} more are left out.</p>\n", tally.requirements.len() - ROWS));
        }
    }

    fn row(&mut self, out: &mut String, number: usize, verdict: &RequirementVerdict) {
        let brief = &verdict.brief;
        let status = super::status_class(verdict.status);
        let found = self.found.remove(brief.id.as_str()).unwrap_or_default();
        let checks = match (verdict.missed, verdict.checks) {
            (0, checks) => words::count(checks, "check"),
            (missed, checks) => format!("{missed} of {}", words::count(checks, "check")),
        };
        out.push_str(&format!(
            "<details class=\"row\" id=\"r{number}\" data-area=\"{}\" data-level=\"{}\" data-verdict=\"{status}\">\n\
             <summary><span class=\"word {status}\">{}</span> <span class=\"id\">{}</span> <span class=\"level\">{}</span> \
             <span class=\"say\">{}</span> <span class=\"n\">{checks}</span></summary>\n<div class=\"inside\">\n\
             <p class=\"note\">{} · {}{}</p>\n",
            short(area_of(&brief.id), 40),
            words::level(brief.level),
            super::status_word(verdict.status),
            short(&brief.id, 60),
            words::level(brief.level),
            short(&brief.sentence, 2000),
            if brief.source.is_empty() { "no source".to_owned() } else { format!("Source: {}", short(&brief.source, 300)) },
            basis(brief.basis),
            if verdict.required { " · required of everyone" } else { "" },
        ));
        self.missed(out, &found.missed);
        records(out, &found.records);
        skipped(out, &found.skipped);
        held(out, &found.held, verdict.status);
        out.push_str("</div>\n</details>\n");
    }

    fn missed(&mut self, out: &mut String, missed: &[Miss<'_>]) {
        let mut named = Vec::new();
        let mut full = 0;
        // After the plainest, those that were made small: each shows another way to miss it.
        let small = |miss: &Miss<'_>| {
            let found = &self.subject.tally.counterexamples;
            found.iter().any(|found| found.key == miss.case.key && found.check == miss.check.name)
        };
        let (first, rest) = missed.split_at(missed.len().min(1));
        let mut rest: Vec<&Miss<'_>> = rest.iter().collect();
        rest.sort_by_key(|miss| !small(miss));
        for miss in first.iter().chain(rest) {
            let name = miss.name();
            if let Some(anchor) = self.told.get(&name) {
                named.push(format!("<a href=\"#m{anchor}\"><code>{}</code></a>", short(&name, 300)));
            } else if full < FULL && out.len() < PAGE_BYTES {
                full += 1;
                self.anchors += 1;
                self.told.insert(name, self.anchors);
                miss::write(out, &self.subject, miss, self.anchors);
            } else {
                named.push(format!("<code>{}</code>", short(&name, 300)));
            }
        }
        list(out, if full > 0 { "Missed as well" } else { "Missed" }, &named, NAMED);
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Stated => "stated in a published text",
        Basis::InferredFromSdk => "inferred from the SDK",
        Basis::ProposedExtension => "proposed: it warns at most",
    }
}

fn records(out: &mut String, records: &[(&CaseEvent, &Check)]) {
    let told: Vec<String> = records
        .iter()
        .take(RECORDS + 1)
        .map(|(case, check)| {
            let note =
                if check.note.is_empty() { words::value(&check.actual, 200) } else { check.note.clone() };
            format!("<code>{}</code> {}", short(&name(case, check), 300), short(&note, 300))
        })
        .collect();
    listed(out, "Recorded, never counted", &told, RECORDS, records.len());
}

fn skipped(out: &mut String, skipped: &BTreeMap<&str, usize>) {
    let told: Vec<String> = skipped
        .iter()
        .map(|(why, checks)| {
            let why = if why.is_empty() { "does not apply" } else { why };
            format!("{}: {}", words::count(*checks, "check"), short(why, 300))
        })
        .collect();
    list(out, "Not run", &told, REASONS);
}

fn held(out: &mut String, held: &[(&CaseEvent, &Check)], status: Status) {
    let told: Vec<String> = held
        .iter()
        .take(HELD + 1)
        .map(|(case, check)| format!("<code>{}</code>", short(&name(case, check), 300)))
        .collect();
    let label = if status == Status::Pass { "All hold" } else { "These hold" };
    listed(out, label, &told, HELD, held.len());
}

fn name(case: &CaseEvent, check: &Check) -> String {
    format!("{}#{}", case.key, check.name)
}

fn list(out: &mut String, label: &str, items: &[String], most: usize) {
    listed(out, label, items, most, items.len());
}

/// At most `most` of the items, which are markup already; `all` says how many there are.
fn listed(out: &mut String, label: &str, items: &[String], most: usize, all: usize) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("<p class=\"label\">{}</p>\n<ul class=\"names\">\n", escape(label)));
    items.iter().take(most).for_each(|item| out.push_str(&format!("<li>{item}</li>\n")));
    if all > most {
        out.push_str(&format!("<li>and {} more</li>\n", all - most));
    }
    out.push_str("</ul>\n");
}
