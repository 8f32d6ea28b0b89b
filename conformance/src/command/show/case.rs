//! One case for people.

use avp_conformance::{
    case::{Case, Part, PartData, Source, Step, Tamper},
    dissect::render::{Style, dump, text},
    event::Annotate,
    report::{spaced, text::Layout},
    requirement::Catalogue,
    select::level_of,
};
use serde_json::Value;

use super::{super::list::level_name, expectation};

/// Most characters of arguments.
const ARGS: usize = 2000;
/// Bytes of a part without fields that are shown.
const PLAIN_BYTES: usize = 64;
/// Steps that are shown in full.
const STEPS: usize = 12;

pub(super) fn render(case: &Case, layout: &Layout, annotate: &dyn Annotate) -> String {
    let level = level_name(level_of(case, Catalogue::embedded()));
    let mut out = layout.title(&case.key(), &format!("{level} · AVP {}", case.spec.as_str()));
    for id in &case.requirements {
        let sentence = Catalogue::embedded().get(id).map_or("", |known| known.sentence.as_str());
        out.push_str(&layout.labelled(0, "requires", &format!("{id}: {sentence}")));
        if let Some(known) = Catalogue::embedded().get(id) {
            out.push_str(&layout.labelled(0, "", &format!("source: {}", known.source)));
        }
    }
    if !case.why.is_empty() {
        out.push_str(&layout.labelled(0, "why", &case.why));
    }
    if let Some(bug) = &case.bug {
        out.push_str(&layout.labelled(0, "catches", bug));
    }
    if let Some(ambiguity) = &case.ambiguity {
        out.push_str(&layout.labelled(0, "settled by", &format!("{ambiguity} of the ambiguity list")));
    }
    if !case.requires.is_empty() {
        out.push_str(&layout.labelled(0, "features", &case.requires.join(", ")));
    }
    let source = match &case.source {
        Source::Vector { rev } => format!("golden vector, revision {rev}"),
        Source::Generated { seed, index } => format!("generated: seed {seed}, number {index}"),
        Source::Counterexample => "counterexample of an earlier run".to_owned(),
    };
    out.push_str(&layout.labelled(0, "made from", &source));
    for (index, step) in case.steps.iter().enumerate().take(STEPS) {
        one(&mut out, case, index, step, layout, annotate);
    }
    if case.steps.len() > STEPS {
        out.push_str(&format!("\n… and {} more steps\n", case.steps.len() - STEPS));
    }
    if let Some(relation) = &case.relation {
        let told = if let Some(joined) = &relation.joined {
            format!(
                "the {} of step {} is that of the steps {:?} in a row",
                relation.at, joined.whole, joined.pieces
            )
        } else if relation.non_increasing {
            format!("{} does not grow from step to step", relation.at)
        } else if relation.distinct {
            format!("{} differs in all steps", relation.at)
        } else {
            format!(
                "{} is equal inside, and different between, the groups of steps {:?}",
                relation.at, relation.equal
            )
        };
        out.push_str(&layout.labelled(0, "together", &told));
    }
    out.push('\n');
    out
}

/// What a step sends, and what is expected of its answer.
pub(in crate::command) fn one(
    out: &mut String,
    case: &Case,
    index: usize,
    step: &Step,
    layout: &Layout,
    annotate: &dyn Annotate,
) {
    out.push('\n');
    let which = if case.steps.len() > 1 {
        format!("step {} of {}: ", index + 1, case.steps.len())
    } else {
        String::new()
    };
    out.push_str(&layout.labelled(0, "sends", &format!("{which}{}", step.op)));
    for one in &step.tamper {
        let told = match one {
            Tamper::Write { path, bytes } => format!("{path} is written, {} bytes", bytes.len()),
            Tamper::Rename { from, to } => format!("{from} becomes {to} in the names of the case's files"),
            Tamper::Keep(count) => format!("each of the case's files keeps its first {count} bytes"),
            Tamper::Lose(count) => format!("each of the case's files loses its last {count} bytes"),
            Tamper::Fill(bytes) => format!("each of the case's files becomes {} other bytes", bytes.len()),
        };
        out.push_str(&layout.labelled(2, "first", &told));
    }
    if !step.args.is_empty() {
        out.push_str(&layout.labelled(2, "args", &short(&spaced(&Value::Object(step.args.clone())), ARGS)));
    }
    for part in &step.parts {
        describe(out, case, index, step, part, layout, annotate);
    }
    for (n, line) in expectation::lines(&step.expect).into_iter().enumerate() {
        out.push_str(&layout.labelled(0, if n == 0 { "expects" } else { "" }, &line));
    }
    if let Some(most) = step.rss_growth_mib {
        out.push_str(&layout.labelled(
            0,
            "",
            &format!("and at once, with at most {most} MiB more memory at the peak"),
        ));
    }
    if let Some(files) = &step.files {
        let told = match files.is_empty() {
            true => "and no file in the case's own folder".to_owned(),
            false => format!("and in the case's own folder exactly files like {}", files.join(", ")),
        };
        out.push_str(&layout.labelled(0, "", &told));
    }
}

fn describe(
    out: &mut String,
    case: &Case,
    index: usize,
    step: &Step,
    part: &Part,
    layout: &Layout,
    annotate: &dyn Annotate,
) {
    let mut head = String::new();
    if let Some(dtype) = part.dtype {
        head.push_str(&format!("{dtype:?} ").to_lowercase());
    }
    if let Some(shape) = &part.shape {
        head.push_str(&format!("{shape:?} "));
    }
    let bytes = match &part.data {
        PartData::Bytes(bytes) => bytes,
        PartData::FromStep { step, part: from } => {
            let told = format!("{head}the part {from} that step {} answered", step + 1);
            out.push_str(&layout.labelled(2, &part.name, &told));
            return;
        }
    };
    let patched: Vec<_> = case
        .patched
        .iter()
        .filter(|range| range.step == index && range.part == part.name)
        .map(|range| range.start..range.end)
        .collect();
    let mark = if patched.is_empty() { "" } else { ", the altered bytes marked" };
    out.push_str(&layout.labelled(2, &part.name, &format!("{head}{} bytes{mark}", bytes.len())));
    let fields = annotate.annotate(&step.op, &part.name, bytes, case.spec);
    if fields.is_empty() {
        let shown: Vec<String> = bytes.iter().take(PLAIN_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let rest = if bytes.len() > PLAIN_BYTES { " …" } else { "" };
        if !shown.is_empty() {
            out.push_str(&layout.labelled(2, "", &format!("{}{rest}", shown.join(" "))));
        }
        return;
    }
    let style = Style { ansi: layout.color, width: layout.columns().saturating_sub(4) };
    for line in text(&dump(bytes, &fields, &patched), &style).lines() {
        out.push_str(&format!("    {line}\n"));
    }
}

fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
    }
}
