//! What expressions mean, what is refused before anything runs, and that no text and no object brings them down.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BYTES_MAX, Expression, Judged, LOOPS_MAX};

fn object() -> Value {
    json!({
        "metadata": { "name": "web", "labels": { "app": "web", "tier": "front" }, "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "replicas": 3, "paused": false, "ratio": 0.5, "memory": "2Gi", "none": null, "big": 18_446_744_073_709_551_615_u64 },
        "status": {
            "readyReplicas": 1, "phase": "Running", "empty": [], "at": "2026-01-01T01:30:00Z",
            "conditions": [
                { "type": "Ready", "status": "True", "observedGeneration": 2 },
                { "type": "Stalled", "status": "False" },
            ],
            "names": ["a", "ä", "c"], "numbers": [1, 2, 3],
        },
    })
}

fn judged(text: &str) -> Judged {
    Expression::parse(text)
        .unwrap_or_else(|fault| panic!("{text}: {fault}"))
        .judge(&object())
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn conditions_that_are_true() {
    for text in [
        "true",
        "object.spec.replicas == 3",
        "self.spec.replicas == 3 // the same object",
        "object.spec.replicas > object.status.readyReplicas",
        "object['spec']['replicas'] == 3 && object.status.numbers[1] == 2",
        "!object.spec.paused",
        "object.spec.ratio < 1 && object.spec.ratio == 0.5 && 1.0 == 1 && 2u > 1",
        "object.spec.big > 9223372036854775807 && object.spec.big == 18446744073709551615u",
        "-9223372036854775808 < 0 && 0x10 == 16 && 1e3 == 1000 && -(-1) == 1",
        "has(object.status.phase) && !has(object.status.absent) && has(object.spec.none)",
        "object.spec.none == null && object.status != null",
        "object.status.conditions.exists(c, c.type == 'Ready' && c.status == \"True\")",
        "object.status.conditions.all(c, c.status in ['True', 'False'])",
        "object.status.conditions.exists_one(c, c.status == 'True')",
        "object.status.conditions.filter(c, c.status == 'True').map(c, c.type) == ['Ready']",
        "object.status.numbers.map(n, n > 1, n * 10) == [20, 30]",
        "object.metadata.labels.all(key, key.size() > 2) && 'app' in object.metadata.labels",
        "object.metadata.labels.map(k, k) == ['app', 'tier']",
        "object.status.empty.all(x, x.y.z) && !object.status.empty.exists(x, true)",
        // A part that decides, decides, whatever is missing in the others.
        "object.absent.field == 1 || true",
        "!(object.absent.field == 1 && false)",
        "object.status.conditions.exists(c, c.observedGeneration == 2)",
        "!object.status.conditions.all(c, c.reason == 'x' || c.type == 'Ready' && false) || true",
        "object.spec.replicas > 5 ? false : true",
        "object.spec.paused ? object.absent : true",
        "object.status.phase.startsWith('Run') && object.status.phase.endsWith('ing') && object.status.phase.contains('nn')",
        "object.status.phase.matches('^R[a-z]+$') && matches('abc', 'b') && 'x12y'.find('[0-9]+') == '12'",
        "object.status.phase.lowerAscii() == 'running' && 'a'.upperAscii() == 'A' && '  b '.trim() == 'b'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && ['x', 'y'].join('-') == 'x-y' && 'aXbX'.replace('X', '') == 'ab'",
        "'ab'.split('') == ['a', 'b'] && 'äöü'.substring(1) == 'öü' && 'äöü'.substring(0, 1) == 'ä' && 'äöü'.indexOf('ü') == 2",
        "size('äöü') == 3 && size([1, 2]) == 2 && {'a': 1}.size() == 1 && {'a': 1}.a == 1 && {'a': 1, 'b': [2]} == {'b': [2], 'a': 1}",
        "object.status.numbers.sum() == 6 && object.status.numbers.max() == 3 && object.status.numbers.min() == 1 && [1, 1, 2].isSorted()",
        "[1, 2].indexOf(2) == 1 && [1].indexOf(5) == -1 && [] == [] && [1] + [2] == [1, 2]",
        "quantity(object.spec.memory) == quantity('2048Mi') && quantity('1500m').isGreaterThan(quantity('1'))",
        "quantity('1').add(1).asInteger() == 2 && quantity('2').sub(quantity('500m')).compareTo(quantity('1.5')) == 0",
        "isQuantity('1Ki') && !isQuantity('many') && quantity('3').sign() == 1 && !quantity('1m').isInteger()",
        "timestamp(object.status.at) - timestamp(object.metadata.creationTimestamp) == duration('1h30m')",
        "timestamp(object.metadata.creationTimestamp) + duration('90m') >= timestamp(object.status.at)",
        "int('7') == 7 && double('1.5') == 1.5 && string(7) == '7' && dyn(1) == 1 && 7 / 2 == 3 && 7 % 2 == 1",
        "'tab\\t\\x41\\u00e4\\101' == \"tab\tAäA\" && r'\\d' == '\\\\d' && '''it's\nlong''' == \"it's\\nlong\"",
        "1 != 'a' && [1] != 1 && null != 0 && !('a' == 1)",
    ] {
        assert_eq!(judged(text), Judged::True, "{text}");
    }
}

#[test]
fn a_false_one_says_which_part_of_which_values() {
    for (text, words) in [
        (
            "has(object.spec) && object.status.readyReplicas == object.spec.replicas",
            "`object.status.readyReplicas == object.spec.replicas` is false: 1 == 3",
        ),
        (
            "object.status.phase == 'Done'",
            "`object.status.phase == 'Done'` is false: \"Running\" == \"Done\"",
        ),
        ("object.spec.paused", "`object.spec.paused` is false"),
        ("object.status.numbers == []", "a list of 3 == a list of 0"),
        ("false || 1\n  >  2", "`false || 1 > 2` is false"),
    ] {
        let Judged::False(found) = judged(text) else {
            panic!("{text}: {:?}", judged(text));
        };
        assert!(found.contains(words), "{text}: {found}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_is_not_there_may_come() {
    for (text, words) in [
        (
            "object.status.replicas == 1",
            "no such key: `replicas` in `object.status`",
        ),
        (
            "object.absent.deep == 1",
            "no such key: `absent` in `object`",
        ),
        (
            "object.spec.none.x == 1",
            "no such key: `x` in `object.spec.none`, which is null",
        ),
        (
            "object.status.numbers[3] == 1",
            "no such key: 3 in `object.status.numbers`",
        ),
        ("object.status.numbers[-1] == 1", "no such key: -1"),
        ("object.spec['a\\nb'] == 1", "no such key: \"a\\nb\""),
        ("object.status.absent || false", "no such key: `absent`"),
        (
            "object.status.conditions.all(c, c.observedGeneration == 2)",
            "no such key: `observedGeneration` in `c`",
        ),
    ] {
        let Judged::Absent(found) = judged(text) else {
            panic!("{text}: {:?}", judged(text));
        };
        assert!(found.contains(words), "{text}: {found}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_said_of_such_an_object_is_wrong() {
    for (text, words) in [
        (
            "object.spec.replicas.x == 1",
            "`object.spec.replicas` is an integer and has no field `x`",
        ),
        (
            "object.status.phase > 1",
            "no `>` for a text and an integer",
        ),
        (
            "object.spec.replicas",
            "is an integer, neither true nor false",
        ),
        (
            "object.spec.replicas + 'a' == 1",
            "no `+` for an integer and a text",
        ),
        ("1 + 1.0 == 2.0", "no `+` for an integer and a number"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "does not fit"),
        ("-9223372036854775808 / -1 > 0", "does not fit"),
        ("object.spec.exists(x, x.y)", "is a text and has no field"),
        (
            "object.spec.replicas.exists(x, true)",
            "neither a list nor a map",
        ),
        (
            "object.status.numbers['a'] == 1",
            "is a list and has no element",
        ),
        ("'a'.substring(2) == ''", "no place 2 in a text of 1"),
        ("'(' .matches('(')", "regex parse error"),
        ("'a'.matches('(a{1000}){1000}')", "too large"),
        ("quantity('many') == quantity('1')", "a quantity like"),
        ("timestamp('today') == timestamp('now')", "RFC 3339"),
        ("size(1) == 1", "a text, a list or a map"),
        ("[].max() == 1", "the list is empty"),
        ("dyn(1)", "neither true nor false"),
    ] {
        let Judged::Wrong(found) = judged(text) else {
            panic!("{text}: {:?}", judged(text));
        };
        assert!(found.contains(words), "{text}: {found}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_can_be_no_condition_is_refused_with_its_place() {
    let nested = format!("{}true{}", "(".repeat(60), ")".repeat(60));
    let signs = format!("{}true", "!".repeat(2000));
    let sums = format!("0{} == 0", " + 1".repeat(900));
    let dots = format!("object{}", ".a".repeat(100));
    let long = format!("true{}", " ".repeat(BYTES_MAX));
    for (text, words) in [
        ("", "line 1, column 1: it is empty"),
        ("  // nothing\n", "it is empty"),
        (
            "object.spec.replicas =",
            "column 22: `=` means nothing here",
        ),
        (
            "object.spec.\n  && true",
            "line 2, column 3: `&&` where the name of a field is expected",
        ),
        (
            "object.status.phase == 'Run",
            "column 24: this text has no end",
        ),
        ("(true", "column 6: the end where `)` is expected"),
        ("true)", "`)` where an operator, or the end"),
        ("true true", "column 6: `true` where"),
        (
            "objekt.spec == 1",
            "`objekt` is not known: the variables are `object` and `self`",
        ),
        ("[1].all(x, x == y)", "`y` is not known"),
        ("now() > 1", "there is no function `now`"),
        ("object.spec.sise() > 1", "there is no function `sise`"),
        (
            "'a'.contains('a', 'b')",
            "`contains` does not take 2 arguments",
        ),
        ("contains('a', 'b')", "`contains` is written `x.contains()`"),
        ("'1'.int() == 1", "`int` is written `int(x)`"),
        ("has(object)", "`has` is given a field"),
        ("object.?status == 1", "use `has(…)`"),
        ("b'abc' == b'abc'", "bytes are not supported"),
        ("Message{a: 1} == 1", "not known"),
        ("object{a: 1} == 1", "messages are not supported"),
        ("object.all(true, true)", "the name of a variable"),
        ("object.all(x)", "`,`"),
        (
            "object.filter(x, true, true) == 1",
            "is given a variable and an expression",
        ),
        ("9223372036854775808 > 0", "does not fit"),
        ("99999999999999999999 > 0", "no number that fits"),
        ("'\\q' == ''", "no such escape"),
        ("object.spec.replicas + 1", "neither true nor false"),
        ("'true'", "neither true nor false"),
        ("object", "neither true nor false"),
        (
            "object.status.conditions.map(c, c.status)",
            "neither true nor false",
        ),
        ("object.spec.paused ? 1 : 2", "neither true nor false"),
        (
            "object.a.all(x, x.all(y, y.all(z, true)))",
            "`all` inside of 2 others of its like costs too much",
        ),
        (nested.as_str(), "nested deeper than"),
        (signs.as_str(), "nested deeper than"),
        (sums.as_str(), "nested deeper than"),
        (dots.as_str(), "nested deeper than"),
        (long.as_str(), "and at most 4096 are allowed"),
    ] {
        let fault = Expression::parse(text).err();
        let fault = fault
            .unwrap_or_else(|| panic!("{text} is taken"))
            .to_string();
        assert!(fault.contains(words), "{text}: {fault}");
    }
    assert_eq!(LOOPS_MAX, 2);
}

/// A long row of conditions is not deep.
#[test]
fn many_conditions_in_a_row_are_one_level() {
    let text = vec!["object.spec.replicas == 3"; 100].join(" && ");
    assert_eq!(judged(&text), Judged::True);
}

#[test]
fn what_costs_too_much_is_given_up() {
    let list: Vec<Value> = (0..2000)
        .map(|number| json!({ "n": number, "s": "x" }))
        .collect();
    let long = "x".repeat(200_000);
    let object = json!({ "list": list, "text": long });
    let mut doubled = "[object.text]".to_owned();
    for _ in 0..40 {
        doubled.push_str(".map(x, x + x)");
    }
    write!(doubled, "[0] == ''").unwrap();
    let replaced = "[object.text].map(x, x.replace('x', object.text))[0] == ''";
    for text in [
        "object.list.all(a, object.list.all(b, a.n != b.n || a == b))",
        doubled.as_str(),
        replaced,
        "object.list.map(x, object.text.matches('(x+x+)+y')) == []",
        "object.list.map(x, object.list) == object.list.map(x, object.list)",
    ] {
        let parsed = Expression::parse(text).unwrap();
        assert_eq!(parsed.judge(&object), Judged::TooCostly, "{text}");
    }
    let once = Expression::parse("object.list.all(a, a.s == 'x')").unwrap();
    assert_eq!(once.judge(&object), Judged::True);
}

/// Texts that look like expressions, to get past the first word.
fn texts() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "object",
        "self",
        ".status",
        ".spec",
        ".a",
        "[0]",
        "['a']",
        "x",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "<=",
        " in ",
        "&&",
        "||",
        "1",
        "0",
        "1.5",
        "2u",
        "'a'",
        "'ä'",
        "\"",
        "'",
        "\\",
        "true",
        "null",
        ".all(x, ",
        ".exists(x, ",
        ".map(x, ",
        ".filter(x, ",
        ".size()",
        "size(",
        "has(",
        ".matches(",
        ".substring(",
        "int(",
        "quantity(",
        "duration(",
        "timestamp(",
        ".split(",
        ".sum()",
        ".max()",
        " ",
        "\n",
        "//",
        "ä",
        "\u{0}",
        "r'",
        "'''",
        "e9",
        "0x",
    ];
    prop::collection::vec(prop::sample::select(WORDS), 0..24).prop_map(|words| words.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zä\\\\n]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let keys = prop::sample::select(&["a", "spec", "status", "x"][..]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..4).prop_map(|map| {
                Value::Object(
                    map.into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Any text is read or refused, and what is read says the same of an object each time.
    #[test]
    fn no_text_and_no_object_brings_it_down(text in texts(), object in values()) {
        if let Ok(expression) = Expression::parse(&text) {
            let first = expression.judge(&object);
            prop_assert_eq!(first, expression.judge(&object));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in "\\PC{0,60}") {
        if let Err(fault) = Expression::parse(&text) {
            prop_assert!(!fault.to_string().is_empty());
        }
    }
}
