//! No room left. What was accepted is kept, what is not is told so, and when there is room again
//! all is well, without a restart.

use std::{path::PathBuf, process::Command};

use reqwest::Method;
use serde_json::{Value, json};
use tandem_tests::{
    require,
    server::{Server, Setup},
    visitor::Visitor,
};

use super::{BINARY, conversations, own_ids, pack, refusal};

/// How a server runs out of room, and how it gets more.
trait Disk {
    fn setup(&self) -> Setup;
    fn make_room(&self, server: &Server);
    /// What `/readyz` says of it.
    fn says(&self) -> &'static str;
}

/// Files may grow only so far: the operating system's own limit, which needs no rights. A write
/// beyond it fails, as on a disk with errors.
struct FileLimit;

impl Disk for FileLimit {
    fn setup(&self) -> Setup {
        // Without the signal that would end the process; the limit can be lifted again.
        let under = r#"trap '' XFSZ; ulimit -S -f 3000; exec "$@""#;
        Setup {
            under: ["sh", "-c", under, "sh"].map(str::to_owned).to_vec(),
            ..Setup::default()
        }
    }

    fn make_room(&self, server: &Server) {
        let pid = server.pid().unwrap().to_string();
        let lifted = Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited"])
            .status();
        assert!(lifted.unwrap().success());
    }

    fn says(&self) -> &'static str {
        "store"
    }
}

/// A file system of 6 MB that only the server sees, with a file in it that can be taken away.
struct TinyDisk {
    mount: tempfile::TempDir,
}

impl TinyDisk {
    fn inside(&self, server: &Server) -> PathBuf {
        let path = self.mount.path().strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", server.pid().unwrap())).join(path)
    }
}

impl Disk for TinyDisk {
    fn setup(&self) -> Setup {
        let under = format!(
            r#"mount -t tmpfs -o size=6m tmpfs {0} && head -c 2000000 /dev/zero > {0}/filler && exec "$@""#,
            self.mount.path().display()
        );
        Setup {
            under: ["unshare", "-r", "-m", "sh", "-c", &under, "sh"]
                .map(str::to_owned)
                .to_vec(),
            config: json!({"data_dir": self.mount.path().join("data")}),
            ..Setup::default()
        }
    }

    fn make_room(&self, server: &Server) {
        std::fs::remove_file(self.inside(server).join("filler")).unwrap();
    }

    fn says(&self) -> &'static str {
        "disk_full"
    }
}

