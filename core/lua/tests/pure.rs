//! Pure calls: values, errors, modules, determinism.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::json;
use tandem_domain::{Timestamp, Value};
use tandem_lua::{
    ErrorKind, Level, Limits, LuaError, PluginMethod, Program, PureResult, Session, api,
    definitions, stubs,
};

fn program(source: &str) -> Program {
    Program::compile([("m.luau", source)]).unwrap()
}

fn eval_with(expression: &str, args: &[Value]) -> Result<PureResult, LuaError> {
    program(&format!(
        "local m = {{}}\nfunction m.f(...)\n  local value = ...\n  {expression}\nend\nreturn m"
    ))
    .call_pure(
        "m",
        "f",
        args,
        Timestamp(1_700_000_000_000),
        &Limits::pure(),
    )
}

fn eval(expression: &str) -> Value {
    eval_with(expression, &[]).unwrap().value
}

#[test]
fn the_module_of_the_flow_language_page_works() {
    let program = Program::compile([(
        "orders.luau",
        r#"
local orders = {}
function orders.clean_number(value)
  for digits in string.gmatch(value, "%d+") do
    if #digits == 8 then return digits end
  end
  return nil, "An order number has 8 digits."
end
return orders
"#,
    )])
    .unwrap();
    let call = |text: &str| {
        program
            .call_pure(
                "orders",
                "clean_number",
                &[json!(text)],
                Timestamp(0),
                &Limits::pure(),
            )
            .unwrap()
    };
    assert_eq!(call("it is 12345678, thanks").value, json!("12345678"));
    let refused = call("it is 1234");
    assert_eq!(refused.value, Value::Null);
    assert_eq!(refused.message(), Some("An order number has 8 digits."));
}

#[test]
fn json_goes_in_and_out_unchanged() {
    for value in [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5),
        json!(9_007_199_254_740_992_i64),
        json!("中文 😀"),
        json!([]),
        json!({}),
        json!([1, null, "x", [], {}]),
        json!({"lines": [{"sku": "L1", "qty": 2}], "none": []}),
    ] {
        let back = eval_with("return value", std::slice::from_ref(&value)).unwrap();
        assert_eq!(back.value, value);
    }
}

#[test]
fn a_null_field_is_absent_in_lua() {
    let args = [json!({"eta": null})];
    assert_eq!(
        eval_with("return value.eta == nil", &args).unwrap().value,
        json!(true)
    );
    let args = [json!([null])];
    assert_eq!(
        eval_with("return value[1] == json.null", &args)
            .unwrap()
            .value,
        json!(true)
    );
}

#[test]
fn integers_beyond_a_double_become_digit_strings() {
    let args = [json!(9_007_199_254_740_993_i64)];
    assert_eq!(
        eval_with("return value", &args).unwrap().value,
        json!("9007199254740993")
    );
    let args = [json!(u64::MAX)];
    assert_eq!(
        eval_with("return value", &args).unwrap().value,
        json!("18446744073709551615")
    );
}

#[test]
fn lists_are_told_from_objects() {
    assert_eq!(eval("return {}"), json!({}));
    assert_eq!(eval("return json.array()"), json!([]));
    assert_eq!(eval("return json.array({})"), json!([]));
    assert_eq!(eval("return {1, 2}"), json!([1, 2]));
    assert_eq!(eval("return {a = json.null}"), json!({"a": null}));
    let args = [json!([1, 2, 3])];
    let emptied = eval_with("table.clear(value) return value", &args).unwrap();
    assert_eq!(emptied.value, json!([]));
}

#[test]
fn a_bad_value_says_where_it_is() {
    let error = eval_with("return {lines = {price = print}}", &[]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadValue);
    assert_eq!(error.message, "the result at lines.price holds a function");
}

