//! The recipes as the binary carries them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::node::hex_bytes;

/// Every file under `vectors/recipes/`, by name. A test fails when one is left out.
pub(super) const EMBEDDED: &[(&str, &str)] = &[
    ("api.yaml", include_str!("../../../vectors/recipes/api.yaml")),
    ("cmp.yaml", include_str!("../../../vectors/recipes/cmp.yaml")),
    ("ctx.yaml", include_str!("../../../vectors/recipes/ctx.yaml")),
    ("enum.yaml", include_str!("../../../vectors/recipes/enum.yaml")),
    ("hash.yaml", include_str!("../../../vectors/recipes/hash.yaml")),
    ("hdr.yaml", include_str!("../../../vectors/recipes/hdr.yaml")),
    ("hs.yaml", include_str!("../../../vectors/recipes/hs.yaml")),
    ("http.yaml", include_str!("../../../vectors/recipes/http.yaml")),
    ("json.yaml", include_str!("../../../vectors/recipes/json.yaml")),
    ("kv.yaml", include_str!("../../../vectors/recipes/kv.yaml")),
    ("map.yaml", include_str!("../../../vectors/recipes/map.yaml")),
    ("met.yaml", include_str!("../../../vectors/recipes/met.yaml")),
    ("meta.yaml", include_str!("../../../vectors/recipes/meta.yaml")),
    ("pay.yaml", include_str!("../../../vectors/recipes/pay.yaml")),
    ("prj.yaml", include_str!("../../../vectors/recipes/prj.yaml")),
    ("qg.yaml", include_str!("../../../vectors/recipes/qg.yaml")),
    ("rln.yaml", include_str!("../../../vectors/recipes/rln.yaml")),
    ("sec.yaml", include_str!("../../../vectors/recipes/sec.yaml")),
    ("ses.yaml", include_str!("../../../vectors/recipes/ses.yaml")),
    ("sto.yaml", include_str!("../../../vectors/recipes/sto.yaml")),
    ("val.yaml", include_str!("../../../vectors/recipes/val.yaml")),
    ("xfr.yaml", include_str!("../../../vectors/recipes/xfr.yaml")),
];

/// Published and measured messages that recipes are patched from.
pub(super) const GOLDENS: &str = include_str!("../../../vectors/goldens.json");

/// The requirements of the protocol.
pub(super) const REQUIREMENTS: &str = include_str!("../../../vectors/requirements.yaml");

/// Description of recipes and manifest.
pub(super) const README: &str = include_str!("../../../vectors/README.md");

/// JSON Schema of the manifest.
pub(super) const SCHEMA: &str = include_str!("../../../vectors/schema/manifest.schema.json");

/// Every id that was ever issued.
pub(super) const LOCK: &str = include_str!("../../../vectors/ids.lock");

/// Refusals without an accepted twin.
pub(super) const UNPAIRED: &str = include_str!("../../../vectors/unpaired.yaml");

/// Name and text of every recipe file.
pub(super) fn files() -> Vec<(String, String)> {
    EMBEDDED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// The goldens that are bytes, under their names in lower case.
pub(super) fn goldens() -> BTreeMap<String, Arc<[u8]>> {
    let all: Value = serde_json::from_str(GOLDENS).unwrap_or_default();
    let entries = all.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.to_lowercase(), Arc::from(hex_bytes(value.as_str()?)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_recipe_file_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/recipes");
        let on_disk = crate::vector::read_folder(&folder).unwrap();
        let embedded = files();
        let names =
            |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&on_disk), names(&embedded), "vector/embedded.rs lists every file, sorted");
        assert!(on_disk == embedded, "the embedded text is what is on the disk");
    }

    #[test]
    fn goldens_are_bytes() {
        let goldens = goldens();
        assert_eq!(goldens["vec2"][..4], *b"AV\x01\0");
        assert_eq!(goldens["zstd_empty"].len(), 9);
        assert!(!goldens.contains_key("hash"));
    }
}
