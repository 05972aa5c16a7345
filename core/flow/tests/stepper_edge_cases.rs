//! The edge cases that every bot meets, each a test.

mod stepper_support;

use serde_json::{Value, json};
use stepper_support::{Bench, Chat, act, contract, pack, says, token};
use tandem_domain::{action::ActionError, conversation::Control};
use tandem_flow::step::{Effect, Event};

fn order(qty: u64) -> Value {
    json!({"id": "A1", "status": "delivered", "delivered_at": "2025-02-25",
        "lines": [{"sku": "L1", "name": "Lamp", "qty": qty}, {"sku": "C1", "name": "Chair", "qty": 1}]})
}

fn shop(qty: u64) -> Vec<(&'static str, Value)> {
    vec![
        ("shop.find_order", order(qty)),
        (
            "shop.create_return",
            json!({"id": "R1", "label_url": "https://x.test/l", "due": "2025-03-17"}),
        ),
        ("shop.get_return", json!({"id": "R1", "due": "2025-03-17"})),
    ]
}

/// A return up to the question for the item.
fn at_item(chat: &mut Chat) {
    assert_eq!(chat.user("I'd like to send it back"), ["asks order_no"]);
    assert_eq!(chat.user("12345678, mail is ann@x.test"), ["asks item"]);
}

const NOTE: &str = r"
slots:
  comment: {type: text}
  size: {type: choice, options: {s: Small, d: Delivery}}
faqs:
  cost: {title: Delivery costs, phrases: [how much is delivery, what does shipping cost], answer: faq_cost}
responses:
  faq_cost: Five euros.
flows:
  note:
    title: your note
    start_when: {phrases: [leave a note, write a comment]}
    steps:
      - collect: comment
        ask: What should we know?
      - collect: size
        ask: Which size?
      - say: Thank you, noted.
";

#[test]
fn the_answer_is_an_faq_question() {
    let mut chat = Chat::new(&pack(NOTE, &[]));
    assert_eq!(chat.user("leave a note"), ["asks comment"]);
    // A free text comes last: the question is answered, and ours asked once more.
    for _ in 0..4 {
        assert_eq!(
            chat.user("how much is delivery?"),
            ["says faq_cost", "asks comment"]
        );
    }
    assert_eq!(chat.slot("comment"), Value::Null);
    assert_eq!(chat.user("please ring twice at the door"), ["asks size"]);
    // No attempt was used up, and a typed answer comes first.
    assert_eq!(
        chat.user("how much is delivery?"),
        ["says faq_cost", "asks size"]
    );
    assert_eq!(chat.user("Delivery"), ["Thank you, noted."]);
}

#[test]
fn answer_plus_question() {
    let mut chat = Chat::stubbed(&contract(), &shop(2));
    assert_eq!(chat.user("I'd like to send it back"), ["asks order_no"]);
    assert_eq!(
        chat.user("12345678, how much is delivery?"),
        ["says faq_cost", "asks email"]
    );
    assert_eq!(chat.slot("order_no"), json!("12345678"));
    assert_eq!(chat.user("ann@x.test"), ["asks item"]);
    assert_eq!(chat.press("Lamp"), ["asks reason"]);
    assert_eq!(chat.user("arrived damaged, both"), ["asks photo"]);
    assert_eq!(chat.user("skip"), ["confirms return_request"]);
    // At a summary before a write, the answer comes first and nothing is written.
    assert_eq!(
        chat.user("yes, how much is delivery?"),
        ["says faq_cost", "confirms return_request"]
    );
    assert_eq!(chat.calls("shop.create_return"), 0);
    chat.user("yes");
    assert_eq!(chat.calls("shop.create_return"), 1);
}

