//! How one attempt to send can end. The outbox decides what follows; a channel never retries.

use std::time::Duration;

use crate::BoxError;

/// The platform took the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The platform's ids of what it made of the message.
    pub native_ids: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The platform asks for patience in this conversation.
    #[error("the platform asks to wait {0:?}")]
    RetryAfter(Duration),
    /// The platform asks the whole account for patience.
    #[error("the platform asks the account to wait {0:?}")]
    AccountRetryAfter(Duration),
    /// Certainly not taken; trying again may help.
    #[error("not sent: {0}")]
    Transient(BoxError),
    /// Never will be taken in this form.
    #[error("refused ({code}): {message}")]
    Rejected { code: String, message: String },
    /// Our credential is wrong or expired; messages wait until it is mended.
    #[error("the credential was refused: {0}")]
    Unauthorized(String),
    /// Bytes left and no clear answer came; the message may have arrived.
    #[error("sent, and nobody knows whether it was taken: {0}")]
    Uncertain(BoxError),
}
