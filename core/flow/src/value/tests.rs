use indexmap::IndexMap;
use regex::Regex;
use serde_json::json;

use super::*;
use crate::model::{Keep, Source, Span};

fn slot(kind: SlotKind) -> Slot {
    Slot {
        name: "x".into(),
        kind,
        sensitive: false,
        keep: Keep::Flow,
        source: Source::Customer,
        prepare: None,
        title: None,
        span: Span::default(),
    }
}

fn read(kind: SlotKind, text: &str) -> Result<Value, Invalid> {
    read_with(&slot(kind), &[], text, &mut |_, _| LuaAnswer::Refused(None))
}

fn read_with(
    slot: &Slot,
    options: &[Choice],
    text: &str,
    prepare: &mut Prepare<'_>,
) -> Result<Value, Invalid> {
    let words = Words::new(text);
    let zone = TimeZone::UTC;
    // 2025-03-03, a Monday.
    let locale = Locale::new("en");
    let reader = Reader::new(&zone, Timestamp(1_740_996_000_000), &locale, &words, &[]);
    answer(slot, options, &reader, prepare).map(|p| p.value)
}

fn passing(kind: SlotKind, text: &str) -> Option<Value> {
    let words = Words::new(text);
    let zone = TimeZone::UTC;
    let locale = Locale::new("en");
    let reader = Reader::new(&zone, Timestamp(1_740_996_000_000), &locale, &words, &[]);
    recognise(&slot(kind), &[], &reader, &[], &mut |_, _| {
        LuaAnswer::Refused(None)
    })
    .map(|p| p.value)
}

fn integer(min: Option<i64>, max: Option<i64>) -> SlotKind {
    SlotKind::Integer { min, max }
}

fn name_of(result: Result<Value, Invalid>) -> &'static str {
    match result {
        Err(Invalid::Response { name, .. }) => name,
        other => panic!("expected a built-in response, got {other:?}"),
    }
}

#[test]
fn a_number_in_a_date_or_a_time_is_no_answer() {
    let any = || integer(None, None);
    for text in [
        "sorry, on 7 March",
        "7 March",
        "March 7th, 2025",
        "3月7日",
        "三月七号",
        "at 5 pm",
        "下午三点",
        "2025-03-07",
    ] {
        assert_eq!(name_of(read(any(), text)), "invalid_integer", "{text}");
        assert_eq!(passing(any(), text), None, "{text}");
    }
    assert_eq!(read(any(), "4 of us, on 5 March"), Ok(json!(4)));
    assert_eq!(read(any(), "四位，3月7日"), Ok(json!(4)));
    // How many, not when.
    assert_eq!(read(any(), "in 3 days"), Ok(json!(3)));
    assert_eq!(read(any(), "3天后"), Ok(json!(3)));
    let number = SlotKind::Number {
        min: None,
        max: None,
    };
    assert_eq!(read(number, "It weighs 2.5."), Ok(json!(2.5)));
}

#[test]
fn integers_are_read_leniently() {
    let any = || integer(Some(1), None);
    assert_eq!(read(any(), "both"), Ok(json!(2)));
    assert_eq!(read(any(), "it's 3, please"), Ok(json!(3)));
    assert_eq!(read(any(), "三百二十"), Ok(json!(320)));
    assert_eq!(read(any(), "１２"), Ok(json!(12)));
    assert_eq!(read(any(), "①"), Ok(json!(1)));
    assert_eq!(read(any(), "一"), Ok(json!(1)));
    assert_eq!(read(any(), "两个"), Ok(json!(2)));
    assert_eq!(name_of(read(any(), "2.5")), "invalid_integer");
    assert_eq!(name_of(read(any(), "2 or 3")), "invalid_integer");
    assert_eq!(name_of(read(any(), "lamp")), "invalid_integer");
    assert_eq!(name_of(read(any(), "0")), "invalid_min");
    assert_eq!(name_of(read(integer(None, Some(5)), "6")), "invalid_max");
    assert_eq!(
        read(
            SlotKind::Number {
                min: None,
                max: None
            },
            "2.5 kg"
        ),
        Ok(json!(2.5))
    );
}

