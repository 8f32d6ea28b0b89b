//! TRACES → the page's table of items: filters, and the data that its script shows.

use std::fmt::Write as _;

use super::html::escape;
use crate::analysis::Merged;
use crate::trace::Outcome;

/// Bytes of traces in a page at most: some ten thousand answers, which a phone still opens. The tables have all of them.
const MAX_BYTES: usize = 6 << 20;

/// The section's HTML.
pub(super) fn items(run: &Merged) -> String {
    let mut lines = String::new();
    let mut shown = 0;
    // Whole items, so that arms can be held beside each other.
    for item in run.traces.chunk_by(|a, b| (&a.task, &a.layout, &a.item) == (&b.task, &b.layout, &b.item)) {
        let text: Vec<String> = item.iter().filter_map(|trace| serde_json::to_string(trace).ok()).collect();
        let text = text.join(",\n");
        if shown > 0 && lines.len() + text.len() > MAX_BYTES {
            break;
        }
        lines.push_str(if shown > 0 { ",\n" } else { "" });
        lines.push_str(&text);
        shown += item.len();
    }
    // Within a script element `<` alone could end it.
    let data = lines.replace('<', "\\u003c");
    let settings: std::collections::BTreeSet<String> =
        run.traces.iter().map(|trace| format!("{}, {}", trace.task, trace.layout)).collect();
    let mut html = String::from("<form id=\"filters\" class=\"filters\">\n");
    html.push_str(&select("setting", "setting", settings.iter().map(|name| (name.clone(), name.clone()))));
    let arms = run.record.arms.iter().map(|arm| (arm.id.clone(), arm.label.clone()));
    html.push_str(&select("arm", "arm", arms));
    let outcomes = [
        (Outcome::Correct, "correct"),
        (Outcome::Wrong, "wrong"),
        (Outcome::NoAnswer, "no answer"),
        (Outcome::Truncated, "cut"),
        (Outcome::Error, "failed"),
    ];
    let outcomes = outcomes.into_iter().filter_map(|(outcome, label)| {
        Some((serde_json::to_value(outcome).ok()?.as_str()?.to_owned(), label.to_owned()))
    });
    html.push_str(&select("outcome", "outcome", outcomes));
    html.push_str("<label>text <input id=\"text\" type=\"search\" placeholder=\"item, answer or text\"></label>\n</form>\n");
    let _ = write!(html, "<p id=\"count\" class=\"note\" role=\"status\">{shown} answers");
    if shown < run.traces.len() {
        let _ = write!(html, " of {}; the others are in tables/items.csv", run.traces.len());
    }
    html.push_str(
        ".</p>\n<noscript><p>The table needs the page's script; tables/items.csv holds the same.</p></noscript>\n\
         <div id=\"items\" class=\"items\"></div>\n<p><button id=\"more\" type=\"button\" hidden>Show more</button></p>\n",
    );
    let labels: serde_json::Map<String, serde_json::Value> =
        run.record.arms.iter().map(|arm| (arm.id.clone(), arm.label.clone().into())).collect();
    let labels = serde_json::Value::Object(labels).to_string().replace('<', "\\u003c");
    let _ = writeln!(html, "<script type=\"application/json\" id=\"labels\">{labels}</script>");
    let _ = writeln!(html, "<script type=\"application/json\" id=\"data\">[\n{data}\n]</script>");
    html
}

fn select(id: &str, label: &str, options: impl Iterator<Item = (String, String)>) -> String {
    let mut html = format!("<label>{label} <select id=\"{id}\"><option value=\"\">all</option>");
    for (value, label) in options {
        let _ = write!(html, "<option value=\"{}\">{}</option>", escape(&value), escape(&label));
    }
    html.push_str("</select></label>\n");
    html
}