#[test]
fn an_old_button() {
    let mut chat = Chat::stubbed(&contract(), &shop(1));
    at_item(&mut chat);
    assert_eq!(chat.press("Lamp"), ["asks reason"]);
    assert_eq!(chat.press("Arrived damaged"), ["asks photo"]);
    // Open and uncommitted: a correction, of the question it belongs to.
    assert_eq!(chat.press("Chair"), ["asks photo"]);
    assert_eq!(chat.slot("item")["sku"], "C1");
    assert_eq!(chat.press("No longer wanted"), ["confirms return_request"]);
    let out = chat.user("yes");
    assert_eq!(chat.calls("shop.create_return"), 1);
    assert_eq!(out.last().map(String::as_str), Some("resolved"));
    // The flow is over: never read as text, nothing asked again.
    assert_eq!(chat.press("Lamp"), ["says expired"]);
    assert_eq!(chat.press("Yes"), ["says expired"]);

    // A `start:` button starts anew, however old.
    let shipped = json!({"id": "A1", "status": "shipped", "eta": "2025-03-05", "delivered_at": null,
        "tracking_url": "https://x.test/t", "lines": []});
    let mut chat = Chat::stubbed(&contract(), &[("shop.find_order", shipped)]);
    chat.user("where is my order");
    assert_eq!(chat.user("12345678, ann@x.test"), ["says order_state"]);
    assert_eq!(chat.user("how much is delivery?"), ["says faq_cost"]);
    assert_eq!(chat.press("Return something"), ["asks order_no"]);

    // With a question open the expired button is followed by it.
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    assert_eq!(
        says(&bench.press("nonsense")),
        ["says expired", "asks order_no"]
    );
}

const EDITED: &str = r"
slots:
  color: {type: text, match: '^(red|blue)$'}
  name: {type: text}
flows:
  paint:
    title: your paint
    start_when: {phrases: [paint a wall, order paint]}
    steps:
      - id: ask_name
        collect: name
        ask: Who is it for?
      - id: ask_color
        collect: color
        ask: Red or blue?
      - say: All done.
";

#[test]
fn a_flow_edited_mid_conversation() {
    let old = pack(EDITED, &[]);
    let begin = |chat: &mut Chat| {
        assert_eq!(chat.user("order paint"), ["asks name"]);
        assert_eq!(chat.user("Ann"), ["asks color"]);
    };
    // Words alone apply at once: the structure is the same.
    let words = pack(&EDITED.replace("All done.", "Ready and mixed."), &[]);
    assert_eq!(words.structure, old.structure);
    let mut chat = Chat::new(&old);
    begin(&mut chat);
    chat.sim
        .swap(words.clone(), stepper_support::model(&words), true);
    assert_eq!(chat.user("red"), ["Ready and mixed."]);

    // A changed structure: a running conversation keeps its version.
    let longer = EDITED.replace(
        "      - say: All done.",
        "      - say: Mixing.\n      - say: Still mixing.",
    );
    let longer = pack(&longer, &[]);
    assert_ne!(longer.structure, old.structure);
    let mut chat = Chat::new(&old);
    begin(&mut chat);
    chat.sim
        .swap(longer.clone(), stepper_support::model(&longer), false);
    assert_eq!(chat.user("red"), ["All done."]);

    // Where the old version is gone: on at the step of the same id.
    let mut chat = Chat::new(&old);
    begin(&mut chat);
    chat.sim
        .swap(longer.clone(), stepper_support::model(&longer), true);
    assert_eq!(chat.user("red"), ["Mixing.", "Still mixing."]);

    // And where that is gone too: it says so, and begins again with what is known.
    let renamed = pack(
        &EDITED
            .replace("ask_color", "which_color")
            .replace("All done.", "Fine."),
        &[],
    );
    let mut chat = Chat::new(&old);
    begin(&mut chat);
    chat.sim
        .swap(renamed.clone(), stepper_support::model(&renamed), true);
    assert_eq!(chat.user("red"), ["says flow_changed", "asks color"]);
    assert_eq!(chat.slot("name"), json!("Ann"));
    assert_eq!(chat.user("blue"), ["Fine."]);
}

#[test]
fn two_messages_at_once() {
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    let effects = bench.user("12345678 ann@x.test");
    let key = act(&effects).unwrap();
    assert!(says(&effects).is_empty());
    // While the call runs, what comes in waits: it is neither lost nor read too early.
    assert!(bench.user("arrived damaged").is_empty());
    assert!(bench.user("both").is_empty());
    let effects = bench.done(&key, order(2));
    // The item is asked, and then what was said meanwhile is taken up in order.
    assert_eq!(says(&effects)[0], "asks item");
    assert_eq!(says(&effects).len(), 5, "{:?}", says(&effects));

    // Cancel and a wish for a person are examined at once.
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    let key = act(&bench.user("12345678 ann@x.test")).unwrap();
    let effects = bench.user("cancel");
    assert!(effects.contains(&Effect::CancelAct { key: key.clone() }));
    assert_eq!(says(&effects), ["says cancelled"]);
    // Its late result starts nothing.
    assert!(bench.done(&key, order(1)).is_empty());

    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    bench.user("12345678 ann@x.test");
    let effects = bench.user("talk to a human");
    assert!(matches!(&effects[..], [Effect::Handoff { skill, .. }] if skill == "general"));
}

