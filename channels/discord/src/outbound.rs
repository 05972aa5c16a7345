//! A message as Discord takes it.

use serde_json::json;
use serenity::{
    builder::{
        CreateActionRow, CreateButton, CreateEmbed, CreateSelectMenu, CreateSelectMenuKind,
        CreateSelectMenuOption,
    },
    model::application::ButtonStyle,
};
use tandem_channel_kit::split::{clip, measure};
use tandem_domain::{
    FileId, Map, Value,
    capabilities::{
        Capabilities, Choices, Format, Limit, MediaBy, MediaLimit, Pace, Rate, TextLimit, Unit,
    },
    message::{Card, Choice, ChoiceStyle, Content, Media, MediaKind, Outbound, Part},
};

use crate::{choice, choice::Ids, escape::escape, native::Snowflake};

/// Counted in UTF-16, which is never less than what Discord counts.
const TEXT_MAX: usize = 2000;
const LABEL: usize = 80;
const ENTRY: usize = 100;
const TITLE: usize = 256;
const ALT: usize = 1024;
/// Rows of five buttons.
const BUTTONS: usize = 25;
const ROW: usize = 5;
/// Where a server has no boosts.
const FILE_MAX: u64 = 10 << 20;
/// "A few minutes" is all that Discord says of how long it knows a nonce.
const KNOWN: u64 = 120;

pub(crate) fn capabilities() -> Capabilities {
    let limit = |max, unit| Limit { max, unit };
    let choices = |label, url| Choices {
        max: BUTTONS,
        text: None,
        label: limit(label, Unit::Utf16),
        value: limit(choice::VALUE_MAX, Unit::Utf16),
        url,
    };
    let file = MediaLimit {
        by: MediaBy::Upload,
        max: Some(FILE_MAX),
    };
    let kinds = [
        MediaKind::Image,
        MediaKind::Audio,
        MediaKind::Video,
        MediaKind::File,
    ];
    Capabilities {
        text: TextLimit {
            max: TEXT_MAX,
            unit: Unit::Utf16,
            format: Format::Plain,
        },
        buttons: Some(choices(LABEL, true)),
        list: Some(choices(ENTRY, false)),
        cards: true,
        media: kinds.map(|kind| (kind, file)).into(),
        edit_secs: Some(-1),
        delete_secs: Some(-1),
        typing: true,
        proactive: true,
        rate: Rate {
            account: vec![Pace::new(50, 1)],
            chat: vec![Pace::new(5, 5)],
            ..Rate::default()
        },
        idempotency_secs: Some(KNOWN),
        ..Capabilities::default()
    }
}

/// The channel or thread a message goes to.
pub(crate) fn channel(message: &Outbound) -> Option<Snowflake> {
    let native = &message.conversation;
    Snowflake::read(native.thread.as_ref().unwrap_or(&native.id))
}

/// What a message shows, without how it is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Body {
    pub fields: Map,
    /// Stored files to go up with it, in the order of `attachments`.
    pub files: Vec<FileId>,
}

/// A message's content. All that it shows is there, so that it can replace what stood before.
pub(crate) fn body(content: &Content, style: Option<ChoiceStyle>) -> Body {
    let mut draft = Draft::default();
    for part in &content.parts {
        draft.part(part);
    }
    let mut choices: Vec<&Choice> = content.choices.iter().collect();
    for part in &content.parts {
        if let Part::Card(card) = part {
            choices.extend(&card.choices);
        }
    }
    let rows = match style {
        Some(ChoiceStyle::List) => list(&choices),
        _ if choices
            .iter()
            .any(|c| measure(&c.label, Unit::Utf16) > LABEL) =>
        {
            list(&choices)
        }
        _ => buttons(&choices),
    };
    let mut text = escape(&draft.texts.join("\n"));
    if measure(&text, Unit::Utf16) > TEXT_MAX {
        // The escapes made it too long; a frame holds twice as much.
        draft.embeds.insert(0, CreateEmbed::new().description(text));
        text = String::new();
    }
    let mut fields = Map::new();
    fields.insert("content".to_owned(), json!(text));
    fields.insert("embeds".to_owned(), json!(draft.embeds));
    fields.insert("components".to_owned(), json!(rows));
    fields.insert("allowed_mentions".to_owned(), json!({"parse": []}));
    if !draft.attachments.is_empty() {
        fields.insert("attachments".to_owned(), json!(draft.attachments));
    }
    Body {
        fields,
        files: draft.files,
    }
}

