//! Whatever comes in, something comes out.

use std::sync::LazyLock;

use proptest::prelude::*;
use tandem_domain::{
    Locale,
    reading::{Article, Example, Query, Reading, Target, TrainingSet, Understanding},
};
use tandem_understanding::{Model, PhraseTrainer};

fn example(target: &str, text: &str) -> Example {
    Example {
        target: Target::Flow(target.to_owned()),
        locale: None,
        text: text.to_owned(),
    }
}

fn model(examples: Vec<Example>) -> Model {
    PhraseTrainer.model(&TrainingSet {
        locales: vec![Locale::new("en")],
        examples,
        out_of_scope: Vec::new(),
        articles: vec![Article {
            id: "knowledge/shipping".to_owned(),
            title: "Shipping 配送".to_owned(),
            body: "# Cost\nDelivery is 4.95.\n\n# 运费\n运费十元。".to_owned(),
            ..Article::default()
        }],
    })
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    model(vec![
        example("status", "where is my order"),
        example("status", "我的订单到哪了"),
        example("back", "send it back"),
        example("back", "我要退货"),
    ])
});

fn read(model: &Model, text: &str) -> Reading {
    let reading = model.read(text, &Locale::new("en"));
    let sum: f32 = reading.candidates.iter().map(|c| c.confidence).sum();
    assert!(sum <= 1.001, "{reading:?}");
    for value in reading
        .candidates
        .iter()
        .map(|c| c.confidence)
        .chain([reading.out_of_scope])
    {
        assert!((0.0..=1.0).contains(&value), "{reading:?}");
    }
    assert!((-1.0..=1.0).contains(&reading.sentiment), "{reading:?}");
    for passage in model.retrieve(&Query {
        text: text.to_owned(),
        locale: Locale::new("zh"),
        tags: Vec::new(),
        limit: 3,
    }) {
        assert!((0.0..=1.0).contains(&passage.confidence), "{passage:?}");
    }
    reading
}

#[test]
fn odd_messages_are_read() {
    let long = "where is my order? 我要退货！".repeat(5_000);
    let one_word = "a".repeat(100_000);
    let varied: String = (0..100_000_u32)
        .filter_map(|i| char::from_u32(i * 7 % 0x1F000))
        .collect();
    let lossy =
        String::from_utf8_lossy(&(0..=255).cycle().take(9_999).collect::<Vec<u8>>()).into_owned();
    for text in [
        "",
        " ",
        "\0",
        "👍",
        "👨‍👩‍👧‍👦",
        "\u{200B}\u{200B}",
        "\u{202E}redro ym si erehw\u{202C}",
        "\u{FEFF}",
        "!!!???",
        "''''",
        "'",
        "@",
        "@.",
        "a@",
        "://",
        "www.",
        "ﷺﷺﷺ",
        "İstanbul",
        "ß",
        "e\u{301}\u{301}\u{301}",
        "wwhheerree iiss mmyy oorrddeerr",
        "我我要要退退货货",
        "where是my订单",
        &long,
        &one_word,
        &varied,
        &lossy,
    ] {
        read(&MODEL, text);
    }
}

#[test]
fn hidden_characters_hide_nothing() {
    for text in [
        "wh\u{200B}ere is my or\u{202E}der",
        "ＷＨＥＲＥ ＩＳ ＭＹ ＯＲＤＥＲ",
        "我\u{200D}要\u{2060}退貨",
    ] {
        let reading = read(&MODEL, text);
        assert!(
            reading.candidates[0].confidence >= 0.97,
            "{text}: {reading:?}"
        );
    }
}

#[test]
fn beyond_the_cap_nothing_is_read() {
    let text = format!("{}where is my order", " ".repeat(4_000));
    assert!(read(&MODEL, &text).candidates.is_empty());
}

#[test]
fn any_pack_trains() {
    let none = model(Vec::new());
    let reading = read(&none, "where is my order");
    assert!(reading.candidates.is_empty());
    assert_eq!(reading.out_of_scope, 1.0);

    let empty = model(vec![
        example("a", ""),
        example("b", "!!!"),
        example("c", "👍"),
    ]);
    assert!(read(&empty, "hello").candidates.is_empty());

    let one = model(vec![example("only", "where is my order")]);
    assert!(read(&one, "where is my order").candidates[0].confidence >= 0.97);
    let reading = read(&one, "what's the weather on Mars");
    assert!(
        reading.candidates.iter().all(|c| c.confidence < 0.4),
        "{reading:?}"
    );

    let same: Vec<_> = (0..50)
        .map(|i| example(&i.to_string(), "the same"))
        .collect();
    assert!(
        read(&model(same), "the same")
            .candidates
            .iter()
            .all(|c| c.confidence < 0.4)
    );
}

#[test]
fn ten_thousand_targets_train_and_are_told_apart() {
    let syllables = ["ba", "ke", "li", "mo", "nu", "ra", "si", "te", "vo", "zu"];
    let word = |i: usize| {
        [i / 1000 % 10, i / 100 % 10, i / 10 % 10, i % 10]
            .map(|d| syllables[d])
            .concat()
    };
    let examples = (0..10_000)
        .map(|i| example(&i.to_string(), &format!("how do i use the {}", word(i))))
        .collect();
    let model = model(examples);
    for i in [0, 1_234, 9_999] {
        let reading = read(&model, &format!("how to use the {}", word(i)));
        let best = &reading.candidates[0];
        assert_eq!(best.target, Target::Flow(i.to_string()), "{reading:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        read(&MODEL, &text);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read(&MODEL, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn language_like_texts_are_read(text in "[a-z'.,!?@#我要退货的不 \u{200B}\u{202E}😡0-9\n\\[\\](*_<>`]{0,200}") {
        read(&MODEL, &text);
    }

    #[test]
    fn any_pack_trains_and_knows_its_phrases(texts in prop::collection::vec("\\PC{0,20}", 0..12)) {
        let examples = texts.iter().enumerate().map(|(i, t)| example(&(i % 5).to_string(), t)).collect();
        let model = model(examples);
        for text in &texts {
            read(&model, text);
        }
    }

    #[test]
    fn any_article_is_cut(body in "([#*\\-0-9. `~>!\\[\\]()<_]{0,6}\\PC{0,30}\n){0,30}") {
        for piece in tandem_understanding::knowledge::passages::cut(&body) {
            prop_assert!(piece.text.chars().count() <= 700);
            prop_assert!(!piece.text.is_empty());
        }
    }
}
