//! Flows call plugins, files are replaced under traffic, a plugin misbehaves.

use super::*;

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
