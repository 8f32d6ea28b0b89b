//! What is written is read back as the same case.

use super::super::{cases, cases_of};
use super::*;
use crate::case::Spec;
use crate::check;

#[test]
fn generated_cases_are_written_as_recipes() {
    let (mut written, mut all) = (0, 0);
    for spec in [Spec::V02, Spec::V04] {
        for case in check::first(spec, 5, 8) {
            all += 1;
            match recipe_of(&case) {
                Ok(recipe) => {
                    written += 1;
                    let back = case_of(&recipe).unwrap();
                    assert!(back.id.starts_with("counterexample/"), "{}", back.id);
                    assert_eq!((back.steps, back.source), (case.steps, Source::Counterexample));
                    assert_eq!(
                        recipe_of(&Case { id: "x".into(), ..case_of(&recipe).unwrap() }).unwrap()["id"],
                        recipe["id"]
                    );
                }
                Err(UnwrittenError::NoWords(_)) => {}
                Err(other) => panic!("{}: {other}", case.key()),
            }
        }
    }
    assert!(written * 10 > all * 7, "{written} of {all}");
}

#[test]
fn vectors_are_written_as_recipes_too() {
    for case in cases().unwrap().iter().step_by(9).filter(|case| case.steps.len() < 50) {
        match recipe_of(case) {
            Ok(_) | Err(UnwrittenError::NoWords(_)) => {}
            Err(other) => panic!("{}: {other}", case.key()),
        }
    }
}

#[test]
fn an_entry_of_a_recipe_file_makes_the_case() {
    let cases = check::first(Spec::V04, 9, 3);
    for case in cases {
        let Ok(recipe) = recipe_of(&case) else { continue };
        let text = entry(&recipe, "hdr/kept").unwrap();
        let back = cases_of(&[("hdr.yaml".to_owned(), text.clone())], &Lock::default()).unwrap();
        assert_eq!((back.len(), back[0].id.as_str()), (1, "hdr/kept"), "{text}");
        assert_eq!(back[0].steps, case.steps, "{text}");
        assert!(text.is_ascii());
        assert!(entry(&recipe, "No Slug").is_err());
    }
}

#[test]
fn long_runs_are_written_by_their_length() {
    let bytes = [vec![1, 2], vec![0; 65_536], vec![3]].concat();
    let cat = json!({"cat": [{"hex": "0102"}, {"repeat": {"hex": "00", "count": 65_536}}, {"hex": "03"}]});
    assert_eq!(bytes_of(&bytes), cat);
    assert_eq!(bytes_of(&[]), json!({"hex": ""}));
    assert_eq!(bytes_of(&[7; 40]), json!({"repeat": {"hex": "07", "count": 40}}));
}
