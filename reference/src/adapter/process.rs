//! About this process.

use serde_json::json;

use super::answer::{Answer, Outcome, Refusal};
use super::request::Request;

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
        None => Err(Refusal::Unsupported("the kernel does not tell".to_owned())),
    }
}