#[test]
fn cancel() {
    let mut chat = Chat::stubbed(&contract(), &shop(2));
    at_item(&mut chat);
    // Over another flow: the one below is taken up again.
    assert_eq!(chat.user("I want to complain"), ["asks complaint"]);
    assert_eq!(
        chat.user("cancel"),
        ["says cancelled", "says resumed", "asks item"]
    );
    assert_eq!(chat.user("取消"), ["says cancelled"]);
    assert_eq!(chat.user("cancel"), ["says nothing_to_cancel"]);
    // Not the word inside a sentence.
    assert_ne!(
        chat.user("cancel the lamp order"),
        ["says nothing_to_cancel"]
    );

    // What is committed is said.
    let flow = r"
slots:
  code: {type: text, match: '^\d{4}$'}
flows:
  pay:
    title: your payment
    start_when: {phrases: [pay a bill, make a payment]}
    steps:
      - http: bank.send_money
        effect: write
        on_error: {other: [{end: failed}]}
      - collect: code
        ask: The code, please.
";
    let connections = "connections:\n  bank:\n    base_url: https://bank.example.test\n    hosts: [bank.example.test]\n    operations:\n      send_money: {method: POST, path: /pay}\n";
    let pack = pack(flow, &[("connections.yaml", connections)]);
    let mut chat = Chat::stubbed(&pack, &[("bank.send_money", json!({}))]);
    assert_eq!(chat.user("pay a bill"), ["asks code"]);
    let out = chat.sim.say("cancel", None);
    let tandem_flow::testing::Output::Said(said) = &out[0] else {
        panic!("{out:?}")
    };
    assert!(
        said.content.plain().contains("send money"),
        "{}",
        said.content.plain()
    );
}

#[test]
fn a_duplicate_delivery() {
    // The same event on the same state gives the same bytes: an attempt that is made again after
    // a lost commit writes the same rows and calls with the same keys.
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    let event = bench.message("12345678 ann@x.test");
    let (first, second) = (bench.stepped(&event), bench.stepped(&event));
    assert_eq!(
        serde_json::to_vec(&first.state).unwrap(),
        serde_json::to_vec(&second.state).unwrap()
    );
    assert_eq!(first.effects, second.effects);
    assert_eq!(first.trace, second.trace);

    // And a message that is delivered twice is answered once.
    let mut chat = Chat::stubbed(&contract(), &shop(2));
    assert_eq!(chat.sim.say("send it back", Some("m1")).len(), 1);
    assert!(chat.sim.say("send it back", Some("m1")).is_empty());

    // A result that comes twice moves the flow once.
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    let key = act(&bench.user("12345678 ann@x.test")).unwrap();
    assert_eq!(says(&bench.done(&key, order(2))), ["asks item"]);
    assert!(bench.done(&key, order(2)).is_empty());
}

#[test]
fn a_correction_that_changes_a_branch() {
    let mut chat = Chat::stubbed(&contract(), &shop(2));
    at_item(&mut chat);
    chat.press("Lamp");
    assert_eq!(chat.user("arrived damaged, both"), ["asks photo"]);
    assert_eq!(
        chat.upload("a.jpg", "image/jpeg", 1),
        ["confirms return_request"]
    );
    assert_ne!(chat.slot("photo"), Value::Null);
    // The reason changes: the photo is no longer asked for and gone, the rest is kept.
    assert_eq!(
        chat.user("sorry, no longer wanted"),
        ["confirms return_request"]
    );
    assert_eq!(chat.slot("photo"), Value::Null);
    assert_eq!(chat.slot("qty"), json!(2));
    // The item changes: there is one chair only, so the number goes too.
    assert_eq!(chat.user("actually the chair"), ["confirms return_request"]);
    assert_eq!(chat.slot("qty"), Value::Null);
    assert_eq!(chat.slot("reason"), json!("unwanted"));
    // Reads run again where they are passed again; the write has not run at all.
    let reads = chat.calls("shop.find_order");
    assert_eq!(
        chat.user("sorry, my order is 87654321"),
        ["confirms return_request"]
    );
    assert_eq!(chat.calls("shop.find_order"), reads + 1);
    assert_eq!(chat.calls("shop.create_return"), 0);
    chat.user("yes");
    assert_eq!(chat.calls("shop.create_return"), 1);
}

