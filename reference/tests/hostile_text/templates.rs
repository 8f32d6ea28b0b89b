//! Templates: arbitrary, put together at random from what templates are made of, and real ones with changes.

use std::{fs, path::Path, sync::OnceLock};

use avp::fuzzing::text;
use proptest::{collection, prelude::*, sample};
use serde_json::json;

use crate::{allocations::peak, config};

/// What a rendering may hold: 96 MiB of counted bytes; a text that grows has room for up to as much again.
const RENDERING: usize = 2 * (96 << 20);
/// What a byte of a template takes once it is parsed: an operator of one byte is a node of some two hundred.
const BYTES_A_BYTE: usize = 512;

pub(crate) fn allowed(bytes: usize) -> usize {
    RENDERING + BYTES_A_BYTE * bytes
}

fn attack(source: &[u8]) {
    let ((), held) = peak(|| text::chat_template(source));
    assert!(held <= allowed(source.len()), "{held} bytes held for {:?}", String::from_utf8_lossy(source));
}

/// Words of which templates are made, and some that mean harm.
const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{%-",
    "-%}",
    "{#",
    "#}",
    " ",
    "\n",
    "for",
    "in",
    "if",
    "else",
    "elif",
    "endif",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "with",
    "endwith",
    "filter",
    "endfilter",
    "raw",
    "endraw",
    "generation",
    "endgeneration",
    "break",
    "continue",
    "recursive",
    "loop",
    "messages",
    "message",
    "tools",
    "x",
    "ns",
    "namespace",
    "range",
    "dict",
    "raise_exception",
    "strftime_now",
    "is",
    "not",
    "and",
    "or",
    "defined",
    "string",
    "none",
    "true",
    "0",
    "1",
    "-1",
    "10",
    "99999",
    "1e9",
    "'a'",
    "\"b\"",
    "'%Y'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ".",
    "|",
    "~",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "==",
    "!=",
    "<",
    ">=",
    "=",
    "length",
    "trim",
    "tojson",
    "join",
    "split",
    "strip",
    "items",
    "replace",
    "indent",
    "map",
    "select",
    "selectattr",
    "sort",
    "list",
    "upper",
    "first",
    "default",
    "content",
    "role",
    "bos_token",
    "index0",
    "caller",
];

/// Expressions and statements that parse.
fn expression() -> impl Strategy<Value = String> {
    let leaf = sample::select(vec![
        "messages",
        "messages[0]",
        "messages[-1].content",
        "tools",
        "x",
        "ns.x",
        "loop.index",
        "none",
        "true",
        "0",
        "1",
        "-3",
        "7",
        "2.5",
        "'a'",
        "'é漢'",
        "' a b '",
        "[]",
        "{}",
        "[1, 2]",
        "{'a': 1}",
        "range(5)",
        "bos_token",
        "f(1)",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let op = sample::select(vec![
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in",
            "and", "or",
        ]);
        let filter = sample::select(vec![
            "length",
            "trim",
            "tojson",
            "tojson(indent=2)",
            "list",
            "upper",
            "title",
            "first",
            "last",
            "join(',')",
            "sort",
            "reverse",
            "unique",
            "sum",
            "min",
            "int",
            "float",
            "string",
            "default('d')",
            "map('upper')",
            "items",
            "map(attribute='role')",
            "select",
            "selectattr('role')",
            "dictsort",
            "indent(3)",
            "replace('a', 'bb')",
            "abs",
            "round",
            "wordcount",
            "escape",
            "capitalize",
            "batch(2)",
        ]);
        let method = sample::select(vec![
            "strip()",
            "split()",
            "split('a', 1)",
            "upper()",
            "items()",
            "keys()",
            "get('a')",
            "replace('', 'xx')",
            "startswith('a')",
            "join(['a', 'b'])",
            "count('')",
            "format(1)",
            "splitlines()",
            "content",
            "role",
            "rsplit('b')",
        ]);
        let test = sample::select(vec![
            "defined",
            "string",
            "none",
            "iterable",
            "odd",
            "mapping",
            "in [1]",
            "divisibleby 2",
        ]);
        let bound = sample::select(vec!["", "0", "1", "-1", "2"]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), filter).prop_map(|(a, filter)| format!("({a} | {filter})")),
            (inner.clone(), method).prop_map(|(a, method)| format!("({a}).{method}")),
            (inner.clone(), test).prop_map(|(a, test)| format!("({a} is {test})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), bound.clone(), bound.clone(), bound)
                .prop_map(|(a, x, y, z)| format!("({a})[{x}:{y}:{z}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {{'k': {b}}}]")),
        ]
    })
}