#[test]
fn errors_name_the_authors_line() {
    for (body, line, message) in [
        ("error('no stock')", 4, "no stock"),
        (
            "local x = nil\n  return x.y",
            5,
            "attempt to index nil with 'y'",
        ),
        (
            "return string.find(nil, 'x')",
            4,
            "invalid argument #1 to 'find' (string expected, got nil)",
        ),
        (
            "return string.find('x', '[a')",
            4,
            "malformed pattern (missing ']')",
        ),
        (
            "counter = 1",
            4,
            "attempt to change a read-only table (a global needs `local`)",
        ),
        (
            "store.get('x')",
            4,
            "store.get can only be called from a lua: step",
        ),
        (
            "plugin.call('crm', 'find')",
            4,
            "plugin.call can only be called from a lua: step",
        ),
        (
            "return table.sort({1, 'a'})",
            4,
            "attempt to compare string < number",
        ),
        ("return nosuch()", 4, "attempt to call a nil value"),
        ("error({code = 'x', message = 'told'})", 4, "told"),
    ] {
        let error = eval_with(body, &[]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Runtime, "{body}: {error:?}");
        assert_eq!(error.message, message, "{body}");
        assert_eq!(error.module.as_deref(), Some("m.luau"), "{body}: {error:?}");
        assert_eq!(error.line, Some(line), "{body}: {error:?}");
    }
    let error = eval_with("error({code = 'sold_out', message = 'none left'})", &[]).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("sold_out"));
    assert_eq!(error.to_string(), "m.luau:4: none left");
}

#[test]
fn syntax_errors_have_file_line_and_column() {
    let errors = Program::compile([
        ("good.luau", "return {}"),
        (
            "bad.luau",
            "local m = {}\nfunction m.f( return 1 end\nreturn m",
        ),
        ("worse.luau", "return ("),
    ])
    .unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].kind, ErrorKind::Syntax);
    assert_eq!(errors[0].module.as_deref(), Some("bad.luau"));
    assert_eq!(
        (errors[0].line, errors[0].column),
        (Some(2), Some(15)),
        "{:?}",
        errors[0]
    );
    assert_eq!(errors[1].module.as_deref(), Some("worse.luau"));
    assert_eq!(errors[1].line, Some(1));
}

#[test]
fn two_files_for_one_module_and_odd_paths_are_refused() {
    assert!(Program::compile([("a.luau", ""), ("a.lua", "")]).is_err());
    assert!(Program::compile([("../a.luau", "")]).is_err());
    assert!(Program::compile([("/a.luau", "")]).is_err());
    assert!(Program::compile([("", "")]).is_err());
}

#[test]
fn a_missing_function_is_told_from_a_missing_module() {
    let program = program("return {f = function() end, n = 1}");
    let call = |module: &str, function: &str| {
        program
            .call_pure(module, function, &[], Timestamp(0), &Limits::pure())
            .unwrap_err()
    };
    for (module, function) in [
        ("m", "g"),
        ("m", "n"),
        ("nosuch", "f"),
        ("..", "f"),
        ("m.luau", "f"),
    ] {
        assert_eq!(call(module, function).kind, ErrorKind::NoSuchFunction);
    }
}

#[test]
fn exported_functions_are_listed_for_check() {
    let program =
        program("local m = {}\nfunction m.b(x, y) end\nm.a = function() end\nm.c = 1\nreturn m");
    let functions = program.functions("m", &Limits::pure()).unwrap();
    let names: Vec<_> = functions
        .iter()
        .map(|f| (f.name.as_str(), f.line, f.params))
        .collect();
    assert_eq!(names, [("a", Some(3), 0), ("b", Some(2), 2)]);
}

