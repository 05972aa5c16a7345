//! Plugins built in every way that compilers offer, and for other versions of the ABI: each loads
//! and works, or is refused as the rules say.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;
use tandem_plugin_host::{Plugin, PluginError, Refusal, Retired};

mod common;
use common::{World, call, mode, skip};

const IN_C: &str = include_str!("common/plugin.c");
const IN_CPP: &str = include_str!("common/counter.cpp");

fn manifest_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the compiler that this test was built by, with `PANIC` for the fixture.
fn rustc(panic: &str, arguments: &[&str]) -> Output {
    let compiler = option_env!("RUSTC").unwrap_or("rustc");
    let mut command = Command::new(compiler);
    command.args(["--edition", "2024", "--cap-lints", "allow"]);
    command.args(arguments).env("PANIC", panic);
    command.output().unwrap()
}

fn built(output: &Output) {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
}

/// A library in Rust over the bare ABI; `says` is what its manifest says of panics.
fn rust(world: &World, name: &str, says: &str, arguments: &[&str]) -> PathBuf {
    let abi = world.folder.join("libtandem_plugin_abi.rlib");
    let source = manifest_folder().join("../abi/src/lib.rs");
    let names = ["--crate-type", "rlib", "--crate-name", "tandem_plugin_abi"];
    let (to, from) = (abi.to_str().unwrap(), source.to_str().unwrap());
    built(&rustc(
        says,
        &[&names[..], arguments, &["-o", to, from]].concat(),
    ));
    let library = world.folder.join(format!("{name}.so"));
    let source = manifest_folder().join("tests/common/matrix.rs");
    let (to, from) = (library.to_str().unwrap(), source.to_str().unwrap());
    let uses = format!("tandem_plugin_abi={}", abi.display());
    let names = [
        "--crate-type",
        "cdylib",
        "--crate-name",
        "matrix",
        "--extern",
        &uses,
    ];
    built(&rustc(
        says,
        &[&names[..], arguments, &["-o", to, from]].concat(),
    ));
    mode(&library, 0o644);
    library
}

