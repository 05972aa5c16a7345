use super::*;

fn read(update: &Value) -> Update {
    let account = tandem_channel_kit::fake::account("telegram", "test");
    let reader = Reader {
        account: &account,
        bot: 2,
        username: Some("shop_bot"),
        now: Timestamp(7),
    };
    reader.read(update.to_string().as_bytes())
}

fn group(more: Value) -> Value {
    let mut message = json!({
        "message_id": 9, "date": 1_760_000_000,
        "from": {"id": 5, "is_bot": false, "first_name": "Ann"},
        "chat": {"id": -1005, "type": "supergroup", "title": "Shop"},
    });
    let more = more.as_object().cloned().unwrap_or_default();
    message.as_object_mut().unwrap().extend(more);
    json!({"update_id": 1, "message": message})
}

fn event(update: &Value) -> Inbound {
    match read(update).says {
        Says::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn places_in_a_text_are_counted_as_telegram_counts_them() {
    let mention = |offset: u64, length: u64| {
        let entities = json!([{"type": "mention", "offset": offset, "length": length}]);
        let text = "😀 @shop_bot 你好";
        event(&group(json!({"text": text, "entities": entities}))).mentions_me
    };
    assert!(mention(3, 9));
    assert!(!mention(2, 9));
    // Places that are none, or in the middle of a letter.
    for (offset, length) in [(1, 9), (3, 900), (u64::MAX, u64::MAX), (900, 0)] {
        assert!(!mention(offset, length));
    }
}

#[test]
fn somebody_without_a_name_is_mentioned_by_id() {
    let me = json!({"id": 2, "is_bot": true, "first_name": "T"});
    let entities = json!([{"type": "text_mention", "offset": 0, "length": 4, "user": me}]);
    assert!(event(&group(json!({"text": "Shop, hi", "entities": entities}))).mentions_me);
}

#[test]
fn ids_of_messages_name_their_chat() {
    let event = event(&group(json!({"text": "hi"})));
    assert_eq!(event.message_id.as_deref(), Some("-1005:9"));
    assert_eq!(chat_and_message("-1005:9"), Some((-1005, 9)));
    for other in ["9", "-1005:", ":9", "a:b", "1:2:3", ""] {
        assert_eq!(chat_and_message(other), None);
    }
}

#[test]
fn a_press_is_to_be_answered_whatever_it_says() {
    let from = json!({"id": 5, "is_bot": false, "first_name": "Ann"});
    let query = |more: Value| {
        let mut query = json!({"id": "q", "from": from, "chat_instance": "1"});
        let more = more.as_object().cloned().unwrap_or_default();
        query.as_object_mut().unwrap().extend(more);
        read(&json!({"update_id": 1, "callback_query": query}))
    };
    // Under a message that inline mode sent, and of a form that nobody knows.
    let inline = query(json!({"inline_message_id": "x", "data": "y"}));
    assert_eq!(
        (inline.says, inline.press.as_deref()),
        (Says::Nothing, Some("q"))
    );
    let odd = query(json!({"message": "what", "data": "y"}));
    assert!(matches!(odd.says, Says::Unknown(_)));
    assert_eq!(odd.press.as_deref(), Some("q"));
}

#[test]
fn an_id_is_found_wherever_there_is_one() {
    assert_eq!(read(&json!({"update_id": 8, "message": []})).id, Some(8));
    for none in [
        json!({"message": {}}),
        json!({"update_id": "8"}),
        json!({"update_id": 1_u64 << 40}),
        json!([8]),
    ] {
        let update = read(&none);
        assert_eq!(update.id, None);
        assert!(matches!(update.says, Says::Unknown(_)));
    }
}

/// A chain of answers, each to the one before.
fn chain(length: usize) -> Value {
    let mut update = group(json!({"text": "last"}));
    for _ in 0..length {
        let inner = update["message"].take();
        update = group(json!({"reply_to_message": inner}));
    }
    update
}

#[test]
fn nesting_costs_no_more_than_it_may() {
    // On a thread with the room that a worker of the server has.
    let deepest = DEPTH_MAX - 2;
    assert!(matches!(read(&chain(deepest)).says, Says::Unknown(_)));
    assert!(matches!(
        read(&chain(1)).says,
        Says::Nothing | Says::Event(_) | Says::Unknown(_)
    ));
    assert_eq!(
        read(&chain(DEPTH_MAX)).says,
        Says::Unknown("it is nested too deeply")
    );
    assert!(matches!(read(&chain(120)).says, Says::Unknown(_)));
}
