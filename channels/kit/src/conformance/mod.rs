//! What every channel must do, whatever its platform: one suite, run by each channel's tests
//! against a fake of its platform.
//!
//! * [`check`] – every channel: it shows what its capabilities say, runs and stops;
//! * [`webhook`] – those that receive over HTTP: forgeries, duplicates, bursts, trouble;
//! * [`sending`] – those that send over HTTP: how each attempt ends, credentials that expire;
//! * [`table`] – what of it stands in the docs.

pub mod sending;
pub mod table;
pub mod webhook;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tandem_domain::{
    capabilities::{Capabilities, Choices, Limit},
    channel::SendError,
    message::{Card, Choice, Content, Media, MediaKind, Part},
};

use crate::{Account, Channel, Inbox, Stop, fake, render::render, split::fits};

/// Longest that one attempt to send, or stopping, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that a suite tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    // The way in.
    Good,
    Body,
    Signature,
    Time,
    Missing,
    Stale,
    Downgrade,
    Large,
    Again,
    Burst,
    SlowBot,
    Full,
    Odd,
    // The way out.
    Throttled,
    Broken,
    Refused,
    CutOff,
    Garbled,
    Gone,
    Expired,
}

/// What a suite did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What there was to try.
    pub tried: BTreeSet<Check>,
    /// Everything the channel did wrong, one sentence each.
    pub wrong: Vec<String>,
}

impl Report {
    fn result(self) -> Result<(), Vec<String>> {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(self.wrong),
        }
    }
}

/// Runs the suite. `native` is a conversation that the fake platform knows.
///
/// # Errors
/// Everything the channel did wrong, one sentence each.
pub async fn check(
    channel: Arc<dyn Channel>,
    account: &Account,
    native: &str,
) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let caps = channel.capabilities();
    sane(&caps, &mut wrong);
    if channel.capabilities() != caps {
        wrong.push("The capabilities change from call to call.".to_owned());
    }

    let inbox = Inbox::new(account.clone(), Arc::new(fake::MemorySink::new()));
    // Building routes twice must not clash with itself or panic.
    drop(channel.routes(inbox.clone()));
    let stop = Stop::new();
    let running = tokio::spawn({
        let (channel, inbox, stop) = (channel.clone(), inbox.clone(), stop.clone());
        async move { channel.run(inbox, stop).await }
    });

    for (name, content) in samples() {
        let rendered = render(&content, &caps, &|_| None);
        if rendered.sends.is_empty() {
            wrong.push(format!("Nothing is left of {name}."));
        }
        for send in &rendered.sends {
            within(send, &caps, name, &mut wrong);
            let message = fake::outbound(account, native, send.clone());
            match tokio::time::timeout(PATIENCE, channel.send(&message)).await {
                Err(_) => wrong.push(format!("Sending {name} took more than {PATIENCE:?}.")),
                Ok(Ok(_)) => {}
                Ok(Err(SendError::Rejected { code, .. })) => {
                    wrong.push(format!(
                        "{name} was refused ({code}) though it was rendered for it."
                    ));
                }
                Ok(Err(error)) => wrong.push(format!("{name} was not sent: {error}.")),
            }
        }
    }

    stop.stop();
    match tokio::time::timeout(PATIENCE, running).await {
        Err(_) => wrong.push(format!("It did not stop within {PATIENCE:?}.")),
        Ok(Err(panic)) => wrong.push(format!("Running ended with {panic}.")),
        Ok(Ok(Err(error))) => wrong.push(format!("Running failed: {error}.")),
        Ok(Ok(Ok(()))) => {}
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn sane(caps: &Capabilities, wrong: &mut Vec<String>) {
    if caps.text.max < 16 {
        wrong.push("Fewer than 16 characters of text say nothing.".to_owned());
    }
    if caps.batch_max == 0 {
        wrong.push("A send holds no part.".to_owned());
    }
    let kinds: [(&str, Option<Choices>); 3] = [
        ("buttons", caps.buttons),
        ("list", caps.list),
        ("quick_replies", caps.quick_replies),
    ];
    for (name, choices) in kinds {
        let Some(choices) = choices else { continue };
        if choices.max == 0 || choices.label.max == 0 {
            wrong.push(format!("{name} has no room: leave it out instead."));
        }
        if choices.value.max < 8 {
            wrong.push(format!("{name} has values too short for a key."));
        }
    }
}

fn within(send: &Content, caps: &Capabilities, name: &str, wrong: &mut Vec<String>) {
    if send.parts.len() > caps.batch_max {
        wrong.push(format!("{name} has too many parts."));
    }
    for part in &send.parts {
        if let Part::Text { text } = part
            && !fits(text, caps.text.limit())
        {
            let Limit { max, unit } = caps.text.limit();
            wrong.push(format!("{name} is longer than {max} {unit:?}."));
        }
    }
}

/// Messages of every shape.
#[must_use]
pub fn samples() -> Vec<(&'static str, Content)> {
    let choice = |n: usize| Choice {
        label: format!("Option {n} 选项"),
        value: format!("v{n}"),
        url: None,
    };
    let choices = |n: usize| Content {
        choices: (1..=n).map(choice).collect(),
        ..Content::text("Which one? 选哪个？")
    };
    vec![
        ("a text", Content::text("Hello 你好 👩‍👩‍👧")),
        (
            "a long text",
            Content::text("One sentence of many. 一句话。\n".repeat(900)),
        ),
        ("two choices", choices(2)),
        ("twenty choices", choices(20)),
        (
            "a long label",
            Content {
                choices: vec![Choice {
                    label: "a label that is longer than most platforms can show on a button"
                        .to_owned(),
                    value: "v".repeat(500),
                    url: None,
                }],
                ..Content::text("Well?")
            },
        ),
        (
            "a link",
            Content {
                choices: vec![Choice {
                    label: "Track it".to_owned(),
                    value: String::new(),
                    url: Some("https://shop.example.test/track".to_owned()),
                }],
                ..Content::text("It is on its way.")
            },
        ),
        (
            "a card",
            Content {
                parts: vec![Part::Card(Card {
                    title: "Lamp".to_owned(),
                    text: Some("Oak, 40 cm".to_owned()),
                    image: Some("https://shop.example.test/lamp.jpg".to_owned()),
                    url: Some("https://shop.example.test/lamp".to_owned()),
                    choices: vec![choice(1)],
                })],
                ..Content::default()
            },
        ),
        (
            "a file",
            Content {
                parts: vec![Part::Media(Media {
                    media: MediaKind::File,
                    reference: "https://shop.example.test/invoice.pdf".to_owned(),
                    mime: "application/pdf".to_owned(),
                    name: Some("invoice.pdf".to_owned()),
                    size: Some(2048),
                    alt: None,
                })],
                ..Content::text("Your invoice")
            },
        ),
    ]
}
