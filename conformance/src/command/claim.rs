//! `claim EVENTS` and `verify BUNDLE`: a statement of conformance, and whether it is one.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use avp_conformance::{
    check::CASES_PER_AREA,
    claim::{
        Bundle, BundleError, Claim, EVENTS_BYTES, EventsName, Found, Suite, Verified, verify as verify_bundle,
    },
    event::read_events,
    gate::Exit,
    report::short,
    select::Selection,
    tally::{Profile, Standing, Tally},
    vector,
};
use clap::Args;
use serde_json::json;

use super::{Ended, console, report, selection, suite};

/// Most generated cases an area that a claim may ask to be made again: five times as many as a run has by default.
/// Whoever wrote the claim chose the number.
const MOST_CLAIMED: u32 = 10_000;

/// Which events, and what about.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance run --events run.ndjson -- ./mine
  avp-conformance claim run.ndjson -o mine.claim.tar
  avp-conformance claim run.ndjson -o mine.claim.tar --profile core
  avp-conformance verify mine.claim.tar

The bundle is a tar of claim.json and the events. It is written whatever the verdict, and only when verify holds it.
")]
pub(super) struct ClaimArgs {
    /// Events that `run --events FILE` recorded
    #[arg(value_name = "EVENTS")]
    events: PathBuf,
    /// Where to write the bundle
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The set of areas that the claim is about
    #[arg(long, value_name = "NAME", value_parser = selection::profile)]
    profile: Option<&'static Profile>,
    /// A missed SHOULD fails
    #[arg(long)]
    strict: bool,
}

/// Which bundle.
#[derive(Args)]
#[command(after_help = "\
Examples:
  avp-conformance verify mine.claim.tar
  avp-conformance verify mine.claim.tar --json

Nothing is started and nothing fetched. Exit codes: 0 everything is as claimed, whatever the verdict · 1 something is not
· 2 this is no bundle · 5 the claim was made with another suite, so that this program can't tell.
")]
pub(super) struct VerifyArgs {
    /// What `claim` wrote
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Runs `claim`.
pub(super) fn claim(args: &ClaimArgs) -> anyhow::Result<Exit> {
    let name = || args.events.display().to_string();
    let length = fs::metadata(&args.events).with_context(name)?.len();
    if length > EVENTS_BYTES {
        let told = format!("{}: {length} bytes of events; a bundle holds up to {EVENTS_BYTES}", name());
        return Err(Ended::new(Exit::Usage, told).into());
    }
    let events = fs::read(&args.events).with_context(name)?;
    let tally = report::tally(read_events(&events[..]).with_context(name)?)?;
    let profile = args.profile.unwrap_or_else(selection::default_profile);
    let claim = Claim::of(&tally, profile, args.strict, &vector::suite_digest(), EventsName::of(&events));
    let Some(claim) = claim.filter(|claim| claim.verdict != Standing::NotJudged) else {
        let told = format!("the run says nothing about the profile {}", profile.name);
        let hint =
            "a claim needs a whole run that came to its end: all cases of the profile, no --id, no --shard";
        return Err(Ended::new(Exit::Incomplete, told).hint(hint).into());
    };
    let bundle = Bundle { claim, events };
    let verified = verify_bundle(&bundle, &known(&bundle)?);
    if verified.outcome != Found::Holds {
        let told = verified.findings.iter().find(|finding| finding.found == verified.outcome);
        let told = told.map(|finding| format!("{}: {}", finding.what, finding.told)).unwrap_or_default();
        let ended = Ended::new(Exit::Failed, format!("these events make no claim: {told}"));
        return Err(ended.hint("run again with this program, and leave the events as they are").into());
    }
    let file = File::create(&args.output).with_context(|| args.output.display().to_string())?;
    bundle.write(file).with_context(|| args.output.display().to_string())?;
    console::print(&format!("{}\n{}\n", headline(&bundle.claim), args.output.display()))?;
    Ok(Exit::Ok)
}

/// Runs `verify`.
pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let bundle = read(&args.bundle)?;
    let verified = verify_bundle(&bundle, &known(&bundle)?);
    let text = if args.json {
        let document =
            json!({"outcome": verified.outcome, "claim": bundle.claim, "findings": verified.findings});
        format!("{}\n", serde_json::to_string_pretty(&document)?)
    } else {
        told(&bundle.claim, &verified)
    };
    console::print(&text)?;
    Ok(match verified.outcome {
        Found::Holds => Exit::Ok,
        Found::Unknown => Exit::Incomplete,
        Found::Broken => Exit::Failed,
    })
}

