//! Metadata as ACP/1 writes it: a missing key is the proto3 default.

use serde_json::{Map, Value, json};

use super::compare::{Comparer, Meaning, Mismatch, optional};

/// Field 12 is a 32-bit float: what a language prints of it depends on how it widens it.
const FLOAT_FIELD: &str = "confidence_score";

/// Not every interface shows field 15, so it is looked at only when it is expected.
const CHECKSUM: &str = "payload_checksum";

fn default_of(field: &str) -> Option<Value> {
    Some(match field {
        "session_id" | "source_agent_id" | "target_agent_id" | "model_id" | "avp_map_id" => json!(""),
        "hidden_dim" | "num_layers" => json!(0),
        "payload_type" => json!("HIDDEN_STATE"),
        "dtype" => json!("FLOAT32"),
        "tensor_shape" => json!([]),
        "mode" => json!("LATENT"),
        "extra" => json!({}),
        FLOAT_FIELD => json!(0.0),
        _ => return None,
    })
}

/// The fields whose absence means a value.
const FIELDS: [&str; 14] = [
    "session_id",
    "source_agent_id",
    "target_agent_id",
    "model_id",
    "hidden_dim",
    "num_layers",
    "payload_type",
    "dtype",
    "tensor_shape",
    "mode",
    "compression",
    FLOAT_FIELD,
    "avp_map_id",
    "extra",
];

/// What metadata says, every field named: absent ones with what their absence means. Leaves out fields that belong to the
/// form of a message rather than to what it says: compression and checksum.
pub(super) fn with_defaults(metadata: &Map<String, Value>) -> Map<String, Value> {
    let said = FIELDS.into_iter().filter(|field| *field != "compression").map(|field| {
        let there = metadata.get(field).filter(|value| !value.is_null()).cloned();
        let value = there.or_else(|| default_of(field)).unwrap_or_default();
        let value = match value.as_f64() {
            Some(number) if field == FLOAT_FIELD => json!(number as f32),
            _ => value,
        };
        (field.to_owned(), value)
    });
    said.collect()
}

/// Compares metadata, in full or only the fields that are expected. Keys that the protocol page does not name are looked
/// at only when they are expected.
pub(super) fn compare(
    comparer: &Comparer<'_>,
    expected: &Map<String, Value>,
    actual: &Map<String, Value>,
    full: bool,
    at: &str,
) -> Result<(), Mismatch> {
    for (key, wanted) in expected {
        let (field, optional) = optional(key);
        let there = actual.get(field).filter(|value| !value.is_null());
        if optional && there.is_none() {
            continue;
        }
        one(comparer, field, wanted, there, at)?;
    }
    if !full {
        return Ok(());
    }
    let named = |field: &str| expected.contains_key(field) || expected.contains_key(&format!("{field}?"));
    for field in FIELDS.into_iter().filter(|field| !named(field)) {
        let there = actual.get(field).filter(|value| !value.is_null());
        if there.is_some() {
            one(comparer, field, &default_of(field).unwrap_or_default(), there, at)?;
        }
    }
    Ok(())
}

fn one(
    comparer: &Comparer<'_>,
    field: &str,
    wanted: &Value,
    there: Option<&Value>,
    at: &str,
) -> Result<(), Mismatch> {
    let at = format!("{at}/{field}");
    if field == "compression" {
        // Null, missing and empty are one: the field has explicit presence, its absence and "" mean no compression.
        let nothing = |value: &Value| value.is_null() || value.as_str() == Some("");
        let there = there.filter(|value| !nothing(value));
        if nothing(wanted) {
            return match there {
                None => Ok(()),
                Some(_) => comparer.value(Meaning::Plain, &Value::Null, there, &at),
            };
        }
        return comparer.value(Meaning::Plain, wanted, there, &at);
    }
    let default = if field == CHECKSUM { None } else { default_of(field) };
    let there = there.or(default.as_ref());
    if field == FLOAT_FIELD
        && let (Some(a), Some(b)) = (wanted.as_f64(), there.and_then(Value::as_f64))
        && (a as f32).to_bits() == (b as f32).to_bits()
    {
        return Ok(());
    }
    let wanted = default.as_ref().filter(|_| wanted.is_null()).unwrap_or(wanted);
    comparer.value(Meaning::Plain, wanted, there, &at)
}
