//! The process: started, bounded, started again when it ends, ended.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(target_os = "linux")]
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tandem_plugin_abi::level;
use tandem_plugin_sdk::wire::Manifest;
use tokio::{
    io::{AsyncRead, BufReader},
    process::{Child, Command},
    sync::Semaphore,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Bounds, Connection},
    line,
};
use crate::{
    Limits, NoServices, PluginError, Refusal, Retired, Said, Services,
    probe::{Group, ended_how, kept_environment},
    services::{Access, readable},
};

/// A plugin's process over its restarts.
pub(crate) struct Process {
    shared: Arc<Shared>,
    calls: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

/// How it is started.
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) config: Value,
    pub(crate) memory_mb: u64,
}

struct Shared {
    start: Start,
    limits: Limits,
    bounds: Bounds,
    access: Arc<Access>,
    current: Mutex<Current>,
    /// No more restarts.
    ending: CancellationToken,
    /// The last process is gone.
    ended: CancellationToken,
}

enum Current {
    Running(Arc<Connection>),
    Waiting { why: Said },
}

struct Running {
    child: Child,
    group: Group,
    connection: Arc<Connection>,
    manifest: Manifest,
}

impl Process {
    /// Starts it and asks it what it is. `agree` says whether the manifest will do, before the
    /// process is given its configuration.
    pub(crate) async fn start(
        start: Start,
        services: Arc<dyn Services>,
        limits: &Limits,
        agree: impl FnOnce(&Manifest) -> Result<u32, Refusal>,
    ) -> Result<(Self, Manifest), Refusal> {
        let shared = Arc::new(Shared::new(start, services, limits));
        let running = shared.launch().await?;
        let manifest = running.manifest.clone();
        let concurrency = agree(&manifest)?;
        shared.create(&running.connection).await?;
        let calls = Semaphore::new(concurrency as usize);
        shared.set(Current::Running(running.connection.clone()));
        tokio::spawn(supervise(shared.clone(), running));
        let process = Self {
            shared,
            calls,
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
        };
        Ok((process, manifest))
    }

    /// Starts it, asks it what it is, and ends it.
    pub(crate) async fn look(start: Start, limits: &Limits) -> Result<Manifest, Refusal> {
        let shared = Arc::new(Shared::new(start, Arc::new(NoServices), limits));
        let running = shared.launch().await?;
        let manifest = running.manifest.clone();
        shared.ending.cancel();
        running.connection.end(Said::new(
            "it was only asked what it is",
            "只是询问它是什么",
        ));
        watch(running, &shared).await;
        Ok(manifest)
    }

    /// One call. A future that is dropped gives it up.
    pub(crate) async fn call(
        &self,
        method: &str,
        request: Vec<u8>,
        limit: Option<Duration>,
    ) -> Result<Value, PluginError> {
        if self.shared.ending.is_cancelled() {
            return Err(PluginError::Stopped);
        }
        let request = String::from_utf8(request)
            .map_err(|why| PluginError::BadInput(why.to_string().into()))?;
        let until = limit.map(|limit| (Instant::now() + limit, limit));
        let beside = matches!(method, "channel.run" | "channel.stop");
        let _place = match beside {
            true => None,
            false => Some(self.place(until).await?),
        };
        let connection = match &*self.shared.current() {
            Current::Running(connection) => connection.clone(),
            Current::Waiting { .. } if self.shared.ending.is_cancelled() => {
                return Err(PluginError::Stopped);
            }
            Current::Waiting { why } => {
                let (why, begun) = (why.clone(), false);
                return Err(PluginError::Died { why, begun });
            }
        };
        match connection.call(method, &request, until).await {
            Err(PluginError::Died { begun: false, .. }) if self.shared.ending.is_cancelled() => {
                Err(PluginError::Stopped)
            }
            result => result,
        }
    }

