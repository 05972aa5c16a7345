//! One plugin, over all its reloads.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use serde::Serialize;
use serde_json::Value;
use tandem_plugin_abi::table::Table;
use tandem_plugin_sdk::wire::{Kind, Manifest, Meta, Request};
use tokio::{sync::watch, time::Instant};

use crate::{
    Limits, PluginError, Refusal, Said,
    channel::Opened,
    config::PluginConfig,
    error::REQUEST,
    gate::{Gate, Health, Pass},
    native::Native,
    plugins::Loader,
    promise::Nonblocking,
    schema::Schemas,
    stdio::Process,
};

/// A loaded plugin. Callers keep it over reloads: each call goes to what is loaded then.
pub struct Plugin {
    name: String,
    loader: Arc<Loader>,
    gate: Gate,
    current: ArcSwapOption<Generation>,
    /// One change at a time: a load, a reload, the end. Holds what it was last loaded with.
    change: tokio::sync::Mutex<PluginConfig>,
    /// The table of one that is part of the program.
    linked: Option<Table>,
    loads: AtomicU32,
    /// The number of the load whose predecessors have ended.
    settled: watch::Sender<u32>,
    calls: AtomicU64,
    faults: AtomicU64,
}

/// One load of a plugin.
pub(crate) struct Generation {
    /// Which load it is: the first is 1.
    pub(crate) load: u32,
    /// Which opening of the account it serves, where it is one's; a reload of its file serves the
    /// same.
    pub(crate) opening: u32,
    pub(crate) manifest: Manifest,
    pub(crate) schemas: Schemas,
    pub(crate) backend: Backend,
    pub(crate) timeout: Option<Duration>,
    /// What the account of a channel can show and take.
    pub(crate) opened: Option<Opened>,
}

pub(crate) enum Backend {
    Native(Native),
    Process(Process),
}

/// What became of an instance at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retired {
    Destroyed,
    /// Something did not come back in time: its memory stays, and nothing of it is called again.
    Leaked(Left),
}

/// What of an instance did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Call,
    Destroy,
}

impl Left {
    /// In both languages.
    #[must_use]
    pub fn said(self) -> Said {
        match self {
            Self::Call => Said::new("a call did not come back in time", "有调用没有及时返回"),
            Self::Destroy => {
                Said::new("`destroy` did not return in time", "`destroy` 没有及时返回")
            }
        }
    }
}

/// How a plugin stands, for the health page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PluginHealth {
    pub name: String,
    pub version: String,
    pub kinds: Vec<String>,
    /// Whether it is a process of its own.
    pub process: bool,
    #[serde(flatten)]
    pub health: Health,
    /// How many times it was loaded.
    pub loads: u32,
    pub calls: u64,
    /// Calls that ended in a way no plugin should.
    pub faults: u64,
    pub running: usize,
    pub waiting: usize,
    /// Calls that were begun and have not come back in their time.
    pub stuck: u32,
    /// What became of its promise not to block, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonblocking: Option<Nonblocking>,
}

