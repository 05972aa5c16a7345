//! Where a parcel is, asked of its carrier: a plugin that flows call.
//!
//! ```yaml
//! - plugin: parcel.track
//!   with: {number: "{{ order.tracking_number }}"}
//!   save: tracking
//! ```
//!
//! The carrier answers `GET {url}/parcels/{number}` with `{"status", "place"?, "expected"?}`.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_plugin_sdk::{
    About, Action, Actions, Error, Host, Meta, Plugin, export_plugin, runtime::Runtime,
};

/// The carrier, and what it takes to ask it.
pub struct Parcel {
    url: Url,
    token: Option<String>,
    client: reqwest::Client,
    runtime: Runtime,
    host: Host,
}

/// What stands under `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: String,
    #[serde(default)]
    token: Option<String>,
}

#[derive(Deserialize)]
struct Track {
    number: String,
}

/// What the carrier says, as far as flows need it.
#[derive(Debug, Deserialize, Serialize)]
struct Tracking {
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
}

/// Bytes of a carrier's answer.
const ANSWER_MAX: usize = 64 << 10;

impl Plugin for Parcel {
    type Config = Config;

    fn about() -> About {
        About::new("parcel", env!("CARGO_PKG_VERSION")).config(json!({
            "type": "object",
            "required": ["url"],
            "additionalProperties": false,
            "properties": {
                "url": {"type": "string", "pattern": "^https?://"},
                "token": {"type": "string"},
            },
        }))
    }

    fn create(config: Config, host: Host) -> Result<Self, Error> {
        let no_address = || Error::new("bad_config", "`url` is no address of a server");
        let url = Url::parse(&config.url).map_err(|_| no_address())?;
        if url.cannot_be_a_base() {
            return Err(no_address());
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            .build()
            .map_err(|why| Error::new("no_client", why))?;
        Ok(Self {
            url,
            token: config.token,
            client,
            runtime: Runtime::new(1)?,
            host,
        })
    }
}

impl Action for Parcel {
    fn actions(actions: &mut Actions<'_, Self>) {
        actions
            .add("track", Self::track)
            .params(json!({
                "type": "object",
                "required": ["number"],
                "additionalProperties": false,
                "properties": {"number": {"type": "string", "pattern": "^[A-Za-z0-9-]{4,40}$"}},
            }))
            .result(json!({
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"type": "string"},
                    "place": {"type": "string"},
                    "expected": {"type": "string"},
                },
            }))
            .error("not_found", "the carrier knows no such parcel")
            .error("unauthorized", "the carrier refuses the token")
            .error(
                "unavailable",
                "the carrier cannot be reached, or is in trouble",
            )
            .error("bad_response", "the carrier's answer is none")
            .timeout_ms(4000);
    }
}

impl Parcel {
    fn track(&self, asked: Track, meta: &Meta) -> Result<Tracking, Error> {
        // A little less than the host waits, so that the answer says what was too slow.
        let limit = meta.deadline_ms.saturating_sub(50).max(1);
        let tracking = self.runtime.within(limit, self.ask(&asked.number));
        if let Err(error) = &tracking {
            self.host
                .warn(&format!("the carrier did not answer: {error}"));
        }
        tracking
    }

    async fn ask(&self, number: &str) -> Result<Tracking, Error> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("parcels").push(number);
        }
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        // Addresses stay out of what is told: they carry customers' numbers.
        let unavailable = |why: reqwest::Error| Error::new("unavailable", why.without_url());
        let mut answer = request.send().await.map_err(unavailable)?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Err(Error::new("not_found", "the carrier knows no such parcel")),
            401 | 403 => return Err(Error::new("unauthorized", "the carrier refuses the token")),
            status => {
                let words = format!("the carrier answers with the status {status}");
                return Err(Error::new("unavailable", words));
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(Error::new(
                    "bad_response",
                    "the carrier's answer is too long",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|why| Error::new("bad_response", why))
    }
}

export_plugin!(Parcel: action);
