//! A channel with its inbox, run and stopped as a server does it.
#![allow(dead_code, reason = "each test uses its part")]

use std::sync::Arc;

use serde_json::{Value, json};
use tandem_channel_discord::{
    DiscordChannel,
    fake::{FakeDiscord, TOKEN},
    native::Snowflake,
};
use tandem_channel_kit::{
    Channel as _, ChannelError, Inbox, Stop,
    fake::{self, MemorySink},
    kind,
};
use tandem_domain::{
    Timestamp,
    channel::{Receipt, SendError},
    message::{Content, Outbound},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub struct House {
    pub sink: MemorySink,
    pub channel: Arc<DiscordChannel>,
    folder: TempDir,
    settings: Value,
    stop: Stop,
    running: Option<JoinHandle<Result<(), ChannelError>>>,
}

impl House {
    pub fn open(discord: &FakeDiscord, more: Value) -> Self {
        Self::open_with(discord, TOKEN, more)
    }

    pub fn open_with(discord: &FakeDiscord, token: &str, more: Value) -> Self {
        let mut settings = json!({"token": kind::Secret::found(token), "api": discord.api()});
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let folder = tempfile::tempdir().unwrap();
        Self {
            sink: MemorySink::new(),
            channel: made(&settings, &folder),
            folder,
            settings,
            stop: Stop::new(),
            running: None,
        }
    }

    pub fn inbox(&self) -> Inbox {
        let account = fake::account("discord", "main");
        Inbox::new(account, Arc::new(self.sink.clone()))
    }

    /// Changes a setting from the next start on.
    pub fn set(&mut self, name: &str, value: Value) {
        self.settings[name] = value;
    }

    /// As a new process: nothing of the last one is there but its folder and the inbox.
    pub fn start(&mut self) {
        self.channel = made(&self.settings, &self.folder);
        self.stop = Stop::new();
        let (channel, inbox, stop) = (self.channel.clone(), self.inbox(), self.stop.clone());
        self.running = Some(tokio::spawn(async move {
            loop {
                match channel.run(inbox.clone(), stop.clone()).await {
                    // The host runs it again.
                    Err(ChannelError::Lost(_)) => tokio::task::yield_now().await,
                    ended => return ended,
                }
            }
        }));
    }

    pub async fn stop(&mut self) -> Result<(), ChannelError> {
        self.stop.stop();
        self.ended().await
    }

    pub async fn ended(&mut self) -> Result<(), ChannelError> {
        self.running.take().unwrap().await.unwrap()
    }

    /// Without a moment to put anything in order.
    pub async fn kill(&mut self) {
        let running = self.running.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    pub fn texts(&self) -> Vec<String> {
        self.sink
            .events()
            .iter()
            .map(|event| event.text())
            .collect()
    }

    pub fn texts_in(&self, channel: Snowflake) -> Vec<String> {
        let id = channel.to_string();
        let events = self.sink.events();
        let there = events.iter().filter(|event| {
            let native = &event.conversation;
            native.thread.as_ref().unwrap_or(&native.id) == &id
        });
        there.map(|event| event.text()).collect()
    }

    pub fn message(&self, channel: Snowflake, content: Content) -> Outbound {
        let account = fake::account("discord", "main");
        fake::outbound(&account, &channel.to_string(), content)
    }

    pub async fn say(&self, channel: Snowflake, text: &str) -> Result<Receipt, SendError> {
        let message = self.message(channel, Content::text(text));
        self.channel.send(&message).await
    }
}

fn made(settings: &Value, folder: &TempDir) -> Arc<DiscordChannel> {
    let account = fake::account("discord", "main");
    let settings = kind::read(settings).unwrap();
    let clock = Arc::new(Timestamp::now);
    Arc::new(DiscordChannel::new(account, settings, folder.path(), clock).unwrap())
}
