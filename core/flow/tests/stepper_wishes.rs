//! Two wishes in one message.
#![allow(clippy::unwrap_used)]

mod stepper_support;

use serde_json::json;
use stepper_support::{Bench, Chat, pack, says};
use tandem_domain::{
    message::Part,
    reading::{Candidate, Reading, Target, Wish},
};
use tandem_flow::step::Event;

const PACK: &str = r"
slots:
  order: {type: text, match: 'TD-\d+'}
  amount: {type: integer}
faqs:
  cost:
    title: Costs
    phrases: {en: [how much is delivery, what does shipping cost], zh: [运费多少钱, 配送要收费吗]}
    answer: faq_cost
  park:
    title: Parking
    phrases: {en: [can I park at the shop, is there parking], zh: [店里能停车吗, 有停车位吗]}
    answer: faq_park
responses:
  faq_cost: {en: Delivery is 5 euros., zh: 运费五欧元。}
  faq_park: {en: There is a car park., zh: 有停车场。}
  asks_order: {en: Which order?, zh: 哪个订单？}
handoff_triggers:
  - {phrases: {en: [talk to a person, I want a human], zh: [转人工, 我要找人工]}, skill: general}
flows:
  cancel_order:
    title: {en: the cancellation, zh: 取消订单}
    start_when: {phrases: {en: [cancel my order, please cancel the order], zh: [取消订单, 我要取消订单]}}
    steps:
      - {collect: order, ask: asks_order}
      - {say: {en: It is cancelled., zh: 已取消。}}
  refund_status:
    title: {en: the refund, zh: 退款}
    start_when: {phrases: {en: [where is my refund, when do I get my money back], zh: [我的退款呢, 退款什么时候到]}}
    steps:
      - {say: {en: It is on its way., zh: 退款在路上。}}
";

fn chat() -> Chat {
    Chat::with(&pack(PACK, &[]), &[], json!({}))
}

#[test]
fn two_questions_get_two_answers() {
    for (text, answers) in [
        (
            "how much is delivery and can I park at the shop",
            ["says faq_cost", "says faq_park"],
        ),
        (
            "运费多少钱，另外有停车位吗",
            ["says faq_cost", "says faq_park"],
        ),
    ] {
        let mut said = chat().user(text);
        said.sort();
        assert_eq!(said, answers, "{text}");
    }
}

#[test]
fn a_question_is_answered_before_the_flow_that_came_with_it() {
    let mut chat = chat();
    assert_eq!(
        chat.user("please cancel the order, and how much is delivery?"),
        ["says faq_cost", "asks order"]
    );
    assert_eq!(chat.user("TD-7"), ["It is cancelled."]);
}

#[test]
fn the_second_flow_waits_for_the_end_of_the_first() {
    let mut chat = chat();
    assert_eq!(
        chat.user("cancel my order and where is my refund"),
        ["asks order"]
    );
    // What is asked in between is answered, and both still come to their end.
    assert_eq!(
        chat.user("is there parking?"),
        ["says faq_park", "asks order"]
    );
    assert_eq!(
        chat.user("TD-7"),
        ["It is cancelled.", "says next_wish", "It is on its way."]
    );
    assert_eq!(chat.user("is there parking?"), ["says faq_park"]);
}

#[test]
fn stopping_the_first_flow_goes_on_with_the_second() {
    let mut chat = chat();
    assert_eq!(chat.user("我要取消订单，还有我的退款呢"), ["asks order"]);
    assert_eq!(
        chat.user("取消"),
        ["says cancelled", "says next_wish", "退款在路上。"]
    );
}

#[test]
fn a_value_in_the_message_is_not_asked_for() {
    let mut chat = chat();
    assert_eq!(
        chat.user("cancel my order TD-12, and where is my refund?"),
        ["It is cancelled.", "says next_wish", "It is on its way."]
    );
}

#[test]
fn a_wish_for_a_person_beside_another_is_heard() {
    let mut chat = chat();
    let out = chat.user("where is my refund? I want a human");
    assert!(out.iter().any(|o| o.contains("hand")), "{out:?}");
}

#[test]
fn a_wish_beside_one_for_a_person_that_is_not_sure_enough_is_not_lost() {
    let mut bench = Bench::new(&pack(PACK, &[]));
    let candidate = |target, confidence| Candidate {
        target,
        confidence,
        phrase: None,
    };
    let reading = Reading {
        candidates: vec![candidate(Target::Trigger(0), 0.7)],
        also: Some(Wish {
            candidate: candidate(Target::Faq("cost".into()), 0.9),
            before: true,
        }),
        ..Reading::default()
    };
    let event = Event::Message {
        id: "m1".into(),
        parts: vec![Part::text("how much is delivery, is somebody there")],
        reading,
    };
    assert_eq!(says(&bench.turn(event)), ["says faq_cost"]);
}