async fn works(plugin: &Plugin, name: &str) {
    let echo = call(plugin, "action.echo", json!({"a": [1, "你好"]}))
        .await
        .unwrap();
    assert_eq!(echo["params"], json!({"a": [1, "你好"]}), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_level_of_optimisation_loads_works_and_catches_its_panics() {
    let world = World::new();
    for level in ["0", "1", "2", "3", "s"] {
        let (name, level) = (format!("level-{level}"), format!("opt-level={level}"));
        let path = rust(&world, &name, "unwind", &["-C", &level]);
        let plugin = world.load(&name, &path).await.unwrap();
        works(&plugin, &name).await;
        let panicked = call(&plugin, "action.panic", json!({})).await.unwrap_err();
        assert!(
            matches!(panicked, PluginError::Panicked(_)),
            "{name}: {panicked:?}"
        );
        // Each library has statics of its own.
        assert_eq!(
            call(&plugin, "action.count", json!({})).await,
            Ok(json!(3)),
            "{name}"
        );
        assert_eq!(plugin.unload().await, Retired::Destroyed, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_with_checks_and_one_without_work_side_by_side() {
    let world = World::new();
    let overflow = async |name: &str, checks: &str| {
        let flags = [
            "-C",
            "opt-level=2",
            "-C",
            checks,
            "-C",
            "lto=fat",
            "-C",
            "strip=symbols",
        ];
        let path = rust(&world, name, "unwind", &flags);
        let plugin = world.load(name, &path).await.unwrap();
        works(&plugin, name).await;
        call(&plugin, "action.overflow", json!({})).await
    };
    let checked = overflow("checked", "overflow-checks=yes").await;
    assert!(
        matches!(checked, Err(PluginError::Panicked(_))),
        "{checked:?}"
    );
    let unchecked = overflow("unchecked", "overflow-checks=no").await;
    assert!(unchecked.is_ok(), "{unchecked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_says_that_it_aborts_is_refused() {
    let world = World::new();
    let abort = ["-C", "panic=abort"];
    let honest = rust(&world, "honest", "abort", &abort);
    let refused = world.load("honest", &honest).await.unwrap_err();
    assert!(matches!(refused, Refusal::Fault(_)), "{refused:?}");
    assert!(refused.to_string().contains("unwind") && refused.zh().contains("unwind"));
    assert_eq!(world.plugins.images().0, 0, "the probe told it");
    // One that lies is not seen through. It works for as long as it does not panic.
    let lies = rust(&world, "lies", "unwind", &abort);
    let plugin = world.load("lies", &lies).await.unwrap();
    works(&plugin, "lies").await;
}

/// Under `abort` the kit for plugins does not compile, and says why.
#[test]
fn the_kit_refuses_to_compile_under_abort() {
    let source = manifest_folder().join("../sdk/src/lib.rs");
    let source = source.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let words = |panic: &str| {
        // What it depends on is not there: it compiles under neither, with other words.
        let panic = format!("panic={panic}");
        let arguments = [
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
            "--out-dir",
            folder,
        ];
        let output = rustc("", &[&arguments[..], &["-C", &panic, source]].concat());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let says = "a plugin must be built with panic = \"unwind\"";
    assert!(words("abort").contains(says));
    assert!(!words("unwind").contains(says));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_loads_at_every_level_and_under_its_hardening() {
    let world = World::new();
    for (name, flags) in [
        ("o0", &["-O0"][..]),
        ("o3", &["-O3", "-flto"]),
        ("os", &["-Os", "-s"]),
        (
            "hard",
            &[
                "-O2",
                "-D_FORTIFY_SOURCE=2",
                "-fstack-protector-all",
                "-Wl,-z,relro,-z,now",
            ],
        ),
        ("sysv", &["-Wl,--hash-style=sysv", "-Wl,-z,noseparate-code"]),
        ("debug", &["-g3", "-fno-omit-frame-pointer"]),
    ] {
        let Some(path) = world.build(name, IN_C, flags) else {
            return;
        };
        let plugin = world.load(name, &path).await.unwrap();
        works(&plugin, name).await;
        let panicked = call(&plugin, "action.panicked", json!({}))
            .await
            .unwrap_err();
        assert!(matches!(panicked, PluginError::Panicked(_)), "{name}");
        assert_eq!(plugin.unload().await, Retired::Destroyed, "{name}");
    }
}

fn cpp(world: &World, name: &str, flags: &[&str]) -> Option<PathBuf> {
    let (from, to) = (
        world.folder.join(format!("{name}.cpp")),
        world.folder.join(format!("{name}.so")),
    );
    std::fs::write(&from, IN_CPP).unwrap();
    let built = Command::new("c++")
        .args([
            "-std=c++17",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-I",
        ])
        .arg(manifest_folder().join("../abi/include"))
        .args(flags)
        .arg("-o")
        .args([&to, &from])
        .output();
    let Ok(output) = built else {
        skip("c++");
        return None;
    };
    self::built(&output);
    mode(&to, 0o644);
    Some(to)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_in_cpp_share_nothing_when_they_are_built_as_the_docs_say() {
    let world = World::new();
    for (round, level) in ["-O0", "-O2"].into_iter().enumerate() {
        let flags = ["-fno-gnu-unique", level];
        let names = [format!("one{round}"), format!("two{round}")];
        let (Some(one), Some(two)) = (
            cpp(&world, &names[0], &flags),
            cpp(&world, &names[1], &flags),
        ) else {
            return;
        };
        let one = world.load(&names[0], &one).await.unwrap();
        let two = world.load(&names[1], &two).await.unwrap();
        let count = async |plugin: &Plugin| call(plugin, "action.count", json!({})).await;
        for expected in 1..=3 {
            assert_eq!(count(&one).await, Ok(json!(expected)));
        }
        assert_eq!(count(&two).await, Ok(json!(1)), "{level}");
        // What is thrown is caught before the border.
        let thrown = call(&one, "action.throw", json!({})).await.unwrap_err();
        assert!(matches!(thrown, PluginError::Panicked(_)), "{thrown:?}");
        // A copy of the same library counts anew.
        assert_eq!(one.reload(None).await, Ok(Retired::Destroyed));
        assert_eq!(count(&one).await, Ok(json!(1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_versions_of_the_abi_load_or_are_refused_as_the_rules_say() {
    let world = World::new();
    for (name, flags, words) in [
        ("minor-0", &[][..], None),
        ("minor-3-of-48-bytes", &["-DMINOR=3"], None),
        ("minor-3-of-72-bytes", &["-DNEWER_MINOR"], None),
        ("minor-65535", &["-DMINOR=65535"], None),
        ("major-0", &["-DMAJOR=0", "-DMINOR=9"], Some("0.9")),
        ("major-2", &["-DMAJOR=2"], Some("2.0")),
        (
            "major-2-of-72-bytes",
            &["-DMAJOR=2", "-DMINOR=1", "-DSIZE=72"],
            Some("2.1"),
        ),
        ("short-47", &["-DSIZE=47"], Some("47")),
        ("short-16", &["-DSIZE=16"], Some("16")),
        ("short-0", &["-DSIZE=0"], Some("0")),
        (
            "magic-of-the-other-order",
            &["-DMAGIC=0x544E444D"],
            Some("0x544e444d"),
        ),
    ] {
        let Some(path) = world.build(name, IN_C, flags) else {
            return;
        };
        match (world.load(name, &path).await, words) {
            (Ok(plugin), None) => works(&plugin, name).await,
            (Err(refusal), Some(words)) => {
                assert!(refusal.to_string().contains(words), "{name}: {refusal}");
                assert!(refusal.zh().contains(words), "{name}: {}", refusal.zh());
            }
            (got, _) => panic!("{name}: {got:?}"),
        }
    }
    assert_eq!(world.plugins.images().0, 4, "only what was not refused");
    let health = serde_json::to_value(world.plugins.health()).unwrap();
    let all = health.as_array().unwrap();
    assert!(
        all.iter()
            .all(|plugin| plugin["state"].as_str() == Some("ok"))
    );
}
