//! Every step kind, pattern and trigger at work.

mod stepper_support;

use serde_json::{Value, json};
use stepper_support::{Bench, Chat, brief, pack};
use tandem_domain::conversation::HandoffMode;
use tandem_flow::{step::Effect, testing::Output};

const SHOP: &str = "connections:
  shop:
    base_url: https://shop.example.test
    hosts: [shop.example.test]
    operations:
      find: {method: GET, path: /find}
      buy: {method: POST, path: /buy}
";

#[test]
fn say_has_variations_buttons_media_and_other_channels() {
    let flow = r#"
slots:
  n: {type: integer}
responses:
  hello:
    - if: contact.tier == 'gold'
      text: {en: Welcome back., zh: 欢迎回来。}
    - text: {en: Welcome., zh: 欢迎。}
      image: https://x.test/a.png
      buttons:
        - {label: Our site, url: https://x.test}
        - {label: Bad link, url: "{{ contact.site }}"}
        - {label: Again, goto: top}
        - {label: Other, start: other}
flows:
  greet:
    start_when: {phrases: [greet me please]}
    steps:
      - {id: top, say: hello}
      - {collect: n, ask: A number?}
      - {say: By message., via: sms, to: "{{ contact.phone }}"}
  other:
    title: the other one
    steps: [{say: The other flow.}]
"#;
    let pack = pack(flow, &[]);
    let mut chat = Chat::with(
        &pack,
        &[],
        json!({"phone": "+49301234", "site": "javascript:alert(1)"}),
    );
    assert_eq!(chat.user("greet me please"), ["says hello", "asks n"]);
    let said = &chat.sim.said()[0];
    assert_eq!(said.options(), ["Our site", "Again", "Other"]);
    assert_eq!(said.content.parts.len(), 2);
    assert_eq!(chat.press("Again"), ["says hello", "asks n"]);
    assert_eq!(
        chat.press("Other"),
        ["The other flow.", "says resumed", "asks n"]
    );
    let out = chat.sim.say("3", None);
    let Output::Said(said) = &out[0] else {
        panic!("{out:?}")
    };
    assert_eq!(said.via.as_deref(), Some("sms"));
    let mut chat = Chat::with(&pack, &[], json!({"tier": "gold"}));
    chat.user("greet me please");
    assert_eq!(chat.sim.said()[0].content.plain(), "Welcome back.");
}

#[test]
fn a_value_button_answers_the_question_after_it() {
    let flow = r"
slots:
  n: {type: integer}
  m: {type: integer}
faqs:
  cost: {title: Costs, phrases: [how much is delivery], answer: faq_cost}
responses:
  faq_cost:
    - text: Five euros.
      buttons: [{label: More, url: 'https://x.test'}]
  offer:
    - text: We have these.
      buttons: [{label: Small pack, value: '6'}, {label: Large pack, value: '12'}]
flows:
  eggs:
    start_when: {phrases: [buy some eggs]}
    steps:
      - say: offer
      - {collect: n, ask: How many?}
      - {collect: m, ask: And cartons?}
      - say: '{{ n }} and {{ m }}.'
";
    let mut chat = Chat::new(&pack(flow, &[]));
    assert_eq!(chat.user("buy some eggs"), ["says offer", "asks n"]);
    assert_eq!(
        chat.user("how much is delivery"),
        ["says faq_cost", "asks n"]
    );
    assert_eq!(chat.press("Small pack"), ["asks m"]);
    // Later it is a correction, not an answer to the next question.
    assert_eq!(chat.press("Large pack"), ["asks m"]);
    assert_eq!(chat.user("2"), ["12 and 2."]);
    assert_eq!(chat.press("Small pack"), ["says expired"]);
}

#[test]
fn collect_goes_back_repeats_and_always_asks() {
    let flow = r"
slots:
  mail: {type: email, keep: contact}
  name: {type: text}
  size: {type: choice, options: {s: Small, l: {label: Large, synonyms: [big one, huge]}}}
  ok: {type: boolean}
flows:
  book:
    title: your booking
    start_when: {phrases: [make a booking]}
    steps:
      - {collect: mail, ask: 'Still {{ mail or contact.mail }}?', always_ask: true}
      - {collect: name, ask: Your name?}
      - {collect: size, ask: Which size?}
      - {collect: ok, ask: Shall I?}
      - say: '{{ name }}, {{ size | label }}, {{ 1 if ok else 0 }}.'
";
    let mut chat = Chat::with(&pack(flow, &[]), &[], json!({"mail": "ann@x.test"}));
    assert_eq!(chat.user("make a booking"), ["asks mail"]);
    assert_eq!(chat.user("bob@x.test"), ["asks name"]);
    assert_eq!(chat.user("Bob"), ["asks size"]);
    assert_eq!(chat.user("back"), ["asks name"]);
    assert_eq!(chat.user("返回"), ["asks mail"]);
    assert_eq!(chat.user("bob@x.test"), ["asks name"]);
    assert_eq!(chat.user("say that again"), ["says repeat", "asks name"]);
    assert_eq!(chat.user("Bo"), ["asks size"]);
    assert_eq!(chat.user("the big one"), ["asks ok"]);
    assert_eq!(chat.user("sure"), ["Bo, Large, 1."]);
}

#[test]
fn rules_in_lua_judge_and_tidy_values() {
    let flow = r"
slots:
  plate: {type: text}
  n: {type: integer}
flows:
  park:
    start_when: {phrases: [park my car]}
    steps:
      - collect: plate
        ask: Your plate?
        validate:
          - lua: cars.plate
          - {must: plate != 'B-X 1', say: 'Not {{ plate }}, sorry.'}
      - say: 'Parked {{ plate }}.'
";
    let lua = "local cars = {}\nfunction cars.plate(value)\n  if string.find(value, \"%d\") == nil then return nil, \"A plate has digits.\" end\n  return string.upper(value)\nend\nreturn cars\n";
    let mut chat = Chat::new(&pack(flow, &[("cars.luau", lua)]));
    chat.user("park my car");
    assert_eq!(chat.user("abc"), ["A plate has digits.", "asks plate"]);
    assert_eq!(chat.user("b-x 1"), ["Not , sorry.", "asks plate"]);
    assert_eq!(chat.user("b-y 2"), ["Parked B-Y 2."]);
}

#[test]
fn a_form_takes_its_fields_in_any_order_and_goes_on_without_one() {
    let flow = r"
slots:
  day: {type: date}
  guests: {type: integer, min: 1}
  phone: {type: phone}
  note: {type: text}
  from: {type: date}
flows:
  book:
    title: your table
    start_when: {phrases: [reserve a table]}
    steps:
      - form: table
        collect:
          - {collect: day, ask: Which day?}
          - {collect: guests, ask: How many?}
          - {collect: phone, ask: Your phone?, max_attempts: 2, on_give_up: [{say: Without a phone then.}]}
          - {collect: note, ask: Anything else?, optional: true}
        validate:
          - {must: guests <= 8, say: Eight at most.}
        confirm: '{{ guests }} on {{ day }}?'
      - say: Booked.
";
    let head = "name: test\nlocales: [en]\nlimits: {repair: 10}\n";
    let pack = pack(flow, &[("pack.yaml", head)]);
    let mut chat = Chat::new(&pack);
    assert_eq!(chat.user("reserve a table"), ["asks day"]);
    assert_eq!(
        chat.user("on 5 March, for nine"),
        ["Eight at most.", "asks guests"]
    );
    assert_eq!(chat.user("4"), ["asks phone"]);
    assert_eq!(
        chat.user("none of your business"),
        ["says invalid_phone", "asks phone"]
    );
    assert_eq!(chat.user("no"), ["Without a phone then.", "asks note"]);
    assert_eq!(chat.user("skip"), ["confirms table"]);
    assert_eq!(
        chat.sim.said().last().unwrap().content.plain(),
        "4 on 2025-03-05?"
    );
    assert_eq!(
        chat.user("maybe"),
        ["says invalid_confirm", "confirms table"]
    );
    assert_eq!(chat.user("no, for 5"), ["confirms table"]);
    assert_eq!(chat.user("change the day"), ["asks day"]);
    assert_eq!(chat.user("6 March"), ["confirms table"]);
    assert_eq!(
        chat.sim.said().last().unwrap().content.plain(),
        "5 on 2025-03-06?"
    );
    // An old summary's yes does not confirm the new one.
    chat.user("no");
    assert_eq!(chat.press("Guests"), ["asks guests"]);
    assert_eq!(chat.user("2"), ["confirms table"]);
    assert_eq!(chat.press("Yes"), ["Booked."]);
}

#[test]
fn menu_switch_set_and_tag_choose_ways() {
    let flow = r"
slots:
  kind: {type: text}
  n: {type: integer}
flows:
  pick:
    start_when: {phrases: [pick something]}
    steps:
      - menu: what
        ask: What is it?
        options:
          - {label: A lamp, phrases: [something that shines], then: [{set: {kind: lamp}}]}
          - {label: A chair, then: [{set: {kind: chair}}]}
        else: [{set: {kind: other}}]
      - switch: kind
        cases:
          lamp: [{set: {n: 1}}, {tag: [light, bright]}]
          chair: [{set: {n: 2}}]
        else: [{set: {n: 3}}]
      - say: 'Number {{ n }}.'
";
    let pack = pack(flow, &[]);
    for (said, out) in [
        ("A lamp", vec!["tag light", "tag bright", "Number 1."]),
        (
            "something that really shines",
            vec!["tag light", "tag bright", "Number 1."],
        ),
        ("2", vec!["Number 2."]),
        ("the second one", vec!["Number 2."]),
        ("blue", vec!["Number 3."]),
    ] {
        let mut chat = Chat::new(&pack);
        assert_eq!(chat.user("pick something"), ["asks what"]);
        assert_eq!(chat.user(said), out, "{said}");
    }
    // An older menu's button goes back to it.
    let flow = flow.replace("      - say: 'Number {{ n }}.'", "      - {collect: n, ask: Which number?, always_ask: true}\n      - say: 'Kind {{ kind }}, {{ n }}.'");
    let mut chat = Chat::new(&stepper_support::pack(&flow, &[]));
    chat.user("pick something");
    assert_eq!(chat.press("A chair"), ["asks n"]);
    assert_eq!(chat.press("A lamp"), ["tag light", "tag bright", "asks n"]);
    assert_eq!(chat.user("7"), ["Kind lamp, 7."]);
}

#[test]
fn errors_of_calls_choose_a_way() {
    let flow = r"
slots:
  got: {type: object, source: http}
  level: {type: integer, source: lua}
flows:
  look:
    start_when: {phrases: [look it up]}
    steps:
      - http: shop.find
        save: got
        on_error:
          404: [{say: Not there.}]
          timeout: [{say: Too slow.}]
          other: [{say: Something else.}]
      - lua: levels.of
        with: {id: '{{ got.id }}'}
        save: level
        on_error: [{set: {level: 9}}]
      - say: 'Level {{ level }}.'
";
    let lua = "local levels = {}\nfunction levels.of(given)\n  if given.id == 1 then error(\"boom\") end\n  if given.id == 2 then return \"high\" end\n  return 3.0\nend\nreturn levels\n";
    let pack = pack(flow, &[("connections.yaml", SHOP), ("levels.luau", lua)]);
    for (answer, out) in [
        (json!({"id": 7}), vec!["Level 3."]),
        (json!({"id": 1}), vec!["Level 9."]),
        (json!({"id": 2}), vec!["Level 9."]),
        (json!({"error": 404}), vec!["Not there.", "Level 3."]),
        (json!({"error": "timeout"}), vec!["Too slow.", "Level 3."]),
        (json!({"error": 500}), vec!["Something else.", "Level 3."]),
    ] {
        let mut chat = Chat::stubbed(&pack, &[("shop.find", answer.clone())]);
        assert_eq!(chat.user("look it up"), out, "{answer}");
    }
}

#[test]
fn answer_quotes_the_knowledge_or_admits_it_does_not_know() {
    let flow = r"
flows:
  ask:
    start_when: {phrases: [I have a question about lamps, tell me about lamps]}
    steps:
      - answer: {query: '{{ message.text }}'}
      - say: Anything else?
";
    let article =
        "---\ntitle: Lamps\n---\n# Bulbs\nOur lamps take E27 bulbs with at most 60 watts.\n";
    let pack = pack(flow, &[("knowledge/lamps.md", article)]);
    let mut chat = Chat::new(&pack);
    let out = chat.user("I have a question about lamps: which bulbs do lamps take?");
    assert_eq!(out, ["says answer", "Anything else?"]);
    assert!(chat.sim.said()[0].content.plain().contains("E27"));
}

#[test]
fn wait_ends_by_its_event_or_its_time() {
    let flow = r"
slots:
  n: {type: integer}
flows:
  pay:
    title: your payment
    start_when: {phrases: [pay the bill]}
    steps:
      - wait: {for: 2h, event: paid, on_timeout: [{say: Not paid yet.}, {end: late}]}
      - say: Paid.
  other:
    title: the other one
    start_when: {phrases: [something else entirely]}
    steps:
      - {collect: n, ask: A number?}
";
    let pack = pack(flow, &[]);
    let mut chat = Chat::new(&pack);
    assert!(chat.user("pay the bill").is_empty());
    assert_eq!(chat.event("paid", Value::Null), ["Paid."]);
    assert!(chat.event("paid", Value::Null).is_empty());
    let mut chat = Chat::new(&pack);
    chat.user("pay the bill");
    assert_eq!(chat.minutes(120), ["Not paid yet."]);
    // Under another flow it goes on when its turn comes.
    let mut chat = Chat::new(&pack);
    chat.user("pay the bill");
    assert_eq!(chat.user("something else entirely"), ["asks n"]);
    assert!(chat.event("paid", Value::Null).is_empty());
    assert_eq!(chat.user("4"), ["Paid."]);
}

#[test]
fn handoff_and_ticket_leave_their_marks() {
    let flow = r#"
slots:
  what: {type: text}
flows:
  help:
    start_when: {phrases: [help me with paint]}
    steps:
      - {collect: what, ask: What is it?, digressions: false}
      - ticket: {title: "{{ what }}", skill: orders, fields: {n: 2, text: "{{ what }}"}}
      - {handoff: orders, mode: callback, priority: "{{ 'urgent' if what else 'low' }}", summary: "{{ what | upper }}", tags: [vip]}
      - say: We call you.
"#;
    let mut bench = Bench::new(&pack(flow, &[]));
    bench.user("help me with paint");
    let effects = bench.user("it peels off");
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Ticket { title, skill, fields, .. }
        if title == "it peels off" && skill == "orders" && fields["n"] == 2))
    );
    assert!(effects.iter().any(|e| matches!(e, Effect::Handoff { mode: HandoffMode::Callback, summary: Some(s), tags, priority, .. }
        if s == "IT PEELS OFF" && tags == &["vip"] && *priority == tandem_domain::conversation::Priority::Urgent)));
    assert_eq!(stepper_support::says(&effects), ["We call you."]);
    assert!(bench.state.open_flows().is_empty());
}

