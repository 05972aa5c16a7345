//! What the edge of a channel is promised: menus in words, windows, receipts, credentials, order.
#![allow(clippy::unwrap_used)]

mod in_band;
mod inbound;
mod media;
mod menus;
mod sends;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use support::{House, Platform, Service};
use tandem_channel_kit::{Accepted, Health, Sink as _};
use tandem_domain::{
    FileId, OutboxId, Timestamp,
    capabilities::{Capabilities, Pace, Window},
    channel::{Receipt, SendError},
    message::{
        Author, Choice, Content, Delivery, Inbound, InboundKind, Media, MediaKind, Part,
        ReplyContext,
    },
    store::{Commit, Message, OutboxState, Visibility, Write},
};
use tandem_engine::Person;

fn with(caps: Capabilities) -> Platform {
    Platform {
        caps: Some(caps),
        ..Platform::default()
    }
}

fn window(secs: u64, quota: Option<u32>) -> Capabilities {
    Capabilities {
        window: Some(Window {
            secs,
            quota,
            outside: Default::default(),
            brief: None,
        }),
        ..Capabilities::plain(4000)
    }
}

fn kim() -> Person {
    Person {
        id: "kim".into(),
        name: None,
    }
}

fn failed(code: &str) -> impl Fn(&OutboxState) -> bool {
    move |state| matches!(state, OutboxState::Failed { code: c, .. } if c == code)
}

impl House {
    async fn take(&self, event: Inbound) -> Accepted {
        let events = vec![event];
        self.engine.accept(&self.account, events).await.unwrap()[0]
    }

    /// Writes as a person, and gives the line.
    async fn write(&self, content: Content) -> Message {
        let (id, w) = (self.conversation().await.id, &self.account.workspace);
        let reply = self
            .engine
            .reply(w, id, kim(), content, Visibility::Public, None);
        reply.await.unwrap()
    }

    async fn all(&self) -> Vec<Message> {
        let id = self.conversation().await.id;
        let lines = self.store.messages(&self.account.workspace, id, 0, 999);
        lines.await.unwrap()
    }

    /// The outbox row of the n-th send of a turn, by the event that caused it.
    fn row_of(&self, accepted: Accepted, ordinal: u32) -> OutboxId {
        let cause = format!("inbox:{}", accepted.id().unwrap());
        OutboxId::derive(&[&cause, &ordinal.to_string()])
    }

    async fn sent_state(&self, id: OutboxId) -> OutboxState {
        let done = |s: &OutboxState| matches!(s, OutboxState::Sent { .. });
        self.until(id, done).await
    }
}
