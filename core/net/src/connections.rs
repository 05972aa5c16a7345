//! A pack's declared services: `shop.find_order` with arguments in, an answer out.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
};
use tandem_domain::{Map, Value};
use tokio::time::Instant;
use url::Url;

use crate::{
    Body, Client, IdempotencyKey, NetError, NetErrorKind, Policy, Request, Response, Transport,
    request::header_name,
};

/// Characters a placeholder's value keeps in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A declared HTTP service. Secrets are named, not held.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSpec {
    pub name: String,
    pub base_url: String,
    /// The allow-list; see [`crate::HostRule`].
    pub hosts: Vec<String>,
    /// See [`Policy::allow_private`].
    pub allow_private: bool,
    pub auth: Auth,
    /// Of one attempt.
    pub timeout: Duration,
    /// Attempts after the first, where repeating is safe.
    pub retries: u32,
    /// Bytes of an answer's body.
    pub max_body: usize,
    /// Sent with every call.
    pub headers: BTreeMap<String, String>,
    pub operations: BTreeMap<String, OperationSpec>,
}

impl Default for ConnectionSpec {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            name: String::new(),
            base_url: String::new(),
            hosts: Vec::new(),
            allow_private: false,
            auth: Auth::None,
            timeout: policy.timeout,
            retries: policy.retries,
            max_body: policy.max_body,
            headers: BTreeMap::new(),
            operations: BTreeMap::new(),
        }
    }
}

/// How a service knows us. The names of environment variables stand for their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    #[default]
    None,
    Bearer {
        token_env: String,
    },
    Basic {
        user: String,
        password_env: String,
    },
    Header {
        name: String,
        value_env: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationSpec {
    /// GET, HEAD, POST, PUT, PATCH, DELETE.
    pub method: String,
    /// Below the base URL, with placeholders: `/orders/{id}`.
    pub path: String,
    /// The header by which this operation takes an idempotency key. Without one a POST or PATCH
    /// is never repeated once it may have arrived.
    pub idempotency_header: Option<String>,
    /// In place of the connection's.
    pub timeout: Option<Duration>,
    /// In place of the connection's.
    pub retries: Option<u32>,
}

/// A connection that cannot be used as declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{connection}: {message}")]
pub struct ConfigError {
    pub connection: String,
    pub message: String,
}

/// All services of a pack, ready to call.
pub struct Connections {
    services: BTreeMap<String, Service>,
    /// May call any of the pack's hosts, without their secrets: for Lua's `http`.
    client: Client,
}

struct Service {
    client: Client,
    base: Url,
    headers: HeaderMap,
    auth: Result<Option<(HeaderName, HeaderValue)>, Missing>,
    operations: BTreeMap<String, Operation>,
}

struct Operation {
    client: Client,
    method: Method,
    path: Vec<Part>,
    idempotency_header: Option<String>,
}

enum Part {
    Text(String),
    Argument(String),
}

/// The name of an environment variable that is not set.
#[derive(Clone)]
struct Missing(String);

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.services.keys()).finish()
    }
}

impl Connections {
    /// `secrets` gives the value of an environment variable. One that is not set fails the calls
    /// that need it, not the others; see [`Connections::missing_secrets`]. Fails with every
    /// declaration that makes no sense.
    pub fn new(
        specs: &[ConnectionSpec],
        secrets: &dyn Fn(&str) -> Option<String>,
        transport: &Transport,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut services = BTreeMap::new();
        let mut open = Policy {
            name: "lua".to_owned(),
            ..Policy::default()
        };
        for spec in specs {
            match service(spec, secrets, transport) {
                Ok(service) => {
                    let policy = service.client.policy();
                    open.allow_private |= policy.allow_private;
                    let own = policy.hosts.iter();
                    let own = own.filter(|rule| policy.allow_private || !rule.is_private());
                    open.hosts.extend(own.cloned());
                    services.insert(spec.name.clone(), service);
                }
                Err(error) => errors.push(ConfigError {
                    connection: spec.name.clone(),
                    message: error.message,
                }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            services,
            client: Client::with_transport(open, transport),
        })
    }

    /// The environment variables that connections name and nobody set: (connection, variable).
    pub fn missing_secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.services.iter().filter_map(|(name, service)| {
            let missing = service.auth.as_ref().err()?;
            Some((name.as_str(), missing.0.as_str()))
        })
    }

    /// A client that may call any host the connections list, and carries none of their secrets.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Calls an operation. Arguments that the path names fill its placeholders, encoded; the rest
    /// go to the query for GET, HEAD and DELETE, else into a JSON body. Any status is an answer.
    pub async fn call(
        &self,
        connection: &str,
        operation: &str,
        args: &Map,
        idempotency_key: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<Response, NetError> {
        self.call_with_retries(connection, operation, args, idempotency_key, deadline, None)
            .await
    }

    /// The same with a number of retries for this one call, in place of the declared one.
    pub async fn call_with_retries(
        &self,
        connection: &str,
        operation: &str,
        args: &Map,
        idempotency_key: Option<&str>,
        deadline: Option<Instant>,
        retries: Option<u32>,
    ) -> Result<Response, NetError> {
        let service = self
            .services
            .get(connection)
            .ok_or_else(|| NetError::invalid(format!("there is no connection {connection}")))?;
        let declared = service.operations.get(operation).ok_or_else(|| {
            NetError::invalid(format!("{connection} has no operation {operation}"))
        })?;
        let mut request = declared.request(&service.base, args)?;
        request.headers.extend(service.headers.clone());
        match &service.auth {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                request.headers.insert(name.clone(), value.clone());
            }
            Err(Missing(variable)) => {
                let text = format!("{connection} needs {variable}, which is not set");
                return Err(NetError::new(NetErrorKind::Misconfigured, text));
            }
        }
        if let (Some(header), Some(key)) = (&declared.idempotency_header, idempotency_key) {
            request.idempotency = Some(IdempotencyKey {
                header: header.clone(),
                key: key.to_owned(),
            });
        }
        let client = declared.client.tuned(None, retries);
        client.send(&request, deadline).await
    }
}

