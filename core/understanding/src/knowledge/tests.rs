use tandem_domain::Locale;

use super::*;

fn article(id: &str, locale: &str, title: &str, body: &str) -> Article {
    Article {
        id: id.to_owned(),
        title: title.to_owned(),
        locale: Some(Locale::new(locale)),
        body: body.to_owned(),
        ..Article::default()
    }
}

fn articles() -> Vec<Article> {
    let mut secret = article(
        "agents",
        "en",
        "Refund limits",
        "Agents may refund 50 euros.",
    );
    secret.audience = Audience::Agent;
    let mut care = article(
        "care",
        "en",
        "Caring for lamps",
        "Wipe the shade with a dry cloth.\n\n## Bulbs\nEvery lamp takes an E27 bulb of at most 60 watts.",
    );
    care.tags = vec!["product".to_owned()];
    vec![
        article(
            "shipping",
            "en",
            "Shipping",
            "# Costs\nDelivery within the EU costs 4.95.\n\n# Abroad\nWe ship to Norway and Switzerland. Customs duties are paid by the recipient.",
        ),
        article(
            "shipping.zh",
            "zh",
            "配送",
            "# 运费\n国内运费十元，满两百元包邮。\n\n# 海外\n我们可以寄到挪威，关税由收件人承担。",
        ),
        care,
        secret,
    ]
}

fn query(text: &str, locale: &str, tags: &[&str]) -> Query {
    Query {
        text: text.to_owned(),
        locale: Locale::new(locale),
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
        limit: 3,
    }
}

fn search(text: &str, locale: &str, tags: &[&str]) -> Vec<Passage> {
    Knowledge::index(&articles()).search(&query(text, locale, tags))
}

#[test]
fn the_passage_that_answers_comes_first() {
    let found = search("who has to pay the customs duties to Norway?", "en", &[]);
    assert_eq!(found[0].article, "shipping");
    assert_eq!(found[0].heading, "Abroad");
    assert!(found[0].text.contains("Customs"), "{found:?}");
    assert!(found[0].confidence > 0.6, "{found:?}");
    let found = search("which bulbs do the lamps take", "en", &[]);
    assert!(found[0].text.contains("E27"), "{found:?}");
    let found = search("海外的關稅誰承擔？", "zh-TW", &[]);
    assert!(found[0].text.contains("关税"), "{found:?}");
    assert!(found[0].confidence > 0.6, "{found:?}");
}

#[test]
fn languages_tags_and_audiences_are_kept_apart() {
    assert!(search("运费", "en", &[]).is_empty());
    assert!(search("costs", "zh", &[]).is_empty());
    let found = search("refund limits for agents", "en", &[]);
    assert!(found.iter().all(|p| p.article != "agents"));
    assert!(search("delivery costs", "en", &["product"]).is_empty());
    assert!(!search("bulb", "en", &["product"]).is_empty());
}

#[test]
fn agents_read_what_customers_do_not() {
    let knowledge = Knowledge::index(&articles());
    let asked = query("how much may I refund", "en", &[]);
    let found = knowledge.find(&asked, Audience::Agent, None);
    assert_eq!(found[0].article, "agents");
}

#[test]
fn what_is_not_known_has_low_confidence() {
    for text in [
        "what's the weather on Mars",
        "do you sell bicycles and lamps for horses",
    ] {
        let found = search(text, "en", &[]);
        assert!(
            found.first().is_none_or(|p| p.confidence < 0.5),
            "{text}: {found:?}"
        );
    }
    assert!(search("今天股市怎么样", "zh", &[]).is_empty());
    assert!(search("", "en", &[]).is_empty());
    assert!(search("you and me", "en", &[]).is_empty());
}

#[test]
fn what_matched_is_marked_in_characters() {
    let found = search("关税由谁承担", "zh", &[]);
    let text: Vec<char> = found[0].text.chars().collect();
    let marked: Vec<String> = found[0]
        .highlights
        .iter()
        .map(|(from, to)| text[*from as usize..*to as usize].iter().collect())
        .collect();
    assert!(marked.concat().contains("关税"), "{marked:?}");
    assert!(marked.concat().contains("承担"), "{marked:?}");
    assert!(!marked.concat().contains("挪威"), "{marked:?}");
}

#[test]
fn an_edited_article_is_found_at_once_and_a_removed_one_is_not() {
    let before = Knowledge::index(&articles());
    let mut edited = articles();
    edited[0].body = "# Abroad\nWe ship to Iceland by boat.".to_owned();
    edited.remove(2);
    let after = before.update(&edited);
    let ask = |knowledge: &Knowledge, text: &str| knowledge.search(&query(text, "en", &[]));
    assert!(ask(&after, "Iceland")[0].text.contains("Iceland"));
    assert!(ask(&after, "customs duties").is_empty());
    assert!(ask(&after, "bulbs").is_empty());
    // The model before goes on with what it had.
    assert!(ask(&before, "Iceland").is_empty());
    assert!(ask(&before, "bulbs")[0].text.contains("E27"));
    assert!(ask(&before, "customs duties")[0].text.contains("Customs"));
}

#[test]
fn an_update_reads_the_same_as_an_index_made_anew() {
    let mut edited = articles();
    edited[2].title = "Lamps and how to care for them".to_owned();
    edited.swap(0, 3);
    let first = Knowledge::index(&articles());
    let updated = first.update(&edited);
    // A second model from the same one cannot share its index any more, and is right all the same.
    let again = first.update(&edited);
    let anew = Knowledge::index(&edited);
    for text in ["lamp care", "customs", "delivery to Norway costs", "cloth"] {
        let asked = query(text, "en", &[]);
        assert_eq!(updated.search(&asked), anew.search(&asked), "{text}");
        assert_eq!(again.search(&asked), anew.search(&asked), "{text}");
    }
}

#[test]
fn odd_articles_and_questions_are_taken() {
    let empty = Article::default();
    let same = article("same", "en", "Same", "The very same words.");
    let mut huge = article("huge", "en", &"long ".repeat(5_000), &"x".repeat(100_000));
    huge.tags = vec!["t".repeat(70_000), String::new()];
    let odd = article(
        "odd",
        "*",
        "\u{202E}\u{0}",
        "| a |\n|---|\n| 退\u{200B}货 | 👍🏽",
    );
    let knowledge = Knowledge::index(&[empty, same.clone(), same, huge, odd]);
    let long = "退货".repeat(50_000);
    for text in ["", "same words", "👍", "\u{0}\u{FEFF}", &long, "x"] {
        for locale in ["en", "zh", "*", ""] {
            let mut asked = query(text, locale, &[]);
            asked.limit = usize::MAX;
            let found = knowledge.search(&asked);
            assert!(found.len() <= 20);
        }
    }
    let found = knowledge.search(&query("very same words", "en", &[]));
    assert_eq!(found.iter().filter(|p| p.article == "same").count(), 1);
}