#[test]
fn flows_start_on_events_pages_and_media() {
    let flow = r"
slots:
  item: {type: text}
  due: {type: date}
flows:
  warn:
    start_when: {event: warranty_expiring}
    steps: [{say: 'The warranty of your {{ item }} ends on {{ due }}.'}]
  cart:
    start_when: {page: /cart*, after: 30s}
    steps: [{say: Can I help with your cart?}]
  photo:
    start_when: {media: image}
    steps: [{say: A nice picture.}]
";
    let pack = pack(flow, &[]);
    let mut chat = Chat::new(&pack);
    let data = json!({"item": "lamp", "due": "2025-03-09T00:00:00Z", "other": 1});
    assert_eq!(
        chat.event("warranty_expiring", data),
        ["The warranty of your lamp ends on 2025-03-09."]
    );
    assert!(brief(&chat.sim.page("https://shop.test/cart", 10)).is_empty());
    assert_eq!(
        brief(&chat.sim.page("https://shop.test/cart", 31)),
        ["Can I help with your cart?"]
    );
    // Once a session.
    assert!(brief(&chat.sim.page("https://shop.test/cart", 60)).is_empty());
    assert_eq!(chat.upload("a.jpg", "image/jpeg", 1), ["A nice picture."]);
    // People have it: nothing starts.
    chat.user("转人工");
    assert!(
        chat.event("warranty_expiring", json!({"item": "lamp"}))
            .is_empty()
    );
}

