//! A plugin in the process: an instance, and threads to call it on.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tandem_plugin_abi::{
    code,
    services::HostHandle,
    table::{Answer, BodyError, Instance, Table},
};
use tandem_plugin_sdk::{
    Error,
    wire::{Manifest, read},
};
use tokio::sync::oneshot;

use crate::{
    Left, Limits, PluginError, Refusal, Retired, Said, Services,
    error::{ANSWER, REQUEST},
    promise::{Nonblocking, Promise, watched},
    services::{Access, NativeAccess},
    threads::{NotTaken, Threads, apart},
};

pub(crate) struct Native {
    name: String,
    /// Taken by the end. Threads take their share of it when they begin, so that nobody holds one
    /// once they are drained.
    instance: Arc<Mutex<Option<Arc<Instance>>>>,
    host: Arc<HostHandle>,
    /// Calls.
    threads: Threads,
    /// `channel.run` and `channel.stop` come beside everything else, each with a thread of its own:
    /// one that was given up on has to come back before there is another.
    run: Threads,
    stop: Threads,
    body: usize,
    /// Not to block; a serial plugin has none, since its one thread is what keeps calls apart.
    promise: Option<Arc<Promise>>,
}

impl Native {
    /// Makes an instance, on a thread that is left behind when it does not come back.
    pub(crate) async fn create(
        name: &str,
        table: Table,
        manifest: &Manifest,
        concurrency: u32,
        config: &Value,
        services: Arc<dyn Services>,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let access = Arc::new(Access::new(name, services, limits));
        let host = Arc::new(HostHandle::open(Arc::new(NativeAccess(access))));
        let (given, config, body) = (host.clone(), config.to_string(), limits.body);
        let create = move || {
            table
                .create(given.api(), config.as_bytes())
                .map_err(|answer| refused(&answer, body))
        };
        let Some(created) = apart(name, limits.load, create).await else {
            host.close();
            let ms = limits.load.as_millis();
            let why = Said::new(
                format!("`create` did not return within {ms} ms"),
                format!("`create` 在 {ms} 毫秒内没有返回"),
            );
            return Err(Refusal::Create { why });
        };
        Ok(Self {
            name: name.to_owned(),
            instance: Arc::new(Mutex::new(Some(Arc::new(created?)))),
            host,
            threads: Threads::new(name, concurrency, manifest.serial, limits.queue),
            run: Threads::new(name, 1, true, 1),
            stop: Threads::new(name, 1, true, 1),
            body: limits.body,
            promise: (manifest.nonblocking && !manifest.serial)
                .then(|| Arc::new(Promise::new(limits.short))),
        })
    }

    /// One call. A future that is dropped gives it up.
    pub(crate) async fn call(
        &self,
        method: &str,
        request: Vec<u8>,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        if !matches!(method, "channel.run" | "channel.stop")
            && let Some(result) = self.call_here(method, &request)
        {
            // Nothing was waited for: whoever calls in a loop lets others have their turn.
            tokio::task::consume_budget().await;
            return result;
        }
        let (tell, told) = oneshot::channel();
        // Receiving is no short call, and nobody promised that it is.
        let promise = match method {
            "channel.run" | "channel.stop" => None,
            _ => self.promise.clone(),
        };
        let (instance, name, most) = (self.instance.clone(), method.to_owned(), self.body);
        let run = move || {
            let shared = lock(&instance).clone();
            let result = match &shared {
                Some(instance) => {
                    let call = || decode(&instance.call(&name, &request), &name, most);
                    let (result, seen) = watched(false, call);
                    if let Some(promise) = promise {
                        promise.called(seen);
                    }
                    result
                }
                None => Err(PluginError::Stopped),
            };
            drop(shared);
            let _ = tell.send(result);
        };
        let threads = match method {
            "channel.run" => &self.run,
            "channel.stop" => &self.stop,
            _ => &self.threads,
        };
        let ticket = threads.submit(run).map_err(|not_taken| match not_taken {
            NotTaken::Busy => PluginError::Busy,
            NotTaken::Closed => PluginError::Stopped,
        })?;
        let ended = match limit {
            Some(limit) => tokio::time::timeout(limit, told).await.ok(),
            None => Some(told.await),
        };
        match (ended, limit) {
            (Some(Ok(result)), _) => {
                ticket.came_back();
                result
            }
            (Some(Err(_)), _) => Err(PluginError::Broken(Said::new(
                "its thread ended",
                "它的线程已结束",
            ))),
            (None, after) => Err(PluginError::Timeout {
                after: after.unwrap_or_default(),
                begun: ticket.give_up(),
            }),
        }
    }

