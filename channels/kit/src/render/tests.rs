use std::collections::BTreeMap;

use proptest::prelude::*;
use tandem_domain::capabilities::{MediaLimit, TextLimit, Unit, Window};

use super::*;

fn no_link(_: &Media) -> Option<String> {
    None
}

fn choice(label: &str, value: &str) -> Choice {
    Choice {
        label: label.to_owned(),
        value: value.to_owned(),
        url: None,
    }
}

fn link_to(label: &str, url: &str) -> Choice {
    Choice {
        label: label.to_owned(),
        value: String::new(),
        url: Some(url.to_owned()),
    }
}

fn native(max: usize, label: usize, value: usize) -> Choices {
    Choices {
        max,
        text: None,
        label: Limit {
            max: label,
            unit: Unit::Char,
        },
        value: Limit {
            max: value,
            unit: Unit::Byte,
        },
        url: false,
    }
}

fn media(max: Option<u64>, by: MediaBy) -> BTreeMap<MediaKind, MediaLimit> {
    [MediaKind::Image, MediaKind::File]
        .map(|kind| (kind, MediaLimit { by, max }))
        .into()
}

/// Three short buttons, else a list of ten.
fn like_whatsapp() -> Capabilities {
    Capabilities {
        buttons: Some(native(3, 20, 256)),
        list: Some(native(10, 24, 200)),
        media: media(Some(1000), MediaBy::Upload),
        ..Capabilities::plain(1024)
    }
}

fn asks(choices: Vec<Choice>) -> Content {
    Content {
        parts: vec![Part::text("What next?")],
        choices,
        quote: Some("m1".to_owned()),
    }
}

#[test]
fn buttons_become_a_list_then_numbers() {
    let few: Vec<Choice> = (0..3)
        .map(|i| choice(&format!("Option {i}"), "x"))
        .collect();
    let some: Vec<Choice> = (0..8)
        .map(|i| choice(&format!("Option {i}"), "x"))
        .collect();
    let many: Vec<Choice> = (0..12)
        .map(|i| choice(&format!("Option {i}"), "x"))
        .collect();
    let caps = like_whatsapp();
    assert_eq!(
        render(&asks(few), &caps, &no_link).style,
        Some(Style::Buttons)
    );
    assert_eq!(
        render(&asks(some), &caps, &no_link).style,
        Some(Style::List)
    );
    let rendered = render(&asks(many), &caps, &no_link);
    assert_eq!(rendered.style, Some(Style::Numbered));
    assert!(rendered.sends[0].choices.is_empty());
    let text = rendered.sends[0].plain();
    assert!(
        text.starts_with("What next?\n\n1. Option 0\n2. Option 1\n"),
        "{text}"
    );
    assert_eq!(rendered.menu.unwrap().options.len(), 12);
}

#[test]
fn a_long_label_moves_to_the_list_or_stands_in_the_text() {
    let caps = like_whatsapp();
    let wider = render(
        &asks(vec![choice("Twenty-two characters!", "x")]),
        &caps,
        &no_link,
    );
    assert_eq!(wider.style, Some(Style::List));
    let label = "I would like to change the delivery address";
    let rendered = render(
        &asks(vec![choice(label, "x"), choice("Stop", "y")]),
        &caps,
        &no_link,
    );
    assert_eq!(rendered.style, Some(Style::Buttons));
    assert_eq!(rendered.sends[0].choices[0].label, "1. I would like to…");
    assert_eq!(rendered.sends[0].choices[1].label, "2. Stop");
    assert!(rendered.sends[0].plain().contains(label));
    let menu = rendered.menu.unwrap();
    assert_eq!(menu.answer("1").unwrap().value, "x");
    assert_eq!(menu.answer(label).unwrap().value, "x");
}