#[test]
fn a_pattern_is_applied_to_what_prepare_gave() {
    let mut slot = slot(SlotKind::Text {
        pattern: Some(Regex::new(r"^\d{8}$").unwrap()),
        min_length: None,
        max_length: None,
    });
    slot.prepare = Some(Function {
        module: "orders".into(),
        name: "clean".into(),
    });
    let mut seen = Vec::new();
    let mut prepare = |_: &Function, value: &Value| {
        seen.push(value.clone());
        LuaAnswer::Value(json!(value.as_str().unwrap().replace('-', "")))
    };
    assert_eq!(
        read_with(&slot, &[], "it is 1234-5678 I think", &mut prepare),
        Ok(json!("12345678"))
    );
    assert_eq!(seen, [json!("it is 1234-5678 I think")]);
    let mut refuse = |_: &Function, _: &Value| LuaAnswer::Refused(Some(json!("8 digits")));
    assert_eq!(
        read_with(&slot, &[], "12", &mut refuse),
        Err(Invalid::Said("8 digits".into()))
    );
    // A script that fails loses no good answer.
    let mut broken = |_: &Function, _: &Value| LuaAnswer::Failed("boom".into());
    assert_eq!(
        read_with(&slot, &[], "12345678", &mut broken),
        Ok(json!("12345678"))
    );
}

#[test]
fn free_text_keeps_what_was_written() {
    let text = || SlotKind::Text {
        pattern: None,
        min_length: Some(10),
        max_length: Some(20),
    };
    assert_eq!(
        read(text(), "  It broke：②  days "),
        Ok(json!("It broke：②  days"))
    );
    assert_eq!(name_of(read(text(), "broken")), "invalid_min_length");
    assert_eq!(name_of(read(text(), &"x".repeat(30))), "invalid_max_length");
    assert!(is_free(&slot(text()), false));
    assert_eq!(passing(text(), "It broke after two days"), None);
}

#[test]
fn dates_and_times_have_iso_form() {
    assert_eq!(read(SlotKind::Date, "next Friday"), Ok(json!("2025-03-14")));
    assert_eq!(read(SlotKind::Date, "3月5日"), Ok(json!("2025-03-05")));
    assert_eq!(read(SlotKind::Time, "下午3点"), Ok(json!("15:00")));
    assert_eq!(
        read(SlotKind::DateTime, "tomorrow at 2:30 pm"),
        Ok(json!("2025-03-04T14:30:00+00:00"))
    );
    assert_eq!(
        name_of(read(SlotKind::DateTime, "tomorrow")),
        "invalid_datetime"
    );
}

