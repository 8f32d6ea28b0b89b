//! Looking into a message without a model.

use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::metadata;
use super::request::Request;
use crate::size::TransferMode;
use crate::wire::Decoder;

/// Header and metadata in one object (AVP-API-016).
pub(super) fn inspect<'a>(request: &Request<'a>) -> Outcome<'a> {
    let message = Decoder::new().dialect(request.dialect).decode(request.part("message")?.bytes)?;
    let (header, flags) = (message.header, message.flags());
    let mut ok = json!({
        "version": header.version,
        "flags": header.flags,
        "compressed": flags.compressed(),
        "has_map": flags.has_map(message.dialect),
        "kv_cache": flags.kv_cache(message.dialect),
        "payload_length": header.payload_length,
        "metadata_length": header.metadata_length,
        "raw_size": message.consumed,
        "transfer_mode": TransferMode::of_message(&message.metadata).map(TransferMode::as_str),
    });
    if let (Some(all), Value::Object(fields)) =
        (ok.as_object_mut(), metadata::to_json(&message.metadata, message.dialect))
    {
        all.extend(fields);
    }
    Ok(Answer::new(ok))
}
