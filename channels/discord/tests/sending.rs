//! Answers: to presses and commands, with files, in place of what was said before.
#![allow(clippy::unwrap_used)]

mod house;

use house::House;
use serde_json::{Value, json};
use tandem_channel_discord::{
    fake::{BOT, CHANNEL, FakeDiscord, Wrong},
    native::Snowflake,
};
use tandem_channel_kit::{Channel as _, NewFile};
use tandem_domain::{
    OutboxId,
    channel::SendError,
    message::{Choice, Content, InboundKind, Media, MediaKind, Outbound, Part, ReplyUse, SendOp},
};

async fn begun(discord: &FakeDiscord) -> House {
    let mut house = House::open(discord, json!({}));
    house.start();
    discord.begun(1).await;
    house
}

/// The answer to the newest event, as the outbox hands it over for the `number`th time.
fn answer(house: &House, channel: Snowflake, text: &str, number: u32) -> Outbound {
    let mut message = house.message(channel, Content::text(text));
    let events = house.sink.events();
    let event = events.last().unwrap();
    let context = event.reply_context.clone().unwrap();
    message.reply_context = Some(ReplyUse {
        token: context.token,
        number,
    });
    message.last_inbound_id = event.message_id.clone();
    message
}

fn content(message: &Value) -> &str {
    message["content"].as_str().unwrap()
}

/// The token of the newest interaction.
fn token(house: &House) -> String {
    let events = house.sink.events();
    let context = events.last().unwrap().reply_context.clone().unwrap();
    context.token.rsplit('.').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_button_is_pressed_acknowledged_and_answered() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let house = begun(&discord).await;
    let choice = |label: &str| Choice {
        label: label.to_owned(),
        value: "same".to_owned(),
        url: None,
    };
    let asked = Content {
        choices: vec![choice("Track it"), choice("Follow it")],
        ..Content::text("Well?")
    };
    let sent = house
        .channel
        .send(&house.message(ann, asked))
        .await
        .unwrap();
    let shown = Snowflake::read(&sent.native_ids[0]).unwrap();
    let buttons = discord.message(shown).unwrap()["components"][0]["components"].clone();
    assert_ne!(buttons[0]["custom_id"], buttons[1]["custom_id"]);
    discord.press(ann, "ann", shown, &buttons[1]);
    discord.confirmed().await;

    let events = house.sink.events();
    let pressed = events.last().unwrap();
    let expected = InboundKind::Action {
        value: "same".to_owned(),
        label: Some("Follow it".to_owned()),
    };
    assert_eq!(pressed.kind, expected);
    assert_eq!(pressed.sender.locale.as_ref().unwrap().as_str(), "en-US");
    assert_eq!(discord.answered(&token(&house)).unwrap().0, 6);
    // A message of its own, under a key that makes a repeat none.
    let message = answer(&house, ann, "Here it is.", 1);
    discord.goes_wrong(Wrong::CutAfterAccept, 1);
    let cut = house.channel.send(&message).await;
    assert!(matches!(cut, Err(SendError::Uncertain(_))), "{cut:?}");
    let again = house.channel.send(&message).await.unwrap();
    let said = discord.said(ann);
    assert_eq!(said.len(), 2);
    assert_eq!(said[1]["id"], again.native_ids[0].as_str());
}

#[tokio::test]
async fn a_commands_first_answer_replaces_is_thinking_and_no_other_does() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = begun(&discord).await;
    let options = json!([{"name": "id", "type": 3, "value": "A-1001"}]);
    discord.command(ann, "ann", "order", options);
    discord.confirmed().await;
    assert_eq!(house.texts(), ["/order A-1001"]);
    let token = token(&house);
    assert_eq!(discord.answered(&token).unwrap().0, 5);

    let first = answer(&house, ann, "It is on its way.", 1);
    house.channel.send(&first).await.unwrap();
    // Its second attempt, which the outbox counts as another use.
    let repeated = answer(&house, ann, "It is on its way.", 2);
    let repeated = Outbound {
        uuid: first.uuid,
        ..repeated
    };
    house.channel.send(&repeated).await.unwrap();
    house
        .channel
        .send(&answer(&house, ann, "Anything else?", 3))
        .await
        .unwrap();
    let said = discord.said(ann);
    let texts: Vec<&str> = said.iter().map(content).collect();
    assert_eq!(texts, ["It is on its way.", "Anything else?"]);
    let original = discord.answered(&token).unwrap().1.unwrap();
    assert_eq!(content(&original), "It is on its way.");
    assert!(said[0]["nonce"].is_null() && said[1]["nonce"].is_string());

    // A new process does not know which answer was the first, and looks.
    house.start();
    discord.begun(1).await;
    house.channel.send(&repeated).await.unwrap();
    assert_eq!(discord.said(ann).len(), 2);
    house.start();
    house
        .channel
        .send(&answer(&house, ann, "Bye.", 5))
        .await
        .unwrap();
    assert_eq!(content(&discord.said(ann)[2]), "Bye.");
    let original = discord.answered(&token).unwrap().1.unwrap();
    assert_eq!(content(&original), "It is on its way.");
}

