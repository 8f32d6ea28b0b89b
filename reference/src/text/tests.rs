//! Tokenizers and folders made of a few tokens.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ChatMessage, ChatOptions, TextFiles, Tokenizer};
use crate::{
    error::ErrorClass,
    session,
    weights::{TokenKind, Vocabulary, VocabularyKind},
};

/// A vocabulary of nothing special.
fn vocabulary(kind: VocabularyKind, tokens: Vec<String>) -> Vocabulary {
    let kinds = vec![TokenKind::Normal; tokens.len()];
    Vocabulary {
        kind,
        pre: None,
        tokens,
        scores: Vec::new(),
        kinds,
        merges: Vec::new(),
        bos: None,
        eos: None,
        unknown: None,
        padding: None,
        add_bos: false,
        add_eos: false,
        add_space_prefix: false,
        chat_template: None,
    }
}

/// GPT-2's character for a byte.
fn letter(byte: u8) -> char {
    let printed = |byte| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let hidden = (0..byte).filter(|before| !printed(*before)).count() as u32;
    if printed(byte) { byte.into() } else { char::from_u32(256 + hidden).unwrap_or_default() }
}

/// All bytes, two merges, two special tokens and one that is matched whole.
fn byte_level() -> Vocabulary {
    let mut tokens: Vec<String> = (0..=255).map(|byte| letter(byte).into()).collect();
    tokens.extend(["he", "hel", "<|end|>", "<|im|>", "<think>"].map(String::from));
    let mut vocabulary = vocabulary(VocabularyKind::Bpe, tokens);
    vocabulary.merges = vec!["h e".into(), "he l".into()];
    vocabulary.kinds[258..261].copy_from_slice(&[
        TokenKind::Control,
        TokenKind::Control,
        TokenKind::UserDefined,
    ]);
    (vocabulary.bos, vocabulary.eos, vocabulary.add_bos) = (Some(259), Some(258), true);
    vocabulary
}

/// Bytes, and a word with its spaces.
fn sentence_piece() -> Vocabulary {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(["▁", "h", "i", "▁h", "▁hi", "hi", "▁▁"].map(String::from));
    let mut vocabulary = vocabulary(VocabularyKind::SentencePiece, tokens);
    vocabulary.scores = (0..vocabulary.tokens.len()).map(|id| -(id as f32)).collect();
    vocabulary.kinds[..3].copy_from_slice(&[TokenKind::Unknown, TokenKind::Control, TokenKind::Control]);
    vocabulary.kinds[3..259].fill(TokenKind::Byte);
    (vocabulary.unknown, vocabulary.bos, vocabulary.eos) = (Some(0), Some(1), Some(2));
    (vocabulary.add_bos, vocabulary.add_space_prefix) = (true, true);
    vocabulary
}

#[test]
fn byte_level_text_becomes_ids_and_text_again() {
    let tokenizer = Tokenizer::from_vocabulary(&byte_level()).unwrap();
    assert_eq!(tokenizer.encode("hello", false).unwrap(), [257, 108, 111]);
    assert_eq!(tokenizer.encode("<|im|>hel<think><|end|>", true).unwrap(), [259, 259, 257, 260, 258]);
    let ids = tokenizer.encode("<|im|>é\u{2028}🙂<|end|>", false).unwrap();
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), "<|im|>é\u{2028}🙂<|end|>");
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "é\u{2028}🙂");
    assert_eq!(tokenizer.decode(&[257, 9999], false).unwrap(), "hel");
    assert_eq!((tokenizer.vocab_size(), tokenizer.bos(), tokenizer.eos()), (261, Some(259), Some(258)));
    assert_eq!(tokenizer.token_id("hel"), Some(257));
    assert_eq!(tokenizer.token(258).as_deref(), Some("<|end|>"));
    assert!(tokenizer.is_special(258) && !tokenizer.is_special(260) && !tokenizer.is_special(1));
    assert_eq!(tokenizer.vocabulary().len(), 261);
    assert_eq!(session::tokenizer_hash(&tokenizer.vocabulary()).len(), 64);
}

