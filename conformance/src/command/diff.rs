//! `diff`: two implementations, the same questions.

use std::ffi::OsString;
use std::io::IsTerminal as _;

use avp_conformance::{
    adapter::Hello,
    check::CASES_PER_AREA,
    differential::{Differences, Group, Pair, Sort, Unusable},
    event::Dissector,
    gate::Exit,
    report::{spaced, text::Layout},
    requirement::Catalogue,
    schedule::{RunOptions, StopFlag},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{
    Ended,
    console::{self, ColorArgs},
    run,
    selection::{self, SelectionArgs},
    show, suite,
    target::{FramingArg, PlaceArgs, Target, TargetArgs},
};

/// What `schema` of the JSON document says; rises when a reader of the old form would misread the new one.
const SCHEMA: &str = "avp-conformance-diff/1";

/// The name of the built-in reference, where an adapter of the project may be named.
const REFERENCE: &str = "reference";

/// Most characters of what one side says.
const SAID: usize = 600;

/// Most requirements of a disagreement whose sentence is told.
const SENTENCES: usize = 3;

/// Which two, and what they are asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance diff --adapter avp-python@0.6.2 --adapter avp-python@0.2.3
  avp-conformance diff --command-a './mine --adapter' --command-b 'python3 theirs.py'
  avp-conformance diff --command-a ./mine                          mine and the built-in reference
  avp-conformance diff --command-a ./mine --framing-a ndjson --area HDR,META --json

The first --adapter is A unless --command-a names one, the next is B; `reference` names the built-in reference, which also
stands in for B when only one is named. Each disagreement says who is wrong, with the smallest case that shows it.

Exit codes: 0 when nobody is wrong (with --strict: when they never disagree), 1 when somebody is, 2 for a mistake in the
options, 3 when one of them can't be used, 5 when there was nothing that both could be asked, 130 when stopped by hand.
")]
pub(super) struct DiffArgs {
    /// An adapter of the project, or `reference`; twice for both sides
    #[arg(long = "adapter", value_name = "NAME[@VERSION]")]
    adapters: Vec<String>,
    /// The command that starts A, in the words of a shell
    #[arg(long, value_name = "WORDS")]
    command_a: Option<String>,
    /// The command that starts B
    #[arg(long, value_name = "WORDS")]
    command_b: Option<String>,
    /// How frames stand on the pipe of A's own command
    #[arg(long, value_enum, value_name = "FORM", requires = "command_a")]
    framing_a: Option<FramingArg>,
    /// How frames stand on the pipe of B's own command
    #[arg(long, value_enum, value_name = "FORM", requires = "command_b")]
    framing_b: Option<FramingArg>,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Decides the generated cases: a number, or `random`
    #[arg(long, value_name = "SEED", default_value_t = suite::DEFAULT_SEED, value_parser = run::seed)]
    seed: u64,
    /// Generated cases an area, in both dialects together
    #[arg(long, value_name = "N", default_value_t = CASES_PER_AREA,
        value_parser = clap::value_parser!(u32).range(0..=suite::MOST_PER_AREA))]
    cases: u32,
    /// Only the golden vectors: the same as --cases 0
    #[arg(long, conflicts_with = "cases")]
    vectors_only: bool,
    /// Multiplies every time limit, for slow machines
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = run::factor)]
    timeout_scale: f64,
    /// A disagreement over which the requirements are silent fails too
    #[arg(long)]
    strict: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    color: ColorArgs,
}

