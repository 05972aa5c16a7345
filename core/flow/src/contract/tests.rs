use serde_json::json;

use super::{Fault, Given, Schema, faults, fit::What};
use crate::{contract::Contract, model::Span};

const PARCEL: &str = r#"{
  "name": "parcel", "version": "0.3.0", "kinds": {"action": 1}, "from_a_newer_sdk": true,
  "methods": {
    "action.track": {"timeout_ms": 2000, "params": {"type": "object"}, "result": {"type": "object"}},
    "action.book": {"idempotent": true},
    "action.find": {"errors": {"not_found": "no parcel has this number"}},
    "channel.open": {}
  }
}"#;

fn read(text: &str) -> Result<Contract, super::Bad> {
    Contract::read("parcel", text, Span::default())
}

#[test]
fn the_methods_of_a_manifest_are_known_by_their_short_names() {
    let contract = read(PARCEL).unwrap();
    assert_eq!(contract.version, "0.3.0");
    assert_eq!(
        contract.methods.keys().collect::<Vec<_>>(),
        ["book", "find", "track"]
    );
    assert_eq!(contract.methods["track"].timeout_ms, Some(2000));
    assert!(contract.methods["book"].idempotent && !contract.methods["track"].idempotent);
    let codes = contract.methods["find"].errors.as_ref().unwrap();
    assert_eq!(codes["not_found"], "no parcel has this number");
    assert_eq!(contract.methods["track"].errors, None, "nothing is said");
}

#[test]
fn a_contract_that_is_none_is_told_with_its_place() {
    let place = |text: &str| {
        let bad = read(text).unwrap_err();
        assert!(!bad.en.is_empty() && !bad.zh.is_empty());
        (bad.line, bad.column)
    };
    assert_eq!(place("{\n  \"name\": \"parcel\",\n  oops"), (3, 3));
    assert_eq!(place(""), (1, 1));
    assert_eq!(place("[]").0, 1);
    assert_eq!(place(&"[".repeat(100_000)).0, 1);
    assert_eq!(place(&PARCEL.replace("\"parcel\"", "\"crm\"")), (2, 3));
    assert_eq!(place(&PARCEL.replace("2000", "0")), (4, 5));
    assert_eq!(
        place(&PARCEL.replace("{\"idempotent\": true}", "{\"params\": 3}")),
        (5, 5)
    );
    assert_eq!(place(&PARCEL.replace("not_found", "not found")), (6, 32));
    let codes: Vec<String> = (0..51).map(|code| format!("\"{code}\": \"x\"")).collect();
    let many = PARCEL.replace(
        "\"not_found\": \"no parcel has this number\"",
        &codes.join(", "),
    );
    assert_eq!(place(&many), (6, 5));
    assert_eq!(place(&" ".repeat(300 << 10)), (1, 1));
    assert!(Contract::read("Parcel", PARCEL, Span::default()).is_err());
}

/// A literal value as it would stand in YAML: maps and lists with a place each, here all 0.
fn given(value: &serde_json::Value) -> Given<u32> {
    match value {
        serde_json::Value::Object(map) => Given::map(
            0,
            map.iter().map(|(k, v)| (k.clone(), 0, given(v))).collect(),
        ),
        serde_json::Value::Array(items) => Given::list(0, items.iter().map(given).collect()),
        other => Given::literal(0, other.clone()),
    }
}

fn count(schema: serde_json::Value, value: serde_json::Value) -> usize {
    faults(&Schema::new(schema), &given(&value)).len()
}

