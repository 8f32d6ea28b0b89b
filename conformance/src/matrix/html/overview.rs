//! Implementations, their areas, and what changed from release to release.

use super::super::entry::{Entry, Outcome};
use super::super::{Matrix, Move, markdown, steps};
use super::escape;
use crate::report::words;
use crate::tally::{AreaVerdict, Status};

/// Profiles with a column of their own.
const PROFILES: [&str; 5] = ["core", "kv", "handshake", "latent", "http"];

pub(super) fn implementations(out: &mut String, matrix: &Matrix) {
    out.push_str(
        "<h2 id=\"implementations\">Implementations</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>implementation</th>\
         <th>language</th><th>AVP</th><th>verdict</th><th class=\"n\">pass</th><th class=\"n\">fail</th>\
         <th class=\"n\">warn</th><th class=\"n\">recorded</th><th class=\"n\">not run</th>",
    );
    PROFILES.iter().for_each(|name| out.push_str(&format!("<th>{name}</th>")));
    out.push_str("</tr></thead>\n<tbody>\n");
    for entry in &matrix.entries {
        let label = escape(&entry.label);
        match &entry.outcome {
            Outcome::Absent(why) => out.push_str(&format!(
                "<tr><th scope=\"row\">{label}</th><td></td><td></td><td class=\"none\" colspan=\"{}\">not run: {}</td></tr>\n",
                6 + PROFILES.len(),
                escape(why)
            )),
            Outcome::Judged(run) => {
                let (verdict, good) = run.verdict();
                out.push_str(&format!(
                    "<tr><th scope=\"row\">{label}</th><td>{}</td><td>{}</td><td class=\"{}\">{}</td>",
                    escape(&entry.language),
                    words::dialects(&run.specs),
                    tone(good),
                    escape(&verdict)
                ));
                for status in [Status::Pass, Status::Fail, Status::Warn, Status::Info, Status::NotRun] {
                    out.push_str(&format!("<td class=\"n\">{}</td>", run.count(status)));
                }
                for name in PROFILES {
                    let standing = markdown::standing(run, name);
                    let good = match standing {
                        "conformant" => Some(true),
                        "broken" => Some(false),
                        _ => None,
                    };
                    out.push_str(&format!("<td class=\"{}\">{standing}</td>", tone(good)));
                }
                out.push_str("</tr>\n");
            }
        }
    }
    out.push_str(
        "</tbody></table></div>\n<p class=\"note\">Numbers count requirements. The verdict is about everything that the suite \
         asks; beside it the smaller profiles. Not run: what an implementation does not declare, and what its dialect \
         does not have is not among them.</p>\n",
    );
}

fn tone(good: Option<bool>) -> &'static str {
    match good {
        Some(true) => "good",
        Some(false) => "bad",
        None => "none",
    }
}

pub(super) fn areas(out: &mut String, matrix: &Matrix) {
    let areas = matrix.areas();
    out.push_str(
        "<h2 id=\"areas\">Areas</h2>\n<div class=\"wide\"><table class=\"grid\">\n<thead><tr><th></th>",
    );
    for (code, title) in &areas {
        out.push_str(&format!("<th scope=\"col\" title=\"{}\">{}</th>", escape(title), escape(code)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for entry in &matrix.entries {
        let Some(run) = entry.verdicts() else { continue };
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape(&entry.label)));
        for (code, title) in &areas {
            match run.areas.iter().find(|area| area.code == *code) {
                Some(area) => out.push_str(&area_cell(area, title)),
                None => out.push_str("<td class=\"grey\">–</td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str(
        "</tbody></table></div>\n<p class=\"note\">Large: requirements that fail (✗), or warn (!) where none fails, or hold (✓) \
         where none does either. Below: held · warned · not run. Hold the pointer over a cell for all of it.</p>\n",
    );
}

fn area_cell(area: &AreaVerdict, title: &str) -> String {
    let held = area.pass + area.info;
    let (class, main) = match (area.fail, area.warn, held) {
        (0, 0, 0) => ("grey", "–".to_owned()),
        (0, 0, held) => ("held", format!("✓ {held}")),
        (0, warn, _) => ("warned", format!("! {warn}")),
        (fail, ..) => ("failed", format!("✗ {fail}")),
    };
    format!(
        "<td class=\"{class}\" title=\"{}: {} pass, {} fail, {} warn, {} recorded, {} not run\"><b>{main}</b>\
         <small>{held} · {} · {}</small></td>",
        escape(title),
        area.pass,
        area.fail,
        area.warn,
        area.info,
        area.not_run,
        area.warn,
        area.not_run
    )
}

pub(super) fn releases(out: &mut String, matrix: &Matrix) {
    let steps = steps(&matrix.entries);
    out.push_str("<h2 id=\"releases\">From release to release</h2>\n");
    if steps.is_empty() {
        out.push_str("<p>No implementation was run in more than one release.</p>\n");
        return;
    }
    out.push_str("<div class=\"steps\">\n");
    for step in &steps {
        if step.is_empty() {
            out.push_str(&format!(
                "<p class=\"quiet\"><b>{} → {}</b> no requirement came to another end</p>\n",
                escape(&step.from),
                escape(&step.to)
            ));
            continue;
        }
        out.push_str(&format!("<details><summary><b>{} → {}</b>", escape(&step.from), escape(&step.to)));
        for (how, ids) in &step.moves {
            let class = match how {
                Move::Broken | Move::FailsAtOnce => "bad",
                Move::Mended => "good",
                Move::Warned => "mild",
                Move::Unwarned | Move::NowRun | Move::NoLongerRun => "none",
            };
            out.push_str(&format!(" <span class=\"chip {class}\">{} {}</span>", ids.len(), how.words()));
        }
        for (word, ops) in [("new", &step.gained), ("gone", &step.dropped)] {
            if !ops.is_empty() {
                let told = words::count(ops.len(), "operation");
                out.push_str(&format!(" <span class=\"chip none\">{told} {word}</span>"));
            }
        }
        out.push_str("</summary>\n<dl>\n");
        for (how, ids) in &step.moves {
            let links: Vec<String> = ids.iter().map(|id| link(id)).collect();
            out.push_str(&format!("<dt>{}</dt><dd>{}</dd>\n", how.words(), links.join(" ")));
        }
        for (word, ops) in [("operations new", &step.gained), ("operations gone", &step.dropped)] {
            if !ops.is_empty() {
                let ops: Vec<String> = ops.iter().map(|op| escape(op)).collect();
                out.push_str(&format!("<dt>{word}</dt><dd>{}</dd>\n", ops.join(", ")));
            }
        }
        out.push_str("</dl></details>\n");
    }
    out.push_str("</div>\n");
}

fn link(id: &str) -> String {
    let id = escape(id);
    format!("<a href=\"#{id}\">{id}</a>")
}

/// The implementations that were judged, with their places.
pub(super) fn judged(matrix: &Matrix) -> Vec<(usize, &Entry)> {
    let all = matrix.entries.iter().filter(|entry| entry.verdicts().is_some());
    all.enumerate().collect()
}
