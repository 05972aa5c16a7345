//! What the API's error codes mean for a message. They come with status 200.

use std::time::Duration;

use tandem_domain::channel::SendError;

use crate::family::Family;

/// An answer of the API that is no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    pub code: i64,
    /// The platform's own words.
    pub message: String,
}

/// The token has expired, was voided by another's, or never was one: a new one helps.
#[must_use]
pub fn is_stale_token(code: i64) -> bool {
    matches!(code, 40001 | 40014 | 42001)
}

/// 微信客服: nobody may write in the state the conversation is in.
pub const WRONG_STATE: i64 = 95018;
/// 微信客服: the callback's token is over.
pub const CALLBACK_TOKEN: i64 = 95007;
/// What was uploaded is gone.
pub const MEDIA_GONE: i64 = 40007;

/// How an attempt ends that was answered with this code. Nothing was taken.
#[must_use]
pub fn ending(family: Family, error: &ApiError) -> SendError {
    let said = error.to_string();
    let rejected = |code: &str| SendError::Rejected {
        code: code.to_owned(),
        message: error.message.clone(),
    };
    match error.code {
        // The platform is busy.
        -1 | -1000 | 50001 | 50002 | 45065 => SendError::Transient(said.into()),
        code if is_stale_token(code) => SendError::Unauthorized(said),
        // Id or secret wrong or frozen, our address not on the list, the interface closed to us.
        40013 | 40125 | 40164 | 40243 | 41002 | 41004 | 48004 | 60020 | 61024 => {
            SendError::Unauthorized(said)
        }
        48002 | 60030 | 301_002 if family.is_corporate() => SendError::Unauthorized(said),
        // The customer wrote too long ago, or we too often since.
        45015 | 45047 | 95001 | 95002 => rejected("window"),
        // A day's calls are used up; of companies, those of a moment.
        45009 if !family.is_corporate() => SendError::AccountRetryAfter(Duration::from_secs(600)),
        45009 | 45011 => SendError::AccountRetryAfter(Duration::from_secs(60)),
        45033 => SendError::AccountRetryAfter(Duration::from_secs(2)),
        code => rejected(&code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(family: Family, code: i64) -> SendError {
        let message = "words of the platform".to_owned();
        ending(family, &ApiError { code, message })
    }

    #[test]
    fn codes_end_an_attempt_as_the_platform_means_them() {
        let app = Family::OfficialAccount;
        assert!(matches!(end(app, -1), SendError::Transient(_)));
        assert!(matches!(end(app, 40125), SendError::Unauthorized(why) if why.contains("40125")));
        assert!(matches!(end(app, 45015), SendError::Rejected { code, .. } if code == "window"));
        assert!(
            matches!(end(app, 45009), SendError::AccountRetryAfter(pause) if pause.as_secs() == 600)
        );
        // An account without the right may still answer in the request itself.
        assert!(matches!(end(app, 48001), SendError::Rejected { code, .. } if code == "48001"));
        assert!(matches!(end(app, 48002), SendError::Rejected { .. }));
        assert!(matches!(
            end(Family::CustomerService, 48002),
            SendError::Unauthorized(_)
        ));
        assert!(
            matches!(end(Family::WeCom, 45009), SendError::AccountRetryAfter(pause) if pause.as_secs() == 60)
        );
    }
}