#[test]
fn a_long_value_becomes_a_short_key_that_stays_the_same() {
    let long = "v".repeat(300);
    let content = asks(vec![choice("A", &long), choice("B", "short")]);
    let rendered = render(&content, &like_whatsapp(), &no_link);
    let sent = &rendered.sends[0].choices;
    assert!(sent[0].value.starts_with('~') && sent[0].value.len() <= 22);
    assert_eq!(sent[1].value, "short");
    let menu = rendered.menu.unwrap();
    assert_eq!(menu.pressed(&sent[0].value).unwrap().value, long);
    assert_eq!(menu.pressed("short").unwrap().value, "short");
    let again = render(&content, &like_whatsapp(), &no_link);
    assert_eq!(again.sends[0].choices[0].value, sent[0].value);
}

#[test]
fn links_go_into_the_text_where_buttons_cannot_open_them() {
    let rendered = render(
        &asks(vec![
            link_to("Track it", "https://x.test/t"),
            choice("Return", "r"),
        ]),
        &like_whatsapp(),
        &no_link,
    );
    assert_eq!(rendered.sends[0].choices.len(), 1);
    assert!(
        rendered.sends[0]
            .plain()
            .ends_with("Track it: https://x.test/t")
    );
}

#[test]
fn a_card_becomes_image_text_link_and_buttons() {
    let card = |title: &str| {
        Part::Card(Card {
            title: title.to_owned(),
            text: Some("Oak, 40 cm".to_owned()),
            image: Some("https://x.test/lamp.jpg".to_owned()),
            url: Some("https://x.test/lamp".to_owned()),
            choices: vec![choice("Buy", title)],
        })
    };
    let content = Content {
        parts: vec![card("Lamp"), card("Desk")],
        ..Content::default()
    };
    let rendered = render(&content, &like_whatsapp(), &no_link);
    assert!(matches!(&rendered.sends[0].parts[0], Part::Media(m) if m.media == MediaKind::Image));
    assert_eq!(
        rendered.sends[1].plain(),
        "Lamp\nOak, 40 cm\nhttps://x.test/lamp"
    );
    let labels: Vec<_> = rendered
        .sends
        .last()
        .unwrap()
        .choices
        .iter()
        .map(|c| &c.label)
        .collect();
    assert_eq!(labels, ["Lamp: Buy", "Desk: Buy"]);
}

#[test]
fn media_too_large_for_the_channel_becomes_a_link() {
    let media = Media {
        media: MediaKind::File,
        reference: "file:1".to_owned(),
        mime: "application/pdf".to_owned(),
        name: Some("invoice.pdf".to_owned()),
        size: Some(5000),
        alt: None,
    };
    let content = Content {
        parts: vec![Part::Media(media)],
        ..Content::default()
    };
    let rendered = render(&content, &like_whatsapp(), &|_| {
        Some("https://x.test/f".to_owned())
    });
    assert_eq!(rendered.sends[0].plain(), "invoice.pdf: https://x.test/f");
}

#[test]
fn choices_go_with_the_last_send_and_the_quote_with_the_first() {
    let content = Content {
        parts: vec![Part::text("long text. ".repeat(30))],
        ..asks(vec![choice("A", "a")])
    };
    let caps = Capabilities {
        buttons: Some(native(3, 20, 64)),
        ..Capabilities::plain(100)
    };
    let rendered = render(&content, &caps, &no_link);
    assert!(rendered.sends.len() > 1);
    assert_eq!(rendered.sends[0].quote.as_deref(), Some("m1"));
    assert!(rendered.sends[0].choices.is_empty());
    assert_eq!(rendered.sends.last().unwrap().choices.len(), 1);
    assert_eq!(
        style_of(&rendered.sends.last().unwrap().choices, &caps),
        Some(Style::Buttons)
    );
}

fn any_choices() -> impl Strategy<Value = Vec<Choice>> {
    let one =
        ("\\PC{1,60}", "\\PC{1,300}", any::<bool>()).prop_map(|(label, value, link)| Choice {
            label,
            value: if link { String::new() } else { value },
            url: link.then(|| "https://x.test/some/where".to_owned()),
        });
    prop::collection::vec(one, 0..14)
}