fn service(
    spec: &ConnectionSpec,
    secrets: &dyn Fn(&str) -> Option<String>,
    transport: &Transport,
) -> Result<Service, NetError> {
    let base = Url::parse(&spec.base_url)
        .ok()
        .filter(|url| url.query().is_none() && url.fragment().is_none())
        .ok_or_else(|| NetError::invalid("base_url is not a plain URL"))?;
    let policy = Policy {
        name: spec.name.clone(),
        allow_private: spec.allow_private,
        timeout: spec.timeout,
        retries: spec.retries,
        max_body: spec.max_body,
        ..Policy::default()
    }
    .with_hosts(&spec.hosts)?;
    policy.check(&base)?;
    let client = Client::with_transport(policy, transport);
    let mut headers = HeaderMap::new();
    for (name, value) in &spec.headers {
        let name = header_name(name)?;
        let value = HeaderValue::from_str(value).map_err(|_| {
            NetError::invalid(format!("the value of the header {name} is not allowed"))
        })?;
        headers.insert(name, value);
    }
    let mut operations = BTreeMap::new();
    for (name, operation) in &spec.operations {
        let within = |error: NetError| NetError::invalid(format!("{name}: {}", error.message));
        if let Some(header) = &operation.idempotency_header {
            header_name(header).map_err(within)?;
        }
        let operation = Operation {
            client: client.tuned(operation.timeout, operation.retries),
            method: Request::parse_method(&operation.method).map_err(within)?,
            path: parts(&operation.path).map_err(within)?,
            idempotency_header: operation.idempotency_header.clone(),
        };
        operations.insert(name.clone(), operation);
    }
    Ok(Service {
        auth: credentials(&spec.auth, secrets)?,
        client,
        base,
        headers,
        operations,
    })
}

type Credentials = Result<Option<(HeaderName, HeaderValue)>, Missing>;

/// The header a service knows us by, marked so that it is never printed.
fn credentials(
    auth: &Auth,
    secrets: &dyn Fn(&str) -> Option<String>,
) -> Result<Credentials, NetError> {
    let (name, variable) = match auth {
        Auth::None => return Ok(Ok(None)),
        Auth::Bearer { token_env } => (AUTHORIZATION, token_env),
        Auth::Basic { password_env, .. } => (AUTHORIZATION, password_env),
        Auth::Header { name, value_env } => (header_name(name)?, value_env),
    };
    let Some(secret) = secrets(variable).filter(|secret| !secret.is_empty()) else {
        return Ok(Err(Missing(variable.clone())));
    };
    let text = match auth {
        Auth::None | Auth::Header { .. } => secret,
        Auth::Bearer { .. } => format!("Bearer {secret}"),
        Auth::Basic { user, .. } => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        NetError::invalid(format!(
            "the value of {variable} cannot be sent in a header"
        ))
    })?;
    value.set_sensitive(true);
    Ok(Ok(Some((name, value))))
}

/// Splits `/orders/{id}`.
fn parts(path: &str) -> Result<Vec<Part>, NetError> {
    let bad = || NetError::invalid("the path must begin with / and close its {placeholders}");
    if !path.starts_with('/') || path.starts_with("//") || path.contains(['\\', '#']) {
        return Err(bad());
    }
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(bad)?;
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if text.contains('}') || name.is_empty() || !name.chars().all(word) {
            return Err(bad());
        }
        parts.push(Part::Text(text.to_owned()));
        parts.push(Part::Argument(name.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return Err(bad());
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

impl Operation {
    fn request(&self, base: &Url, args: &Map) -> Result<Request, NetError> {
        let mut path = base.path().trim_end_matches('/').to_owned();
        let mut used: Vec<&str> = Vec::new();
        for part in &self.path {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Argument(name) => {
                    let value = args.get(name).and_then(scalar);
                    // A dot segment would climb; nothing would name another resource.
                    let value = value
                        .filter(|value| !matches!(value.as_str(), "" | "." | ".."))
                        .ok_or_else(|| {
                            NetError::invalid(format!("the path needs a value for {name}"))
                        })?;
                    path.extend(utf8_percent_encode(&value, SEGMENT));
                    used.push(name);
                }
            }
        }
        let url = format!("{}{path}", &base[..url::Position::BeforePath]);
        let rest: Map = args
            .iter()
            .filter(|(name, _)| !used.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut request = Request::new(self.method.clone(), url);
        if matches!(self.method, Method::GET | Method::HEAD | Method::DELETE) {
            request.query = query(&rest)?;
        } else {
            request.body = Body::Json(Value::Object(rest));
        }
        Ok(request)
    }
}

/// Lists repeat their name; null is left out.
fn query(args: &Map) -> Result<Vec<(String, String)>, NetError> {
    let mut pairs = Vec::new();
    for (name, value) in args {
        let items = match value {
            Value::Null => continue,
            Value::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        for item in items {
            let text = scalar(item).ok_or_else(|| {
                NetError::invalid(format!(
                    "{name} cannot stand in a query: it is not a text, a number or a boolean"
                ))
            })?;
            pairs.push((name.clone(), text));
        }
    }
    Ok(pairs)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
