use tandem_channel_kit::fake;

use super::*;

fn read(message: Value) -> Option<Inbound> {
    let account = fake::account("discord", "a");
    let channels = BTreeSet::from([Snowflake(77)]);
    let reader = Reader {
        account: &account,
        me: Me {
            user: Snowflake(9),
            application: Snowflake(8),
        },
        channels: &channels,
    };
    let message: Message = serde_json::from_value(message).unwrap();
    let place = match (message.guild_id, message.channel_id.0) {
        (None, _) => Place::Dm,
        (Some(_), 78) => Place::Thread {
            parent: Snowflake(77),
        },
        _ => Place::Group,
    };
    reader
        .heeds(&message, Some(&place))
        .then(|| reader.message(&message, &place))
}

fn from_ann(more: Value) -> Value {
    let mut message = json!({
        "id": "786008729715212338", "channel_id": "5", "type": 0, "content": "hello",
        "author": {"id": "7", "username": "ann", "global_name": "Ann"},
    });
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

#[test]
fn what_is_said_to_us_is_heard_and_what_is_said_to_others_is_not() {
    assert!(read(from_ann(json!({}))).is_some());
    assert!(read(from_ann(json!({"guild_id": "1"}))).is_none());
    assert!(read(from_ann(json!({"guild_id": "1", "channel_id": "77"}))).is_some());
    let thread = read(from_ann(json!({"guild_id": "1", "channel_id": "78"}))).unwrap();
    assert_eq!(thread.conversation.kind, ConversationKind::Thread);
    assert_eq!(thread.conversation.thread.as_deref(), Some("78"));
    let answer = json!({"guild_id": "1", "type": 19, "message_reference": {"message_id": "4"},
        "referenced_message": {"id": "4", "author": {"id": "9", "username": "bot"}}});
    let answer = read(from_ann(answer)).unwrap();
    assert!(answer.mentions_me);
    assert_eq!(answer.quote.as_deref(), Some("4"));
    for other in [
        json!({"author": {"id": "7", "username": "x", "bot": true}}),
        json!({"author": {"id": "9", "username": "bot"}}),
        json!({"webhook_id": "3"}),
        json!({"type": 7}),
    ] {
        assert!(read(from_ann(other.clone())).is_none(), "{other}");
    }
}

#[test]
fn ids_are_read_as_what_people_see() {
    let called = read(from_ann(json!({
        "guild_id": "1", "content": "<@9> is <@!3> here? <:wave:12> <a:b:13> 1 < 2 <@4> <#5>",
        "mentions": [{"id": "9", "username": "bot"}, {"id": "3", "username": "bo"}],
    })))
    .unwrap();
    assert_eq!(called.text(), "is @bo here? :wave: :b: 1 < 2 <@4> <#5>");
    assert!(matches!(&called.parts[1], Part::Mention { id, .. } if id == "3"));
    let only = json!({"content": "<@9>", "mentions": [{"id": "9", "username": "bot"}]});
    assert_eq!(read(from_ann(only)).unwrap().text(), "@bot");
}

#[test]
fn files_stickers_and_what_is_forwarded_come_along() {
    let message = read(from_ann(json!({
        "content": "",
        "attachments": [{"id": "1", "filename": "a.txt", "size": 3, "description": "notes",
            "content_type": "text/plain; charset=utf-8", "url": "https://cdn.discordapp.com/a"}],
        "sticker_items": [{"id": "2", "name": "wave", "format_type": 1},
            {"id": "3", "name": "l", "format_type": 3}],
        "message_reference": {"type": 1, "message_id": "4"},
        "message_snapshots": [{"message": {"content": "from elsewhere"}}],
    })))
    .unwrap();
    assert_eq!(message.quote, None);
    assert_eq!(message.text(), "from elsewhere");
    let kinds: Vec<&str> = message
        .parts
        .iter()
        .map(|part| match part {
            Part::Media(media) => media.mime.as_str(),
            Part::Unsupported { native } => native,
            _ => "text",
        })
        .collect();
    assert_eq!(kinds, ["text/plain", "image/png", "sticker l", "text"]);
}

#[test]
fn a_ticket_comes_back_as_it_went() {
    for thinking in [true, false] {
        let ticket = Ticket {
            thinking,
            application: Snowflake(5),
            id: Snowflake(6),
            token: "aW50.ZXI_-".into(),
        };
        assert_eq!(Ticket::read(&ticket.write()), Some(ticket));
    }
    assert_eq!(Ticket::read("press"), None);
    assert_eq!(Ticket::read("press.1../x"), None);
}
