//! The one pass that makes a message fit a channel: what the channel cannot show natively is said
//! in another way, and nothing is lost.

use std::borrow::Cow;

use tandem_domain::{
    capabilities::{Capabilities, Choices, Limit, Unit},
    message::{Card, Choice, Content, Media, MediaKind, Part},
};
use uuid::Uuid;

use crate::{
    menu::{Menu, MenuOption},
    split::{clip, fits, measure, split},
};

/// A message as one channel can send it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// One native send each, in order. Only the last carries choices, only the first quotes.
    pub sends: Vec<Content>,
    /// How the choices on the last send are meant; none when there are none.
    pub style: Option<Style>,
    /// What may be pressed or typed in answer, to be kept; none without choices that have values.
    pub menu: Option<Menu>,
}

/// The ways of showing choices, richest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Buttons,
    List,
    QuickReplies,
    /// Lines of text to be answered by number.
    Numbered,
}

/// Makes an address for a medium that the customer can open: a signed link to a stored file.
pub type Link<'a> = &'a dyn Fn(&Media) -> Option<String>;

/// Makes the content fit the capabilities.
///
/// Buttons become a list, then quick replies, then numbered lines; a value that is too long
/// becomes a short key of the [`Menu`]; a label that is too long is cut on the button and stands
/// in full in the text; a card becomes image, text and link; a medium that the channel cannot take
/// becomes a line with its link. Text is split at [`split`]'s places.
#[must_use]
pub fn render(content: &Content, caps: &Capabilities, link: Link<'_>) -> Rendered {
    let mut choices = content.choices.clone();
    let mut parts = Vec::with_capacity(content.parts.len());
    let hoisting = content
        .parts
        .iter()
        .filter(|p| matches!(p, Part::Card(c) if !c.choices.is_empty()))
        .count();
    for part in &content.parts {
        lower(part, caps, link, hoisting > 1, &mut parts, &mut choices);
    }

    let mut menu = Menu::default();
    for part in &mut parts {
        if let (Part::Card(card), Some(native)) = (part, &caps.buttons) {
            shorten(&mut card.choices, native, &mut menu);
        }
    }
    let (style, choices, lines) = choose(&choices, caps, &mut menu);
    if !lines.is_empty() {
        let lines = lines.join("\n");
        match parts.last_mut() {
            Some(Part::Text { text }) if !text.trim().is_empty() => {
                text.push_str("\n\n");
                text.push_str(&lines);
            }
            _ => parts.push(Part::text(lines)),
        }
    }
    if caps.batch_max <= 1 {
        parts = merge(parts);
    }

    let parts: Vec<Part> = parts
        .into_iter()
        .flat_map(|part| match part {
            Part::Text { text } => split(&text, caps.text)
                .into_iter()
                .map(Part::text)
                .collect(),
            other => vec![other],
        })
        .collect();
    let mut sends: Vec<Content> = parts
        .chunks(caps.batch_max.max(1))
        .map(|parts| Content {
            parts: parts.to_vec(),
            ..Content::default()
        })
        .collect();
    if sends.is_empty() && !choices.is_empty() {
        sends.push(Content::default());
    }
    if let Some(first) = sends.first_mut() {
        first.quote.clone_from(&content.quote);
    }
    if let Some(last) = sends.last_mut() {
        last.choices = choices;
    }
    Rendered {
        sends,
        style,
        menu: (!menu.options.is_empty()).then_some(menu),
    }
}

/// The style in which a rendered message's choices go out: what [`render`] decided, found again
/// from the choices alone.
#[must_use]
pub fn style_of(choices: &[Choice], caps: &Capabilities) -> Option<Style> {
    if choices.is_empty() {
        return None;
    }
    natives(caps)
        .find(|(_, native)| {
            choices.len() <= native.max
                && choices
                    .iter()
                    .all(|c| fits(&c.label, native.label) && (native.url || c.url.is_none()))
        })
        .map(|(style, _)| style)
}

