//! A channel that is a plugin: each account is an instance of its own, created with the account's
//! settings, behind the same [`Channel`](tandem_channel_kit::Channel) as every other channel.
//!
//! * [`kind`] – [`PluginKind`]: how an account's settings become an instance;
//! * `settings` – what is wrong with them, by the plugin's own schema;
//! * `opened` – what `channel.open` says, held against what a channel can be;
//! * `account` – one account: receiving, sending, fetching, how it stands;
//! * `http` – the platform's requests to its address;
//! * `desk` – what the plugin hands in: events, ends of claims;
//! * `media` – the stored files it asks for.

mod account;
mod desk;
mod event;
mod http;
pub mod kind;
mod media;
mod opened;
mod settings;

pub(crate) use desk::{Desk, Front};
pub use kind::PluginKind;
pub(crate) use opened::Opened;

use tandem_plugin_sdk::wire::manifest::is_name;

/// Between a plugin's name and that of an account in the name of an instance. No configured name
/// holds one.
const BETWEEN: char = '.';

/// What the instance of an account is called: `irc.libera`.
fn instance(plugin: &str, account: &str) -> String {
    format!("{plugin}{BETWEEN}{account}")
}

/// The configured plugin that an instance is of: itself, where it is no account's.
#[must_use]
pub fn plugin_of(instance: &str) -> &str {
    let before = instance.split_once(BETWEEN);
    before.map_or(instance, |(plugin, _)| plugin)
}

/// Whether an instance is an account's.
pub(crate) fn is_account(name: &str) -> bool {
    let Some((plugin, account)) = name.split_once(BETWEEN) else {
        return false;
    };
    let byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    is_name(plugin) && (1..=64).contains(&account.len()) && account.bytes().all(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_from_a_plugin_by_its_name() {
        assert!(is_account(&instance("irc", "libera")));
        assert!(is_account("irc.1-a_b"));
        assert_eq!((plugin_of("irc.libera"), plugin_of("irc")), ("irc", "irc"));
        for other in ["irc", "irc.", ".a", "irc.A", "irc.a.b", "Irc.a", "irc./"] {
            assert!(!is_account(other), "{other}");
        }
    }
}
