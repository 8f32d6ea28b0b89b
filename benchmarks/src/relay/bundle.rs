//! The bundled test split.

use super::item::Item;

/// The items, as `datasets/relay` has them.
const ITEMS: &str = include_str!("../../../datasets/relay/test.jsonl");

/// The bundled 500 test items.
///
/// # Errors
/// Never, unless the bundled file is broken.
pub fn bundled() -> serde_json::Result<Vec<Item>> {
    ITEMS.lines().map(serde_json::from_str).collect()
}
