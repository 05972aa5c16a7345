//! One policy on a transport.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use tokio::time::Instant;
use url::Url;

use crate::{
    Body, NetError, NetErrorKind, Policy, Request, Response, Transport, breaker::Breakers,
    request::header_name, retry, transport::OutOfBounds,
};

/// Sends requests within its policy. Cheap to clone; clones share their circuits.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    policy: Arc<Policy>,
    breakers: Arc<Breakers>,
}

impl Client {
    /// With a transport of its own. Fails as [`Transport::new`] does.
    pub fn new(policy: Policy) -> Result<Self, NetError> {
        Ok(Self::with_transport(policy, &Transport::system()?))
    }

    #[must_use]
    pub fn with_transport(policy: Policy, transport: &Transport) -> Self {
        Self {
            transport: transport.clone(),
            policy: Arc::new(policy),
            breakers: Arc::default(),
        }
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same policy and circuits with another timeout and number of retries: for operations
    /// that differ from their connection.
    #[must_use]
    pub(crate) fn tuned(&self, timeout: Option<Duration>, retries: Option<u32>) -> Self {
        let mut client = self.clone();
        if timeout.is_some() || retries.is_some() {
            let policy = Arc::make_mut(&mut client.policy);
            policy.timeout = timeout.unwrap_or(policy.timeout);
            policy.retries = retries.unwrap_or(policy.retries);
        }
        client
    }

    /// Sends a request and reads the whole answer. Any status is an answer; after the last
    /// attempt a passing one (503) is too. `deadline` bounds everything, waits between attempts
    /// included.
    pub async fn send(
        &self,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<Response, NetError> {
        let (url, host) = self.target(request)?;
        let built = build(request, url)?;
        let mut attempt = 0;
        let mut left = false;
        loop {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let text = format!("there was no time left to call {host}");
                let mut error = NetError::new(NetErrorKind::Timeout, text);
                error.uncertain = left;
                return Err(error);
            }
            if !self.breakers.admit(&host, &self.policy) {
                let text = format!("{host} failed too often lately; it is left alone for a while");
                let mut error = NetError::new(NetErrorKind::Open, text);
                error.uncertain = left;
                return Err(error);
            }
            let copy = built.try_clone().expect("a body in memory can be copied");
            let mut outcome = self.attempt(copy, &host, deadline).await;
            // An attempt that never left does not unmake one that may have arrived.
            left |= !request.is_read() && may_have_left(&outcome);
            if let Err(error) = &mut outcome {
                error.uncertain = left;
            }
            let passing = match &outcome {
                Ok(response) => retry::is_passing(response.status),
                Err(error) => error.is_passing(),
            };
            match &outcome {
                Ok(response) if response.status < 500 => self.breakers.succeeded(&host),
                Err(error) if error.kind == NetErrorKind::TooLarge => {
                    self.breakers.succeeded(&host)
                }
                Err(error) if !error.is_passing() => {}
                _ => self.breakers.failed(&host, &self.policy),
            }
            let unsent = matches!(&outcome, Err(error) if error.kind == NetErrorKind::Connect);
            let again =
                passing && attempt < self.policy.retries && (request.is_repeatable() || unsent);
            if !again {
                return outcome;
            }
            let asked = match &outcome {
                Ok(response) => response.header("retry-after").and_then(retry::retry_after),
                Err(_) => None,
            };
            let wait = retry::delay(&self.policy, attempt, asked, fastrand::f64());
            let resume = Instant::now() + wait;
            if deadline.is_some_and(|deadline| resume >= deadline) {
                return outcome;
            }
            attempt += 1;
            tracing::debug!(
                connection = self.policy.name,
                host,
                attempt,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "A call failed and is tried again."
            );
            tokio::time::sleep_until(resume).await;
        }
    }

    /// The URL, checked, and `host:port` for messages and circuits.
    fn target(&self, request: &Request) -> Result<(Url, String), NetError> {
        let mut url =
            Url::parse(&request.url).map_err(|_| NetError::invalid("the URL is not valid"))?;
        self.policy.check(&url)?;
        url.set_fragment(None);
        if !request.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &request.query {
                pairs.append_pair(name, value);
            }
        }
        let host = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        Ok((url, host))
    }

    async fn attempt(
        &self,
        request: reqwest::Request,
        host: &str,
        deadline: Option<Instant>,
    ) -> Result<Response, NetError> {
        let mut limit = self.policy.timeout;
        if let Some(deadline) = deadline {
            limit = limit.min(deadline.saturating_duration_since(Instant::now()));
        }
        let work = async {
            match self.transport.http().execute(request).await {
                Ok(response) => Response::read(response, host, self.policy.max_body).await,
                Err(error) => Err(classify(&error, host)),
            }
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let text = format!("{host} did not answer within {} ms", limit.as_millis());
            Err(NetError::new(NetErrorKind::Timeout, text))
        })
    }
}

fn build(request: &Request, url: Url) -> Result<reqwest::Request, NetError> {
    let mut built = reqwest::Request::new(request.method.clone(), url);
    let headers = built.headers_mut();
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, */*;q=0.5"),
    );
    let fixed = HeaderValue::from_static;
    let (kind, body) = match &request.body {
        Body::None => (None, None),
        Body::Json(value) => (
            Some(fixed("application/json")),
            Some(value.to_string().into()),
        ),
        Body::Form(pairs) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(pairs);
            (
                Some(fixed("application/x-www-form-urlencoded")),
                Some(form.finish().into()),
            )
        }
        Body::Text(text) => (
            Some(fixed("text/plain; charset=utf-8")),
            Some(text.clone().into()),
        ),
        Body::Bytes {
            content_type,
            bytes,
        } => {
            let kind = HeaderValue::from_str(content_type)
                .map_err(|_| NetError::invalid("the body's media type is not allowed"))?;
            (Some(kind), Some(reqwest::Body::from(bytes.clone())))
        }
    };
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    for (name, value) in &request.headers {
        headers.insert(header_name(name.as_str())?, value.clone());
    }
    if let Some(idempotency) = &request.idempotency {
        let value = HeaderValue::from_str(&idempotency.key)
            .map_err(|_| NetError::invalid("the idempotency key is not allowed"))?;
        headers.insert(header_name(&idempotency.header)?, value);
    }
    *built.body_mut() = body;
    Ok(built)
}

/// Whether the service may have the request, for all we know after this attempt.
fn may_have_left(outcome: &Result<Response, NetError>) -> bool {
    match outcome {
        Ok(response) => retry::is_passing(response.status),
        Err(error) => matches!(
            error.kind,
            NetErrorKind::Timeout
                | NetErrorKind::Broken
                | NetErrorKind::TooLarge
                | NetErrorKind::BadResponse
        ),
    }
}

/// Puts the client library's errors into our words; theirs contain URLs.
fn classify(error: &reqwest::Error, host: &str) -> NetError {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if cause.is::<OutOfBounds>() {
            return NetError::refused(format!("{host} is not a public address"));
        }
        source = cause.source();
    }
    if error.is_connect() {
        // Nothing was sent, whether it was refused or took too long.
        let text = format!("no connection to {host}");
        return NetError::new(NetErrorKind::Connect, text);
    }
    if error.is_timeout() {
        return NetError::new(
            NetErrorKind::Timeout,
            format!("{host} did not answer in time"),
        );
    }
    if error.is_builder() {
        return NetError::invalid("the request is not valid");
    }
    NetError::new(
        NetErrorKind::Broken,
        format!("{host} broke the connection or did not speak HTTP"),
    )
}
