//! Tokenizers: put together at random from what tokenizers are made of, and real ones with changes.

use std::{fs, path::Path, sync::OnceLock};

use avp::{
    fuzzing::text,
    text::Tokenizer,
    weights::{TokenKind, Vocabulary, VocabularyKind},
};
use proptest::{collection, prelude::*, sample};
use serde_json::{Map, Value, json};

use crate::{allocations::peak, config};

/// What a byte of a tokenizer.json takes once it is read: an empty step or a token of a letter with its slots in three
/// maps.
const BYTES_A_BYTE: usize = 256;
/// Compiled expressions, of at most 8 MiB each, with what it takes to compile them; caches of the automata; texts that are
/// encoded.
const FIXED: usize = 64 << 20;

/// What a byte of text takes while it is encoded.
const BYTES_A_BYTE_OF_TEXT: usize = 250;

pub(crate) fn allowed(bytes: usize) -> usize {
    FIXED + BYTES_A_BYTE * bytes
}

fn attack(json: &[u8]) {
    let ((), held) = peak(|| text::tokenizer(json));
    assert!(held <= allowed(json.len()), "{held} bytes held for {:?}", String::from_utf8_lossy(json));
}

/// Tokens that get in each other's way.
const TOKENS: &[&str] = &[
    "a", "b", "ab", "abab", " ", "  ", "\n", "▁", "▁a", "Ġ", "Ġa", "é", "e", "\u{301}", "🙂", "", "<s>",
    "</s>", "<a>", "<unk>", "<0x41>", "<0xFF>", "<0x0A>", "A", "ﬁ", "İ", "1", "12", ".", "'s", "\u{0}", "漢",
    "a a", "\u{a0}",
];

fn token() -> impl Strategy<Value = String> {
    sample::select(TOKENS).prop_map(str::to_owned)
}

fn pattern() -> impl Strategy<Value = Value> {
    let expression = sample::select(vec![
        r"\s+",
        r"\p{L}+",
        r"a|ab",
        r".",
        r"\w+|[^\w\s]+",
        r"[\r\n]",
        r"\s+$",
        r"^a",
        r"\b",
        r"a*",
        r"(?:a|b)+?",
        r"a{2,}",
        r"'s|\p{L}+|\s+(?!\S)|\s+",
        r"x|\s+(?!\S)",
        r"(?i:a)",
        r"[^\S\n]",
        r"(a+)+b",
        r"(?=a)",
        r"\x{1F642}",
    ])
    .prop_map(|pattern| json!({"Regex": pattern}));
    prop_oneof![token().prop_map(|text| json!({"String": text})), expression]
}

fn behavior() -> impl Strategy<Value = &'static str> {
    sample::select(vec!["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
}

fn scheme() -> impl Strategy<Value = &'static str> {
    sample::select(vec!["first", "never", "always"])
}

fn normalizer() -> impl Strategy<Value = Value> {
    let plain = sample::select(vec!["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Precompiled"]);
    let leaf = prop_oneof![
        plain.prop_map(|kind| json!({"type": kind})),
        token().prop_map(|text| json!({"type": "Prepend", "prepend": text})),
        (pattern(), token()).prop_map(
            |(pattern, content)| json!({"type": "Replace", "pattern": pattern, "content": content})
        ),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        collection::vec(inner, 0..3).prop_map(|steps| json!({"type": "Sequence", "normalizers": steps}))
    })
}

fn pre_tokenizer() -> impl Strategy<Value = Value> {
    let plain = sample::select(vec!["Whitespace", "WhitespaceSplit", "BertPreTokenizer"]);
    let leaf = prop_oneof![
        plain.prop_map(|kind| json!({"type": kind})),
        (any::<bool>(), any::<bool>()).prop_map(
            |(space, regex)| json!({"type": "ByteLevel", "add_prefix_space": space, "use_regex": regex})
        ),
        any::<bool>().prop_map(|each| json!({"type": "Digits", "individual_digits": each})),
        (scheme(), any::<bool>(), sample::select(vec!["▁", " ", "a"])).prop_map(
            |(scheme, split, replacement)| json!({
                "type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": split
            })
        ),
        behavior().prop_map(|behavior| json!({"type": "Punctuation", "behavior": behavior})),
        (pattern(), behavior(), any::<bool>()).prop_map(|(pattern, behavior, invert)| json!({
            "type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert
        })),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        collection::vec(inner, 0..4).prop_map(|steps| json!({"type": "Sequence", "pretokenizers": steps}))
    })
}

