//! What plugins may ask of the server, bounded: a plugin's thread never waits for ever, and a plugin
//! cannot fill the log.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_plugin_abi::{code, level, services};
use tandem_plugin_sdk::{Error, wire::read};
use tokio::runtime::Handle;

use crate::{Limits, promise::may_wait};

/// What stands behind all plugins. The server implements it: `kv.get`, `kv.put`. What
/// accounts of channels hand in and ask for is answered before.
#[async_trait]
pub trait Services: Send + Sync + 'static {
    /// A plugin, by its configured name, asks for something. May be dropped when it takes too long.
    async fn call(&self, plugin: &str, method: &str, params: Value) -> Result<Value, ServiceError>;
}

/// Why a plugin does not get what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceError {
    UnknownMethod,
    /// Asking again cannot help.
    BadInput(String),
    /// Asking again later may help.
    Busy,
    TooLarge(String),
    Failed(Error),
    /// The plugin has ended.
    Gone,
}

impl ServiceError {
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::UnknownMethod => code::UNKNOWN_METHOD,
            Self::BadInput(_) => code::BAD_INPUT,
            Self::Busy => code::BUSY,
            Self::TooLarge(_) => code::TOO_LARGE,
            Self::Failed(_) => code::ERROR,
            Self::Gone => code::GONE,
        }
    }

    pub(crate) fn error(self) -> Error {
        match self {
            Self::UnknownMethod => Error::new("unknown_method", "the host has no such method"),
            Self::BadInput(why) => Error::new("bad_input", why),
            Self::Busy => Error::new("busy", "the host is busy"),
            Self::TooLarge(why) => Error::new("too_large", why),
            Self::Failed(error) => error,
            Self::Gone => Error::new("gone", "this plugin has ended"),
        }
    }
}

/// Nothing at all: for plugins that ask for nothing, and to look at one.
#[derive(Clone, Copy, Debug)]
pub struct NoServices;

#[async_trait]
impl Services for NoServices {
    async fn call(&self, _: &str, _: &str, _: Value) -> Result<Value, ServiceError> {
        Err(ServiceError::UnknownMethod)
    }
}

/// Requests of one plugin that the host works on at once; more are answered as busy.
const AT_ONCE: u32 = 64;
/// Lines of the log a plugin may write in a second; the others are counted.
const LINES_A_SECOND: u32 = 200;
/// Bytes of one line.
const LINE_MAX: usize = 8 << 10;

/// The services as one plugin sees them.
pub(crate) struct Access {
    plugin: String,
    services: Arc<dyn Services>,
    runtime: Handle,
    limit: Duration,
    body: usize,
    open: Arc<AtomicU32>,
    gone: AtomicBool,
    log: LogBudget,
}

impl Access {
    /// Has to be called within a runtime: that is where what plugins ask for is done.
    pub(crate) fn new(plugin: &str, services: Arc<dyn Services>, limits: &Limits) -> Self {
        Self {
            plugin: plugin.to_owned(),
            services,
            runtime: Handle::current(),
            limit: limits.service,
            body: limits.body,
            open: Arc::default(),
            gone: AtomicBool::new(false),
            log: LogBudget::default(),
        }
    }

    /// From now on it is told that it has ended. In the process the handle does the same.
    pub(crate) fn close(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// A place among the requests that are worked on at once.
    pub(crate) fn place(&self) -> Result<Place, ServiceError> {
        Place::take(&self.open)
    }

    /// What a plugin asks for, holding a place until it is answered.
    pub(crate) async fn ask_in(
        &self,
        _place: Place,
        method: &str,
        params: Value,
    ) -> Result<Value, ServiceError> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(ServiceError::Gone);
        }
        let answer = self.services.call(&self.plugin, method, params);
        match tokio::time::timeout(self.limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(ServiceError::Busy),
        }
    }

    pub(crate) fn write_log(&self, level: u32, message: &[u8]) {
        if self.gone.load(Ordering::Relaxed) || !self.log.take(&self.plugin) {
            return;
        }
        let message = readable(message);
        let plugin = self.plugin.as_str();
        match level {
            level::LOG_ERROR => tracing::error!(plugin, "{message}"),
            level::LOG_WARN => tracing::warn!(plugin, "{message}"),
            level::LOG_INFO => tracing::info!(plugin, "{message}"),
            level::LOG_DEBUG => tracing::debug!(plugin, "{message}"),
            _ => tracing::trace!(plugin, "{message}"),
        }
    }
}

