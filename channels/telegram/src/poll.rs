//! Asking Telegram for updates.
//!
//! Telegram forgets an update when it is asked for the one after it. So nothing is asked for
//! before everything earlier is committed; what a crash leaves in between comes once more, and
//! the inbox knows it.

use std::time::Duration;

use serde_json::value::RawValue;
use tandem_channel_kit::{ChannelError, Inbox, Stop};
use teloxide::payloads::{DeleteWebhook, GetUpdates};
use tokio::time::Instant;

use crate::{
    api::{Failure, POLL, result},
    channel::Shared,
    inbound::{ALLOWED, Update},
};

/// Updates asked for at once; Telegram gives no more.
const PAGE: u8 = 100;
/// Longest that Telegram's wish for patience is followed before it is asked anew.
const LONGEST: Duration = Duration::from_secs(60);
/// After an answer that came at once and held nothing, which no poll should.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(shared: &Shared, inbox: &Inbox, stop: &Stop) -> Result<(), ChannelError> {
    let begin = async {
        shared.introduce().await?;
        // While one is set, Telegram refuses polls.
        shared.api.call(&DeleteWebhook::new()).await.map(drop)
    };
    match stop.or(begin).await {
        Some(begun) => begun?,
        None => return Ok(()),
    }
    let mut offset = None;
    let mut presses = Vec::new();
    loop {
        let asked = Instant::now();
        let ask = ask(offset);
        let turn = async {
            let answers = shared.answer(std::mem::take(&mut presses));
            tokio::join!(answers, shared.api.call(&ask)).1
        };
        let answer = match stop.or(turn).await {
            None => return Ok(()),
            Some(Ok(answer)) => answer,
            Some(Err(Failure::Wait(pause))) => {
                let pause = pause.min(LONGEST);
                tracing::warn!(account = %shared.account.id, ?pause, "Telegram asks to poll less often.");
                match stop.or(tokio::time::sleep(pause)).await {
                    Some(()) => continue,
                    None => return Ok(()),
                }
            }
            Some(Err(failure)) => return Err(failure.into()),
        };
        let bodies: Vec<Box<RawValue>> = result(&answer).map_err(lost)?;
        if bodies.is_empty() {
            // All before it is confirmed. After a quiet week Telegram may count from anywhere.
            offset = None;
            if asked.elapsed() < PAUSE && stop.or(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
            continue;
        }
        let bodies: Vec<&[u8]> = bodies.iter().map(|body| body.get().as_bytes()).collect();
        let updates: Vec<Update> = bodies.iter().map(|body| shared.read(body)).collect();
        let newest = updates.iter().filter_map(|update| update.id).max();
        let pressed: Vec<String> = updates.iter().filter_map(|u| u.press.clone()).collect();
        let batch = updates.into_iter().zip(bodies).collect();
        shared.commit(inbox, batch).await.map_err(lost)?;
        presses = pressed;
        let Some(next) = newest.and_then(|newest| newest.checked_add(1)) else {
            return Err(lost("Telegram sends updates without ids".to_owned()));
        };
        offset = Some(next);
    }
}

fn ask(offset: Option<i32>) -> GetUpdates {
    let mut payload = GetUpdates::new();
    payload.offset = offset;
    payload.limit = Some(PAGE);
    payload.timeout = u32::try_from(POLL.as_secs()).ok();
    payload.allowed_updates = Some(ALLOWED.to_vec());
    payload
}

fn lost(why: impl Into<tandem_domain::BoxError>) -> ChannelError {
    ChannelError::Lost(why.into())
}