#[tokio::test]
async fn a_command_that_comes_again_after_a_crash_is_not_open_again() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let mut house = begun(&discord).await;
    let more = json!({"type": 2, "data": {"name": "order"}});
    let asked = discord.asked(ann, "ann", more);
    discord.dispatch("INTERACTION_CREATE", &asked);
    discord.confirmed().await;
    house
        .channel
        .send(&answer(&house, ann, "One.", 1))
        .await
        .unwrap();
    house.kill().await;
    house.start();
    discord.dispatch("INTERACTION_CREATE", &asked);
    discord.confirmed().await;
    house
        .channel
        .send(&answer(&house, ann, "Two.", 2))
        .await
        .unwrap();
    let said = discord.said(ann);
    let texts: Vec<&str> = said.iter().map(content).collect();
    assert_eq!(texts, ["One.", "Two."]);
    let original = discord.answered(&token(&house)).unwrap().1.unwrap();
    assert_eq!(content(&original), "One.");
}

#[tokio::test]
async fn each_of_two_commands_in_one_channel_gets_its_own_answer() {
    let discord = FakeDiscord::start().await.unwrap();
    let house = begun(&discord).await;
    discord.command(CHANNEL, "ann", "order", json!([]));
    discord.confirmed().await;
    let to_ann = answer(&house, CHANNEL, "Ann's parcel is here.", 1);
    let ann = token(&house);
    discord.command(CHANNEL, "bo", "order", json!([]));
    discord.confirmed().await;
    let to_bo = answer(&house, CHANNEL, "Bo's parcel is there.", 2);
    let bo = token(&house);
    // The outbox has the newest way to answer only.
    let to_ann = Outbound {
        reply_context: to_bo.reply_context.clone(),
        ..to_ann
    };
    house.channel.send(&to_ann).await.unwrap();
    house.channel.send(&to_bo).await.unwrap();
    for (token, text) in [
        (ann, "Ann's parcel is here."),
        (bo, "Bo's parcel is there."),
    ] {
        let original = discord.answered(&token).unwrap().1.unwrap();
        assert_eq!(content(&original), text);
    }
}

#[tokio::test]
async fn a_command_that_nobody_acknowledged_is_answered_in_the_channel() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let house = begun(&discord).await;
    // By webhook our answer may overtake what acknowledges it; a moment later it is tried again.
    let more = json!({"type": 2, "data": {"name": "order"}});
    let asked = discord.asked(ann, "ann", more);
    let id = asked["id"].as_str().unwrap();
    let mut message = house.message(ann, Content::text("Here."));
    let mut reply = |id: &str| {
        message.reply_context = Some(ReplyUse {
            token: format!("command.9000002.{id}.token-of-{id}"),
            number: 1,
        });
        message.clone()
    };
    let young = house.channel.send(&reply(id)).await;
    assert!(matches!(young, Err(SendError::RetryAfter(_))), "{young:?}");
    // Long ago.
    house
        .channel
        .send(&reply("786008729715212338"))
        .await
        .unwrap();
    assert_eq!(content(&discord.said(ann)[0]), "Here.");
}

