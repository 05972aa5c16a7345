use serde_json::json;
use tandem_domain::{
    Timestamp,
    message::{ConversationKind, Sender},
};

use super::*;
use crate::fake::{self, MemorySink};

fn event(id: &str, kind: InboundKind, parts: Vec<Part>) -> Inbound {
    Inbound {
        id: id.to_owned(),
        channel: "fake".to_owned(),
        account: AccountId::new("a"),
        conversation: NativeConversation {
            kind: ConversationKind::Dm,
            id: "c".to_owned(),
            thread: None,
        },
        sender: Sender {
            id: "s".to_owned(),
            name: Some("A\u{202e}nn\nB".to_owned()),
            ..Sender::default()
        },
        ts: Timestamp(0),
        kind,
        message_id: None,
        parts,
        quote: None,
        mentions_me: false,
        album: None,
        reply_context: None,
    }
}

fn message(id: &str, text: &str) -> Inbound {
    event(id, InboundKind::Message, vec![Part::text(text)])
}

fn inbox() -> (Inbox, MemorySink) {
    let sink = MemorySink::new();
    let inbox = Inbox::new(fake::account("fake", "a"), Arc::new(sink.clone()));
    (inbox, sink)
}

#[tokio::test]
async fn answers_stand_in_the_order_of_the_events() {
    let (inbox, sink) = inbox();
    let mut echo = message("2", "our own");
    echo.sender.is_self = true;
    let events = vec![
        message("1", "one"),
        echo,
        message("1", "one again"),
        message("3", "\u{200b}\u{0}"),
        message("4", "four"),
    ];
    let answers = inbox.accept(events).await.unwrap();
    assert!(matches!(answers[0], Accepted::New(_)));
    assert_eq!(answers[1], Accepted::Skipped);
    assert_eq!(answers[2], Accepted::Duplicate(answers[0].id().unwrap()));
    assert_eq!(answers[3], Accepted::Skipped);
    assert!(matches!(answers[4], Accepted::New(_)));
    assert_eq!(sink.events().len(), 2);
    assert_eq!(sink.events()[0].sender.name.as_deref(), Some("Ann B"));
}

#[tokio::test]
async fn what_is_too_long_is_cut_over_all_parts() {
    let (inbox, sink) = inbox();
    let inbox = inbox.with_limits(Limits {
        text: 10,
        parts: 3,
        ..Limits::default()
    });
    let parts = ["1234567", "你好你好", "x", "y"].map(Part::text).to_vec();
    inbox
        .accept(vec![event("1", InboundKind::Message, parts)])
        .await
        .unwrap();
    assert_eq!(sink.events()[0].text(), "1234567\n你");
}

#[tokio::test]
async fn one_unusable_event_refuses_the_batch() {
    let (inbox, sink) = inbox();
    let mut foreign = message("2", "x");
    foreign.account = AccountId::new("other");
    let action = InboundKind::Action {
        value: "v".repeat(3000),
        label: None,
    };
    let system = InboundKind::System {
        name: "page".to_owned(),
        data: json!({"url": "x".repeat(20_000)}),
    };
    for bad in [
        foreign,
        message("", "x"),
        message(&"i".repeat(3000), "x"),
        event("3", action, Vec::new()),
        event("4", system, Vec::new()),
    ] {
        let refused = inbox.accept(vec![message("1", "good"), bad]).await;
        assert!(
            matches!(
                refused,
                Err(InboxError::Invalid(_) | InboxError::TooLarge { .. })
            ),
            "{refused:?}"
        );
    }
    let many = vec![message("1", "x"); 501];
    assert!(matches!(
        inbox.accept(many).await,
        Err(InboxError::TooLarge { .. })
    ));
    assert!(sink.events().is_empty());
}

#[tokio::test]
async fn a_failed_commit_is_the_callers_to_know() {
    let (inbox, sink) = inbox();
    sink.fail_next(InboxError::Full("no space".to_owned()));
    let failed = inbox.accept(vec![message("1", "x")]).await;
    assert!(matches!(failed, Err(InboxError::Full(_))));
    let answers = inbox.accept(vec![message("1", "x")]).await.unwrap();
    assert!(matches!(answers[0], Accepted::New(_)));
}
