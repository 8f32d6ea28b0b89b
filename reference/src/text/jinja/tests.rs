//! Templates that mean harm: each comes to an end soon, and within its bytes.

use std::time::{Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::{check, render};
use crate::error::ErrorClass;

fn attempt(source: &str) -> Result<String, ErrorClass> {
    let variables: Map<String, Value> =
        json!({"messages": [{"role": "user", "content": "x"}]}).as_object().cloned().unwrap_or_default();
    render(source, variables, SystemTime::UNIX_EPOCH).map_err(|error| error.class)
}

/// Each is refused by a limit.
#[test]
fn bombs_are_refused() {
    let looped = |body: &str| {
        format!(
            "{{% set ns = namespace(x='ab', l=[1], n=0) %}}{{% for i in range(100000) %}}{body}{{% endfor %}}"
        )
    };
    let mut bombs = vec![
        "{{ 'a' * 10**12 }}".to_owned(),
        "{{ 'a' * 10**8 }}".to_owned(),
        "{{ [1] * 10**12 }}".to_owned(),
        "{{ ('a' * 10**7) * 10**7 }}".to_owned(),
        "{{ range(10**9) | list }}".to_owned(),
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".to_owned(),
        "{% for a in range(100000) %}{% for b in range(100000) %}.{% endfor %}{% endfor %}".to_owned(),
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".to_owned(),
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}".to_owned(),
        "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}"
            .to_owned(),
        "{% for x in [[1]] recursive %}{{ loop([[x]]) }}{% endfor %}".to_owned(),
        format!("{{% set x = 'aaaaaaaaaaaaaaaa' %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(40)),
        format!("{{% set x = 'a' %}}{}", "{% set x %}{{ x }}{{ x }}{{ x }}{{ x }}{% endset %}".repeat(40)),
        format!("{{% set x = [1] %}}{}{{{{ x }}}}", "{% set x = [x, x] %}".repeat(60)),
        format!("{{% set x = [1] %}}{}{{{{ x | tojson }}}}", "{% set x = {'a': x, 'b': x} %}".repeat(60)),
        format!("{{% set x = [1] %}}{{% set y = [1] %}}{}{{{{ x == y }}}}", "{% set x = [x, x] %}{% set y = [y, y] %}".repeat(60)),
        format!("{{% set x = [1] %}}{}", "{% set x = [x] %}".repeat(200)),
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ 1{} }}}}", " ~ 1".repeat(100_000)),
        format!("{{{{ x{} }}}}", ".a".repeat(100_000)),
        format!("{{{{ x{} }}}}", "|upper".repeat(100_000)),
        format!("{{{{ x{} }}}}", "[0]".repeat(100_000)),
        format!("{{{{ x{} }}}}", "()".repeat(100_000)),
        format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(100_000)),
    ];
    for body in [
        "{% set ns.x = ns.x ~ ns.x %}",
        "{% set ns.x = ns.x + ns.x %}",
        "{% set ns.x = ns.x * 2 %}",
        "{% set ns.x = ns.x.replace('a', 'aa') %}",
        "{% set ns.x = ns.x | replace('b', 'bb') %}",
        "{% set ns.x = [ns.x, ns.x] | join %}",
        "{% set ns.x = ns.x.join([ns.x, ns.x]) %}",
        "{% set ns.x = '{0}{0}'.format(ns.x) %}",
        "{% set ns.x = ns.x | tojson | tojson %}",
        "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}",
        "{% set ns.l = ns.l + ns.l %}",
        "{% set ns.l = [ns.l, ns.l] %}",
        "{% set ns.l = [ns.l] %}",
        "{% set ns.l = {'a': ns.l} %}",
        "{% set ns.l = ns.l + [i] %}",
        "{% set ns.l = ns.l | map('list') | list + ns.l %}",
        "{% set ns.x = ns.x ~ i %}{% set ns.l = ns.l + [ns.x] %}",
        "{% set ns.n = namespace(a=ns.n) %}{{ 'x' * 99999 }}",
        "{{ ns.x * 100000 }}",
        "{% macro f() %}{% endmacro %}{% set ns.l = ns.l + [f, i] %}",
        "{{ range(100000) | sort | list | length }}",
        "{{ range(100000) | unique | list | length }}",
        "{{ (range(100000) | list) in [1] }}{{ 'x' in range(100000) }}",
    ] {
        bombs.push(looped(body));
    }
    for bomb in bombs {
        let before = Instant::now();
        let shown: String = bomb.chars().take(100).collect();
        match attempt(&bomb) {
            Err(ErrorClass::LimitExceeded | ErrorClass::Decode) => {}
            other => panic!("{shown}: {:?}", other.map(|text| text.len())),
        }
        assert!(before.elapsed().as_secs() < 60, "{shown}: {:?}", before.elapsed());
    }
}

/// Long, but nothing to refuse.
#[test]
fn large_templates_are_taken() {
    let long = "word ".repeat(20_000);
    assert_eq!(attempt(&long).unwrap(), long);
    assert_eq!(attempt(&"{{ 'a' ~ 'b' }}".repeat(5000)).unwrap().len(), 10_000);
    assert_eq!(attempt(&format!("{{{{ [{}] | length }}}}", "1, ".repeat(2000))).unwrap(), "2000");
    assert_eq!(attempt(&format!("{{{{ 1{} }}}}", " + 1".repeat(300))).unwrap(), "301");
    assert_eq!(
        attempt("{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(20) }}")
            .unwrap()
            .len(),
        32
    );
    let nested = format!("{}x{}", "{% if true %}".repeat(60), "{% endif %}".repeat(60));
    assert_eq!(attempt(&nested).unwrap(), "x");
    assert_eq!(attempt("{% for i in range(50000) %}.{% endfor %}").unwrap().len(), 50_000);
}

#[test]
fn what_is_wrong_has_its_class() {
    assert_eq!(attempt("{{ raise_exception('no') }}"), Err(ErrorClass::InvalidArgument));
    assert_eq!(attempt("{{ 1 +"), Err(ErrorClass::Decode));
    assert_eq!(attempt("{% include 'x' %}"), Err(ErrorClass::Decode));
    assert_eq!(attempt("{% extends messages %}"), Err(ErrorClass::Decode));
    assert_eq!(attempt("{% block a %}{% endblock %}"), Err(ErrorClass::Decode));
    assert_eq!(attempt("{{ 9223372036854775807 + 1 }}"), Err(ErrorClass::Decode));
    assert_eq!(attempt("{{ 99999999999999999999999999 }}"), Err(ErrorClass::Decode));
    assert!(check("{{ raise_exception('no') }}").is_ok());
    assert!(check("{% for %}").is_err());
}
