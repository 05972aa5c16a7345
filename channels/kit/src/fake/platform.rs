//! A far platform over HTTP: it answers as it is told and remembers every call.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify};

use crate::Stop;

/// Longest body it takes.
const LONGEST: usize = 64 << 20;
/// How long a test waits for calls that should come.
const PATIENCE: Duration = Duration::from_secs(20);

/// One call that was made.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    /// As it was written, without the question mark.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default()
    }
}

/// What a call is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    /// The call is taken and never answered.
    Hang,
    /// The call is taken and the connection closed without an answer.
    Cut,
}

impl Reply {
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string())
    }

    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", body.to_owned())
    }

    #[must_use]
    pub fn bytes(status: u16, mime: &str, body: impl Into<Bytes>) -> Self {
        Self::Answer {
            status,
            headers: vec![(header::CONTENT_TYPE.to_string(), mime.to_owned())],
            body: body.into(),
        }
    }

    /// With one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Handler = Arc<dyn Fn(&Call) -> BoxFuture<'static, Reply> + Send + Sync>;

#[derive(Default)]
struct Told {
    calls: Vec<Call>,
    /// Answers for one call each, before everything else.
    next: Vec<(String, VecDeque<Reply>)>,
    /// Newest last.
    handlers: Vec<(String, Handler)>,
}

/// Listens on a port of its own until it is dropped.
pub struct FarPlatform {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
    called: Arc<Notify>,
    stop: Stop,
}

impl fmt::Debug for FarPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FarPlatform").field(&self.address).finish()
    }
}

impl FarPlatform {
    /// Begins to listen.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let platform = Self {
            address: listener.local_addr()?,
            told: Arc::default(),
            called: Arc::default(),
            stop: Stop::new(),
        };
        let (told, called) = (platform.told.clone(), platform.called.clone());
        let stop = platform.stop.clone();
        tokio::spawn(async move {
            while let Some(accepted) = stop.or(listener.accept()).await {
                let Ok((stream, _)) = accepted else { continue };
                let (told, called) = (told.clone(), called.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (told, called) = (told.clone(), called.clone());
                    async move { answer(&told, &called, request).await }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let stop = stop.clone();
                tokio::spawn(async move {
                    // A connection that was cut ends with an error, as it should.
                    let _ = stop.or(connection).await;
                });
            }
        });
        Ok(platform)
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers calls of a path from now on. Letter case does not count; a `*` at the end stands
    /// for anything. The newest rule that fits decides; without one the answer is a 404.
    pub fn on(&self, path: &str, answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        self.on_held(path, move |call| ready(answer(call)).boxed());
    }

    /// The same, where the call may be held until there is something to answer.
    pub fn on_held(
        &self,
        path: &str,
        answer: impl Fn(&Call) -> BoxFuture<'static, Reply> + Send + Sync + 'static,
    ) {
        let rule = (path.to_owned(), Arc::new(answer) as Handler);
        self.told().handlers.push(rule);
    }

    /// Answers the next call of a path, once; further ones queue up behind it.
    pub fn next(&self, path: &str, reply: Reply) {
        let mut told = self.told();
        match told.next.iter_mut().find(|(known, _)| known == path) {
            Some((_, replies)) => replies.push_back(reply),
            None => told.next.push((path.to_owned(), [reply].into())),
        }
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.told().calls.clone()
    }

    /// The calls of a path so far.
    #[must_use]
    pub fn calls_to(&self, path: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| fits(path, &call.path));
        calls
    }

    /// Waits until a path was called so often, and gives those calls.
    ///
    /// # Panics
    /// When they don't come.
    pub async fn wait_for(&self, path: &str, count: usize) -> Vec<Call> {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let called = self.called.notified();
                let calls = self.calls_to(path);
                if calls.len() >= count {
                    return calls;
                }
                called.await;
            }
        });
        waited.await.unwrap_or_else(|_| {
            let calls = self.calls_to(path).len();
            panic!("{path} was called {calls} times instead of {count}")
        })
    }

    /// Forgets calls and answers.
    pub fn reset(&self) {
        *self.told() = Told::default();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FarPlatform {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

fn fits(rule: &str, path: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(start) => path
            .get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => rule.eq_ignore_ascii_case(path),
    }
}

/// An error ends the connection without an answer.
async fn answer(
    told: &Mutex<Told>,
    called: &Notify,
    request: Request<Incoming>,
) -> Result<Response<Body>, &'static str> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(Body::new(body), LONGEST).await;
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.map_err(|_| "the call broke off")?,
    };
    let reply = {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.calls.push(call.clone());
        let once = told
            .next
            .iter_mut()
            .filter(|(path, _)| fits(path, &call.path))
            .find_map(|(_, replies)| replies.pop_front());
        match once {
            Some(reply) => Ok(reply),
            None => Err(told
                .handlers
                .iter()
                .rev()
                .find(|(path, _)| fits(path, &call.path))
                .map(|(_, handler)| handler.clone())),
        }
    };
    called.notify_waiters();
    // Outside of the lock: a handler may ask what was called.
    let reply = match reply {
        Ok(reply) => reply,
        Err(Some(handler)) => handler(&call).await,
        Err(None) => Reply::text(404, "nothing is here"),
    };
    let (status, headers, body) = match reply {
        Reply::Answer {
            status,
            headers,
            body,
        } => (status, headers, body),
        Reply::Hang => match std::future::pending::<Infallible>().await {},
        Reply::Cut => return Err("cut"),
    };
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(body))
        .map_err(|_| "a header is none")
}
