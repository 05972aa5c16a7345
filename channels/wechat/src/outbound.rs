//! What a message looks like to the platform: as a call of its API, and as an answer in its own
//! request.

use serde_json::{Value, json};
use tandem_channel_kit::split::split;
use tandem_domain::{
    capabilities::{Limit, Unit},
    message::{Choice, Content, Media, Outbound, Part},
};

use crate::{family::Family, fields::element, media::Uploaded};

/// The title of a WeCom card; what is longer is cut off on the screen.
const TITLE: Limit = Limit {
    max: 36,
    unit: Unit::Char,
};
/// Seconds for which WeCom is asked to compare messages at least, and at most.
const COMPARED: std::ops::Range<u64> = 1800..4 * 3600;

/// One message, without who it is to.
pub(crate) enum Said {
    Text(String),
    /// A text to be answered by pressing.
    Menu(String, Vec<Choice>),
    File(Uploaded),
}

/// The file of a message that is one.
pub(crate) fn file(content: &Content) -> Option<&Media> {
    content.parts.iter().find_map(|part| match part {
        Part::Media(media) => Some(media),
        _ => None,
    })
}

/// A file in words, where it cannot be shown.
pub(crate) fn named(media: &Media) -> String {
    let name = media.alt.as_deref().or(media.name.as_deref());
    match name {
        Some(name) => format!("{name}: {}", media.reference),
        None => media.reference.clone(),
    }
}

impl Said {
    /// Everything but a file.
    pub fn words(content: &Content) -> Self {
        Self::with(content.plain(), content.choices.clone())
    }

    pub fn with(text: String, choices: Vec<Choice>) -> Self {
        match choices.is_empty() {
            true => Self::Text(text),
            false => Self::Menu(text, choices),
        }
    }

    /// The kind of message and what is in it, as one object.
    fn body(&self, family: Family) -> Value {
        match self {
            Self::Text(text) => json!({"msgtype": "text", "text": {"content": text}}),
            Self::File(file) => {
                json!({"msgtype": file.kind, (file.kind): {"media_id": file.id}})
            }
            Self::Menu(text, choices) => {
                let entry = |choice: &Choice| match (&choice.url, family) {
                    (Some(url), _) => {
                        json!({"type": "view", "view": {"url": url, "content": choice.label}})
                    }
                    (None, Family::CustomerService) => json!({
                        "type": "click", "click": {"id": choice.value, "content": choice.label},
                    }),
                    (None, _) => json!({"id": choice.value, "content": choice.label}),
                };
                let list: Vec<Value> = choices.iter().map(entry).collect();
                json!({"msgtype": "msgmenu", "msgmenu": {"head_content": text, "list": list}})
            }
        }
    }
}

/// A customer-service message of an Official Account or a mini program.
pub(crate) fn custom(message: &Outbound, said: &Said) -> Value {
    let mut body = said.body(Family::OfficialAccount);
    body["touser"] = json!(message.conversation.id);
    body
}

/// A message of a WeCom app.
pub(crate) fn app(message: &Outbound, said: &Said, agent: u64, compared: bool) -> Value {
    let mut body = match said {
        Said::Menu(text, choices) => json!({
            "msgtype": "template_card", "template_card": card(message, text, choices),
        }),
        other => other.body(Family::WeCom),
    };
    body["touser"] = json!(message.conversation.id);
    body["agentid"] = json!(agent);
    if compared {
        // Requests that are equal count as repeated. Two messages that say the same are made to
        // differ, so that only the attempts of one are equal.
        let own = u64::from_be_bytes(
            message.uuid.0.as_bytes()[8..]
                .try_into()
                .unwrap_or_default(),
        );
        let span = COMPARED.start + own % (COMPARED.end - COMPARED.start);
        body["enable_duplicate_check"] = json!(1);
        body["duplicate_check_interval"] = json!(span);
    }
    body
}

fn card(message: &Outbound, text: &str, choices: &[Choice]) -> Value {
    let title = split(text, TITLE).into_iter().next().unwrap_or_default();
    let rest = text.strip_prefix(title.as_str()).unwrap_or(text).trim();
    let button = |choice: &Choice| match &choice.url {
        Some(url) => json!({"type": 1, "text": choice.label, "url": url}),
        None => json!({"type": 0, "text": choice.label, "key": choice.value}),
    };
    let buttons: Vec<Value> = choices.iter().map(button).collect();
    let mut card = json!({
        "card_type": "button_interaction", "main_title": {"title": title},
        "task_id": message.key22(), "button_list": buttons,
    });
    if !rest.is_empty() {
        card["sub_title_text"] = json!(rest);
    }
    card
}

/// A message of 微信客服, with the path it goes to: the answer to an event carries that event's code
/// in place of the customer.
pub(crate) fn desk(message: &Outbound, said: &Said, desk: &str) -> (&'static str, Value) {
    let mut body = said.body(Family::CustomerService);
    body["msgid"] = json!(message.key22());
    match &message.reply_context {
        Some(reply) if !matches!(said, Said::File(_)) => {
            body["code"] = json!(reply.token);
            ("/cgi-bin/kf/send_msg_on_event", body)
        }
        _ => {
            body["touser"] = json!(message.conversation.id);
            body["open_kfid"] = json!(desk);
            ("/cgi-bin/kf/send_msg", body)
        }
    }
}