impl Plugin {
    pub(crate) fn new(
        config: PluginConfig,
        linked: Option<Table>,
        generation: Generation,
        loader: Arc<Loader>,
    ) -> Self {
        Self {
            name: config.name.clone(),
            gate: Gate::new(&loader.config.limits),
            loader,
            current: ArcSwapOption::from_pointee(generation),
            change: tokio::sync::Mutex::new(config),
            linked,
            loads: AtomicU32::new(1),
            settled: watch::Sender::new(1),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of itself; `None` once it is unloaded.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        Some(self.current.load().as_ref()?.manifest.clone())
    }

    #[must_use]
    pub fn offers(&self, kind: Kind) -> bool {
        let current = self.current.load();
        current.as_ref().is_some_and(|g| g.manifest.offers(kind))
    }

    /// How long a call may take where its caller does not say; `None` where nobody says.
    #[must_use]
    pub fn time_for(&self, method: &str) -> Option<Duration> {
        let current = self.current.load();
        let generation = current.as_ref()?;
        let spec = generation.manifest.methods.get(method)?;
        generation
            .timeout
            .or(spec.timeout_ms.map(Duration::from_millis))
    }

    /// What is loaded now, for whoever must not meet the next load unawares.
    pub(crate) fn current(&self) -> Option<Arc<Generation>> {
        self.current.load_full()
    }

    /// How many times it was loaded.
    #[must_use]
    pub fn loads(&self) -> u32 {
        self.loads.load(Ordering::Relaxed)
    }

    /// Returns once a later load than this one is there and what it replaced has ended, or was given
    /// up.
    pub(crate) async fn replaced(&self, load: u32) {
        let mut settled = self.settled.subscribe();
        // The sender is here as long as the plugin is.
        let _ = settled.wait_for(|settled| *settled > load).await;
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.loader.config.limits
    }

    /// Calls a method. It takes at most `limit`; where that is not given, what the configuration,
    /// else the method, else the server says. `channel.run` runs until it ends.
    ///
    /// `meta` says for whom; its deadline is filled in here. Dropping the future gives the call up.
    ///
    /// # Errors
    /// See [`PluginError`], and above all [`PluginError::may_have_happened`].
    pub async fn call(
        &self,
        method: &str,
        params: &Value,
        meta: Meta,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        let called = self.call_current(method, params, meta, limit);
        self.counted(method, called).await
    }

    /// The same of one load: what took its place is not called.
    ///
    /// # Errors
    /// As [`call`](Self::call); [`PluginError::Stopped`] once it was replaced.
    pub(crate) async fn call_load(
        &self,
        generation: &Generation,
        method: &str,
        params: &Value,
        meta: Meta,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        let called = self.call_generation(generation, method, params, meta, limit);
        self.counted(method, called).await
    }

    async fn counted(
        &self,
        method: &str,
        called: impl Future<Output = Result<Value, PluginError>>,
    ) -> Result<Value, PluginError> {
        let began = Instant::now();
        let result = called.await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.tell(method, began.elapsed(), &result);
        result
    }

    async fn call_current(
        &self,
        method: &str,
        params: &Value,
        meta: Meta,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        loop {
            let generation = self.current.load_full().ok_or(PluginError::Stopped)?;
            let result = self
                .call_generation(&generation, method, params, meta.clone(), limit)
                .await;
            // A reload came between the look and the call, which was not begun: the new one takes it.
            let stopped = matches!(result, Err(PluginError::Stopped));
            let current = self.current.load_full();
            let replaced = current.is_some_and(|current| !Arc::ptr_eq(&current, &generation));
            if !(stopped && replaced) {
                return result;
            }
        }
    }

    async fn call_generation(
        &self,
        generation: &Generation,
        method: &str,
        params: &Value,
        mut meta: Meta,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        let Some(spec) = generation.manifest.methods.get(method) else {
            return Err(PluginError::UnknownMethod(method.to_owned()));
        };
        generation
            .schemas
            .check_params(method, params)
            .map_err(PluginError::BadInput)?;
        let limits = &self.loader.config.limits;
        // Receiving goes on for as long as it can, and can always be ended.
        let pass = match method {
            "channel.run" | "channel.stop" => None,
            _ => Some(self.admit(generation, limits)?),
        };
        let limit = match (limit, method) {
            (None, "channel.run") => None,
            (Some(limit), _) => Some(limit),
            (None, _) => Some(
                generation
                    .timeout
                    .or(spec.timeout_ms.map(Duration::from_millis))
                    .unwrap_or(limits.timeout),
            ),
        };
        meta.deadline_ms = limit.map_or(0, |l| u64::try_from(l.as_millis()).unwrap_or(u64::MAX));
        let request = serde_json::to_vec(&Request { params, meta })
            .map_err(|why| PluginError::BadInput(why.into()))?;
        if request.len() > limits.body {
            let most = limits.body;
            return Err(PluginError::TooLarge {
                what: REQUEST,
                most,
            });
        }
        let result = match &generation.backend {
            Backend::Native(native) => native.call(method, request, limit).await,
            Backend::Process(process) => process.call(method, request, limit).await,
        };
        let result =
            result.and_then(
                |value| match generation.schemas.check_result(method, &value) {
                    Ok(()) => Ok(value),
                    Err(Said { en, zh }) => Err(PluginError::Broken(Said::new(
                        format!("the result does not fit its schema: {en}"),
                        format!("结果不符合它的 schema：{zh}"),
                    ))),
                },
            );
        if let Some(pass) = pass {
            pass.ended(&result);
        }
        result
    }

    fn admit(&self, generation: &Generation, limits: &Limits) -> Result<Pass<'_>, PluginError> {
        match generation.stuck_too_often(limits) {
            Some(stuck) => Err(PluginError::Disabled(Said::new(
                format!("calls that never came back: {stuck}"),
                format!("有 {stuck} 次调用一直没有返回"),
            ))),
            None => self.gate.admit(),
        }
    }

    fn tell(&self, method: &str, took: Duration, result: &Result<Value, PluginError>) {
        let plugin = self.name.as_str();
        let outcome = result.as_ref().map_or_else(PluginError::label, |_| "ok");
        metrics::counter!("tandem_plugin_calls_total",
            "plugin" => plugin.to_owned(), "outcome" => outcome)
        .increment(1);
        metrics::histogram!("tandem_plugin_seconds", "plugin" => plugin.to_owned())
            .record(took.as_secs_f64());
        match result {
            Err(error) if error.is_fault() => {
                self.faults.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(plugin, method, %error, "A plugin failed a call.");
            }
            _ => tracing::debug!(plugin, method, outcome, ?took, "A plugin was called."),
        }
    }

