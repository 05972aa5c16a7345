//! The server is killed while a plugin works: what only reads is asked again after it, what writes is
//! asked again under its key or not at all, and the customer is answered once.

use super::*;

/// Works until it is let go, and writes down each time that it began, and under which key.
const PYTHON: &str = r#"
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

/// The same in the server's process. Where it works is written into it: it reads no JSON.
const C: &str = r#"
#include "tandem_plugin.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
static const char MANIFEST[] = "{\"name\": \"slow\", \"version\": \"1\", \"kinds\": {\"action\": 1},"
  "\"methods\": {\"action.work\": {\"timeout_ms\": 60000},"
  "\"action.keyed\": {\"timeout_ms\": 60000, \"idempotent\": true}}}";
static int32_t said(TandemBuf *result, const char *text) {
  result->ptr = (uint8_t *)text; result->len = result->cap = strlen(text); result->free = 0;
  return TANDEM_OK;
}
static int32_t manifest(TandemBuf *result) { return said(result, MANIFEST); }
static int32_t create(const TandemHostApi *h, TandemSlice c, void **i, TandemBuf *r) { (void)h; (void)c; (void)i; (void)r; return TANDEM_OK; }
static int32_t call(void *i, TandemSlice method, TandemSlice request, TandemBuf *result) {
  (void)i; (void)method;
  char line[200] = "none\n";
  const char *mark = "\"idempotency_key\":\"", *end = (const char *)request.ptr + request.len;
  for (const char *at = (const char *)request.ptr; at + strlen(mark) < end; at++) {
    if (memcmp(at, mark, strlen(mark)) != 0) continue;
    size_t most = 0;
    for (at += strlen(mark); at < end && *at != '"' && most < sizeof line - 2; at++) line[most++] = *at;
    line[most] = '\n';
    line[most + 1] = 0;
    break;
  }
  int begun = open("FOLDER/begun", O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (write(begun, line, strlen(line)) < 0) return TANDEM_PANICKED;
  close(begun);
  while (access("FOLDER/go", F_OK) != 0) usleep(10000);
  return said(result, "{\"text\": \"done\"}");
}
static void destroy(void *i) { (void)i; }
const TandemPluginApi tandem_plugin = { TANDEM_MAGIC, TANDEM_ABI_MAJOR, TANDEM_ABI_MINOR, sizeof(TandemPluginApi), 0, manifest, create, call, destroy };
"#;

const READS: &str =
    "{plugin: slow.work, save: work, timeout: 60s, on_error: [{say: It failed.}, {end: failed}]}";
const WRITES: &str = "{plugin: slow.work, save: work, effect: write, timeout: 60s, on_error: {unknown: [{say: Nobody knows.}, {end: failed}]}}";
const WRITES_KEYED: &str = "{plugin: slow.keyed, save: work, effect: write, timeout: 60s, on_error: [{say: It failed.}, {end: failed}]}";

fn flows(step: &str) -> String {
    let flows = r#"
version: 1
slots:
  work: {type: object, source: plugin}
flows:
  work:
    title: work
    start_when: {phrases: [please work]}
    steps:
      - STEP
      - say: "The work is {{ work.text }}."
"#;
    flows.replace("STEP", step)
}

/// A plugin that works where the test sees it.
struct Work {
    folder: TempDir,
    shared: TempDir,
}

impl Work {
    fn new() -> Self {
        Self {
            folder: folder(),
            shared: tempfile::tempdir().unwrap(),
        }
    }

    /// As a process; `None`, visibly, where there is no Python.
    fn in_python(&self, test: &str) -> Option<(PathBuf, Value)> {
        if !require::tool("python3", test) {
            return None;
        }
        let module = root().join("plugins/examples/python-loyalty/tandem_plugin.py");
        replace(&module, &self.folder.path().join("tandem_plugin.py"));
        let program = self.folder.path().join("slow.py");
        fs::write(&program, PYTHON).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
        let config = json!({"folder": self.shared.path()});
        let entry = json!({"command": ["python3", "slow.py"], "config": config});
        Some((program, json!({"slow": entry})))
    }

    /// As a library; `None`, visibly, where there is no compiler.
    fn in_c(&self, test: &str) -> Option<(PathBuf, Value)> {
        let library = self.folder.path().join("libslow.so");
        let source = C.replace("FOLDER", self.shared.path().to_str().unwrap());
        in_c(&source, &library, test)?;
        Some((library, json!({"slow": {"path": "libslow.so"}})))
    }

    /// The keys under which it began, or `once` and `none`.
    fn begun(&self) -> Vec<String> {
        let begun = fs::read_to_string(self.shared.path().join("begun"));
        begun
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn let_go(&self) {
        fs::write(self.shared.path().join("go"), "").unwrap();
    }

    /// Asks for the work, kills the server while it is done, starts it again and gives all the bot
    /// said. `again`: the work is asked for again before it is let go.
    async fn killed_in_the_middle(
        &self,
        step: &str,
        (plugin, entry): (PathBuf, Value),
        again: bool,
    ) -> Vec<String> {
        let pack = pack(&flows(step), &[("slow", &plugin)]);
        let mut server = start(pack.path(), self.folder.path(), entry).await;
        let mut visitor = server.visitor().await.unwrap();
        let looked = Instant::now();
        let patient = |server: &Server| {
            let log = server.log();
            assert!(looked.elapsed() < Duration::from_secs(180), "{log}");
        };
        {
            let asked = visitor.say("please work");
            tokio::pin!(asked);
            while self.begun().is_empty() {
                patient(&server);
                tokio::select! {
                    // It gives up waiting for the answer before the work is done.
                    _ = &mut asked => {}
                    () = tokio::time::sleep(Duration::from_millis(10)) => {}
                }
                if !self.begun().is_empty() {
                    break;
                }
            }
        }
        server.kill().await.unwrap();
        server.restart().await.unwrap();
        while again && self.begun().len() < 2 {
            patient(&server);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.let_go();
        visitor.url = server.url.clone();
        let said = loop {
            let lines = visitor.transcript().await.unwrap();
            let said: Vec<String> = lines
                .iter()
                .map(text)
                .filter(|t| t != "please work")
                .collect();
            if !said.is_empty() {
                break said;
            }
            patient(&server);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        server.stop().await.unwrap();
        said
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_reads_is_asked_again_and_answers_once() {
    let work = Work::new();
    let test = "a_process_that_reads_is_asked_again_and_answers_once";
    let Some(plugin) = work.in_python(test) else {
        return;
    };
    let said = work.killed_in_the_middle(READS, plugin, true).await;
    assert_eq!(said, ["The work is done."]);
    assert_eq!(work.begun().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_that_reads_is_asked_again_and_answers_once() {
    let work = Work::new();
    let test = "a_library_that_reads_is_asked_again_and_answers_once";
    let Some(plugin) = work.in_c(test) else {
        return;
    };
    let said = work.killed_in_the_middle(READS, plugin, true).await;
    assert_eq!(said, ["The work is done."]);
    assert_eq!(work.begun().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_knows_keys_is_asked_again_under_the_same_one() {
    let work = Work::new();
    let test = "a_write_that_knows_keys_is_asked_again_under_the_same_one";
    let Some(plugin) = work.in_c(test) else {
        return;
    };
    let said = work.killed_in_the_middle(WRITES_KEYED, plugin, true).await;
    assert_eq!(said, ["The work is done."]);
    let begun = work.begun();
    assert_eq!(begun.len(), 2);
    assert_ne!(begun[0], "none");
    assert_eq!(begun[0], begun[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_knows_no_keys_is_never_asked_again() {
    let work = Work::new();
    let test = "a_write_that_knows_no_keys_is_never_asked_again";
    let Some(plugin) = work.in_c(test) else {
        return;
    };
    let said = work.killed_in_the_middle(WRITES, plugin, false).await;
    assert_eq!(said, ["Nobody knows."]);
    assert_eq!(work.begun().len(), 1);
}
