//! Events → a badge: one picture that says which profile was judged and what came of it.
//!
//! A badge never says more than the run: `conformant` needs a complete, honest run of the whole profile, and a run that was
//! narrowed is "not judged" however well it went.

use super::{Subject, html::escape, words};
use crate::tally::{Standing, Status};

/// Width of a character where the face is not known better, in pixels: a rounded mean of Verdana at 11 pixels. The text
/// is stretched to the width that was reckoned, so that it fits in any face.
const CHARACTER: f64 = 6.3;

/// Room at both ends of a text.
const MARGIN: usize = 6;

/// What stands in the badge.
struct Words {
    label: String,
    value: String,
    colour: &'static str,
}

/// Renders the badge as SVG.
pub fn render(subject: &Subject<'_>) -> String {
    let Words { label, value, colour } = told(subject);
    let (left, right) = (width(&label), width(&value));
    let (all, start) = (left + right, &subject.tally.start);
    let title = format!(
        "{}: {label}: {value}; suite {}, vectors {}, seed {}",
        words::shorten(&words::implementation(start), 100),
        start.suite,
        words::shorten(&start.vectors, 12),
        start.seed
    );
    let title = escape(&title);
    let text = |x: usize, room: usize, text: &str| {
        format!(
            "<text x=\"{}\" y=\"14\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
            x + MARGIN,
            room - 2 * MARGIN,
            escape(text)
        )
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"{title}\">\n\
         <title>{title}</title>\n<rect width=\"{all}\" height=\"20\" rx=\"3\" fill=\"{colour}\"/>\
         <path d=\"M3 0H{left}V20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z\" fill=\"#444b53\"/>\n\
         <g fill=\"#fff\" font-family=\"Verdana, 'DejaVu Sans', Geneva, sans-serif\" font-size=\"11\">{}{}</g>\n</svg>\n",
        text(0, left, &label),
        text(left, right, &value)
    )
}

fn width(text: &str) -> usize {
    (text.chars().count() as f64 * CHARACTER).ceil() as usize + 2 * MARGIN
}

fn told(subject: &Subject<'_>) -> Words {
    const GOOD: &str = "#0f7a58";
    const BAD: &str = "#b83232";
    const MILD: &str = "#98600a";
    const NONE: &str = "#6b737c";
    let tally = subject.tally;
    let dialects: Vec<&str> = tally.start.specs.iter().map(|spec| spec.as_str()).collect();
    let label = format!("AVP {} {}", dialects.join(" + "), subject.profile.name);
    let verdict = tally.profile(subject.profile, subject.strict);
    let held = || {
        let required =
            tally.requirements.iter().filter(|row| row.required && subject.profile.covers(&row.brief.id));
        required.filter(|row| !matches!(row.status, Status::NotRun | Status::Fail)).count()
    };
    let (value, colour) = match verdict {
        _ if tally.is_dishonest() => ("not to be believed".to_owned(), BAD),
        Some(verdict) => match verdict.standing {
            Standing::Conformant => (format!("conformant, {} MUSTs", verdict.required), GOOD),
            Standing::NotConformant => (format!("not conformant, {} broken", verdict.broken.len()), BAD),
            Standing::Incomplete => (format!("incomplete, {} of {} MUSTs", held(), verdict.required), MILD),
            Standing::NotJudged => ("not judged".to_owned(), NONE),
        },
        None => ("not judged".to_owned(), NONE),
    };
    Words { label: if subject.strict { format!("{label} strict") } else { label }, value, colour }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Tally, profile_named, sample};

    fn badge(subject: &Subject<'_>) -> String {
        let svg = render(subject);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        svg
    }

    fn tally(ids: &[usize]) -> Tally {
        let all = sample::cases();
        let cases: Vec<_> = ids.iter().map(|id| all[*id].clone()).collect();
        let mut start = sample::start();
        start.requirements.retain(|brief| cases.iter().any(|case| case.requirements.contains(&brief.id)));
        Tally::new(sample::stream(start, cases)).unwrap()
    }

    #[test]
    fn the_words_are_those_of_the_verdict() {
        let (good, partly) = (tally(&[0, 1]), tally(&[0, 6]));
        assert!(badge(&Subject::new(&good)).contains(">conformant, 2 MUSTs<"));
        assert!(badge(&Subject::new(&partly)).contains(">incomplete, 1 of 2 MUSTs<"));
        let bad = sample::tally();
        let svg = badge(&Subject::new(&bad));
        assert!(svg.contains(">not conformant, 3 broken<"), "{svg}");
        assert!(svg.contains(">AVP 0.4 full<"));
    }

    #[test]
    fn a_narrowed_run_of_another_profile_and_a_liar_are_never_conformant() {
        let mut narrowed = tally(&[0, 1]);
        narrowed.start.selection.push("--id hdr/magic".into());
        assert!(badge(&Subject::new(&narrowed)).contains(">not judged<"));
        let good = tally(&[0, 1]);
        let kv = Subject { profile: profile_named("kv").unwrap(), ..Subject::new(&good) };
        assert!(badge(&kv).contains(">AVP 0.4 kv<") && badge(&kv).contains(">not judged<"));
        let mut liar = tally(&[0, 1]);
        liar.probes[0].passed = Some(false);
        assert!(badge(&Subject::new(&liar)).contains(">not to be believed<"));
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let mut tally = sample::tally();
        tally.start.hello.name = "\"/><script>alert(1)</script>".into();
        let svg = badge(&Subject::new(&tally));
        assert!(!svg.contains("<script"));
        assert_eq!(svg.matches("<rect").count(), 1);
    }
}
