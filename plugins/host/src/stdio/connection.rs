//! The talk with one process, from its first line to its last.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tandem_plugin_abi::level;
use tandem_plugin_sdk::Error;
use tokio::{
    io::{AsyncBufRead, AsyncWrite, AsyncWriteExt},
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::line::{self, Message};
use crate::{
    PluginError, Said,
    error::REQUEST,
    services::{Access, ServiceError},
};

/// Lines on their way to the process.
const LINES: usize = 64;

pub(crate) struct Connection {
    to_child: mpsc::Sender<String>,
    calls: Mutex<Calls>,
    next: AtomicU64,
    idle: Notify,
    /// Calls given up on before the process is ended.
    stuck: AtomicUsize,
    /// Set when the talk is over; the supervisor then ends the process.
    pub(crate) over: CancellationToken,
    bounds: Bounds,
}

/// What the process is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of a line.
    pub(crate) body: usize,
    /// Calls given up on before the process is ended; one for a serial plugin.
    pub(crate) stuck: usize,
    /// How long it may leave a line unread.
    pub(crate) write: Duration,
}

#[derive(Default)]
struct Calls {
    open: HashMap<u64, oneshot::Sender<Result<Value, PluginError>>>,
    /// Given up on; the answer may still come.
    overdue: HashSet<u64>,
    /// The same of a channel that still receives, which may take for ever.
    receiving: HashSet<u64>,
    /// Why the talk is over.
    over: Option<Said>,
}

impl Connection {
    /// Starts the tasks that write and read. They end with the talk.
    pub(crate) fn open(
        stdin: impl AsyncWrite + Unpin + Send + 'static,
        stdout: impl AsyncBufRead + Unpin + Send + 'static,
        access: Arc<Access>,
        bounds: Bounds,
    ) -> Arc<Self> {
        let (to_child, lines) = mpsc::channel(LINES);
        let connection = Arc::new(Self {
            to_child,
            calls: Mutex::default(),
            next: AtomicU64::new(1),
            idle: Notify::new(),
            stuck: AtomicUsize::new(bounds.stuck),
            over: CancellationToken::new(),
            bounds,
        });
        tokio::spawn(write(stdin, lines, connection.clone()));
        tokio::spawn(read(stdout, access, connection.clone()));
        connection
    }

    /// One call. A future that is dropped gives it up. `request` is an object, as compact JSON.
    pub(crate) async fn call(
        self: &Arc<Self>,
        method: &str,
        request: &str,
        until: Option<(Instant, Duration)>,
    ) -> Result<Value, PluginError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let fields = request.strip_prefix('{').unwrap_or("}");
        let comma = if fields == "}" { "" } else { "," };
        let line = format!(
            "{{\"id\":{id},\"method\":{}{comma}{fields}\n",
            json!(method)
        );
        if line.len() > self.bounds.body {
            let most = self.bounds.body;
            return Err(PluginError::TooLarge {
                what: REQUEST,
                most,
            });
        }
        let (tell, told) = oneshot::channel();
        {
            let mut calls = self.calls();
            if let Some(why) = &calls.over {
                let (why, begun) = (why.clone(), false);
                return Err(PluginError::Died { why, begun });
            }
            calls.open.insert(id, tell);
        }
        // Dropped before the line is on its way, the call was never made; later it is overdue.
        let mut open = Open {
            connection: self,
            id,
            begun: false,
            receives: method == "channel.run",
        };
        let over = |after: Duration, begun| PluginError::Timeout { after, begun };
        let sent = self.to_child.send(line);
        let sent = match until {
            Some((at, after)) => match tokio::time::timeout_at(at, sent).await {
                Ok(sent) => sent,
                Err(_) => return Err(over(after, false)),
            },
            None => sent.await,
        };
        open.begun = sent.is_ok();
        let answer = match until {
            Some((at, after)) => match tokio::time::timeout_at(at, told).await {
                Ok(answer) => answer,
                Err(_) => return Err(over(after, true)),
            },
            None => told.await,
        };
        answer.unwrap_or_else(|_| {
            Err(PluginError::Died {
                why: Said::new("the talk with it is over", "与它的通信已结束"),
                begun: open.begun,
            })
        })
    }

    /// Nothing may run beside a call, not even beside one that was given up on.
    pub(crate) fn be_serial(&self) {
        self.stuck.store(1, Ordering::Relaxed);
    }

    /// Calls that were given up on and have not come back.
    pub(crate) fn overdue(&self) -> usize {
        self.calls().overdue.len()
    }

    /// Returns once no call is open, or the talk is over.
    pub(crate) async fn drained(&self) {
        loop {
            let mut told = pin!(self.idle.notified());
            told.as_mut().enable();
            {
                if self.calls().is_idle() {
                    return;
                }
            }
            told.await;
        }
    }

    /// Ends the talk. The first reason counts.
    pub(crate) fn end(&self, why: Said) {
        let open = {
            let mut calls = self.calls();
            if calls.over.is_none() {
                calls.over = Some(why.clone());
            }
            calls.overdue.clear();
            calls.receiving.clear();
            std::mem::take(&mut calls.open)
        };
        for (_, tell) in open {
            let _ = tell.send(Err(PluginError::Died {
                why: why.clone(),
                begun: true,
            }));
        }
        self.idle.notify_waiters();
        self.over.cancel();
    }

    /// Why the talk is over.
    pub(crate) fn why(&self) -> Option<Said> {
        self.calls().over.clone()
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, id: u64, result: Result<Value, Error>) -> Result<(), Said> {
        let tell = {
            let mut calls = self.calls();
            let tell = calls.open.remove(&id);
            let known = tell.is_some() || calls.overdue.remove(&id) || calls.receiving.remove(&id);
            if !known {
                return Err(Said::new(
                    format!("it answers the call {id}, which nobody made"),
                    format!("它回复了无人发出的调用 {id}"),
                ));
            }
            if calls.is_idle() {
                self.idle.notify_waiters();
            }
            tell
        };
        if let Some(tell) = tell {
            let _ = tell.send(result.map_err(|error| typed(error, self.bounds.body)));
        }
        Ok(())
    }

    fn give_up(&self, call: &Open<'_>) {
        let stuck = {
            let mut calls = self.calls();
            if calls.open.remove(&call.id).is_none() {
                return;
            }
            match (call.begun, call.receives) {
                (true, true) => {
                    calls.receiving.insert(call.id);
                }
                (true, false) => {
                    calls.overdue.insert(call.id);
                }
                (false, _) => {}
            }
            if calls.is_idle() {
                self.idle.notify_waiters();
            }
            calls.overdue.len()
        };
        if stuck >= self.stuck.load(Ordering::Relaxed) {
            self.end(Said::new(
                format!("calls have not come back: {stuck}"),
                format!("有 {stuck} 次调用没有返回"),
            ));
        }
    }
}