#[test]
fn the_session_ends_after_a_long_silence() {
    let flow = r"
slots:
  n: {type: integer}
flows:
  count:
    title: your count
    start_when: {phrases: [count with me]}
    steps:
      - {collect: n, ask: How many?}
      - {collect: n, ask: And again?, always_ask: true}
";
    let mut chat = Chat::new(&pack(flow, &[]));
    chat.user("count with me");
    chat.minutes(23 * 60);
    assert_eq!(chat.user("4"), ["asks n"]);
    // The customer has written since: a day from there.
    assert!(chat.minutes(23 * 60).is_empty());
    assert_eq!(chat.minutes(61), ["says session_timeout"]);
    assert!(chat.sim.state().open_flows().is_empty());
}

#[test]
fn patterns_of_the_pack_replace_the_shipped_ones() {
    let flow = r"
slots:
  n: {type: integer}
flows:
  cancelled: {steps: [{say: 'Stopped {{ it.title }}, as you like.'}]}
  corrected: {steps: [{say: Changed that.}]}
  cannot_handle: {steps: [{say: Pardon me?}]}
  completed: {steps: [{say: That was all.}]}
  skipped: {steps: [{say: We leave that out.}]}
  count:
    title: your count
    start_when: {phrases: [count with me]}
    steps:
      - {collect: n, ask: How many?, optional: true}
      - say: Counted.
";
    let mut chat = Chat::new(&pack(flow, &[]));
    assert_eq!(chat.user("zyxw qwerty"), ["Pardon me?"]);
    chat.user("count with me");
    assert_eq!(chat.user("cancel"), ["Stopped your count, as you like."]);
    chat.user("count with me");
    assert_eq!(
        chat.user("skip"),
        ["We leave that out.", "Counted.", "That was all."]
    );
}

