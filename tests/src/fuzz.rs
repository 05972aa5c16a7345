//! Everything that reads bytes from outside, as functions of bytes that must neither panic nor
//! stall. `fuzz/` runs them under coverage guidance; a test replays what it has found worth
//! keeping.

mod plugins;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use tandem_channel_discord::{
    inbound::{Asked, Me, Reader, Ticket},
    native::{Event as DiscordEvent, Frame, Interaction, Message, Snowflake},
    place::Place,
};
use tandem_channel_kit::{
    fake,
    menu::{Menu, MenuOption, menu_answer},
    render::render,
};
use tandem_channel_script::{
    event::Event,
    machine::{Received, Values},
    prim::{codec, xml},
    request::Request,
    script::BUILT_IN,
    version::Version,
};
use tandem_channel_telegram::inbound::{Reader as TelegramReader, Says};
use tandem_channel_web::inbound;
use tandem_channel_wechat::{Family, customer_service, fields, inbound as wechat, sealed::Seal};
use tandem_domain::{
    Locale, Map, Timestamp, Value,
    capabilities::{Capabilities, Choices, Format, Limit, TextLimit, Unit},
    message::{Choice, Content, ConversationKind, Part},
};
use tandem_flow::template::{Lookup, Scope, Templates};
use tandem_server::config::{Config, Environment};

pub use plugins::{plugin_answers, plugin_elf, plugin_lines, plugin_manifest, plugin_sdk};

/// What a target is called, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("flow_yaml", flow_yaml),
    ("config", config),
    ("web_frames", web_frames),
    ("templates", templates),
    ("menus", menus),
    ("script_codecs", script_codecs),
    ("script_webhook", script_webhook),
    ("telegram_update", telegram_update),
    ("wechat_xml", wechat_xml),
    ("wechat_crypto", wechat_crypto),
    ("discord_event", discord_event),
    ("plugin_manifest", plugin_manifest),
    ("plugin_elf", plugin_elf),
    ("plugin_lines", plugin_lines),
    ("plugin_answers", plugin_answers),
    ("plugin_sdk", plugin_sdk),
];

/// A flow file beside a sound pack.yaml; behind a record separator (1E) the contract of a plugin.
pub fn flow_yaml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(2, '\u{1e}').map(str::to_owned);
    let mut files = vec![
        (
            "pack.yaml".to_owned(),
            "name: fuzz\nlocales: [en, zh]\n".to_owned(),
        ),
        (
            "main.flow.yaml".to_owned(),
            parts.next().unwrap_or_default(),
        ),
    ];
    files.extend(
        parts
            .next()
            .map(|text| ("plugins/parcel.json".to_owned(), text)),
    );
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

/// What files of channels read bytes with: what is read and written again is the same.
pub fn script_codecs(bytes: &[u8]) {
    if let Some(root) = xml::decode(bytes)
        && let Some(text) = xml::encode(&root)
    {
        assert_eq!(xml::decode(text.as_bytes()), Some(root));
    }
    if let Some(fields) = codec::form_decode(bytes) {
        let text = codec::form_encode(fields.iter().map(|(name, value)| (name, value)));
        assert_eq!(codec::form_decode(text.as_bytes()), Some(fields));
    }
    for (decode, encode) in [
        (
            codec::base64_decode as fn(&[u8]) -> Option<Vec<u8>>,
            codec::base64_encode as fn(&[u8]) -> String,
        ),
        (codec::base64url_decode, codec::base64url_encode),
        (codec::hex_decode, codec::hex_encode),
        (codec::url_decode, codec::url_encode),
    ] {
        assert_eq!(decode(encode(bytes).as_bytes()).as_deref(), Some(bytes));
        if let Some(read) = decode(bytes) {
            assert_eq!(decode(encode(&read).as_bytes()), Some(read));
        }
    }
}

thread_local! {
    static FILES: Vec<(Version, Values)> = BUILT_IN.iter().map(|(name, source, _)| {
        // Nobody finds a signature by chance: everything counts as signed.
        let opened = format!(
            "local file = (function()\n{source}\nend)()\nfile.verify = function() return true end\nreturn file"
        );
        let (version, problems) = Version::read(name, &opened);
        let version = version.unwrap_or_else(|| panic!("{problems:?}"));
        let values = version.settings.keys().map(|name| (name.clone(), "v".repeat(32)));
        let values = Values(values.collect());
        (version, values)
    }).collect();
}

/// The first byte chooses the channel, the second the method; the first line of what follows is
/// the query, the rest the body.
pub fn script_webhook(bytes: &[u8]) {
    let [which, method, rest @ ..] = bytes else {
        return;
    };
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let query: String = rest[..end]
        .iter()
        .filter(|b| b.is_ascii_graphic())
        .map(|b| char::from(*b))
        .collect();
    let body = rest.get(end + 1..).unwrap_or_default();
    FILES.with(|files| {
        let (version, values) = &files[usize::from(*which) % files.len()];
        let now = Timestamp(1_760_000_000_000);
        let url = format!("https://help.example.test/hooks/x/y?{query}");
        let mut headers = vec![("content-type", &b"application/json"[..])];
        if let Some(replay) = &version.caps.edge.replay {
            headers.push((replay.timestamp.as_str(), b"1760000000"));
        }
        let method = if method % 8 == 0 { "GET" } else { "POST" };
        let request = Request::new(method, &url, headers, body.to_vec().into(), now);
        let Received::Understood { events, .. } = version.receive(&request, values) else {
            return;
        };
        let account = fake::account("x", "y");
        for event in Event::read_all(events).into_iter().flatten() {
            let _ = event.inbound(&account, ConversationKind::Dm, now);
        }
    });
}

