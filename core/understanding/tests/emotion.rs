//! What the tables and rules make of messages as customers of a shop write them.
//!
//! The messages are the project's own; they were used while the tables were written, so they
//! guard them and measure nothing.

use std::sync::LazyLock;

use proptest::prelude::*;
use tandem_domain::emotion::{Emotion, Feeling};
use tandem_understanding::{
    emotion::{Emotions, Labelled, Mood, Settings, train},
    normalise::Normaliser,
};

static READER: LazyLock<Reader> = LazyLock::new(Reader::new);

struct Reader {
    normaliser: Normaliser,
    emotions: Emotions,
}

impl Reader {
    fn new() -> Self {
        let normaliser = Normaliser::new();
        Self {
            emotions: Emotions::new(&normaliser),
            normaliser,
        }
    }

    fn after(&self, text: &str, previous: &[&str]) -> Mood {
        self.emotions.of(&self.normaliser, text, previous)
    }

    fn of(&self, text: &str) -> Mood {
        self.after(text, &[])
    }
}

fn band(name: &str) -> std::ops::RangeInclusive<f32> {
    match name {
        "--" => -1.0..=-0.5,
        "-" => -1.0..=-0.08,
        "0" => -0.55..=0.3,
        "+" => 0.12..=1.0,
        "++" => 0.5..=1.0,
        other => panic!("no band {other}"),
    }
}

/// What of a line does not hold.
fn wrong(reader: &Reader, line: &str) -> Option<String> {
    let (told, text) = line.split_once(" | ").expect("a line is bands | text");
    let mut told = told.split_whitespace();
    let range = band(told.next().expect("a band"));
    let told: Vec<&str> = told.collect();
    let mood = reader.of(text);
    let mut wrong = Vec::new();
    if !range.contains(&mood.sentiment) {
        wrong.push(format!("sentiment {:.2} not in {range:?}", mood.sentiment));
    }
    for (name, level) in mood.emotion.levels() {
        // Shouting and anger grade into each other with what else is told.
        if (level >= 0.5) != told.contains(&name) && !(name == "anger" && range.end() < &0.0) {
            wrong.push(format!("{name} {level:.2}"));
        }
        if told.contains(&name) && level < 0.5 {
            wrong.push(format!("{name} only {level:.2}"));
        }
    }
    let neutral = range == band("0") && told.is_empty();
    if neutral && mood.sentiment < -0.3 {
        wrong.push(format!("sentiment {:.2}", mood.sentiment));
    }
    (!wrong.is_empty()).then(|| format!("{text}: {} {:?}", wrong.join(", "), mood.words()))
}

fn check(table: &str) {
    let reader = Reader::new();
    let lines: Vec<&str> = table
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect();
    assert!(lines.len() >= 150, "{}", lines.len());
    let wrong: Vec<String> = lines.iter().filter_map(|l| wrong(&reader, l)).collect();
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        lines.len(),
        wrong.join("\n")
    );
}

#[test]
fn english_messages_show_what_they_should() {
    check(include_str!("emotion/en.txt"));
}

#[test]
fn chinese_messages_show_what_they_should() {
    check(include_str!("emotion/zh.txt"));
}

#[test]
fn reasons_stand_where_they_say() {
    let reader = Reader::new();
    for text in [
        "I'm  sooo ANGRY: this is *unacceptable*, never buying here again!!!",
        "你们太过分了😡，我要打１２３１５投诉，马上处理！",
        "\u{200B}Thank\u{200B} you, but it caught fire",
    ] {
        let mood = reader.of(text);
        assert!(!mood.emotion.reasons.is_empty(), "{text}");
        for reason in &mood.emotion.reasons {
            let words = text.get(reason.start as usize..reason.end as usize);
            let words = words.expect("a reason lies between characters");
            assert!(
                reason.words.is_empty() || words.starts_with(&reason.words),
                "{reason:?}"
            );
        }
    }
    let mood = reader.of("this is unacceptable");
    let anger = mood
        .emotion
        .reasons
        .iter()
        .find(|r| r.what == Feeling::Anger);
    assert_eq!(
        anger.map(|r| (r.words.as_str(), r.start)),
        Some(("unacceptable", 8))
    );
}

#[test]
fn what_is_said_again_shows() {
    let reader = Reader::new();
    let again = |text, previous: &[&str]| reader.after(text, previous).emotion.repetition;
    assert!(again("where is my order", &["where is my order"]) > 0.9);
    assert!(again("Where IS my order???", &["hi", "where is my order", "ok"]) > 0.9);
    assert!(again("so where is my order then", &["where is my order"]) > 0.3);
    assert!(again("我的订单到哪了？", &["我的订单到哪了"]) > 0.9);
    assert_eq!(again("where is my order", &[]), 0.0);
    assert_eq!(again("where is my order", &["how much is delivery"]), 0.0);
    assert_eq!(again("yes", &["yes"]), 0.0);
    assert_eq!(again("好的", &["好的"]), 0.0);
}

