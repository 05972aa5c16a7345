//! Hostile scripts. Each must end within its limit, and a neighbour must still be answered.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::json;
use tandem_domain::{Timestamp, Value};
use tandem_lua::{ErrorKind, Limits, LuaError, Program, PureResult, Session};

#[path = "attacks/list.rs"]
mod list;

use ErrorKind::{BadValue, Memory, Runtime, Timeout};
use Expect::{Harmless, Kind, Stopped};
use list::{ATTACKS, Expect};

/// Generous: an attack has 50 ms of processor time, tests share the machine.
const WALL: Duration = Duration::from_secs(10);

/// Where another limit than time is meant, time must not strike first on a busy machine.
fn limits(expect: Expect) -> Limits {
    let mut limits = Limits::pure();
    if !matches!(expect, Kind(Timeout) | Stopped) {
        limits.time = Duration::from_secs(3);
        limits.wall = Duration::from_secs(30);
    }
    limits
}

fn program(body: &str) -> Program {
    let source = format!(
        "local m = {{}}\nfunction m.f(value) {body} end\nfunction m.ok(value) return value end\nreturn m\n"
    );
    Program::compile([("m.luau", source)]).unwrap()
}

fn call(program: &Program, function: &str) -> Result<PureResult, LuaError> {
    let args = [json!("hello")];
    program.call_pure("m", function, &args, Timestamp(0), &Limits::pure())
}

#[test]
fn every_attack_ends_within_its_limit_and_harms_no_neighbour() {
    assert!(ATTACKS.len() >= 45);
    let mut wrong = Vec::new();
    for (name, body, expect) in ATTACKS {
        let program = program(body);
        let started = Instant::now();
        let mut session = Session::new(&program, limits(*expect), Timestamp(0), 0);
        let result = session.call("m", "f", &[json!("hello")]);
        let took = started.elapsed();
        let met = match (expect, &result) {
            (Kind(kind), Err(error)) => error.kind == *kind,
            (Stopped, Err(_)) => true,
            (Harmless, Ok(result)) => result.value == Value::Bool(true),
            _ => false,
        };
        if !met {
            wrong.push(format!("{name}: expected {expect:?}, got {result:?}"));
        }
        if took > WALL {
            wrong.push(format!("{name}: took {took:?}"));
        }
        if let Err(error) = &result {
            let clean = error.message.chars().count() <= 501
                && !error.message.contains("[tandem]")
                && !error.message.contains("0x")
                && !error.message.contains("traceback");
            if !clean {
                wrong.push(format!("{name}: unclean message {error:?}"));
            }
        }
        // The same session goes on, in a new state.
        match session.call("m", "ok", &[json!(1)]) {
            Ok(next) if next.value == json!(1) => {}
            other => wrong.push(format!("{name}: the next call gave {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_leaks_from_one_session_to_the_next() {
    let source = "local m, kept = {}, nil\nfunction m.f(value) local old = kept kept = value return old end\nreturn m";
    let program = Program::compile([("m.luau", source)]).unwrap();
    for _ in 0..2 {
        let mut session = Session::new(&program, Limits::pure(), Timestamp(0), 0);
        let first = session.call("m", "f", &[json!("secret")]).unwrap();
        assert_eq!(first.value, Value::Null);
    }
}

#[test]
fn hostile_sources_do_not_break_the_compiler() {
    let nested = |open: &str, close: &str, n: usize| {
        format!("return {}1{}", open.repeat(n), close.repeat(n))
    };
    for source in [
        nested("(", ")", 100_000),
        nested("{", "}", 100_000),
        nested("function() return ", " end", 20_000),
        format!("return {}1", "-".repeat(100_000)),
        format!("return {}", vec!["1"; 60_000].join("+")),
        format!("local x = '{}", "a".repeat(100_000)),
        "\u{1b}Lua\0\0".to_owned(),
        "goto".to_owned(),
        "x".repeat(600 << 10),
    ] {
        let Ok(program) = Program::compile([("m.luau", source)]) else {
            continue;
        };
        let _ = program.functions("m", &Limits::pure());
    }
    assert!(call(&program("return 1"), "ok").is_ok());
}

#[test]
fn modules_that_attack_while_they_are_loaded_are_stopped() {
    for (source, kind) in [
        ("while true do end", Timeout),
        ("local t = {} while true do t[#t + 1] = {} end", Memory),
        ("return http{url = 'http://127.0.0.1'}", Runtime),
        ("error('no')", Runtime),
        ("return 1", BadValue),
        ("", Runtime),
        ("return require('m')", Runtime),
    ] {
        let program = Program::compile([("m.luau", source)]).unwrap();
        let error = program.functions("m", &limits(Kind(kind))).unwrap_err();
        assert_eq!(error.kind, kind, "{source}: {error:?}");
        assert_eq!(
            error.module.as_deref(),
            Some("m.luau"),
            "{source}: {error:?}"
        );
    }
}
