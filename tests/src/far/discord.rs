//! Discord: people who write to the bot alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_channel_discord::{
    fake::{FakeDiscord, Seen, TOKEN, Wrong},
    native::Snowflake,
};

use super::{Board, Platform, Shown, Trouble, scenarios};
use crate::server::Setup;

/// Discord and what its people see.
pub struct Discord {
    fake: FakeDiscord,
    board: Arc<Board>,
    /// Who talks with the bot where.
    talks: Arc<Mutex<HashMap<Snowflake, String>>>,
}

impl Discord {
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let fake = FakeDiscord::start().await?;
        let (board, talks) = (Arc::<Board>::default(), Arc::<Mutex<_>>::default());
        fake.watch({
            let (board, talks) = (board.clone(), talks.clone());
            move |seen| see(&board, &talks, seen)
        });
        Ok(Self { fake, board, talks })
    }

    /// Where this person talks with the bot.
    fn talk(&self, who: &str) -> Snowflake {
        let alone = self.fake.person(who).alone;
        let mut talks = self.talks.lock().unwrap_or_else(PoisonError::into_inner);
        talks.insert(alone, who.to_owned());
        alone
    }
}

fn see(board: &Board, talks: &Mutex<HashMap<Snowflake, String>>, seen: &Seen) {
    let id = |message: &Value| message["id"].as_str().unwrap_or_default().to_owned();
    match seen {
        Seen::New(message, files) => {
            let channel = message["channel_id"].as_str().and_then(Snowflake::read);
            let talks = talks.lock().unwrap_or_else(PoisonError::into_inner);
            let who = channel.and_then(|channel| talks.get(&channel));
            board.show(Shown {
                who: who.cloned().unwrap_or_default(),
                id: id(message),
                text: text(message),
                choices: labels(message),
                files: files.clone(),
            });
        }
        Seen::Changed(message) => {
            board.change(&id(message), Some(text(message)), Some(labels(message)));
        }
        Seen::Gone(_) => {}
    }
}

/// What stands there, as people read it.
fn text(message: &Value) -> String {
    let content = message["content"].as_str().unwrap_or_default();
    let embeds = message["embeds"].as_array().into_iter().flatten();
    let frames = embeds.flat_map(|embed| [&embed["title"], &embed["description"]]);
    let texts = std::iter::once(content).chain(frames.filter_map(Value::as_str));
    let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
    let mut plain = String::new();
    let joined = texts.join("\n");
    let mut chars = joined.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// Everything that can be pressed, as Discord is told of a press.
fn pressable(message: &Value) -> Vec<(String, Value)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let parts = list(&message["components"])
        .into_iter()
        .flat_map(|row| list(&row["components"]));
    let mut found = Vec::new();
    for part in parts {
        let label = |of: &Value| of["label"].as_str().unwrap_or_default().to_owned();
        for option in list(&part["options"]) {
            let data = json!({
                "component_type": 3, "custom_id": part["custom_id"], "values": [option["value"]],
            });
            found.push((label(&option), data));
        }
        if part["custom_id"].is_string() && part["type"] == 2 {
            let data = json!({"component_type": 2, "custom_id": part["custom_id"]});
            found.push((label(&part), data));
        }
    }
    found
}

fn labels(message: &Value) -> Vec<String> {
    pressable(message)
        .into_iter()
        .map(|(label, _)| label)
        .collect()
}

#[async_trait]
impl Platform for Discord {
    fn setup(&self) -> Setup {
        let settings = json!({"token": {"env": "DISCORD_TOKEN"}, "api": self.fake.api()});
        Setup {
            environment: vec![("DISCORD_TOKEN".into(), TOKEN.into())],
            config: scenarios::account("discord", self.account(), settings),
            ..Setup::default()
        }
    }

    fn account(&self) -> &'static str {
        "community"
    }

    /// It comes to us; what is written before it has come is not told to it.
    async fn reach(&self, _url: &str) {
        self.fake.begun(1).await;
    }

    async fn write(&self, who: &str, text: &str) {
        self.fake.write(self.talk(who), who, text, json!({}));
    }

    async fn picture(&self, who: &str, png: &[u8]) {
        let file = self.fake.attachment("chair.png", "image/png", png);
        let more = json!({"attachments": [file]});
        self.fake.write(self.talk(who), who, "", more);
    }

    async fn press(&self, who: &str, label: &str) -> anyhow::Result<()> {
        let talk = self.talk(who);
        let said = self.fake.said(talk);
        let found = said.iter().rev().find_map(|message| {
            let pressable = pressable(message).into_iter();
            let data = pressable.into_iter().find(|(known, _)| known == label)?.1;
            Some((message["id"].as_str().and_then(Snowflake::read)?, data))
        });
        let (message, data) = found.with_context(|| format!("{who} was shown no {label:?}"))?;
        self.fake.press(talk, who, message, &data);
        Ok(())
    }

    async fn delivered(&self) {
        self.fake.confirmed().await;
    }

    async fn repeat(&self, count: usize) {
        self.fake.repeat(count);
    }

    fn trouble(&self, trouble: Trouble) {
        match trouble {
            Trouble::Throttle { sends } => self.fake.goes_wrong(Wrong::Throttle, sends),
            Trouble::Fail { sends } => self.fake.goes_wrong(Wrong::Fail, sends),
            Trouble::CutAfterAccept { sends } => {
                self.fake.goes_wrong(Wrong::CutAfterAccept, sends);
            }
            Trouble::Drop => self.fake.drop_connections(None),
        }
    }

    fn board(&self) -> &Board {
        &self.board
    }
}