    /// On the caller's own task, where the plugin keeps its promise and there is a place.
    fn call_here(&self, method: &str, request: &[u8]) -> Option<Result<Value, PluginError>> {
        let promise = self.promise.as_ref().filter(|promise| promise.holds())?;
        // Given back after the share of the instance, so that whoever drains finds nobody with one.
        let _place = match self.threads.enter() {
            Ok(place) => place?,
            Err(_) => return Some(Err(PluginError::Stopped)),
        };
        let instance = lock(&self.instance).clone()?;
        let call = || decode(&instance.call(method, request), method, self.body);
        let (result, seen) = watched(true, call);
        promise.called(seen);
        Some(result)
    }

    /// What became of the promise not to block; `None` where none was given.
    pub(crate) fn nonblocking(&self) -> Option<Nonblocking> {
        Some(self.promise.as_ref()?.health())
    }

    /// Calls that were given up on and have not come back.
    pub(crate) fn stuck(&self) -> u32 {
        self.threads.stuck()
    }

    /// Calls under way, and waiting.
    pub(crate) fn load(&self) -> (usize, usize) {
        self.threads.load()
    }

    /// The end, in the order that loses nothing: no new calls, those under way come back, the host
    /// is closed, the instance is destroyed. What does not come back in time is leaked.
    pub(crate) async fn retire(&self, channel: bool, limit: Duration) -> Retired {
        if channel {
            let request = b"{\"params\": {}}".to_vec();
            if let Err(error) = self.call("channel.stop", request, Some(limit)).await {
                tracing::warn!(plugin = self.name, %error, "A channel could not be stopped.");
            }
        }
        let all = [&self.threads, &self.run, &self.stop];
        for threads in all {
            threads.close();
        }
        let drained = tokio::time::timeout(limit, async {
            for threads in all {
                threads.drained().await;
            }
        })
        .await
        .is_ok();
        self.host.close();
        let instance = lock(&self.instance).take();
        let alone = instance.and_then(Arc::into_inner);
        match alone {
            Some(instance) if drained => {
                match apart(&self.name, limit, move || instance.destroy()).await {
                    Some(()) => Retired::Destroyed,
                    None => Retired::Leaked(Left::Destroy),
                }
            }
            _ => Retired::Leaked(Left::Call),
        }
    }
}

fn lock(
    instance: &Mutex<Option<Arc<Instance>>>,
) -> std::sync::MutexGuard<'_, Option<Arc<Instance>>> {
    instance.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `create` says against it.
fn refused(answer: &Answer, most: usize) -> Refusal {
    let why = match error(answer, most) {
        Some(error) => error
            .to_string()
            .chars()
            .take(1000)
            .collect::<String>()
            .into(),
        None => Said::new(
            format!("`create` answers with the code {}", answer.code()),
            format!("`create` 返回代码 {}", answer.code()),
        ),
    };
    Refusal::Create { why }
}

fn error(answer: &Answer, most: usize) -> Option<Error> {
    read(answer.body(most).ok()?).ok()
}

/// What a call gave, on the thread it was made on.
pub fn decode(answer: &Answer, method: &str, most: usize) -> Result<Value, PluginError> {
    let words = || {
        error(answer, most)
            .map(|error| error.message)
            .unwrap_or_default()
    };
    match answer.code() {
        code::OK => match answer.body(most) {
            Ok([]) => Ok(Value::Null),
            Ok(body) => read(body).map_err(|why| PluginError::Broken(why.into())),
            Err(BodyError::TooLarge { most, .. }) => {
                Err(PluginError::TooLarge { what: ANSWER, most })
            }
            Err(error) => Err(PluginError::Broken(error.into())),
        },
        code::ERROR => Err(match answer.body(most).map(read::<Error>) {
            Ok(Ok(error)) => PluginError::Failed(error),
            Ok(Err(why)) => {
                let Said { en, zh } = why.into();
                PluginError::Broken(Said::new(
                    format!("an error that cannot be read: {en}"),
                    format!("错误的内容无法读取：{zh}"),
                ))
            }
            Err(error) => PluginError::Broken(error.into()),
        }),
        code::PANICKED => Err(PluginError::Panicked(words())),
        code::UNKNOWN_METHOD => Err(PluginError::UnknownMethod(method.to_owned())),
        code::BAD_INPUT => Err(PluginError::BadInput(words().into())),
        code::GONE => Err(PluginError::Failed(Error::new("gone", words()))),
        code::TOO_LARGE => Err(PluginError::TooLarge {
            what: REQUEST,
            most,
        }),
        code::BUSY => Err(PluginError::Busy),
        other => Err(PluginError::Broken(Said::new(
            format!("the code {other}, which is none"),
            format!("代码 {other} 不存在"),
        ))),
    }
}
