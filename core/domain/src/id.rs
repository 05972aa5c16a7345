//! Identifiers. Rows are named by UUIDv7 (ordered by creation); ids that must be the same on
//! every attempt are UUIDv5 of what they stand for.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of every name-based id Tandem makes.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f2c_51d4_6f0b_4c6e_9a57_2b7e_61d3_0c11);

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id, ordered by the time it was made.
            #[must_use]
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that always stands for these parts, in this order.
            #[must_use]
            pub fn derive(parts: &[&str]) -> Self {
                Self(derive(stringify!($name), parts))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

uuid_id! {
    /// One customer, on however many channels.
    ContactId,
    /// One run of contact with a customer, opened by them and resolved by somebody.
    ConversationId,
    /// A thread on a channel: the unit of serial work. Derived from its native names.
    LaneId,
    /// A line of the transcript.
    MessageId,
    /// An accepted event.
    InboxId,
    /// A message on its way out. Derived from (cause, ordinal), so a retried turn writes the same row.
    OutboxId,
    TimerId,
    /// A call to the outside that a flow waits for.
    ActionId,
    TicketId,
    FileId,
    /// Something signed that was not understood.
    UnknownId,
}

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn new(name: &str) -> Self {
                Self(Arc::from(name))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    )*};
}

name_id! {
    /// A tenant: its packs, channels, desk and people. One by default.
    WorkspaceId,
    /// One configured account of a channel (a bot, a page, a widget); global and opaque in URLs.
    AccountId,
}

impl OutboxId {
    /// The id in 22 characters of base64 as it stands in addresses.
    #[must_use]
    pub fn key22(self) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = self.0.as_u128();
        // 128 bits are 21 letters of six bits and two bits more, which stand on the left of theirs.
        (0..22)
            .map(|at| {
                let six = match 122_u32.checked_sub(6 * at) {
                    Some(shift) => bits >> shift,
                    None => bits << 4,
                };
                char::from(LETTERS[(six & 63) as usize])
            })
            .collect()
    }
}

impl Default for WorkspaceId {
    fn default() -> Self {
        Self::new("default")
    }
}

fn derive(kind: &str, parts: &[&str]) -> Uuid {
    // Lengths keep ("ab", "c") and ("a", "bc") apart.
    let mut name = String::with_capacity(64);
    name.push_str(kind);
    for part in parts {
        name.push_str(&format!("|{}:{part}", part.len()));
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_the_whole_id() {
        // As RFC 4648 writes these bytes.
        let id = OutboxId(Uuid::from_u128(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f));
        assert_eq!(id.key22(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(OutboxId(Uuid::max()).key22(), "_____________________w");
    }

    #[test]
    fn derived_ids_keep_their_parts_apart() {
        assert_eq!(LaneId::derive(&["a", "b"]), LaneId::derive(&["a", "b"]));
        assert_ne!(LaneId::derive(&["ab", "c"]), LaneId::derive(&["a", "bc"]));
    }
}
