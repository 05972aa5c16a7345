//! What every plugin has to stand, whatever it does.

use std::{
    fmt,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tandem_plugin_abi::code;

use super::{Kit, Started, call};
use crate::{Kind, Manifest};

/// What the suite needs to know of a plugin.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// A configuration it works with.
    pub config: Value,
    /// Configurations it must refuse.
    pub refused: Vec<Value>,
    /// Calls that must go well, method and parameters.
    pub calls: Vec<(String, Value)>,
    /// Calls that must fail, method and parameters, and the code they fail with.
    pub fails: Vec<(String, Value, String)>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub result: Result<(), String>,
}

/// All that was tried.
#[derive(Clone, Debug, Default)]
pub struct Report(pub Vec<Check>);

impl Report {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.0.iter().all(|check| check.result.is_ok())
    }

    /// # Panics
    /// When something failed, with all that did.
    pub fn assert_passed(&self) {
        assert!(self.passed(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, result } in &self.0 {
            match result {
                Ok(()) => writeln!(f, "ok      {name}")?,
                Err(why) => writeln!(f, "FAILED  {name}: {why}")?,
            }
        }
        Ok(())
    }
}

/// How long one check may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the suite. Every check has a thread and a limit of time, so that a plugin that hangs fails
/// and does not hang the test.
#[must_use]
pub fn conformance(kit: &Kit, plan: &Plan) -> Report {
    let mut report = Report::default();
    let mut check = |name: &str, run: fn(&Kit, &Plan) -> Result<(), String>| {
        let (kit, plan) = (kit.clone(), plan.clone());
        let result = within(move || run(&kit, &plan));
        report.0.push(Check {
            name: name.to_owned(),
            result,
        });
    };
    check("the manifest is whole and always the same", manifest);
    check("it starts, stops and starts again", restart);
    check("two instances live beside each other", beside);
    check("a configuration that is wrong is refused", bad_config);
    check("the calls of the plan go well", calls);
    check(
        "the calls that are to fail do so, each with its code",
        fails,
    );
    check("a method nobody has is refused as such", unknown);
    check(
        "requests that are no JSON are refused, not panicked over",
        garbage,
    );
    check("parameters of another shape are refused", shape);
    check("calls from several threads at once", threads);
    check("calls after the host has gone come back", host_gone);
    check(
        "no method answers with a code that it does not declare",
        declared,
    );
    check("a channel stops when told to, also before it runs", channel);
    report
}

/// Runs it on a thread of its own; the thread is left behind when it does not come back.
fn within<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (tell, told) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("conformance".to_owned())
        .spawn(move || {
            let _ = tell.send(run());
        })
        .map_err(|why| why.to_string())?;
    match told.recv_timeout(LIMIT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it did not end within {LIMIT:?}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("it panicked".to_owned()),
    }
}

fn start(kit: &Kit, plan: &Plan) -> Result<Started, String> {
    kit.start(&plan.config)
        .map_err(|refused| format!("`create` answers {}: {}", refused.code, refused.error))
}

fn end(started: Started) -> Result<(), String> {
    match started.stop() {
        true => Ok(()),
        false => Err("a call is still in flight".to_owned()),
    }
}

fn manifest(kit: &Kit, _: &Plan) -> Result<(), String> {
    let first = kit.manifest()?;
    if first != kit.manifest()? {
        return Err("asked twice, it says two things".to_owned());
    }
    for (method, spec) in &first.methods {
        for schema in [&spec.params, &spec.result].into_iter().flatten() {
            if !schema.is_object() && !schema.is_boolean() {
                return Err(format!("a schema of `{method}` is no JSON Schema"));
            }
        }
    }
    Ok(())
}

fn restart(kit: &Kit, plan: &Plan) -> Result<(), String> {
    for _ in 0..3 {
        end(start(kit, plan)?)?;
    }
    Ok(())
}

fn beside(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let (one, other) = (start(kit, plan)?, start(kit, plan)?);
    end(one)?;
    run_calls(&other, plan)?;
    end(other)
}

fn bad_config(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let bytes: [&[u8]; 3] = [b"{", b"\xff\xfe", &[b'['; 4096]];
    let written = plan
        .refused
        .iter()
        .map(|config| config.to_string().into_bytes());
    for config in bytes.into_iter().map(<[u8]>::to_vec).chain(written) {
        let shown = String::from_utf8_lossy(&config[..config.len().min(80)]).into_owned();
        match kit.start_with(&config) {
            Ok(started) => {
                end(started)?;
                return Err(format!("it starts with {shown:?}"));
            }
            Err(refused) if matches!(refused.code, code::ERROR | code::BAD_INPUT) => {}
            Err(refused) => return Err(format!("{shown:?} is answered with {}", refused.code)),
        }
    }
    Ok(())
}

fn run_calls(started: &Started, plan: &Plan) -> Result<(), String> {
    for (method, params) in &plan.calls {
        started
            .call(method, params)
            .map_err(|refused| format!("`{method}` answers {}: {}", refused.code, refused.error))?;
    }
    Ok(())
}

fn calls(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let started = start(kit, plan)?;
    run_calls(&started, plan)?;
    end(started)
}

fn fails(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let started = start(kit, plan)?;
    for (method, params, code) in &plan.fails {
        match started.call(method, params) {
            Err(refused) if refused.code == code::ERROR && refused.error.code == *code => {}
            other => return Err(format!("`{method}` with {params} gives {other:?}")),
        }
    }
    end(started)
}

