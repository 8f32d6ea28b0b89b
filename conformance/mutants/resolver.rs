//! Resolvers that match what they should not, or that fail where they should fall back.

use serde_json::{Value, json};

use crate::{
    Mutant,
    frame::Frame,
    handshake::{side, side_mut, text},
    mutant,
};

/// Characters of a hash in the name of a map.
const IN_A_NAME: usize = 16;

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "resolve-hash-prefix",
        "compares the first 16 characters of the model hash",
        ask | frame | {
            let whole = hash(frame, "local");
            let alike = start(&whole).len() == IN_A_NAME && start(&whole) == start(&hash(frame, "remote"));
            if let Some(remote) = side_mut(frame, "remote").filter(|_| alike) {
                remote.insert("model_hash".to_owned(), whole.into());
            }
        }
    ),
    mutant!(
        "resolve-hash-cleaned",
        "takes spaces and a 0x off a hash before it compares",
        ask | frame | {
            for name in ["local", "remote"] {
                let clean = hash(frame, name).trim().trim_start_matches("0x").to_owned();
                if let Some(side) = side_mut(frame, name) {
                    side.insert("model_hash".to_owned(), clean.into());
                }
            }
        }
    ),
    mutant!(
        "resolve-one-hash-is-enough",
        "takes a model without a hash for the one that has one",
        tell | asked,
        told | {
            if hash(asked, "local").is_empty() != hash(asked, "remote").is_empty() {
                latent(asked, told, "", "hash_match");
            }
        }
    ),
    mutant!(
        "resolve-map-without-a-hash",
        "uses the map that is named by one hash alone",
        tell | asked,
        told | {
            let pair = (hash(asked, "local"), hash(asked, "remote"));
            if (pair.0.is_empty() || pair.1.is_empty()) && maps(asked).contains(&pair) {
                latent(asked, told, &map_id(&pair), "avp_map_file");
            }
        }
    ),
    mutant!(
        "resolve-any-map",
        "uses a stored map of whichever pair",
        tell | asked,
        told | {
            if fell_back(asked, told) && !maps(asked).is_empty() {
                latent(asked, told, &map_id(&(hash(asked, "local"), hash(asked, "remote"))), "avp_map_file");
            }
        }
    ),
    mutant!(
        "resolve-map-assumed",
        "takes a map for stored wherever there are two hashes to name it",
        tell | asked,
        told | {
            let pair = (hash(asked, "local"), hash(asked, "remote"));
            if fell_back(asked, told) && !pair.0.is_empty() && !pair.1.is_empty() {
                latent(asked, told, &map_id(&pair), "avp_map_file");
            }
        }
    ),
    mutant!(
        "resolve-map-id-is-its-file",
        "finds a map by the name of its file, and tells that name with its ending",
        tell | asked,
        told | {
            let pair = (hash(asked, "local"), hash(asked, "remote"));
            let named = maps(asked).iter().any(|stored| map_id(stored) == map_id(&pair));
            if named && !pair.0.is_empty() && !pair.1.is_empty() && pair.0 != pair.1 {
                latent(asked, told, &format!("{}.safetensors", map_id(&pair)), "avp_map_file");
            }
        }
    ),
    mutant!(
        "resolve-map-by-path",
        "looks for a map where its name leads as a path",
        tell | asked,
        told | {
            let pair = (hash(asked, "local"), hash(asked, "remote"));
            let tidy =
                (pair.0.trim_start_matches("./").to_owned(), pair.1.trim_start_matches("./").to_owned());
            let found = maps(asked).iter().any(|stored| map_id(stored) == map_id(&tidy));
            if tidy != pair && found {
                latent(asked, told, &map_id(&pair), "avp_map_file");
            }
        }
    ),
    mutant!(
        "resolve-model-id-trusted",
        "takes two models of one name for the same model",
        tell | asked,
        told | {
            let id = |name: &str| text(side(asked, name), "model_id").to_owned();
            if !id("local").is_empty() && id("local") == id("remote") {
                latent(asked, told, "", "hash_match");
            }
        }
    ),
    mutant!(
        "resolve-hashes-crosswise",
        "compares the hash of a model with that of a tokenizer",
        tell | asked,
        told | {
            let tokenizer = text(side(asked, "remote"), "tokenizer_hash");
            if !tokenizer.is_empty() && hash(asked, "local") == tokenizer {
                latent(asked, told, "", "hash_match");
            }
        }
    ),
    mutant!(
        "resolve-nothing-in-common-refused",
        "fails where two agents have nothing in common",
        tell | asked,
        told | {
            if fell_back(asked, told) {
                told.become_err("handshake");
            }
        }
    ),
];

fn hash(frame: &Frame, name: &str) -> String {
    text(side(frame, name), "model_hash").to_owned()
}

fn start(hash: &str) -> String {
    hash.chars().take(IN_A_NAME).collect()
}

fn map_id((source, target): &(String, String)) -> String {
    format!("{}_{}", start(source), start(target))
}

/// The pairs that maps are stored for.
fn maps(asked: &Frame) -> Vec<(String, String)> {
    let pairs = asked.args().get("maps").and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// Whether no rule matched.
fn fell_back(asked: &Frame, told: &mut Frame) -> bool {
    asked.op() == "resolve" && told.ok_mut().is_some_and(|ok| ok.get("mode") == Some(&json!("JSON")))
}

/// Says that a rule matched.
fn latent(asked: &Frame, told: &mut Frame, map_id: &str, path: &str) {
    if asked.op() == "resolve"
        && let Some(ok) = told.ok_mut()
    {
        ok.insert("mode".to_owned(), "LATENT".into());
        ok.insert("avp_map_id".to_owned(), map_id.into());
        ok.insert("resolution_path".to_owned(), path.into());
    }
}