#[test]
fn dates_are_read_as_customers_say_them() {
    for (text, want) in [
        ("2025-03-25", "2025-03-25"),
        ("it came on 25.2.2025", "2025-02-25"),
        ("25.2.", "2025-02-25"),
        ("3 March", "2025-03-03"),
        ("the 3rd of March 2024", "2024-03-03"),
        ("March 5th", "2025-03-05"),
        ("04/05", "2025-05-04"),
        ("04/05/25", "2025-05-04"),
        ("12/31", "2024-12-31"),
        ("tomorrow please", "2025-03-04"),
        ("tonight", "2025-03-03"),
        ("the day after tomorrow", "2025-03-05"),
        ("next Friday", "2025-03-14"),
        ("on Friday", "2025-03-07"),
        ("friday", "2025-03-07"),
        ("sat", "2025-03-08"),
        ("last Tuesday", "2025-02-25"),
        ("in 2 weeks", "2025-03-17"),
        ("3 days ago", "2025-02-28"),
        ("the 15th", "2025-03-15"),
        ("15th", "2025-03-15"),
        ("end of the month", "2025-03-31"),
        ("between Monday and Wednesday", "2025-03-10"),
        ("from today to Friday", "2025-03-03"),
        ("明天", "2025-03-04"),
        ("明晚", "2025-03-04"),
        ("大后天", "2025-03-06"),
        ("下周五", "2025-03-14"),
        ("下下周一", "2025-03-17"),
        ("上周五", "2025-02-28"),
        ("这周五", "2025-03-07"),
        ("周五", "2025-03-07"),
        ("3月5日", "2025-03-05"),
        ("三月二十五号", "2025-03-25"),
        ("2024年12月1日", "2024-12-01"),
        ("三天后", "2025-03-06"),
        ("两周前", "2025-02-17"),
        ("15号", "2025-03-15"),
    ] {
        assert_eq!(read(SlotKind::Date, text), Ok(json!(want)), "{text}");
    }
    for text in [
        "31 February",
        "hello",
        "next week",
        "the last 3 days",
        "March",
    ] {
        assert_eq!(
            name_of(read(SlotKind::Date, text)),
            "invalid_date",
            "{text}"
        );
    }
    assert_eq!(passing(SlotKind::Date, "my 1/2 litre bottle leaks"), None);
}

#[test]
fn both_ends_of_a_period_can_be_had() {
    let words = Words::new("from 5 to 7 March please");
    let (zone, locale) = (TimeZone::UTC, Locale::new("en"));
    let reader = Reader::new(&zone, Timestamp(1_740_996_000_000), &locale, &words, &[]);
    let mut prepare = |_: &Function, _: &Value| LuaAnswer::Refused(None);
    let slot = slot(SlotKind::Date);
    let first = answer(&slot, &[], &reader, &mut prepare).unwrap();
    let taken = [first.span.clone()];
    let second = recognise(&slot, &[], &reader, &taken, &mut prepare).unwrap();
    assert_eq!(
        (first.value, second.value),
        (json!("2025-03-05"), json!("2025-03-07"))
    );
}

#[test]
fn a_week_begins_on_monday() {
    // Sunday, 9 March 2025.
    let sunday = |text: &str| {
        let words = Words::new(text);
        let (zone, locale) = (TimeZone::UTC, Locale::new("en"));
        let reader = Reader::new(&zone, Timestamp(1_741_514_400_000), &locale, &words, &[]);
        let mut prepare = |_: &Function, _: &Value| LuaAnswer::Refused(None);
        answer(&slot(SlotKind::Date), &[], &reader, &mut prepare).map(|p| p.value)
    };
    assert_eq!(sunday("上周五"), Ok(json!("2025-02-28")));
    assert_eq!(sunday("last Friday"), Ok(json!("2025-03-07")));
    assert_eq!(sunday("next Friday"), Ok(json!("2025-03-14")));
    assert_eq!(sunday("下周五"), Ok(json!("2025-03-14")));
}

#[test]
fn times_are_read_as_customers_say_them() {
    for (text, want) in [
        ("14:30", "14:30"),
        ("at 2:30 pm", "14:30"),
        ("2pm", "14:00"),
        ("12 a.m.", "00:00"),
        ("noon", "12:00"),
        ("half past eight pm", "20:30"),
        ("3 to 5 pm", "15:00"),
        ("下午3点", "15:00"),
        ("晚上八点半", "20:30"),
        ("14点20分", "14:20"),
        ("上午10:15", "10:15"),
        ("三点", "15:00"),
        ("03:00", "03:00"),
        ("at 8", "08:00"),
        ("in two hours", "12:00"),
    ] {
        assert_eq!(read(SlotKind::Time, text), Ok(json!(want)), "{text}");
    }
    for text in ["25:00", "lamp", "in the evening"] {
        assert_eq!(
            name_of(read(SlotKind::Time, text)),
            "invalid_time",
            "{text}"
        );
    }
    for (text, want) in [
        ("tomorrow, say around 2:30 pm", "2025-03-04T14:30:00+00:00"),
        ("2 pm would be good, on Friday", "2025-03-07T14:00:00+00:00"),
        ("in two hours", "2025-03-03T12:00:00+00:00"),
        ("下周五下午三点", "2025-03-14T15:00:00+00:00"),
    ] {
        assert_eq!(read(SlotKind::DateTime, text), Ok(json!(want)), "{text}");
    }
}

