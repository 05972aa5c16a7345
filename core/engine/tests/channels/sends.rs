//! Windows, quotas, paces, credentials, and sends whose end nobody knows.

use super::*;

#[tokio::test]
async fn outside_of_the_window_a_message_is_a_dead_letter_with_its_reason() {
    let house = House::build(with(window(3600, None)), Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(accepted, 1)).await;
    house.pass(3601);
    house.write(Content::text("Still there?")).await;
    let dead = loop {
        let dead = house.store.dead_letters(&house.account.workspace, 9);
        match dead.await.unwrap().pop() {
            Some(dead) => break dead,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(failed("window")(&dead.state), "{:?}", dead.state);
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    let line = house.all().await.pop().unwrap();
    assert_eq!(line.delivery, Some(Delivery::Failed));
    assert_eq!(line.delivery_code.as_deref(), Some("window"));
}

#[tokio::test]
async fn what_a_quota_has_no_room_for_waits_for_the_customer() {
    let house = House::build(with(window(3600, Some(2))), Service::default()).await;
    house.accept("1", "start counting").await;
    house.sent(1).await;
    house.write(Content::text("two")).await;
    house.sent(2).await;
    let third = house.write(Content::text("three")).await;
    let held = loop {
        let row = house
            .store
            .next_outbox(&house.account.workspace, &house.account.id);
        // Held until the window ends, which is about an hour away.
        match row.await.unwrap() {
            Some(at) if at > Timestamp(support::START + 3_000_000) => break at,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(held <= Timestamp(support::START + 3_700_000));
    assert_eq!(house.platform.sent.lock().unwrap().len(), 2);
    house.accept("2", "7").await;
    let sent = house.sent(3).await;
    assert_eq!(sent[2].seq, third.seq);
}

#[tokio::test]
async fn where_sends_are_few_lines_of_a_turn_leave_as_one() {
    let house = House::build(with(window(3600, Some(5))), Service::default()).await;
    let first = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(first, 1)).await;
    let second = house.accept("2", "7").await;
    house.sent_state(house.row_of(second, 1)).await;
    let sent = house.sent(2).await;
    assert_eq!(sent[1].content.plain(), "Got 7.\n\nNext number?");
    let lines = house.all().await;
    let bot = lines.iter().filter(|line| line.author == Author::Bot);
    let deliveries: Vec<_> = bot.map(|line| line.delivery).collect();
    assert_eq!(deliveries, [Some(Delivery::Sent); 3]);
}

#[tokio::test]
async fn a_reply_context_is_used_as_often_as_it_allows() {
    let house = House::build(with(window(3600, Some(1))), Service::default()).await;
    let mut event = house.event("1", "start counting");
    event.message_id = Some("native-1".into());
    event.reply_context = Some(ReplyContext {
        token: "t".into(),
        expires_at: Some(Timestamp(support::START) + Duration::from_secs(600)),
        uses_left: Some(2),
    });
    house.take(event).await;
    house.sent(1).await;
    house.write(Content::text("two")).await;
    house.sent(2).await;
    // Two uses of the context count for nothing; the quota has one.
    house.write(Content::text("three")).await;
    let sent = house.sent(3).await;
    let uses: Vec<_> = sent
        .iter()
        .map(|s| s.reply_context.as_ref().map(|r| r.number))
        .collect();
    assert_eq!(uses, [Some(1), Some(2), None]);
    assert_eq!(sent[0].last_inbound_id.as_deref(), Some("native-1"));
    assert_eq!(sent[0].reply_context.as_ref().unwrap().token, "t");
}

#[tokio::test]
async fn a_refused_credential_pauses_the_account_until_it_is_taken_again() {
    let platform = Platform::default();
    *platform.answers.lock().unwrap() = vec![
        SendError::Unauthorized("expired".into()),
        SendError::Unauthorized("expired".into()),
    ];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    house.sent(1).await;
    let health = async || {
        for _ in 0..400 {
            let status = house.engine.accounts().remove(0);
            if status.health != Health::Good {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the account stays well")
    };
    let status = health().await;
    assert_eq!(status.health, Health::Unauthorized("expired".into()));
    assert!(status.since.is_some());
    // Resumed too early: one message is tried, and the account waits again.
    house.pass(0);
    house.sent(2).await;
    health().await;
    house.pass(0);
    house.sent_state(house.row_of(accepted, 1)).await;
    assert_eq!(house.engine.accounts()[0].health, Health::Good);
    let uuids: Vec<_> = house.sent(3).await.iter().map(|s| s.uuid).collect();
    assert_eq!(
        uuids, [uuids[0]; 3],
        "the message waited and nothing else left"
    );
}

/// A row that a server which stopped in the middle of sending has left.
async fn interrupted(caps: Capabilities) -> (House, OutboxId) {
    let platform = with(caps);
    *platform.answers.lock().unwrap() = vec![SendError::AccountRetryAfter(Duration::from_secs(9))];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    let id = house.row_of(accepted, 1);
    let waits = |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: 1, .. });
    house.until(id, waits).await;
    let mut commit = Commit::new(house.account.workspace.clone());
    commit.writes.push(Write::OutboxState {
        id,
        state: OutboxState::Leased {
            attempts: 2,
            lease: 1 << 60,
            until: Timestamp(support::START),
            interrupted: false,
        },
    });
    house.store.commit(commit).await.unwrap();
    house.pass(10);
    (house, id)
}

#[tokio::test]
async fn a_send_that_was_cut_off_is_uncertain_where_the_platform_knows_no_key() {
    let (house, id) = interrupted(Capabilities::plain(400)).await;
    let uncertain = |s: &OutboxState| matches!(s, OutboxState::Uncertain { .. });
    house.until(id, uncertain).await;
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    assert_eq!(house.all().await[1].delivery, Some(Delivery::Uncertain));
}

#[tokio::test]
async fn a_send_that_was_cut_off_is_repeated_under_its_key() {
    let caps = Capabilities {
        idempotency_secs: Some(3600),
        ..Capabilities::plain(400)
    };
    let (house, id) = interrupted(caps).await;
    house.sent_state(id).await;
    let sent = house.sent(2).await;
    assert_eq!(sent[0].uuid, sent[1].uuid);
}

#[tokio::test]
async fn no_answer_is_repeated_under_a_key_only_while_the_platform_knows_it() {
    let platform = with(Capabilities {
        idempotency_secs: Some(60),
        ..Capabilities::plain(400)
    });
    let lost = || SendError::Uncertain("no answer".into());
    *platform.answers.lock().unwrap() = vec![lost(), lost()];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    let id = house.row_of(accepted, 1);
    let waits = |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: 1, .. });
    house.until(id, waits).await;
    house.pass(120);
    let uncertain = |s: &OutboxState| matches!(s, OutboxState::Uncertain { .. });
    house.until(id, uncertain).await;
    assert_eq!(house.sent(2).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_put_off_for_too_long_is_a_dead_letter_that_can_be_replayed() {
    let platform = Platform::default();
    *platform.answers.lock().unwrap() = vec![SendError::RetryAfter(Duration::from_secs(3600))];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    let id = house.row_of(accepted, 1);
    let waits = |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: 1, .. });
    house.until(id, waits).await;
    house.pass(25 * 3600);
    house.until(id, failed("expired")).await;
    assert!(
        house
            .engine
            .resend(&house.account.workspace, id)
            .await
            .unwrap()
    );
    house.sent_state(id).await;
    assert_eq!(house.all().await[1].delivery, Some(Delivery::Sent));
}

#[tokio::test]
async fn paces_hold_for_the_conversation() {
    let mut caps = Capabilities::plain(400);
    caps.rate.chat = vec![Pace::new(1, 60)];
    let house = House::build(with(caps), Service::default()).await;
    house.accept("1", "start counting").await;
    house.sent(1).await;
    let second = house.accept("2", "7").await;
    let id = house.row_of(second, 1);
    let waits = |s: &OutboxState| {
        matches!(s, OutboxState::Ready { attempts: 0, not_before }
            if *not_before > Timestamp(support::START + 50_000))
    };
    house.until(id, waits).await;
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    house.pass(60);
    house.sent_state(id).await;
}
