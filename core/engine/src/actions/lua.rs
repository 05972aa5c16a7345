//! Lua in the engine: pure functions inside a turn, and `lua:` steps with the host API.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tandem_domain::{
    Value,
    action::{Action, ActionError, Meta, Ran},
    store::{Commit, Store, StoreError, Write},
};
use tandem_flow::{model::Pack, step::LuaAnswer};
use tandem_lua::{
    Call, ErrorKind, Host, HostError, HttpRequest, HttpResponse, Limits, LuaError, PluginRequest,
    Session,
};
use tokio::time::Instant;

use super::{
    http::Web,
    plugins::{self, PluginCalled},
    runner::Tools,
};

/// Bytes of one stored value as JSON.
const VALUE_MAX: usize = 64 * 1024;

/// A `prepare` or validator.
pub(crate) fn pure(
    session: &mut Session,
    module: &str,
    function: &str,
    args: &[Value],
) -> LuaAnswer {
    let result = session.call(module, function, args);
    if let Err(error) = &result {
        tracing::warn!(module, function, %error, "A Lua function failed.");
    }
    result.into()
}

/// Runs a step's function with the host API.
pub(crate) async fn run(
    tools: &Tools,
    pack: &Arc<Pack>,
    (module, function, args): (&str, &str, &Value),
    meta: &Meta,
) -> Ran {
    let call = Call {
        module: module.to_owned(),
        function: function.to_owned(),
        args: args.clone(),
        now: meta.now,
        // Any fixed number would do; this one differs from conversation to conversation.
        seed: meta.conversation.0.as_u64_pair().1,
    };
    let time = Duration::from_millis(meta.timeout_ms);
    let host = PackHost {
        pack: pack.clone(),
        web: tools.web.clone(),
        store: tools.store.clone(),
        plugins: tools.plugins.clone(),
        called: Mutex::default(),
        meta: meta.clone(),
        deadline: Instant::now() + time,
        scope: format!("lua:{}", pack.name),
    };
    let run = tools
        .scripts
        .run(&pack.lua, &call, &host, &Limits::step(time))
        .await;
    let called = host.called.into_inner();
    let called = called.unwrap_or_else(PoisonError::into_inner);
    for line in &run.log {
        tracing::info!(target: "tandem::lua", module, function, level = ?line.level, "{}", line.message);
    }
    Ran {
        result: run.result.map_err(|error| explain(&error)),
        calls: run
            .calls
            .iter()
            .filter_map(|call| {
                let mut line = serde_json::to_value(call).ok()?;
                if let Some(called) = called.get(&call.ordinal) {
                    called.add_to(&mut line);
                }
                Some(line)
            })
            .collect(),
    }
}

fn explain(error: &LuaError) -> ActionError {
    let code = match (&error.code, error.kind) {
        (Some(code), _) => code.as_str(),
        (None, ErrorKind::Timeout) => "timeout",
        (None, _) => "script",
    };
    ActionError::new(code, error.to_string())
}

/// What a script of a pack may reach: the hosts its connections name, a store of its own, and the
/// plugins.
struct PackHost {
    pack: Arc<Pack>,
    web: Arc<Web>,
    store: Arc<dyn Store>,
    plugins: Arc<dyn Action>,
    /// How the calls of plugins went, by their place in the run.
    called: Mutex<BTreeMap<u32, PluginCalled>>,
    meta: Meta,
    deadline: Instant,
    scope: String,
}

#[async_trait]
impl Host for PackHost {
    async fn http(&self, ordinal: u32, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        // A script says itself which requests may be repeated; a key would say it of all.
        let meta = Meta {
            idempotency_key: None,
            ..self.meta.clone()
        };
        self.web.script(&self.pack, ordinal, request, &meta).await
    }

    async fn plugin(&self, ordinal: u32, request: &PluginRequest) -> Result<Value, HostError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let meta = Meta {
            timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1),
            // The same where the whole step is run again, since a run does the same again.
            idempotency_key: self
                .meta
                .idempotency_key
                .as_ref()
                .map(|key| format!("{key}.{ordinal}")),
            ..self.meta.clone()
        };
        let what = (
            request.plugin.as_str(),
            request.method.as_str(),
            &request.args,
        );
        let (result, called) = plugins::call(&*self.plugins, &self.pack, what, &meta).await;
        self.called
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(ordinal, called);
        result.map_err(|error| HostError::new(&error.code, error.message))
    }

    async fn store_get(&self, _ordinal: u32, key: &str) -> Result<Option<Value>, HostError> {
        self.store
            .kv(&self.meta.workspace, &self.scope, key, self.meta.now)
            .await
            .map_err(unavailable)
    }

    async fn store_put(
        &self,
        _ordinal: u32,
        key: &str,
        value: &Value,
        ttl: Option<Duration>,
    ) -> Result<(), HostError> {
        if value.to_string().len() > VALUE_MAX {
            return Err(HostError::new(
                "too_large",
                "a stored value has at most 64 kB",
            ));
        }
        self.write(Write::KvPut {
            scope: self.scope.clone(),
            key: key.to_owned(),
            value: value.clone(),
            expires_at: ttl.map(|ttl| self.meta.now + ttl),
        })
        .await
    }

    async fn store_delete(&self, _ordinal: u32, key: &str) -> Result<(), HostError> {
        self.write(Write::KvDelete {
            scope: self.scope.clone(),
            key: key.to_owned(),
        })
        .await
    }
}

impl PackHost {
    async fn write(&self, write: Write) -> Result<(), HostError> {
        let mut commit = Commit::new(self.meta.workspace.clone());
        commit.writes.push(write);
        self.store.commit(commit).await.map_err(unavailable)?;
        Ok(())
    }
}

fn unavailable(error: StoreError) -> HostError {
    HostError::new("unavailable", error.to_string())
}
