//! Files that the SDK wrote (`tests/maps`), and files that nobody should have written.

use proptest::prelude::*;

use super::*;
use crate::wire::crc32;

const MEDIATED: &[u8] = include_bytes!("../../../../tests/maps/mediated.pt");
const OVERLAP: &[u8] = include_bytes!("../../../../tests/maps/overlap.pt");
const LEARNED: &[u8] = include_bytes!("../../../../tests/maps/learned.pt");

fn hash(part: &str) -> String {
    part.repeat(64 / part.len())
}

#[test]
fn maps_of_the_sdk() {
    let table: Vec<f32> = (0..12u8).map(|n| f32::from(n) / 8.0 - 0.5).collect();
    let mediated = ProjectionMap {
        source: MapModel { model_id: "org/source".into(), hash: hash("0123456789abcdef"), dim: 3 },
        target: MapModel { model_id: "org/target".into(), hash: hash("fedcba9876543210"), dim: 2 },
        method: ProjectionMethod::VocabMediated,
        w_map: table.clone(),
        bias: None,
        target_norm: 0.75,
        anchor_count: 0,
        validation_score: 1.0,
        shared: None,
        overlap_count: 0,
        overlap_ratio: 0.0,
    };
    assert_eq!(ProjectionMap::from_pt(MEDIATED).unwrap(), mediated);
    let target = |part| MapModel { hash: hash(part), ..mediated.target.clone() };
    let overlap = ProjectionMap {
        target: target("0011223344556677"),
        method: ProjectionMethod::VocabOverlap,
        w_map: [5, 0, 3].iter().flat_map(|row| table[2 * row..][..2].to_vec()).collect(),
        target_norm: 1.25,
        validation_score: 0.6,
        shared: Some(SharedTokens { source_ids: vec![4, 1, 2], target_ids: vec![5, 0, 3] }),
        overlap_count: 3,
        overlap_ratio: 0.6,
        ..mediated.clone()
    };
    assert_eq!(ProjectionMap::from_pt(OVERLAP).unwrap(), overlap);
    let learned = ProjectionMap {
        target: target("ab"),
        method: ProjectionMethod::Ridge,
        w_map: vec![-2.0, 1.0, -1.0, 2.0, 0.0, 3.0],
        bias: Some(vec![0.5, -0.5]),
        target_norm: 2.0,
        validation_score: 0.25,
        ..mediated
    };
    assert_eq!(ProjectionMap::from_pt(LEARNED).unwrap(), learned);
}

#[test]
fn a_file_comes_in_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.pt");
    assert_eq!(ProjectionMap::import(&path).unwrap_err().class, ErrorClass::Configuration);
    std::fs::write(&path, OVERLAP).unwrap();
    let map = ProjectionMap::import(&path).unwrap();
    assert_eq!(ProjectionMap::from_bytes(&map.to_bytes().unwrap()).unwrap(), map);
}

/// An archive with these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let name = format!("map/{name}");
        let at = out.len() as u32;
        let size = (content.len() as u32).to_le_bytes();
        let common = [
            &[0; 8][..],
            &crc32(content).to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        // Between signature and sum: versions, flags, method, time and date, all zero.
        out.extend([b"PK\x03\x04\0\0", &common[..], name.as_bytes(), content].concat());
        let tail = [&[0; 10][..], &at.to_le_bytes(), name.as_bytes()].concat();
        directory.extend([b"PK\x01\x02\0\0\0\0", &common[..], &tail].concat());
    }
    let (at, count) = (out.len() as u32, (entries.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    out.append(&mut directory);
    out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at.to_le_bytes(), &[0; 2]].concat());
    out
}

fn pickled(pickle: &[u8]) -> Error {
    ProjectionMap::from_pt(&archive(&[("data.pkl", pickle)])).unwrap_err()
}

/// Of no columns there could be rows without end.
#[test]
fn tensors_without_elements_are_refused() {
    let pickle = Archive::open(MEDIATED).unwrap().entry("data.pkl").unwrap().to_vec();
    let shape = b"K\x06K\x02\x86";
    let at = pickle.windows(shape.len()).position(|bytes| bytes == shape).unwrap();
    let long = 1_u64 << 62;
    let endless = [&b"\x8a\x08"[..], &long.to_le_bytes(), b"K\0\x86"].concat();
    for empty in [&endless[..], b"K\0K\x02\x86"] {
        let error = pickled(&[&pickle[..at], empty, &pickle[at + shape.len()..]].concat());
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "pt.pickle"), "{error}");
    }
}

