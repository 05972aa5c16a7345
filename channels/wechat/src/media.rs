//! Files both ways: a customer's are fetched by their id, ours are uploaded and kept there for
//! three days.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use lru::LruCache;
use tandem_channel_kit::{Fetched, Inbox, clean};
use tandem_domain::{
    FileId,
    channel::SendError,
    message::{Media, MediaKind},
};
use tandem_net::{Client, Method, Policy, Request, Response, Transport};
use tokio::time::Instant;
use url::Url;

use crate::{
    api::{Api, Failure},
    errors::{MEDIA_GONE, ending},
    family::Family,
};

/// An uploaded file is used again for so long; the platform keeps it for three days.
const KEPT: Duration = Duration::from_secs(2 * 24 * 3600);
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(512).expect("512 is not zero");
/// Largest file fetched from a page of the business, and how long that may take.
const PAGE_MAX: usize = 10 << 20;
const PAGE_WAIT: Duration = Duration::from_secs(5);

/// Files that were uploaded a while ago.
pub(crate) struct Uploads {
    known: Mutex<LruCache<String, (String, Instant)>>,
    transport: Transport,
}

/// An uploaded file.
pub(crate) struct Uploaded {
    pub id: String,
    /// As messages name it.
    pub kind: &'static str,
}

impl Uploads {
    pub fn new(transport: &Transport) -> Self {
        Self {
            known: Mutex::new(LruCache::new(REMEMBERED)),
            transport: transport.clone(),
        }
    }

    /// `None` where there is nothing to upload: a page elsewhere that gives no such file. It is
    /// then named by its address.
    pub async fn put(
        &self,
        family: Family,
        api: &Api,
        inbox: Option<&Inbox>,
        media: &Media,
    ) -> Result<Option<Uploaded>, SendError> {
        let kind = kind(family, media)?;
        let key = format!("{kind} {}", media.reference);
        if let Some((id, at)) = self.known().get(&key)
            && at.elapsed() < KEPT
        {
            let id = id.clone();
            return Ok(Some(Uploaded { id, kind }));
        }
        let Some((name, mime, bytes)) = self.load(inbox, media).await? else {
            return Ok(None);
        };
        let id = api
            .upload(kind, &name, &mime, &bytes)
            .await
            .map_err(|failure| failure.into_ending(family))?;
        self.known().put(key, (id.clone(), Instant::now()));
        Ok(Some(Uploaded { id, kind }))
    }

    /// The platform knows this file no more.
    pub fn forget(&self, id: &str) {
        let mut known = self.known();
        let keys: Vec<String> = known
            .iter()
            .filter(|(_, (kept, _))| kept == id)
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            known.pop(&key);
        }
    }

    async fn load(
        &self,
        inbox: Option<&Inbox>,
        media: &Media,
    ) -> Result<Option<(String, String, Bytes)>, SendError> {
        if let Some(id) = media.reference.strip_prefix("file:") {
            let id: FileId = id.parse().map_err(|_| rejected("there is no such file"))?;
            let inbox =
                inbox.ok_or_else(|| SendError::Transient("the channel has not begun".into()))?;
            let file = inbox
                .load_file(id)
                .await
                .map_err(|error| SendError::Transient(error.into()))?
                .ok_or_else(|| rejected("there is no such file"))?;
            return Ok(Some((file.row.name, file.row.mime, file.bytes)));
        }
        let Some(page) = self.page(&media.reference).await else {
            return Ok(None);
        };
        let told = page
            .header("content-type")
            .filter(|kind| kind.contains('/'));
        let mime = told.unwrap_or(&media.mime).to_owned();
        let name = media.name.clone().unwrap_or_else(|| {
            let last = media.reference.rsplit('/').next().unwrap_or_default();
            clean::file_name(last.split(['?', '#']).next().unwrap_or_default())
        });
        Ok(Some((name, mime, page.body)))
    }

    /// A file on a page of the business, which the pack named. Private addresses are out of reach.
    async fn page(&self, url: &str) -> Option<Response> {
        let host = Url::parse(url).ok()?.host_str()?.to_owned();
        let policy = Policy {
            name: "media".to_owned(),
            max_body: PAGE_MAX,
            timeout: PAGE_WAIT,
            retries: 0,
            ..Policy::default()
        }
        .with_hosts([host])
        .ok()?;
        let client = Client::with_transport(policy, &self.transport);
        let request = Request::new(Method::GET, url);
        match client.send(&request, None).await {
            Ok(response) if response.is_success() => Some(response),
            Ok(response) => {
                tracing::warn!(
                    status = response.status,
                    "A picture's address gives no picture; the customer is shown the address."
                );
                None
            }
            Err(error) => {
                tracing::warn!(%error, "A picture could not be fetched; the customer is shown its address.");
                None
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, LruCache<String, (String, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A customer's file.
pub(crate) async fn fetch(family: Family, api: &Api, media: &Media) -> Result<Fetched, SendError> {
    match api.media(&media.reference).await {
        Ok(response) => Ok(Fetched {
            mime: response
                .header("content-type")
                .filter(|kind| !kind.starts_with("text/plain"))
                .map(str::to_owned),
            bytes: response.body,
        }),
        Err(Failure::Refused(error)) if error.code == MEDIA_GONE => {
            Err(rejected("WeChat has it no more"))
        }
        Err(Failure::Refused(error)) => Err(ending(family, &error)),
        Err(Failure::Ended(error)) => Err(error),
    }
}

/// What the platform calls a file of this kind.
fn kind(family: Family, media: &Media) -> Result<&'static str, SendError> {
    Ok(match media.media {
        MediaKind::Image => "image",
        MediaKind::Audio => {
            let mp3 = ["mpeg", "mp3"].iter().any(|form| media.mime.contains(form));
            match media.mime.contains("amr") || mp3 && !family.is_corporate() {
                true => "voice",
                // Another form of sound is a file like any other, where files can be sent.
                false if family.is_corporate() => "file",
                false => {
                    return Err(rejected("WeChat takes voice messages as AMR or MP3 only"));
                }
            }
        }
        MediaKind::Video => "video",
        MediaKind::File => "file",
    })
}

fn rejected(message: &str) -> SendError {
    SendError::Rejected {
        code: "media".to_owned(),
        message: message.to_owned(),
    }
}
