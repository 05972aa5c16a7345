//! Answers within the platform's own request.

use super::*;

#[tokio::test]
async fn an_answer_in_band_takes_what_it_has_room_for_and_leaves_the_rest_to_the_outbox() {
    let platform = Platform {
        in_band: Some(Duration::from_secs(600)),
        ..Platform::default()
    };
    let house = House::build(platform, Service::default()).await;
    let limit = Duration::from_secs(5);
    let first = house.accept("1", "start counting").await;
    // No room at all: everything leaves by the outbox at once.
    let none = house
        .engine
        .reply_within(&house.account, first.id().unwrap(), limit, 0);
    assert!(none.await.is_none());
    house.sent_state(house.row_of(first, 1)).await;
    let accepted = house.accept("2", "7").await;
    let id = accepted.id().unwrap();
    let claim = house.engine.reply_within(&house.account, id, limit, 1);
    let claim = claim.await.unwrap();
    assert_eq!(claim.outbound.len(), 1);
    assert_eq!(claim.outbound[0].content.plain(), "Got 7.");
    claim.written(Receipt::default()).await;
    house.sent_state(house.row_of(accepted, 1)).await;
    house.sent_state(house.row_of(accepted, 2)).await;
    let sent = house.platform.sent.lock().unwrap().clone();
    assert_eq!(sent.last().unwrap().content.plain(), "Next number?");
    assert!(sent.iter().all(|s| s.content.plain() != "Got 7."));
}

#[tokio::test]
async fn an_event_that_brings_a_way_to_answer_opens_it() {
    let house = House::build(with(window(3600, Some(5))), Service::default()).await;
    let mut event = house.event("1", "");
    event.parts.clear();
    event.kind = InboundKind::System {
        name: "follow".into(),
        data: Default::default(),
    };
    let lane = event.lane(&house.account.workspace);
    house.take(event.clone()).await;
    let reach = house.store.reach(&house.account.workspace, lane).await;
    assert_eq!(
        reach.unwrap(),
        None,
        "a customer who says nothing opens no window"
    );
    event.id = "2".into();
    event.reply_context = Some(ReplyContext {
        token: "t".into(),
        expires_at: None,
        uses_left: Some(3),
    });
    house.take(event.clone()).await;
    let reach = house.store.reach(&house.account.workspace, lane).await;
    assert_eq!(reach.unwrap().unwrap().reply, event.reply_context);
}

#[tokio::test]
async fn an_answer_in_band_is_there_at_once_after_a_restart() {
    let platform = || Platform {
        in_band: Some(Duration::from_secs(600)),
        ..Platform::default()
    };
    let house = House::build(platform(), Service::default()).await;
    let first = house.accept("1", "start counting").await.id().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let again = House::on(house.store.clone(), folder, platform(), Service::default()).await;
    let repeated = again.accept("1", "start counting").await;
    assert_eq!(repeated, Accepted::Duplicate(first));
    let waits = Duration::from_secs(3600);
    let claim = again.engine.reply_within(&again.account, first, waits, 1);
    let claim = claim.await.unwrap();
    assert_eq!(claim.outbound[0].content.plain(), "Next number?");
    claim.written(Receipt::default()).await;
    // And it is there once.
    let claim = again.engine.reply_within(&again.account, first, waits, 1);
    assert!(claim.await.is_none());
}

#[tokio::test]
async fn what_an_action_found_is_still_written_into_the_request() {
    let platform = Platform {
        in_band: Some(Duration::from_secs(15)),
        ..Platform::default()
    };
    let service = Service {
        held: Some(tokio::sync::Notify::new()),
        ..Service::default()
    };
    let house = House::build(platform, service).await;
    let id = house.accept("1", "book something").await.id().unwrap();
    house.service.held.as_ref().unwrap().notify_one();
    let limit = Duration::from_secs(10);
    let claim = house.engine.reply_within(&house.account, id, limit, 1);
    let claim = claim.await.expect("the answer is there");
    assert_eq!(claim.outbound[0].content.plain(), "Booked.");
    claim.written(Receipt::default()).await;
    assert!(house.platform.sent.lock().unwrap().is_empty());
}
