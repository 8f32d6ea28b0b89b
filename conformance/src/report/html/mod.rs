//! Events → one page that needs nothing else.
//!
//! Everything is there without a script: rows are `details` that a browser opens. The script filters them. Whatever an
//! adapter said passes `escape`; `page` is what keeps the rest from running.

mod dump;
mod escape;
mod miss;
mod numbers;
mod overview;
pub(crate) mod page;
mod provenance;
mod requirement;

pub(crate) use self::escape::escape;
use self::escape::short;
use super::{Subject, words};
use crate::{
    case::Level,
    tally::{Status, counts},
    verdict::Check,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders the page.
pub fn render(subject: &Subject<'_>) -> String {
    let name = short(&words::implementation(&subject.tally.start), 200);
    let mut out = page::open(&format!("AVP conformance: {name}"), STYLE, SCRIPT);
    overview::head(&mut out, subject);
    let mut main = String::new();
    overview::profiles(&mut main, subject);
    overview::areas(&mut main, subject);
    overview::causes(&mut main, subject);
    filters(&mut main, subject);
    requirement::Rows::new(subject).write(&mut main);
    numbers::write(&mut main, subject.tally);
    overview::not_run(&mut main, subject);
    provenance::write(&mut main, subject);
    contents(&mut out, &main);
    out.push_str(&format!("<main>\n{main}"));
    out.push_str(&page::close(SCRIPT));
    out
}

/// Links to the sections that there are.
fn contents(out: &mut String, main: &str) {
    const SECTIONS: [(&str, &str); 8] = [
        ("profiles", "Profiles"),
        ("areas", "Areas"),
        ("failures", "Failures"),
        ("warnings", "Warnings"),
        ("requirements", "Requirements"),
        ("numbers", "Numeric errors"),
        ("not-run", "Not run"),
        ("provenance", "Provenance"),
    ];
    out.push_str("<nav aria-label=\"Sections\">");
    for (anchor, title) in SECTIONS {
        if main.contains(&format!("<h2 id=\"{anchor}\"")) {
            out.push_str(&format!("<a href=\"#{anchor}\">{title}</a> "));
        }
    }
    out.push_str("</nav>\n");
}

/// What a reader filters by; hidden until there is a script to filter with.
fn filters(out: &mut String, subject: &Subject<'_>) {
    let tally = subject.tally;
    let all = words::count(tally.requirements.len(), "requirement");
    out.push_str(
        "<h2 id=\"requirements\">Requirements</h2>\n<form class=\"filters\" id=\"filters\" role=\"search\" hidden>\n\
         <label>Verdict<select id=\"verdict\"><option value=\"\">all</option>"
    );
    for status in [Status::Fail, Status::Warn, Status::Pass, Status::Info, Status::NotRun] {
        let count = tally.requirements.iter().filter(|row| row.status == status).count();
        if count > 0 {
            let (class, word) = (status_class(status), status_word(status));
            out.push_str(&format!("<option value=\"{class}\">{word} ({count})</option>"));
        }
    }
    out.push_str("</select></label>\n<label>Area<select id=\"area\"><option value=\"\">all</option>");
    for area in tally.areas() {
        let code = short(&area.code, 40);
        out.push_str(&format!("<option value=\"{code}\">{code} {}</option>", short(&area.title, 80)));
    }
    out.push_str("</select></label>\n<label>Level<select id=\"level\"><option value=\"\">all</option>");
    for level in [Level::Must, Level::Should, Level::May] {
        let word = words::level(level);
        out.push_str(&format!("<option value=\"{word}\">{word}</option>"));
    }
    out.push_str(&format!(
        "</select></label>\n<label>Search<input id=\"text\" type=\"search\" placeholder=\"id, words, check, message\"></label>\n\
         <span class=\"buttons\"><button type=\"button\" id=\"open\">Open all</button> \
         <button type=\"button\" id=\"close\">Close all</button></span>\n</form>\n\
         <p class=\"note\" id=\"count\" role=\"status\">{all}.</p>\n"
    ));
}

/// How a verdict stands in classes and filters.
fn status_class(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Warn => "warn",
        Status::Info => "info",
        Status::NotRun => "not_run",
    }
}

/// How it is told.
fn status_word(status: Status) -> &'static str {
    if status == Status::NotRun { "not run" } else { status_class(status) }
}

/// Whether a missed check is red or yellow.
fn miss_class(subject: &Subject<'_>, check: &Check) -> &'static str {
    if counts(check.level, subject.strict) { "fail" } else { "warn" }
}

#[cfg(test)]
mod tests;
