//! The language of short, mixed and foreign messages.

use proptest::prelude::*;
use tandem_understanding::language::Languages;

#[test]
fn messages_show_their_language_or_none() {
    let languages = Languages::new();
    let lines: Vec<&str> = include_str!("language/messages.txt")
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect();
    assert!(lines.len() >= 120, "{}", lines.len());
    let mut wrong = Vec::new();
    for line in &lines {
        let (told, text) = line
            .split_once(" | ")
            .unwrap_or((line.trim_end_matches(" |"), ""));
        let found = languages.of(text);
        let found = found.as_ref().map_or("-", |l| l.as_str());
        if found != told {
            wrong.push(format!("{text}: {found}, not {told}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        lines.len(),
        wrong.join("\n")
    );
}

#[test]
fn hidden_characters_and_marks_change_nothing() {
    let languages = Languages::new();
    let of = |text: &str| languages.of(text).map(|l| l.as_str().to_owned());
    assert_eq!(
        of("wh\u{200B}ere is my or\u{202E}der").as_deref(),
        Some("en")
    );
    assert_eq!(of("\u{FEFF}我\u{200D}想退货").as_deref(), Some("zh"));
    assert_eq!(
        of(&"where is my order? ".repeat(10_000)).as_deref(),
        Some("en")
    );
    assert_eq!(of(&"👍".repeat(100_000)), None);
}

proptest! {
    #[test]
    fn any_text_has_a_language_or_none(text in any::<String>()) {
        let _ = Languages::new().of(&text);
    }
}
