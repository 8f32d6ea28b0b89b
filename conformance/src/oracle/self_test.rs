//! Holds the oracles against values measured elsewhere, before anybody is judged by them.

use serde_json::json;

use super::json::text;
use super::{Action, DEFAULT_LAMBDA, Identity, KvShape, Matrix, Peers, Step};
use super::{
    StoreAction, StoreModel, decode_text_message, events, extract_identity, kv_payload, model_hash,
    normalized, realign_matrix, resolve, soft_embedding, target_norm, tokenizer_hash, word_overlap,
};
use crate::build::{bf16_bits, crc32, f16_bits};
use crate::case::{Dtype, Spec};
use crate::dissect;

/// An oracle that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {oracle} oracle is wrong: expected {expected}, made {actual}")]
pub struct SelfTestError {
    /// Which.
    pub oracle: &'static str,
    /// The golden value.
    pub expected: String,
    /// What came out.
    pub actual: String,
}

/// The published vectors and values measured with the SDK; the same file that is handed out with the vectors.
const GOLDENS: &str = include_str!("../../../vectors/goldens.json");

/// Checks every oracle and the dissector. Takes well under 5 ms.
///
/// # Errors
/// The first value that differs.
pub fn self_test() -> Result<(), SelfTestError> {
    hashes()?;
    numbers()?;
    layouts()?;
    rules()?;
    contexts()?;
    numerics()?;
    super::decoder_numbers::hold()?;
    super::projection_numbers::hold()?;
    messages()
}

/// All values within `tolerance`, absolute.
pub(super) fn near(
    oracle: &'static str,
    expected: &[f64],
    actual: &[f64],
    tolerance: f64,
) -> Result<(), SelfTestError> {
    let equal = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance;
    match expected.len() == actual.len() && expected.iter().zip(actual).all(equal) {
        true => Ok(()),
        false => same(oracle, format!("{expected:?}"), format!("{actual:?}")),
    }
}

pub(super) fn same(
    oracle: &'static str,
    expected: impl ToString,
    actual: impl ToString,
) -> Result<(), SelfTestError> {
    let (expected, actual) = (expected.to_string(), actual.to_string());
    if expected == actual { Ok(()) } else { Err(SelfTestError { oracle, expected, actual }) }
}

