//! What a channel's file computes with: plain functions of bytes, each bounded by the size of what
//! it is given. Bad input is `None`, never a panic.

pub mod codec;
pub mod digest;
pub mod json;
pub mod keys;
pub mod time;

pub use tandem_channel_kit::{cipher, xml};