/// All that the suite asks of a method which declares its codes: what goes well, what is to fail,
/// what is of another shape, and what goes well while the host is there.
fn declared(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let manifest = kit.manifest()?;
    let asks: Vec<(&str, Value)> = harmless(&manifest)
        .flat_map(|method| shapes().map(|shape| (method.as_str(), shape)))
        .chain(
            plan.calls
                .iter()
                .map(|(m, params)| (m.as_str(), params.clone())),
        )
        .chain(
            plan.fails
                .iter()
                .map(|(m, params, _)| (m.as_str(), params.clone())),
        )
        .collect();
    let started = start(kit, plan)?;
    for host in [true, false] {
        if !host {
            started.close_host();
        }
        for (method, params) in &asks {
            let Some(spec) = manifest.methods.get(*method) else {
                continue;
            };
            match started.call(method, params) {
                Err(refused)
                    if refused.code == code::ERROR && !spec.may_answer(&refused.error.code) =>
                {
                    let code = refused.error.code;
                    return Err(format!(
                        "`{method}` answers the code `{code}`, which its `errors` do not name"
                    ));
                }
                _ => {}
            }
        }
    }
    end(started)
}

fn unknown(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let started = start(kit, plan)?;
    for method in ["", "no.such.method", "action.", "channel.runs", "动作"] {
        match started.call(method, &json!({})) {
            Err(refused) if refused.code == code::UNKNOWN_METHOD => {}
            other => return Err(format!("`{method}` gives {other:?}")),
        }
    }
    end(started)
}

/// Methods that may be called with anything: those that run for long or end something are not.
fn harmless(manifest: &Manifest) -> impl Iterator<Item = &String> {
    manifest
        .methods
        .keys()
        .filter(|method| !matches!(method.as_str(), "channel.run" | "channel.stop"))
}

fn garbage(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let manifest = kit.manifest()?;
    let started = start(kit, plan)?;
    let deep = vec![b'['; 1 << 20];
    let hidden = b"{\"params\": {}, \"passed over\": \"\xff\"}";
    let requests: [&[u8]; 6] = [b"", b"{", b"null", b"\xff\xff", &deep, hidden];
    for method in harmless(&manifest) {
        for request in requests {
            match started.call_with(method, request) {
                Err(refused) if matches!(refused.code, code::BAD_INPUT | code::ERROR) => {}
                other => {
                    let shown = String::from_utf8_lossy(&request[..request.len().min(40)]);
                    return Err(format!("`{method}` with {shown:?} gives {other:?}"));
                }
            }
        }
    }
    end(started)
}

/// Parameters that few methods take.
fn shapes() -> [Value; 4] {
    [json!(7), json!("text"), json!([[[]]]), json!(true)]
}

fn shape(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let manifest = kit.manifest()?;
    let started = start(kit, plan)?;
    for method in harmless(&manifest) {
        for params in shapes() {
            match started.call(method, &params) {
                Err(refused) if matches!(refused.code, code::BAD_INPUT | code::ERROR) => {}
                // A method without parameters of its own may take anything.
                Ok(_) => {}
                other => return Err(format!("`{method}` with {params} gives {other:?}")),
            }
        }
    }
    end(started)
}

fn threads(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let manifest = kit.manifest()?;
    let several = if manifest.serial { 1 } else { 4 };
    let started = Arc::new(start(kit, plan)?);
    let running: Vec<_> = (0..several)
        .map(|_| {
            let (started, plan) = (started.clone(), plan.clone());
            thread::spawn(move || (0..8).try_for_each(|_| run_calls(&started, &plan)))
        })
        .collect();
    for thread in running {
        thread
            .join()
            .map_err(|_| "a thread panicked".to_owned())??;
    }
    end(Arc::into_inner(started).ok_or("a thread holds the plugin")?)
}

fn host_gone(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let started = start(kit, plan)?;
    started.close_host();
    for (method, params) in &plan.calls {
        match started.call(method, params) {
            Err(refused) if refused.code == code::PANICKED => {
                return Err(format!("`{method}` panics: {}", refused.error));
            }
            _ => {}
        }
    }
    end(started)
}

fn channel(kit: &Kit, plan: &Plan) -> Result<(), String> {
    let manifest = kit.manifest()?;
    if !manifest.offers(Kind::Channel) {
        return Ok(());
    }
    let early = start(kit, plan)?;
    early
        .call("channel.stop", &json!({}))
        .map_err(|refused| format!("`channel.stop` before `run`: {}", refused.error))?;
    end(early)?;

    let started = start(kit, plan)?;
    let opened = started
        .call("channel.open", &json!({}))
        .map_err(|refused| format!("`channel.open` answers {}", refused.error))?;
    if !opened.is_object() {
        return Err(format!("`channel.open` gives {opened}, not capabilities"));
    }
    let instance = started.instance.clone();
    let (tell, told) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let ended = call(&instance, "channel.run", b"{\"params\": {}}");
        // The plugin is let go of before its end is told.
        drop(instance);
        let _ = tell.send(ended);
    });
    started
        .call("channel.stop", &json!({}))
        .map_err(|refused| format!("`channel.stop` answers {}", refused.error))?;
    match told.recv_timeout(LIMIT / 2) {
        Ok(_) => end(started),
        Err(_) => Err("`channel.run` does not return after `channel.stop`".to_owned()),
    }
}
