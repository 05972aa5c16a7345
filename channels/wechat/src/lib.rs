//! The WeChat family: Official Accounts, mini programs, WeCom apps and 微信客服.
//!
//! All four call the same kind of webhook, sealed and signed in the same way, and are spoken to
//! over the same kind of API; what differs stands in [`family`].
//!
//! * [`config`], [`kind`] – an account as the configuration knows it;
//! * [`signature`], [`sealed`] – who may call us, and what is inside; [`fields`] reads XML and JSON
//!   alike;
//! * [`inbound`] – what a message or event means; [`customer_service`] – the same for 微信客服,
//!   whose messages are fetched: its callback tells only that there is something, and [`cursor`]
//!   keeps where we are;
//! * [`menu`] – the menu under an Official Account's chat;
//! * `hook` – the webhook; `passive` – answers written into WeChat's own request;
//! * [`api`] – calls with access tokens, [`errors`] – what WeChat's error codes mean for a message;
//! * [`outbound`] – what a message looks like there; `media` – files both ways;
//! * [`channel`] – one account.
//!
//! | endpoint | |
//! |---|---|
//! | `GET /hooks/{channel}/{account}` | the platform tries the address |
//! | `POST /hooks/{channel}/{account}` | the platform's webhook |

pub mod api;
pub mod channel;
pub mod config;
pub mod cursor;
pub mod customer_service;
pub mod errors;
pub mod family;
pub mod fields;
mod hook;
pub mod inbound;
pub mod kind;
mod media;
pub mod menu;
pub mod outbound;
mod passive;
pub mod sealed;
pub mod signature;
mod sync;

pub use channel::WechatChannel;
pub use config::Settings;
pub use family::Family;
pub use kind::WechatKind;