#[test]
fn sentence_piece_puts_a_space_in_front_and_takes_it_off() {
    let tokenizer = Tokenizer::from_vocabulary(&sentence_piece()).unwrap();
    assert_eq!(tokenizer.encode("hi hi", true).unwrap(), [1, 263, 263]);
    assert_eq!(tokenizer.encode("  hi", false).unwrap(), [259, 263]);
    let ids = tokenizer.encode("hi 漢\n", false).unwrap();
    assert_eq!(ids, [263, 259, 3 + 0xe6, 3 + 0xbc, 3 + 0xa2, 3 + 0x0a]);
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "hi 漢\n");
    let plain = Vocabulary { add_space_prefix: false, ..sentence_piece() };
    assert_eq!(Tokenizer::from_vocabulary(&plain).unwrap().encode("hi hi", false).unwrap(), [264, 263]);
}

#[test]
fn a_vocabulary_that_makes_no_tokenizer_is_refused() {
    let change = |change: fn(&mut Vocabulary)| {
        let mut vocabulary = byte_level();
        change(&mut vocabulary);
        Tokenizer::from_vocabulary(&vocabulary).unwrap_err()
    };
    assert_eq!(change(|v| v.pre = Some("martian".into())).class, ErrorClass::Configuration);
    assert_eq!(change(|v| v.merges[0] = "he".into()).class, ErrorClass::Decode);
    assert_eq!(change(|v| v.merges[0] = "x yz".into()).class, ErrorClass::Decode);
    assert_eq!(change(|v| v.bos = Some(u32::MAX)).class, ErrorClass::Decode);
    assert_eq!(change(|v| v.tokens[3] = "he".into()).class, ErrorClass::Decode);
    let scores = Vocabulary { scores: vec![0.0], ..sentence_piece() };
    assert_eq!(Tokenizer::from_vocabulary(&scores).unwrap_err().field, "tokenizer.scores");
}

proptest! {
    /// Every text comes back, at once and id by id, whole characters only.
    #[test]
    fn streams_give_what_decoding_gives(text in "(hel|<think>|<\\|end\\|>|\\PC|[ \t\r\n]){0,20}", skip in any::<bool>()) {
        for vocabulary in [byte_level(), sentence_piece()] {
            let tokenizer = Tokenizer::from_vocabulary(&vocabulary).unwrap();
            let ids = tokenizer.encode(&text, true).unwrap();
            let all = tokenizer.decode(&ids, skip).unwrap();
            let mut stream = tokenizer.stream(skip);
            let mut parts = String::new();
            for id in &ids {
                let part = stream.push(*id).unwrap();
                prop_assert!(part.as_ref().is_none_or(|part| !part.is_empty()));
                parts.extend(part);
            }
            parts.extend(stream.finish().unwrap());
            prop_assert_eq!(parts, all);
        }
    }

    /// Bytes that are no text: byte-level ids decode the same at once and one by one.
    #[test]
    fn broken_text_streams_too(ids in proptest::collection::vec(0..262u32, 0..60)) {
        let tokenizer = Tokenizer::from_vocabulary(&byte_level()).unwrap();
        let mut stream = tokenizer.stream(false);
        let mut parts = String::new();
        for id in &ids {
            parts.extend(stream.push(*id).unwrap());
        }
        parts.extend(stream.finish().unwrap());
        prop_assert_eq!(parts, tokenizer.decode(&ids, false).unwrap());
    }
}

/// The same tokenizer as a file.
fn file() -> Value {
    let vocabulary = byte_level();
    let tokens: serde_json::Map<String, Value> =
        vocabulary.tokens[..258].iter().cloned().zip((0..).map(Value::from)).collect();
    let added =
        |id: u32, content: &str, special: bool| json!({"id": id, "content": content, "special": special});
    json!({
        "version": "1.0",
        "added_tokens": [added(258, "<|end|>", true), added(259, "<|im|>", true)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|im|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"<|im|>": {"id": "<|im|>", "ids": [259], "tokens": ["<|im|>"]}}
        },
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": tokens, "merges": ["h e", ["he", "l"]]}
    })
}

