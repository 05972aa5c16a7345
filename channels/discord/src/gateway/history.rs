//! What was written while nobody listened and the gateway does not play again: read from the
//! channels' own past, as far back as we know that we had read.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use tandem_channel_kit::ChannelError;

use super::work::{Batch, patiently};
use crate::{
    api::PAGE,
    channel::Hub,
    native::{Guild, Message, Snowflake},
    place::Place,
};

/// How much before the newest message another one may have been written that came after it.
const MARGIN: u64 = 60_000;
/// Pages of a channel that are read.
const PAGES: usize = 20;
/// Channels that are looked into at one time, those with the newest messages first.
const CHANNELS: usize = 500;
/// Of them at once.
const AT_ONCE: usize = 4;
/// Events committed at once.
const BATCH: usize = 100;

/// Talks with one person: Discord lists none, so those we know are asked.
pub(super) async fn alone(hub: &Arc<Hub>, batch: &mut Batch<'_>) -> Result<(), ChannelError> {
    let talks: Vec<(Snowflake, Snowflake)> = {
        let state = hub.state();
        let Some(behind) = &state.behind else {
            return Ok(());
        };
        let since = behind.since.before(MARGIN);
        let talks = state.seen.iter().filter(|(_, seen)| seen.alone);
        talks
            .map(|(id, seen)| (*id, seen.message.max(since)))
            .collect()
    };
    let talks = bounded(hub, talks);
    read(
        hub,
        batch,
        talks.into_iter().map(|(id, from)| (id, from, Place::Dm)),
    )
    .await
}

/// Channels and threads of a server in which something was written.
pub(super) async fn guild(
    hub: &Arc<Hub>,
    batch: &mut Batch<'_>,
    guild: &Guild,
) -> Result<(), ChannelError> {
    let channels: Vec<(Snowflake, Snowflake)> = {
        let state = hub.state();
        let Some(behind) = &state.behind else {
            return Ok(());
        };
        let since = behind.since.before(MARGIN);
        let all = guild.channels.iter().chain(&guild.threads);
        all.filter_map(|channel| {
            let seen = state.seen.get(&channel.id).map(|seen| seen.message);
            let from = seen.unwrap_or_default().max(since);
            (channel.last_message_id? > from).then_some((channel.id, from))
        })
        .collect()
    };
    let places = bounded(hub, channels)
        .into_iter()
        .map(|(id, from)| (id, from, hub.places.get(id).unwrap_or(Place::Group)));
    read(hub, batch, places).await
}

fn bounded(hub: &Hub, mut channels: Vec<(Snowflake, Snowflake)>) -> Vec<(Snowflake, Snowflake)> {
    if channels.len() > CHANNELS {
        tracing::warn!(account = %hub.account.id, channels = channels.len(), "Too many channels to look into all for messages written meanwhile; the quietest are left out.");
        channels.sort_by_key(|(_, from)| std::cmp::Reverse(*from));
        channels.truncate(CHANNELS);
    }
    channels
}

/// Reads channels and commits what is for us, each in its own order.
async fn read(
    hub: &Arc<Hub>,
    batch: &mut Batch<'_>,
    channels: impl Iterator<Item = (Snowflake, Snowflake, Place)>,
) -> Result<(), ChannelError> {
    let pasts = channels.map(|(channel, from, place)| async move {
        past(hub, channel, from)
            .await
            .map(|messages| (messages, place))
    });
    let mut pasts = stream::iter(pasts).buffered(AT_ONCE);
    while let Some(past) = pasts.next().await {
        let (messages, place) = past?;
        for message in messages {
            if hub.reader().heeds(&message, Some(&place)) {
                batch.message(&message, &place);
            }
            if batch.len() >= BATCH {
                batch.commit().await?;
            }
        }
    }
    batch.commit().await
}

async fn past(
    hub: &Hub,
    channel: Snowflake,
    from: Snowflake,
) -> Result<Vec<Message>, ChannelError> {
    let (mut from, mut messages) = (from, Vec::new());
    for _ in 0..PAGES {
        let page = patiently(|| hub.api.after(channel, from)).await?;
        // A channel we may not look into says nothing to us.
        let page = page.unwrap_or_default();
        let Some(last) = page.last() else {
            return Ok(messages);
        };
        from = last.id;
        let whole = page.len() < PAGE;
        messages.extend(page);
        if whole {
            return Ok(messages);
        }
    }
    tracing::warn!(account = %hub.account.id, %channel, "More was written meanwhile than is read; the rest is left out.");
    Ok(messages)
}
