//! Tensors as payloads: bits that must not change, and rounding.

use std::sync::Arc;

use serde_json::json;

use super::draft::{BOTH, Draft, Property, ok, part, tensor};
use super::random::Random;
use super::share::Share;
use crate::build::{bf16_bits, f16_bits};
use crate::case::Dtype;

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "tensor-bits",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-PAY-001"],
        why: "A tensor of any bits, NaN contents and signed zeros included, becomes its little-endian bytes and back.",
        bug: "tensor-bits-changed",
        make: bits,
    },
    Property {
        name: "tensor-rounding",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-PAY-005"],
        why: "Conversion to 16 bits rounds to nearest, ties to even, for values near every border.",
        bug: "tensor-rounding",
        make: rounding,
    },
];

const TYPES: [(Dtype, &str, &str); 4] = [
    (Dtype::F32, "FLOAT32", "AVP-PAY-002"),
    (Dtype::F16, "FLOAT16", "AVP-PAY-003"),
    (Dtype::Bf16, "BFLOAT16", "AVP-PAY-004"),
    (Dtype::I8, "INT8", "AVP-PAY-006"),
];

fn shape(random: &mut Random) -> Vec<u64> {
    (0..random.between(1, 4)).map(|_| random.between(1, 6) as u64).collect()
}

fn bits(random: &mut Random, draft: &mut Draft) {
    let (dtype, name, requirement) = TYPES[draft.index() % TYPES.len()];
    let shape = shape(random);
    let count = shape.iter().product::<u64>();
    let bytes: Arc<[u8]> = random.bytes(count as usize * dtype.size()).into();
    draft.requirements(&["AVP-PAY-001", requirement]);
    draft.step(
        "encode_tensor",
        json!({ "dtype": name }),
        vec![tensor("values", dtype, &shape, bytes.clone())],
        ok(json!({}), vec![("payload".to_owned(), bytes.clone())]),
    );
    draft.step(
        "decode_tensor",
        json!({ "dtype": name, "shape": shape }),
        vec![part("payload", bytes.clone())],
        ok(json!({ "count": count }), vec![("values".to_owned(), bytes)]),
    );
}

fn rounding(random: &mut Random, draft: &mut Draft) {
    let half = draft.index().is_multiple_of(2);
    let values: Vec<f32> = (0..256).map(|_| near_a_border(random, half)).collect();
    let (name, convert): (_, fn(f32) -> u16) =
        if half { ("FLOAT16", f16_bits) } else { ("BFLOAT16", bf16_bits) };
    let rounded: Vec<u8> = values.iter().flat_map(|&v| convert(v).to_le_bytes()).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    draft.step(
        "encode_tensor",
        json!({ "dtype": name }),
        vec![tensor("values", Dtype::F32, &[values.len() as u64], bytes)],
        ok(json!({}), vec![("payload".to_owned(), rounded.into())]),
    );
}

/// A number within a few units of where the rounding turns; never NaN, whose content is not said to be kept.
fn near_a_border(random: &mut Random, half: bool) -> f32 {
    let cut = if half { 13 } else { 16 };
    let kept = random.u32() >> cut << cut;
    let tie = 1u32 << (cut - 1);
    let near = kept.wrapping_add(random.pick(&[0, 1, tie - 1, tie, tie + 1, tie.wrapping_neg()]));
    let narrow = if half && !random.once_in(4) {
        // Exponents of the range of binary16 and its subnormal numbers.
        let exponent = random.between(127 - 26, 127 + 17) as u32;
        near & 0x807f_ffff | exponent << 23
    } else {
        near
    };
    let value = f32::from_bits(narrow);
    if value.is_nan() { f32::from_bits(narrow & 0xff80_0000) } else { value }
}
