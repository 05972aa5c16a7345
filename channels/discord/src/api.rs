//! Discord's HTTP interface: one request a call, and an error that says how it ended.

use std::{fmt, time::Duration};

use reqwest::{
    Method, RequestBuilder,
    header::{AUTHORIZATION, HeaderValue},
    multipart::{Form, Part},
    redirect,
};
use serde::Deserialize;
use serde_json::json;
use tandem_channel_kit::{Fetched, File, MEDIA_MAX, kind::Secret};
use tandem_domain::{BoxError, Value, channel::SendError};
use url::Url;

use crate::{
    fault::{Fault, Refusal, SHOWN, fault, unsent},
    native::{Channel, Message, Snowflake},
    outbound::Body,
};

/// Where Discord is.
pub const DISCORD: &str = "https://discord.com/api/v10";
/// Where the files are that customers send.
const FILES: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];
/// Discord asks for this form.
const AGENT: &str = concat!("DiscordBot (tandem, ", env!("CARGO_PKG_VERSION"), ")");
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(20);
/// A file takes longer.
const UPLOAD: Duration = Duration::from_secs(40);
/// Longest answer that is read, files aside.
const ANSWER_MAX: usize = 8 << 20;
/// Messages of a channel's past in one answer.
pub(crate) const PAGE: usize = 100;

/// The account's way to Discord. Never shows its token.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    authorization: HeaderValue,
    /// A host of its own that files may come from, where Discord is not the real one.
    files: Option<Url>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// Where the gateway is, and how many sessions may still be begun.
#[derive(Debug, Deserialize)]
pub(crate) struct Gateway {
    pub url: String,
    #[serde(default)]
    pub session_start_limit: Option<Starts>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Starts {
    pub remaining: u64,
    /// Milliseconds.
    #[serde(default)]
    pub reset_after: u64,
}

impl Api {
    pub fn new(base: &str, token: &Secret) -> Result<Self, BoxError> {
        let mut authorization = HeaderValue::try_from(format!("Bot {}", token.expose().trim()))?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .user_agent(AGENT)
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(reqwest::Error::without_url)?;
        let url = Url::parse(base)?;
        Ok(Self {
            http,
            files: (base != DISCORD).then_some(url),
            base: base.trim_end_matches('/').to_owned(),
            authorization,
        })
    }

    /// The same connections for the gateway.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub async fn gateway(&self) -> Result<Gateway, Fault> {
        self.read(self.get("/gateway/bot")).await
    }

    pub async fn channel(&self, id: Snowflake) -> Result<Channel, Fault> {
        self.read(self.get(&format!("/channels/{id}"))).await
    }

    /// The first messages of a channel after this one, in the order they were written.
    pub async fn after(&self, channel: Snowflake, id: Snowflake) -> Result<Vec<Message>, Fault> {
        let path = format!("/channels/{channel}/messages?after={id}&limit={PAGE}");
        let mut messages: Vec<Message> = self.read(self.get(&path)).await?;
        messages.sort_by_key(|message| message.id);
        Ok(messages)
    }

    pub async fn acknowledge(&self, id: Snowflake, token: &str, with: &Value) -> Result<(), Fault> {
        let path = format!("/interactions/{id}/{token}/callback");
        let request = self.request(Method::POST, &path).json(with);
        self.run(request).await.map(drop)
    }

    pub async fn put_commands(&self, application: Snowflake, list: &Value) -> Result<(), Fault> {
        let path = format!("/applications/{application}/commands");
        self.run(self.request(Method::PUT, &path).json(list))
            .await
            .map(drop)
    }

    pub async fn typing(&self, channel: Snowflake) -> Result<(), Fault> {
        let path = format!("/channels/{channel}/typing");
        self.run(self.request(Method::POST, &path)).await.map(drop)
    }

