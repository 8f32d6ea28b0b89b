//! The table by area.

use super::Layout;
use crate::tally::{AreaVerdict, Tally};

/// Requirements and checks by area.
pub(super) fn areas(tally: &Tally, layout: &Layout) -> String {
    const TITLE: usize = 48;
    let areas = tally.areas();
    let title = areas.iter().map(|area| area.title.chars().count()).max().unwrap_or(0).clamp(10, TITLE);
    let title = title.min(layout.columns().saturating_sub(54)).max(10);
    let mut out = String::new();
    let head = format!(" {:5} {:title$}  {:>27}  {:>15}", "area", "", "requirements", "checks");
    out.push_str(&format!("{}\n", layout.dim(head.trim_end())));
    let head = format!(
        " {:5} {:title$}  {:>4} {:>4} {:>4} {:>4} {:>7} {:>8} {:>6}",
        "", "", "pass", "fail", "warn", "info", "not run", "made", "missed"
    );
    out.push_str(&format!("{}\n", layout.dim(&head)));
    let mut total = AreaVerdict { title: "total".into(), ..AreaVerdict::default() };
    for area in &areas {
        out.push_str(&row(area, title, layout));
        total.pass += area.pass;
        total.fail += area.fail;
        total.warn += area.warn;
        total.info += area.info;
        total.not_run += area.not_run;
        total.checks += area.checks;
        total.missed += area.missed;
    }
    // A check that speaks for requirements of two areas stands in both rows and counts once here.
    total.checks = tally.checks().filter(|(_, check)| ran(check)).count();
    total.missed = tally.checks().filter(|(_, check)| weighs(check)).count();
    out.push_str(&row(&total, title, layout));
    out
}

fn ran(check: &crate::verdict::Check) -> bool {
    check.outcome != crate::verdict::Outcome::NotApplicable
}

fn weighs(check: &crate::verdict::Check) -> bool {
    check.missed() && check.level > crate::case::Level::May
}

fn row(area: &AreaVerdict, title: usize, layout: &Layout) -> String {
    let name: String = area.title.chars().take(title).collect();
    let cell = |number: usize, width: usize, paint: &dyn Fn(&str) -> String| {
        let text = format!("{:>width$}", if number == 0 { "·".to_owned() } else { number.to_string() });
        if number == 0 { layout.dim(&text) } else { paint(&text) }
    };
    let plain = |text: &str| text.to_owned();
    format!(
        " {:5} {name:title$}  {} {} {} {} {} {} {}\n",
        area.code,
        cell(area.pass, 4, &plain),
        cell(area.fail, 4, &|text| layout.bad(text)),
        cell(area.warn, 4, &|text| layout.odd(text)),
        cell(area.info, 4, &plain),
        cell(area.not_run, 7, &plain),
        cell(area.checks, 8, &plain),
        cell(area.missed, 6, &plain),
    )
}
