//! `tandem chat` with the plugins of a configuration: a conversation over standard input.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tandem_tests::{
    command::{self, err, out},
    libraries, packs, require, root,
};
use tempfile::TempDir;

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");

/// Counts in what the host keeps for it, and leaves its process's number behind.
const COUNTER: &str = r#"
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tandem_plugin import Plugin
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pid"), "w") as pid:
    pid.write(str(os.getpid()))
plugin = Plugin("counter", "1", config={"type": "object", "required": ["word"]})
@plugin.action("count", result={"type": "object"})
def count(params, meta):
    seen = (plugin.host("kv.get", key="seen")["value"] or 0) + 1
    plugin.host("kv.put", key="seen", value=seen)
    return {"text": "%s %d" % (plugin.config["word"], seen)}
plugin.run()
"#;

const FLOWS: &str = r#"
version: 1
slots:
  counted: {type: object, source: plugin}
flows:
  count:
    title: count
    start_when: {phrases: [please count]}
    steps:
      - plugin: counter.count
        save: counted
        on_error: {unavailable: [{say: Nobody counts.}, {end: failed}], other: [{say: It broke.}, {end: failed}]}
      - say: "{{ counted.text }}."
"#;

/// A carrier that knows one parcel.
fn carrier() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let body = r#"{"status": "in_transit", "place": "Leipzig"}"#;
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    url
}

/// A place to stand in: a pack in `shop`, plugins in `plugins`, and a configuration of both.
struct Place {
    folder: TempDir,
}