/// What may stand in a log: no control characters, no more than a line's worth.
pub(crate) fn readable(message: &[u8]) -> String {
    let cut = &message[..message.len().min(LINE_MAX)];
    let text = String::from_utf8_lossy(cut);
    text.trim_end()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The same over the C ABI: called on a plugin's thread, which waits.
pub(crate) struct NativeAccess(pub(crate) Arc<Access>);

impl services::Services for NativeAccess {
    fn log(&self, level: u32, message: &[u8]) {
        self.0.write_log(level, message);
    }

    fn call(&self, method: &[u8], params: &[u8]) -> (i32, Vec<u8>) {
        match self.wait_for(method, params) {
            Ok(value) => match serde_json::to_vec(&value) {
                Ok(body) => (code::OK, body),
                Err(_) => (code::ERROR, Vec::new()),
            },
            Err(error) => {
                let code = error.code();
                (code, serde_json::to_vec(&error.error()).unwrap_or_default())
            }
        }
    }
}

impl NativeAccess {
    fn wait_for(&self, method: &[u8], params: &[u8]) -> Result<Value, ServiceError> {
        if params.len() > self.0.body {
            let most = self.0.body;
            return Err(ServiceError::TooLarge(format!("at most {most} bytes")));
        }
        let Ok(method) = std::str::from_utf8(method) else {
            return Err(ServiceError::UnknownMethod);
        };
        let params: Value = if params.is_empty() {
            json!({})
        } else {
            read(params).map_err(|why| ServiceError::BadInput(why.to_string()))?
        };
        // On a thread of the runtime the answer could not even be worked on.
        if !may_wait() {
            let why = "a plugin that promises not to block may not ask during a call";
            return Err(ServiceError::Failed(Error::new("nonblocking", why)));
        }
        let place = self.0.place()?;
        let (tell, told) = mpsc::sync_channel(1);
        let (access, method) = (self.0.clone(), method.to_owned());
        let limit = access.limit;
        self.0.runtime.spawn(async move {
            let _ = tell.send(access.ask_in(place, &method, params).await);
        });
        // A little longer than the answer may take; it ends early when the runtime does.
        match told.recv_timeout(limit + Duration::from_secs(1)) {
            Ok(answer) => answer,
            Err(_) => Err(ServiceError::Busy),
        }
    }
}

/// One of [`AT_ONCE`] places.
pub(crate) struct Place(Arc<AtomicU32>);

impl Place {
    fn take(open: &Arc<AtomicU32>) -> Result<Self, ServiceError> {
        if open.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            open.fetch_sub(1, Ordering::Relaxed);
            return Err(ServiceError::Busy);
        }
        Ok(Self(open.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lines a plugin may still write in this second.
#[derive(Default)]
struct LogBudget(Mutex<Option<Second>>);

struct Second {
    began: Instant,
    written: u32,
    dropped: u64,
}

impl LogBudget {
    fn take(&self, plugin: &str) -> bool {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let second = second.get_or_insert(Second {
            began: now,
            written: 0,
            dropped: 0,
        });
        if now.duration_since(second.began) >= Duration::from_secs(1) {
            if second.dropped > 0 {
                let dropped = second.dropped;
                tracing::warn!(
                    plugin,
                    dropped,
                    "A plugin wrote too many lines; some were dropped."
                );
            }
            *second = Second {
                began: now,
                written: 0,
                dropped: 0,
            };
        }
        if second.written >= LINES_A_SECOND {
            second.dropped += 1;
            return false;
        }
        second.written += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use tandem_plugin_abi::services::Services as _;

    use super::*;

    struct Echo;

    #[async_trait]
    impl Services for Echo {
        async fn call(
            &self,
            plugin: &str,
            method: &str,
            params: Value,
        ) -> Result<Value, ServiceError> {
            match method {
                "echo" => Ok(json!([plugin, params])),
                "never" => std::future::pending().await,
                "fail" => Err(ServiceError::Failed(Error::new("full", "no room"))),
                _ => Err(ServiceError::UnknownMethod),
            }
        }
    }

    fn access(services: impl Services) -> NativeAccess {
        let limits = Limits {
            service: Duration::from_millis(20),
            body: 100,
            ..Limits::default()
        };
        NativeAccess(Arc::new(Access::new("parcel", Arc::new(services), &limits)))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_plugins_thread_gets_its_answer_or_a_code() {
        let access = access(Echo);
        let asked = std::thread::spawn(move || {
            let ask = |method: &[u8], params: &[u8]| {
                let (code, body) = access.call(method, params);
                (code, String::from_utf8(body).unwrap())
            };
            assert_eq!(ask(b"echo", b"{}"), (code::OK, r#"["parcel",{}]"#.into()));
            assert_eq!(ask(b"echo", b"{\"a\": \"\xff\"}").0, code::BAD_INPUT);
            assert_eq!(ask(b"echo", &[b' '; 101]).0, code::TOO_LARGE);
            assert_eq!(ask(b"\xff", b"").0, code::UNKNOWN_METHOD);
            assert_eq!(ask(b"never", b"").0, code::BUSY);
            let (failed, body) = ask(b"fail", b"");
            assert_eq!(failed, code::ERROR);
            assert!(body.contains("no room"));
            access.0.close();
            assert_eq!(ask(b"echo", b"{}").0, code::GONE);
        });
        tokio::task::spawn_blocking(|| asked.join())
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn places_are_bounded_and_given_back() {
        let open = Arc::new(AtomicU32::new(0));
        let places: Vec<_> = (0..AT_ONCE).map(|_| Place::take(&open).unwrap()).collect();
        assert!(Place::take(&open).is_err());
        drop(places);
        assert!(Place::take(&open).is_ok());
    }

    #[test]
    fn a_line_of_the_log_is_one_line() {
        assert_eq!(readable(b"one\x1b[2J\ntwo\xff\n"), "one [2J two\u{fffd}");
        assert_eq!(readable(&vec![b'a'; 99_999]).len(), LINE_MAX);
        let budget = LogBudget::default();
        let taken = (0..1000).filter(|_| budget.take("p")).count();
        assert!((LINES_A_SECOND as usize..1000).contains(&taken));
    }
}
