//! What else a platform tells: receipts, our own words, edits, what nobody understands.

use super::*;

fn receipt(house: &House, id: &str, status: Delivery, native: &str) -> Inbound {
    let mut event = house.event(id, "");
    event.parts.clear();
    event.kind = InboundKind::Receipt {
        status,
        ids: vec![native.into()],
        until: None,
        code: None,
        message: None,
    };
    event
}

#[tokio::test]
async fn receipts_move_a_line_on_in_whatever_order_they_come() {
    let platform = with(Capabilities {
        receipts: true,
        ..Capabilities::plain(400)
    });
    platform.ids.lock().unwrap().push("n1".into());
    let house = House::build(platform, Service::default()).await;
    // It comes before our own id is stored: nothing is known of it yet.
    house
        .take(receipt(&house, "r1", Delivery::Delivered, "n1"))
        .await;
    let accepted = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(accepted, 1)).await;
    let delivery = async |wanted: Delivery| {
        for _ in 0..400 {
            if house.all().await[1].delivery == Some(wanted) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    };
    assert!(delivery(Delivery::Delivered).await);
    house
        .take(receipt(&house, "r2", Delivery::Read, "n1"))
        .await;
    assert!(delivery(Delivery::Read).await);
    house
        .take(receipt(&house, "r3", Delivery::Delivered, "n1"))
        .await;
    assert!(delivery(Delivery::Read).await);
    let events = house
        .store
        .events(&house.account.workspace, 0, 99)
        .await
        .unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.name == "message.delivery")
        .map(|event| event.data["delivery"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["sent", "delivered", "read"]);
    // A receipt makes no conversation and no line.
    assert_eq!(house.all().await.len(), 2);
}

#[tokio::test]
async fn our_own_words_coming_back_are_no_message() {
    let platform = Platform::default();
    platform.ids.lock().unwrap().push("n1".into());
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(accepted, 1)).await;
    let mut echo = house.event("2", "Next number?");
    echo.message_id = Some("n1".into());
    assert_eq!(house.take(echo).await, Accepted::Skipped);
    let mut echo = house.event("3", "Next number?");
    echo.sender.id = "our-bot".into();
    assert_eq!(house.take(echo).await, Accepted::Skipped);
    assert_eq!(house.all().await.len(), 2);
    let known = |address| house.engine.account(&house.account, address);
    assert_eq!(known("our-bot"), Some(house.account.clone()));
    assert_eq!(known("somebody"), None);
}

#[tokio::test]
async fn an_edit_that_comes_with_its_message_replaces_it_and_a_later_one_is_recorded() {
    let house = House::build(Platform::default(), Service::default()).await;
    let mut message = house.event("1", "start cuonting");
    message.message_id = Some("m1".into());
    let mut edit = house.event("2", "start counting");
    (edit.message_id, edit.kind) = (Some("m1".into()), InboundKind::Edit);
    let mut late = edit.clone();
    late.id = "3".into();
    late.parts = vec![Part::text("never mind")];
    let accepted = house.engine.accept(&house.account, vec![message, edit]);
    let first = accepted.await.unwrap()[0].id().unwrap();
    let limit = Duration::from_secs(10);
    let lines = house.engine.settled(&house.account, first, limit).await;
    let lines: Vec<_> = lines.unwrap().iter().map(|l| l.content.plain()).collect();
    assert_eq!(lines, ["start counting", "Next number?"]);
    house.take(late).await;
    assert_eq!(house.all().await[0].content.plain(), "start counting");
    let events = house
        .store
        .events(&house.account.workspace, 0, 99)
        .await
        .unwrap();
    let edits = events.iter().filter(|event| event.name == "message.edited");
    assert_eq!(edits.count(), 1);
    let w = &house.account.workspace;
    assert!(
        house
            .store
            .inbox_pending(w, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn an_event_after_a_batch_never_overtakes_it() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.say("0", "start counting").await;
    for round in 0..20 {
        let event = |n: u32| house.event(&format!("{round}-{n}"), &(round * 10 + n).to_string());
        let batch = (1..=4).map(event).collect();
        house.engine.accept(&house.account, batch).await.unwrap();
        house.take(event(5)).await;
    }
    let theirs: Vec<u32> = house
        .all()
        .await
        .iter()
        .filter(|line| line.author == Author::Contact)
        .filter_map(|line| line.content.plain().parse().ok())
        .collect();
    let expected: Vec<u32> = (0..20)
        .flat_map(|r| (1..=5).map(move |n| r * 10 + n))
        .collect();
    assert_eq!(theirs, expected);
}

#[tokio::test]
async fn what_is_not_understood_is_kept() {
    let house = House::build(Platform::default(), Service::default()).await;
    let kept = house
        .engine
        .keep_unknown(&house.account, "odd".into(), b"{}".to_vec());
    kept.await.unwrap();
    let rows = house
        .store
        .unknowns(&house.account.workspace, 9)
        .await
        .unwrap();
    assert_eq!(
        (rows[0].reason.as_str(), rows[0].body.as_slice()),
        ("odd", &b"{}"[..])
    );
}
