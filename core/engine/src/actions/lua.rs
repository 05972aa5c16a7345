//! Lua in the engine: pure functions inside a turn, and `lua:` steps with the host API.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tandem_domain::{
    Value,
    action::{ActionError, Meta, Ran},
    store::{Commit, Store, StoreError, Write},
};
use tandem_flow::{model::Pack, step::LuaAnswer};
use tandem_lua::{
    Call, ErrorKind, Host, HostError, HttpRequest, HttpResponse, Limits, LuaError, Runner, Session,
};

use super::http::Web;

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
    runner: &Runner,
    pack: &Arc<Pack>,
    web: &Arc<Web>,
    store: &Arc<dyn Store>,
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
    let host = PackHost {
        pack: pack.clone(),
        web: web.clone(),
        store: store.clone(),
        meta: meta.clone(),
        scope: format!("lua:{}", pack.name),
    };
    let limits = Limits::step(Duration::from_millis(meta.timeout_ms));
    let run = runner.run(&pack.lua, &call, &host, &limits).await;
    for line in &run.log {
        tracing::info!(target: "tandem::lua", module, function, level = ?line.level, "{}", line.message);
    }
    Ran {
        result: run.result.map_err(|error| explain(&error)),
        calls: run
            .calls
            .iter()
            .filter_map(|call| serde_json::to_value(call).ok())
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

/// What a script of a pack may reach: the hosts its connections name, and a store of its own.
struct PackHost {
    pack: Arc<Pack>,
    web: Arc<Web>,
    store: Arc<dyn Store>,
    meta: Meta,
    scope: String,
}

#[async_trait]
impl Host for PackHost {
    async fn http(&self, ordinal: u32, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        self.web
            .script(&self.pack, ordinal, request, &self.meta)
            .await
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
