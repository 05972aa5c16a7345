//! Plugins in the running server: flows call them, files are replaced under traffic, the server is
//! killed in the middle of a call, a plugin misbehaves; and the commands.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract, routing::get};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_tests::{
    command::{self, err, out},
    libraries, packs, require, root,
    server::{Server, Setup},
    visitor::{Visitor, text},
};
use tempfile::TempDir;

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");

fn tandem(args: &[&str], folder: &Path) -> std::process::Output {
    command::run(TANDEM, args, folder)
}

fn folder() -> TempDir {
    libraries::folder().unwrap()
}

fn replace(from: &Path, to: &Path) {
    libraries::replace(from, to).unwrap();
}

/// The parcel example.
fn parcel() -> PathBuf {
    libraries::built("tandem_plugin_parcel").unwrap()
}

/// A library of this source; `None`, visibly, where there is no compiler.
fn in_c(source: &str, to: &Path, test: &str) -> Option<()> {
    let from = to.with_extension("c");
    fs::write(&from, source).unwrap();
    libraries::in_c(&from, to, test).unwrap()
}

/// A carrier that knows one parcel.
async fn carrier() -> String {
    let track = async |extract::Path(number): extract::Path<String>| match number.as_str() {
        "P-1001" => Ok(Json(json!({"status": "in_transit", "place": "Leipzig"}))),
        _ => Err(axum::http::StatusCode::NOT_FOUND),
    };
    let app = Router::new().route("/v1/parcels/{number}", get(track));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

const PACK: &str = "name: p\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n";
const DESK: &str = "skills: [general]\n";

const TRACK: &str = r#"
version: 1
slots:
  tracking: {type: object, source: plugin}
flows:
  found:
    title: a parcel
    start_when: {phrases: [where is my parcel]}
    steps:
      - plugin: parcel.track
        with: {number: P-1001}
        save: tracking
        on_error: [{say: Tracking failed.}, {end: failed}]
      - say: "It is in {{ tracking.place }}."
  lost:
    title: a lost parcel
    start_when: {phrases: [where is the lost one]}
    steps:
      - plugin: parcel.track
        with: {number: P-4040}
        save: tracking
        on_error: [{say: Nobody knows.}]
"#;

/// A pack of these flows, with the contracts of these plugins.
fn pack(flows: &str, contracts: &[(&str, &Path)]) -> TempDir {
    let pack = packs::folder(&[
        ("pack.yaml", PACK),
        ("desk.yaml", DESK),
        ("main.flow.yaml", flows),
    ]);
    for (name, plugin) in contracts {
        let at = pack.path().display().to_string();
        let args = [
            "plugin",
            "inspect",
            &plugin.display().to_string(),
            "--write",
            &at,
        ];
        let written = tandem(&args, pack.path());
        assert!(
            written.status.success(),
            "{}{}",
            out(&written),
            err(&written)
        );
        assert!(pack.path().join(format!("plugins/{name}.json")).is_file());
    }
    pack
}

async fn start(pack: &Path, folder: &Path, plugins: Value) -> Server {
    let config = json!({"plugin_folders": [folder], "plugins": plugins});
    Server::start_as(TANDEM, pack, Setup::config(config))
        .await
        .unwrap()
}

/// How a plugin stands.
async fn standing(server: &Server, name: &str) -> Value {
    let (status, list) = server.api(Method::GET, "/plugins", None).await.unwrap();
    assert_eq!(status, 200, "{list}");
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .find(|item| item["name"] == name)
        .unwrap()
        .clone()
}

/// Looks until it is so.
async fn until(server: &Server, name: &str, so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let plugin = standing(server, name).await;
        if so(&plugin) {
            return plugin;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{plugin:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn asks(visitor: &mut Visitor, words: &str) -> String {
    let lines = visitor.say(words).await.unwrap();
    let texts: Vec<String> = lines.iter().map(text).collect();
    texts.join("|")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_answers_flows_is_replaced_under_traffic_and_ends_with_the_server() {
    let folder = folder();
    let at = folder.path().join("libparcel.so");
    replace(&parcel(), &at);
    let pack = pack(TRACK, &[("parcel", &at)]);
    let config = json!({"url": carrier().await});
    let plugins =
        json!({"parcel": {"path": "libparcel.so", "config": config, "kinds": ["action"]}});
    let mut server = start(pack.path(), folder.path(), plugins).await;
    let mut visitor = server.visitor().await.unwrap();
    assert_eq!(
        asks(&mut visitor, "where is my parcel").await,
        "It is in Leipzig."
    );
    assert_eq!(
        asks(&mut visitor, "where is the lost one").await,
        "Nobody knows."
    );

    let enough = Arc::new(AtomicBool::new(false));
    let mut traffic = Vec::new();
    for _ in 0..4 {
        let (mut visitor, enough) = (server.visitor().await.unwrap(), enough.clone());
        traffic.push(tokio::spawn(async move {
            let mut asked = 0;
            while !enough.load(Ordering::Relaxed) {
                assert_eq!(
                    asks(&mut visitor, "where is my parcel").await,
                    "It is in Leipzig."
                );
                asked += 1;
            }
            asked
        }));
    }
    for loads in 2..=6 {
        replace(&parcel(), &at);
        until(&server, "parcel", |plugin| {
            plugin["loads"].as_u64() >= Some(loads)
        })
        .await;
    }
    enough.store(true, Ordering::Relaxed);
    for visitor in traffic {
        assert!(visitor.await.unwrap() > 0);
    }

    // What cannot be used changes nothing, and says so.
    fs::write(at.with_extension("bad"), "no library").unwrap();
    replace(&at.with_extension("bad"), &at);
    let refused = until(&server, "parcel", |p| {
        p["last_load"]["outcome"] == "refused"
    })
    .await;
    assert_eq!(
        (&refused["state"], &refused["faults"]),
        (&json!("ok"), &json!(0))
    );
    let why = refused["last_load"]["why"]["zh"].as_str().unwrap();
    assert!(why.contains("这不是动态库"), "{why}");
    let (status, answer) = server
        .api(Method::POST, "/plugins/parcel/reload", None)
        .await
        .unwrap();
    assert_eq!(
        (status, &answer["error"]["code"]),
        (422, &json!("plugin_refused"))
    );
    assert_eq!(
        asks(&mut visitor, "where is my parcel").await,
        "It is in Leipzig."
    );
    replace(&parcel(), &at);
    until(&server, "parcel", |p| {
        p["last_load"]["outcome"] == "swapped"
    })
    .await;

    // What a pack was promised and the plugin does not keep.
    let contract = pack.path().join("plugins/parcel.json");
    let text = fs::read_to_string(&contract).unwrap();
    let mut promised: Value = serde_json::from_str(&text).unwrap();
    promised["methods"]["action.find"] = json!({});
    fs::write(&contract, promised.to_string()).unwrap();
    let (status, plugin) = server
        .api(Method::POST, "/plugins/parcel/reload", None)
        .await
        .unwrap();
    assert_eq!(status, 200, "{plugin}");
    let warning = plugin["warnings"][0]["en"].as_str().unwrap();
    assert!(
        warning.contains("the method `action.find` is gone"),
        "{warning}"
    );

    let (_, list) = server.api(Method::GET, "/plugins", None).await.unwrap();
    assert!(list["images"]["loaded"].as_u64() >= Some(7), "{list}");
    let figures = server.http.get(format!("{}/metrics", server.url));
    let figures = figures
        .bearer_auth(tandem_tests::server::TOKEN)
        .send()
        .await
        .unwrap();
    let figures = figures.text().await.unwrap();
    assert!(figures.contains("tandem_plugin_calls_total"), "{figures}");
    server.stop().await.unwrap();
}

/// One that keeps to nothing: it hangs, it panics, it answers what is none.
const HOSTILE: &str = r#"
#include "tandem_plugin.h"
#include <string.h>
#include <unistd.h>
static const char MANIFEST[] = "{\"name\": \"hostile\", \"version\": \"1\", \"kinds\": {\"action\": 1},"
  "\"concurrency\": 8, \"methods\": {\"action.hang\": {\"timeout_ms\": 200}, \"action.panic\": {}, \"action.garbage\": {}}}";
static int32_t said(TandemBuf *result, const char *text, int32_t code) {
  result->ptr = (uint8_t *)text; result->len = result->cap = strlen(text); result->free = 0;
  return code;
}
static int32_t manifest(TandemBuf *result) { return said(result, MANIFEST, 0); }
static int32_t create(const TandemHostApi *h, TandemSlice c, void **i, TandemBuf *r) { (void)h; (void)c; (void)i; (void)r; return 0; }
static int32_t call(void *i, TandemSlice method, TandemSlice request, TandemBuf *result) {
  (void)i; (void)request;
  if (memchr(method.ptr, 'h', method.len)) for (;;) pause();
  if (memchr(method.ptr, 'p', method.len)) return said(result, "{\"code\": \"panicked\", \"message\": \"broken 7\"}", TANDEM_PANICKED);
  return said(result, "\xff\xfe{", 0);
}
static void destroy(void *i) { (void)i; }
const TandemPluginApi tandem_plugin = { TANDEM_MAGIC, TANDEM_ABI_MAJOR, TANDEM_ABI_MINOR, sizeof(TandemPluginApi), 0, manifest, create, call, destroy };
"#;

const BAD: &str = r#"
  hang:
    title: hanging
    start_when: {phrases: [please hang]}
    steps:
      - {plugin: hostile.hang, on_error: [{say: It hangs.}]}
  panic:
    title: panic
    start_when: {phrases: [please panic]}
    steps:
      - {plugin: hostile.panic, on_error: [{say: It broke.}]}
  garbage:
    title: garbage
    start_when: {phrases: [please babble]}
    steps:
      - {plugin: hostile.garbage, on_error: [{say: It babbled.}]}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_misbehaves_costs_nobody_else_and_health_says_which_and_why() {
    let folder = folder();
    let at = folder.path().join("parcel.so");
    replace(&parcel(), &at);
    let hostile = folder.path().join("hostile.so");
    let test = "a_plugin_that_misbehaves_costs_nobody_else_and_health_says_which_and_why";
    let Some(()) = in_c(HOSTILE, &hostile, test) else {
        return;
    };
    let pack = pack(
        &format!("{TRACK}{BAD}"),
        &[("parcel", &at), ("hostile", &hostile)],
    );
    let plugins = json!({
        "parcel": {"path": "parcel.so", "config": {"url": carrier().await}},
        "hostile": {"path": "hostile.so"},
    });
    let mut server = start(pack.path(), folder.path(), plugins).await;
    let mut ann = server.visitor().await.unwrap();
    let mut bob = server.visitor().await.unwrap();
    assert_eq!(asks(&mut ann, "please panic").await, "It broke.");
    let failing = standing(&server, "hostile").await;
    assert_eq!(failing["state"], "failing");
    assert!(
        failing["why"]["en"].as_str().unwrap().contains("broken 7"),
        "{failing}"
    );
    assert_eq!(
        failing["why"]["zh"],
        "最近 1 次调用失败：插件发生 panic：broken 7"
    );
    assert_eq!(asks(&mut ann, "please babble").await, "It babbled.");
    // The threads of calls that hang are lost; four are put up with.
    for hung in 1..=4 {
        let (hangs, other) = tokio::join!(
            asks(&mut ann, "please hang"),
            asks(&mut bob, "where is my parcel")
        );
        assert_eq!(
            (hangs.as_str(), other.as_str()),
            ("It hangs.", "It is in Leipzig."),
            "{hung}"
        );
        if hung == 3 {
            // It kept failing, and is left alone: whoever operates it insists.
            let paused = standing(&server, "hostile").await;
            assert_eq!(paused["state"], "paused", "{paused}");
            let zh = paused["why"]["zh"].as_str().unwrap();
            assert!(zh.ends_with(" 毫秒内没有回复"), "{zh}");
            server
                .api(Method::POST, "/plugins/hostile/enable", None)
                .await
                .unwrap();
        }
    }
    let stuck = standing(&server, "hostile").await;
    assert_eq!(
        (&stuck["state"], &stuck["stuck"]),
        (&json!("stuck"), &json!(4)),
        "{stuck}"
    );
    let ready = server
        .http
        .get(format!("{}/readyz", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 200, "the server itself is well");
    let ready: Value = ready.json().await.unwrap();
    let expected = json!([{"name": "hostile", "state": "stuck", "why": "calls never came back"}]);
    assert_eq!(ready["plugins"], expected);
    assert_eq!(
        asks(&mut bob, "where is my parcel").await,
        "It is in Leipzig."
    );

    // Switched off and on by hand.
    let (status, off) = server
        .api(Method::POST, "/plugins/parcel/disable", None)
        .await
        .unwrap();
    assert_eq!((status, &off["state"]), (200, &json!("disabled")));
    assert_eq!(off["why"]["en"], "test switched it off");
    assert_eq!(off["why"]["zh"], "test 停用了它");
    assert_eq!(
        asks(&mut bob, "where is my parcel").await,
        "Tracking failed."
    );
    server
        .api(Method::POST, "/plugins/parcel/enable", None)
        .await
        .unwrap();
    assert_eq!(
        asks(&mut bob, "where is my parcel").await,
        "It is in Leipzig."
    );
    let (status, _) = server
        .api(Method::POST, "/plugins/nobody/reload", None)
        .await
        .unwrap();
    assert_eq!(status, 404);
    // A thread that never comes back does not keep the process.
    server.stop().await.unwrap();
}

/// Works until it is let go, and writes down each time that it began.
const SLOW: &str = r#"
import os, sys, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tandem_plugin import Plugin
plugin = Plugin("slow", "1", config={"type": "object", "required": ["folder"]})
@plugin.action("work", params={"type": "object"}, result={"type": "object"}, timeout_ms=60000)
def work(params, meta):
    folder = plugin.config["folder"]
    with open(os.path.join(folder, "begun"), "a") as begun:
        begun.write("once\n")
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.01)
    plugin.host("kv.put", key="done", value=True)
    return {"text": "done" if plugin.host("kv.get", key="done")["value"] else "lost"}
plugin.run()
"#;

const WORK: &str = r#"
version: 1
slots:
  work: {type: object, source: plugin}
flows:
  work:
    title: work
    start_when: {phrases: [please work]}
    steps:
      - {plugin: slow.work, save: work, timeout: 60s, on_error: [{say: It failed.}, {end: failed}]}
      - say: "The work is {{ work.text }}."
"#;

/// A program in Python with the module it needs.
fn in_python(folder: &Path, name: &str, source: &str) -> PathBuf {
    let module = root().join("plugins/examples/python-loyalty/tandem_plugin.py");
    replace(&module, &folder.join("tandem_plugin.py"));
    let at = folder.join(name);
    fs::write(&at, source).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o644)).unwrap();
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_a_call_answers_once_after_it() {
    let test = "a_server_that_is_killed_in_the_middle_of_a_call_answers_once_after_it";
    if !require::tool("python3", test) {
        return;
    }
    let (folder, shared) = (folder(), tempfile::tempdir().unwrap());
    let program = in_python(folder.path(), "slow.py", SLOW);
    let pack = pack(WORK, &[("slow", &program)]);
    let config = json!({"folder": shared.path()});
    let plugins = json!({"slow": {"command": ["python3", "slow.py"], "config": config}});
    let mut server = start(pack.path(), folder.path(), plugins).await;
    let mut visitor = server.visitor().await.unwrap();
    let begun = || {
        let begun = fs::read_to_string(shared.path().join("begun"));
        begun.unwrap_or_default().lines().count()
    };
    let looked = Instant::now();
    {
        let asked = visitor.say("please work");
        tokio::pin!(asked);
        while begun() == 0 {
            assert!(
                looked.elapsed() < Duration::from_secs(60),
                "{}",
                server.log()
            );
            tokio::select! {
                // It gives up waiting for the answer before the work is done.
                _ = &mut asked => {}
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            if begun() > 0 {
                break;
            }
        }
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    // The step only reads: it is asked again.
    while begun() < 2 {
        assert!(
            looked.elapsed() < Duration::from_secs(120),
            "{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fs::write(shared.path().join("go"), "").unwrap();
    visitor.url = server.url.clone();
    let answers = loop {
        let lines = visitor.transcript().await.unwrap();
        let answers = lines
            .iter()
            .filter(|line| text(line) == "The work is done.")
            .count();
        if answers > 0 {
            break answers;
        }
        assert!(
            looked.elapsed() < Duration::from_secs(180),
            "{lines:#?}\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(answers, 1);
    server.stop().await.unwrap();
    assert_eq!(begun(), 2);
}

#[tokio::test]
async fn a_refused_plugin_stops_the_start_unless_it_is_optional() {
    let folder = folder();
    fs::write(folder.path().join("no.so"), "no library").unwrap();
    let pack = pack("version: 1\nflows: {}\n", &[]);
    let setup = |optional: bool| {
        let plugins = json!({"no": {"path": "no.so", "optional": optional}});
        Setup::config(json!({"plugin_folders": [folder.path()], "plugins": plugins}))
    };
    let refused = Server::start_as(TANDEM, pack.path(), setup(false)).await;
    let Err(refused) = refused else {
        panic!("it starts");
    };
    let said = refused.to_string();
    assert!(
        said.contains("the plugin `no` is refused: this is not a shared library"),
        "{said}"
    );
    let mut server = Server::start_as(TANDEM, pack.path(), setup(true))
        .await
        .unwrap();
    let plugin = standing(&server, "no").await;
    assert_eq!(plugin["state"], "refused");
    assert!(
        plugin["why"]["zh"]
            .as_str()
            .unwrap()
            .contains("这不是动态库"),
        "{plugin}"
    );
    // Saved as it should be, it is there.
    replace(&parcel(), &folder.path().join("no.so"));
    until(&server, "no", |plugin| {
        plugin["why"]["en"]
            .as_str()
            .is_some_and(|why| why.contains("config"))
    })
    .await;
    server.stop().await.unwrap();
}

#[test]
fn check_tells_what_packs_expect_and_configured_plugins_do_not_keep() {
    let folder = folder();
    let at = folder.path().join("libparcel.so");
    replace(&parcel(), &at);
    let pack = pack(TRACK, &[("parcel", &at)]);
    let plugins =
        json!({"parcel": {"path": "libparcel.so", "config": {"url": "http://c.example"}}});
    let config = json!({
        "workspaces": {"default": {"pack": pack.path()}},
        "plugin_folders": [folder.path()], "plugins": plugins,
    });
    fs::write(pack.path().join("tandem.yaml"), config.to_string()).unwrap();
    let check = |args: &[&str]| {
        let args: Vec<&str> = ["check", "tandem.yaml"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        tandem(&args, pack.path())
    };
    let kept = check(&["--strict"]);
    assert!(
        out(&kept).contains("no problems"),
        "{}{}",
        out(&kept),
        err(&kept)
    );

    let contract = pack.path().join("plugins/parcel.json");
    let mut promised: Value =
        serde_json::from_str(&fs::read_to_string(&contract).unwrap()).unwrap();
    promised["methods"]["action.find"] = json!({});
    fs::write(&contract, promised.to_string()).unwrap();
    fs::write(pack.path().join("plugins/crm.json"), promised.to_string()).unwrap();
    let told = check(&[]);
    assert!(told.status.success(), "{}", out(&told));
    let text = out(&told);
    assert!(
        text.contains("parcel.json: warning: the pack was checked against parcel")
            && text.contains("the method `action.find` is gone [config.contract]")
            && text.contains("= write the contract again and check the pack: tandem plugin inspect parcel --write "),
        "{text}"
    );
    assert!(
        text.contains("crm.json: note: the configuration does not name the plugin `crm`"),
        "{text}"
    );
    assert!(text.contains("0 errors, 1 warning"), "{text}");
    let zh = out(&check(&["--lang", "zh"]));
    assert!(zh.contains("parcel.json: 警告：业务包按 parcel"), "{zh}");
    assert!(zh.contains("crm.json: 说明：配置中没有插件 `crm`"), "{zh}");
    assert_eq!(check(&["--strict"]).status.code(), Some(1));

    let json: Value = serde_json::from_str(&out(&check(&["--format", "json"]))).unwrap();
    let problems = json["results"][0]["problems"].as_array().unwrap();
    let said: Vec<_> = problems
        .iter()
        .map(|p| (&p["setting"], &p["warning"], &p["note"]))
        .collect();
    let (yes, none) = (json!(true), Value::Null);
    let (crm, parcel) = (json!("plugins.crm"), json!("plugins.parcel"));
    assert_eq!(said, [(&crm, &none, &yes), (&parcel, &yes, &none)]);
    assert!(
        problems[1]["file"]
            .as_str()
            .unwrap()
            .ends_with("plugins/parcel.json")
    );
    assert!(
        problems[1]["hint"]["zh"]
            .as_str()
            .unwrap()
            .contains("请重写契约")
    );
    assert_eq!(json["ok"], true);
}

#[test]
fn a_new_plugin_builds_passes_its_test_and_is_checked() {
    let folder = folder();
    for (language, build, test, plugin, needs) in [
        ("c", "make", "make test", "hey.so", "cc"),
        ("python", "true", "python3 -m unittest", "hey.py", "python3"),
    ] {
        let test_name = "a_new_plugin_builds_passes_its_test_and_is_checked";
        if !require::tool(needs, test_name)
            || (language == "c" && !require::tool("make", test_name))
        {
            continue;
        }
        let at = folder.path().join(language);
        let args = [
            "plugin",
            "new",
            "hey",
            "--language",
            language,
            "--folder",
            language,
        ];
        let made = tandem(&args, folder.path());
        assert!(made.status.success(), "{}", err(&made));
        for command in [build, test] {
            let ran = Command::new("sh")
                .args(["-c", command])
                .current_dir(&at)
                .output()
                .unwrap();
            assert!(
                ran.status.success(),
                "{command}: {}{}",
                out(&ran),
                err(&ran)
            );
        }
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        let inspected = tandem(&["plugin", "inspect", plugin], &at);
        assert!(
            out(&inspected).contains("{name: string} → {text: string}")
                && out(&inspected).contains("error no_name  there is nobody to greet"),
            "{}",
            out(&inspected)
        );
        let config = match language {
            "c" => json!({"path": plugin}),
            _ => json!({"command": ["python3", plugin], "config": {"greeting": "Hello"}}),
        };
        let config = json!({"plugin_folders": ["."], "plugins": {"hey": config}});
        fs::write(at.join("tandem.yaml"), config.to_string()).unwrap();
        let checked = tandem(&["plugin", "check", "hey"], &at);
        assert!(
            checked.status.success(),
            "{}{}",
            out(&checked),
            err(&checked)
        );
        assert!(
            out(&checked).contains("it is loaded and begins"),
            "{}",
            out(&checked)
        );
    }
    let again = tandem(&["plugin", "new", "hey", "--folder", "c"], folder.path());
    assert_eq!(
        again.status.code(),
        Some(2),
        "a folder in use is left alone"
    );
    let refused = tandem(
        &["plugin", "check", "/bin/sh", "--format", "json"],
        folder.path(),
    );
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
}

#[test]
fn a_new_plugin_in_rust_builds_and_passes_its_tests_outside_of_the_repository() {
    let folder = folder();
    for kind in ["action", "channel"] {
        let at = folder.path().join(kind);
        let sdk = root().join("plugins/sdk").display().to_string();
        let args = [
            "plugin", "new", "hey", "--kind", kind, "--folder", kind, "--sdk", &sdk,
        ];
        let made = tandem(&args, folder.path());
        assert!(made.status.success(), "{}", err(&made));
        // The versions that are here already: nothing is fetched.
        fs::copy(root().join("Cargo.lock"), at.join("Cargo.lock")).unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let ran = Command::new(cargo)
            .args(["test", "--offline", "--quiet"])
            .env("CARGO_TARGET_DIR", root().join("target/new-plugin"))
            .current_dir(&at)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}{}", out(&ran), err(&ran));
        assert!(out(&ran).contains("2 passed"), "{}", out(&ran));
    }
}