/// Runs it.
pub(super) fn diff(args: &DiffArgs) -> anyhow::Result<Exit> {
    let (a, b) = sides(args)?;
    let per_area = if args.vectors_only { 0 } else { args.cases };
    let cases = suite::cases(args.seed, per_area, &args.selection.id)?;
    let profile = args.selection.profile.unwrap_or_else(selection::default_profile);
    let cases = selection::apply(&args.selection.selection(profile), cases)?;

    let mut options = RunOptions::new(args.seed);
    options.timeout_scale = args.timeout_scale;
    options.stop = StopFlag::default();
    run::stop_on_signal(&options.stop)?;
    let unusable = |Unusable { side, error }| {
        let target = if side == 'A' { &a } else { &b };
        run::no_verdict(Some(error), target).context(format!("implementation {side}"))
    };
    let mut pair = Pair::new(a.launcher.as_ref(), b.launcher.as_ref(), &options).map_err(&unusable)?;
    let bar = bar(cases.len());
    let found = pair.differences(cases, |asked| bar.set_position(asked as u64)).map_err(&unusable)?;
    bar.finish_and_clear();

    if args.json {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: &'static str,
            suite: &'static str,
            seed: u64,
            #[serde(flatten)]
            found: &'a Differences,
        }
        let document =
            Document { schema: SCHEMA, suite: env!("CARGO_PKG_VERSION"), seed: args.seed, found: &found };
        console::print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        console::print(&render(&found, args, &console::layout(args.color.color)))?;
    }
    exit(&found, args.strict)
}

/// Both sides: own commands first, then the adapters in their order, then the reference.
fn sides(args: &DiffArgs) -> anyhow::Result<(Target, Target)> {
    let mut adapters = args.adapters.iter();
    let mut side =
        |command: &Option<String>, framing: Option<FramingArg>| -> anyhow::Result<Option<TargetArgs>> {
            let mut target = TargetArgs { places: args.places.clone(), framing, ..TargetArgs::default() };
            if let Some(command) = command {
                let words = shlex::split(command).filter(|words| !words.is_empty());
                let words = words.ok_or_else(|| {
                    Ended::new(Exit::Usage, format!("no command of a shell: {command:?}"))
                        .hint("quote it as a shell would read it: --command-a \"python3 'my adapter.py'\"")
                })?;
                target.command = words.into_iter().map(OsString::from).collect();
                return Ok(Some(target));
            }
            Ok(adapters.next().map(|name| {
                target.adapter = Some(name.clone()).filter(|name| name != REFERENCE);
                target
            }))
        };
    let (a, b) = (side(&args.command_a, args.framing_a)?, side(&args.command_b, args.framing_b)?);
    if adapters.next().is_some() {
        return Err(Ended::new(Exit::Usage, "more than two implementations are named").into());
    }
    if a.is_none() && b.is_none() {
        return Err(Ended::new(Exit::Usage, "no implementation is named")
            .hint("avp-conformance diff --command-a ./mine compares yours with the built-in reference")
            .into());
    }
    let resolve = |side: Option<TargetArgs>| side.unwrap_or_default().resolve();
    Ok((resolve(a)?, resolve(b)?))
}