#[test]
fn handoff_races() {
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    let key = act(&bench.user("12345678 ann@x.test")).unwrap();
    let asked = bench.done(&key, order(2));
    let lamp = token(&asked, "Lamp");
    // People take it: from now on the bot is silent.
    let effects = bench.user("talk to a human");
    assert!(matches!(&effects[..], [Effect::Handoff { .. }]));
    assert_eq!(bench.around.control, Control::Human);
    assert!(bench.user("hello?").is_empty());
    assert!(bench.user("cancel").is_empty());
    // An old button reaches the agent as text.
    assert_eq!(
        bench.press(&lamp),
        [Effect::Note {
            text: "Lamp".into()
        }]
    );
    // Given back: the question that was open, once.
    bench.around.control = Control::Bot;
    let effects = bench.turn(Event::Closed { returned: true });
    assert_eq!(says(&effects), ["says resumed", "asks item"]);
    assert_eq!(says(&bench.press(&lamp)), ["asks reason"]);

    // A result that comes late becomes a note, and counts once the bot has it back.
    let mut bench = Bench::new(&contract());
    bench.user("send it back");
    let key = act(&bench.user("12345678 ann@x.test")).unwrap();
    bench.around.control = Control::Human;
    bench.turn(Event::TakenOver);
    let effects = bench.done(&key, order(2));
    assert!(
        matches!(&effects[..], [Effect::Note { text }] if text.starts_with("shop.find_order")),
        "{effects:?}"
    );
    bench.around.control = Control::Bot;
    assert_eq!(
        says(&bench.turn(Event::Closed { returned: true })),
        ["asks item"]
    );

    // Closed: `after` runs, then the frame is dropped, or goes on where it was given back.
    for (returned, open) in [(false, 0), (true, 0)] {
        let mut bench = Bench::new(&contract());
        bench.user("I want to complain");
        let key = act(&bench.user("it was the worst service I ever had")).unwrap();
        let effects = bench.turn(Event::ActionDone {
            key,
            result: Err(ActionError::new("script", "boom")),
        });
        assert!(
            matches!(effects.last(), Some(Effect::SetTimer { .. })),
            "{effects:?}"
        );
        assert!(bench.user("anyone there?").is_empty());
        bench.around.control = Control::Bot;
        assert_eq!(says(&bench.turn(Event::Closed { returned })), ["asks csat"]);
        assert!(bench.state.in_after());
        bench.user("5");
        assert_eq!(bench.state.open_flows().len(), open);
    }
}

