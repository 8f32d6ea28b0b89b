//! Arbitrary and mutated files: no panic, no broken promise, no more memory than the file's size accounts for.
//!
//! `AVP_PROPTEST_CASES` sets the number of cases of each property.

use std::{fs, path::Path, sync::OnceLock};

use avp::{
    fuzzing,
    weights::{Gguf, MappedFile, Weights},
};
use bytes::Bytes;
use proptest::{collection, prelude::*, sample};

use crate::{
    allocations::peak,
    file::{BOOL, F32, GgufFile, safetensors, with_header},
};

/// Most that a byte of a file takes once it is read. The worst is metadata of short entries: fourteen bytes in the file, a
/// key in a list and in a map, with their allocations.
const BYTES_A_BYTE: usize = 16;
/// Error texts, lists that begin with room for some entries.
const FIXED: usize = 16 << 10;
/// A configuration: some thirty entries, and a list of one entry a layer.
const CONFIGURATION: usize = 1 << 20;

fn attack(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    let (weights, held) = peak(|| Weights::from_file(MappedFile::from(shared.clone())));
    let allowed = BYTES_A_BYTE * bytes.len() + FIXED;
    assert!(held <= allowed, "{held} bytes held for {} bytes of input, {allowed} allowed", bytes.len());
    drop(weights);
    if let Ok(gguf) = Gguf::parse(shared) {
        let (_, held) = peak(|| gguf.vocabulary());
        assert!(held <= allowed, "{held} bytes held for a vocabulary of {} bytes", bytes.len());
        let (_, held) = peak(|| gguf.config_json());
        assert!(held <= allowed + CONFIGURATION, "{held} bytes held for a configuration");
    }
    let ((), held) = peak(|| fuzzing::weights::index(bytes));
    assert!(held <= allowed, "{held} bytes held for an index of {} bytes", bytes.len());
    fuzzing::weights::gguf(bytes);
}

/// Small files of either format, and an index.
fn bases() -> &'static [Vec<u8>] {
    static BASES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BASES.get_or_init(|| {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights/gguf/types.gguf");
        [corpus("weights"), corpus("weights_index"), vec![fs::read(fixture).unwrap()]].concat()
    })
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_corpus_is_replayed() {
    let accepted =
        |base: &&Vec<u8>| Weights::from_file(MappedFile::from(Bytes::copy_from_slice(base))).is_ok();
    // Mutation begins at what is accepted.
    assert!(corpus("weights").iter().filter(accepted).count() >= 4);
    assert!(!corpus("weights_index").is_empty());
    bases().iter().for_each(|base| attack(base));
}

fn config() -> ProptestConfig {
    let cases = std::env::var("AVP_PROPTEST_CASES").ok().map(|cases| cases.parse().unwrap());
    // A failing input is printed; it belongs into fuzz/corpus, where it is replayed from then on.
    ProptestConfig { cases: cases.unwrap_or(400), failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(sample::Index, u8),
    Number(sample::Index, u64),
    Insert(sample::Index, Vec<u8>),
    Remove(sample::Index, usize),
    Repeat(sample::Index, usize, usize),
    Truncate(sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<sample::Index>;
    let number = prop_oneof![
        0..40u64,
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32).prop_map(|bit| u64::MAX >> bit)
    ];
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
        (at(), number).prop_map(|(at, number)| Mutation::Number(at, number)),
        (at(), collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1..20usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (at(), 1..60usize, 1..100usize).prop_map(|(at, len, times)| Mutation::Repeat(at, len, times)),
        at().prop_map(Mutation::Truncate),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    // The front is where most of the meaning is: every other position falls there.
    let place = |index: &sample::Index, len: usize| {
        let at = index.index(2 * len);
        if at < len { at } else { index.index(len.min(256)) }
    };
    let len = bytes.len();
    if len == 0 {
        return;
    }
    match mutation {
        Mutation::Flip(at, bit) => bytes[place(at, len)] ^= bit,
        Mutation::Number(at, number) => {
            let at = place(at, len);
            for (to, from) in bytes[at..].iter_mut().zip(number.to_le_bytes()) {
                *to = from;
            }
        }
        Mutation::Insert(at, new) => {
            let at = place(at, len);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove(at, n) => {
            let at = place(at, len);
            bytes.drain(at..len.min(at + n));
        }
        Mutation::Repeat(at, n, times) => {
            let at = place(at, len);
            let part = bytes[at..len.min(at + n)].repeat(*times);
            bytes.splice(at..at, part);
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes(bytes in collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        attack(&bytes);
        if magic {
            attack(&[b"GGUF\x03\0\0\0", &bytes[..]].concat());
        }
    }

    /// A right length in front, so that the JSON is looked at.
    #[test]
    fn arbitrary_headers(header in "[\\[\\]{}\",:a-c0-9]{0,60}", data in collection::vec(any::<u8>(), 0..20)) {
        attack(&with_header(&header, &data));
        fuzzing::weights::index(header.as_bytes());
    }

    #[test]
    fn mutated_files(base in any::<sample::Index>(), mutations in collection::vec(mutation(), 1..5)) {
        let mut bytes = base.get(bases()).clone();
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        attack(&bytes);
    }

    /// Every prefix of a file is refused or harmless.
    #[test]
    fn truncated_files(base in any::<sample::Index>(), end in any::<sample::Index>()) {
        let base = base.get(bases());
        attack(&base[..end.index(base.len() + 1)]);
    }
}

/// Metadata and tables at their densest: what a byte of them costs.
#[test]
fn dense_files_cost_what_they_weigh() {
    let mut entries = GgufFile::model("qwen2");
    let mut tensors = GgufFile::model("qwen2");
    for i in 0..3000 {
        entries = entries.entry(&format!("{i:x}"), BOOL, &[0]);
        tensors = tensors.tensor(&format!("{i:x}"), &[0], 0, &[]);
    }
    attack(&entries.bytes());
    attack(&tensors.bytes());
    let names: Vec<String> = (0..3000).map(|i| format!("{i:x}")).collect();
    let short: Vec<(&str, &str, &[usize], &[u8])> =
        names.iter().map(|name| (&**name, "U8", &[0][..], &[][..])).collect();
    attack(&safetensors(&short));
    let header = format!(r#"{{"a":{{"dtype":"U8","shape":[{}1],"data_offsets":[0,1]}}}}"#, "1,".repeat(5000));
    attack(&with_header(&header, &[0]));
    let header = format!(r#"{{"__metadata__":{{"a":"b"}},"a":[{}0]}}"#, "[],".repeat(5000));
    attack(&with_header(&header, &[0]));
    let entries: Vec<String> = names.iter().map(|name| format!(r#""{name}":"a.safetensors""#)).collect();
    attack(format!(r#"{{"weight_map":{{{}}}}}"#, entries.join(",")).as_bytes());
    let entries: Vec<String> = names.iter().map(|name| format!(r#""{name}":"""#)).collect();
    attack(format!(r#"{{"weight_map":{{{}}}}}"#, entries.join(",")).as_bytes());
    let tokens = vec![""; 5000];
    let scores = vec![vec![0; 4]; 5000];
    let vocabulary =
        GgufFile::default().text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", &tokens);
    attack(&vocabulary.list("tokenizer.ggml.scores", F32, &scores).bytes());
}