fn bar(cases: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} cases, {elapsed}");
    ProgressBar::new(cases as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn exit(found: &Differences, strict: bool) -> anyhow::Result<Exit> {
    if found.stopped {
        return Ok(Exit::Interrupted);
    }
    if found.asked == 0 {
        let told = "there is no case that both declare the operations, features and dialect of";
        return Err(Ended::new(Exit::Incomplete, told).into());
    }
    let wrong = found.somebody_is_wrong() || strict && !found.groups.is_empty();
    Ok(if wrong { Exit::Failed } else { Exit::Ok })
}

fn render(found: &Differences, args: &DiffArgs, layout: &Layout) -> String {
    let named = |hello: &Hello| format!("{} {} ({})", hello.name, hello.version, hello.language);
    let mut out = String::new();
    out.push_str(&layout.labelled(0, "A", &named(&found.a)));
    out.push_str(&layout.labelled(0, "B", &named(&found.b)));
    let mut asked = format!("{} cases of both, seed {}", found.asked, args.seed);
    if found.not_shared > 0 {
        asked.push_str(&format!("; {} more that one of them does not declare", found.not_shared));
    }
    if found.stopped {
        asked.push_str("; stopped by hand");
    }
    out.push_str(&layout.labelled(0, "asked", &asked));
    let told = match found.groups.len() {
        0 => "none: every answer means the same".to_owned(),
        groups => {
            let of = |sort| found.groups.iter().filter(|group| group.sort == sort).count();
            format!(
                "{} cases of {groups} causes: A is wrong in {}, B in {}, both in {}, the requirements are silent in {}",
                found.parted,
                of(Sort::WrongA),
                of(Sort::WrongB),
                of(Sort::BothWrong),
                of(Sort::Silent),
            )
        }
    };
    out.push_str(&layout.labelled(0, "disagree", &told));
    if found.beyond > 0 {
        out.push_str(&layout.labelled(0, "", &format!("{} more cases of other causes", found.beyond)));
    }
    for (number, group) in found.groups.iter().enumerate() {
        out.push('\n');
        one(&mut out, number + 1, group, layout);
    }
    out
}

fn one(out: &mut String, number: usize, group: &Group, layout: &Layout) {
    let cases = if group.cases == 1 { "1 case".to_owned() } else { format!("{} cases", group.cases) };
    let title = format!("{number} ── {}: {}", group.sort.words(), group.cause);
    out.push_str(&layout.title(&title, &format!("{} · {cases}", group.op)));
    for id in group.requirements.iter().take(SENTENCES) {
        let sentence = Catalogue::embedded().get(id).map_or("", |known| known.sentence.as_str());
        out.push_str(&layout.labelled(2, "requires", &format!("{id}: {sentence}")));
    }
    if let Some(ambiguity) = &group.ambiguity {
        out.push_str(&layout.labelled(2, "open", &format!("{ambiguity} of the ambiguity list")));
    }
    let example = &group.example;
    let parting = &example.parting;
    let place = if parting.at.is_empty() { "the kind of the answer" } else { &parting.at };
    out.push_str(&layout.labelled(2, "differs", place));
    for (label, value) in [("A", &parting.a), ("B", &parting.b)] {
        let mut said = spaced(value);
        if let Some((at, _)) = said.char_indices().nth(SAID) {
            said.truncate(at);
            said.push('…');
        }
        out.push_str(&layout.labelled(2, label, &said));
    }
    let shrunk = match example.runs {
        0 => String::new(),
        1 => ", made smaller in 1 run".to_owned(),
        runs => format!(", made smaller in {runs} runs"),
    };
    out.push_str(&layout.labelled(2, "case", &format!("{}{shrunk}", example.case.key())));
    if let Some(step) = example.case.steps.get(parting.step) {
        show::one_step(out, &example.case, parting.step, step, layout, &Dissector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(adapters: &[&str], a: Option<&str>, b: Option<&str>) -> DiffArgs {
        DiffArgs {
            adapters: adapters.iter().map(|name| (*name).to_owned()).collect(),
            command_a: a.map(str::to_owned),
            command_b: b.map(str::to_owned),
            framing_a: None,
            framing_b: None,
            places: PlaceArgs::default(),
            selection: SelectionArgs::default(),
            seed: 1,
            cases: CASES_PER_AREA,
            vectors_only: false,
            timeout_scale: 1.0,
            strict: false,
            json: false,
            color: ColorArgs::default(),
        }
    }

    #[test]
    fn sides_are_named_in_either_way() {
        let (a, b) = sides(&args(&[], Some("python3 'my adapter.py'"), Some("./theirs"))).unwrap();
        assert_eq!((a.repeat.as_str(), b.repeat.as_str()), ("-- python3 'my adapter.py'", "-- ./theirs"));
        if cfg!(feature = "reference") {
            let (a, b) = sides(&args(&["reference"], None, Some("./theirs"))).unwrap();
            assert_eq!((a.repeat.as_str(), b.repeat.as_str()), ("", "-- ./theirs"));
            let (a, b) = sides(&args(&[], Some("./mine"), None)).unwrap();
            assert_eq!((a.repeat.as_str(), b.repeat.as_str()), ("-- ./mine", ""));
        }
        assert!(sides(&args(&[], None, None)).is_err());
        assert!(sides(&args(&["reference"; 3], None, None)).is_err());
        assert!(sides(&args(&[], Some("'unclosed"), None)).is_err());
    }
}