#[test]
fn what_is_not_understood_offers_a_menu_and_then_a_person() {
    let flow = r"
faqs:
  cost: {title: Delivery costs, phrases: [how much is delivery], answer: faq_cost}
responses:
  faq_cost: Five euros.
handoff_triggers:
  - {if: repair.count >= 3, skill: returns, priority: high}
";
    let pack = pack(flow, &[]);
    let mut chat = Chat::new(&pack);
    assert_eq!(chat.user("zyxw qwerty"), ["says cannot_handle"]);
    assert_eq!(chat.sim.said()[0].options(), ["What I can help with"]);
    assert_eq!(chat.press("What I can help with"), ["asks faq"]);
    assert_eq!(chat.user("1"), ["says faq_cost"]);
    chat.user("zyxw qwerty");
    assert_eq!(chat.user("mnop ghjk"), ["handoff returns"]);
    // A menu of questions holds nobody.
    let mut chat = Chat::new(&pack);
    chat.user("zyxw qwerty");
    chat.press("What I can help with");
    assert_eq!(chat.user("wvut lkjh"), ["says cannot_handle"]);
}

#[test]
fn the_customers_language_is_followed() {
    let flow = r"
slots:
  n: {type: integer}
flows:
  count:
    title: {en: your count, zh: 计数}
    start_when: {phrases: {en: [count with me], zh: [和我一起数数]}}
    steps:
      - {collect: n, ask: {en: How many?, zh: 多少个？}}
";
    let mut chat = Chat::new(&pack(flow, &[]));
    chat.user("和我一起数数");
    assert_eq!(chat.sim.said()[0].content.plain(), "多少个？");
    // A bare word or number changes nothing.
    assert_eq!(chat.user("ok"), ["says invalid_integer", "asks n"]);
    assert_eq!(chat.sim.said().last().unwrap().content.plain(), "多少个？");
    assert!(chat.user("三个").is_empty());
}