#[test]
fn a_timer_against_a_reply() {
    let flow = r"
slots:
  day: {type: date}
flows:
  book:
    title: your booking
    start_when: {phrases: [book a table, make a booking]}
    steps:
      - collect: day
        ask: Which day?
        timeout: {after: 5m, say: Are you still there?, times: 2, then: [{say: I will close this.}, {end: abandoned}]}
      - say: Booked.
      - remind: See you soon.
        after: 1d
        quiet_hours: 22:00-08:00
";
    let pack = pack(flow, &[]);
    let mut bench = Bench::new(&pack);
    let effects = bench.user("book a table");
    let timer = |effects: &[Effect], prefix: &str| {
        effects.iter().find_map(|e| match e {
            Effect::SetTimer {
                key,
                due_at,
                payload,
            } if key.starts_with(prefix) => Some((
                *due_at,
                Event::Timer {
                    key: key.clone(),
                    payload: payload.clone(),
                },
            )),
            _ => None,
        })
    };
    let (due, nudge) = timer(&effects, "ask:").unwrap();
    assert_eq!(due.0 - bench.now.0, 300_000);
    // The reply comes first: the timer is cancelled, and one that fires all the same does nothing.
    let effects = bench.user("tomorrow");
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::CancelTimer { .. }))
    );
    assert_eq!(says(&effects), ["Booked."]);
    assert!(bench.turn(nudge.clone()).is_empty());

    // The timer comes first, twice, and then the last word.
    let mut chat = Chat::new(&pack);
    chat.user("book a table");
    assert_eq!(chat.minutes(5), ["Are you still there?"]);
    assert_eq!(chat.minutes(5), ["Are you still there?"]);
    assert_eq!(chat.minutes(5), ["I will close this."]);
    assert!(chat.minutes(60).is_empty());
    assert_eq!(chat.sim.state().open_flows().len(), 0);

    // Asked again, the old timer is stale.
    let mut bench = Bench::new(&pack);
    let (_, first) = timer(&bench.user("book a table"), "ask:").unwrap();
    let (_, second) = timer(&bench.user("blue"), "ask:").unwrap();
    assert!(says(&bench.turn(first)).is_empty());
    assert_eq!(says(&bench.turn(second)), ["Are you still there?"]);

    // A reminder keeps the wall clock over the change of the clocks, and stays out of the night.
    let mut bench = Bench::new(&pack);
    bench.now = tandem_domain::Timestamp(bench.now.0 + 26 * 86_400_000); // Saturday, 29 March, 10:00
    bench.user("book a table");
    let (due, _) = timer(&bench.user("tomorrow"), "remind:").unwrap();
    assert_eq!(due.0 - bench.now.0, 23 * 3_600_000);
    let mut bench = Bench::new(&pack);
    bench.now = tandem_domain::Timestamp(bench.now.0 + 13 * 3_600_000); // 23:00
    bench.user("book a table");
    let (due, _) = timer(&bench.user("tomorrow"), "remind:").unwrap();
    assert_eq!(due.0 - bench.now.0, 33 * 3_600_000);
}

#[test]
fn an_expired_button_ends_nothing_of_what_lies_above_its_flow() {
    let flow = r"
slots: {age: {type: integer}}
flows:
  one:
    title: one
    start_when: {phrases: [order a shirt]}
    steps:
      - say: {text: Look., buttons: [{label: Blue, value: blue}]}
      - wait: {event: shipped}
  two:
    title: two
    start_when: {phrases: [tell you my age]}
    steps:
      - {collect: age, ask: How old are you?}
      - say: Noted, {{ age }}.
";
    let pack = stepper_support::pack(flow, &[]);
    let mut chat = Chat::new(&pack);
    chat.user("order a shirt");
    assert_eq!(chat.user("tell you my age"), ["asks age"]);
    assert_eq!(chat.press("Blue"), ["says expired", "asks age"]);
    assert_eq!(chat.user("33"), ["Noted, 33."]);
}

#[test]
fn a_wait_that_ends_while_an_action_runs_is_not_lost_to_a_person() {
    let flow = r"
slots: {found: {type: object}}
flows:
  pay:
    title: your payment
    start_when: {phrases: [pay the bill]}
    steps:
      - wait: {for: 2h}
      - say: Paid?
  look:
    title: the look
    start_when: {phrases: [look something up]}
    steps:
      - http: shop.find
        save: found
      - say: Found.
";
    let connections = "connections:\n  shop: {base_url: https://shop.example.test, operations: {find: {method: GET, path: /x}}}\n";
    let pack = stepper_support::pack(flow, &[("connections.yaml", connections)]);
    for by_person in [true, false] {
        let mut bench = Bench::new(&pack);
        let effects = bench.user("pay the bill");
        let (timer, payload) = effects
            .iter()
            .find_map(|e| match e {
                Effect::SetTimer { key, payload, .. } if key.starts_with("wait:") => {
                    Some((key.clone(), payload.clone()))
                }
                _ => None,
            })
            .unwrap();
        let key = act(&bench.user("look something up")).unwrap();
        // It is due while the action runs, and people take over before that ends.
        let due = Event::Timer {
            key: timer,
            payload,
        };
        assert!(bench.turn(due).is_empty());
        if by_person {
            bench.around.control = Control::Human;
            bench.turn(Event::TakenOver);
            bench.done(&key, json!({}));
            bench.around.control = Control::Bot;
            let back = says(&bench.turn(Event::Closed { returned: true }));
            assert_eq!(back, ["Found.", "Paid?"]);
        } else {
            assert_eq!(says(&bench.done(&key, json!({}))), ["Found.", "Paid?"]);
        }
    }
}