#[test]
fn modules_require_each_other_within_the_pack() {
    let program = Program::compile([
        ("m.luau", "local m = {}\nfunction m.f(name) return require(name).name end\nm.name = 'm'\nreturn m"),
        ("lib/a.luau", "local b = require('./b')\nreturn {name = 'a' .. b.name}"),
        ("lib/b.luau", "return {name = 'b'}"),
        ("x.luau", "return require('y')"),
        ("y.luau", "return require('x')"),
        ("broken.luau", "local t = nil\nreturn t.x"),
    ])
    .unwrap();
    let mut session = Session::new(&program, Limits::pure(), Timestamp(0), 0);
    for (name, value) in [
        ("lib/a", "ab"),
        ("lib.a", "ab"),
        ("./lib/b", "b"),
        ("lib/b.luau", "b"),
        ("m", "m"),
    ] {
        assert_eq!(
            session.call("m", "f", &[json!(name)]).unwrap().value,
            json!(value),
            "{name}"
        );
    }
    let cycle = session.call("m", "f", &[json!("x")]).unwrap_err();
    assert_eq!(cycle.message, "modules require each other: x → y → x");
    let broken = session.call("m", "f", &[json!("broken")]).unwrap_err();
    assert_eq!(
        (broken.module.as_deref(), broken.line),
        (Some("broken.luau"), Some(2))
    );
    let missing = session.call("m", "f", &[json!("nosuch")]).unwrap_err();
    assert_eq!(missing.message, "there is no module nosuch in this pack");
}

#[test]
fn now_and_random_come_from_the_call() {
    let program = program(
        "return {f = function() return {now(), math.random(1, 1000000), math.random()} end}",
    );
    let call = |now: i64, seed: u64| {
        Session::new(&program, Limits::pure(), Timestamp(now), seed)
            .call("m", "f", &[])
            .unwrap()
            .value
    };
    assert_eq!(call(5, 7)[0], json!(5));
    assert_eq!(call(5, 7), call(5, 7));
    assert_ne!(call(5, 7), call(5, 8));
    let mut session = Session::new(&program, Limits::pure(), Timestamp(5), 7);
    let first = session.call("m", "f", &[]).unwrap();
    assert_eq!(session.call("m", "f", &[]).unwrap(), first);
    assert_eq!(eval("return math.randomseed == nil"), json!(true));
}

