//! `avp inspect`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use avp::inspect::{Dissection, Section, Span, dissect};
use avp::wire::{Dialect, DialectChoice, Limits};
use serde_json::json;

use crate::style::{Color, grouped, paint};
use crate::{files, json};

const EXAMPLES: &str = "\
Examples:
  avp inspect message.avp
  avp encode state.bin | avp inspect -
  avp inspect --json message.avp | jq '.warnings[].requirement'

A malformed message is shown as far as it can be read, and the exit code is 1.";

/// Shows every byte of a message with its field, and what is odd or wrong about it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The message.
    file: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Every byte, instead of the first two lines of each field.
    #[arg(long)]
    full: bool,
    /// The dialect to read in: found out from the message, 0.2 or 0.4.
    #[arg(long, default_value = "auto", value_parser = dialect)]
    dialect: DialectChoice,
    /// Colours. NO_COLOR turns them off too.
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
}

/// A dialect as an argument.
pub(crate) fn dialect(text: &str) -> Result<DialectChoice, String> {
    match text {
        "auto" => Ok(DialectChoice::Auto),
        "0.2" => Ok(DialectChoice::Fixed(Dialect::V02)),
        "0.4" => Ok(DialectChoice::Fixed(Dialect::V04)),
        _ => Err("one of auto, 0.2, 0.4 is expected".to_owned()),
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let input = files::read(&args.file)?;
    let dissection = dissect(&input, args.dialect, Limits::default());
    if args.json {
        files::print(&as_json(&input, &dissection))?;
    } else {
        let name = if files::is_standard(&args.file) {
            "standard input".into()
        } else {
            args.file.display().to_string()
        };
        files::print(&as_text(&name, &input, &dissection, args.full, args.color.enabled()))?;
    }
    Ok(if dissection.fault.is_some() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn as_json(input: &[u8], dissection: &Dissection<'_>) -> String {
    let spans: Vec<_> = dissection
        .spans
        .iter()
        .map(|span| {
            json!({
                "start": span.range.start,
                "end": span.range.end,
                "section": span.section.as_str(),
                "field": span.field,
                "value": span.value,
            })
        })
        .collect();
    let warnings: Vec<_> = dissection
        .warnings
        .iter()
        .map(|found| json!({"code": found.code, "requirement": found.requirement, "error": json::error(&found.error)}))
        .collect();
    json::text(&json!({
        "bytes": input.len(),
        "dialect": dissection.dialect.as_str(),
        "message": dissection.message.as_ref().map(json::message),
        "spans": spans,
        "warnings": warnings,
        "fault": dissection.fault.as_ref().map(json::error),
    }))
}

/// Bytes in a line.
const COLUMNS: usize = 16;
/// Lines that are shown of a field unless all are asked for.
const SHOWN_LINES: usize = 2;

fn as_text(name: &str, input: &[u8], dissection: &Dissection<'_>, full: bool, color: bool) -> String {
    let mut out = format!("{name}: {} bytes, dialect {}", grouped(input.len() as u64), dissection.dialect);
    if let Some(message) = &dissection.message {
        let metadata = &message.metadata;
        let _ = write!(
            out,
            ", {} {}, {} of {} bytes",
            metadata.mode.as_str(),
            metadata.payload_type.as_str(),
            metadata.dtype.as_str(),
            grouped(message.payload.len() as u64)
        );
    }
    out.push_str("\n\n");
    let width = dissection.spans.iter().map(|span| span.field.len()).max().unwrap_or_default();
    for (index, span) in dissection.spans.iter().enumerate() {
        span_lines(&mut out, input, span, width, full, if color { hue(span.section, index) } else { "" });
    }
    if !dissection.warnings.is_empty() {
        out.push_str("\nwarnings:\n");
    }
    for warning in &dissection.warnings {
        let head = paint(color, "1;33", &format!("{} {}", warning.requirement, warning.code));
        let _ = writeln!(out, "  {head}: {}", warning.error);
    }
    if let Some(fault) = &dissection.fault {
        let head = paint(color, "1;31", &format!("refused ({})", fault.class.code()));
        let _ = writeln!(out, "\n{head}: {fault}");
    }
    out
}

/// Neighbours differ: each section has two shades that alternate.
fn hue(section: Section, index: usize) -> &'static str {
    let [even, odd] = match section {
        Section::Header => ["36", "96"],
        Section::Metadata => ["32", "92"],
        Section::KvHeader => ["35", "95"],
        Section::Payload => ["34", "94"],
        Section::Rest => ["31", "91"],
    };
    if index.is_multiple_of(2) { even } else { odd }
}

fn span_lines(out: &mut String, input: &[u8], span: &Span, width: usize, full: bool, hue: &str) {
    let bytes = &input[span.range.clone()];
    let shown = if full { usize::MAX } else { SHOWN_LINES };
    for (line, chunk) in bytes.chunks(COLUMNS).take(shown).enumerate() {
        let hex: Vec<_> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = format!("{:<w$}", hex.join(" "), w = 3 * COLUMNS - 1);
        let offset = span.range.start + line * COLUMNS;
        let _ = write!(out, "{offset:08x}  {}", paint(!hue.is_empty(), hue, &hex));
        if line == 0 {
            let _ = write!(out, "  {:<width$}  {}", span.field, span.value);
        }
        let end = out.trim_end_matches(' ').len();
        out.truncate(end);
        out.push('\n');
    }
    let left = bytes.len().saturating_sub(shown.saturating_mul(COLUMNS));
    if left > 0 {
        let _ = writeln!(out, "          … {} more bytes", grouped(left as u64));
    }
}