async fn ready(server: &Server) -> (u16, Value) {
    let answer = server
        .http
        .get(format!("{}/readyz", server.url))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// A message of 16 kB that asks for the opening hours somewhere in it; whether it was taken.
async fn write(visitor: &Visitor, n: usize) -> bool {
    let text = format!("{n} {}", "when are you open ".repeat(800));
    let answer = visitor
        .post(&json!({"client_id": format!("d{n}"), "text": text}))
        .await
        .unwrap();
    if answer.status() == 200 {
        return true;
    }
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(
        refusal(answer).await,
        (503, "unavailable".to_owned()),
        "{n}"
    );
    false
}

async fn runs_out_of_room(disk: &dyn Disk) {
    let pack = pack();
    let server = Server::start_as(BINARY, pack.path(), disk.setup())
        .await
        .unwrap();
    let ann = server.visitor().await.unwrap();
    assert_eq!(ready(&server).await, (200, json!({"status": "ok"})));
    assert!(write(&ann, 0).await);
    let mut taken = vec!["d0".to_owned()];
    let first = page(&ann, "?wait=5000").await.remove(0);
    let mut refused = 0;
    for n in 1.. {
        assert!(n < 2_000, "the disk was never full");
        if write(&ann, n).await {
            taken.push(format!("d{n}"));
        } else {
            refused += 1;
            if refused == 5 {
                break;
            }
        }
    }
    assert!(taken.len() > 5, "{taken:?}");
    // A socket is told in a frame, and an agent with a status.
    let mut live = ann.live().await.unwrap();
    let long = "x".repeat(16_000);
    let mut told = false;
    for n in 0..50 {
        let id = format!("s{n}");
        live.send(&json!({"type": "message", "client_id": id, "text": long}))
            .await
            .unwrap();
        let frame = loop {
            let frame = live.frame().await.unwrap();
            if frame["type"] == "ack" || frame["type"] == "error" {
                break frame;
            }
        };
        assert_eq!(frame["client_id"], id.as_str());
        if frame["type"] == "ack" {
            taken.push(id);
            continue;
        }
        assert_eq!(frame["code"], "unavailable", "{frame}");
        assert!(frame["retry_after_ms"].as_u64() > Some(0), "{frame}");
        told = true;
        break;
    }
    assert!(told, "no socket was told");
    drop(live);
    let id = conversations(&server).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/conversations/{id}/messages");
    let note = Some(json!({"text": long, "visibility": "note"}));
    let mut agent = (201, Value::Null);
    for _ in 0..50 {
        agent = server.api(Method::POST, &path, note.clone()).await.unwrap();
        if agent.0 >= 300 {
            break;
        }
    }
    assert!(matches!(agent.0, 503 | 507), "{agent:?}");
    // Monitoring sees it once the last small write has found no room either, and reading goes on.
    let mut state = ready(&server).await;
    let mut n = 100_000;
    while state.0 == 200 {
        assert!(n < 110_000, "monitoring never saw it");
        if write(&ann, n).await {
            taken.push(format!("d{n}"));
        }
        n += 1;
        state = ready(&server).await;
    }
    assert_eq!(state, (503, json!({"status": disk.says()})));
    // The transcript so far, page by page.
    let kept = everything(&ann, &first).await;
    let ids = own_ids(&kept);
    for id in &taken {
        assert_eq!(
            ids.iter().filter(|i| *i == id).count(),
            1,
            "{id} was accepted"
        );
    }

    disk.make_room(&server);
    // The same messages again, as a browser sends what was not acknowledged: at first the server
    // may still be finding out.
    let mut again = false;
    for _ in 0..500 {
        if write(&ann, 200_000).await {
            again = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(again, "the server did not recover");
    let mut state = ready(&server).await;
    for _ in 0..200 {
        if state.0 == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        state = ready(&server).await;
    }
    assert_eq!(state, (200, json!({"status": "ok"})));
    let ids = own_ids(&everything(&ann, &first).await);
    for id in taken.iter().map(String::as_str).chain(["d200000"]) {
        assert_eq!(
            ids.iter().filter(|i| *i == id).count(),
            1,
            "{id} was accepted"
        );
    }
}

/// The transcript from this line on, which is its first.
async fn everything(visitor: &Visitor, first: &Value) -> Vec<Value> {
    let mut lines = vec![first.clone()];
    loop {
        let after = lines[lines.len() - 1]["id"].as_str().unwrap();
        let new = page(visitor, &format!("?after={after}")).await;
        if new.is_empty() {
            return lines;
        }
        lines.extend(new);
    }
}

async fn page(visitor: &Visitor, query: &str) -> Vec<Value> {
    let url = format!("{}/web/web/messages{query}", visitor.url);
    let page = reqwest::Client::new().get(url).bearer_auth(&visitor.token);
    let page: Value = page.send().await.unwrap().json().await.unwrap();
    page["messages"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_to_write_loses_nothing_and_is_got_over() {
    if !require::tool("prlimit", "a disk that refuses to write") {
        return;
    }
    runs_out_of_room(&FileLimit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_is_got_over() {
    let name = "a full disk";
    let mount = tempfile::tempdir().unwrap();
    let possible = Command::new("unshare")
        .args(["-r", "-m", "mount", "-t", "tmpfs", "tmpfs"])
        .arg(mount.path())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        require::skip(name, "no file system may be mounted here");
        return;
    }
    runs_out_of_room(&TinyDisk { mount }).await;
}