/// The same as a new message: with its key, under which Discord takes it once, and with what it
/// quotes.
pub(crate) fn fresh(mut body: Body, message: &Outbound) -> Body {
    let fields = &mut body.fields;
    fields.insert("nonce".to_owned(), json!(message.key22()));
    fields.insert("enforce_nonce".to_owned(), json!(true));
    let quote = message.content.quote.as_deref().and_then(Snowflake::read);
    if let Some(id) = quote {
        // A quoted message that is gone is no reason not to answer.
        let reference = json!({"message_id": id, "fail_if_not_exists": false});
        fields.insert("message_reference".to_owned(), reference);
    }
    body
}

#[derive(Default)]
struct Draft {
    texts: Vec<String>,
    embeds: Vec<CreateEmbed>,
    attachments: Vec<Value>,
    files: Vec<FileId>,
}

impl Draft {
    fn part(&mut self, part: &Part) {
        let text = match part {
            Part::Text { text } => text.clone(),
            Part::Media(media) => return self.media(media),
            Part::Card(card) => return self.card(card),
            // These come as text from the pass before; if one does not, its words do.
            Part::Location { lat, lon, name } => {
                format!("{} {lat:.5}, {lon:.5}", name.as_deref().unwrap_or_default())
            }
            Part::Mention { name, .. } => format!("@{name}"),
            Part::Template { text, params, .. } => {
                text.clone().unwrap_or_else(|| params.join(", "))
            }
            Part::Unsupported { native } => native.clone(),
        };
        self.texts.push(text.trim().to_owned());
    }

    fn media(&mut self, media: &Media) {
        if let Some(name) = self.upload(media) {
            let alt = media.alt.as_deref().unwrap_or_default();
            let alt = clip(alt, utf16(ALT));
            let id = self.files.len() - 1;
            let attachment = json!({"id": id, "filename": name, "description": alt});
            self.attachments.push(attachment);
            return;
        }
        let address = &media.reference;
        if media.media == MediaKind::Image && address.starts_with("http") {
            self.embeds.push(CreateEmbed::new().image(address));
            return;
        }
        // Discord shows what is behind a link itself.
        let name = media.alt.as_deref().or(media.name.as_deref());
        self.texts.push(match name {
            Some(name) if address.starts_with("http") => format!("{name}: {address}"),
            Some(name) => name.to_owned(),
            None => address.clone(),
        });
    }

    /// Puts a stored file among those to go up, and gives its name there.
    fn upload(&mut self, media: &Media) -> Option<String> {
        let id = media.reference.strip_prefix("file:")?;
        self.files.push(id.parse().ok()?);
        let name = media.name.as_deref().unwrap_or("file");
        Some(tandem_channel_kit::clean::file_name(name))
    }

    fn card(&mut self, card: &Card) {
        let mut lines = Vec::new();
        let title = escape(&card.title);
        let short = clip(&title, utf16(TITLE));
        if short != title {
            lines.push(title);
        }
        lines.extend(card.text.as_deref().map(escape));
        let mut embed = CreateEmbed::new()
            .title(short)
            .description(lines.join("\n"));
        if let Some(url) = card.url.as_deref().filter(|url| url.starts_with("http")) {
            embed = embed.url(url);
        }
        if let Some(image) = &card.image {
            let stored = Media {
                media: MediaKind::Image,
                reference: image.clone(),
                mime: "image/png".to_owned(),
                name: Some(format!("card{}.png", self.files.len())),
                size: None,
                alt: None,
            };
            let name = self.upload(&stored);
            if let Some(name) = &name {
                let id = self.files.len() - 1;
                self.attachments.push(json!({"id": id, "filename": name}));
            }
            let url = name.map_or_else(|| image.clone(), |name| format!("attachment://{name}"));
            embed = embed.image(url);
        }
        self.embeds.push(embed);
    }
}

fn utf16(max: usize) -> Limit {
    Limit {
        max,
        unit: Unit::Utf16,
    }
}

fn buttons(choices: &[&Choice]) -> Vec<CreateActionRow> {
    let mut ids = Ids::default();
    let buttons: Vec<CreateButton> = choices
        .iter()
        .take(BUTTONS)
        .map(|choice| {
            let button = match &choice.url {
                Some(url) => CreateButton::new_link(url),
                None => CreateButton::new(ids.make(&choice.value)).style(ButtonStyle::Secondary),
            };
            button.label(clip(&choice.label, utf16(LABEL)))
        })
        .collect();
    let rows = buttons.chunks(ROW);
    rows.map(|row| CreateActionRow::Buttons(row.to_vec()))
        .collect()
}