fn decoder() -> impl Strategy<Value = Value> {
    let plain = sample::select(vec!["ByteLevel", "ByteFallback", "Fuse", "WordPiece"]);
    let leaf = prop_oneof![
        plain.prop_map(|kind| json!({"type": kind})),
        (scheme(), any::<bool>()).prop_map(|(scheme, split)| json!({
            "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split
        })),
        (0..3usize, 0..2usize, sample::select(vec![" ", "▁", "a"]))
            .prop_map(|(start, stop, content)| json!({"type": "Strip", "content": content, "start": start, "stop": stop})),
        (pattern(), token()).prop_map(|(pattern, content)| json!({"type": "Replace", "pattern": pattern, "content": content})),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        collection::vec(inner, 0..4).prop_map(|steps| json!({"type": "Sequence", "decoders": steps}))
    })
}

fn added() -> impl Strategy<Value = Value> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (token(), 0..40u32, flags).prop_map(|(content, id, (single, left, right, normalized, special))| {
        json!({"id": id, "content": content, "single_word": single, "lstrip": left, "rstrip": right,
            "normalized": normalized, "special": special})
    })
}

fn model() -> impl Strategy<Value = Value> {
    let merges = collection::vec((token(), token()), 0..6);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (collection::vec(token(), 0..24), merges, flags, token()).prop_map(|(tokens, merges, flags, unknown)| {
        let mut vocabulary: Map<String, Value> = Map::new();
        for token in tokens {
            let id = vocabulary.len();
            vocabulary.entry(token).or_insert_with(|| json!(id));
        }
        // Half of the models only have merges that make sense.
        let known = |merge: &(String, String)| {
            [&merge.0, &merge.1, &format!("{}{}", merge.0, merge.1)]
                .iter()
                .all(|part| vocabulary.contains_key(*part))
        };
        let merges: Vec<_> = merges.iter().filter(|merge| flags.0 || known(merge)).collect();
        json!({"type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": flags.1.then_some(unknown),
            "byte_fallback": flags.2, "fuse_unk": flags.1, "ignore_merges": flags.3})
    })
}

fn file() -> impl Strategy<Value = Value> {
    let steps = (
        proptest::option::of(normalizer()),
        proptest::option::of(pre_tokenizer()),
        proptest::option::of(decoder()),
    );
    (model(), steps, collection::vec(added(), 0..4), any::<bool>()).prop_map(
        |(model, steps, mut added, right)| {
            // Half of the files give their added tokens the ids that they get.
            if right {
                let mut next = model["vocab"].as_object().map_or(0, Map::len);
                let mut seen: Map<String, Value> = Map::new();
                for token in &mut added {
                    let content = token["content"].as_str().unwrap_or_default().to_owned();
                    let id = match model["vocab"].get(&content).or_else(|| seen.get(&content)) {
                        Some(id) => id.clone(),
                        None => {
                            next += 1;
                            json!(next - 1)
                        }
                    };
                    token["id"] = id.clone();
                    seen.insert(content, id);
                }
            }
            json!({"added_tokens": added, "normalizer": steps.0, "pre_tokenizer": steps.1, "decoder": steps.2,
            "post_processor": null, "model": model})
        },
    )
}

fn bases() -> &'static [Vec<u8>] {
    static BASES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BASES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/text");
        ["byte_level", "sentence_piece"]
            .map(|name| fs::read(folder.join(name).join("tokenizer.json")).unwrap())
            .into()
    })
}