fn hashes() -> Result<(), SelfTestError> {
    for (config, expected) in [
        ("{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        (
            r#"{"b":1,"a":{"d":1.0,"c":[1,2.5,null,true]}}"#,
            "b3d3939a1cf1f8744e9ad9f27971310c5fe9bd638fd150768a581ef840fd9a7b",
        ),
        (
            r#"{"s":"é\u007f\u2028/\"\\\n\t\b\f\r\u0001😀"}"#,
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
        same("model_hash", expected, model_hash(config, &[]).unwrap_or_else(|e| e.to_string()))?;
    }
    let pairs = [("b", 1), ("a", 0), ("Ġé", 2), ("😀", 3), ("\u{ffff}", 4), ("\u{7f}", 5), ("A", 6)];
    let pairs = pairs.map(|(token, id)| (text(token), id));
    let expected = "888fbc7cced5c56b14c7398db56fea02b412cc3b10656c2cb65c519871aa5085";
    same("tokenizer_hash", expected, tokenizer_hash(&pairs))?;
    same(
        "tokenizer_hash",
        "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
        tokenizer_hash(&[]),
    )
}

fn numbers() -> Result<(), SelfTestError> {
    same("crc32", 0xcbf4_3926_u32, crc32(b"123456789"))?;
    same("crc32", crc32fast::hash(GOLDENS.as_bytes()), crc32(GOLDENS.as_bytes()))?;
    for (value, f16, bf16) in [
        (1.0f32, 0x3c00, 0x3f80),
        (65520.0, 0x7c00, 0x4780),
        (65519.0, 0x7bff, 0x4780),
        (1.000_488_3, 0x3c00, 0x3f80),
        (-0.0, 0x8000, 0x8000),
        (1e-8, 0x0000, 0x322c),
        (f32::NEG_INFINITY, 0xfc00, 0xff80),
    ] {
        same("f16", format!("{f16:#06x}"), format!("{:#06x}", f16_bits(value)))?;
        same("bf16", format!("{bf16:#06x}"), format!("{:#06x}", bf16_bits(value)))?;
    }
    Ok(())
}

fn layouts() -> Result<(), SelfTestError> {
    let shape = KvShape { num_layers: 1, num_kv_heads: 2, head_dim: 2, seq_len: 3, dtype: Dtype::F16 };
    let values = (0..12).chain(100..112).flat_map(|n| f16_bits(n as f32).to_le_bytes());
    let made = kv_payload(&shape, values.collect()).unwrap_or_default();
    same("kv layout", hex(&golden("KV1")), hex(&made))?;
    let read = dissect::kv(&made);
    same(
        "kv dissector",
        "0 faults of 5 + 2 fields",
        format!("{} faults of 5 + {} fields", read.faults.len(), read.fields.len() - 5),
    )
}

fn rules() -> Result<(), SelfTestError> {
    let side = |hash: &str, family: &str| Identity {
        model_hash: hash.to_owned(),
        model_family: family.to_owned(),
        hidden_dim: 8,
        num_layers: 2,
        tokenizer_hash: "0123456789abcdef".repeat(4),
        ..Identity::default()
    };
    for (local, remote, expected) in [
        (side("a", "q"), side("a", "p"), "LATENT hash_match "),
        (side("a", "q"), side("b", "q"), "LATENT structural_match "),
        (side("a", "q"), side("b", "p"), "LATENT shared_tokenizer vocab:0123456789abcdef"),
        (Identity::default(), Identity::default(), "JSON json_fallback "),
    ] {
        let done = resolve(&Peers { local, remote, ..Peers::default() });
        same("resolution", expected, format!("{} {} {}", done.mode, done.path, done.avp_map_id))?;
    }
    let create = Action::Create { session: "s".to_owned(), agents: Vec::new(), ttl_ms: None };
    let get = |at_ms| Step { at_ms, action: Action::Get { session: "s".to_owned() } };
    let steps = [Step { at_ms: 0, action: create }, get(9_900), get(10_100)];
    let found: Vec<_> = events(Some(10_000), &steps).into_iter().flatten().collect();
    same("session", json!([{"session": "s"}, {"found": true}, {"found": false}]), json!(found))?;
    let config = json!({"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8});
    let identity = config.as_object().map(extract_identity).unwrap_or_default();
    same("identity", "128 8", format!("{} {}", identity.head_dim, identity.num_kv_heads))?;
    let message = decode_text_message(r#"{"content":"\u00e9"}"#).unwrap_or_default();
    same("text message", "é", message.content)
}

/// A context lives for 300 s; two of three words are two thirds.
fn contexts() -> Result<(), SelfTestError> {
    let mut model = StoreModel::new(None);
    let key = || "k".to_owned();
    model.step(0, &StoreAction::Store { key: key(), value: "v".to_owned(), ttl_ms: None });
    let mut found = |at| model.step(at, &StoreAction::Get { key: key() }).remove(0);
    same("store", r#"{"value":"v"}"#, found(299_000))?;
    same("store", r#"{"value":null}"#, found(301_000))?;
    same("word overlap", 2.0 / 3.0, word_overlap("a b c", "b c d"))
}

/// Measured with numpy 2 in double precision (`linalg.solve`, `linalg.norm`, `exp`).
fn numerics() -> Result<(), SelfTestError> {
    let matrix =
        |cols: usize, values: &[f64]| Matrix { rows: values.len() / cols, cols, values: values.to_vec() };
    let near = |oracle, expected: &[f64], actual: &[f64]| near(oracle, expected, actual, 1e-12);
    let e_in = [0.5, -1.25, 2.0, 1.5, 0.25, -0.75, -2.0, 1.0, 0.5, 0.125, -0.5, 1.75, 1.0, 1.0, -1.5];
    let e_out = [1.0, 0.5, -0.25, -0.5, 2.0, 1.0, 0.75, -1.5, 0.5, 2.0, 0.25, -1.0, -1.25, 1.0, 1.5];
    let (e_in, e_out) = (matrix(3, &e_in), matrix(3, &e_out));
    for (lambda, expected) in [
        (
            0.25,
            [
                -0.24254568772042318,
                -0.06864735848384461,
                0.9626304727298638,
                0.9563072209753839,
                -0.3434149121869545,
                0.06358875708026078,
                -0.3225036514552385,
                0.7452174842364004,
                -0.2202272808236257,
            ],
        ),
        (
            DEFAULT_LAMBDA,
            [
                -0.28020989970330007,
                -0.0241933558618346,
                1.0184669018839727,
                0.9997626231861911,
                -0.3711716448141827,
                0.0720674985329163,
                -0.3978793041124796,
                0.8419073917691988,
                -0.18469569951820206,
            ],
        ),
    ] {
        let made = realign_matrix(&e_in, &e_out, lambda).unwrap_or_default();
        near("realignment", &expected, &made.values)?;
    }
    near("target norm", &[2.056730157246422], &target_norm(&e_in).into_iter().collect::<Vec<_>>())?;
    let hidden = matrix(3, &[0.5, -0.25, 1.5, 1000.0, 0.0, -1000.0]);
    let expected = [0.4313019198665451, -1.1122705283657381, 1.9532588500295067, 1.0, 1.0, -1.5];
    near("soft embedding", &expected, &soft_embedding(&hidden, &e_in, 0.5).values)?;
    let expected = [
        0.7808688094430304,
        -0.3904344047215152,
        2.342606428329091,
        1.7677669529663687,
        0.0,
        -1.7677669529663687,
    ];
    near("norm", &expected, &normalized(&hidden, 2.5).values)
}

fn messages() -> Result<(), SelfTestError> {
    for (name, faults) in [("VEC1", 0), ("VEC2", 0), ("VEC1c", 0), ("VEC2c", 0), ("EMPTY", 0), ("EMPTYc", 0)]
    {
        let bytes = golden(name);
        let done = dissect::message(&bytes, Spec::V04);
        same("dissector", format!("{name} {faults}"), format!("{name} {}", done.faults.len()))?;
    }
    let mut flipped = golden("VEC2c");
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    let found = dissect::message(&flipped, Spec::V04).faults.first().map(|f| f.requirements[0]);
    same("dissector", "AVP-CMP-014", found.unwrap_or("no fault"))
}

fn golden(name: &str) -> Vec<u8> {
    let hex = serde_json::from_str::<serde_json::Value>(GOLDENS).ok();
    let hex = hex.as_ref().and_then(|all| all[name].as_str()).unwrap_or_default();
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oracles_are_right_and_quick() {
        let took = || {
            let start = std::time::Instant::now();
            self_test().unwrap();
            start.elapsed()
        };
        // 5 ms in a release build; a debug build on a busy machine gets more, and a second chance.
        let quickest = (0..5).map(|_| took()).min().unwrap();
        assert!(quickest < std::time::Duration::from_millis(200), "{quickest:?}");
    }

    #[test]
    fn a_wrong_value_is_said() {
        let error = same("crc32", 1, 2).unwrap_err();
        assert_eq!(error.to_string(), "the crc32 oracle is wrong: expected 1, made 2");
    }
}