#[test]
fn runaway_flows_are_handed_to_people() {
    let flow = r"
slots:
  n: {type: integer}
flows:
  spin:
    start_when: {phrases: [spin around]}
    steps:
      - {id: top, set: {n: 1}}
      - {goto: top, max: 500}
";
    let mut chat = Chat::new(&pack(flow, &[]));
    assert_eq!(chat.user("spin around"), ["handoff general"]);
    // Given back, it does not spin on.
    assert!(brief(&chat.sim.agent_closes(true)).is_empty());
    assert!(chat.sim.state().open_flows().is_empty());
}

#[test]
fn a_date_where_a_number_is_wanted_corrects_the_date() {
    let flow = r"
slots:
  day: {type: date}
  guests: {type: integer, min: 1}
flows:
  book:
    start_when: {phrases: [book a table, reserve a table]}
    steps:
      - {collect: day, ask: Which day?}
      - {collect: guests, ask: How many?}
      - say: For {{ guests }} on {{ day }}.
";
    let mut chat = Chat::new(&pack(flow, &[]));
    chat.user("book a table");
    assert_eq!(chat.user("5 March"), ["asks guests"]);
    assert_eq!(chat.user("sorry, on 7 March"), ["asks guests"]);
    assert_eq!(chat.slot("guests"), Value::Null);
    assert_eq!(chat.user("2"), ["For 2 on 2025-03-07."]);
}

