//! Everything that reads bytes from outside, as functions of bytes that must neither panic nor
//! stall. `fuzz/` runs them under coverage guidance; a test replays what it has found worth
//! keeping.

use std::{borrow::Cow, collections::BTreeMap};

use tandem_channel_kit::{
    menu::{Menu, MenuOption, menu_answer},
    render::render,
};
use tandem_channel_web::inbound;
use tandem_domain::{
    Locale, Map, Timestamp, Value,
    capabilities::{Capabilities, Choices, Format, Limit, TextLimit, Unit},
    message::{Choice, Content, Part},
};
use tandem_flow::template::{Lookup, Scope, Templates};
use tandem_server::config::{Config, Environment};

/// What a target is called, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("flow_yaml", flow_yaml),
    ("config", config),
    ("web_frames", web_frames),
    ("templates", templates),
    ("menus", menus),
];

/// A flow file beside a sound pack.yaml.
pub fn flow_yaml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let files = vec![
        (
            "pack.yaml".to_owned(),
            "name: fuzz\nlocales: [en, zh]\n".to_owned(),
        ),
        ("main.flow.yaml".to_owned(), text),
    ];
    let loaded = tandem_flow::load::load_files(files);
    // An unusable pack says why.
    assert!(loaded.pack.is_some() || !loaded.diagnostics.is_empty());
}

pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(problems) = Config::parse(&text, "tandem.yaml", &Environment::default()) {
        assert!(!problems.is_empty());
    }
}

pub fn web_frames(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Whatever is read as a frame can be looked at again.
    if let Ok(frame) = inbound::frame(&text) {
        let _ = format!("{frame:?}");
    }
    let cleaned = tandem_channel_kit::clean::text(&text, 16 * 1024);
    assert!(cleaned.len() <= 16 * 1024);
    let _ = tandem_channel_kit::clean::file_name(&text);
}

struct Vars(Map);

impl Lookup for Vars {
    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.0.get(name).map(Cow::Borrowed)
    }
}

/// The first byte chooses expression or text.
pub fn templates(bytes: &[u8]) {
    let Some((kind, source)) = bytes.split_first() else {
        return;
    };
    let source = String::from_utf8_lossy(source);
    let mut templates = Templates::new();
    let vars = Vars(sample_vars());
    let zone = jiff_zone();
    let locale = Locale::new("en");
    let scope = Scope::new(&vars, Timestamp(1_740_996_000_000), &zone, &locale);
    if kind % 2 == 0 {
        if let Ok(expr) = templates.expr(&source, Default::default()) {
            let _ = templates.eval(&expr, &scope);
            let _ = templates.test(&expr, &scope);
        }
    } else if let Ok(template) = templates.text(&source, Default::default())
        && let Ok(text) = templates.render(&template, &scope)
    {
        assert!(text.len() <= 64 * 1024 + 4);
    }
}

fn jiff_zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::UTC
}

fn sample_vars() -> Map {
    let vars: BTreeMap<&str, Value> = BTreeMap::from([
        ("name", Value::from("Ann")),
        ("qty", Value::from(2)),
        ("none", Value::Null),
        (
            "order",
            serde_json::json!({"id": "A1", "eta": "2025-03-17", "lines": [{"qty": 2}]}),
        ),
    ]);
    vars.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Lines: the first is an answer, the second a text, the others labels of choices.
pub fn menus(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let answer = lines.next().unwrap_or_default();
    let body = lines.next().unwrap_or_default();
    let labels: Vec<&str> = lines.take(60).collect();
    let menu = Menu {
        options: labels
            .iter()
            .enumerate()
            .map(|(i, label)| MenuOption {
                label: (*label).to_owned(),
                value: i.to_string(),
                key: None,
            })
            .collect(),
    };
    if let Some(value) = menu_answer(answer, &menu) {
        assert!(value.parse::<usize>().is_ok_and(|i| i < labels.len()));
    }
    let limit = |max| Limit {
        max,
        unit: Unit::Utf16,
    };
    let caps = Capabilities {
        text: TextLimit {
            max: 80,
            unit: Unit::Utf16,
            format: Format::Plain,
        },
        list: Some(Choices {
            max: 5,
            text: None,
            label: limit(20),
            value: limit(20),
            url: false,
        }),
        ..Capabilities::default()
    };
    let content = Content {
        parts: vec![Part::text(body)],
        choices: labels
            .iter()
            .enumerate()
            .map(|(i, label)| Choice {
                label: (*label).to_owned(),
                value: i.to_string(),
                url: None,
            })
            .collect(),
        quote: None,
    };
    for sent in render(&content, &caps, &|_| None).sends {
        assert!(tandem_channel_kit::split::measure(&sent.plain(), Unit::Utf16) <= 80);
    }
}
