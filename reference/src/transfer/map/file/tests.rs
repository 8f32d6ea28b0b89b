//! Maps that were written, and files that are none.

use proptest::prelude::*;

use super::super::samples::{mediated, overlap};
use super::*;

fn bits(map: &ProjectionMap) -> Vec<u32> {
    map.w_map.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_field_comes_back() {
    let with_bias = ProjectionMap { bias: Some(vec![0.5, -1.5]), anchor_count: 7, ..mediated() };
    for map in [mediated(), overlap(), with_bias] {
        let bytes = map.to_bytes().unwrap();
        let back = ProjectionMap::from_bytes(&bytes).unwrap();
        assert_eq!(bits(&back), bits(&map));
        assert_eq!(back, map);
        let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert_eq!(data % 8, 0);
    }
}

#[cfg(feature = "files")]
#[test]
fn any_reader_of_the_format_opens_it() {
    let bytes = overlap().to_bytes().unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("w_map").unwrap().shape(), [3, 2]);
    assert_eq!(file.tensor("src_indices").unwrap().dtype(), safetensors::Dtype::U32);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().as_ref().unwrap();
    assert_eq!(metadata["method"], "vocab_overlap");
    assert_eq!(metadata["validation_score"], "0.30000000000000004");
}

/// A file with another header before the same data.
fn with_header(map: &ProjectionMap, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let bytes = map.to_bytes().unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    change(&mut header);
    let text = header.to_string();
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &bytes[end..]].concat()
}

#[test]
fn older_files_have_no_overlap_fields() {
    let old = with_header(&mediated(), |header| {
        let metadata = header["__metadata__"].as_object_mut().unwrap();
        metadata.retain(|key, _| !key.starts_with("overlap") && key != "data_crc32");
    });
    assert_eq!(ProjectionMap::from_bytes(&old).unwrap(), mediated());
}

#[test]
fn what_is_no_map_is_refused() {
    let class = |bytes: &[u8]| ProjectionMap::from_bytes(bytes).unwrap_err().class;
    assert_eq!(class(&u64::MAX.to_le_bytes()), ErrorClass::LimitExceeded);
    assert_eq!(class(&MAX_HEADER.to_le_bytes()), ErrorClass::Decode);
    let refused = |change: &dyn Fn(&mut Value)| class(&with_header(&overlap(), change));
    for change in [
        &(|header: &mut Value| header["w_map"]["shape"] = json!([1u64 << 40, 1u64 << 40]))
            as &dyn Fn(&mut Value),
        &|header| header["w_map"]["shape"] = json!([2, 3]),
        &|header| header["w_map"]["dtype"] = json!("I32"),
        &|header| header["w_map"]["data_offsets"] = json!([0, 20]),
        &|header| header["__metadata__"]["method"] = json!("ridge"),
        &|header| header["__metadata__"]["target_dim"] = json!("-2"),
        &|header| header["__metadata__"]["target_norm"] = json!("NaN"),
        &|header| header["__metadata__"]["data_crc32"] = json!("00000000"),
        &|header| header["__metadata__"]["overlap_ratio"] = json!(0.5),
        &|header| header["__metadata__"] = json!([]),
        &|header| header["more"] = json!({"dtype": "F32", "shape": [0], "data_offsets": [48, 48]}),
        &|header| *header = json!({}),
    ] {
        assert_eq!(refused(change), ErrorClass::Decode);
    }
    for empty in [mediated(), overlap()] {
        let shared = empty.shared.is_some().then(SharedTokens::default);
        let empty = ProjectionMap { w_map: Vec::new(), shared, ..empty };
        assert_eq!(empty.to_bytes().unwrap_err().class, ErrorClass::ShapeMismatch);
    }
    let learned = ProjectionMap { method: ProjectionMethod::Ridge, ..mediated() };
    assert_eq!(learned.to_bytes().unwrap_err().class, ErrorClass::InvalidArgument);
}

proptest! {
    #[test]
    fn no_damage_to_the_tensors_goes_unnoticed(
        at in any::<prop::sample::Index>(), mask in 1u8..=255, cut in any::<prop::sample::Index>(),
    ) {
        let whole = overlap().to_bytes().unwrap();
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        // Names and numbers in the header have no checksum.
        if let Ok(found) = ProjectionMap::from_bytes(&bytes) {
            prop_assert_eq!((bits(&found), found.shared), (bits(&overlap()), overlap().shared));
        }
        prop_assert!(ProjectionMap::from_bytes(&whole[..cut.index(whole.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_an_error_or_a_map(bytes in prop::collection::vec(any::<u8>(), 0..300), header in ".{0,80}") {
        crate::fuzzing::map(&bytes);
        let framed = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes].concat();
        crate::fuzzing::map(&framed);
    }
}