#[test]
fn negation_stress_and_contrast_shift_the_score() {
    let reader = Reader::new();
    let score = |text| reader.of(text).sentiment;
    assert!(score("very happy") > score("happy"));
    assert!(score("a bit disappointed") > score("disappointed"));
    assert!(score("terrible!!!") < score("terrible"));
    assert!(score("I HATE THIS SHOP") < score("I hate this shop"));
    assert!(score("good but broken") < score("broken but good"));
    assert!(score("很好，但是太慢") < score("很慢，但是太好了"));
    assert!(score("not the worst") > score("the worst"));
    assert_eq!(reader.of("I'm not happy").words(), ["not happy"]);
}

#[test]
fn hidden_characters_and_styles_hide_no_feeling() {
    let reader = Reader::new();
    for text in [
        "this is un\u{200B}accept\u{200D}able",
        "ｔｈｉｓ ｉｓ ｕｎａｃｃｅｐｔａｂｌｅ",
        "𝐭𝐡𝐢𝐬 𝐢𝐬 𝐮𝐧𝐚𝐜𝐜𝐞𝐩𝐭𝐚𝐛𝐥𝐞",
        "this is unacceptableeeee",
    ] {
        assert!(reader.of(text).sentiment < -0.5, "{text}");
    }
}

fn is_sound(mood: &Mood, text: &str) {
    assert!((-1.0..=1.0).contains(&mood.sentiment), "{text}: {mood:?}");
    for (name, level) in mood.emotion.levels() {
        assert!((0.0..=1.0).contains(&level), "{text}: {name} {level}");
    }
    assert!(mood.emotion.reasons.len() <= 16);
    for reason in &mood.emotion.reasons {
        assert!(
            text.get(reason.start as usize..reason.end as usize)
                .is_some(),
            "{reason:?}"
        );
    }
}

#[test]
fn odd_messages_are_read() {
    let reader = Reader::new();
    let varied: String = (0..100_000_u32)
        .filter_map(|i| char::from_u32(i * 7 % 0x1F000))
        .collect();
    for text in [
        String::new(),
        "\0".to_owned(),
        "\u{200B}".repeat(100_000),
        "a".repeat(100_000),
        "!".repeat(100_000),
        "😡".repeat(100_000),
        "not ".repeat(50_000),
        "never again ".repeat(20_000),
        "不".repeat(100_000),
        "再也不买".repeat(30_000),
        "'".repeat(5_000),
        "*".repeat(5_000),
        "a'*'*'*".repeat(5_000),
        "e\u{301}\u{301}".repeat(9_000),
        varied,
    ] {
        let mood = reader.after(&text, &[&text, &text]);
        is_sound(&mood, &text);
    }
    assert_eq!(reader.of("").emotion, Emotion::default());
}

#[test]
fn a_model_learns_what_a_business_labels_and_is_the_same_each_time() {
    let reader = Reader::new();
    let examples: Vec<Labelled<'_>> = [
        ("the lamp is lovely", "pleased"),
        ("lovely shade and good light", "pleased"),
        ("我很喜欢这盏灯", "pleased"),
        ("good light, thanks", "pleased"),
        ("the lamp flickers", "displeased"),
        ("it flickers and is not good", "displeased"),
        ("灯一直闪，不喜欢", "displeased"),
        ("not lovely at all", "displeased"),
    ]
    .iter()
    .map(|(text, label)| Labelled {
        text,
        before: "",
        label,
    })
    .collect();
    let learn = || {
        train(
            &reader.emotions,
            &reader.normaliser,
            &examples,
            Settings::default(),
        )
    };
    let (model, same) = (learn(), learn());
    for example in &examples {
        let scores = |m: &tandem_understanding::emotion::EmotionModel| {
            m.scores(&reader.emotions, &reader.normaliser, example.text, "")
        };
        assert_eq!(scores(&model), scores(&same));
        let label = model.label(&reader.emotions, &reader.normaliser, example.text, "");
        assert_eq!(label, Some(example.label), "{}", example.text);
    }
    let empty = train(
        &reader.emotions,
        &reader.normaliser,
        &[],
        Settings::default(),
    );
    assert_eq!(
        empty.label(&reader.emotions, &reader.normaliser, "hello", ""),
        None
    );
    let one = train(
        &reader.emotions,
        &reader.normaliser,
        &examples[..1],
        Settings::default(),
    );
    assert_eq!(
        one.label(&reader.emotions, &reader.normaliser, "", ""),
        Some("pleased")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_read(text in any::<String>(), before in any::<String>()) {
        is_sound(&READER.after(&text, &[&before]), &text);
    }

    #[test]
    fn language_like_texts_are_read(text in "[a-zA-Z'*.,!?@#我不没太好差再也买了又 \u{200B}😡🙄0-9\n]{0,200}") {
        is_sound(&READER.of(&text), &text);
    }
}