#[test]
fn a_folder_is_read_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let error = TextFiles::open(folder.path()).unwrap_err();
    assert_eq!((error.class, error.field), (ErrorClass::Configuration, "tokenizer"));

    let write = |name: &str, value: &Value| fs::write(folder.path().join(name), value.to_string()).unwrap();
    write("tokenizer.json", &file());
    let files = TextFiles::open(folder.path()).unwrap();
    assert_eq!(files.tokenizer.encode("hel", true).unwrap(), [259, 257]);
    assert!(files.stop.is_empty());
    let messages = [ChatMessage::new("user", "Hi")];
    let error = files.prompt(&messages, &ChatOptions::default()).unwrap_err();
    assert!(error.to_string().contains("plain prompt"), "{error}");

    write(
        "tokenizer_config.json",
        &json!({
            "bos_token": {"content": "<|im|>"},
            "eos_token": "<|end|>",
            "add_bos_token": false,
            "add_eos_token": true,
            "added_tokens_decoder": {"260": {"content": "<think>"}, "258": {"content": "<|end|>"}},
            "chat_template": [
                {"name": "default", "template": "{{ messages[0].content }}{{ eos_token }}"},
                {"name": "tool_use", "template": "{{ tools[0] }}"}
            ]
        }),
    );
    let files = TextFiles::open(folder.path()).unwrap();
    assert_eq!(files.tokenizer.encode("hel<think>", true).unwrap(), [257, 260, 258]);
    assert_eq!(files.stop, [258]);
    assert_eq!(files.prompt(&messages, &ChatOptions::default()).unwrap(), "Hi<|end|>");
    let options = ChatOptions { tools: Some(vec![json!("t")]), ..ChatOptions::default() };
    assert_eq!(files.prompt(&messages, &options).unwrap(), "t");

    write("config.json", &json!({"eos_token_id": 3}));
    assert_eq!(TextFiles::open(folder.path()).unwrap().stop, [3]);
    write("generation_config.json", &json!({"eos_token_id": [259, 258, 259]}));
    fs::write(folder.path().join("chat_template.jinja"), "file {{ bos_token }}").unwrap();
    let files = TextFiles::open(folder.path()).unwrap();
    assert_eq!(files.stop, [258, 259]);
    assert_eq!(files.prompt(&messages, &ChatOptions::default()).unwrap(), "file <|im|>");

    write("generation_config.json", &json!({"eos_token_id": "end"}));
    assert_eq!(TextFiles::open(folder.path()).unwrap_err().class, ErrorClass::Decode);
}

#[test]
fn a_file_with_what_is_not_known_is_refused() {
    let error = |change: &dyn Fn(&mut Value)| {
        let mut file = file();
        change(&mut file);
        Tokenizer::from_json(file.to_string().as_bytes()).unwrap_err()
    };
    let (decode, configuration) = (ErrorClass::Decode, ErrorClass::Configuration);
    assert_eq!(error(&|file| file["normalizer"] = json!({"type": "Precompiled"})).class, configuration);
    assert_eq!(error(&|file| file["model"]["type"] = json!("Unigram")).class, configuration);
    assert_eq!(error(&|file| file["model"]["vocab"] = json!([["a", 0.5]])).class, configuration);
    assert_eq!(error(&|file| file["model"]["continuing_subword_prefix"] = json!("##")).class, configuration);
    assert_eq!(error(&|file| file["added_tokens"][0]["id"] = json!(7)).class, decode);
    assert_eq!(error(&|file| file["post_processor"]["special_tokens"] = json!({})).class, decode);
    let strip = json!({"type": "Strip", "content": " ", "start": 0, "stop": 1});
    assert_eq!(error(&|file| file["decoder"] = strip.clone()).class, configuration);
    let space = json!([{"id": 258, "content": " ", "lstrip": true}]);
    assert_eq!(error(&|file| file["added_tokens"] = space.clone()).class, configuration);
    let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "b".repeat(60)});
    let grow = json!({"type": "Sequence", "normalizers": [replace, replace]});
    assert_eq!(error(&|file| file["normalizer"] = grow.clone()).class, ErrorClass::LimitExceeded);
    let look = json!({"type": "Split", "pattern": {"Regex": "(?=a)b"}, "behavior": "Isolated"});
    assert_eq!(error(&|file| file["pre_tokenizer"] = look.clone()).class, configuration);
    assert_eq!(Tokenizer::from_json(b"{}").unwrap_err().class, decode);
}