#[test]
fn literals_are_held_against_what_a_schema_says() {
    let object = json!({
        "type": "object", "required": ["number"], "additionalProperties": false,
        "properties": {
            "number": {"type": "string", "pattern": "^[A-Z0-9-]{4,40}$"},
            "count": {"type": "integer", "minimum": 1, "maximum": 9},
            "tier": {"enum": ["gold", 1]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "who": {"$ref": "#/$defs/who"},
        },
        "$defs": {"who": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string", "maxLength": 3}}}},
    });
    for fits in [
        json!({"number": "PF-1234"}),
        json!({"number": "PF-1234", "count": 9, "tier": 1.0, "tags": ["a"], "who": {"name": "Ann"}}),
    ] {
        assert_eq!(count(object.clone(), fits.clone()), 0, "{fits}");
    }
    for (wrong, faults) in [
        (json!({}), 1),
        (json!({"number": 12_345_678}), 1),
        (json!({"number": null}), 1),
        (json!({"number": "pf"}), 1),
        (json!({"number": "PF-1234", "count": 0}), 1),
        (json!({"number": "PF-1234", "count": 1.5}), 1),
        (json!({"number": "PF-1234", "tier": "silver"}), 1),
        (json!({"number": "PF-1234", "tags": ["a", 1, 2]}), 2),
        (json!({"number": "PF-1234", "who": {}}), 1),
        (json!({"number": "PF-1234", "who": {"name": "Bert"}}), 1),
        (json!({"nummer": "PF-1234"}), 2),
    ] {
        assert_eq!(count(object.clone(), wrong.clone()), faults, "{wrong}");
    }
}

#[test]
fn what_a_schema_leaves_open_or_nobody_understands_fits() {
    for schema in [
        json!(true),
        json!({}),
        json!({"type": "colour"}),
        json!({"type": ["string", "integer"]}),
        json!({"$ref": "https://elsewhere.example/schema"}),
        json!({"$ref": "#"}),
        json!({"$ref": "#/nowhere"}),
        json!({"anyOf": [{"type": "string"}, {"type": "number"}]}),
        json!({"pattern": "^\\W$"}),
        json!({"pattern": "^(?!x)"}),
        json!({"not": {"type": "number"}}),
        json!({"format": "email"}),
        json!({"minimum": "3"}),
        json!({"required": 3, "properties": 4, "enum": {}}),
    ] {
        assert_eq!(count(schema.clone(), json!(7)), 0, "{schema}");
    }
    let open = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": true});
    assert_eq!(count(open, json!({"b": 1})), 0);
    // None of its ways fits.
    let ways = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    assert_eq!(count(ways, json!(7)), 1);
}

#[test]
fn a_computed_value_is_judged_by_its_kind_alone() {
    use super::Kind;
    let text = Schema::new(json!({"type": "string", "pattern": "^x$"}));
    assert_eq!(faults(&text, &Given::some(0, Kind::Text)), []);
    assert_eq!(faults(&text, &Given::any(0)), []);
    assert!(matches!(
        faults(&text, &Given::some(0, Kind::Number))[..],
        [Fault::Kind { literal: None, .. }]
    ));
    let whole = Schema::new(json!({"type": "integer"}));
    assert_eq!(faults(&whole, &Given::some(0, Kind::Number)), []);
    assert!(matches!(Given::any(0).what, What::Any));
}

#[test]
fn only_an_object_that_names_its_fields_promises_them() {
    let fields = |schema| Schema::new(schema).fields();
    let named = fields(json!({"type": "object", "properties": {
        "status": {"type": "string"}, "eta": {"type": "string", "format": "date"},
        "n": {"type": ["integer", "null"]}, "more": {}, "list": {"type": "array"},
    }}))
    .unwrap();
    let named: Vec<(&str, &str)> = named.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        named,
        [
            ("eta", "date"),
            ("list", "list"),
            ("more", "any"),
            ("n", "integer"),
            ("status", "text")
        ]
    );
    for open in [
        json!({"type": "object"}),
        json!({"type": "object", "properties": {}}),
        json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}),
        json!({"properties": {"a": {}}, "anyOf": [{}]}),
    ] {
        assert_eq!(fields(open.clone()), None, "{open}");
    }
}

#[test]
fn editors_are_given_signatures() {
    let text = PARCEL.replace(
        r#"{"type": "object"}, "result": {"type": "object"}"#,
        r#"{"type": "object", "required": ["number"], "properties": {"number": {"type": "string"},
            "kind": {"enum": ["a", "b"]}}},
          "result": {"type": "object", "required": ["list"],
            "properties": {"list": {"type": "array", "items": {"type": "integer"}}}}"#,
    );
    let found: Vec<_> = read(&text).unwrap().signatures().collect();
    assert_eq!(
        (found[0].params.as_str(), found[0].result.as_str()),
        ("any", "any")
    );
    assert_eq!(found[2].method, "track");
    assert!(
        found[2].params.contains("number: string")
            && found[2].params.contains(r#"kind: ("a" | "b")?"#),
        "{}",
        found[2].params
    );
    assert_eq!(found[2].result, "{list: {number}}");
}
