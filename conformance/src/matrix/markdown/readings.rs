//! Who understands whom, as Markdown.

use super::escape;
use crate::matrix::reading::era::{Era, moved};
use crate::matrix::reading::table::{Pair, Table};
use crate::matrix::reading::{Blame, CrossReading};

/// Renders the section.
pub(super) fn render(out: &mut String, readings: &CrossReading) {
    let table = Table::new(readings);
    out.push_str("## Eras\n\n");
    out.push_str(
        "Releases stand in one era when they write the same bytes and understand the same of every message that anybody \
         wrote here. What is listed was observed; nothing of it is written down beforehand.\n\n",
    );
    for (number, era) in table.eras.iter().enumerate() {
        out.push_str(&format!("**{}. {} {}**", number + 1, escape(&era.name), escape(&era.span(readings))));
        let traits: Vec<String> = era.traits.iter().map(|(name, value)| format!("{name} {value}")).collect();
        out.push_str(&format!(": {}\n", escape(&traits.join(", "))));
        if let Some(before) = era_before(&table, number) {
            out.push_str(&format!("- **{}**\n", escape(&moved(before, era))));
        }
        for change in &era.changes {
            out.push_str(&format!("- {} ({})\n", escape(&change.what), escape(&change.shows_in.join(", "))));
        }
        out.push('\n');
    }
    camps(out, &table);
    misreadings(out, &table);
    everyone(out, &table);
    unwritten(out, &table);
}

/// The era of the same implementation before that one.
pub(in crate::matrix) fn era_before<'a>(table: &'a Table<'_>, number: usize) -> Option<&'a Era> {
    let before = table.eras.get(number.checked_sub(1)?)?;
    Some(before).filter(|before| before.name == table.eras[number].name)
}

/// `✓`, or what did not go well.
pub(in crate::matrix) fn counts(pair: &Pair) -> String {
    if pair.same == pair.asked() {
        return format!("✓ {}", pair.same);
    }
    let mut pieces = vec![format!("✓ {}", pair.same)];
    let others =
        [(pair.misread, "misread"), (pair.refused, "refused"), (pair.lost, "lost"), (pair.died, "no answer")];
    pieces
        .extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    pieces.join(", ")
}

fn camps(out: &mut String, table: &Table<'_>) {
    out.push_str(
        "## Who understands whom\n\nRows write, columns read. ✓: so many messages were understood as meant.\n\n| |",
    );
    let readers: Vec<_> =
        table.camps.iter().filter(|camp| camp.members.iter().any(|one| table.reads(*one))).collect();
    let writers: Vec<_> =
        table.camps.iter().filter(|camp| camp.members.iter().any(|one| table.writes(*one))).collect();
    readers.iter().for_each(|camp| out.push_str(&format!(" {} |", escape(&camp.label))));
    out.push_str(&format!("\n|---|{}\n", "---|".repeat(readers.len())));
    for writer in writers {
        out.push_str(&format!("| {} |", escape(&writer.label)));
        for reader in &readers {
            let pairs = table.between(writer, reader);
            let mut told: Vec<String> = pairs.into_iter().map(counts).collect();
            told.dedup();
            let told = if told.is_empty() { "–".to_owned() } else { told.join(" or ") };
            out.push_str(&format!(" {told} |"));
        }
        out.push('\n');
    }
    out.push('\n');
}

/// What a group of misunderstandings is called.
pub(in crate::matrix) fn heading(blame: Option<Blame>) -> &'static str {
    blame.map_or("lost for want of a place, or without an answer", Blame::words)
}

fn misreadings(out: &mut String, table: &Table<'_>) {
    let mut last = None;
    for one in table.misunderstandings() {
        if last != Some(one.blame) {
            last = Some(one.blame);
            out.push_str(&format!(
                "\n### Not as meant: {}\n\n| message | what became of it | read by | written by |\n|---|---|---|---|\n",
                heading(one.blame)
            ));
        }
        let list = |names: &[&str]| escape(&names.join(", "));
        out.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            list(&one.titles),
            escape(one.told),
            list(&one.readers),
            list(&one.writers)
        ));
    }
    out.push('\n');
}

/// One against one.
fn everyone(out: &mut String, table: &Table<'_>) {
    let all = &table.readings.participants;
    let readers: Vec<usize> = (0..all.len()).filter(|one| table.reads(*one)).collect();
    out.push_str(
        "### Every release by every other\n\n✓ all as meant; otherwise ~ misread, ⊘ refused, ‐ lost, † no answer, with \
         their numbers.\n\n| writes ↓ reads → |",
    );
    readers.iter().for_each(|one| out.push_str(&format!(" {} |", escape(&all[*one].label()))));
    out.push_str(&format!("\n|---|{}\n", "---|".repeat(readers.len())));
    for (writer, participant) in all.iter().enumerate().filter(|(one, _)| table.writes(*one)) {
        out.push_str(&format!("| {} |", escape(&participant.label())));
        for reader in &readers {
            out.push_str(&format!(
                " {} |",
                table.pair(writer, *reader).map_or_else(|| "–".to_owned(), signs)
            ));
        }
        out.push('\n');
    }
    out.push('\n');
}

/// The counts of a pair in signs.
pub(in crate::matrix) fn signs(pair: &Pair) -> String {
    let all = [('~', pair.misread), ('⊘', pair.refused), ('‐', pair.lost), ('†', pair.died)];
    let told: Vec<String> =
        all.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{count}{sign}")).collect();
    if told.is_empty() { "✓".to_owned() } else { told.join(" ") }
}

fn unwritten(out: &mut String, table: &Table<'_>) {
    let all = table.unwritten();
    if all.is_empty() {
        return;
    }
    out.push_str("### Not written\n\n| message | why | by |\n|---|---|---|\n");
    for (titles, why, writers) in all {
        out.push_str(&format!(
            "| {} | {} | {} |\n",
            escape(&titles.join(", ")),
            escape(&why),
            escape(&writers.join(", "))
        ));
    }
    out.push('\n');
}
