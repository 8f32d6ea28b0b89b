//! `doctor` with the ills that adapters have.

use super::{avp, avp_against};

#[test]
fn a_sound_adapter_passes_all_steps() {
    let sound = avp(&["doctor"]);
    sound.assert_code(0).assert_says("All well. Next: avp-conformance run");
    assert_eq!(sound.out.matches(": ok").count(), 8, "{}", sound.out);
    avp_against("honest", &["doctor"]).assert_code(0).assert_says("avp-conformance run -- python3");
}

#[test]
fn each_ill_is_found_at_its_step() {
    let table = [
        ("no-hello", "2. Does it say hello?: FAILED", "a module is missing"),
        ("prints", "2. Does it say hello?: FAILED", "Print everything else to stderr"),
        ("text", "3. Do all 256 byte values pass both ways?: FAILED", "0x0d for 0x0a"),
        ("accepts-magic", "6. Does it refuse a broken one?: FAILED", "invalid_magic"),
        ("lingers", "8. Does it finish when its input ends?: FAILED", "exit with status 0"),
    ];
    for (mode, step, advice) in table {
        avp_against(mode, &["doctor"]).assert_code(3).assert_says(step).assert_says(advice);
    }
}

#[test]
fn what_was_not_declared_is_not_asked() {
    avp_against("no-ops", &["doctor"]).assert_code(3).assert_says("`ops` is empty");
}

#[test]
fn a_program_that_is_not_there() {
    let missing = avp(&["doctor", "--", "no-such-program-anywhere"]);
    missing.assert_code(3).assert_says("1. Does it start?: FAILED").assert_says("on the PATH");
}
