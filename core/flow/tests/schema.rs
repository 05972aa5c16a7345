//! The JSON Schemas accept what the loader accepts, and are the ones in docs/.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use serde_json::Value;
use tandem_flow::{diagnostic::Lang, schema};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validators() -> Vec<(&'static str, Validator)> {
    let made = schema::all(Lang::En).into_iter().map(|(name, schema)| {
        (
            name,
            jsonschema::draft202012::new(&schema).unwrap_or_else(|e| panic!("{name}: {e}")),
        )
    });
    made.collect()
}

fn schema_of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    match name {
        "pack.yaml" => Some("pack.schema.json"),
        "connections.yaml" => Some("connections.schema.json"),
        "desk.yaml" => Some("desk.schema.json"),
        _ if name.ends_with(".flow.yaml") => Some("flow.schema.json"),
        _ if name.ends_with(".test.yaml") => Some("test.schema.json"),
        _ => None,
    }
}

fn errors(validators: &[(&str, Validator)], path: &str, text: &str) -> Vec<String> {
    let Some(name) = schema_of(path) else {
        return Vec::new();
    };
    let value: Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(error) => return vec![error.to_string()],
    };
    let (_, validator) = validators.iter().find(|(n, _)| *n == name).unwrap();
    validator
        .iter_errors(&value)
        .map(|e| format!("{path}: {} at {}", e, e.instance_path()))
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_of_a_sound_pack_fits_its_schema() {
    let validators = validators();
    let mut files = Vec::new();
    walk(&root().join("core/flow/tests/packs"), &mut files);
    walk(&root().join("flows"), &mut files);
    files.push(root().join("core/flow/src/patterns.flow.yaml"));
    let mut odd = Vec::new();
    for path in files {
        odd.extend(errors(
            &validators,
            &path.to_string_lossy(),
            &fs::read_to_string(&path).unwrap(),
        ));
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn unknown_keys_do_not_fit() {
    let validators = validators();
    for (path, text) in [
        ("a.flow.yaml", "slotz: {}"),
        ("a.flow.yaml", "slots: {n: {type: integer, minimum: 1}}"),
        ("a.flow.yaml", "slots: {n: {type: e-mail}}"),
        ("a.flow.yaml", "flows: {a: {steps: [{sai: Hello there.}]}}"),
        (
            "a.flow.yaml",
            "flows: {a: {steps: [{collect: n, max_atempts: 3}]}}",
        ),
        (
            "a.flow.yaml",
            "flows: {a: {steps: [{say: Hello., collect: n}]}}",
        ),
        ("a.flow.yaml", "flows: {a: {steps: say hello}}"),
        ("a.flow.yaml", "flows: {a: {title: No steps}}"),
        ("pack.yaml", "name: shop"),
        ("pack.yaml", "{name: shop, locales: [en], zone: UTC}"),
        (
            "connections.yaml",
            "connections: {shop: {operations: {find: {method: FETCH, path: /}}}}",
        ),
        ("desk.yaml", "hours: {support: {monday: '09:00-18:00'}}"),
        ("a.test.yaml", "{test: A, turns: [{usr: hello}]}"),
        ("a.test.yaml", "{test: A, turns: [{user: hello, bot: []}]}"),
    ] {
        assert!(!errors(&validators, path, text).is_empty(), "{text}");
    }
}

#[test]
fn the_schemas_in_docs_are_these() {
    for (name, schema) in schema::all(Lang::En) {
        let path = root().join("docs").join(name);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "docs/{name} is old: UPDATE_SCHEMAS=1 cargo test -p tandem-flow --test schema"
        );
    }
}