fn natives(caps: &Capabilities) -> impl Iterator<Item = (Style, Choices)> {
    [
        (Style::Buttons, caps.buttons),
        (Style::List, caps.list),
        (Style::QuickReplies, caps.quick_replies),
    ]
    .into_iter()
    .filter_map(|(style, native)| native.map(|n| (style, n)))
}

/// One part in terms of parts the channel has.
fn lower(
    part: &Part,
    caps: &Capabilities,
    link: Link<'_>,
    several: bool,
    parts: &mut Vec<Part>,
    choices: &mut Vec<Choice>,
) {
    match part {
        Part::Text { .. } | Part::Unsupported { .. } => parts.push(part.clone()),
        Part::Mention { name, .. } => parts.push(Part::text(format!("@{name}"))),
        Part::Location { lat, lon, name } => parts.push(Part::text(match name {
            Some(name) => format!("{name} ({lat:.5}, {lon:.5})"),
            None => format!("{lat:.5}, {lon:.5}"),
        })),
        Part::Media(media) => parts.push(lower_media(media, caps, link)),
        Part::Card(card) if card_fits(card, caps) => parts.push(part.clone()),
        Part::Card(card) => {
            if let Some(image) = &card.image {
                let media = Media {
                    media: MediaKind::Image,
                    reference: image.clone(),
                    mime: "image/*".to_owned(),
                    name: None,
                    size: None,
                    alt: Some(card.title.clone()),
                };
                if caps.media_max.is_some() {
                    parts.push(Part::Media(media));
                }
            }
            let lines: Vec<&str> = [
                Some(card.title.as_str()),
                card.text.as_deref(),
                card.url.as_deref(),
            ]
            .into_iter()
            .flatten()
            .filter(|line| !line.trim().is_empty())
            .collect();
            if !lines.is_empty() {
                parts.push(Part::text(lines.join("\n")));
            }
            choices.extend(card.choices.iter().map(|c| Choice {
                // Three cards with a "Buy" each need to be told apart.
                label: if several {
                    format!("{}: {}", card.title, c.label)
                } else {
                    c.label.clone()
                },
                ..c.clone()
            }));
        }
    }
}

fn lower_media(media: &Media, caps: &Capabilities, link: Link<'_>) -> Part {
    let takes = caps
        .media_max
        .is_some_and(|max| media.size.is_none_or(|size| size <= max));
    if takes {
        return Part::Media(media.clone());
    }
    let web = media
        .reference
        .starts_with("https://")
        .then(|| media.reference.clone());
    let name = media
        .alt
        .as_deref()
        .or(media.name.as_deref())
        .unwrap_or(&media.mime);
    Part::text(match link(media).or(web) {
        Some(url) => format!("{name}: {url}"),
        None => format!("[{name}]"),
    })
}

fn card_fits(card: &Card, caps: &Capabilities) -> bool {
    let choices = match caps.buttons {
        _ if card.choices.is_empty() => true,
        Some(native) => {
            card.choices.len() <= native.max
                && card
                    .choices
                    .iter()
                    .all(|c| fits(&c.label, native.label) && (native.url || c.url.is_none()))
        }
        None => false,
    };
    let length = measure(&card.title, caps.text.unit)
        + card
            .text
            .as_deref()
            .map_or(0, |t| measure(t, caps.text.unit));
    caps.cards && choices && length <= caps.text.max
}

