//! `list`: what there is to ask, and what tests what.

use std::collections::{BTreeMap, BTreeSet};

use avp_conformance::{
    case::{Case, Level, Source},
    check::{CASES_PER_AREA, FEWER},
    coverage::{Coverage, Tested},
    gate::Exit,
    requirement::{Catalogue, Requirement, area_of},
    select::level_of,
    tally::PROFILES,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    console,
    selection::{self, SelectionArgs},
    suite::{self, MOST_PER_AREA},
};

/// What to list.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance list                                 the golden vectors
  avp-conformance list --area KV --level must
  avp-conformance list requirements --area HDR
  avp-conformance list --coverage                      requirement by requirement: what tests it, or why nothing does
  avp-conformance list areas --json
")]
pub(super) struct ListArgs {
    /// What
    #[arg(value_enum, value_name = "WHAT", default_value = "cases")]
    what: What,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Requirements with the cases that test them, or the reason why none does
    #[arg(long)]
    coverage: bool,
    /// Generated cases too; areas are always listed with them
    #[arg(long)]
    generated: bool,
    /// Generated cases an area, as `run` takes it
    #[arg(long, value_name = "N", default_value_t = CASES_PER_AREA, value_parser = clap::value_parser!(u32).range(..=MOST_PER_AREA))]
    cases: u32,
    /// One JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Cases, each with its dialects, weight and requirements
    Cases,
    /// Requirements, each with its weight and the number of its cases
    Requirements,
    /// Areas of requirements, with the number of golden vectors and generated cases, each dialect counted
    Areas,
    /// Profiles: sets of areas that an implementation can conform to
    Profiles,
}

/// Runs it.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let generated = args.generated
        || args.what == What::Areas
        || args.selection.id.iter().any(|id| id.starts_with("gen"));
    let per_area = if generated { args.cases } else { 0 };
    let all = suite::cases(suite::DEFAULT_SEED, per_area, &args.selection.id)?;
    let profile = args.selection.profile.unwrap_or_else(selection::default_profile);
    let selection = args.selection.selection(profile);
    let cases = selection::apply(&selection, all)?;
    if args.coverage {
        return coverage_table(&cases, args);
    }
    let rows = match args.what {
        What::Cases => case_rows(&cases),
        What::Requirements => requirement_rows(&cases),
        What::Areas => area_rows(&cases),
        What::Profiles => profile_rows(),
    };
    print(rows, args, "")
}

/// The rows, and behind them, for people, one line more.
fn print(rows: Vec<Row>, args: &ListArgs, last: &str) -> anyhow::Result<Exit> {
    if args.json {
        let values: Vec<Value> = rows.into_iter().map(|row| row.value).collect();
        console::print(&format!("{}\n", serde_json::to_string_pretty(&values)?))?;
    } else {
        console::print(&format!("{}{last}", table(&rows)))?;
    }
    Ok(Exit::Ok)
}

/// One line for people, one value for scripts.
struct Row {
    cells: Vec<String>,
    rest: String,
    value: Value,
}

fn case_rows(cases: &[Case]) -> Vec<Row> {
    let mut by_id: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_id.entry(&case.id).or_default().push(case);
    }
    let row = |(id, cases): (&str, Vec<&Case>)| {
        let first = cases[0];
        let specs: Vec<&str> = cases.iter().map(|case| case.spec.as_str()).collect();
        let level = level_name(level_of(first, Catalogue::embedded()));
        Row {
            cells: vec![id.to_owned(), specs.join(","), level.to_owned()],
            rest: first.requirements.join(" "),
            value: json!({
                "id": id, "specs": specs, "level": level, "requirements": first.requirements, "why": first.why,
                "bug": first.bug, "ambiguity": first.ambiguity, "requires": first.requires,
                "ops": first.steps.iter().map(|step| step.op.as_str()).collect::<Vec<_>>(),
            }),
        }
    };
    by_id.into_iter().map(row).collect()
}

fn requirement_rows(cases: &[Case]) -> Vec<Row> {
    let row = |(requirement, cases): (&Requirement, Vec<&str>)| Row {
        cells: vec![
            requirement.id.clone(),
            level_name(requirement.effective_level()).to_owned(),
            format!("{} cases", cases.len()),
        ],
        rest: requirement.sentence.clone(),
        value: json!({
            "id": requirement.id, "level": level_name(requirement.effective_level()), "basis": requirement.basis,
            "sentence": requirement.sentence, "source": requirement.source, "cases": cases,
        }),
    };
    tested(cases).into_iter().map(row).collect()
}

