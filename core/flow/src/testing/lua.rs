//! `lua:` steps, run for real; `http` and `plugin.call` answer from stubs, `store` from memory.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use tandem_domain::{Value, action::ActionError};
use tandem_lua::{
    Call, ErrorKind, Host, HostError, HttpRequest, HttpResponse, Limits, PluginRequest, Runner,
};

use super::sim::Moment;
use crate::model::Pack;

/// Answers what a script asks of the outside.
pub(super) trait Outside: Sync {
    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HostError>;
    fn plugin(&self, request: &PluginRequest) -> Result<Value, HostError>;
}

/// Runs a function to its end, on a thread of its own: the caller may be inside a runtime.
pub(super) fn run(
    pack: &Pack,
    module: &str,
    function: &str,
    args: &Value,
    at: Moment,
    answers: &dyn Outside,
    store: &Mutex<BTreeMap<String, Value>>,
) -> Result<Value, ActionError> {
    let call = Call {
        module: module.to_owned(),
        function: function.to_owned(),
        args: args.clone(),
        now: at.now,
        seed: 0,
    };
    let limits = Limits::step(Duration::from_millis(at.timeout_ms));
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .map_err(|e| ActionError::new("unavailable", e.to_string()))?;
            let host = Answers { answers, store };
            let ran = runtime.block_on(Runner::new(1).run(&pack.lua, &call, &host, &limits));
            ran.result.map_err(|error| {
                let code = match (&error.code, error.kind) {
                    (Some(code), _) => code.clone(),
                    (None, ErrorKind::Timeout) => "timeout".to_owned(),
                    (None, _) => "script".to_owned(),
                };
                ActionError::new(&code, error.to_string())
            })
        });
        work.join().unwrap_or_else(|_| {
            Err(ActionError::new(
                "script",
                "the script's thread ended badly",
            ))
        })
    })
}

struct Answers<'a> {
    answers: &'a dyn Outside,
    store: &'a Mutex<BTreeMap<String, Value>>,
}

#[async_trait]
impl Host for Answers<'_> {
    async fn http(&self, _ordinal: u32, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        self.answers.http(request)
    }

    async fn plugin(&self, _ordinal: u32, request: &PluginRequest) -> Result<Value, HostError> {
        self.answers.plugin(request)
    }

    async fn store_get(&self, _ordinal: u32, key: &str) -> Result<Option<Value>, HostError> {
        Ok(self.store.lock().ok().and_then(|s| s.get(key).cloned()))
    }

    async fn store_put(
        &self,
        _ordinal: u32,
        key: &str,
        value: &Value,
        _ttl: Option<Duration>,
    ) -> Result<(), HostError> {
        if let Ok(mut store) = self.store.lock() {
            store.insert(key.to_owned(), value.clone());
        }
        Ok(())
    }

    async fn store_delete(&self, _ordinal: u32, key: &str) -> Result<(), HostError> {
        if let Ok(mut store) = self.store.lock() {
            store.remove(key);
        }
        Ok(())
    }
}