/// An answer in the platform's own request. There are no menu messages in this form; entries are
/// links that say their label when they are pressed, or numbered lines.
pub(crate) fn passive(from: &str, to: &str, at: i64, said: &Said, limit: usize) -> String {
    let (kind, body) = match said {
        Said::Text(text) => ("text", element("Content", text)),
        Said::Menu(text, choices) => {
            let words = linked(text, choices)
                .filter(|words| words.len() <= limit)
                .unwrap_or_else(|| numbered(text, choices));
            ("text", element("Content", &words))
        }
        Said::File(file) => {
            let id = element("MediaId", &file.id);
            let name = match file.kind {
                "voice" => "Voice",
                "video" => "Video",
                _ => "Image",
            };
            (file.kind, format!("<{name}>{id}</{name}>"))
        }
    };
    format!(
        "<xml>{}{}<CreateTime>{at}</CreateTime>{}{body}</xml>",
        element("ToUserName", to),
        element("FromUserName", from),
        element("MsgType", kind),
    )
}

/// `None` where a label or value would not come through a link as it is.
fn linked(text: &str, choices: &[Choice]) -> Option<String> {
    let carried = |text: &str| {
        !text.is_empty()
            && !text.chars().any(|c| {
                c.is_control() || matches!(c, '&' | '"' | '\'' | '<' | '>' | '#' | '%' | '+' | '=')
            })
    };
    let mut words = format!("{text}\n");
    for choice in choices {
        let value = choice.value.as_str();
        if !carried(&choice.label) || !carried(value) || value.contains(' ') {
            return None;
        }
        let label = &choice.label;
        let content = label.replace(' ', "%20");
        words.push_str(&format!(
            "\n<a href=\"weixin://bizmsgmenu?msgmenucontent={content}&msgmenuid={value}\">{label}</a>"
        ));
    }
    Some(words)
}

fn numbered(text: &str, choices: &[Choice]) -> String {
    let mut words = format!("{text}\n");
    for (number, choice) in (1..).zip(choices) {
        words.push_str(&format!("\n{number}. {}", choice.label));
    }
    words
}

#[cfg(test)]
mod tests {
    use tandem_channel_kit::fake;

    use super::*;
    use crate::fields;

    fn choices(pairs: &[(&str, &str)]) -> Vec<Choice> {
        let choice = |(label, value): &(&str, &str)| Choice {
            label: (*label).to_owned(),
            value: (*value).to_owned(),
            url: None,
        };
        pairs.iter().map(choice).collect()
    }

    fn content(said: &Said) -> String {
        let document = passive("gh_1", "o1", 1, said, 2048);
        let read = fields::read(document.as_bytes()).unwrap();
        assert_eq!(read["FromUserName"], "gh_1");
        assert_eq!(read["ToUserName"], "o1");
        fields::text(&read, "Content").unwrap()
    }

    #[test]
    fn entries_of_a_passive_answer_are_pressed_or_numbered() {
        let said = Said::Menu(
            "哪个？".to_owned(),
            choices(&[("查 订单", "track"), ("退货", "~a1")]),
        );
        assert_eq!(
            content(&said),
            "哪个？\n\n<a href=\"weixin://bizmsgmenu?msgmenucontent=查%20订单&msgmenuid=track\">查 订单</a>\n<a href=\"weixin://bizmsgmenu?msgmenucontent=退货&msgmenuid=~a1\">退货</a>"
        );
        for (label, value) in [("a & b", "v"), ("a", "v w"), ("100%", "v"), ("a", "")] {
            let said = Said::Menu(
                "Which?".to_owned(),
                choices(&[("one", "1"), (label, value)]),
            );
            assert_eq!(content(&said), format!("Which?\n\n1. one\n2. {label}"));
        }
        let long = Said::Menu("x".repeat(2000), choices(&[("one", "1")]));
        assert!(content(&long).ends_with("\n\n1. one"));
    }

    #[test]
    fn a_cards_title_and_text_say_everything_once() {
        let account = fake::account("wecom", "a");
        let message = fake::outbound(&account, "ann", Content::default());
        let of = |text: &str| card(&message, text, &choices(&[("Yes", "y")]));
        assert_eq!(
            of("打印机坏了吗？")["main_title"]["title"],
            "打印机坏了吗？"
        );
        assert!(of("打印机坏了吗？").get("sub_title_text").is_none());
        let long = "Your printer is broken, is it not? Then choose what is to be done with it.";
        let card = of(long);
        let title = card["main_title"]["title"].as_str().unwrap();
        let rest = card["sub_title_text"].as_str().unwrap();
        assert!(title.chars().count() <= 36);
        assert_eq!(
            format!("{title} {rest}")
                .split_whitespace()
                .collect::<Vec<_>>(),
            long.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn only_the_attempts_of_one_message_are_equal_to_wecom() {
        let account = fake::account("wecom", "a");
        let message = || fake::outbound(&account, "ann", Content::text("Hello"));
        let body = |message: &Outbound| app(message, &Said::Text("Hello".to_owned()), 7, true);
        let (one, other) = (message(), message());
        assert_eq!(body(&one), body(&one));
        assert_ne!(body(&one), body(&other));
        let span = body(&one)["duplicate_check_interval"].as_u64().unwrap();
        assert!(COMPARED.contains(&span));
    }
}
