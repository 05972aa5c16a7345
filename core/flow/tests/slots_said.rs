//! Slots are answered as people talk: inside sentences, in words, with slips and second thoughts.

#![allow(clippy::unwrap_used)]

mod stepper_support;

use std::sync::Arc;

use serde_json::{Value, json};
use stepper_support::{Chat, MONDAY, pack};
use tandem_domain::{
    Locale,
    entity::{Calendar, Entity},
};
use tandem_flow::model::Pack;

const COLOURS: &str = "{type: choice, options: {\
    walnut: {label: {en: Walnut brown, zh: 胡桃木色}, synonyms: {en: [dark], zh: [深色]}},\
    black: {label: {en: Night black, zh: 暗夜黑}},\
    size: {label: {en: XL, zh: 加大}}}}";

const EN: &str = "arrange a visit";
const ZH: &str = "预约上门";

/// Asks for one slot, and stays open behind it.
fn asking(kind: &str) -> Arc<Pack> {
    pack(
        &format!(
            "slots:\n  x: {kind}\n  more: {{type: text}}\nflows:\n  ask:\n    title: {{en: the visit, zh: 上门}}\n    \
             start_when: {{phrases: {{en: [{EN}], zh: [{ZH}]}}}}\n    steps:\n      \
             - {{collect: x, ask: {{en: 'Please tell me.', zh: 请说。}}}}\n      \
             - {{collect: more, ask: {{en: Anything else?, zh: 还有吗？}}}}\n"
        ),
        &[],
    )
}