    async fn place(
        &self,
        until: Option<(Instant, Duration)>,
    ) -> Result<tokio::sync::SemaphorePermit<'_>, PluginError> {
        if let Ok(place) = self.calls.try_acquire() {
            return Ok(place);
        }
        let _waits = Waits::begin(&self.waiting, self.queue)?;
        let place = self.calls.acquire();
        let place = match until {
            Some((at, after)) => tokio::time::timeout_at(at, place).await.map_err(|_| {
                let begun = false;
                PluginError::Timeout { after, begun }
            })?,
            None => place.await,
        };
        place.map_err(|_| PluginError::Stopped)
    }

    /// Why it is not running, when it is not.
    pub(crate) fn starting(&self) -> Option<Said> {
        match &*self.shared.current() {
            Current::Running(_) => None,
            Current::Waiting { why } => Some(why.clone()),
        }
    }

    pub(crate) fn stuck(&self) -> u32 {
        match &*self.shared.current() {
            Current::Running(connection) => u32::try_from(connection.overdue()).unwrap_or(u32::MAX),
            Current::Waiting { .. } => 0,
        }
    }

    /// The end: a channel is stopped, calls come back, the host is closed, `plugin.destroy`, then the
    /// process, by force when it does not go.
    pub(crate) async fn retire(&self, channel: bool, limit: Duration) -> Retired {
        if channel {
            let request = b"{\"params\":{}}".to_vec();
            let _ = self.call("channel.stop", request, Some(limit)).await;
        }
        let connection = match &*self.shared.current() {
            Current::Running(connection) => Some(connection.clone()),
            Current::Waiting { .. } => None,
        };
        self.shared.ending.cancel();
        if let Some(connection) = connection {
            let _ = tokio::time::timeout(limit, connection.drained()).await;
            self.shared.access.close();
            let until = Some((Instant::now() + limit, limit));
            let _ = connection
                .call("plugin.destroy", "{\"params\":{}}", until)
                .await;
            connection.end(unloaded());
        }
        self.shared.ended.cancelled().await;
        Retired::Destroyed
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shared.ending.cancel();
        if let Current::Running(connection) = &*self.shared.current() {
            connection.end(Said::new("it was dropped", "它已被放弃"));
        }
    }
}