#[tokio::test]
async fn files_go_up_and_come_down() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let house = begun(&discord).await;
    let more = json!({"attachments": [discord.attachment("chair.png", "image/png", b"a picture")]});
    discord.write(ann, "ann", "", more);
    discord.confirmed().await;
    let events = house.sink.events();
    let Part::Media(media) = &events[0].parts[0] else {
        panic!("{events:?}");
    };
    let fetched = house.channel.fetch(media).await.unwrap();
    assert_eq!(fetched.bytes, "a picture");
    let elsewhere = |reference: &str| Media {
        reference: reference.to_owned(),
        ..media.clone()
    };
    let origin = discord.http().url();
    for gone in [
        &format!("{origin}/attachments/0/x"),
        "http://127.0.0.1:1/x",
        "x",
    ] {
        let fetched = house.channel.fetch(&elsewhere(gone)).await;
        assert!(
            matches!(fetched, Err(SendError::Rejected { .. })),
            "{fetched:?}"
        );
    }

    let inbox = house.inbox();
    let lane = house.message(ann, Content::default()).lane;
    let file = NewFile {
        name: "invoice.pdf".to_owned(),
        mime: "application/pdf".to_owned(),
        bytes: vec![7; 3000].into(),
    };
    let stored = inbox.store_file(lane, file).await.unwrap();
    let invoice = Part::Media(Media {
        media: MediaKind::File,
        reference: format!("file:{}", stored.id),
        mime: stored.mime.clone(),
        name: Some(stored.name.clone()),
        size: Some(stored.size),
        alt: Some("Your invoice".to_owned()),
    });
    let (seen, told) = std::sync::mpsc::channel();
    discord.watch(move |event| seen.send(event.clone()).unwrap());
    let content = Content {
        parts: vec![invoice],
        ..Content::default()
    };
    house
        .channel
        .send(&house.message(ann, content))
        .await
        .unwrap();
    let tandem_channel_discord::fake::Seen::New(message, files) = told.recv().unwrap() else {
        panic!("it is a new message");
    };
    assert_eq!(files, [3000]);
    assert_eq!(message["attachments"][0]["filename"], "invoice.pdf");
    assert_eq!(message["attachments"][0]["description"], "Your invoice");
}

#[tokio::test]
async fn what_was_said_is_changed_quoted_and_taken_back() {
    let discord = FakeDiscord::start().await.unwrap();
    let ann = discord.person("ann").alone;
    let house = begun(&discord).await;
    let theirs = discord.write(ann, "ann", "hello", json!({}));
    let quoting = Content {
        quote: Some(theirs.to_string()),
        ..Content::text("@everyone *hi*")
    };
    let sent = house
        .channel
        .send(&house.message(ann, quoting))
        .await
        .unwrap();
    let id = sent.native_ids[0].clone();
    let shown = discord.message(Snowflake::read(&id).unwrap()).unwrap();
    assert_eq!(shown["message_reference"]["message_id"], json!(theirs));
    assert_eq!(shown["allowed_mentions"], json!({"parse": []}));
    assert_eq!(content(&shown), "@everyone \\*hi\\*");

    let mut message = house.message(ann, Content::text("hello"));
    message.op = SendOp::Edit { id: id.clone() };
    house.channel.send(&message).await.unwrap();
    assert_eq!(content(&discord.said(ann)[0]), "hello");
    message.op = SendOp::Delete { id };
    for _ in 0..2 {
        house.channel.send(&message).await.unwrap();
    }
    assert!(discord.said(ann).is_empty());
    message.op = SendOp::Typing;
    house.channel.send(&message).await.unwrap();
    message.op = SendOp::Edit {
        id: "../../users/@me".to_owned(),
    };
    let odd = house.channel.send(&message).await;
    assert!(matches!(odd, Err(SendError::Rejected { .. })), "{odd:?}");
}

#[tokio::test]
async fn where_the_bot_may_not_write_a_press_is_still_answered() {
    let discord = FakeDiscord::start().await.unwrap();
    let house = begun(&discord).await;
    let refused = json!({"code": 50001, "message": "Missing Access"});
    let path = format!("/api/v10/channels/{CHANNEL}/messages");
    discord.http().on(&path, move |_| {
        tandem_channel_kit::fake::platform::Reply::json(403, &refused)
    });
    let shown = json!({"component_type": 2, "custom_id": "return"});
    discord.press(CHANNEL, "ann", BOT, &shown);
    discord.confirmed().await;
    let message = answer(&house, CHANNEL, "Here.", 1);
    house.channel.send(&message).await.unwrap();
    assert_eq!(content(&discord.said(CHANNEL)[0]), "Here.");
    // Without a press there is no such way.
    let other = house.say(CHANNEL, "Hello?").await;
    assert!(matches!(other, Err(SendError::Rejected { ref code, .. }) if code == "50001"));
    // What may have arrived by it is not sent again, since nothing would tell.
    let hooks = format!("/api/v10/webhooks/9000002/{}", token(&house));
    discord
        .http()
        .next(&hooks, tandem_channel_kit::fake::platform::Reply::Cut);
    let message = Outbound {
        uuid: OutboxId::fresh(),
        ..answer(&house, CHANNEL, "And?", 2)
    };
    for _ in 0..2 {
        let doubtful = house.channel.send(&message).await;
        assert!(
            matches!(doubtful, Err(SendError::Uncertain(_))),
            "{doubtful:?}"
        );
    }
    assert_eq!(discord.http().calls_to(&hooks).len(), 2);
}
