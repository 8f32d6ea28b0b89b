//! The committed protobuf code is what `proto/avp.proto` gives today.

use std::{fs, path::Path};

/// Makes the code again. When it differs, the new text is written in place and the test fails, so that the change is
/// seen, reviewed and committed.
#[test]
fn generated_code_matches_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/wire/generated.rs");
    let schema = protox::compile(["avp.proto"], [root.join("proto")]).expect("proto/avp.proto compiles");

    let out = tempfile::tempdir().expect("a temporary folder");
    prost_build::Config::new()
        .btree_map(["."]) // sorted keys: reproducible output, AVP-META-019
        .out_dir(out.path())
        .compile_fds(schema)
        .expect("code generation");
    let fresh = fs::read_to_string(out.path().join("avp.rs")).expect("generated code");

    let old = fs::read_to_string(&committed).unwrap_or_default();
    if old != fresh {
        fs::write(&committed, &fresh).expect("writable source");
        panic!(
            "src/wire/generated.rs was out of date with proto/avp.proto; it is rewritten: review and commit it"
        );
    }
}
