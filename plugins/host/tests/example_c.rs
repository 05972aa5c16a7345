//! The example in C, built by the system's compiler, loads and passes the suite every plugin passes.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tandem_plugin_host::library::Images;
use tandem_plugin_sdk::testkit::{Kit, Plan, conformance};

mod common;
use common::{World, call, config};

const SOURCE: &str = include_str!("../../examples/c-greeter/greeter.c");
const STRICT: [&str; 5] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_c_greets() {
    let world = World::new();
    let Some(path) = world.build("greeter", SOURCE, &STRICT) else {
        return;
    };
    let mut config = config("greeter", &path);
    assert!(world.plugins.load(config.clone()).await.is_err());
    config.config = json!({"greeting": "你好"});
    let greeter = world.plugins.load(config).await.unwrap();
    let greeted = call(&greeter, "action.greet", json!({"name": "Ada"})).await;
    assert_eq!(greeted, Ok(json!({"text": "你好, Ada!"})));
    let injected = call(&greeter, "action.greet", json!({"name": "a\"b"})).await;
    assert!(injected.is_err(), "{injected:?}");
}

#[test]
fn the_example_in_c_passes_the_suite() {
    let world = World::new();
    let Some(path) = world.build("greeter", SOURCE, &STRICT) else {
        return;
    };
    let table = Images::new(1).load(&path).unwrap();
    let kit = Kit::of_table(table);
    let manifest = kit.manifest().unwrap();
    let pattern = &manifest.methods["action.greet"].params.as_ref().unwrap()["properties"]["name"];
    assert_eq!(pattern["pattern"], json!("^[^\"\\\\]*$"));
    common::kept_by_the_retail_pack(&manifest);
    let plan = Plan {
        config: json!({"greeting": "Hello"}),
        refused: vec![json!({}), Value::Null],
        calls: vec![("action.greet".into(), json!({"name": "Ada"}))],
        fails: vec![("action.greet".into(), json!({"name": ""}), "no_name".into())],
    };
    conformance(&kit, &plan).assert_passed();
}
