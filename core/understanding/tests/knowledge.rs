//! Questions as customers ask them against the retail pack's articles: what is found, how often
//! it is right, and whether the confidence means what it says.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "support/articles.rs"]
mod support;

use support::{articles, questions};
use tandem_domain::reading::Query;
use tandem_understanding::knowledge::Knowledge;

struct Figures {
    article: f32,
    passage: f32,
    reciprocal: f32,
    /// Confidence and whether the passage answers, of every question.
    scored: Vec<(f32, bool)>,
}

fn figures(knowledge: &Knowledge, locale: &str) -> Figures {
    let (mut article, mut passage, mut reciprocal, mut count) = (0.0, 0.0, 0.0, 0.0);
    let mut scored = Vec::new();
    for question in questions() {
        if question.locale.as_str() != locale {
            continue;
        }
        let found = knowledge.search(&Query {
            text: question.text.clone(),
            locale: question.locale.clone(),
            tags: Vec::new(),
            limit: 10,
        });
        let best = found.first();
        let right = best.is_some_and(|p| question.is_answered_by(p));
        scored.push((best.map_or(0.0, |p| p.confidence), right));
        if question.article.is_some() {
            count += 1.0;
            article += f32::from(best.is_some_and(|p| question.is_in(p)));
            passage += f32::from(right);
            let rank = found.iter().position(|p| question.is_answered_by(p));
            reciprocal += rank.map_or(0.0, |r| 1.0 / (r + 1) as f32);
        }
    }
    println!(
        "{locale}: {count} questions, article first {:.3}, passage first {:.3}, MRR {:.3}",
        article / count,
        passage / count,
        reciprocal / count
    );
    Figures {
        article: article / count,
        passage: passage / count,
        reciprocal: reciprocal / count,
        scored,
    }
}

#[test]
fn most_questions_find_their_article_and_the_passage_that_answers() {
    let knowledge = Knowledge::index(&articles());
    for (locale, article, passage, reciprocal) in [("en", 0.88, 0.7, 0.8), ("zh", 0.97, 0.84, 0.9)]
    {
        let found = figures(&knowledge, locale);
        assert!(found.article >= article, "{locale}: {}", found.article);
        assert!(found.passage >= passage, "{locale}: {}", found.passage);
        assert!(
            found.reciprocal >= reciprocal,
            "{locale}: {}",
            found.reciprocal
        );
    }
}

#[test]
fn what_is_said_with_confidence_is_right() {
    let knowledge = Knowledge::index(&articles());
    for locale in ["en", "zh"] {
        let scored = figures(&knowledge, locale).scored;
        let said: Vec<_> = scored.iter().filter(|(c, _)| *c >= 0.6).collect();
        let right = said.iter().filter(|(_, right)| *right).count();
        println!("{locale}: {} said, {right} right", said.len());
        assert!(right as f32 >= 0.8 * said.len() as f32);
        let off: f32 = scored.iter().map(|(c, r)| c - f32::from(*r)).sum();
        assert!(off.abs() < 0.08 * scored.len() as f32, "{locale}: {off}");
    }
}

#[test]
fn agents_articles_are_never_quoted_to_customers() {
    let knowledge = Knowledge::index(&articles());
    for (locale, text) in [
        (
            "en",
            "how much goodwill may I give alone, do I ask the shift lead",
        ),
        ("zh", "通融处理权限是多少，要问值班主管吗"),
    ] {
        let found = knowledge.search(&Query {
            text: text.to_owned(),
            locale: tandem_domain::Locale::new(locale),
            tags: Vec::new(),
            limit: 20,
        });
        assert!(
            found.iter().all(|p| !p.article.starts_with("desk-")),
            "{found:?}"
        );
    }
}
