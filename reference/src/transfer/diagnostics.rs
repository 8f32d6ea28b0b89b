//! Whether a transfer went well (AVP-MET-003…007).

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::Value;

/// What was seen during a latent transfer. Everything is at its default until the model runtime sets it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TransferDiagnostics {
    /// The model said nothing.
    pub output_empty: bool,
    /// A hidden state had a NaN.
    pub has_nan: bool,
    /// A hidden state had an infinity.
    pub has_inf: bool,
    /// Length of the generated text in characters.
    pub output_length: u64,
    /// How the state went over, e.g. `kv_cache`, `hidden_state`. Empty when it did not.
    pub transfer_mode: String,
    /// The model that thought, when it is another one than the target.
    pub source_model: Option<String>,
    /// The model that generated.
    pub target_model: Option<String>,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Whether the quality gate let a projected state pass; `None` where no gate was asked.
    pub quality_gate_passed: Option<bool>,
    /// Why.
    pub quality_gate_reason: String,
    /// How a state was projected onto another model. Empty when it was not.
    pub projection_method: String,
    /// Norm of the projected state.
    pub hidden_state_norm: Option<f64>,
    /// Cosine between the projected state and the nearest input embedding.
    pub nearest_cos_sim: Option<f64>,
    /// One norm a state: latent steps + 1 values (AVP-MET-005).
    pub norm_trajectory: Option<Vec<f64>>,
    /// What the same prompt gives without latent state, where a comparison was asked for.
    pub text_baseline_output: Option<String>,
    /// [`word_overlap`] of the two.
    pub text_overlap: Option<f64>,
    /// Sentences for people.
    pub warnings: Vec<String>,
    /// What an engine adds.
    pub extra: BTreeMap<String, Value>,
}

impl TransferDiagnostics {
    /// Names of what is wrong, in the words of [`TransferDiagnostics::summary`]. A runtime warns about each, also when
    /// nobody asked for diagnostics (AVP-MET-006).
    pub fn alarms(&self) -> Vec<&'static str> {
        let all = [(self.output_empty, "EMPTY_OUTPUT"), (self.has_nan, "NaN"), (self.has_inf, "Inf")];
        all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
    }

    /// Whether there was output, and every number was finite (AVP-MET-004).
    pub fn healthy(&self) -> bool {
        self.alarms().is_empty()
    }

    /// One line: `OK` or `UNHEALTHY[…]`, then what is known, between bars (AVP-MET-004).
    pub fn summary(&self) -> String {
        let alarms = self.alarms();
        let mut parts = vec![if alarms.is_empty() {
            "OK".to_owned()
        } else {
            format!("UNHEALTHY[{}]", alarms.join(","))
        }];
        let mut known = |name: &str, text: &str| {
            if !text.is_empty() {
                parts.push(format!("{name}={text}"));
            }
        };
        known("mode", &self.transfer_mode);
        known("projection", &self.projection_method);
        known("cos_sim", &self.nearest_cos_sim.map(|cosine| format!("{cosine:.3}")).unwrap_or_default());
        if let Some([first, .., last] | [first @ last]) = self.norm_trajectory.as_deref() {
            known("norms", &format!("[{first:.1}..{last:.1}]"));
        }
        known(
            "overlap",
            &self.text_overlap.map(|ratio| format!("{:.0}%", ratio * 100.0)).unwrap_or_default(),
        );
        if !self.warnings.is_empty() {
            known("warnings", &self.warnings.len().to_string());
        }
        // Names come from outside; the line stays one.
        parts.join(" | ").replace(char::is_control, " ")
    }
}

/// How alike two texts are: words that both have, over the words of the one that has more; each word once, in lower case
/// (AVP-MET-007). 1 for two texts without words, 0 when only one has any.
pub fn word_overlap(a: &str, b: &str) -> f64 {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let words = |text| -> HashSet<&str> { str::split_whitespace(text).collect() };
    let (a, b) = (words(&a), words(&b));
    match a.len().max(b.len()) {
        0 => 1.0,
        most => a.intersection(&b).count() as f64 / most as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alarm_is_unhealthy_and_named() {
        for bits in 0..8 {
            let [output_empty, has_nan, has_inf] = [1, 2, 4].map(|bit| bits & bit != 0);
            let seen = TransferDiagnostics { output_empty, has_nan, has_inf, ..Default::default() };
            assert_eq!(seen.healthy(), bits == 0);
            let expected = [
                "OK",
                "UNHEALTHY[EMPTY_OUTPUT]",
                "UNHEALTHY[NaN]",
                "UNHEALTHY[EMPTY_OUTPUT,NaN]",
                "UNHEALTHY[Inf]",
                "UNHEALTHY[EMPTY_OUTPUT,Inf]",
                "UNHEALTHY[NaN,Inf]",
                "UNHEALTHY[EMPTY_OUTPUT,NaN,Inf]",
            ];
            assert_eq!(seen.summary(), expected[bits]);
        }
    }

    #[test]
    fn the_summary_says_what_is_known_in_one_line() {
        let mut seen = TransferDiagnostics {
            has_nan: true,
            transfer_mode: "kv\ncache".into(),
            projection_method: "vocab_mediated".into(),
            nearest_cos_sim: Some(0.12345),
            norm_trajectory: Some(vec![1.25, 9.0, 2.0]),
            text_overlap: Some(2.0 / 3.0),
            warnings: vec!["one".into(), "two".into()],
            ..Default::default()
        };
        assert_eq!(
            seen.summary(),
            "UNHEALTHY[NaN] | mode=kv cache | projection=vocab_mediated | cos_sim=0.123 | norms=[1.2..2.0] | \
             overlap=67% | warnings=2"
        );
        seen.norm_trajectory = Some(vec![3.0]);
        assert!(seen.summary().contains("norms=[3.0..3.0]"));
        seen.norm_trajectory = Some(Vec::new());
        assert!(!seen.summary().contains("norms"));
    }

    #[test]
    fn overlap_of_words() {
        for (a, b, ratio) in [
            ("a b c", "b c d", 2.0 / 3.0),
            ("", " \n\t", 1.0),
            ("", "a", 0.0),
            ("a a a", "a", 1.0),
            ("The Cat", "the  cat\n", 1.0),
            ("a", "a b c d", 0.25),
            ("ÉTÉ", "été", 1.0),
            ("cat.", "cat", 0.0),
        ] {
            assert_eq!(word_overlap(a, b), ratio, "{a:?} {b:?}");
            assert_eq!(word_overlap(b, a), ratio, "{b:?} {a:?}");
        }
    }
}