/// The style, the choices that go out natively, and the lines of text for the rest.
fn choose(
    all: &[Choice],
    caps: &Capabilities,
    menu: &mut Menu,
) -> (Option<Style>, Vec<Choice>, Vec<String>) {
    if all.is_empty() {
        return (None, Vec::new(), Vec::new());
    }
    let labels: Vec<Cow<'_, str>> = all.iter().map(|c| one_line(&c.label)).collect();
    let native_ones = |native: &Choices| -> Vec<usize> {
        (0..all.len())
            .filter(|i| native.url || all[*i].url.is_none())
            .collect()
    };
    let whole = natives(caps).find(|(_, native)| {
        let ones = native_ones(native);
        !ones.is_empty()
            && ones.len() <= native.max
            && ones.iter().all(|i| fits(&labels[*i], native.label))
    });
    let chosen = whole.or_else(|| {
        natives(caps).find(|(_, native)| {
            let ones = native_ones(native);
            !ones.is_empty() && ones.len() <= native.max && native.label.max >= 4
        })
    });
    let Some((style, native)) = chosen else {
        let mut lines = Vec::new();
        for (choice, label) in all.iter().zip(&labels) {
            lines.push(match &choice.url {
                Some(url) => format!("{label}: {url}"),
                None => {
                    menu.options.push(option(choice, label));
                    format!("{}. {label}", menu.options.len())
                }
            });
        }
        let style = (!menu.options.is_empty()).then_some(Style::Numbered);
        return (style, Vec::new(), lines);
    };
    let cut = whole.is_none();
    let mut shown = Vec::new();
    let mut lines = Vec::new();
    for (choice, label) in all.iter().zip(&labels) {
        let as_link = choice.url.is_some();
        if let (Some(url), false) = (&choice.url, native.url) {
            lines.push(format!("{label}: {url}"));
            continue;
        }
        let mut choice = choice.clone();
        choice.label = label.clone().into_owned();
        if !as_link {
            menu.options.push(option(&choice, label));
        }
        if cut {
            let full = if as_link {
                label.clone().into_owned()
            } else {
                format!("{}. {label}", menu.options.len())
            };
            choice.label = clip(&full, native.label);
            lines.push(full);
        }
        if !as_link {
            shorten_one(&mut choice, &native, menu);
        }
        shown.push(choice);
    }
    (Some(style), shown, lines)
}

fn option(choice: &Choice, label: &str) -> MenuOption {
    MenuOption {
        label: label.to_owned(),
        value: choice.value.clone(),
        key: None,
    }
}

fn shorten(choices: &mut [Choice], native: &Choices, menu: &mut Menu) {
    for choice in choices.iter_mut().filter(|c| c.url.is_none()) {
        menu.options.push(option(choice, &choice.label));
        shorten_one(choice, native, menu);
    }
}

/// Puts a short key in place of a value that the platform does not carry; the menu's last option
/// is the choice's.
fn shorten_one(choice: &mut Choice, native: &Choices, menu: &mut Menu) {
    if fits(&choice.value, native.value) {
        return;
    }
    // Derived from the value, so that a button of an older message still means the same.
    let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, choice.value.as_bytes())
        .simple()
        .to_string();
    let room = native.value.max.clamp(1, 22);
    let mut key = format!("~{digest}");
    key.truncate(room);
    let mut salt = 0;
    while menu
        .options
        .iter()
        .any(|o| o.key.as_deref() == Some(key.as_str()))
        && salt < 36
    {
        // So short a key that two values share it: the last place tells them apart.
        key.pop();
        key.push(char::from_digit(salt, 36).unwrap_or('z'));
        salt += 1;
    }
    choice.value.clone_from(&key);
    if let Some(last) = menu.options.last_mut() {
        last.key = Some(key);
    }
}

fn one_line(label: &str) -> Cow<'_, str> {
    if label.contains(['\n', '\t', '\r']) {
        Cow::Owned(label.split_whitespace().collect::<Vec<_>>().join(" "))
    } else {
        Cow::Borrowed(label)
    }
}

fn merge(parts: Vec<Part>) -> Vec<Part> {
    let mut merged: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (merged.last_mut(), part) {
            (Some(Part::Text { text }), Part::Text { text: more }) => {
                text.push('\n');
                text.push_str(&more);
            }
            (_, part) => merged.push(part),
        }
    }
    merged
}

/// A channel that shows nothing but short text; the floor every message must survive.
#[must_use]
pub fn plain_text(max: usize) -> Capabilities {
    Capabilities {
        text: Limit {
            max,
            unit: Unit::Char,
        },
        buttons: None,
        list: None,
        quick_replies: None,
        batch_max: 1,
        cards: false,
        media_max: None,
        edit: false,
        delete: false,
        receipts: false,
        typing: false,
        proactive: true,
        window_secs: None,
    }
}

#[cfg(test)]
mod tests;
