use super::*;

fn parse(text: &str) -> Result<Json<'_>> {
    Json::parse(text, &JsonLimits::CONFIG)
}

#[test]
fn keeps_what_hashes_depend_on() {
    assert_eq!(parse("1").unwrap(), Json::Int("1"));
    assert_eq!(parse(" 1.0 ").unwrap(), Json::Float(1.0));
    assert_eq!(parse("1E3").unwrap(), Json::Float(1000.0));
    assert_eq!(parse("-0").unwrap(), Json::Int("0"));
    assert_eq!(parse("123456789012345678901234567890").unwrap(), Json::Int("123456789012345678901234567890"));
    assert!(matches!(parse("NaN").unwrap(), Json::Float(x) if x.is_nan()));
    assert_eq!(parse("-Infinity").unwrap(), Json::Float(f64::NEG_INFINITY));
    assert_eq!(parse("1e400").unwrap(), Json::Float(f64::INFINITY));
}

#[test]
fn the_last_of_equal_keys_wins() {
    let value = parse(r#"{"b":0,"a":1,"a":2,"\u0061":3}"#).unwrap();
    assert_eq!(value.get("a"), Some(&Json::Int("3")));
    assert!(matches!(&value, Json::Object(members) if members.len() == 2));
}

#[test]
fn surrogates_pair_or_stay_alone() {
    let text = |source| match parse(source).unwrap() {
        Json::Text(text) => text.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(r#""\ud83d\ude00""#), "😀".as_bytes());
    assert_eq!(text(r#""\ud83d""#), [0xed, 0xa0, 0xbd]);
    assert_eq!(text(r#""\ud83dx""#), [0xed, 0xa0, 0xbd, b'x']);
    assert_eq!(text(r#""\ud83d\u0041""#), [0xed, 0xa0, 0xbd, b'A']);
    assert_eq!(text(r#""\ude00\ud83d""#), [0xed, 0xb8, 0x80, 0xed, 0xa0, 0xbd]);
}

#[test]
fn malformed_text_is_refused_at_its_offset() {
    for (text, offset) in [
        ("", 0),
        ("{", 1),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("01", 1),
        ("1.", 2),
        ("-", 1),
        (".5", 0),
        ("1e", 2),
        ("tru", 0),
        ("\"\n\"", 1),
        ("\"\\x\"", 2),
        ("\"\\u12g4\"", 5),
        ("\"abc", 4),
        ("[1 2]", 3),
        ("{1:2}", 1),
        ("1 1", 2),
        ("\u{feff}1", 0),
        ("'a'", 0),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.class, error.offset), (ErrorClass::Decode, Some(offset)), "{text:?}: {error}");
    }
}

#[test]
fn limits_hold() {
    let limits = JsonLimits { max_bytes: 100, max_depth: 3, max_values: 5 };
    let class = |text: &str| Json::parse(text, &limits).unwrap_err().class;
    assert!(Json::parse("[[[]]]", &limits).is_ok());
    assert_eq!(class("[[[[]]]]"), ErrorClass::LimitExceeded);
    assert!(Json::parse("[[],[],[],[]]", &limits).is_ok());
    assert_eq!(class("[0,0,0,0,0]"), ErrorClass::LimitExceeded);
    assert_eq!(class(&" ".repeat(101)), ErrorClass::LimitExceeded);
    assert_eq!(parse(&"9".repeat(4301)).unwrap_err().class, ErrorClass::LimitExceeded);
    assert!(parse(&format!("-{}", "9".repeat(4300))).is_ok());
    let deep = "[".repeat(1_000_000);
    assert_eq!(parse(&deep).unwrap_err().class, ErrorClass::LimitExceeded);
    let deepest = format!("{}{}", "[".repeat(512), "]".repeat(512));
    assert!(parse(&deepest).is_ok());
}

#[test]
fn integer_keys_are_marked_by_pointer() {
    let mut value = parse(r#"{"a/b":[{"~":{"-1":0,"01":0,"x":0}}]}"#).unwrap();
    value.mark_integer_key("/a~1b/0/~0/-1").unwrap();
    for pointer in
        ["", "a", "/nope", "/a~1b/0", "/a~1b/7/x", "/a~1b/0/~0/01", "/a~1b/0/~0/x", "/a~1b/0/~0/-1/q"]
    {
        assert_eq!(
            value.mark_integer_key(pointer).unwrap_err().class,
            ErrorClass::InvalidArgument,
            "{pointer}"
        );
    }
}

#[test]
fn values_are_as_small_as_the_limits_say() {
    assert!(size_of::<Json<'_>>() <= 32);
    assert!(size_of::<Member<'_>>() <= 64);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in r#"[\[\]{}":,\\u0-9a-fA-F.eE+\-tnNI \x00-\x1fé😀]{0,64}"#) {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_on_any_text(text: String) {
        let _ = parse(&text);
    }
}
