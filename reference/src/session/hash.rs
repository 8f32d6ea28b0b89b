//! `model_hash` and `tokenizer_hash`: SHA-256 over canonical JSON, 64 lowercase hex digits, no prefix.

use sha2::{Digest, Sha256};

use super::canonical;
use super::json::{Json, JsonLimits};
use super::vocabulary::Vocabulary;
use crate::error::{Error, ErrorClass, Result};

/// Members of a Hugging Face configuration whose keys are integers in memory and strings in `config.json`.
///
/// `model_hash` is defined over the configuration in memory, so for a `config.json` these are to be ordered as numbers
/// (AVP-HASH-010).
pub const HF_INTEGER_KEYED: &[&str] = &["id2label"];

/// The hash of a model configuration (AVP-HASH-001…013).
///
/// # Errors
/// `configuration` when it is no object, or mixes integer and string keys in one.
pub fn model_hash(config: &Json<'_>) -> Result<String> {
    let Json::Object(_) = config else {
        return Err(Error::new(ErrorClass::Configuration, "model_config", "an object", config.kind()));
    };
    let mut text = Vec::new();
    canonical::write(config, &mut text)?;
    Ok(hex(&Sha256::digest(&text)))
}

/// The hash of a model configuration given as JSON text. `integer_keys` are JSON pointers to members whose key was an
/// integer in memory, e.g. `/id2label/0`.
///
/// # Errors
/// `decode` or `limit_exceeded` for the text, `invalid_argument` for a pointer, and those of [`model_hash`].
pub fn model_hash_of_text<S: AsRef<str>>(text: &str, integer_keys: &[S]) -> Result<String> {
    let mut config = Json::parse(text, &JsonLimits::CONFIG)?;
    for pointer in integer_keys {
        config.mark_integer_key(pointer.as_ref())?;
    }
    model_hash(&config)
}

/// Marks the members that Hugging Face keeps under integer keys, so that the hash of a `config.json` is the hash of
/// the configuration in memory. An object with a key that is no integer is left as it is.
pub fn restore_hf_integer_keys(config: &mut Json<'_>) {
    let Json::Object(members) = config else { return };
    for member in members {
        let named = member.key.as_str().is_some_and(|key| HF_INTEGER_KEYED.contains(&key));
        if let (true, Json::Object(labels)) = (named, &mut member.value)
            && labels.iter().all(|label| label.key.as_str().is_some_and(super::json::is_integer))
        {
            labels.iter_mut().for_each(|label| label.integer_key = true);
        }
    }
}

/// The hash of a vocabulary: of the JSON array of `[token, id]` pairs, sorted by token in code point order
/// (AVP-HASH-014…017).
pub fn tokenizer_hash(vocabulary: &Vocabulary<'_>) -> String {
    let mut hasher = Sha256::new();
    // One pair at a time: the text of a large vocabulary never stands in memory as a whole.
    let mut pair = Vec::new();
    hasher.update(b"[");
    for (index, (token, id)) in vocabulary.entries().iter().enumerate() {
        pair.clear();
        pair.extend_from_slice(if index == 0 { b"[" } else { b",[" });
        canonical::write_string(token.as_bytes(), &mut pair);
        pair.extend_from_slice(format!(",{id}]").as_bytes());
        hasher.update(&pair);
    }
    hasher.update(b"]");
    hex(&hasher.finalize())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        model_hash_of_text::<&str>(text, &[]).unwrap()
    }

    #[test]
    fn goldens_of_the_requirements() {
        for (config, golden) in [
            ("{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
            (r#"{"a":1}"#, "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"),
            (
                r#"{"b":1,"a":{"d":1.0,"c":[1,2.5,null,true]}}"#,
                "b3d3939a1cf1f8744e9ad9f27971310c5fe9bd638fd150768a581ef840fd9a7b",
            ),
            (
                "{\"s\":\"é\u{7f}\u{2028}/\\\"\\\\\\n\\t\\b\\f\\r\\u0001😀\"}",
                "0cef3d94953669ac2fb81022f2f8d1c7754fb563f2dae89a8dfef45be9be672f",
            ),
            (
                r#"{"eps":1e-06,"theta":1000000.0,"big":1e16,"small":0.0001,"tiny":0.00001,"neg0":-0.0,
                    "third":0.3333333333333333,"i":12345678901234567890123}"#,
                "3e71773bfba571228dd599b32a7af3b6cb69d4d07ce17558fbbabb54d4d3f9ef",
            ),
            (
                r#"{"x":1e15,"y":123456789012345680.0,"z":1e22,"w":5e-324,"m":1.7976931348623157e308}"#,
                "09df7f80a59f70b68ec935b465f58f7bf11c11a8d9672345f572ddc63e6ad6ab",
            ),
            (
                r#"{"nan":NaN,"inf":Infinity,"ninf":-Infinity}"#,
                "5d0cdb4834c209d2b4b5b9736f9bf55a6213c0d494fa89853b3091ab849a7390",
            ),
        ] {
            assert_eq!(hash(config), golden, "{config}");
        }
    }

    #[test]
    fn vocabulary_goldens_of_the_requirements() {
        let vocabulary = "{\"b\":1,\"a\":0,\"Ġé\":2,\"😀\":3,\"\u{ffff}\":4,\"\u{7f}\":5,\"A\":6}";
        assert_eq!(
            tokenizer_hash(&Vocabulary::from_text(vocabulary).unwrap()),
            "888fbc7cced5c56b14c7398db56fea02b412cc3b10656c2cb65c519871aa5085"
        );
        assert_eq!(
            tokenizer_hash(&Vocabulary::default()),
            "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
        );
    }

    #[test]
    fn float_and_integer_differ_and_order_does_not() {
        assert_ne!(hash(r#"{"a":1}"#), hash(r#"{"a":1.0}"#));
        assert_eq!(hash(r#"{"a":1E0}"#), hash(r#"{"a":1.0}"#));
        assert_eq!(hash(r#"{"a":1,"b":2}"#), hash(r#"{"b":2,"a":1}"#));
        assert_eq!(hash(r#"{"a":1,"a":2}"#), hash(r#"{"a":2}"#));
    }

    #[test]
    fn labels_of_a_config_file_sort_as_numbers() {
        let labels: Vec<String> = (0..12).map(|n| format!(r#""{n}":"L{n}""#)).collect();
        let text = format!(r#"{{"id2label":{{{}}}}}"#, labels.join(","));
        let pointers: Vec<String> = (0..12).map(|n| format!("/id2label/{n}")).collect();
        let hinted = model_hash_of_text(&text, &pointers).unwrap();
        assert_eq!(hinted, "b756f113a2b4a722c4fa0dbafe97054653d87505442c97ab77b97d5e7de0be15");
        let mut config = Json::parse(&text, &JsonLimits::CONFIG).unwrap();
        assert_ne!(model_hash(&config).unwrap(), hinted);
        restore_hf_integer_keys(&mut config);
        assert_eq!(model_hash(&config).unwrap(), hinted);
    }

    #[test]
    fn only_objects_are_configurations() {
        for text in ["[]", "5", "null", "\"x\""] {
            let error = model_hash_of_text::<&str>(text, &[]).unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration, "{text}");
        }
    }
}