impl Shared {
    fn new(start: Start, services: Arc<dyn Services>, limits: &Limits) -> Self {
        Self {
            access: Arc::new(Access::new(&start.name, services, limits)),
            start,
            limits: limits.clone(),
            bounds: Bounds {
                body: limits.body,
                stuck: limits.stuck as usize,
                write: limits.timeout.max(Duration::from_secs(1)),
            },
            current: Mutex::new(Current::Waiting {
                why: Said::new("it is being started", "正在启动"),
            }),
            ending: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, current: Current) {
        *self.current() = current;
    }

    /// Starts the process and asks it for its manifest.
    async fn launch(self: &Arc<Self>) -> Result<Running, Refusal> {
        let failed = |why: Said| Refusal::Process { why };
        let Some((program, arguments)) = self.start.command.split_first() else {
            return Err(failed(Said::new("`command` is empty", "`command` 为空")));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.start.folder)
            .env_clear()
            .envs(kept_environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|why| failed(format!("{program}: {why}").into()))?;
        let group = Group(child.id());
        self.bound(child.id());
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(Said::new(
                "it has no input or output",
                "它没有标准输入或输出",
            )));
        };
        let last = Arc::new(Mutex::new(String::new()));
        let logged = child
            .stderr
            .take()
            .map(|stderr| tokio::spawn(log_lines(stderr, self.access.clone(), last.clone())));
        let stdout = BufReader::with_capacity(64 << 10, stdout);
        let connection = Connection::open(stdin, stdout, self.access.clone(), self.bounds);
        let asked = self.ask(&connection, "plugin.manifest", "{\"params\":{}}");
        let manifest = match asked.await {
            Ok(manifest) => manifest,
            Err(why) => {
                let moment = Duration::from_millis(200);
                let ended = tokio::time::timeout(moment, child.wait()).await;
                // What it wrote may still be on its way; a child of its own may hold the pipe open.
                if let Some(logged) = logged {
                    let _ = tokio::time::timeout(moment, logged).await;
                }
                let last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let how = ended
                    .ok()
                    .and_then(Result::ok)
                    .map(|status| ended_how(status, &last));
                return Err(failed(how.map_or(why.clone(), |how| why.and(&how))));
            }
        };
        let (bytes, most) = (manifest.to_string().len(), self.limits.manifest);
        if bytes > most {
            return Err(Refusal::Manifest {
                why: Said::new(
                    format!("it has {bytes} bytes, and at most {most} are taken"),
                    format!("它有 {bytes} 字节，最多接受 {most} 字节"),
                ),
            });
        }
        let manifest: Manifest = serde_json::from_value(manifest)
            .map_err(|why| Refusal::Manifest { why: why.into() })?;
        manifest.check().map_err(Refusal::Fault)?;
        if manifest.serial {
            connection.be_serial();
        }
        Ok(Running {
            child,
            group,
            connection,
            manifest,
        })
    }

    async fn create(&self, connection: &Arc<Connection>) -> Result<(), Refusal> {
        let request = json!({"params": {"config": self.start.config}}).to_string();
        match self.ask(connection, "plugin.create", &request).await {
            Ok(_) => Ok(()),
            Err(why) => Err(Refusal::Create { why }),
        }
    }

    async fn ask(
        &self,
        connection: &Arc<Connection>,
        method: &str,
        request: &str,
    ) -> Result<Value, Said> {
        let limit = self.limits.load;
        let until = Some((Instant::now() + limit, limit));
        connection
            .call(method, request, until)
            .await
            .map_err(|error| {
                let Said { en, zh } = error.said();
                Said::new(format!("`{method}`: {en}"), format!("`{method}`：{zh}"))
            })
    }

    /// Limits of the system on the process and all it starts.
    #[cfg(target_os = "linux")]
    fn bound(&self, child: Option<u32>) {
        let number = child.and_then(|number| i32::try_from(number).ok());
        let Some(child) = number.and_then(Pid::from_raw) else {
            return;
        };
        let bytes = self.start.memory_mb.saturating_mul(1 << 20);
        for (resource, most) in [(Resource::As, bytes), (Resource::Core, 0)] {
            let limit = Rlimit {
                current: Some(most),
                maximum: Some(most),
            };
            if let Err(error) = prlimit(Some(child), resource, limit) {
                let plugin = self.start.name.as_str();
                tracing::warn!(plugin, %error, "A limit could not be set on a plugin's process.");
            }
        }
    }

    /// Only Linux sets limits on another process.
    #[cfg(not(target_os = "linux"))]
    fn bound(&self, _child: Option<u32>) {
        let (plugin, megabytes) = (self.start.name.as_str(), self.start.memory_mb);
        tracing::warn!(
            plugin,
            megabytes,
            "The memory of a plugin's process is not bounded here."
        );
    }
}

/// Waits for the process to end and starts it again, until it is meant to end.
async fn supervise(shared: Arc<Shared>, first: Running) {
    let plugin = shared.start.name.clone();
    let mut running = Some(first);
    let mut pause = shared.limits.restart;
    loop {
        if let Some(now) = running.take() {
            let expected = now.manifest.clone();
            let began = Instant::now();
            let why = watch(now, &shared).await;
            if shared.ending.is_cancelled() {
                break;
            }
            tracing::warn!(
                plugin,
                %why,
                "A plugin's process ended; it is started again."
            );
            shared.set(Current::Waiting { why });
            if began.elapsed() >= shared.limits.pause_max {
                pause = shared.limits.restart;
            }
            running = again(&shared, &expected, &mut pause).await;
        }
        if running.is_none() {
            break;
        }
    }
    shared.set(Current::Waiting { why: unloaded() });
    shared.ended.cancel();
}