/// One update as Telegram brings it. What is read as an event is one that the inbox can judge.
pub fn telegram_update(bytes: &[u8]) {
    let account = fake::account("telegram", "fuzz");
    let reader = TelegramReader {
        account: &account,
        bot: 2,
        username: Some("tandem_bot"),
        now: Timestamp(1_760_000_000_000),
    };
    let update = reader.read(bytes);
    match update.says {
        Says::Event(event) => {
            assert_eq!(Some(event.id), update.id.map(|id| id.to_string()));
            assert!(!event.conversation.id.is_empty() && !event.sender.id.is_empty());
        }
        Says::Nothing => assert!(update.id.is_some()),
        Says::Unknown(why) => assert!(!why.is_empty()),
    }
}
/// A message of the WeChat family, in XML or JSON, and a page of 微信客服.
pub fn wechat_xml(bytes: &[u8]) {
    let Some(message) = fields::read(bytes) else {
        return;
    };
    let now = Timestamp(1_760_000_000_000);
    for family in Family::ALL {
        let account = tandem_channel_kit::fake::account(family.name(), "fuzz");
        if let Some(wechat::Told::Event(heard)) = wechat::read(family, &account, &message, now) {
            assert!(!heard.inbound.id.is_empty() && !heard.to.is_empty());
        }
    }
    let account = tandem_channel_kit::fake::account("wxkf", "fuzz");
    let page = customer_service::page(&account, &["wk1".to_owned()], &message, now);
    assert!(page.events.iter().all(|event| !event.id.is_empty()));
    if let Some(text) = fields::text(&message, "Content") {
        let written = format!("<xml>{}<E/></xml>", fields::element("Content", &text));
        assert!(fields::read(written.as_bytes()).is_some());
    }
}

/// What is opened may be anything; what is sealed opens again, for its own account alone.
pub fn wechat_crypto(bytes: &[u8]) {
    let seal = |id| {
        Seal::new("token", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", id)
            .expect("the key has 43 characters")
    };
    let text = String::from_utf8_lossy(bytes);
    let _ = seal("wx1").open(&text);
    let _ = Seal::new("token", &text, "wx1");
    assert!(!seal("wx1").admits(&text, "1", "n", &text));
    let sealed = seal("wx1").seal(bytes, [7; 16], "1", "n");
    assert!(seal("wx1").admits(&sealed.signature, "1", "n", &sealed.encrypt));
    assert_eq!(seal("wx1").open(&sealed.encrypt).as_deref(), Some(bytes));
    assert_eq!(seal("wx2").open(&sealed.encrypt), None);
}

/// A frame of Discord's gateway, or an interaction as it comes by webhook.
pub fn discord_event(bytes: &[u8]) {
    let account = fake::account("discord", "fuzz");
    let channels = BTreeSet::from([Snowflake(5)]);
    let reader = Reader {
        account: &account,
        me: Me {
            user: Snowflake(9),
            application: Snowflake(8),
        },
        channels: &channels,
    };
    if let Ok(asked) = serde_json::from_slice::<Interaction>(bytes) {
        discord_interaction(reader, &asked);
    }
    let Ok(frame) = serde_json::from_slice::<Frame>(bytes) else {
        return;
    };
    let Ok(event) = DiscordEvent::read(&frame.t.unwrap_or_default(), frame.d) else {
        return;
    };
    let now = Timestamp(1_740_996_000_000);
    let place = Place::Thread {
        parent: Snowflake(5),
    };
    let whole = |message: &Message| {
        assert!(reader.heeds(message, Some(&place)) || !reader.heeds(message, None));
        let read = reader.message(message, &place);
        assert!(!read.parts.is_empty(), "a message says something");
    };
    match event {
        DiscordEvent::Message(message) => whole(&message),
        DiscordEvent::Edited(message) => {
            whole(&message);
            if let Some(edit) = reader.edit(&message, &Place::Dm) {
                assert_ne!(edit.id, message.id.to_string());
            }
        }
        DiscordEvent::Deleted(deleted) => {
            let gone = reader.deleted(&deleted, &place, now);
            assert!(gone.count() <= deleted.ids.len() + 1);
        }
        DiscordEvent::Reaction(reaction) => {
            let _ = reader.reaction(&reaction, &place, now);
        }
        DiscordEvent::Interaction(asked) => discord_interaction(reader, &asked),
        DiscordEvent::Guild(guild) => {
            let all = guild.channels.iter().chain(&guild.threads);
            assert!(all.map(Place::of).count() <= bytes.len());
        }
        DiscordEvent::Channels(channels) => assert!(channels.len() <= bytes.len()),
        DiscordEvent::Ready(_) | DiscordEvent::Resumed | DiscordEvent::Other => {}
    }
}

/// Whatever it is, it can be acknowledged, and the way to answer it comes back as it went.
fn discord_interaction(reader: Reader<'_>, asked: &Interaction) {
    let read = reader.interaction(asked);
    assert!(read.acknowledgement()["type"].is_u64());
    if let Asked::Command(event) | Asked::Press(event) = read {
        let context = event.reply_context.expect("it can be answered");
        let ticket = Ticket::read(&context.token).expect("it was written here");
        assert_eq!(ticket.token, asked.token);
        assert_eq!(ticket.id, asked.id);
    }
}