fn any_caps() -> impl Strategy<Value = Capabilities> {
    let unit = || {
        prop_oneof![
            Just(Unit::Char),
            Just(Unit::Byte),
            Just(Unit::Utf16),
            Just(Unit::Grapheme)
        ]
    };
    let choices = || {
        prop::option::of(
            (
                1usize..12,
                4usize..40,
                unit(),
                8usize..64,
                any::<bool>(),
                prop::option::of((16usize..100, unit())),
            )
                .prop_map(|(max, label, unit, value, url, text)| Choices {
                    max,
                    text: text.map(|(max, unit)| Limit { max, unit }),
                    label: Limit { max: label, unit },
                    value: Limit {
                        max: value,
                        unit: Unit::Byte,
                    },
                    url,
                }),
        )
    };
    (
        16usize..500,
        unit(),
        choices(),
        choices(),
        choices(),
        1usize..6,
        any::<bool>(),
        prop::option::of((
            prop::option::of(1u64..1000),
            prop_oneof![Just(MediaBy::Url), Just(MediaBy::Upload)],
        )),
    )
        .prop_map(
            |(max, unit, buttons, list, quick_replies, batch_max, cards, takes)| Capabilities {
                text: TextLimit {
                    max,
                    unit,
                    format: Default::default(),
                },
                buttons,
                list,
                quick_replies,
                batch_max,
                cards,
                media: takes.map_or_else(BTreeMap::new, |(max, by)| media(max, by)),
                ..Capabilities::plain(1)
            },
        )
}

fn any_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        "\\PC{0,400}".prop_map(Part::text),
        ("\\PC{1,80}", prop::option::of("\\PC{1,200}"), any_choices()).prop_map(
            |(title, text, choices)| {
                Part::Card(Card {
                    title,
                    text,
                    image: None,
                    url: None,
                    choices,
                })
            }
        ),
        (1u64..2000).prop_map(|size| Part::Media(Media {
            media: MediaKind::File,
            reference: "https://x.test/f".to_owned(),
            mime: "application/pdf".to_owned(),
            name: Some("f.pdf".to_owned()),
            size: Some(size),
            alt: None,
        })),
    ]
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Everything a customer can read of it, with the addresses that choices open.
fn readable(sends: &[Content]) -> String {
    let mut all = String::new();
    let choice = |all: &mut String, c: &Choice| {
        all.push_str(&c.label);
        all.push_str(c.url.as_deref().unwrap_or_default());
    };
    for send in sends {
        for part in &send.parts {
            match part {
                Part::Text { text } => all.push_str(text),
                Part::Card(card) => {
                    all.push_str(&card.title);
                    all.push_str(card.text.as_deref().unwrap_or(""));
                    card.choices.iter().for_each(|c| choice(&mut all, c));
                }
                Part::Media(media) => all.push_str(&media.reference),
                _ => {}
            }
        }
        send.choices.iter().for_each(|c| choice(&mut all, c));
    }
    letters(&all)
}