/// Tries until it runs again; `None` when it is meant to end.
async fn again(shared: &Arc<Shared>, expected: &Manifest, pause: &mut Duration) -> Option<Running> {
    loop {
        tokio::select! {
            () = shared.ending.cancelled() => return None,
            () = tokio::time::sleep(*pause) => {}
        }
        *pause = pause.saturating_mul(2).min(shared.limits.pause_max);
        let tried = tokio::select! {
            () = shared.ending.cancelled() => return None,
            tried = restart(shared, expected) => tried,
        };
        match tried {
            Ok(running) => {
                shared.set(Current::Running(running.connection.clone()));
                return Some(running);
            }
            Err(refusal) => {
                let (plugin, why) = (shared.start.name.as_str(), refusal.said());
                tracing::warn!(
                    plugin,
                    %why,
                    "A plugin's process could not be started again."
                );
                shared.set(Current::Waiting { why });
            }
        }
    }
}

async fn restart(shared: &Arc<Shared>, expected: &Manifest) -> Result<Running, Refusal> {
    let running = shared.launch().await?;
    if running.manifest != *expected {
        let why = Said::new("its manifest changed", "它的清单变了");
        running.connection.end(why);
        return Err(Refusal::Process {
            why: Said::new(
                "its manifest is not what it was: reload the plugin",
                "它的清单与之前不同：请重新加载插件",
            ),
        });
    }
    if let Err(refusal) = shared.create(&running.connection).await {
        let why = Said::new("it did not begin", "它未能启动");
        running.connection.end(why);
        return Err(refusal);
    }
    Ok(running)
}

/// Waits until the process or the talk with it ends, and sees to it that both have. Says why.
async fn watch(running: Running, shared: &Shared) -> Said {
    let Running {
        mut child,
        group,
        connection,
        ..
    } = running;
    let status = tokio::select! {
        status = child.wait() => status.ok(),
        () = connection.over.cancelled() => {
            // With its input closed it goes by itself, or is made to.
            let going = tokio::time::timeout(patience(shared), child.wait()).await;
            going.ok().and_then(Result::ok)
        }
    };
    drop(group);
    if status.is_none() {
        let _ = child.kill().await;
    }
    let how = match status {
        Some(status) => ended_how(status, ""),
        None => Said::new("it was killed", "它已被强制结束"),
    };
    connection.end(how.clone());
    match connection.why() {
        Some(why) if why != how => why.and(&how),
        _ => how,
    }
}

fn unloaded() -> Said {
    Said::new("it was unloaded", "它已卸载")
}

/// A process that broke the rules is not waited for.
fn patience(shared: &Shared) -> Duration {
    match shared.ending.is_cancelled() {
        true => shared.limits.stop,
        false => Duration::ZERO,
    }
}

/// Writes to the log what it says on stderr, and keeps its last words.
async fn log_lines(stderr: impl AsyncRead + Unpin, access: Arc<Access>, last: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr);
    loop {
        match line::next(&mut lines, 64 << 10).await {
            Ok(Some(line)) => {
                access.write_log(level::LOG_WARN, &line);
                let line = readable(&line);
                if !line.trim().is_empty() {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            }
            Ok(None) => return,
            // A line without an end: what comes after it is passed over, so that nothing waits.
            Err(_) => {
                let _ = tokio::io::copy(&mut lines, &mut tokio::io::sink()).await;
                return;
            }
        }
    }
}

/// One who waits for a place among the calls.
struct Waits<'c>(&'c AtomicUsize);

impl<'c> Waits<'c> {
    fn begin(waiting: &'c AtomicUsize, most: usize) -> Result<Self, PluginError> {
        if waiting.fetch_add(1, Ordering::Relaxed) >= most {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(PluginError::Busy);
        }
        Ok(Self(waiting))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
