//! Eras, and who understands whom.

use super::super::markdown::{counts, era_before, heading, signs};
use super::super::reading::era::moved;
use super::super::reading::table::{Camp, Pair, Table};
use super::escape;

pub(super) fn render(out: &mut String, table: &Table<'_>) {
    eras(out, table);
    camps(out, table);
    everyone(out, table);
    unwritten(out, table);
}

fn eras(out: &mut String, table: &Table<'_>) {
    out.push_str(
        "<h2 id=\"eras\">Eras</h2>\n<p>Releases stand in one era when they write the same bytes and understand the same of \
         every message that anybody wrote here. What is listed was observed; nothing of it is written down beforehand.</p>\n\
         <div class=\"eras\">\n",
    );
    for (number, era) in table.eras.iter().enumerate() {
        out.push_str(&format!(
            "<section class=\"era\"><h3><span>{}</span> {} {}</h3>\n",
            number + 1,
            escape(&era.name),
            escape(&era.span(table.readings))
        ));
        let before = era_before(table, number);
        if let Some(before) = before {
            out.push_str(&format!("<p class=\"moved\">{}</p>\n", escape(&moved(before, era))));
        }
        out.push_str("<dl>\n");
        for (name, value) in &era.traits {
            let same = before.is_none_or(|before| before.traits.contains(&(*name, value.clone())));
            let class = if same { "" } else { " class=\"new\"" };
            out.push_str(&format!("<dt>{}</dt><dd{class}>{}</dd>\n", escape(name), escape(value)));
        }
        out.push_str("</dl>\n");
        if era.changes.is_empty() {
            out.push_str("</section>\n");
            continue;
        }
        out.push_str("<details><summary>all that was observed</summary>\n");
        out.push_str("<ul>\n");
        for change in &era.changes {
            out.push_str(&format!(
                "<li>{} <span class=\"note\">({})</span></li>\n",
                escape(&change.what),
                escape(&change.shows_in.join(", "))
            ));
        }
        out.push_str("</ul></details></section>\n");
    }
    out.push_str("</div>\n");
}

fn tone(pair: &Pair) -> &'static str {
    match pair {
        pair if pair.misread > 0 || pair.died > 0 => "failed",
        pair if pair.refused > 0 || pair.lost > 0 => "warned",
        _ => "held",
    }
}

fn camps(out: &mut String, table: &Table<'_>) {
    let takes_part = |camp: &&Camp, how: &dyn Fn(usize) -> bool| camp.members.iter().any(|one| how(*one));
    let readers: Vec<&Camp> =
        table.camps.iter().filter(|camp| takes_part(camp, &|one| table.reads(one))).collect();
    let writers: Vec<&Camp> =
        table.camps.iter().filter(|camp| takes_part(camp, &|one| table.writes(one))).collect();
    out.push_str(
        "<h2 id=\"readings\">Who understands whom</h2>\n<p>Everyone writes the same meanings, and everyone reads what all wrote. \
         Rows write, columns read. The verdict is that of the harness's own dissector.</p>\n\
         <div class=\"wide\"><table class=\"camps\">\n<thead><tr><th></th>",
    );
    for camp in &readers {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(&camp.label)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for writer in &writers {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape(&writer.label)));
        for reader in &readers {
            let pairs = table.between(writer, reader);
            let Some(worst) =
                pairs.iter().max_by_key(|pair| (pair.misread + pair.died, pair.refused + pair.lost))
            else {
                out.push_str("<td class=\"grey\">–</td>");
                continue;
            };
            let mut told: Vec<String> = pairs.iter().map(|pair| counts(pair)).collect();
            told.dedup();
            out.push_str(&format!("<td class=\"{}\">{}</td>", tone(worst), escape(&told.join(" or "))));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    misunderstandings(out, table);
}

fn misunderstandings(out: &mut String, table: &Table<'_>) {
    out.push_str("<h3>What is not understood as meant</h3>\n");
    let all = table.misunderstandings();
    for group in all.chunk_by(|a, b| a.blame == b.blame) {
        let Some(first) = group.first() else { continue };
        out.push_str(&format!(
            "<details><summary>{} <span class=\"chip none\">{}</span></summary>\n<div class=\"wide\"><table class=\"words\">\n\
             <thead><tr><th>message</th><th>what became of it</th><th>read by</th><th>written by</th></tr></thead>\n<tbody>\n",
            escape(heading(first.blame)),
            group.len()
        ));
        for one in group {
            let list = |names: &[&str]| escape(&names.join(", "));
            out.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                list(&one.titles),
                escape(one.told),
                list(&one.readers),
                list(&one.writers)
            ));
        }
        out.push_str("</tbody></table></div></details>\n");
    }
}

fn everyone(out: &mut String, table: &Table<'_>) {
    let all = &table.readings.participants;
    let readers: Vec<usize> = (0..all.len()).filter(|one| table.reads(*one)).collect();
    out.push_str(
        "<h3>Every release by every other</h3>\n<div class=\"wide\"><table class=\"grid tall\">\n<thead><tr><th>writes ↓ reads →</th>",
    );
    for one in &readers {
        out.push_str(&format!("<th scope=\"col\"><span>{}</span></th>", escape(&all[*one].label())));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (writer, participant) in all.iter().enumerate().filter(|(one, _)| table.writes(*one)) {
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape(&participant.label())));
        for reader in &readers {
            match table.pair(writer, *reader) {
                Some(pair) => {
                    let told: Vec<String> =
                        pair.items.iter().map(|(title, told, _)| format!("{title}: {told}")).collect();
                    let title = format!("{} of {} as meant. {}", pair.same, pair.asked(), told.join(". "));
                    out.push_str(&format!(
                        "<td class=\"{}\" title=\"{}\">{}</td>",
                        tone(pair),
                        escape(title.trim_end()),
                        signs(pair)
                    ));
                }
                None => out.push_str("<td class=\"grey\">–</td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str(
        "</tbody></table></div>\n<p class=\"note\">✓ all as meant; otherwise ~ misread, ⊘ refused, ‐ lost for want of a place, \
         † no answer, with their numbers. Hold the pointer over a cell for what it was.</p>\n",
    );
}

fn unwritten(out: &mut String, table: &Table<'_>) {
    let all = table.unwritten();
    if all.is_empty() {
        return;
    }
    out.push_str(
        "<details><summary>What was not written</summary>\n<div class=\"wide\"><table class=\"words\">\n<thead><tr><th>message</th>\
         <th>why</th><th>by</th></tr></thead>\n<tbody>\n",
    );
    for (titles, why, writers) in all {
        out.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(&titles.join(", ")),
            escape(&why),
            escape(&writers.join(", "))
        ));
    }
    out.push_str("</tbody></table></div></details>\n");
}
