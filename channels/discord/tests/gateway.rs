//! The gateway: order, connections that break, sessions that are over, restarts.
#![allow(clippy::unwrap_used)]

mod house;

use house::House;
use serde_json::json;
use tandem_channel_discord::{
    fake::{BOT, CHANNEL, FakeDiscord, OWN, THREAD},
    native::Snowflake,
};
use tandem_channel_kit::{ChannelError, InboxError, fake::platform::Reply};
use tandem_domain::message::{ConversationKind, InboundKind, Part};

const BURST: usize = 5000;

fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn a_burst_keeps_its_order_from_the_first_message_on() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    // The session has only begun: nothing between that and listening is lost.
    for n in 0..BURST {
        discord.write(ann, "ann", &n.to_string(), json!({}));
    }
    discord.confirmed().await;
    assert_eq!(house.texts(), numbers(0, BURST));
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_the_inbox_ends() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    for (round, code) in [None, Some(1001), Some(4000), Some(4002), None]
        .into_iter()
        .enumerate()
    {
        for n in round * 200..(round + 1) * 200 {
            discord.write(ann, "ann", &n.to_string(), json!({}));
            if n % 200 == 100 {
                discord.drop_connections(code);
                tokio::task::yield_now().await;
            }
        }
        discord.confirmed().await;
    }
    assert_eq!(house.texts(), numbers(0, 1000));
    assert_eq!(discord.sessions().0, 1);
}

#[tokio::test]
async fn what_was_written_while_no_session_lived_is_fetched_before_what_follows() {
    let discord = FakeDiscord::start().await.unwrap();
    let (ann, bo) = (discord.person("ann").alone, discord.person("bo").alone);
    let mut house = House::open(&discord, json!({"channels": [OWN]}));
    house.start();
    discord.begun(1).await;
    discord.write(ann, "ann", "first", json!({}));
    discord.write(bo, "bo", "first", json!({}));
    discord.confirmed().await;

    discord.forget_sessions();
    for n in 0..250 {
        discord.write(ann, "ann", &format!("meanwhile {n}"), json!({}));
    }
    let named = json!({"mentions": [{"id": BOT, "username": "tandem"}]});
    discord.write(CHANNEL, "ann", "to others", json!({}));
    discord.write(CHANNEL, "ann", "to the bot", named);
    discord.write(OWN, "bo", "in its channel", json!({}));
    discord.write(THREAD, "bo", "in its thread", json!({}));
    discord.write(
        ann,
        "other",
        "a bot",
        json!({"author": {"id": "5", "username": "x", "bot": true}}),
    );
    discord.drop_connections(None);
    discord.begun(2).await;
    discord.write(ann, "ann", "last", json!({}));
    discord.confirmed().await;

    let mut expected = vec!["first".to_owned()];
    expected.extend((0..250).map(|n| format!("meanwhile {n}")));
    expected.push("last".to_owned());
    assert_eq!(house.texts_in(ann), expected);
    assert_eq!(house.texts_in(bo), ["first"]);
    assert_eq!(house.texts_in(CHANNEL), ["to the bot"]);
    assert_eq!(house.texts_in(OWN), ["in its channel"]);
    assert_eq!(house.texts_in(THREAD), ["in its thread"]);
}

#[tokio::test]
async fn a_restart_loses_and_doubles_nothing() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    let mut n = 0;
    let mut write = |count: usize| {
        for _ in 0..count {
            discord.write(ann, "ann", &n.to_string(), json!({}));
            n += 1;
        }
    };
    write(300);
    discord.confirmed().await;
    house.stop().await.unwrap();
    write(100);
    house.start();
    discord.confirmed().await;
    // Stopped in the middle, with nothing written down at the end.
    write(300);
    house.kill().await;
    write(100);
    house.start();
    discord.confirmed().await;
    assert_eq!(house.texts(), numbers(0, 800));
    assert_eq!(discord.sessions().0, 1);

    // Too late to be taken up again.
    house.stop().await.unwrap();
    discord.forget_sessions();
    write(120);
    house.start();
    discord.begun(2).await;
    discord.confirmed().await;
    assert_eq!(house.texts(), numbers(0, 920));
}

#[tokio::test]
async fn a_session_that_has_just_begun_outlives_a_crash() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    discord.write(ann, "ann", "0", json!({}));
    discord.confirmed().await;
    discord.write(ann, "ann", "1", json!({}));
    house.kill().await;
    discord.write(ann, "ann", "2", json!({}));
    house.start();
    discord.confirmed().await;
    assert_eq!(house.texts(), numbers(0, 3));
    assert_eq!(discord.sessions().0, 1);
}

#[tokio::test]
async fn a_session_that_hears_less_than_is_configured_is_not_taken_up() {
    let discord = FakeDiscord::start().await.unwrap();
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    discord.confirmed().await;
    house.stop().await.unwrap();
    discord.write(OWN, "ann", "anybody there?", json!({}));
    house.set("channels", json!([OWN]));
    house.start();
    discord.begun(2).await;
    discord.confirmed().await;
    assert_eq!(house.texts(), ["anybody there?"]);
}