    pub async fn delete(&self, path: &str) -> Result<(), Fault> {
        self.run(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// Puts a message there, with the files that go up with it; gives it as it then is.
    pub async fn put(
        &self,
        method: Method,
        path: &str,
        body: &Body,
        files: Vec<File>,
    ) -> Result<Value, Fault> {
        let mut request = self.request(method, path);
        if files.is_empty() {
            request = request.json(&body.fields);
        } else {
            let payload = Value::Object(body.fields.clone()).to_string();
            let payload = Part::text(payload).mime_str("application/json");
            let mut form = Form::new().part("payload_json", payload.map_err(unsent)?);
            let names = body.fields.get("attachments").and_then(Value::as_array);
            for (at, file) in files.into_iter().enumerate() {
                let name = names.and_then(|names| names.get(at)?.get("filename")?.as_str());
                let part = Part::stream(file.bytes).file_name(name.unwrap_or("file").to_owned());
                // A type that is none is no reason to hold a file back.
                let part = part.mime_str(&file.row.mime).map_err(unsent)?;
                form = form.part(format!("files[{at}]"), part);
            }
            request = request.multipart(form).timeout(UPLOAD);
        }
        self.run(request).await
    }

    pub async fn get_message(&self, path: &str) -> Result<Value, Fault> {
        self.run(self.get(path)).await
    }

    /// A file a customer sent.
    pub async fn file(&self, url: &Url) -> Result<Fetched, SendError> {
        if !self.is_file(url) {
            return Err(SendError::Rejected {
                code: "media".to_owned(),
                message: "the file is not where Discord keeps files".to_owned(),
            });
        }
        let sent = self.http.get(url.clone()).timeout(UPLOAD).send().await;
        let response = sent.map_err(|e| fault(e).ending(true))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let most = if status.is_success() {
            MEDIA_MAX
        } else {
            SHOWN
        };
        let bytes = match capped(response, most).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) if !status.is_success() => Vec::new(),
            Ok(None) => {
                return Err(SendError::Rejected {
                    code: "media".to_owned(),
                    message: format!("the file is larger than {MEDIA_MAX} bytes"),
                });
            }
            Err(fault) => return Err(fault.ending(true)),
        };
        if !status.is_success() {
            let refusal = Refusal::read(status, &headers, &bytes);
            return Err(match refusal.ending(true) {
                // Files are had without the token.
                SendError::Unauthorized(message) => SendError::Rejected {
                    code: "media".to_owned(),
                    message,
                },
                other => other,
            });
        }
        let mime = headers
            .get("content-type")
            .and_then(|mime| mime.to_str().ok());
        Ok(Fetched {
            mime: mime.map(str::to_owned),
            bytes: bytes.into(),
        })
    }

    /// A new address of a file whose old one has run out.
    pub async fn refresh(&self, url: &str) -> Result<Option<Url>, Fault> {
        let request = self.request(Method::POST, "/attachments/refresh-urls");
        let answer = self
            .run(request.json(&json!({"attachment_urls": [url]})))
            .await?;
        let fresh = answer.pointer("/refreshed_urls/0/refreshed");
        let fresh = fresh.and_then(Value::as_str);
        Ok(fresh.and_then(|url| Url::parse(url).ok()))
    }

    fn is_file(&self, url: &Url) -> bool {
        let theirs = url.scheme() == "https"
            && url.port().is_none()
            && url.host_str().is_some_and(|host| FILES.contains(&host));
        theirs
            || self
                .files
                .as_ref()
                .is_some_and(|own| own.origin() == url.origin())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .timeout(ANSWER)
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, get: RequestBuilder) -> Result<T, Fault> {
        let value = self.run(get).await?;
        serde_json::from_value(value).map_err(|error| Fault::Cut(error.into()))
    }

    /// The answer as JSON; null where there is none.
    async fn run(&self, request: RequestBuilder) -> Result<Value, Fault> {
        let response = request.send().await.map_err(fault)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = capped(response, ANSWER_MAX).await?;
        let body = body.ok_or_else(|| Fault::Cut("the answer is too long".into()))?;
        if !status.is_success() {
            return Err(Fault::Refused(Refusal::read(status, &headers, &body)));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| Fault::Cut(error.into()))
    }
}

/// The body, unless it is longer than this.
async fn capped(mut response: reqwest::Response, most: usize) -> Result<Option<Vec<u8>>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_from_where_discord_keeps_them_and_the_token_is_never_shown() {
        let token: Secret = serde_json::from_value(Secret::found("s3cret")).unwrap();
        let url = |text: &str| Url::parse(text).unwrap();
        let real = Api::new(DISCORD, &token).unwrap();
        assert!(real.is_file(&url(
            "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1"
        )));
        for other in [
            "http://cdn.discordapp.com/a",
            "https://cdn.discordapp.com.evil.test/a",
            "https://cdn.discordapp.com:8443/a",
            "https://discord.com/a",
            "http://127.0.0.1/a",
        ] {
            assert!(!real.is_file(&url(other)), "{other}");
        }
        let fake = Api::new("http://127.0.0.1:9/api/v10", &token).unwrap();
        assert!(fake.is_file(&url("http://127.0.0.1:9/a.png")));
        assert!(!fake.is_file(&url("http://127.0.0.1:10/a.png")));
        assert!(!format!("{fake:?}").contains("s3cret"));
    }
}