#[test]
fn with_nothing_open_cancel_starts_a_flow_that_cancels() {
    let flow = r"
slots: {number: {type: text, match: '^\d{8}$'}}
flows:
  cancel_order:
    title: {en: cancelling your order, zh: 取消订单}
    start_when:
      phrases:
        en: [cancel my order, I want to cancel, please cancel what I ordered]
        zh: [取消订单, 我要取消, 我不想要这个订单了]
    steps:
      - {collect: number, ask: Which order?}
      - say: It is cancelled.
";
    let pack = pack(flow, &[]);
    let mut chat = Chat::new(&pack);
    assert_eq!(chat.user("I want to cancel"), ["asks number"]);
    // With it open, the same words end it.
    assert_eq!(chat.user("I want to cancel"), ["says cancelled"]);
    let mut chat = Chat::new(&pack);
    assert_eq!(chat.user("我要取消"), ["asks number"]);
    let mut chat = Chat::new(&pack);
    assert_eq!(chat.user("never mind"), ["says nothing_to_cancel"]);
}

#[test]
fn choices_named_in_the_first_message_are_not_asked_for() {
    let flow = r"
slots:
  number: {type: text, match: '^\d{8}$'}
  reason:
    type: choice
    options:
      damaged: Arrived damaged
      size: {label: Wrong size, synonyms: {en: [too small, too big], zh: [太小, 太大]}}
      other: Other
  refund: {type: choice, options: {card: To my card, voucher: As a voucher}}
flows:
  return_shoes:
    title: your return
    start_when: {phrases: [I want to return my shoes, send shoes back, 我要退鞋子]}
    steps:
      - {collect: number, ask: Which order?}
      - form: details
        collect:
          - {collect: reason, ask: What is wrong?}
          - {collect: refund, ask: How shall we pay it back?}
      - say: Noted, {{ reason | label }}.
";
    let pack = pack(flow, &[]);
    let mut chat = Chat::new(&pack);
    assert_eq!(
        chat.user("I want to return my shoes because they're too small"),
        ["asks number"]
    );
    assert_eq!(chat.user("12345678"), ["asks refund"]);
    assert_eq!(chat.slot("reason"), json!("size"));
    // It can be corrected like any answer.
    assert_eq!(chat.user("sorry, they arrived damaged"), ["asks refund"]);
    assert_eq!(chat.slot("reason"), json!("damaged"));
    let mut chat = Chat::new(&pack);
    chat.user("我要退鞋子，太大了");
    assert_eq!(chat.slot("reason"), json!("size"));
    // Two of them, a denied one, or a word that says little is no answer.
    for said in [
        "I want to return my shoes, they arrived damaged or are too small",
        "I want to return my shoes, they are not too small",
        "I want to return my other shoes",
    ] {
        let mut chat = Chat::new(&pack);
        assert_eq!(chat.user(said), ["asks number"], "{said}");
        assert_eq!(chat.slot("reason"), Value::Null, "{said}");
    }
}

const LAMPS: &str = "---\ntitle: Light bulbs\n---\n# Bulbs\nThe Moon lamp takes an E14 light bulb of at most 40 watts.\n";

#[test]
fn what_nothing_matches_is_looked_up_in_the_knowledge() {
    let flow = r"
flows:
  hello:
    title: hello
    start_when: {phrases: [good morning to you]}
    steps: [{say: Hello.}]
";
    let article = ("knowledge/bulbs.md", LAMPS);
    let chat_with = |more: &[(&str, &str)]| Chat::new(&pack(flow, more));
    let question = "which light bulb does the Moon lamp take?";
    let mut chat = chat_with(&[article]);
    assert_eq!(chat.user("xyzzy plugh"), ["says cannot_handle"]);
    let out = chat.user(question);
    assert_eq!(out, ["says answer"]);
    assert!(chat.trace().contains("the knowledge is asked"));
    // An answer is no repair: it takes two more failures for a person.
    assert_eq!(chat.user("xyzzy plugh"), ["says cannot_handle"]);

    let head = "name: test\nlocales: [en]\nanswer_unmatched: false\n";
    let mut chat = chat_with(&[article, ("pack.yaml", head)]);
    assert_eq!(chat.user(question), ["says cannot_handle"]);
    assert!(!chat.trace().contains("the knowledge is asked"));
    let mut chat = chat_with(&[]);
    assert_eq!(chat.user(question), ["says cannot_handle"]);
    let inside = LAMPS.replace("title:", "audience: agent\ntitle:");
    let mut chat = chat_with(&[("knowledge/bulbs.md", &inside)]);
    assert_eq!(chat.user(question), ["says cannot_handle"]);
    assert!(!chat.trace().contains("the knowledge is asked"));
}