#[tokio::test]
async fn events_wait_for_an_inbox_that_cannot_take_them() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    house
        .sink
        .fail_next(InboxError::Unavailable("locked".into()));
    for n in 0..50 {
        discord.write(ann, "ann", &n.to_string(), json!({}));
    }
    // One that can never be taken is kept, and the others are not held up by it.
    discord.dispatch("MESSAGE_CREATE", &json!({"content": "no id"}));
    discord.write(ann, "ann", "50", json!({}));
    discord.confirmed().await;
    assert_eq!(house.texts(), numbers(0, 51));
    assert_eq!(house.sink.unknown().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_looked_up_holds_up_what_follows_and_is_not_passed_over() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    // Where it is has to be asked, and Discord is out of order for longer than we are patient.
    let thread = Snowflake(9_100_000);
    let path = format!("/api/v10/channels/{thread}");
    for _ in 0..6 {
        discord.http().next(&path, Reply::text(500, "out of order"));
    }
    let named = json!({"mentions": [{"id": BOT, "username": "tandem"}]});
    discord.write(thread, "ann", "0", named);
    for n in 1..400 {
        discord.write(ann, "ann", &n.to_string(), json!({}));
    }
    discord.confirmed().await;
    assert_eq!(house.texts(), numbers(0, 400));
    assert_eq!(discord.sessions().0, 1);
}

#[tokio::test]
async fn what_cannot_work_says_what_to_do() {
    let discord = FakeDiscord::start().await.unwrap();
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    discord.drop_connections(Some(4014));
    let Err(ChannelError::Config(why)) = house.ended().await else {
        panic!("it goes on");
    };
    assert!(why.contains("Message Content Intent"), "{why}");

    let mut house = House::open_with(&discord, "another token", json!({}));
    house.start();
    let ended = house.ended().await;
    assert!(
        matches!(&ended, Err(ChannelError::Unauthorized(_))),
        "{ended:?}"
    );

    let discord = FakeDiscord::start().await.unwrap();
    let mut house = House::open(&discord, json!({}));
    house.start();
    discord.begun(1).await;
    discord.drop_connections(Some(4004));
    let ended = house.ended().await;
    assert!(
        matches!(&ended, Err(ChannelError::Unauthorized(_))),
        "{ended:?}"
    );
}

#[tokio::test]
async fn everything_people_do_is_an_event_and_our_own_doing_is_none() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = House::open(&discord, json!({"channels": [OWN]}));
    house.start();
    discord.begun(1).await;
    let id = discord.write(ann, "ann", "helo", json!({}));
    let mut edited = discord.message(id).unwrap();
    edited["content"] = json!("hello");
    // Discord looks a link up: nobody changed anything.
    discord.dispatch("MESSAGE_UPDATE", &edited);
    edited["edited_timestamp"] = json!("2026-01-02T03:04:05.678000+00:00");
    discord.dispatch("MESSAGE_UPDATE", &edited);
    let ann_id = discord.person("ann").id;
    let reaction =
        json!({"user_id": ann_id, "channel_id": ann, "message_id": id, "emoji": {"name": "👍"}});
    discord.dispatch("MESSAGE_REACTION_ADD", &reaction);
    discord.dispatch("MESSAGE_DELETE", &json!({"id": id, "channel_id": ann}));
    // In a thread that was not told of before.
    let thread = Snowflake(9_100_000);
    discord.write(
        thread,
        "ann",
        "where are we?",
        json!({"mentions": [{"id": BOT, "username": "t"}]}),
    );
    house.say(ann, "ours").await.unwrap();
    discord.confirmed().await;

    let events = house.sink.events();
    let kinds: Vec<&InboundKind> = events.iter().map(|event| &event.kind).collect();
    assert!(matches!(
        kinds[..],
        [
            InboundKind::Message,
            InboundKind::Edit,
            InboundKind::Reaction { .. },
            InboundKind::Delete,
            InboundKind::Message
        ]
    ));
    assert_eq!(events[1].parts, [Part::text("hello")]);
    assert_eq!(events[1].ts.0, 1_767_323_045_678);
    assert_eq!(events[4].conversation.kind, ConversationKind::Group);
    // Only who has channels of their own asks for what others write.
    assert_eq!(discord.sessions().1 >> 15 & 1, 1);
}

#[tokio::test]
async fn commands_are_registered_when_they_change() {
    let discord = FakeDiscord::start().await.unwrap();
    let settings = json!({"commands": [{"name": {"en": "order", "zh": "订单"}, "description": "Where is it?"}]});
    let mut house = House::open(&discord, settings);
    let path = "/api/v10/applications/9000002/commands";
    house.start();
    let calls = discord.http().wait_for(path, 1).await;
    assert_eq!(calls[0].json()[0]["name_localizations"]["zh-CN"], "订单");
    discord.confirmed().await;
    house.stop().await.unwrap();
    house.start();
    discord.confirmed().await;
    house.stop().await.unwrap();
    assert_eq!(discord.http().calls_to(path).len(), 1);
    assert_eq!(discord.commands().unwrap()[0]["name"], "order");
}
