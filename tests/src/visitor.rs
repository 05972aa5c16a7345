//! A customer on the web channel, over plain HTTP; for a live connection, see [`Live`].

use std::collections::BTreeMap;

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::live::Live;

pub struct Visitor {
    http: reqwest::Client,
    /// Changes when the server is started again on another port.
    pub url: String,
    pub token: String,
    sent: u32,
}

impl Visitor {
    /// # Errors
    /// When the server gives no session.
    pub async fn new(http: &reqwest::Client, url: &str) -> anyhow::Result<Self> {
        Self::begin(http, url, &json!({})).await
    }

    /// Somebody who is logged in on the site, whose statement is signed with this secret.
    ///
    /// # Errors
    /// When the server gives no session.
    pub async fn known(
        http: &reqwest::Client,
        url: &str,
        mut identity: BTreeMap<String, Value>,
        secret: &str,
    ) -> anyhow::Result<Self> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        // Keys are sorted and no space stands between them, as the signature wants it.
        mac.update(serde_json::to_string(&identity)?.as_bytes());
        let hash = mac.finalize().into_bytes();
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        identity.insert("hash".to_owned(), hash.into());
        Self::begin(http, url, &json!({"identity": identity})).await
    }

    async fn begin(http: &reqwest::Client, url: &str, body: &Value) -> anyhow::Result<Self> {
        let session: Value = http
            .post(format!("{url}/web/web/session"))
            .json(body)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok(Self {
            http: http.clone(),
            url: url.to_owned(),
            token: session["token"].as_str().context("no token")?.to_owned(),
            sent: 0,
        })
    }

    /// Writes a text and gives the bot's lines that answer it.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn say(&mut self, text: &str) -> anyhow::Result<Vec<Value>> {
        self.sent += 1;
        let id = format!("m{}", self.sent);
        self.write(json!({"client_id": id, "text": text})).await
    }

    /// Presses the newest button of this label.
    ///
    /// # Errors
    /// When there is none, or it is not accepted.
    pub async fn press(&mut self, label: &str) -> anyhow::Result<Vec<Value>> {
        let lines = self.transcript().await?;
        let value = lines
            .iter()
            .rev()
            .flat_map(|line| line["choices"].as_array().cloned().unwrap_or_default())
            .find(|choice| choice["label"] == label)
            .with_context(|| format!("no button {label:?}"))?["value"]
            .clone();
        self.sent += 1;
        let id = format!("m{}", self.sent);
        self.write(json!({"client_id": id, "action": {"value": value, "label": label}}))
            .await
    }

    /// Writes anything; the answer's lines that are not the visitor's own.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn write(&self, body: Value) -> anyhow::Result<Vec<Value>> {
        let response = self
            .http
            .post(format!("{}/web/web/messages?wait=10000", self.url))
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        anyhow::ensure!(status.is_success(), "{status}: {answer}");
        Ok(lines(&answer)
            .into_iter()
            .filter(|line| line["author"]["kind"] != "contact" && line["author"]["kind"] != "you")
            .collect())
    }

    /// Writes anything and gives the server's answer, whatever it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn post(&self, body: &Value) -> anyhow::Result<reqwest::Response> {
        let request = self
            .http
            .post(format!("{}/web/web/messages?wait=10000", self.url))
            .bearer_auth(&self.token)
            .json(body);
        Ok(request.send().await?)
    }

    /// A live connection of this visitor.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn live(&self) -> anyhow::Result<Live> {
        let mut live = Live::connect(&self.url).await?;
        live.send(&json!({"type": "hello", "token": self.token}))
            .await?;
        live.until("synced").await?;
        Ok(live)
    }

    /// Everything said so far, all pages.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn transcript(&self) -> anyhow::Result<Vec<Value>> {
        let answer: Value = self
            .http
            .get(format!("{}/web/web/messages", self.url))
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok(lines(&answer))
    }
}

fn lines(answer: &Value) -> Vec<Value> {
    answer["messages"].as_array().cloned().unwrap_or_default()
}

/// The text of a line.
#[must_use]
pub fn text(line: &Value) -> String {
    line["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| part["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