impl Place {
    /// `None`, visibly, where there is no Python.
    fn new(test: &str) -> Option<Self> {
        if !require::tool("python3", test) {
            return None;
        }
        let folder = packs::folder(&[
            (
                "shop/pack.yaml",
                "name: p\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n",
            ),
            ("shop/desk.yaml", "skills: [general]\n"),
            ("shop/main.flow.yaml", FLOWS),
            ("plugins/counter.py", COUNTER),
        ]);
        let place = Self { folder };
        let plugins = place.at("plugins");
        let module = root().join("plugins/examples/python-loyalty/tandem_plugin.py");
        libraries::replace(&module, &plugins.join("tandem_plugin.py")).unwrap();
        for path in [place.at("."), plugins.clone(), plugins.join("counter.py")] {
            let mode = if path.is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        place.configure(json!({"counter": {
            "command": ["python3", "counter.py"], "config": {"word": "That is"},
        }}));
        let args = ["plugin", "inspect", "plugins/counter.py", "--write", "shop"];
        let written = command::run(TANDEM, &args, place.folder.path());
        assert!(
            written.status.success(),
            "{}{}",
            out(&written),
            err(&written)
        );
        fs::remove_file(place.at("plugins/pid")).unwrap();
        Some(place)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn configure(&self, plugins: Value) {
        let config = json!({"workspaces": {"default": {"pack": "shop"}}, "plugins": plugins});
        fs::write(self.at("tandem.yaml"), config.to_string()).unwrap();
    }

    fn start(&self, args: &[&str]) -> Child {
        fs::create_dir_all(self.at("tmp")).unwrap();
        Command::new(TANDEM)
            .arg("chat")
            .args(args)
            .current_dir(self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", self.at("tmp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Says this and leaves.
    fn chat(&self, args: &[&str], lines: &str) -> Output {
        let mut child = self.start(args);
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }

    /// Nothing is left of the conversation: no data folder, no copies of libraries, no process.
    fn is_as_it_was(&self) {
        assert!(!self.at("data").exists());
        let copies = fs::read_dir(self.at("tmp")).unwrap().count();
        assert_eq!(copies, 0);
        if let Ok(pid) = fs::read_to_string(self.at("plugins/pid")) {
            let process = Path::new("/proc").join(pid);
            let looked = Instant::now();
            while process.exists() {
                assert!(looked.elapsed() < Duration::from_secs(30), "it goes on");
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn plugins_of_the_configuration_answer_in_the_terminal_and_end_with_the_conversation() {
    let test = "plugins_of_the_configuration_answer_in_the_terminal_and_end_with_the_conversation";
    let Some(place) = Place::new(test) else {
        return;
    };
    // At the end of the input; the pack is the default workspace's.
    let said = place.chat(&[], "please count\nplease count\n");
    assert!(said.status.success(), "{}", err(&said));
    assert!(
        out(&said).contains("That is 1."),
        "{}{}",
        out(&said),
        err(&said)
    );
    assert!(out(&said).contains("That is 2."), "{}", out(&said));
    assert!(place.at("plugins/pid").exists());
    place.is_as_it_was();
    // What the plugin kept went with the conversation; the configuration may lie elsewhere.
    fs::create_dir(place.at("etc")).unwrap();
    fs::rename(place.at("tandem.yaml"), place.at("etc/other.yaml")).unwrap();
    let text = fs::read_to_string(place.at("etc/other.yaml")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["plugin_folders"] = json!(["../plugins"]);
    fs::write(place.at("etc/other.yaml"), config.to_string()).unwrap();
    let args = ["shop", "--config", "etc/other.yaml"];
    let again = place.chat(&args, "please count\n/quit\n");
    assert!(
        out(&again).contains("That is 1."),
        "{}{}",
        out(&again),
        err(&again)
    );
    place.is_as_it_was();
    // Without a configuration there are none.
    let without = place.chat(&["shop"], "please count\n");
    assert!(
        out(&without).contains("Nobody counts."),
        "{}",
        out(&without)
    );
    assert!(without.status.success());
}

#[test]
fn a_refused_plugin_is_told_in_a_line_and_the_conversation_goes_on() {
    let test = "a_refused_plugin_is_told_in_a_line_and_the_conversation_goes_on";
    let Some(place) = Place::new(test) else {
        return;
    };
    fs::write(place.at("plugins/no.so"), "no library").unwrap();
    place.configure(json!({
        "counter": {"command": ["python3", "counter.py"], "config": {}},
        "no": {"path": "no.so"},
    }));
    let said = place.chat(&["--lang", "en"], "please count\n");
    assert!(said.status.success(), "{}", err(&said));
    assert!(out(&said).contains("Nobody counts."), "{}", out(&said));
    let told = err(&said);
    let told: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("is refused"))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("the plugin `counter` is refused: "));
    assert!(told[0].ends_with("; its calls fail as `unavailable`"));
    assert!(told[1].contains("the plugin `no` is refused: this is not a shared library"));
    place.is_as_it_was();
    let zh = place.chat(&["--lang", "zh"], "");
    let told = err(&zh);
    assert!(told.contains("插件 `no` 被拒绝：这不是动态库"), "{told}");
    assert!(told.contains("；对它的调用以 `unavailable` 失败"), "{told}");
    // A configuration that is wrong in itself is told as a start tells it.
    place.configure(json!({"counter": {"comand": []}}));
    let wrong = place.chat(&["shop"], "please count\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        out(&wrong).contains("did you mean `command`"),
        "{}",
        out(&wrong)
    );
}

#[test]
fn a_library_answers_in_the_terminal_and_its_copy_goes_with_the_conversation() {
    let test = "a_library_answers_in_the_terminal_and_its_copy_goes_with_the_conversation";
    let Some(place) = Place::new(test) else {
        return;
    };
    let parcel = libraries::built("tandem_plugin_parcel").unwrap();
    libraries::replace(&parcel, &place.at("plugins/libparcel.so")).unwrap();
    let flows = FLOWS
        .replace("plugin: counter.count", "plugin: parcel.track")
        .replace(
            "save: counted",
            "with: {number: P-1001}\n        save: counted",
        )
        .replace("counted.text", "counted.place");
    fs::write(place.at("shop/main.flow.yaml"), flows).unwrap();
    fs::remove_file(place.at("shop/plugins/counter.json")).unwrap();
    let args = [
        "plugin",
        "inspect",
        "plugins/libparcel.so",
        "--write",
        "shop",
    ];
    let written = command::run(TANDEM, &args, place.folder.path());
    assert!(written.status.success(), "{}", err(&written));
    place.configure(json!({"parcel": {"path": "libparcel.so", "config": {"url": carrier()}}}));
    let said = place.chat(&[], "please count\n");
    assert!(said.status.success(), "{}{}", out(&said), err(&said));
    assert!(
        out(&said).contains("Leipzig."),
        "{}{}",
        out(&said),
        err(&said)
    );
    place.is_as_it_was();
}

#[test]
fn plugins_end_when_the_conversation_is_interrupted() {
    let test = "plugins_end_when_the_conversation_is_interrupted";
    let Some(place) = Place::new(test) else {
        return;
    };
    let mut child = place.start(&[]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"please count\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let counted = lines.any(|line| line.unwrap().contains("That is 1."));
    assert!(counted);
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    place.is_as_it_was();
    drop(input);
}