fn statements() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        expression().prop_map(|expression| format!("{{{{ {expression} }}}}")),
        expression().prop_map(|expression| format!("{{% set x = {expression} %}}")),
        expression().prop_map(|expression| format!("{{% set ns.x = {expression} %}}")),
        Just("{% set ns.x = ns.x ~ ns.x ~ 'ab' %}".to_owned()),
        Just("{% set x = [x, x, ns.x] %}".to_owned()),
        Just("text\n".to_owned()),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        let several = collection::vec(inner, 1..4).prop_map(|parts| parts.concat());
        prop_oneof![
            several.clone(),
            (expression(), several.clone())
                .prop_map(|(a, body)| format!("{{% for x in {a} %}}{body}{{% endfor %}}")),
            several.clone().prop_map(|body| format!("{{% for i in range(50) %}}{body}{{% endfor %}}")),
            (expression(), several.clone(), several.clone())
                .prop_map(|(a, yes, no)| format!("{{% if {a} %}}{yes}{{% else %}}{no}{{% endif %}}")),
            several.clone().prop_map(|body| format!("{{% set x %}}{body}{{% endset %}}")),
            several.clone().prop_map(|body| format!("{{% filter upper | trim %}}{body}{{% endfilter %}}")),
            several
                .clone()
                .prop_map(|body| format!("{{% macro f(y, z=1) %}}{body}{{% endmacro %}}{{{{ f(2) }}}}")),
            several.prop_map(|body| format!("{{% generation %}}{body}{{% endgeneration %}}")),
        ]
    })
}

/// The templates that the tests of parity use.
fn bases() -> &'static [String] {
    static BASES: OnceLock<Vec<String>> = OnceLock::new();
    BASES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/text/templates");
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| fs::read_to_string(path).unwrap()).collect()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_texts(source in "\\PC{0,80}") {
        attack(source.as_bytes());
    }

    #[test]
    fn words_at_random(words in collection::vec(sample::select(WORDS), 0..60)) {
        attack(words.concat().as_bytes());
        attack(words.join(" ").as_bytes());
    }

    #[test]
    fn what_parses(source in statements()) {
        attack(format!("{{% set ns = namespace(x='a') %}}{source}").as_bytes());
    }

    #[test]
    fn real_templates_with_changes(
        base in any::<sample::Index>(),
        changes in collection::vec((any::<sample::Index>(), 0..12usize, sample::select(WORDS)), 1..5),
    ) {
        let mut source = base.get(bases()).clone();
        for (at, removed, word) in &changes {
            let mut from = at.index(source.len());
            while !source.is_char_boundary(from) {
                from -= 1;
            }
            let to = source[from..].char_indices().nth(*removed).map_or(source.len(), |(len, _)| from + len);
            source.replace_range(from..to, word);
        }
        attack(source.as_bytes());
        let config = json!({"chat_template": [{"name": "default", "template": source}], "bos_token": {"content": "<s>"}});
        let config = config.to_string();
        let ((), held) = peak(|| text::tokenizer_config(config.as_bytes()));
        prop_assert!(held <= allowed(config.len()), "{held} bytes held");
    }
}