fn area_rows(cases: &[Case]) -> Vec<Row> {
    let tested = tested(cases);
    let row = |area: &avp_conformance::requirement::Area| {
        let here: Vec<_> = tested.iter().filter(|(requirement, _)| requirement.area() == area.code).collect();
        let of_area = |case: &&Case| case.requirements.iter().any(|id| area_of(id) == area.code);
        let is_generated = |case: &&Case| matches!(case.source, Source::Generated { .. });
        let (generated, vectors) = (
            cases.iter().filter(of_area).filter(is_generated).count(),
            cases.iter().filter(of_area).filter(|case| !is_generated(case)).count(),
        );
        let fewer = FEWER.iter().find(|(code, _)| *code == area.code).map(|(_, why)| *why);
        let mut ids: Vec<&str> = here.iter().flat_map(|(_, cases)| cases.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        (!here.is_empty()).then(|| Row {
            cells: vec![
                area.code.clone(),
                format!("{} of {} requirements", here.len(), area.count),
                format!("{vectors} vectors"),
                format!("{generated} generated"),
            ],
            rest: fewer.map_or_else(|| area.title.clone(), |why| format!("{} ({why})", area.title)),
            value: json!({
                "code": area.code, "title": area.title, "requirements": area.count, "tested": here.len(),
                "cases": ids.len(), "vectors": vectors, "generated": generated, "fewer": fewer,
            }),
        })
    };
    Catalogue::embedded().areas().iter().filter_map(row).collect()
}

fn profile_rows() -> Vec<Row> {
    let row = |profile: &avp_conformance::tally::Profile| {
        let areas = if profile.areas.is_empty() { "all".to_owned() } else { profile.areas.join(",") };
        Row {
            cells: vec![profile.name.to_owned(), areas],
            rest: profile.about.to_owned(),
            value: json!({"name": profile.name, "areas": profile.areas, "about": profile.about}),
        }
    };
    PROFILES.iter().map(row).collect()
}

/// Every requirement that the areas ask for. Cases that are asked for by id narrow it to what these test.
fn coverage_table(cases: &[Case], args: &ListArgs) -> anyhow::Result<Exit> {
    let coverage = Coverage::embedded()?;
    let narrowed = !args.selection.id.is_empty() || !args.selection.skip.is_empty();
    let asked = |id: &str| {
        let area = area_of(id);
        let areas = &args.selection.area;
        (areas.is_empty() || areas.iter().any(|code| code.eq_ignore_ascii_case(area)))
            && (!narrowed || cases.iter().any(|case| case.requirements.iter().any(|tested| tested == id)))
    };
    let rows = coverage.tested.iter().filter(|(id, _)| asked(id));
    let rows = rows.map(|(id, tested)| coverage_row(id, tested, coverage.reason(id))).collect();
    print(rows, args, &format!("\n{}\n", coverage.count(asked)))
}

fn coverage_row(id: &str, tested: &Tested, reason: Option<&str>) -> Row {
    let level = Catalogue::embedded().get(id).map_or("", |known| level_name(known.effective_level()));
    let ids = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>();
    let properties: Vec<&String> = tested.properties.keys().collect();
    let rest = match reason {
        Some(reason) => format!("excluded: {reason}"),
        None => {
            let vectors = tested.accepts.iter().chain(&tested.refuses);
            let all: Vec<&str> = vectors.chain(properties.iter().copied()).map(String::as_str).collect();
            format!("{}: {}", tested.needs(), all.join(" "))
        }
    };
    Row {
        cells: vec![
            id.to_owned(),
            level.to_owned(),
            format!("{} accept", tested.accepts.len()),
            format!("{} refuse", tested.refuses.len()),
            format!("{} generated", properties.len()),
        ],
        rest,
        value: json!({
            "id": id, "level": level, "positive": ids(&tested.accepts), "negative": ids(&tested.refuses),
            "properties": properties, "needs": ids(&tested.always), "needs_one_of": ids(&tested.sometimes),
            "excluded": reason,
        }),
    }
}

/// Requirements that the cases test, in the order of the catalogue, with the ids of those cases.
fn tested(cases: &[Case]) -> Vec<(&'static Requirement, Vec<&str>)> {
    let mut by_requirement: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases {
        for id in &case.requirements {
            let ids = by_requirement.entry(id).or_default();
            if ids.last() != Some(&case.id.as_str()) {
                ids.push(&case.id);
            }
        }
    }
    let known = Catalogue::embedded().requirements().iter();
    known
        .filter_map(|requirement| Some((requirement, by_requirement.remove(requirement.id.as_str())?)))
        .collect()
}

/// Columns as wide as their widest cell; the last one runs on.
fn table(rows: &[Row]) -> String {
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.cells.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(row.rest.trim_end());
        text.push('\n');
    }
    text
}

/// `MUST`, `SHOULD`, `MAY`.
pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
}
