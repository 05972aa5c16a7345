//! Runs with the host API: journal, replay, limits, and the async side.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::json;
use tandem_domain::{Timestamp, Value};
use tandem_lua::{
    Call, ErrorKind, Host, HostCall, HostError, HostRequest, HttpRequest, HttpResponse, Level,
    Limits, PluginRequest, Program, Replay, Run, Runner,
};

/// A host with a store in memory and one answering URL.
#[derive(Default)]
struct Fake {
    store: Mutex<BTreeMap<String, Value>>,
    requests: Mutex<Vec<HttpRequest>>,
    calls: AtomicUsize,
}

#[async_trait]
impl Host for Fake {
    async fn http(&self, _ordinal: u32, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.requests.lock().unwrap().push(request.clone());
        if request.url.ends_with("/hang") {
            return std::future::pending().await;
        }
        if request.url.ends_with("/down") {
            return Err(HostError::new("unavailable", "the service is down"));
        }
        Ok(HttpResponse {
            status: 200,
            headers: BTreeMap::from([("content-type".into(), "application/json".into())]),
            body: json!({"url": request.url, "lines": []}).to_string(),
        })
    }

    async fn store_get(&self, _ordinal: u32, key: &str) -> Result<Option<Value>, HostError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Ok(self.store.lock().unwrap().get(key).cloned())
    }

    async fn store_put(
        &self,
        _ordinal: u32,
        key: &str,
        value: &Value,
        _ttl: Option<Duration>,
    ) -> Result<(), HostError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.store.lock().unwrap().insert(key.into(), value.clone());
        Ok(())
    }

    async fn store_delete(&self, _ordinal: u32, key: &str) -> Result<(), HostError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.store.lock().unwrap().remove(key);
        Ok(())
    }

    async fn plugin(&self, ordinal: u32, request: &PluginRequest) -> Result<Value, HostError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match request.method.as_str() {
            "echo" => Ok(json!({"plugin": request.plugin, "args": request.args, "at": ordinal})),
            "hang" => std::future::pending().await,
            _ => Err(HostError::new("not_found", "there is no such thing")),
        }
    }
}

fn program(body: &str) -> Program {
    let source = format!("local m = {{}}\nfunction m.f(args)\n  {body}\nend\nreturn m");
    Program::compile([("m.luau", source)]).unwrap()
}

fn call(args: Value) -> Call {
    Call {
        module: "m".into(),
        function: "f".into(),
        args,
        now: Timestamp(1000),
        seed: 1,
    }
}

fn limits() -> Limits {
    Limits::step(Duration::from_secs(10))
}

async fn run_on(host: &dyn Host, body: &str) -> Run {
    Runner::new(2)
        .run(
            &program(body),
            &call(json!({"number": "12345678"})),
            host,
            &limits(),
        )
        .await
}

async fn run(body: &str) -> Run {
    run_on(&Fake::default(), body).await
}

const LOOKUP: &str = r#"
  local seen = store.get("seen") or 0
  store.put("seen", seen + 1, 3600)
  local answer = http{url = "https://shop.test/orders", query = {number = args.number}, headers = {["x-a"] = "b"}}
  log.warn("status", answer.status)
  store.delete("other")
  return {url = answer.json.url, lines = answer.json.lines, seen = seen, at = now()}
"#;

#[tokio::test]
async fn a_step_reaches_the_host_and_the_journal_tells() {
    let host = Fake::default();
    let run = run_on(&host, LOOKUP).await;
    assert_eq!(
        run.result.unwrap(),
        json!({"url": "https://shop.test/orders", "lines": [], "seen": 0, "at": 1000})
    );
    let names: Vec<_> = run
        .calls
        .iter()
        .map(|call| serde_json::to_value(call).unwrap()["name"].clone())
        .collect();
    assert_eq!(names, ["store.get", "store.put", "http", "store.delete"]);
    assert_eq!(
        run.calls.iter().map(|c| c.ordinal).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert_eq!(run.log.len(), 1);
    assert_eq!(
        (run.log[0].level, run.log[0].message.as_str()),
        (Level::Warn, "status 200")
    );
    let request = host.requests.lock().unwrap()[0].clone();
    assert_eq!(
        request.query,
        [("number".to_owned(), "12345678".to_owned())]
    );
    let HostRequest::StorePut { ttl_ms, .. } = &run.calls[1].request else {
        panic!("{:?}", run.calls[1]);
    };
    assert_eq!(*ttl_ms, Some(3_600_000));
}

#[tokio::test]
async fn a_replay_needs_the_journal_only() {
    let run = run(LOOKUP).await;
    let text = serde_json::to_string(&run.calls).unwrap();
    let calls: Vec<HostCall> = serde_json::from_str(&text).unwrap();
    assert_eq!(calls, run.calls);
    let replay = Replay::new(calls.clone());
    let again = run_on(&replay, LOOKUP).await;
    assert_eq!(again.result.unwrap(), run.result.unwrap());
    assert_eq!(again.calls, calls);
    assert_eq!(replay.left(), 0);

    let changed = LOOKUP.replace("\"seen\"", "\"saw\"");
    let differs = run_on(&Replay::new(calls), &changed).await;
    let error = differs.result.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("replay"), "{error:?}");
}