    /// Loads it anew from its file, and ends what was loaded before. Calls under way come back from
    /// the old one; new ones go to the new one at once. Its failures are forgotten; what was switched
    /// off by hand stays off. With `config`, also with another configuration; the name stays.
    ///
    /// # Errors
    /// When the new one is refused: the old one goes on as if nothing had been asked.
    pub async fn reload(&self, config: Option<PluginConfig>) -> Result<Retired, Refusal> {
        self.replace(config, false).await
    }

    /// The same for an account that is opened anew, with other settings: the channel it was before
    /// receives no more.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub(crate) async fn open_anew(&self, config: PluginConfig) -> Result<Retired, Refusal> {
        self.replace(Some(config), true).await
    }

    async fn replace(&self, config: Option<PluginConfig>, anew: bool) -> Result<Retired, Refusal> {
        let mut change = self.change.lock().await;
        let mut config = config.unwrap_or_else(|| change.clone());
        config.name.clone_from(&self.name);
        let mut generation = self.loader.load(&config, self.linked).await?;
        *change = config;
        let load = self.loads() + 1;
        let opening = self.current().map_or(0, |old| old.opening);
        generation.load = load;
        generation.opening = opening + u32::from(anew);
        let old = self.current.swap(Some(Arc::new(generation)));
        self.loads.store(load, Ordering::Relaxed);
        self.gate.forget();
        let retired = match old {
            Some(old) => self.retire(old).await,
            None => Retired::Destroyed,
        };
        self.settled.send_replace(load);
        Ok(retired)
    }

    /// Ends it: no new calls, those under way come back, and it is destroyed. Twice is once.
    pub async fn unload(&self) -> Retired {
        let _change = self.change.lock().await;
        match self.current.swap(None) {
            Some(old) => self.retire(old).await,
            None => Retired::Destroyed,
        }
    }

    async fn retire(&self, old: Arc<Generation>) -> Retired {
        old.retire(&self.name, self.loader.config.limits.stop).await
    }

    /// Switches it off until [`enable`](Self::enable): calls fail at once.
    pub fn disable(&self, why: impl Into<Said>) {
        self.gate.disable(why);
    }

    /// Switches it on again, and forgets its failures.
    pub fn enable(&self) {
        self.gate.enable();
    }

    #[must_use]
    pub fn health(&self) -> PluginHealth {
        let mut health = PluginHealth {
            name: self.name.clone(),
            version: String::new(),
            kinds: Vec::new(),
            process: false,
            health: self.gate.health(),
            loads: self.loads.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
            running: 0,
            waiting: 0,
            stuck: 0,
            nonblocking: None,
        };
        let current = self.current.load();
        let Some(generation) = current.as_ref() else {
            health.health = Health::Stopped {
                why: Said::new("it was unloaded", "它已卸载"),
            };
            return health;
        };
        health.version.clone_from(&generation.manifest.version);
        health.kinds = generation.manifest.kinds.keys().cloned().collect();
        health.stuck = generation.stuck();
        if let Some(calls) = generation.stuck_too_often(&self.loader.config.limits) {
            health.health = Health::Stuck { calls };
        }
        match &generation.backend {
            Backend::Native(native) => {
                (health.running, health.waiting) = native.load();
                health.nonblocking = native.nonblocking();
            }
            Backend::Process(process) => {
                health.process = true;
                if let Some(why) = process.starting() {
                    health.health = Health::Starting { why };
                }
            }
        }
        health
    }
}

impl Generation {
    /// Ends it, in the order that every end has.
    pub(crate) async fn retire(&self, plugin: &str, limit: Duration) -> Retired {
        let channel = self.manifest.offers(Kind::Channel);
        let retired = match &self.backend {
            Backend::Native(native) => native.retire(channel, limit).await,
            Backend::Process(process) => process.retire(channel, limit).await,
        };
        if let Retired::Leaked(left) = retired {
            tracing::warn!(plugin, why = %left.said(), "A plugin's instance was left behind.");
        }
        retired
    }

    fn stuck(&self) -> u32 {
        match &self.backend {
            Backend::Native(native) => native.stuck(),
            Backend::Process(process) => process.stuck(),
        }
    }

    /// A process is ended when calls do not come back; threads cannot be.
    fn stuck_too_often(&self, limits: &Limits) -> Option<u32> {
        let stuck = self.stuck();
        let most = match (&self.backend, self.manifest.serial) {
            (Backend::Process(_), _) => return None,
            (Backend::Native(_), true) => 1,
            (Backend::Native(_), false) => limits.stuck,
        };
        (stuck >= most).then_some(stuck)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
