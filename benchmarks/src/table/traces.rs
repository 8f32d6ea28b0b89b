//! Traces → frames.

use polars::prelude::DataFrame;

use super::{Columns, Result, word};
use crate::analysis::{Merged, mark_names};
use crate::trace::{AgentTrace, Trace};

/// A row an answer.
pub(super) fn items(run: &Merged) -> Result<DataFrame> {
    let rows: Vec<(&Trace, String)> = run.traces.iter().map(|trace| (trace, word(trace.outcome))).collect();
    let mut columns = keys(Columns::of(&rows), |row| row.0)
        .text("outcome", |row| &row.1)
        .maybe_text("answer", |row| row.0.answer.as_deref())
        .text("gold", |row| &row.0.gold)
        .maybe_text("error", |row| row.0.error.as_deref())
        .maybe("nll", |row| row.0.nll)
        .count("nll_tokens", |row| row.0.nll_tokens.into())
        .count("prompt_tokens", |row| row.0.prompt_tokens.into())
        .count("wire_bytes", |row| row.0.wire_bytes())
        .number("wall_ms", |row| row.0.wall_ms)
        .number("overhead_ms", |row| row.0.overhead_ms)
        .maybe("energy_j", |row| row.0.energy_j())
        .count("peak_memory", |row| row.0.peak_memory);
    for name in mark_names(&run.traces) {
        columns = columns.maybe(&format!("mark_{name}"), |row| row.0.marks.get(name).copied());
    }
    columns.frame()
}

/// A row an agent's turn.
pub(super) fn agents(run: &Merged) -> Result<DataFrame> {
    let mut rows: Vec<(&Trace, u64, &AgentTrace)> = Vec::new();
    for trace in &run.traces {
        rows.extend((0..).zip(&trace.agents).map(|(turn, agent)| (trace, turn, agent)));
    }
    keys(Columns::of(&rows), |row| row.0)
        .count("turn", |row| row.1)
        .text("role", |row| &row.2.role)
        .text("model", |row| &row.2.model)
        .text("prompt_sha256", |row| &row.2.prompt_sha256)
        .text("text", |row| &row.2.text)
        .count("prefill", |row| row.2.ledger.prefill)
        .count("pasted", |row| row.2.ledger.pasted)
        .count("reused", |row| row.2.ledger.reused)
        .count("latent", |row| row.2.ledger.latent)
        .count("decoded", |row| row.2.ledger.decoded)
        .count("wire_bytes", |row| row.2.ledger.wire_bytes)
        .number("prefill_ms", |row| row.2.times.prefill_ms)
        .number("latent_ms", |row| row.2.times.latent_ms)
        .number("encode_ms", |row| row.2.times.encode_ms)
        .number("decode_ms", |row| row.2.times.decode_ms)
        .number("generate_ms", |row| row.2.times.generate_ms)
        .number("first_token_ms", |row| row.2.times.first_token_ms)
        .frame()
}

/// What makes a trace one.
fn keys<'a, R>(columns: Columns<'a, R>, trace: impl Fn(&'a R) -> &'a Trace) -> Columns<'a, R> {
    columns
        .text("task", |row| &trace(row).task)
        .text("layout", |row| &trace(row).layout)
        .text("item", |row| &trace(row).item)
        .text("arm", |row| &trace(row).arm)
        .count("replicate", |row| trace(row).replicate.into())
}