/// Everything a script could read the process from: addresses, hashes, order.
const PROBE: &str = r#"
local m = {}
function m.f()
  local out = {}
  local function add(x) out[#out + 1] = x end
  add(tostring({})) add(tostring(m.f)) add(tostring(coroutine.create(m.f))) add(tostring(buffer.create(1)))
  add(string.format("%s %*", "x", {})) add(`{m.f} {json.array()}`)
  local ok, reason = pcall(error, {}) add(tostring(reason))
  add(select(2, pcall(function() return {} .. "" end)))
  add(tostring(string.find)) add(tostring(json.array()))
  local t = {}
  for _, w in { "delta", "alpha", "x", "order_no", "email", "中文", "charlie", "bravo" } do t[w] = true end
  t[3.5] = 1 t[true] = 1 t[-7] = 1 t[1e300] = 1
  for k in pairs(t) do add(tostring(k)) end
  for k in t do add(tostring(k)) end
  add(math.random(1, 1000000)) add(now())
  return table.concat(out, "|")
end
return m
"#;

#[test]
fn the_same_call_gives_the_same_in_another_process() {
    let result = program(PROBE)
        .call_pure("m", "f", &[], Timestamp(42), &Limits::pure())
        .unwrap();
    let text = result.value.as_str().unwrap().to_owned();
    assert!(!text.contains("0x"), "{text}");
    if std::env::var_os("TANDEM_LUA_PROBE").is_some() {
        println!("probe={text}");
        return;
    }
    let outputs: Vec<_> = (0..2)
        .map(|_| {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "the_same_call_gives_the_same_in_another_process",
                    "--nocapture",
                ])
                .env("TANDEM_LUA_PROBE", "1")
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
        .collect();
    for output in outputs {
        assert!(
            output.contains(&format!("probe={text}\n")),
            "{output}\n{text}"
        );
    }
}

#[test]
fn interpolation_and_format_still_work() {
    assert_eq!(
        eval("return `{1} {'a'} {true} {nil}`"),
        json!("1 a true nil")
    );
    assert_eq!(
        eval("return string.format('%05.1f|%d|%s|%q', 3.14159, 7, 'x', 'y')"),
        json!("003.1|7|x|\"y\"")
    );
    assert_eq!(eval("return ('a,b'):split(',')"), json!(["a", "b"]));
    assert_eq!(
        eval("return (('x1y2'):gsub('%d', {['1'] = 'A'}))"),
        json!("xAy2")
    );
    assert_eq!(
        eval("local t = {3, 1, 2} table.sort(t) return t"),
        json!([1, 2, 3])
    );
    assert_eq!(
        eval("return table.move({1, 2}, 1, 2, 2, {0})"),
        json!([0, 1, 2])
    );
    let made = "return tostring(setmetatable({}, {__tostring = function() return 'me' end}))";
    assert_eq!(eval(made), json!("me"));
}

#[test]
fn every_global_of_ours_is_in_the_definitions_and_works() {
    let plain = [
        "_G",
        "_VERSION",
        "assert",
        "bit32",
        "buffer",
        "coroutine",
        "error",
        "getmetatable",
        "ipairs",
        "math",
        "next",
        "pairs",
        "pcall",
        "rawequal",
        "rawget",
        "rawlen",
        "rawset",
        "select",
        "setmetatable",
        "string",
        "table",
        "tonumber",
        "tostring",
        "type",
        "typeof",
        "unpack",
        "utf8",
        "xpcall",
    ];
    let globals = eval(
        "local names = {} for name in _G do names[#names + 1] = name end table.sort(names) return names",
    );
    let (definitions, stubs) = (definitions(&[]), stubs());
    for name in globals.as_array().unwrap() {
        let name = name.as_str().unwrap();
        if plain.contains(&name) {
            continue;
        }
        assert!(
            api()
                .iter()
                .any(|item| item.path.split('.').next() == Some(name)),
            "{name} is not in the table"
        );
        assert!(
            definitions.contains(&format!("declare function {name}("))
                || definitions.contains(&format!("declare {name}:")),
            "{name} is not in the definitions:\n{definitions}"
        );
        assert!(
            stubs.contains(&format!("function {name}"))
                || stubs.contains(&format!("{name} = {{}}")),
            "{name}\n{stubs}"
        );
    }
    for item in api() {
        let found = eval(&format!("return {} ~= nil", item.path));
        assert_eq!(found, json!(true), "{} is not registered", item.path);
        let leaf = item.path.rsplit('.').next().unwrap();
        assert!(definitions.contains(leaf), "{}", item.path);
    }
    assert!(
        Program::compile([("stubs.lua", stubs.as_str())]).is_ok(),
        "{stubs}"
    );
}

#[test]
fn plugins_that_are_known_have_signatures_of_their_own() {
    let method = |method: &str, params: &str, result: &str| PluginMethod {
        plugin: "crm".into(),
        method: method.into(),
        params: params.into(),
        result: result.into(),
    };
    let text = definitions(&[
        method("find", "{mail: string}", "{since: number?}"),
        method("all", "any", "any"),
    ]);
    for overload in [
        r#"((plugin: "crm", method: "find", args: {mail: string}) -> (({since: number?})?, CallError?))"#,
        r#"((plugin: "crm", method: "all", args: any) -> (any, CallError?))"#,
    ] {
        assert!(text.contains(overload), "{text}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let error = eval_with("return 1", &[deep]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadValue);
    let large = json!("x".repeat(32 << 20));
    let error = eval_with("return 1", &[large]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Memory);
}

#[test]
fn the_log_of_pure_calls_is_kept_for_the_trace() {
    let program = program("return {f = function(v) log.warn('odd', v, {}) print('end') end}");
    let mut session = Session::new(&program, Limits::pure(), Timestamp(0), 0);
    session.call("m", "f", &[json!(7)]).unwrap();
    let lines: Vec<_> = session
        .take_log()
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    assert_eq!(
        lines,
        [
            (Level::Warn, "odd 7 table".to_owned()),
            (Level::Info, "end".to_owned())
        ]
    );
    assert!(session.take_log().is_empty());
}