#[test]
fn nothing_is_ever_called() {
    // os.system("true"), by each of the opcodes that call.
    for pickle in [
        &b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."[..],
        b"\x80\x02(X\x04\0\0\0trueios\nsystem\n.",
        b"\x80\x02(cos\nsystem\nX\x04\0\0\0trueo.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93X\x04\0\0\0true\x85R.",
        b"\x80\x02cbuiltins\neval\n)\x81.",
        b"\x80\x02ctorch\nload\n)R.",
        // A storage type is no function, and a tensor's function takes a tensor's arguments.
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    ] {
        let error = pickled(pickle);
        assert_eq!((error.class, error.field), (ErrorClass::Decode, "pt.pickle"), "{error}");
    }
}

#[test]
fn programs_without_end_or_sense_are_refused() {
    for (pickle, class) in [
        (&b""[..], ErrorClass::Decode),
        (b".", ErrorClass::Decode),
        (b"N.", ErrorClass::Decode),
        (b"}.", ErrorClass::Decode),
        (b"(.", ErrorClass::Decode),
        (b"u.", ErrorClass::Decode),
        (b"Ns.", ErrorClass::Decode),
        (b"h\x01.", ErrorClass::Decode),
        (b"X\xff\xff\xff\xffa", ErrorClass::Decode),
        (b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.", ErrorClass::Decode),
        // A dictionary inside itself.
        (b"}q\0X\x06\0\0\0methodh\0s.", ErrorClass::Decode),
        (&[b'('; 5000], ErrorClass::LimitExceeded),
        (&[b"N".as_slice(), &b"q\0".repeat(20_000)].concat(), ErrorClass::LimitExceeded),
        (&[b"}".as_slice(), &b"q\0h\0".repeat(3000)].concat(), ErrorClass::LimitExceeded),
        (&[b'N'; MAX_PICKLE + 1], ErrorClass::LimitExceeded),
    ] {
        assert_eq!(pickled(pickle).class, class, "{:?}", &pickle[..pickle.len().min(20)]);
    }
}

#[test]
fn archives_that_are_none() {
    let class = |bytes: &[u8]| ProjectionMap::from_pt(bytes).unwrap_err().class;
    assert_eq!(class(b""), ErrorClass::Decode);
    assert_eq!(class(b"PK\x05\x06"), ErrorClass::Decode);
    assert_eq!(class(&archive(&[])), ErrorClass::Decode);
    for short in 1..100 {
        assert_eq!(class(&MEDIATED[..MEDIATED.len() - short]), ErrorClass::Decode);
    }
    assert_eq!(class(&[MEDIATED, b"more"].concat()), ErrorClass::Decode);
    assert_eq!(class(&archive(&[("data.pkl", b"}."), ("data.pkl", b"}.")])), ErrorClass::Decode);
    let names: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"x"[..])).collect();
    assert_eq!(class(&archive(&many)), ErrorClass::LimitExceeded);
}

proptest! {
    #[test]
    fn damage_is_noticed_or_does_not_matter(
        which in 0usize..3, at in any::<prop::sample::Index>(), mask in 1u8..=255, cut in any::<prop::sample::Index>(),
    ) {
        let whole = [MEDIATED, OVERLAP, LEARNED][which];
        let map = ProjectionMap::from_pt(whole).unwrap();
        let mut bytes = whole.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        // Every entry has a checksum; what lies between them means nothing.
        if let Ok(found) = ProjectionMap::from_pt(&bytes) {
            prop_assert_eq!(found, map);
        }
        prop_assert!(ProjectionMap::from_pt(&whole[..cut.index(whole.len())]).is_err());
    }

    #[test]
    fn any_pickle_is_an_error_or_a_map(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(&b"}()NKMJXGctQRusqhrj."[..]).prop_map(|opcode| vec![opcode]),
                prop::sample::select(vec![
                    b"\x85".to_vec(), b"\x86".to_vec(), b"\x87".to_vec(), b"K\x01".to_vec(),
                    b"X\x01\0\0\0a".to_vec(), b"ctorch\nFloatStorage\n".to_vec(),
                    b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), b"ccollections\nOrderedDict\n".to_vec(),
                ]),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            0..60,
        ),
    ) {
        crate::fuzzing::map(&archive(&[("data.pkl", &pieces.concat()), ("data/0", &[0; 8])]));
    }
}