fn vocabulary() -> impl Strategy<Value = Vocabulary> {
    let kind = sample::select(vec![VocabularyKind::Bpe, VocabularyKind::SentencePiece]);
    let kinds = [
        TokenKind::Normal,
        TokenKind::Control,
        TokenKind::UserDefined,
        TokenKind::Unknown,
        TokenKind::Unused,
        TokenKind::Byte,
    ];
    let kinds = collection::vec(sample::select(kinds.to_vec()), 0..30);
    let scores = collection::vec(prop_oneof![-9.0..9.0f32, Just(f32::NAN)], 0..30);
    let special = || proptest::option::of(0..30u32);
    let pre = sample::select(vec![
        None,
        Some("smollm"),
        Some("qwen2"),
        Some("llama-bpe"),
        Some("deepseek-v3"),
        Some("?"),
    ]);
    let merges = collection::vec((token(), token()).prop_map(|(a, b)| format!("{a} {b}")), 0..5);
    let lists = (collection::vec(token(), 0..30), kinds, scores, merges);
    let ends = (special(), special(), special(), special());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (kind, pre, lists, ends, flags).prop_map(
        |(kind, pre, (mut tokens, kinds, mut scores, merges), ends, flags)| {
            if flags.3 {
                tokens.sort();
                tokens.dedup();
                scores.resize(tokens.len(), 0.0);
            }
            Vocabulary {
                kind,
                pre: pre.map(str::to_owned),
                tokens,
                scores,
                kinds,
                merges,
                bos: ends.0,
                eos: ends.1,
                unknown: ends.2,
                padding: ends.3,
                add_bos: flags.0,
                add_eos: flags.1,
                add_space_prefix: flags.2,
                chat_template: None,
            }
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes(bytes in collection::vec(any::<u8>(), 0..100)) {
        attack(&bytes);
    }

    #[test]
    fn parts_at_random(file in file()) {
        attack(file.to_string().as_bytes());
    }

    #[test]
    fn real_files_with_changes(
        base in any::<sample::Index>(),
        changes in collection::vec((any::<sample::Index>(), 0..8usize, token()), 1..4),
    ) {
        let mut bytes = base.get(bases()).clone();
        for (at, removed, token) in &changes {
            // Half of the changes fall into the steps, which stand in front of the vocabulary.
            let from = at.index(2 * bytes.len());
            let from = if from < bytes.len() { from } else { from % bytes.len().min(3000) };
            let to = bytes.len().min(from + removed);
            bytes.splice(from..to, token.bytes());
        }
        attack(&bytes);
    }

    #[test]
    fn vocabularies_at_random(vocabulary in vocabulary(), texts in collection::vec("\\PC{0,30}", 2)) {
        let ((), _) = peak(|| {
            let Ok(tokenizer) = Tokenizer::from_vocabulary(&vocabulary) else { return };
            for ids in texts.iter().filter_map(|text| tokenizer.encode(text, true).ok()) {
                assert!(ids.iter().all(|id| tokenizer.token(*id).is_some()));
                tokenizer.decode(&ids, true).unwrap();
            }
        });
    }
}

/// Enough of what is put together at random is accepted for the properties to mean something.
#[test]
fn some_are_accepted() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let accepted = (0..400).filter(|_| {
        let file = file().new_tree(&mut runner).unwrap().current().to_string();
        peak(|| Tokenizer::from_json(file.as_bytes()).is_ok()).0
    });
    let accepted = accepted.count();
    assert!(accepted >= 40, "{accepted} of 400");
    for base in bases() {
        assert!(Tokenizer::from_json(base).is_ok());
    }
}

/// What the longest texts take, word by word and as a single word.
#[test]
fn long_texts() {
    let tokenizers = bases().iter().map(|base| Tokenizer::from_json(base).unwrap());
    for tokenizer in tokenizers {
        for text in
            ["the fan'ts 42\n".repeat(16_000), "a".repeat(1 << 18), " ".repeat(1 << 18), "🙂".repeat(1 << 18)]
        {
            let (ids, held) = peak(|| tokenizer.encode(&text, false).unwrap());
            println!("{} bytes: {} ids, {} bytes held a byte", text.len(), ids.len(), held / text.len());
            assert!(held <= BYTES_A_BYTE_OF_TEXT * text.len(), "{held} bytes held for {}", text.len());
        }
        let error = tokenizer.encode(&"a".repeat((4 << 20) + 1), false).unwrap_err();
        assert_eq!(error.class, avp::ErrorClass::LimitExceeded);
    }
}
