//! `avp-bench run --dry-run`.

use std::fmt::Write as _;
use std::process::ExitCode;

use avp_bench::engine::Setting;
use avp_bench::record::Audit;
use avp_bench::rehearsal::{Counted, Rehearsal, rehearse};
use avp_bench::run_file::RunFile;

/// Items named at most whose prompts are longer or shorter than expected.
const NAMED: usize = 5;

pub(super) fn show(file: &RunFile, setting: &Setting, json: bool) -> anyhow::Result<ExitCode> {
    let all = rehearse(file, setting)?;
    let text = if json {
        serde_json::to_string_pretty(&all)? + "\n"
    } else {
        all.iter().map(|rehearsal| describe(file, rehearsal)).collect::<Result<Vec<_>, _>>()?.join("\n")
    };
    super::print(&text)?;
    // A machine without a sandbox says nothing against the run file.
    let good = all.iter().all(|rehearsal| {
        rehearsal.unexpected.is_empty() && rehearsal.audit.as_ref().is_none_or(Audit::is_good)
    });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(file: &RunFile, rehearsal: &Rehearsal) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let [items, of] = rehearsal.items;
    let arms = file.arms.len();
    let traces = items * arms * file.layouts.len() * file.replicates as usize;
    writeln!(text, "{}: {items} of {of} items, {arms} arms, {traces} traces", rehearsal.task)?;
    if let Some(asked) = file.limits.items.filter(|asked| *asked > items as u64) {
        writeln!(text, "  {asked} items were asked for: the data have no more")?;
    }
    writeln!(text, "  data SHA-256 {}", rehearsal.data_sha256)?;
    let how = match rehearsal.counted {
        Counted::Tokenizer => format!("tokens by the tokenizer of {}, with its template", file.answerer),
        Counted::Pieces => {
            format!("pieces of text ({} is not here; it has at least as many tokens)", file.answerer)
        }
    };
    writeln!(text, "  {how}: least, median, most")?;
    for prompts in &rehearsal.prompts {
        writeln!(text, "  {:>8}{:>8}{:>8}  {}", prompts.least, prompts.median, prompts.most, prompts.name)?;
    }
    if let Some([least, most]) = rehearsal.expected {
        let unexpected = &rehearsal.unexpected;
        match unexpected.len() {
            0 if rehearsal.counted == Counted::Pieces => {
                writeln!(
                    text,
                    "  every direct prompt of at least the expected {least}, none beyond {most} by its pieces"
                )?;
            }
            0 => writeln!(text, "  every direct prompt within the expected {least} to {most}")?,
            some => {
                let named = unexpected.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                writeln!(text, "  {some} direct prompts outside of the expected {least} to {most}: {named}")?;
            }
        }
    }
    match (&rehearsal.audit, &rehearsal.not_audited) {
        (Some(audit), _) => writeln!(text, "  scorer: {}", super::audit::describe(audit))?,
        (None, reason) => writeln!(text, "  scorer not tried: {}", reason.as_deref().unwrap_or_default())?,
    }
    Ok(text)
}
