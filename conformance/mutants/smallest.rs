//! Calculations that go wrong where there is nothing, or one of something.

use half::bf16;
use serde_json::{Value, json};

use crate::{
    Mutant, mutant,
    rows::{Rows, length},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "realign-nothing-is-nothing",
        "makes an empty matrix for a model without weights",
        tell | asked,
        told | {
            if asked.op() == "realign_matrix" && asked.parts.is_empty() {
                told.become_ok(json!({"target_norm": 0.0}), &[("w", &[])]);
            }
        }
    ),
    mutant!(
        "realign-not-needed-when-said",
        "takes a config that speaks of tied weights for one that ties them",
        tell | asked,
        told | {
            let said = asked.args().get("config").and_then(|config| config.get("tie_word_embeddings"));
            if asked.op() == "needs_realignment"
                && said.is_some_and(Value::is_boolean)
                && let Some(ok) = told.ok_mut()
            {
                ok.insert("value".to_owned(), false.into());
            }
        }
    ),
    mutant!(
        "norm-of-one-fewer",
        "divides the sum of the lengths by one less than their number",
        tell | asked,
        told | {
            if asked.op() == "target_norm"
                && let Some(rows) = Rows::of(asked, "e_in")
                && let Some(ok) = told.ok_mut()
            {
                let sum: f64 = rows.each().map(length).sum();
                ok.insert("value".to_owned(), json!(sum / (rows.count() as f64 - 1.0)));
            }
        }
    ),
    mutant!(
        "norm-sum-in-bfloat16",
        "adds up the lengths of bfloat16 rows in bfloat16",
        tell | asked,
        told | {
            let short = asked.parts.iter().any(|part| part.spec.get("dtype") == Some(&"bf16".into()));
            if asked.op() == "target_norm"
                && short
                && let Some(rows) = Rows::of(asked, "e_in")
                && let Some(ok) = told.ok_mut()
            {
                let add = |sum: bf16, row: &[f64]| bf16::from_f64(sum.to_f64() + length(row));
                let sum = rows.each().fold(bf16::ZERO, add);
                ok.insert("value".to_owned(), json!(sum.to_f64() / rows.count() as f64));
            }
        }
    ),
    mutant!(
        "project-nothing-refused",
        "takes a batch of no states for a mistake",
        tell | asked,
        told | {
            if asked.op() == "project_vocab" && asked.part("hidden").is_some_and(<[u8]>::is_empty) {
                told.become_err("projection");
            }
        }
    ),
    mutant!(
        "project-one-token-refused",
        "takes a vocabulary of one token for a vector",
        tell | asked,
        told | {
            if asked.op() == "project_vocab"
                && Rows::of(asked, "src_head").is_some_and(|head| head.count() == 1)
            {
                told.become_err("projection");
            }
        }
    ),
];