impl Calls {
    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.overdue.is_empty() && self.receiving.is_empty()
    }
}

/// A call that somebody waits for.
struct Open<'c> {
    connection: &'c Connection,
    id: u64,
    begun: bool,
    receives: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.connection.give_up(self);
    }
}

/// Some codes are the ABI's own, spelt out.
fn typed(error: Error, most: usize) -> PluginError {
    match error.code.as_str() {
        "panicked" => PluginError::Panicked(error.message),
        "unknown_method" => PluginError::UnknownMethod(error.message),
        "bad_input" => PluginError::BadInput(error.message.into()),
        "too_large" => PluginError::TooLarge {
            what: REQUEST,
            most,
        },
        "busy" => PluginError::Busy,
        _ => PluginError::Failed(error),
    }
}

async fn write(
    mut stdin: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<String>,
    connection: Arc<Connection>,
) {
    let over = connection.over.clone();
    loop {
        let line = tokio::select! {
            () = over.cancelled() => return,
            line = lines.recv() => line,
        };
        let Some(line) = line else { return };
        let written = async {
            stdin.write_all(line.as_bytes()).await?;
            stdin.flush().await
        };
        match tokio::time::timeout(connection.bounds.write, written).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                return connection.end(Said::new(
                    format!("its input is closed: {why}"),
                    format!("它的输入已关闭：{why}"),
                ));
            }
            Err(_) => {
                let why = Said::new("it does not read its input", "它不读取输入");
                return connection.end(why);
            }
        }
    }
}

async fn read(
    mut stdout: impl AsyncBufRead + Unpin,
    access: Arc<Access>,
    connection: Arc<Connection>,
) {
    let over = connection.over.clone();
    let why = loop {
        let line = tokio::select! {
            () = over.cancelled() => return,
            line = line::next(&mut stdout, connection.bounds.body) => line,
        };
        let message = match line {
            Ok(Some(line)) => line::parse(&line).map_err(|Said { en, zh }| {
                let begins = crate::services::readable(&line[..line.len().min(60)]);
                Said::new(
                    format!("a line of its output is no message ({en}): {begins}"),
                    format!("它输出的一行不是消息（{zh}）：{begins}"),
                )
            }),
            Ok(None) => break Said::new("its output ended", "它的输出已结束"),
            Err(why) => break why,
        };
        match message {
            Ok(Message::Answers { id, result }) => {
                if let Err(why) = connection.answered(id, result) {
                    break why;
                }
            }
            Ok(Message::Asks { id, method, params }) => {
                asked(id, method, params, &access, &connection);
            }
            Err(why) => break why,
        }
    };
    connection.end(why);
}

/// The process asks for something; the answer goes out when it is there.
fn asked(
    id: Option<Value>,
    method: String,
    params: Value,
    access: &Arc<Access>,
    connection: &Arc<Connection>,
) {
    #[derive(Deserialize)]
    struct Log {
        #[serde(default)]
        level: String,
        message: String,
    }
    if method == "log" {
        if let Ok(Log { level, message }) = serde_json::from_value(params) {
            let level = match level.as_str() {
                "error" => level::LOG_ERROR,
                "warn" => level::LOG_WARN,
                "debug" => level::LOG_DEBUG,
                "trace" => level::LOG_TRACE,
                _ => level::LOG_INFO,
            };
            access.write_log(level, message.as_bytes());
        }
        return;
    }
    let (access, connection) = (access.clone(), connection.clone());
    let Ok(place) = access.place() else {
        // Not even an answer is queued for somebody who asks faster than it can be told so.
        let busy = ServiceError::Busy.error();
        let _ = connection.to_child.try_send(answer(id.as_ref(), Err(busy)));
        return;
    };
    tokio::spawn(async move {
        let result = access.ask_in(place, &method, params).await;
        let line = answer(id.as_ref(), result.map_err(ServiceError::error));
        tokio::select! {
            () = connection.over.cancelled() => {}
            _ = connection.to_child.send(line) => {}
        }
    });
}

fn answer(id: Option<&Value>, result: Result<Value, Error>) -> String {
    let body = match result {
        Ok(result) => json!({"id": id, "result": result}),
        Err(error) => json!({"id": id, "error": error}),
    };
    format!("{body}\n")
}
