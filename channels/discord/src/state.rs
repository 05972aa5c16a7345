//! What outlives the process: the gateway's session, and how far every conversation was read.
//!
//! It is written behind what it tells of: an event is in the inbox before the state says so. What an
//! older state lets come again is a duplicate to the inbox.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{inbound::Me, native::Snowflake};

/// Conversations whose end is remembered, those that were quiet longest going first.
const REMEMBERED: usize = 2000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub session: Option<Session>,
    pub me: Option<Me>,
    /// The newest message anywhere that was looked at.
    pub newest: Option<Snowflake>,
    /// The last message that was taken, of each channel.
    pub seen: BTreeMap<Snowflake, Seen>,
    /// What was written while nobody listened, and is not read yet.
    pub behind: Option<Behind>,
    /// A digest of the commands that were registered last.
    pub commands: Option<String>,
}

/// A session of the gateway, which can be taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub id: String,
    /// Where.
    pub url: String,
    /// Everything up to here is in the inbox.
    pub seq: u64,
    /// A digest of the token and of what was asked to be heard.
    pub made_for: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub message: Snowflake,
    pub alone: bool,
}

/// See [`State::behind`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behind {
    /// What is older was read.
    pub since: Snowflake,
    /// Servers that have not told yet what was written in them.
    pub guilds: BTreeSet<Snowflake>,
}

impl State {
    pub fn saw(&mut self, channel: Snowflake, message: Snowflake, alone: bool) {
        let seen = self.seen.entry(channel).or_insert(Seen { message, alone });
        seen.message = seen.message.max(message);
        if self.seen.len() > REMEMBERED {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.message);
            if let Some(oldest) = oldest.map(|(channel, _)| *channel) {
                self.seen.remove(&oldest);
            }
        }
    }

    /// A session begins anew, so all that was written since the last one is to be read; nothing
    /// older than `floor`, which the inbox may have forgotten that it had.
    pub fn fall_behind(&mut self, guilds: BTreeSet<Snowflake>, floor: Snowflake) {
        let before = self.behind.take().map(|behind| behind.since);
        // Where an earlier gap is not closed yet, it begins there.
        let since = before.into_iter().chain(self.newest).min();
        self.behind = since.map(|since| Behind {
            since: since.max(floor),
            guilds,
        });
    }

    /// What was kept, or nothing where nothing can be read.
    pub fn load(path: &Path) -> Self {
        let kept = match std::fs::read(path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "How far Discord was read cannot be looked up; messages written while Tandem was down are not fetched.");
                return Self::default();
            }
        };
        serde_json::from_slice(&kept).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "How far Discord was read cannot be understood; messages written while Tandem was down are not fetched.");
            Self::default()
        })
    }

    /// Writes it so that a reader finds the old or the new, never a half.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let part = path.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was_and_a_broken_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/gateway.json");
        assert_eq!(State::load(&path), State::default());
        let mut state = State {
            session: Some(Session {
                id: "s".into(),
                url: "wss://x".into(),
                seq: 7,
                made_for: "m".into(),
            }),
            newest: Some(Snowflake(5)),
            ..State::default()
        };
        state.saw(Snowflake(1), Snowflake(4), true);
        state.saw(Snowflake(1), Snowflake(3), true);
        let since = |state: &State| state.behind.as_ref().unwrap().since;
        state.fall_behind([Snowflake(9)].into(), Snowflake(0));
        state.newest = Some(Snowflake(8));
        state.fall_behind([Snowflake(9)].into(), Snowflake(3));
        assert_eq!(since(&state), Snowflake(5));
        state.fall_behind([Snowflake(9)].into(), Snowflake(6));
        assert_eq!(since(&state), Snowflake(6));
        state.save(&path).unwrap();
        assert_eq!(State::load(&path), state);
        assert_eq!(state.seen[&Snowflake(1)].message, Snowflake(4));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(State::load(&path), State::default());
    }

    #[test]
    fn conversations_that_are_quiet_longest_are_forgotten() {
        let mut state = State::default();
        for n in 0..REMEMBERED as u64 + 10 {
            state.saw(Snowflake(n), Snowflake(100 + n), false);
        }
        assert_eq!(state.seen.len(), REMEMBERED);
        assert!(!state.seen.contains_key(&Snowflake(9)));
        assert!(state.seen.contains_key(&Snowflake(10)));
    }
}