#[tokio::test]
async fn a_failed_call_can_be_caught_or_let_through() {
    let caught = run(
        r#"local ok, e = pcall(http, {url = "https://shop.test/down"})
           return {ok = ok, code = e.code, message = e.message, text = tostring(e)}"#,
    )
    .await;
    assert_eq!(
        caught.result.unwrap(),
        json!({"ok": false, "code": "unavailable", "message": "the service is down", "text": "the service is down"})
    );
    let through = run(r#"return http{url = "https://shop.test/down"}"#).await;
    let error = through.result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Runtime);
    assert_eq!(error.code.as_deref(), Some("unavailable"));
    assert_eq!(
        (error.module.as_deref(), error.line),
        (Some("m.luau"), Some(3))
    );
    assert_eq!(through.calls.len(), 1);
}

#[tokio::test]
async fn a_plugin_gives_a_result_or_an_error_and_the_journal_tells() {
    let body = r#"
      local first = plugin.call("crm", "echo", {mail = args.number})
      local second, why = plugin.call("crm", "lookup")
      return {first = first, second = second or "none", code = why.code, text = tostring(why)}
    "#;
    let done = run(body).await;
    assert_eq!(
        *done.result.as_ref().unwrap(),
        json!({
            "first": {"plugin": "crm", "args": {"mail": "12345678"}, "at": 0},
            "second": "none", "code": "not_found", "text": "there is no such thing",
        })
    );
    let line = serde_json::to_value(&done.calls[1]).unwrap();
    assert_eq!(
        line,
        json!({
            "ordinal": 1, "name": "plugin.call",
            "args": {"plugin": "crm", "method": "lookup", "args": {}},
            "result": {"Err": {"code": "not_found", "message": "there is no such thing"}},
        })
    );
    let replay = Replay::new(done.calls.clone());
    let again = run_on(&replay, body).await;
    assert_eq!(again.result.unwrap(), done.result.unwrap());
    assert_eq!(again.calls, done.calls);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_never_answers_ends_with_the_runs_time() {
    let done = run("return plugin.call('crm', 'hang')").await;
    assert_eq!(done.result.unwrap_err().kind, ErrorKind::Timeout);
    let cut = done.calls[0].result.as_ref().unwrap_err();
    assert_eq!(cut.code, "unknown");
}

#[tokio::test]
async fn wrong_arguments_are_the_scripts_error_and_reach_no_host() {
    for (body, message) in [
        ("plugin.call()", "the plugin is a text of 1 to 64 bytes"),
        (
            "plugin.call('crm', 3)",
            "the method is a text of 1 to 64 bytes",
        ),
        (
            "plugin.call('crm', 'echo', {1, 2})",
            "what a plugin is given is a table with names",
        ),
        ("http('x')", "http takes a table"),
        ("http{}", "http needs a url"),
        (
            "http{url = 'x', metod = 'GET'}",
            "http: there is no field metod",
        ),
        (
            "http{url = 1}",
            "http: url has the wrong type or is too long",
        ),
        (
            "http{url = 'x', json = 1, body = 'x'}",
            "http takes one of json, form and body",
        ),
        (
            "http{url = 'x', json = {f = print}}",
            "the argument at json.f holds a function",
        ),
        (
            "http{url = 'x', body = string.rep('x', 2^19)}",
            "http: body has the wrong type or is too long",
        ),
        (
            "http{url = 'x', json = string.rep('x', 2^19)}",
            "the value is larger than 256 kB",
        ),
        (
            "http{url = string.rep('x', 2^14)}",
            "http: url has the wrong type or is too long",
        ),
        ("store.get()", "a key is a text of 1 to 200 bytes"),
        (
            "store.get(string.rep('k', 201))",
            "a key is a text of 1 to 200 bytes",
        ),
        (
            "store.put('k', string.rep('x', 2^19))",
            "the value is larger than 256 kB",
        ),
        (
            "store.put('k', 1, -1)",
            "the time to live is a number of seconds above 0",
        ),
    ] {
        let host = Fake::default();
        let run = run_on(&host, body).await;
        let error = run.result.unwrap_err();
        assert_eq!(error.message, message, "{body}");
        assert_eq!(
            (error.module.as_deref(), error.line),
            (Some("m.luau"), Some(3)),
            "{body}: {error:?}"
        );
        assert_eq!(host.calls.load(Ordering::Relaxed), 0, "{body}");
        assert!(run.calls.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn calls_flood_and_misuse_is_stopped() {
    let host = Fake::default();
    let run = run_on(
        &host,
        "local i = 0 while true do i += 1 pcall(store.put, 'k' .. i, i) end",
    )
    .await;
    assert_eq!(
        run.result.unwrap_err().message,
        "more than 50 calls to the host"
    );
    assert_eq!(
        (run.calls.len(), host.calls.load(Ordering::Relaxed)),
        (50, 50)
    );
    let run = run_on(&host, "while true do pcall(http, {}) end").await;
    assert!(run.result.is_err());
    let run = run_on(&host, "for i = 1, 1000 do log(i) end return 1").await;
    assert_eq!(run.result.unwrap(), json!(1));
    assert_eq!((run.log.len(), run.log_dropped), (100, 900));
    let run = run_on(&host, "log(string.rep('x', 2^20)) return 1").await;
    assert!(run.log[0].message.chars().count() <= 501);
}

#[tokio::test]
async fn calls_from_where_they_cannot_wait_fail_without_effect() {
    for body in [
        "coroutine.wrap(function() store.put('k', 1) end)()",
        "string.gsub('x', 'x', function() store.put('k', 1) return '' end)",
        "table.sort({2, 1}, function() store.put('k', 1) return false end)",
        "return setmetatable({}, {__index = function() return store.get('k') end}).x",
        "coroutine.yield()",
        "coroutine.yield({}, 'store.put', 'k', 1)",
    ] {
        let host = Fake::default();
        let run = run_on(&host, body).await;
        assert_eq!(run.result.unwrap_err().kind, ErrorKind::Runtime, "{body}");
        assert_eq!(host.calls.load(Ordering::Relaxed), 0, "{body}");
    }
    let run = run("local ok = xpcall(function() store.put('k', 1) end, print) return ok").await;
    assert_eq!(run.result.unwrap(), json!(true));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_at_the_deadline() {
    let run = run(r#"store.put("k", 1) return http{url = "https://shop.test/hang"}"#).await;
    assert_eq!(run.result.unwrap_err().kind, ErrorKind::Timeout);
    assert_eq!(run.calls.len(), 2);
    assert_eq!(run.calls[1].result.as_ref().unwrap_err().code, "unknown");
}

#[tokio::test]
async fn time_is_counted_over_all_of_a_run() {
    let body = "while true do store.get('k') for i = 1, 1e6 do end end";
    let run = run(body).await;
    assert_eq!(run.result.unwrap_err().kind, ErrorKind::Timeout);
    assert!(run.calls.len() < 50, "{}", run.calls.len());
}

/// Runs on one worker thread: were scripts run on it, the task could not be answered.
#[tokio::test(flavor = "current_thread")]
async fn eight_spinning_scripts_stop_nobody_else() {
    let runner = Runner::new(2);
    let program = Arc::new(program(
        "while true do pcall(function() while true do end end) end",
    ));
    let spinners: Vec<_> = (0..8)
        .map(|_| {
            let (runner, program) = (runner.clone(), program.clone());
            tokio::spawn(async move {
                let host = Fake::default();
                runner
                    .run(&program, &call(json!({})), &host, &limits())
                    .await
            })
        })
        .collect();
    let (ask, mut asked) = tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<()>>(1);
    tokio::spawn(async move {
        while let Some(reply) = asked.recv().await {
            let _ = reply.send(());
        }
    });
    let started = Instant::now();
    let mut answered = 0;
    while !spinners.iter().all(tokio::task::JoinHandle::is_finished) {
        let (reply, answer) = tokio::sync::oneshot::channel();
        ask.send(reply).await.unwrap();
        answer.await.unwrap();
        answered += 1;
        tokio::task::yield_now().await;
    }
    assert!(answered > 100, "only {answered} answers beside the scripts");
    assert!(started.elapsed() < Duration::from_secs(30));
    for spinner in spinners {
        let run = spinner.await.unwrap();
        assert_eq!(run.result.unwrap_err().kind, ErrorKind::Timeout);
    }
}

#[tokio::test]
async fn a_dropped_run_stops_its_script() {
    let runner = Runner::new(1);
    let slow = Limits {
        time: Duration::from_secs(3600),
        wall: Duration::from_secs(3600),
        ..limits()
    };
    let spinning = program("while true do end");
    let host = Fake::default();
    let request = call(json!({}));
    let mut run = Box::pin(runner.run(&spinning, &request, &host, &slow));
    assert!(futures_poll(&mut run).await);
    drop(run);
    // The only slot is free again, so the script has ended.
    let answer = runner
        .run(&program("return 1"), &request, &host, &limits())
        .await;
    assert_eq!(answer.result.unwrap(), json!(1));
}

/// Polls once; whether it is pending.
async fn futures_poll<F: std::future::Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}
