//! Stored files that messages carry, for platforms that take the bytes. They are read as every
//! channel reads them: by the account's own [`Inbox`], so that no other workspace's is among them.

use serde::Deserialize;
use serde_json::Value;
use tandem_channel_kit::{File, Inbox, InboxError};
use tandem_domain::FileId;
use tandem_plugin_sdk::{
    Error,
    wire::{Bytes, StoredMedia},
};

use crate::ServiceError;

/// Bytes of the largest file that is handed out, which as JSON is a third more.
const GET_MAX: usize = 10 << 20;

/// What a plugin gets for `media.get{media}`.
pub(super) async fn get(inbox: &Inbox, params: &Value) -> Result<Value, ServiceError> {
    #[derive(Deserialize)]
    struct Params {
        media: Reference,
    }
    // Whatever else a part of a message says of it.
    #[derive(Deserialize)]
    struct Reference {
        #[serde(rename = "ref")]
        reference: String,
    }
    let Params { media } = super::desk::typed(params)?;
    let Some(id) = media.reference.strip_prefix("file:") else {
        let why =
            "`ref` names no stored file: the platform or the plugin fetches it by its address";
        return Err(ServiceError::BadInput(why.into()));
    };
    let gone = || ServiceError::Failed(Error::new("not_found", "there is no such file"));
    let id: FileId = id.parse().map_err(|_| gone())?;
    let found = inbox.load_file(id).await.map_err(unread)?;
    let File { row, bytes } = found.ok_or_else(gone)?;
    if bytes.len() > GET_MAX {
        let (size, most) = (bytes.len(), GET_MAX);
        let why = format!("the file has {size} bytes, and a plugin gets at most {most}");
        return Err(ServiceError::TooLarge(why));
    }
    let media = StoredMedia {
        mime: row.mime,
        name: Some(row.name).filter(|name| !name.is_empty()),
        data: Bytes(bytes.into()),
    };
    serde_json::to_value(media).map_err(|_| ServiceError::Busy)
}

fn unread(error: InboxError) -> ServiceError {
    if !matches!(error, InboxError::Unavailable(_)) {
        tracing::error!(%error, "A file for a plugin's channel could not be read.");
    }
    ServiceError::Busy
}
