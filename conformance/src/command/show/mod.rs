//! `show ID`: what a requirement says, what a case sends and why.

mod case;
mod expectation;

pub(super) use case::one as one_step;

use std::io::Write as _;

use avp_conformance::{
    case::{Case, PartData},
    coverage::Coverage,
    event::Dissector,
    gate::Exit,
    glob::nearest,
    report::text::Layout,
    requirement::{Catalogue, Requirement},
};
use clap::Args;

use super::{
    Ended,
    console::{self, ColorArgs},
    list::level_name,
    suite,
};

/// What to explain.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance show AVP-HDR-002                        a requirement
  avp-conformance show hdr/magic/swapped                  a case, with its bytes
  avp-conformance show hdr/magic/swapped@0.4#rejects      the case of a check, as reports name it
  avp-conformance show hdr/magic/swapped --bytes message > message.bin
")]
pub(super) struct ShowArgs {
    /// A requirement, a case or a check
    #[arg(value_name = "ID")]
    id: String,
    /// Write the bytes of this part of the (first) request to stdout, as they are
    #[arg(long, value_name = "PART")]
    bytes: Option<String>,
    /// Seed of generated cases
    #[arg(long, value_name = "SEED", default_value_t = suite::DEFAULT_SEED)]
    seed: u64,
    #[command(flatten)]
    color: ColorArgs,
}

/// Runs it.
pub(super) fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let layout = console::layout(args.color.color);
    if let Some(requirement) = Catalogue::embedded().get(&args.id.to_ascii_uppercase()) {
        console::print(&about(requirement, &layout)?)?;
        return Ok(Exit::Ok);
    }
    let key = args.id.split('#').next().unwrap_or(&args.id);
    let cases = suite::cases(args.seed, 0, std::slice::from_ref(&key.to_owned()))?;
    let found: Vec<&Case> = cases.iter().filter(|case| case.id == key || case.key() == key).collect();
    let Some(first) = found.first() else {
        // One case of each property is enough to tell what it may have been.
        let properties = if key.starts_with("gen/") { suite::cases(args.seed, 1, &[])? } else { Vec::new() };
        return Err(unknown(key, if properties.is_empty() { &cases } else { &properties }));
    };
    if let Some(part) = &args.bytes {
        return write_bytes(first, part);
    }
    let mut text = String::new();
    // The newest dialect comes last: it is what most readers look for, and it stays on the screen.
    for case in found {
        text.push_str(&case::render(case, &layout, &Dissector));
    }
    console::print(&text)?;
    Ok(Exit::Ok)
}

fn unknown(key: &str, cases: &[Case]) -> anyhow::Error {
    let ids = cases.iter().map(|case| case.id.as_str());
    let requirements = Catalogue::embedded().requirements().iter().map(|known| known.id.as_str());
    let below: Vec<&str> = {
        let prefix = format!("{key}/");
        let mut below: Vec<&str> = ids.clone().filter(|id| id.starts_with(&prefix)).collect();
        below.dedup();
        below
    };
    let ended = Ended::new(Exit::Usage, format!("there is no requirement, case or check `{key}`"));
    if !below.is_empty() {
        return ended.hint(format!("it has variants: {}", below.join(", "))).into();
    }
    match nearest(key, ids.chain(requirements)).first() {
        Some(near) => ended.hint(format!("did you mean {near}?")).into(),
        None => ended.hint("avp-conformance list names them all").into(),
    }
}

fn write_bytes(case: &Case, name: &str) -> anyhow::Result<Exit> {
    let parts = case.steps.iter().flat_map(|step| &step.parts);
    let bytes = parts.clone().filter(|part| part.name == name).find_map(|part| match &part.data {
        PartData::Bytes(bytes) => Some(bytes),
        PartData::FromStep { .. } => None,
    });
    let Some(bytes) = bytes else {
        let names: Vec<&str> = parts.map(|part| part.name.as_str()).collect();
        let told = if names.is_empty() {
            format!("{} sends no bytes", case.id)
        } else {
            format!("{} has no part `{name}` of known bytes; its parts: {}", case.id, names.join(", "))
        };
        return Err(Ended::new(Exit::Usage, told).into());
    };
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(Exit::Ok)
}

fn about(requirement: &Requirement, layout: &Layout) -> anyhow::Result<String> {
    let mut text = String::new();
    let level = level_name(requirement.level);
    let effective = level_name(requirement.effective_level());
    let area = Catalogue::embedded().area(requirement.area()).map_or("", |area| area.title.as_str());
    text.push_str(&layout.title(&requirement.id, &format!("{level} · {area}")));
    text.push_str(&layout.labelled(0, "says", &requirement.sentence));
    text.push_str(&layout.labelled(0, "source", &requirement.source));
    let basis = match requirement.basis {
        avp_conformance::requirement::Basis::Stated => "a published text says so",
        avp_conformance::requirement::Basis::InferredFromSdk => {
            "the Python SDK behaves so and peers rely on it; the texts are silent"
        }
        avp_conformance::requirement::Basis::ProposedExtension => "proposed by this project",
    };
    text.push_str(&layout.labelled(0, "basis", basis));
    if level != effective {
        let told = format!("counts as {effective}: a proposal can't break an implementation");
        text.push_str(&layout.labelled(0, "", &told));
    }
    let dialects: Vec<&str> = requirement.dialects.iter().map(|spec| spec.as_str()).collect();
    text.push_str(&layout.labelled(0, "dialects", &dialects.join(", ")));
    for (label, list) in [("open points", &requirement.ambiguities), ("errors", &requirement.errors)] {
        if !list.is_empty() {
            text.push_str(&layout.labelled(0, label, &list.join(", ")));
        }
    }
    if let Some(measured) = &requirement.measured {
        text.push_str(&layout.labelled(0, "SDK 0.6.2", measured));
    }
    let coverage = Coverage::embedded()?;
    let told = match coverage.tested.get(&requirement.id).filter(|tested| tested.is_tested()) {
        Some(tested) => {
            let vectors = tested.accepts.iter().chain(&tested.refuses);
            let ids: Vec<&str> = vectors.chain(tested.properties.keys()).map(String::as_str).collect();
            format!("{} ({})", ids.join(" "), tested.needs())
        }
        None => {
            let reason = coverage.reason(&requirement.id).unwrap_or("no case of this suite");
            format!("nothing: {reason}")
        }
    };
    text.push_str(&layout.labelled(0, "tested by", &told));
    Ok(text)
}