#[test]
fn a_trigger_outside_its_hours_leaves_a_ticket_and_the_bot_goes_on() {
    let desk = "skills: [general, complaints]\nhours:\n  support: {mon: \"11:00-18:00\"}\n";
    let flow = r"
slots: {name: {type: text}, age: {type: integer}}
flows:
  ask:
    title: your age
    start_when: {phrases: [I would like to join]}
    steps: [{collect: age, ask: How old are you?}, {say: Thank you.}]
handoff_triggers:
  - {phrases: [get me your manager], skill: complaints, priority: high, hours: support}
";
    let pack = pack(flow, &[("desk.yaml", desk)]);
    // It is ten o'clock on a Monday.
    let mut chat = Chat::new(&pack);
    chat.user("I would like to join");
    let out = chat.user("get me your manager");
    assert_eq!(out, ["handoff complaints", "says closed", "asks age"]);
    let handed = chat.sim.handoff().unwrap();
    assert_eq!(handed.mode, HandoffMode::Ticket);
    let closed = &chat.sim.said()[chat.sim.said().len() - 2];
    assert!(closed.content.plain().contains("11:00"), "{closed:?}");
    assert_eq!(chat.user("33"), ["Thank you."]);
    chat.minutes(90);
    assert_eq!(chat.user("get me your manager"), ["handoff complaints"]);
    assert_eq!(chat.sim.handoff().unwrap().mode, HandoffMode::Queue);
    assert!(chat.sim.is_human());
}

#[test]
fn scripts_know_the_customers_language_and_answer_in_it() {
    let flow = r"
slots:
  code: {type: text, match: '^[A-Z]{2}\d{2}$', prepare: codes.tidy}
  age: {type: integer}
  pin: {type: integer}
responses:
  too_young: {en: You are too young., zh: 您的年龄不够。}
flows:
  join:
    title: {en: joining, zh: 加入}
    start_when: {phrases: {en: [I would like to join you], zh: [我想加入你们]}}
    steps:
      - {collect: code, ask: {en: The code?, zh: 代码是什么？}}
      - collect: age
        ask: {en: How old are you?, zh: 您多大了？}
        validate: [{lua: codes.grown}]
      - form: last
        collect: [{collect: pin, ask: {en: A PIN?, zh: 密码是什么？}}]
        validate: [{lua: codes.secret}]
      - say: {en: Welcome to us., zh: 欢迎加入。}
";
    let lua = r#"local codes = {}
function codes.tidy(value, around)
  if #value < 3 then
    return nil, around.locale == "zh" and "代码太短" or "too short for a code"
  end
  return string.upper(value)
end
function codes.grown(age)
  if age < 18 then return nil, "too_young" end
  return age
end
function codes.secret(form, around)
  if form.pin < 1000 then
    return nil, { en = "Four digits, please.", zh = "请输入四位数。" }
  end
  return true
end
return codes
"#;
    let pack = pack(flow, &[("codes.luau", lua)]);
    let mut chat = Chat::new(&pack);
    chat.user("I would like to join you");
    assert_eq!(chat.user("ab"), ["too short for a code", "asks code"]);
    chat.user("ab12");
    assert_eq!(chat.user("12"), ["says too_young", "asks age"]);
    chat.user("33");
    assert_eq!(chat.user("12"), ["Four digits, please.", "asks pin"]);
    assert_eq!(chat.user("1234"), ["Welcome to us."]);

    let mut chat = Chat::new(&pack);
    chat.user("我想加入你们");
    assert_eq!(chat.user("ab"), ["代码太短", "asks code"]);
    chat.user("ab12");
    assert_eq!(chat.user("12"), ["says too_young", "asks age"]);
    let said: Vec<String> = chat.sim.said().iter().map(|s| s.content.plain()).collect();
    assert!(said.contains(&"您的年龄不够。".to_owned()));
    chat.user("33");
    assert_eq!(chat.user("12"), ["请输入四位数。", "asks pin"]);
}