fn list(choices: &[&Choice]) -> Vec<CreateActionRow> {
    let mut ids = Ids::default();
    let options: Vec<CreateSelectMenuOption> = choices
        .iter()
        .filter(|choice| choice.url.is_none())
        .take(BUTTONS)
        .map(|choice| {
            let label = clip(&choice.label, utf16(ENTRY));
            CreateSelectMenuOption::new(label, ids.make(&choice.value))
        })
        .collect();
    if options.is_empty() {
        return Vec::new();
    }
    let kind = CreateSelectMenuKind::String { options };
    vec![CreateActionRow::SelectMenu(CreateSelectMenu::new(
        "menu", kind,
    ))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(n: usize, label: &str) -> Vec<Choice> {
        (0..n)
            .map(|i| Choice {
                label: format!("{label} {i}"),
                value: format!("v{i}"),
                url: None,
            })
            .collect()
    }

    #[test]
    fn buttons_stand_in_rows_of_five_and_long_labels_in_a_menu() {
        let content = Content {
            choices: pick(7, "Option"),
            ..Content::text("Which?")
        };
        let shown = body(&content, Some(ChoiceStyle::Buttons)).fields;
        assert_eq!(
            shown["components"][0]["components"]
                .as_array()
                .unwrap()
                .len(),
            5
        );
        assert_eq!(shown["components"][1]["components"][1]["custom_id"], "v6");
        let menu = body(&content, Some(ChoiceStyle::List)).fields;
        let select = &menu["components"][0]["components"][0];
        assert_eq!(select["options"][6]["value"], "v6");
    }

    #[test]
    fn a_text_that_its_escapes_make_too_long_moves_into_a_frame() {
        let shown = body(&Content::text("*".repeat(2000)), None).fields;
        assert_eq!(shown["content"], "");
        let text = shown["embeds"][0]["description"].as_str().unwrap();
        assert_eq!(text.len(), 4000);
        assert_eq!(body(&Content::text("a*"), None).fields["content"], "a\\*");
    }

    #[test]
    fn stored_files_go_up_and_others_are_shown_by_their_address() {
        let file = |reference: &str, media, name: Option<&str>| {
            Part::Media(Media {
                media,
                reference: reference.to_owned(),
                mime: "x/y".to_owned(),
                name: name.map(str::to_owned),
                size: None,
                alt: None,
            })
        };
        let id = FileId::fresh();
        let content = Content {
            parts: vec![
                file(&format!("file:{id}"), MediaKind::File, Some("../发票.pdf")),
                file("https://x.test/a.png", MediaKind::Image, None),
                file("https://x.test/a.pdf", MediaKind::File, Some("Invoice")),
            ],
            ..Content::default()
        };
        let made = body(&content, None);
        assert_eq!(made.files, [id]);
        assert_eq!(made.fields["attachments"][0]["filename"], "发票.pdf");
        assert_eq!(
            made.fields["embeds"][0]["image"]["url"],
            "https://x.test/a.png"
        );
        assert_eq!(made.fields["content"], "Invoice: https://x.test/a.pdf");
    }

    #[test]
    fn a_card_is_a_frame_with_its_buttons_under_it() {
        let card = Part::Card(Card {
            title: "L_mp".repeat(100),
            text: Some("Oak".to_owned()),
            image: Some(format!("file:{}", FileId::fresh())),
            url: Some("https://x.test/lamp".to_owned()),
            choices: pick(1, "Buy"),
        });
        let content = Content {
            parts: vec![card],
            ..Content::default()
        };
        let made = body(&content, None);
        let embed = &made.fields["embeds"][0];
        assert_eq!(made.files.len(), 1);
        assert_eq!(embed["image"]["url"], "attachment://card0.png");
        assert!(measure(embed["title"].as_str().unwrap(), Unit::Utf16) <= TITLE);
        assert!(
            embed["description"]
                .as_str()
                .unwrap()
                .ends_with("\\_mp\nOak")
        );
        assert_eq!(
            made.fields["components"][0]["components"][0]["label"],
            "Buy 0"
        );
    }
}
