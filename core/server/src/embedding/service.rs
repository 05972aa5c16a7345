//! A model behind an address.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tandem_domain::embedder::EmbedError;
use tandem_net::{Body, Client, Method, Policy, Request, Transport};
use tokio::{runtime::Handle, time::Instant};

use super::remote::{Ask, Remote};
use crate::config::understanding::Endpoint;

/// Bytes of an answer: 64 vectors of 4,096 numbers are 6 MB as text.
const MAX_ANSWER: usize = 16 << 20;

/// A service that speaks OpenAI's embeddings: `POST {url}/embeddings {model, input: […]}`.
pub(super) struct Service {
    client: Client,
    url: String,
    model: String,
    key: Option<String>,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Service {
    /// Calls nothing yet. Must be made within a tokio runtime.
    ///
    /// # Errors
    /// [`EmbedError::Broken`] when the address cannot be called at all.
    pub fn new(
        endpoint: &Endpoint,
        key: Option<String>,
        transport: &Transport,
    ) -> Result<Remote<Self>, EmbedError> {
        let broken = |error: &dyn std::fmt::Display| EmbedError::Broken(error.to_string());
        let url = url::Url::parse(&endpoint.url).map_err(|error| broken(&error))?;
        let host = url.host_str().unwrap_or_default();
        let host = match url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let policy = Policy {
            name: "embedder".to_owned(),
            allow_private: endpoint.allow_private,
            max_body: MAX_ANSWER,
            timeout: endpoint.timeout.0,
            retries: 1,
            ..Policy::default()
        };
        let policy = policy.with_hosts([&host]).map_err(|error| broken(&error))?;
        let service = Self {
            client: Client::with_transport(policy, transport),
            url: format!("{}/embeddings", endpoint.url.trim_end_matches('/')),
            model: endpoint.model.clone(),
            key,
            timeout: endpoint.timeout.0,
        };
        let name = format!("{} at {host}", endpoint.model);
        Ok(Remote::new(service, name, Handle::current()))
    }
}

impl Ask for Service {
    async fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut request = Request::new(Method::POST, &self.url);
        request.body =
            Body::Json(json!({"model": self.model, "input": texts, "encoding_format": "float"}));
        request.idempotent = true;
        if let Some(key) = &self.key {
            let header = request.header("authorization", &format!("Bearer {key}"));
            header.map_err(|error| EmbedError::Broken(error.to_string()))?;
        }
        let deadline = Instant::now() + self.timeout;
        let response = self.client.send(&request, Some(deadline)).await;
        let response = response.map_err(|error| EmbedError::Unavailable(error.to_string()))?;
        if !response.is_success() {
            return Err(EmbedError::Unavailable(format!(
                "it answered {}",
                response.status
            )));
        }
        let answer = response
            .json()
            .map_err(|error| EmbedError::Answer(error.to_string()))?;
        let answer: Answer = serde_json::from_value(answer)
            .map_err(|error| EmbedError::Answer(error.to_string()))?;
        Ok(sorted(answer, texts.len()))
    }
}

/// The vectors in the order of the texts; one that is missing is empty.
fn sorted(answer: Answer, texts: usize) -> Vec<Vec<f32>> {
    let mut rows = vec![Vec::new(); texts];
    for (place, row) in answer.data.into_iter().enumerate() {
        if let Some(slot) = rows.get_mut(row.index.unwrap_or(place)) {
            *slot = row.embedding;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{
        Json, Router,
        http::{HeaderMap, StatusCode},
        routing::post,
    };
    use serde_json::Value;
    use tandem_domain::embedder::Embedder as _;

    use super::*;
    use crate::{config::Span, embedding::OffWorker};

    /// Answers with the length of each text, in turned order, to who has the key.
    async fn service(status: StatusCode, asked: Arc<Mutex<Vec<Value>>>) -> String {
        let answer = move |headers: HeaderMap, Json(body): Json<Value>| async move {
            let texts = body["input"].as_array().unwrap().clone();
            asked.lock().unwrap().push(body);
            let allowed = headers["authorization"] == "Bearer secret";
            let rows = texts.iter().enumerate().rev().map(|(index, text)| {
                json!({"index": index, "embedding": [text.as_str().unwrap().len(), 1]})
            });
            let rows: Vec<Value> = rows.collect();
            let status = if allowed {
                status
            } else {
                StatusCode::UNAUTHORIZED
            };
            (status, Json(json!({"data": rows})))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/embeddings", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/v1/")
    }

    fn endpoint(url: String) -> Endpoint {
        Endpoint {
            url,
            model: "small".to_owned(),
            api_key: None,
            timeout: Span::secs(20),
            allow_private: true,
        }
    }

    async fn embed(
        service: Remote<Service>,
        texts: &'static [&'static str],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let off = OffWorker(Arc::new(service));
        tokio::task::spawn(async move { off.embed(texts) })
            .await
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn vectors_come_back_in_the_order_of_the_texts() {
        let asked = Arc::default();
        let url = service(StatusCode::OK, Arc::clone(&asked)).await;
        let transport = Transport::system().unwrap();
        let service = Service::new(&endpoint(url), Some("secret".to_owned()), &transport).unwrap();
        let rows = embed(service, &["one", "three", ""]).await.unwrap();
        assert_eq!(rows, [[3.0, 1.0], [5.0, 1.0], [0.0, 1.0]]);
        assert_eq!(asked.lock().unwrap()[0]["model"], "small");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_service_that_refuses_is_unavailable() {
        let url = service(StatusCode::OK, Arc::default()).await;
        let transport = Transport::system().unwrap();
        let without = Service::new(&endpoint(url.clone()), Some("wrong".to_owned()), &transport);
        let refused = embed(without.unwrap(), &["x"]).await;
        assert!(
            matches!(refused, Err(EmbedError::Unavailable(_))),
            "{refused:?}"
        );
        let public = Endpoint {
            allow_private: false,
            ..endpoint(url)
        };
        let guarded = Service::new(&public, Some("secret".to_owned()), &transport);
        let refused = embed(guarded.unwrap(), &["x"]).await;
        assert!(
            matches!(refused, Err(EmbedError::Unavailable(_))),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn answers_that_do_not_fit_and_threads_that_may_not_wait_are_told() {
        let transport = Transport::system().unwrap();
        let made = |url: &str| Service::new(&endpoint(url.to_owned()), None, &transport).unwrap();
        let service = made("http://127.0.0.1:9/v1");
        assert!(matches!(
            service.embed(&["x"]),
            Err(EmbedError::Unavailable(_))
        ));
        let answers = [
            json!({"data": []}),
            json!({"data": [{"embedding": []}]}),
            json!({"data": [{"index": 7, "embedding": [1.0]}]}),
        ];
        for answer in answers {
            let answer = sorted(serde_json::from_value(answer).unwrap(), 1);
            assert!(matches!(
                service.checked(answer, 1),
                Err(EmbedError::Answer(_))
            ));
        }
    }
}
