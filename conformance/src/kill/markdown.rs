//! The kill matrix as a page.

use std::collections::{BTreeMap, BTreeSet};

use super::mutant::Group;
use super::trial::{Standing, Trial};
use crate::case::Level;
use crate::requirement::{Catalogue, area_of};

/// Cells of a row: mutant, what is wrong, breaks, first check, by, missed, alone.
const CELLS: usize = 7;

/// Heading of the mutants that no check is meant to catch.
const PROBES: &str = "Stopped by a probe";

/// The page. Mutants that were not tried this time keep the row that they have in `previous`.
pub fn markdown(trials: &[Trial], previous: &str) -> String {
    let before = rows_of(previous);
    let mut rows: BTreeMap<String, (String, [String; CELLS])> = BTreeMap::new();
    for trial in trials {
        let made = row(trial);
        let kept = (trial.standing == Standing::NotBuilt).then(|| before.get(&trial.mutant)).flatten();
        let cells = kept.map_or(made, Clone::clone);
        rows.insert(trial.mutant.clone(), (section(trial), cells));
    }
    let mut page = head(&rows);
    let catalogue = Catalogue::embedded();
    let areas = catalogue.areas().iter().map(|area| (area.code.clone(), area.title.clone()));
    for (code, title) in areas.chain([(PROBES.to_owned(), String::new())]) {
        let of: Vec<_> = rows.values().filter(|(section, _)| *section == code).collect();
        if of.is_empty() {
            continue;
        }
        page.push_str(&format!("\n## {}\n\n", format!("{code} {title}").trim_end()));
        page.push_str("| mutant | what is wrong with it | breaks | first check that catches it | by | missed | one alone |\n");
        page.push_str("|---|---|---|---|---|---|---|\n");
        for (_, cells) in of {
            page.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    page
}

fn head(rows: &BTreeMap<String, (String, [String; CELLS])>) -> String {
    let by = |word: &str| rows.values().filter(|(_, cells)| cells[4] == word).count();
    let mut page = "# Kill matrix\n\n\
        Implementations that are wrong on purpose, each in one thing, and the first check of the suite that catches each. \
        *own*: a check of a requirement that the mutant breaks; *luck*: only checks of others; *probe*: a question before \
        the first case ends the run. *missed*: checks that it misses and a right implementation holds; *one alone*: a \
        single check stands between this mistake and a verdict. Made by `avp-conformance mutants --md FILE`; mutants of \
        language models keep their rows where the program was built without them.\n\n"
        .to_owned();
    page.push_str(&format!(
        "**{} mutants: {} killed by a check of their own, {} by luck alone, {} survive, {} stopped by a probe, {} not run.**\n\n",
        rows.len(),
        by("own"),
        by("luck"),
        by("nobody"),
        by("probe"),
        by("not run"),
    ));
    page.push_str("| area | requirements | MUSTs | broken by a mutant | mutants |\n|---|---|---|---|---|\n");
    let catalogue = Catalogue::embedded();
    let broken: Vec<BTreeSet<&str>> =
        rows.values().map(|(_, cells)| cells[2].split(", ").collect()).collect();
    for area in catalogue.areas() {
        let of = catalogue.requirements().iter().filter(|requirement| requirement.area() == area.code);
        let musts = of.clone().filter(|requirement| requirement.effective_level() == Level::Must).count();
        let hit = of.filter(|requirement| broken.iter().any(|ids| ids.contains(requirement.id.as_str())));
        let mutants = broken.iter().filter(|ids| ids.iter().any(|id| area_of(id) == area.code)).count();
        page.push_str(&format!(
            "| {} | {} | {musts} | {} | {mutants} |\n",
            area.code,
            area.count,
            hit.count()
        ));
    }
    page
}

fn section(trial: &Trial) -> String {
    trial.breaks.first().map_or_else(|| PROBES.to_owned(), |id| area_of(id).to_owned())
}

fn row(trial: &Trial) -> [String; CELLS] {
    let (first, by, missed, alone) = match &trial.standing {
        Standing::Killed(caught) | Standing::Lucky(caught) => {
            let first = caught.first.as_ref().map_or_else(String::new, |miss| format!("`{}`", miss.check));
            let by = if matches!(trial.standing, Standing::Killed(_)) { "own" } else { "luck" };
            let alone = if caught.missed == 1 { "yes" } else { "" };
            (first, by, caught.missed.to_string(), alone)
        }
        Standing::Survived | Standing::Unstopped => (String::new(), "nobody", "0".to_owned(), ""),
        Standing::Stopped => (String::new(), "probe", String::new(), ""),
        Standing::NotBuilt => (String::new(), "not run", String::new(), ""),
    };
    [
        format!("`{}`", trial.mutant),
        trial.wrong.replace('|', "/"),
        trial.breaks.join(", "),
        first,
        by.to_owned(),
        missed,
        alone.to_owned(),
    ]
}

/// The rows of a page, by mutant.
fn rows_of(page: &str) -> BTreeMap<String, [String; CELLS]> {
    let row = |line: &str| -> Option<(String, [String; CELLS])> {
        let inner = line.strip_prefix("| `")?.strip_suffix('|')?;
        let inner = format!("`{inner}");
        let cells: Vec<String> = inner.split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let cells: [String; CELLS] = cells.try_into().ok()?;
        Some((cells[0].trim_matches('`').to_owned(), cells))
    };
    page.lines().filter_map(row).collect()
}

/// What a page says that is not so any more: rows that are missing or too many, requirements that a table names
/// otherwise, checks of cases that are gone. Counts are left alone: they depend on the machine and on the build.
pub fn stale(page: &str, mutants: &[super::Mutant], is_case: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut rows = rows_of(page);
    let mut stale = Vec::new();
    for mutant in mutants {
        let Some(cells) = rows.remove(&mutant.name) else {
            stale.push(format!("{} has no row", mutant.name));
            continue;
        };
        if cells[2] != mutant.breaks().join(", ") {
            stale.push(format!("{} breaks {}, not {}", mutant.name, mutant.breaks().join(", "), cells[2]));
        }
        let check = cells[3].trim_matches('`');
        let case = check.split('@').next().unwrap_or_default();
        if !case.is_empty() && !is_case(case) {
            stale.push(format!("{}: there is no case {case}", mutant.name));
        }
        if mutant.group != Group::Model && cells[4] == "not run" {
            stale.push(format!("{} was not run", mutant.name));
        }
    }
    stale.extend(rows.into_keys().map(|name| format!("{name} is no mutant")));
    stale
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Caught, Miss};
    use super::super::{Mutant, mutants};
    use super::*;

    fn trial(mutant: &Mutant) -> Trial {
        let check = "hdr/magic/swapped@0.4#rejects".to_owned();
        let caught = Caught { first: Some(Miss { check, own: true }), missed: 1, ..Caught::default() };
        let standing = if mutant.breaks().is_empty() { Standing::Stopped } else { Standing::Killed(caught) };
        Trial {
            mutant: mutant.name.clone(),
            group: mutant.group,
            wrong: "a | b".into(),
            breaks: mutant.breaks().to_vec(),
            standing,
        }
    }

    #[test]
    fn rows_are_read_as_they_are_written_and_stay_where_nothing_was_run() {
        let all = mutants().unwrap();
        let mut trials: Vec<Trial> = all.iter().map(trial).collect();
        let page = markdown(&trials, "");
        assert_eq!(rows_of(&page).len(), all.len());
        assert_eq!(stale(&page, &all, &|_| true), Vec::<String>::new());
        for trial in &mut trials {
            trial.standing = Standing::NotBuilt;
        }
        assert_eq!(markdown(&trials, &page), page);
        assert!(markdown(&trials, "").contains("not run"));
    }

    #[test]
    fn a_page_that_lags_behind_is_told() {
        let all = mutants().unwrap();
        let page = markdown(&all.iter().skip(1).map(trial).collect::<Vec<_>>(), "");
        assert_eq!(stale(&page, &all, &|_| true), [format!("{} has no row", all[0].name)]);
        assert_eq!(stale(&page, &all[2..], &|_| true), [format!("{} is no mutant", all[1].name)]);
        assert!(stale(&page, &all[1..], &|_| false)[0].contains("there is no case hdr/magic/swapped"));
    }
}
