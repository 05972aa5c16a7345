//! HTTP for flows: a pack's declared operations, and what its scripts ask for, under the same
//! allow-list.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use tandem_domain::{
    Map, Value,
    action::{ActionError, Meta},
};
use tandem_flow::model::{Auth, Connection, Duration as FlowDuration, Pack};
use tandem_lua::{Body as LuaBody, HostError, HttpRequest, HttpResponse};
use tandem_net::{
    Auth as NetAuth, Body, ConnectionSpec, Connections, IdempotencyKey, NetError, OperationSpec,
    Request, Transport,
};
use tokio::time::Instant;

/// The header an idempotency key goes in where an operation names none.
const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";
/// Versions of packs whose connections are kept ready.
const READY: usize = 16;

/// Looks up what the environment says: base URLs and credentials.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The connections of all packs.
pub struct Web {
    transport: Transport,
    environment: Environment,
    ready: Mutex<LruCache<String, Arc<Connections>>>,
}

impl Web {
    #[must_use]
    pub fn new(transport: Transport, environment: Environment) -> Self {
        let size = NonZeroUsize::new(READY).expect("16 is not zero");
        Self {
            transport,
            environment,
            ready: Mutex::new(LruCache::new(size)),
        }
    }

    /// Calls a declared operation. A status outside 200–299 is an error with the status as its
    /// code, so that a flow's `on_error` can choose by it.
    pub(crate) async fn operation(
        &self,
        pack: &Pack,
        connection: &str,
        operation: &str,
        args: &Value,
        meta: &Meta,
    ) -> Result<Value, ActionError> {
        let connections = self.connections(pack)?;
        let empty = Map::new();
        let args = args.as_object().unwrap_or(&empty);
        let deadline = Instant::now() + Duration::from_millis(meta.timeout_ms);
        let started = std::time::Instant::now();
        let answer = connections
            .call_with_retries(
                connection,
                operation,
                args,
                meta.idempotency_key.as_deref(),
                Some(deadline),
                meta.retries,
            )
            .await;
        metrics::histogram!("tandem_http_seconds", "connection" => connection.to_owned())
            .record(started.elapsed().as_secs_f64());
        let response = answer?;
        if response.is_success() {
            return Ok(response.value()?);
        }
        let message = response
            .value()
            .ok()
            .and_then(|body| said(&body))
            .unwrap_or_else(|| format!("{connection}.{operation} answered {}", response.status));
        Err(ActionError::new(&response.status.to_string(), message))
    }

    /// What a script asks for with `http`. Every status is an answer there.
    pub(crate) async fn script(
        &self,
        pack: &Pack,
        ordinal: u32,
        request: &HttpRequest,
        meta: &Meta,
    ) -> Result<HttpResponse, HostError> {
        let failed = |error: NetError| HostError::new(error.code(), error.to_string());
        let connections = self
            .connections(pack)
            .map_err(|e| HostError::new(&e.code, e.message))?;
        let mut out = Request::new(
            Request::parse_method(&request.method).map_err(failed)?,
            request.url.clone(),
        );
        out.query.clone_from(&request.query);
        for (name, value) in &request.headers {
            out.header(name, value).map_err(failed)?;
        }
        out.body = match &request.body {
            LuaBody::None => Body::None,
            LuaBody::Json(value) => Body::Json(value.clone()),
            LuaBody::Form(pairs) => Body::Form(pairs.clone()),
            LuaBody::Text(text) => Body::Text(text.clone()),
        };
        out.idempotent = request.idempotent;
        if let Some(key) = &meta.idempotency_key {
            out.idempotency = Some(IdempotencyKey {
                header: IDEMPOTENCY_HEADER.to_owned(),
                key: format!("{key}.{ordinal}"),
            });
        }
        let deadline = Instant::now() + Duration::from_millis(meta.timeout_ms);
        let response = connections
            .client()
            .send(&out, Some(deadline))
            .await
            .map_err(failed)?;
        let headers: BTreeMap<String, String> = response
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        Ok(HttpResponse {
            status: response.status,
            headers,
            body: response.text(),
        })
    }

    fn connections(&self, pack: &Pack) -> Result<Arc<Connections>, ActionError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = ready.get(&pack.hash) {
            return Ok(connections.clone());
        }
        let specs: Vec<ConnectionSpec> = pack.connections.values().map(|c| self.spec(c)).collect();
        let made = Connections::new(&specs, &|name| (self.environment)(name), &self.transport)
            .map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                ActionError::new("refused", errors.join("; "))
            })?;
        for (connection, variable) in made.missing_secrets() {
            tracing::warn!(pack = %pack.name, connection, variable, "A credential is not set; calls that need it are refused.");
        }
        let made = Arc::new(made);
        ready.put(pack.hash.clone(), made.clone());
        Ok(made)
    }

    fn spec(&self, connection: &Connection) -> ConnectionSpec {
        let given = connection
            .base_url_env
            .as_deref()
            .and_then(|name| (self.environment)(name));
        let mut hosts = connection.hosts.clone();
        // An address from the environment is the operator's own word for where the service is.
        if let Some(host) = given.as_deref().and_then(authority) {
            hosts.push(host);
        }
        let defaults = ConnectionSpec::default();
        ConnectionSpec {
            name: connection.name.clone(),
            base_url: given.unwrap_or_else(|| connection.base_url.clone()),
            hosts,
            // Private addresses are still reached only where the list names them literally.
            allow_private: true,
            auth: match connection.auth.clone() {
                Auth::None => NetAuth::None,
                Auth::Bearer { token_env } => NetAuth::Bearer { token_env },
                Auth::Basic {
                    user_env,
                    password_env,
                } => NetAuth::Basic {
                    user: (self.environment)(&user_env).unwrap_or_default(),
                    password_env,
                },
                Auth::Header { name, value_env } => NetAuth::Header { name, value_env },
            },
            timeout: connection.timeout.map_or(defaults.timeout, exact),
            headers: connection.headers.iter().cloned().collect(),
            operations: connection
                .operations
                .iter()
                .map(|(name, operation)| {
                    let writes = !matches!(operation.method.as_str(), "GET" | "HEAD");
                    let header = operation
                        .idempotency_header
                        .clone()
                        .or_else(|| writes.then(|| IDEMPOTENCY_HEADER.to_owned()));
                    let spec = OperationSpec {
                        method: operation.method.clone(),
                        path: operation.path.clone(),
                        idempotency_header: header,
                        timeout: operation.timeout.map(exact),
                        retries: operation.retry,
                    };
                    (name.clone(), spec)
                })
                .collect(),
            ..defaults
        }
    }
}

/// A timeout in days is as good as none; a day is 24 hours here.
fn exact(duration: FlowDuration) -> Duration {
    Duration::from_millis(duration.ms) + Duration::from_secs(u64::from(duration.days) * 86_400)
}

/// Host and port of a URL, as an allow-list writes them.
fn authority(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

/// The message of an error body, in the forms services commonly use.
fn said(body: &Value) -> Option<String> {
    let error = body.get("error").unwrap_or(body);
    let message = error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str))?;
    Some(message.chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_of_a_url_is_its_host_and_port() {
        assert_eq!(
            authority("http://127.0.0.1:4010/api").as_deref(),
            Some("127.0.0.1:4010")
        );
        assert_eq!(
            authority("https://u:p@shop.test?x").as_deref(),
            Some("shop.test")
        );
        assert_eq!(authority("nonsense"), None);
    }
}
