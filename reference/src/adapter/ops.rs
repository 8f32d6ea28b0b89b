//! Which operations there are. What `hello` declares is read off this table.

use super::answer::Outcome;
#[cfg(feature = "http")]
use super::http;
use super::request::Request;
#[cfg(feature = "model")]
use super::transfer;
use super::{
    context, handshake, hashes, hello, inspect, kv, maps, messages, metrics, process, project, realign,
    sessions, sizes, stores, tensors, text, validation,
};
#[cfg(feature = "model")]
use super::{easy, model};

/// An operation's function.
pub(super) type Handler = for<'a> fn(&Request<'a>) -> Outcome<'a>;

/// Name and function, in the order of the contract's tables.
const OPS: &[(&str, Handler)] = &[
    ("hello", hello::hello),
    ("encode", messages::encode),
    ("decode", messages::decode),
    ("encode_sized", messages::encode_sized),
    ("encode_hybrid", messages::encode_hybrid),
    ("decode_stream", messages::decode_stream),
    ("compression_advice", messages::compression_advice),
    ("encode_tensor", tensors::encode_tensor),
    ("decode_tensor", tensors::decode_tensor),
    ("kv_encode", kv::kv_encode),
    ("kv_decode", kv::kv_decode),
    ("kv_size", kv::kv_size),
    ("model_hash", hashes::model_hash),
    ("tokenizer_hash", hashes::tokenizer_hash),
    ("vocab_overlap", hashes::vocab_overlap),
    ("identity_extract", handshake::identity_extract),
    ("identity_encode", handshake::identity_encode),
    ("identity_decode", handshake::identity_decode),
    ("hello_encode", handshake::hello_encode),
    ("hello_decode", handshake::hello_decode),
    ("resolve", handshake::resolve),
    ("projection_method", handshake::projection_method),
    ("session_script", sessions::session_script),
    ("session_stress", sessions::session_stress),
    ("json_encode", text::json_encode),
    ("json_decode", text::json_decode),
    ("fallback_encode", text::fallback_encode),
    ("fallback_decode", text::fallback_decode),
    ("unpack_detect", text::unpack_detect),
    ("easy_unpack", text::easy_unpack),
    ("target_norm", realign::target_norm),
    ("realign_matrix", realign::realign_matrix),
    ("realign_cached", realign::realign_cached),
    ("realign_apply", realign::realign_apply),
    ("normalize", realign::normalize),
    ("soft_embed", realign::soft_embed),
    ("needs_realignment", realign::needs_realignment),
    ("project_vocab", project::project_vocab),
    ("project_overlap", project::project_overlap),
    ("project_linear", project::project_linear),
    ("calibrate", maps::calibrate),
    ("map_id", maps::map_id),
    ("map_save", maps::map_save),
    ("map_find", maps::map_find),
    ("map_load", maps::map_load),
    ("map_import", maps::map_import),
    ("effective_rank", validation::effective_rank),
    ("validation_texts", validation::validation_texts),
    ("validate_cosine", validation::validate_cosine),
    ("validate_ppl", validation::validate_ppl),
    ("validate_decide", validation::validate_decide),
    ("assess_transfer", validation::assess_transfer),
    ("context_to_bytes", context::context_to_bytes),
    ("context_from_bytes", context::context_from_bytes),
    ("store_script", stores::store_script),
    ("store_stress", stores::store_stress),
    ("inspect", inspect::inspect),
    ("diagnostics", metrics::diagnostics),
    ("word_overlap", metrics::word_overlap),
    ("metrics_catalog", metrics::metrics_catalog),
    ("codec_timings", metrics::codec_timings),
    ("error_catalog", process::error_catalog),
    ("size_report", sizes::size_report),
    ("recommend_mode", sizes::recommend_mode),
    #[cfg(feature = "model")]
    ("think", model::think),
    #[cfg(feature = "model")]
    ("generate", model::generate),
    #[cfg(feature = "model")]
    ("connector_info", model::connector_info),
    #[cfg(feature = "model")]
    ("transfer", transfer::transfer),
    #[cfg(feature = "model")]
    ("easy_script", easy::easy_script),
    #[cfg(feature = "http")]
    ("serve", http::serve),
    #[cfg(feature = "http")]
    ("unserve", http::unserve),
    #[cfg(feature = "http")]
    ("call", http::call),
    #[cfg(feature = "http")]
    ("logs", http::logs),
    #[cfg(target_os = "linux")]
    ("rss", process::rss),
    #[cfg(test)]
    ("panic", |_| panic!("on purpose")),
];

/// The function of an operation.
pub(super) fn handler(op: &str) -> Option<Handler> {
    OPS.iter().find(|(name, _)| *name == op).map(|(_, handler)| *handler)
}

/// Names of all operations but `hello`.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPS.iter().map(|(name, _)| *name).filter(|name| *name != "hello")
}

/// Whether an operation's JSON may be as long as vocabularies are.
pub(super) fn carries_vocabulary(op: &str) -> bool {
    matches!(op, "tokenizer_hash" | "vocab_overlap" | "resolve" | "calibrate" | "transfer")
}