#[test]
fn addresses_are_read_leniently_where_they_were_asked_for() {
    assert_eq!(
        read(SlotKind::Phone, "030 1234-567"),
        Ok(json!("0301234567"))
    );
    assert_eq!(read(SlotKind::Phone, "12345678"), Ok(json!("12345678")));
    assert_eq!(
        read(SlotKind::Phone, "我的电话13800138000"),
        Ok(json!("+8613800138000"))
    );
    assert_eq!(
        name_of(read(SlotKind::Phone, "2025-03-07")),
        "invalid_phone"
    );
    assert_eq!(
        read(SlotKind::Email, "邮箱Ann@x.test谢谢"),
        Ok(json!("Ann@x.test"))
    );
    assert_eq!(
        read(SlotKind::Url, "see www.x.test/a."),
        Ok(json!("https://www.x.test/a"))
    );
    assert_eq!(
        read(SlotKind::Url, "it's lamps.berlin"),
        Ok(json!("https://lamps.berlin"))
    );
    assert_eq!(passing(SlotKind::Url, "I said wait.no"), None);
}

#[test]
fn a_number_in_passing_is_said_on_purpose() {
    let any = || integer(None, None);
    for (text, want) in [
        ("sorry, only one", 1),
        ("坏了，两个", 2),
        ("一", 1),
        ("2x lamps", 2),
        ("two boxes", 2),
        ("sorry, only 3 nights", 3),
        ("不对，只住3晚", 3),
    ] {
        assert_eq!(passing(any(), text), Some(json!(want)), "{text}");
    }
    for text in [
        "this one is broken",
        "等一下",
        "it broke after 3 days",
        "it cost 20 euros",
        "my order 12345678",
        "the iPhone 15",
        "2 or 3",
    ] {
        assert_eq!(passing(any(), text), None, "{text}");
    }
}

#[test]
fn booleans_are_yes_or_no() {
    assert_eq!(read(SlotKind::Boolean, "yes please"), Ok(json!(true)));
    assert_eq!(read(SlotKind::Boolean, "不要"), Ok(json!(false)));
    assert_eq!(name_of(read(SlotKind::Boolean, "maybe")), "invalid_boolean");
    assert_eq!(passing(SlotKind::Boolean, "yes"), None);
}

#[test]
fn only_strict_types_are_recognised_in_passing() {
    assert_eq!(
        passing(SlotKind::Email, "12345678, mail is ann@x.test"),
        Some(json!("ann@x.test"))
    );
    assert_eq!(passing(SlotKind::Phone, "12345678"), None);
    assert_eq!(
        passing(integer(Some(1), None), "arrived damaged, both"),
        Some(json!(2))
    );
    assert_eq!(
        passing(SlotKind::Date, "it came on 25.2.2025"),
        Some(json!("2025-02-25"))
    );
}

#[test]
fn files_are_judged_by_type_and_size() {
    let photo = |mime: &str, mb: u64| Media {
        media: tandem_domain::message::MediaKind::of_mime(mime),
        reference: "file:1".into(),
        mime: mime.into(),
        name: Some("a.jpg".into()),
        size: Some(mb * 1_000_000),
        alt: None,
    };
    let slot = slot(SlotKind::File {
        accept: vec!["image/*".into()],
        max_mb: Some(10.0),
    });
    let words = Words::default();
    let zone = TimeZone::UTC;
    let try_file = |media: Media| {
        let files = [media];
        let locale = Locale::new("en");
        let reader = Reader::new(&zone, Timestamp(0), &locale, &words, &files);
        answer(&slot, &[], &reader, &mut |_, _| LuaAnswer::Refused(None)).map(|p| p.value)
    };
    assert_eq!(try_file(photo("image/jpeg", 2)).unwrap()["ref"], "file:1");
    assert_eq!(
        name_of(try_file(photo("application/pdf", 2))),
        "invalid_accept"
    );
    assert_eq!(name_of(try_file(photo("image/png", 11))), "invalid_max_mb");
}