fn within(send: &Content, caps: &Capabilities) -> Result<(), TestCaseError> {
    prop_assert!(send.parts.len() <= caps.batch_max);
    for part in &send.parts {
        match part {
            Part::Text { text } => prop_assert!(fits(text, caps.text.limit())),
            Part::Card(_) => prop_assert!(caps.cards),
            Part::Media(m) => prop_assert!(caps.takes(m.media, m.size)),
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn rendering_keeps_every_limit_and_loses_no_meaning(
        parts in prop::collection::vec(any_part(), 0..5),
        choices in any_choices(),
        caps in any_caps(),
    ) {
        let content = Content { parts, choices, quote: None };
        let rendered = render(&content, &caps, &no_link);
        for (i, send) in rendered.sends.iter().enumerate() {
            within(send, &caps)?;
            prop_assert!(send.choices.is_empty() || i + 1 == rendered.sends.len());
        }
        let menu = rendered.menu.clone().unwrap_or_default();
        let pressable = |c: &Choice| menu.pressed(&c.value).map(|o| o.value.clone());
        let shown: Vec<&Choice> = rendered.sends.iter().flat_map(|s| &s.choices).collect();
        let mut reached: Vec<String> = shown
            .iter()
            .filter(|c| c.url.is_none())
            .filter_map(|c| pressable(c))
            .collect();
        if let Some((_, native)) = natives(&caps).find(|(s, _)| Some(*s) == rendered.style) {
            prop_assert!(!shown.is_empty() && shown.len() <= native.max);
            for c in &shown {
                prop_assert!(fits(&c.label, native.label));
                prop_assert!(fits(&c.value, native.value));
                prop_assert!(native.url || c.url.is_none());
                prop_assert!(c.url.is_some() || pressable(c).is_some());
            }
            let under = rendered.sends.last().and_then(|s| s.parts.last());
            let Some(Part::Text { text }) = under else {
                return Err(TestCaseError::fail(format!("the choices stand under {under:?}")));
            };
            prop_assert!(native.text.is_none_or(|limit| fits(text, limit)));
        } else {
            prop_assert!(shown.is_empty());
        }
        let said = readable(&rendered.sends);
        for part in &content.parts {
            if let Part::Text { text } = part {
                // A piece may end anywhere, but letters keep their order.
                prop_assert!(said.contains(&letters(text)), "{text:?} not in {said:?}");
            }
            if let Part::Media(media) = part {
                prop_assert!(said.contains(&letters(&media.reference)));
            }
        }
        for send in &rendered.sends {
            for part in &send.parts {
                if let Part::Card(card) = part {
                    reached.extend(card.choices.iter().filter_map(pressable));
                }
            }
        }
        // A typed number reaches what no press does.
        reached.extend((1..=menu.options.len()).filter_map(|n| {
            let option = &menu.options[n - 1];
            said.contains(&letters(&format!("{n}. {}", option.label)))
                .then(|| option.value.clone())
        }));
        let on_cards = content.parts.iter().flat_map(|p| match p {
            Part::Card(card) => card.choices.clone(),
            _ => Vec::new(),
        });
        for choice in on_cards.chain(content.choices.clone()) {
            let label = letters(&choice.label);
            prop_assert!(said.contains(&label), "{label:?} not in {said:?}");
            match &choice.url {
                Some(url) => prop_assert!(said.contains(&letters(url))),
                None => prop_assert!(reached.contains(&choice.value), "{choice:?} is out of reach"),
            }
        }
    }

    #[test]
    fn joined_messages_say_the_same_in_order(
        texts in prop::collection::vec(("[a-z]{1,20}", any::<bool>()), 1..8),
    ) {
        let contents: Vec<Content> = texts
            .iter()
            .map(|(text, asks)| Content {
                choices: if *asks { vec![choice(text, text)] } else { Vec::new() },
                ..Content::text(text)
            })
            .collect();
        let mut groups: Vec<Vec<Content>> = Vec::new();
        for content in contents.clone() {
            match groups.last_mut() {
                Some(group) if joins(group.last().unwrap(), &content) => group.push(content),
                _ => groups.push(vec![content]),
            }
        }
        let whole: Vec<Content> = groups.into_iter().map(joined).collect();
        prop_assert!(whole.len() <= contents.len());
        let said: String = whole.iter().map(|c| letters(&c.plain())).collect();
        prop_assert_eq!(said, texts.iter().map(|(t, _)| t.as_str()).collect::<String>());
        let choices: Vec<Choice> = whole.into_iter().flat_map(|c| c.choices).collect();
        let expected: Vec<Choice> = contents.into_iter().flat_map(|c| c.choices).collect();
        prop_assert_eq!(choices, expected);
    }
}

#[test]
fn text_over_buttons_keeps_their_own_limit() {
    let mut buttons = native(3, 20, 64);
    buttons.text = Some(Limit {
        max: 40,
        unit: Unit::Char,
    });
    let caps = Capabilities {
        buttons: Some(buttons),
        ..Capabilities::plain(200)
    };
    let content = Content {
        parts: vec![Part::text("A sentence of the answer. ".repeat(6))],
        ..asks(vec![choice("A", "a")])
    };
    let rendered = render(&content, &caps, &no_link);
    let last = rendered.sends.last().unwrap();
    assert!(fits(&last.plain(), buttons.text.unwrap()));
    assert_eq!(last.choices.len(), 1);
}

#[test]
fn choices_under_a_picture_stand_under_words() {
    let picture = Part::Media(Media {
        media: MediaKind::Image,
        reference: "https://x.test/p.png".to_owned(),
        mime: "image/png".to_owned(),
        name: None,
        size: None,
        alt: None,
    });
    let mut content = asks(vec![choice("Yes", "y"), choice("No", "n")]);
    content.parts.push(picture.clone());
    let sends = render(&content, &like_whatsapp(), &no_link).sends;
    assert_eq!(sends[0].parts, std::slice::from_ref(&picture));
    assert_eq!(sends[1].plain(), "What next?");
    content.parts = vec![picture];
    let sends = render(&content, &like_whatsapp(), &no_link).sends;
    assert_eq!(sends[1].plain(), "Yes\nNo");
    assert_eq!(sends[1].choices.len(), 2);
}

#[test]
fn media_by_address_are_sent_by_one() {
    let stored = Part::Media(Media {
        media: MediaKind::Image,
        reference: "file:1".to_owned(),
        mime: "image/png".to_owned(),
        name: None,
        size: Some(9),
        alt: Some("A lamp".to_owned()),
    });
    let content = Content {
        parts: vec![stored],
        ..Content::default()
    };
    let caps = Capabilities {
        media: media(None, MediaBy::Url),
        ..Capabilities::plain(100)
    };
    let rendered = render(&content, &caps, &|_| Some("https://x.test/f".to_owned()));
    assert!(
        matches!(&rendered.sends[0].parts[0], Part::Media(m) if m.reference == "https://x.test/f")
    );
    let rendered = render(&content, &caps, &no_link);
    assert_eq!(rendered.sends[0].plain(), "[A lamp]");
}

#[test]
fn a_template_is_words_where_templates_are_unknown() {
    let content = Content {
        parts: vec![Part::Template {
            name: "shipped".to_owned(),
            language: "en".to_owned(),
            params: vec!["4711".to_owned()],
            text: Some("Your order 4711 has left.".to_owned()),
        }],
        ..Content::default()
    };
    let mut caps = Capabilities::plain(100);
    let words = render(&content, &caps, &no_link);
    assert_eq!(words.sends[0].plain(), "Your order 4711 has left.");
    caps.window = Some(Window {
        secs: 60,
        quota: None,
        brief: None,
        outside: Outside::Template,
    });
    assert_eq!(render(&content, &caps, &no_link).sends[0], content);
}

#[test]
fn what_cannot_be_changed_is_said_anew() {
    let mut caps = Capabilities::plain(100);
    let (edit, delete) = (
        SendOp::Edit { id: "1".into() },
        SendOp::Delete { id: "1".into() },
    );
    assert_eq!(operation(&edit, &caps, 0), Some(SendOp::Send));
    assert_eq!(operation(&delete, &caps, 0), None);
    assert_eq!(operation(&SendOp::Typing, &caps, 0), None);
    (caps.edit_secs, caps.delete_secs, caps.typing) = (Some(60), Some(-1), true);
    assert_eq!(operation(&edit, &caps, 60), Some(edit.clone()));
    assert_eq!(operation(&edit, &caps, 61), Some(SendOp::Send));
    assert_eq!(operation(&delete, &caps, 1 << 40), Some(delete));
    assert_eq!(operation(&SendOp::Typing, &caps, 0), Some(SendOp::Typing));
}
