//! Telegram bots: private chats, groups and forum topics, by polling or by webhook.
//!
//! Telegram's types come from teloxide; requests go through the house's own client, so that each
//! attempt says whether anything left. Events are committed before Telegram is told that we have
//! them: before the offset moves, or before the webhook is answered.
//!
//! * [`config`] – what an operator sets, and the kind that opens accounts;
//! * `api` – one call of the Bot API, and the ways it can end;
//! * [`inbound`] – an update as an event; `poll` and `webhook` are how it comes;
//! * [`signature`] – the secret that Telegram repeats with every webhook;
//! * `outbound` – a message as a call.
//!
//! | endpoint | |
//! |---|---|
//! | `POST /hooks/telegram/{account}` | Telegram's webhook, where `mode` is `webhook` |
//!
//! A message's id is unique in its chat only, so what this channel calls one names both:
//! `CHAT:MESSAGE`.

mod api;
mod channel;
pub mod config;
pub mod inbound;
mod outbound;
mod poll;
pub mod signature;
mod webhook;

pub use channel::TelegramChannel;
pub use config::{Settings, TelegramKind};