#[test]
fn objects_are_chosen_by_label_number_and_ordinal() {
    let options: Vec<Choice> = ["Lamp", "Desk chair"]
        .iter()
        .map(|name| Choice {
            value: json!({"name": name}),
            label: (*name).to_owned(),
            words: Vec::new(),
        })
        .collect();
    let pick = |text: &str| {
        read_with(&slot(SlotKind::Object), &options, text, &mut |_, _| {
            LuaAnswer::Refused(None)
        })
        .map(|v| v["name"].clone())
    };
    assert_eq!(pick("the second one"), Ok(json!("Desk chair")));
    assert_eq!(pick("第二个"), Ok(json!("Desk chair")));
    assert_eq!(pick("1"), Ok(json!("Lamp")));
    assert_eq!(pick("the lamp please"), Ok(json!("Lamp")));
    assert!(pick("sofa").is_err());
}

#[test]
fn values_are_coerced_by_the_declared_type() {
    let text = SlotKind::Text {
        pattern: None,
        min_length: None,
        max_length: None,
    };
    assert_eq!(coerce(&text, &json!("007")), Ok(json!("007")));
    assert_eq!(coerce(&text, &json!(7)), Ok(json!("7")));
    assert_eq!(coerce(&integer(None, None), &json!("007")), Ok(json!(7)));
    assert_eq!(coerce(&integer(None, None), &json!(8.0)), Ok(json!(8)));
    assert!(coerce(&integer(None, None), &json!("x")).is_err());
    assert_eq!(
        coerce(&SlotKind::Date, &json!("2025-03-17T00:00:00Z")),
        Ok(json!("2025-03-17"))
    );
    assert_eq!(coerce(&SlotKind::Boolean, &json!("true")), Ok(json!(true)));
    assert_eq!(
        coerce(
            &SlotKind::Choice {
                options: IndexMap::new()
            },
            &Value::Null
        ),
        Ok(Value::Null)
    );
}

#[test]
fn lists_take_free_values() {
    let list = |text: &str| read(SlotKind::List, text);
    assert_eq!(
        list("milk, two eggs and bread & butter."),
        Ok(json!(["milk", "two eggs", "bread", "butter"]))
    );
    assert_eq!(
        list("milk, eggs, and bread"),
        Ok(json!(["milk", "eggs", "bread"]))
    );
    assert_eq!(
        list("牛奶、鸡蛋，苹果和香蕉以及梨"),
        Ok(json!(["牛奶", "鸡蛋", "苹果", "香蕉", "梨"]))
    );
    assert_eq!(list("温和洗面奶"), Ok(json!(["温和洗面奶"])));
    assert_eq!(list("Andrew"), Ok(json!(["Andrew"])));
    assert_eq!(name_of(list(", ;")), "invalid_list");

    let options = ["Lamp", "Chair", "Table"].map(|name| Choice {
        value: json!([name]),
        label: name.into(),
        words: Vec::new(),
    });
    let chosen = |text: &str| {
        read_with(&slot(SlotKind::List), &options, text, &mut |_, _| {
            LuaAnswer::Refused(None)
        })
    };
    assert_eq!(
        chosen("the chair and the lamp"),
        Ok(json!(["Chair", "Lamp"]))
    );
    assert_eq!(chosen("1, 3"), Ok(json!(["Lamp", "Table"])));
    assert_eq!(chosen("table"), Ok(json!(["Table"])));
}