fn check(start: &str, cases: &[(&str, &[(&str, Value)])]) {
    let mut wrong = Vec::new();
    for (kind, said) in cases {
        let pack = asking(kind);
        for (text, want) in *said {
            let mut chat = Chat::new(&pack);
            assert_eq!(chat.user(start), ["asks x"], "{kind}");
            let answered = chat.user(text);
            let got = chat.slot("x");
            if got != *want {
                wrong.push(format!("{kind}: {text}: {got}, not {want}; {answered:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn english_sentences_answer_every_kind_of_slot() {
    check(
        EN,
        &[
            (
                "{type: integer, min: 1}",
                &[
                    ("we would need two dozen, please", json!(24)),
                    ("three hundred and twenty of them", json!(320)),
                    ("there are four of us on 5 March", json!(4)),
                    ("half a dozen I think", json!(6)),
                    ("just one", json!(1)),
                    ("2 or 3", Value::Null),
                ],
            ),
            (
                "{type: number}",
                &[
                    ("it weighs about 2.5 kg", json!(2.5)),
                    ("it was $20.50 I think", json!(20.5)),
                    ("two and a half metres", json!(2.5)),
                    ("2½", json!(2.5)),
                    (".5 of it", json!(0.5)),
                    ("15% of it", json!(15)),
                ],
            ),
            (
                "{type: date}",
                &[
                    ("next Friday would be great", json!("2025-03-14")),
                    ("I am home in three days", json!("2025-03-06")),
                    ("the 15th suits us best", json!("2025-03-15")),
                    ("some time next week", Value::Null),
                ],
            ),
            (
                "{type: time}",
                &[
                    ("half past three works for me", json!("15:30")),
                    ("let's say at 3", json!("15:00")),
                    ("3", json!("15:00")),
                    ("eight", json!("08:00")),
                    ("7, please", json!("19:00")),
                    ("3 am, I get up early", json!("03:00")),
                    ("at 07:15", json!("07:15")),
                    ("ten past five", json!("17:10")),
                    ("six thirty", json!("18:30")),
                    ("half 3", Value::Null),
                    ("9 to 5", json!("09:00")),
                    ("we are 4 people", Value::Null),
                ],
            ),
            (
                "{type: datetime}",
                &[
                    (
                        "next Friday 3pm is fine",
                        json!("2025-03-14T15:00:00+01:00"),
                    ),
                    ("tomorrow at 3 suits us", json!("2025-03-04T15:00:00+01:00")),
                    ("call me in two hours", json!("2025-03-03T12:00:00+01:00")),
                ],
            ),
            (
                "{type: email}",
                &[("write to Ann@x.test, please", json!("Ann@x.test"))],
            ),
            (
                "{type: phone}",
                &[
                    ("you can reach me on +49 30 1234567", json!("+49301234567")),
                    ("12345678 is my number", json!("12345678")),
                ],
            ),
            (
                "{type: url}",
                &[("you find us at lamps.berlin", json!("https://lamps.berlin"))],
            ),
            ("{type: boolean}", &[("yes, that is right", json!(true))]),
            (
                "{type: text, match: '^[A-Z]{2}-\\d{4}$'}",
                &[("I think AB-1234 it was", json!("AB-1234"))],
            ),
            (
                COLOURS,
                &[
                    ("I would take the walnut brown one", json!("walnut")),
                    ("the one in wallnut brown, I guess", json!("walnut")),
                    ("nigth black please", json!("black")),
                    ("nightblack", json!("black")),
                    ("something dark", json!("walnut")),
                    ("the second one", json!("black")),
                    ("option two", json!("black")),
                    ("xl please", json!("size")),
                    ("not night black", Value::Null),
                    ("not the walnut brown, the night black", json!("black")),
                    ("walnut brown or night black", Value::Null),
                ],
            ),
        ],
    );
}

#[test]
fn chinese_sentences_answer_every_kind_of_slot() {
    check(
        ZH,
        &[
            (
                "{type: integer, min: 1}",
                &[
                    ("一共三百二十个", json!(320)),
                    ("我们四位，3月7日来", json!(4)),
                    ("大概两打吧", json!(24)),
                    ("就一个", json!(1)),
                    ("两三个", Value::Null),
                    ("十几个", Value::Null),
                    ("一个都没有", Value::Null),
                    ("我要１２个", json!(12)),
                ],
            ),
            (
                "{type: number}",
                &[
                    ("当时是二十块五", json!(20.5)),
                    ("大概两公斤半", json!(2.5)),
                    ("一米八左右", json!(1.8)),
                ],
            ),
            (
                "{type: date}",
                &[
                    ("下周五比较方便", json!("2025-03-14")),
                    ("三天后我在家", json!("2025-03-06")),
                    ("十五号可以", json!("2025-03-15")),
                    ("下周都行", Value::Null),
                    ("二月三十号", Value::Null),
                ],
            ),
            (
                "{type: time}",
                &[
                    ("下午三点一刻可以", json!("15:15")),
                    ("三点半比较好", json!("15:30")),
                    ("3点", json!("15:00")),
                    ("八点吧", json!("08:00")),
                    ("凌晨三点", json!("03:00")),
                    ("三点到五点都在", json!("15:00")),
                ],
            ),
            (
                "{type: datetime}",
                &[
                    ("下周五下午三点过来吧", json!("2025-03-14T15:00:00+01:00")),
                    ("明天三点", json!("2025-03-04T15:00:00+01:00")),
                    ("两小时后打给我", json!("2025-03-03T12:00:00+01:00")),
                ],
            ),
            (
                "{type: email}",
                &[("邮箱是Ann@x.test谢谢", json!("Ann@x.test"))],
            ),
            (
                "{type: phone}",
                &[("打13800138000就行", json!("+8613800138000"))],
            ),
            (
                "{type: url}",
                &[("网址是shop.example.cn", json!("https://shop.example.cn"))],
            ),
            ("{type: boolean}", &[("对的，没问题", json!(true))]),
            (
                COLOURS,
                &[
                    ("我想要胡桃木色的", json!("walnut")),
                    ("胡桃木的吧", json!("walnut")),
                    ("我要胡桃沐色的", json!("walnut")),
                    ("深色那种", json!("walnut")),
                    ("第二个", json!("black")),
                    ("选2", json!("black")),
                    ("不要胡桃木色", Value::Null),
                    ("胡桃木色还是暗夜黑", Value::Null),
                ],
            ),
        ],
    );
}

fn booking() -> Arc<Pack> {
    pack(
        &format!(
            "slots:
  guests: {{type: integer, min: 1}}
  day: {{type: date}}
  hour: {{type: time}}
  colour: {COLOURS}
  more: {{type: text}}
flows:
  book:
    title: {{en: your booking, zh: 预订}}
    start_when: {{phrases: {{en: [book a table], zh: [预订座位]}}}}
    steps:
      - {{collect: guests, ask: {{en: How many of you?, zh: 几位？}}}}
      - {{collect: day, ask: {{en: On which day?, zh: 哪天？}}}}
      - {{collect: hour, ask: {{en: At what time?, zh: 几点？}}}}
      - {{collect: colour, ask: {{en: Which colour?, zh: 什么颜色？}}}}
      - {{collect: more, ask: {{en: Anything else?, zh: 还有吗？}}}}
"
        ),
        &[],
    )
}

fn slots(chat: &Chat) -> Value {
    json!([
        chat.slot("guests"),
        chat.slot("day"),
        chat.slot("hour"),
        chat.slot("colour")
    ])
}

#[test]
fn second_thoughts_in_english_change_what_was_said() {
    let mut chat = Chat::new(&booking());
    chat.user("book a table");
    assert_eq!(
        chat.user("a couple of us, next Friday at half past seven"),
        ["asks colour"]
    );
    assert_eq!(slots(&chat), json!([2, "2025-03-14", "19:30", null]));
    chat.user("no, make it three");
    assert_eq!(chat.slot("guests"), json!(3));
    chat.user("sorry, I meant Saturday");
    assert_eq!(chat.slot("day"), json!("2025-03-08"));
    chat.user("actually at 8 pm");
    assert_eq!(chat.slot("hour"), json!("20:00"));
    assert_eq!(chat.user("night black"), ["asks more"]);
    chat.user("oops, I meant wallnut brown");
    assert_eq!(slots(&chat), json!([3, "2025-03-08", "20:00", "walnut"]));
}

#[test]
fn second_thoughts_in_chinese_change_what_was_said() {
    let mut chat = Chat::new(&booking());
    chat.user("预订座位");
    assert_eq!(chat.user("两位，下周五晚上七点半"), ["asks colour"]);
    assert_eq!(slots(&chat), json!([2, "2025-03-14", "19:30", null]));
    chat.user("不对，改成三位");
    assert_eq!(chat.slot("guests"), json!(3));
    chat.user("说错了，是周六");
    assert_eq!(chat.slot("day"), json!("2025-03-08"));
    chat.user("改成晚上八点");
    assert_eq!(chat.slot("hour"), json!("20:00"));
    assert_eq!(chat.user("暗夜黑"), ["asks more"]);
    chat.user("抱歉，应该是胡桃木色");
    assert_eq!(slots(&chat), json!([3, "2025-03-08", "20:00", "walnut"]));
}

/// What a slot becomes after a message.
fn slot(pack: &Arc<Pack>, start: &str, text: &str) -> Value {
    let mut chat = Chat::new(pack);
    chat.user(start);
    chat.user(text);
    chat.slot("x")
}

#[test]
fn a_number_alone_in_a_sentence_and_as_an_entity_is_the_same() {
    let pack = asking("{type: number}");
    let model = stepper_support::model(&pack);
    for (start, alone, sentence) in [
        (EN, "two dozen", "I think two dozen are enough"),
        (EN, "1.5k", "it was 1.5k back then"),
        (
            EN,
            "three hundred and five",
            "make it three hundred and five",
        ),
        (ZH, "三百二十", "我们有三百二十个"),
        (ZH, "二十块五", "我付了二十块五"),
        (ZH, "3万5", "一共3万5"),
    ] {
        let found = |text: &str| {
            let entities = model.entities(text, &Locale::new("en"));
            entities.iter().find_map(Entity::number)
        };
        let want = found(alone);
        assert!(want.is_some(), "{alone}");
        assert_eq!(found(sentence), want, "{sentence}");
        for text in [alone, sentence] {
            assert_eq!(slot(&pack, start, text).as_f64(), want, "{text}");
        }
    }
}

#[test]
fn a_time_alone_in_a_sentence_and_as_an_entity_is_the_same() {
    let pack = asking("{type: datetime}");
    let model = stepper_support::model(&pack);
    for (start, alone, sentence) in [
        (
            EN,
            "next Friday at half past three",
            "would next Friday at half past three do",
        ),
        (EN, "tomorrow at 3", "I am at home tomorrow at 3"),
        (EN, "in two hours", "please call me in two hours"),
        (ZH, "下周五下午三点", "你们下周五下午三点来吧"),
        (ZH, "明天三点半", "明天三点半我在家"),
        (ZH, "大后天晚上八点", "大后天晚上八点可以吗"),
    ] {
        let calendar = Calendar::new(MONDAY, &pack.zone, &Locale::new("en"));
        let found = |text: &str| {
            let entities = model.entities(text, &Locale::new("en"));
            entities.iter().find_map(|e| e.instant(&calendar))
        };
        let want = found(alone);
        assert!(want.is_some(), "{alone}");
        assert_eq!(found(sentence), want, "{sentence}");
        let written = want.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
        for text in [alone, sentence] {
            assert_eq!(json!(slot(&pack, start, text)), json!(written), "{text}");
        }
    }
}
