//! About this implementation and its process.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome};
use super::request::Request;
use crate::error::ErrorClass;

/// Every class with the class that it is a kind of (AVP-API-018).
pub(super) fn error_catalog<'a>(_: &Request<'a>) -> Outcome<'a> {
    let classes: Map<String, Value> = ErrorClass::ALL
        .into_iter()
        .map(|class| (class.code().to_owned(), json!(class.parent().map(ErrorClass::code))))
        .collect();
    Ok(Answer::new(json!({"errors": classes})))
}

/// The most memory that the process ever held, as the kernel counts it.
#[cfg(target_os = "linux")]
pub(super) fn rss<'a>(_: &Request<'a>) -> Outcome<'a> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    match kibibytes {
        Some(kibibytes) => Ok(Answer::new(json!({"peak_bytes": kibibytes * 1024}))),
        None => Err(super::answer::Refusal::Unsupported("the kernel does not tell".to_owned())),
    }
}