fn read(path: &Path) -> anyhow::Result<Bundle> {
    let name = || path.display().to_string();
    let file = File::open(path).with_context(name)?;
    Bundle::read(BufReader::new(file)).map_err(|error| {
        let hint = match &error {
            BundleError::Io(_) | BundleError::Missing(_) => {
                Some("avp-conformance claim EVENTS -o BUNDLE writes one")
            }
            _ => None,
        };
        let ended = Ended::new(Exit::Usage, format!("{}: {error}", name()));
        match hint {
            Some(hint) => ended.hint(hint).into(),
            None => ended.into(),
        }
    })
}

/// What this program would have asked. The options are those of the events: if the claim has others, that is told.
fn known(bundle: &Bundle) -> anyhow::Result<Suite> {
    let options = read_events(&bundle.events[..]).ok().and_then(|events| Tally::new(events).ok());
    let options = options.map_or_else(|| bundle.claim.selection.clone(), |tally| tally.start.selection);
    let (selection, rest) = Selection::from_described(&options);
    let mut per_area = CASES_PER_AREA;
    for option in rest {
        let number = option.strip_prefix("--cases ").and_then(|number| number.parse().ok());
        per_area = match (option, number) {
            ("--vectors-only", _) => 0,
            (_, Some(number)) if number <= MOST_CLAIMED => number,
            _ => {
                let told =
                    format!("selection: `{}` is no option that a claim can be checked with", short(option));
                let hint = format!("claims have up to --cases {MOST_CLAIMED}");
                return Err(Ended::new(Exit::Usage, told).hint(hint).into());
            }
        };
    }
    let named: Vec<String> = selection.run.iter().map(|glob| glob.as_str().to_owned()).collect();
    let cases = suite::cases(bundle.claim.seed, per_area, &named)?;
    Ok(Suite {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        digest: vector::suite_digest(),
        vectors: suite::digest(&cases),
        cases,
        selection,
    })
}

fn headline(claim: &Claim) -> String {
    let word = match claim.verdict {
        Standing::Conformant => "conformant",
        Standing::NotConformant => "not conformant",
        Standing::Incomplete => "incomplete",
        Standing::NotJudged => "not judged",
    };
    let specs: Vec<&str> = claim.specs.iter().map(|spec| spec.as_str()).collect();
    format!(
        "{} {}: {word} (profile {}, AVP {}, suite {}, seed {})",
        short(&claim.implementation.name),
        short(&claim.implementation.version),
        short(&claim.profile),
        specs.join(" and "),
        short(&claim.suite.version),
        claim.seed
    )
}

fn told(claim: &Claim, verified: &Verified) -> String {
    let word = match verified.outcome {
        Found::Holds => "HOLDS",
        Found::Unknown => "UNKNOWN",
        Found::Broken => "BROKEN",
    };
    let mut text = format!("{word}  {}\n\n", headline(claim));
    for finding in &verified.findings {
        let mark = match finding.found {
            Found::Holds => "holds",
            Found::Unknown => "unknown",
            Found::Broken => "broken",
        };
        text.push_str(&format!("  {mark:8} {:8} {}\n", finding.what, finding.told));
    }
    let repeat = match claim.judged_as.as_str() {
        own if own.starts_with("-- ") || own.contains(" -- ") => {
            format!("--seed {} {}", claim.seed, short(own))
        }
        other => format!("{} --seed {}", short(other), claim.seed),
    };
    text.push_str(&format!(
        "\nThat the implementation gave these answers, only a run shows: avp-conformance run {}\n",
        repeat.trim()
    ));
    text
}
