//! The one pass that makes a message fit a channel: what the channel cannot show natively is said
//! in another way, and nothing is lost.

use std::borrow::Cow;

use tandem_domain::{
    capabilities::{Capabilities, Choices, Limit, MediaBy, Outside},
    message::{Card, Choice, ChoiceStyle, Content, Media, MediaKind, Part, SendOp},
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

impl Style {
    /// The platform's own way of showing it; none for text.
    #[must_use]
    pub fn native(self) -> Option<ChoiceStyle> {
        match self {
            Self::Buttons => Some(ChoiceStyle::Buttons),
            Self::List => Some(ChoiceStyle::List),
            Self::QuickReplies => Some(ChoiceStyle::QuickReplies),
            Self::Numbered => None,
        }
    }
}

/// Makes an address for a medium that the customer can open: a signed link to a stored file.
pub type Link<'a> = &'a dyn Fn(&Media) -> Option<String>;

/// Makes the content fit the capabilities.
///
/// Buttons become a list, then quick replies, then numbered lines; a value that is too long
/// becomes a short key of the [`Menu`]; a label that is too long is cut on the button and stands
/// in full in the text; a card becomes image, text and link; a medium that the channel cannot take
/// becomes a line with its link. Choices always stand under a text. Text is split at [`split`]'s
/// places.
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
    let shown = choose(&choices, caps, &mut menu);
    let (style, choices, mut lines) = (shown.style, shown.choices, shown.lines);
    if !choices.is_empty() && lines.is_empty() {
        stand_under(&mut parts, &choices, &mut lines);
    }
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

    let mut parts: Vec<Part> = parts
        .into_iter()
        .flat_map(|part| pieces(part, caps.text.limit()))
        .collect();
    if let Some(last) = shown.text.and_then(|limit| Some((parts.pop()?, limit))) {
        parts.extend(pieces(last.0, last.1));
    }
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
        Part::Template {
            name, params, text, ..
        } => {
            let known = caps.window.is_some_and(|w| w.outside == Outside::Template);
            parts.push(match text {
                _ if known => part.clone(),
                Some(text) => Part::text(text),
                None => Part::text(format!("{name}: {}", params.join(", "))),
            });
        }
        Part::Mention { name, .. } => parts.push(Part::text(format!("@{name}"))),
        Part::Location { lat, lon, name } => parts.push(Part::text(match name {
            Some(name) => format!("{name} ({lat:.5}, {lon:.5})"),
            None => format!("{lat:.5}, {lon:.5}"),
        })),
        Part::Media(media) => parts.push(lower_media(media, caps, link)),
        Part::Card(card) if card_fits(card, caps) => {
            let image = card.image.as_deref().and_then(|image| {
                let stored = image.starts_with("file:");
                match stored {
                    true => link(&picture(card, image)),
                    false => Some(image.to_owned()),
                }
            });
            parts.push(Part::Card(Card {
                image,
                ..card.clone()
            }));
        }
        Part::Card(card) => {
            if let Some(image) = &card.image {
                parts.push(lower_media(&picture(card, image), caps, link));
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

/// The image of a card as a medium of its own.
fn picture(card: &Card, image: &str) -> Media {
    Media {
        media: MediaKind::Image,
        reference: image.to_owned(),
        mime: "image/*".to_owned(),
        name: None,
        size: None,
        alt: Some(card.title.clone()),
    }
}

fn lower_media(media: &Media, caps: &Capabilities, link: Link<'_>) -> Part {
    let web = media
        .reference
        .starts_with("https://")
        .then(|| media.reference.clone());
    if caps.takes(media.media, media.size) {
        let by = caps.media.get(&media.media).map(|limit| limit.by);
        if by != Some(MediaBy::Url) || web.is_some() {
            return Part::Media(media.clone());
        }
        if let Some(url) = link(media) {
            return Part::Media(Media {
                reference: url,
                ..media.clone()
            });
        }
    }
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

/// Puts a text last, for the choices to stand under: the message's own, else the choices in words.
fn stand_under(parts: &mut Vec<Part>, choices: &[Choice], lines: &mut Vec<String>) {
    let is_text = |part: &Part| matches!(part, Part::Text { text } if !text.trim().is_empty());
    if parts.last().is_some_and(is_text) {
        return;
    }
    match parts.iter().rposition(is_text) {
        Some(at) => {
            let text = parts.remove(at);
            parts.push(text);
        }
        None => lines.extend(choices.iter().map(|choice| choice.label.clone())),
    }
}

fn pieces(part: Part, limit: Limit) -> Vec<Part> {
    match part {
        Part::Text { text } => split(&text, limit).into_iter().map(Part::text).collect(),
        other => vec![other],
    }
}

/// How choices go out.
#[derive(Default)]
struct Shown {
    style: Option<Style>,
    /// The native ones.
    choices: Vec<Choice>,
    /// What is said in words.
    lines: Vec<String>,
    /// The longest text the native ones stand under, where that is a limit of its own.
    text: Option<Limit>,
}

/// The style, the choices that go out natively, and the lines of text for the rest.
fn choose(all: &[Choice], caps: &Capabilities, menu: &mut Menu) -> Shown {
    if all.is_empty() {
        return Shown::default();
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
        return Shown {
            style: (!menu.options.is_empty()).then_some(Style::Numbered),
            lines,
            ..Shown::default()
        };
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
    Shown {
        style: Some(style),
        choices: shown,
        lines,
        text: native.text,
    }
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
        .any(|o| o.key.as_deref().unwrap_or(&o.value) == key)
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

/// Whether a message may go out together with the one before it, where sends are few: one after
/// the other they say the same. A message with choices ends what it is joined to, because an
/// answer means the choices above it.
#[must_use]
pub fn joins(before: &Content, next: &Content) -> bool {
    next.quote.is_none() && !asks(before)
}

fn asks(content: &Content) -> bool {
    !content.choices.is_empty()
        || content
            .parts
            .iter()
            .any(|part| matches!(part, Part::Card(card) if !card.choices.is_empty()))
}

/// Messages that [`joins`] put together as one; paragraphs keep their texts apart.
#[must_use]
pub fn joined(group: Vec<Content>) -> Content {
    let mut whole = Content::default();
    for content in group {
        for part in content.parts {
            match (whole.parts.last_mut(), part) {
                (Some(Part::Text { text }), Part::Text { text: more }) => {
                    text.push_str("\n\n");
                    text.push_str(&more);
                }
                (_, part) => whole.parts.push(part),
            }
        }
        whole.choices = content.choices;
        whole.quote = whole.quote.or(content.quote);
    }
    whole
}

/// What is left of an operation on a channel, `age_secs` after the message it changes was sent: an
/// edit that cannot be made is a new message; what cannot be taken back stays; nobody sees us type, or is told who has the
/// conversation.
#[must_use]
pub fn operation(op: &SendOp, caps: &Capabilities, age_secs: i64) -> Option<SendOp> {
    let may = |secs: Option<i64>| secs.is_some_and(|secs| secs < 0 || age_secs <= secs);
    match op {
        SendOp::Send => Some(SendOp::Send),
        SendOp::Edit { .. } if may(caps.edit_secs) => Some(op.clone()),
        SendOp::Edit { .. } => Some(SendOp::Send),
        SendOp::Delete { .. } => may(caps.delete_secs).then(|| op.clone()),
        SendOp::Typing => caps.typing.then(|| op.clone()),
        SendOp::Session { .. } => caps.sessions.then(|| op.clone()),
    }
}

#[cfg(test)]
mod tests;
