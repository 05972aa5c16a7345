//! Knowledge: BM25 over passages of articles.
//!
//! English words lose their ending; Chinese goes by pairs of characters. The title and the
//! headings count more than the text. A passage's confidence is the share of what was asked that
//! it holds, so that a question whose one rare word occurs nowhere is not answered.

use std::collections::{HashMap, HashSet};

use tandem_domain::{
    Locale,
    reading::{Article, Audience, Passage, Query},
};

use crate::{
    hash,
    normalise::Normaliser,
    passages,
    tokens::{self, StopWords, Token},
};

/// BM25's damping of repetition and of length.
const K1: f32 = 1.2;
const B: f32 = 0.6;
/// A word in the title or a heading counts like so many in the text.
const TITLE: f32 = 3.0;
const HEADING: f32 = 2.0;
/// One word alone says little of what is asked; each further word makes it surer.
const ONE_WORD: f32 = 0.7;
/// Passages one query may ask for.
const MAX_LIMIT: usize = 20;
/// Different terms of a query that are looked up.
const MAX_TERMS: usize = 64;

#[derive(Debug, Default)]
pub struct Knowledge {
    passages: Vec<Indexed>,
    articles: Vec<Source>,
    /// Passage and weight of a term in it.
    terms: HashMap<u64, Vec<(u32, f32)>, hash::Ready>,
    mean_length: f32,
}

#[derive(Debug)]
struct Indexed {
    article: u32,
    text: String,
    length: f32,
}

#[derive(Debug)]
struct Source {
    id: String,
    title: String,
    tags: Vec<String>,
    locale: Option<Locale>,
}

impl Knowledge {
    /// Indexes what customers may read.
    #[must_use]
    pub fn index(articles: &[Article], normaliser: &Normaliser, stop: &StopWords) -> Self {
        let mut knowledge = Self::default();
        let readable = articles.iter().filter(|a| a.audience == Audience::Customer);
        for article in readable {
            let terms_of = |text: &str| terms(&normaliser.clean(text), stop);
            let title = terms_of(&article.title);
            let source = u32::try_from(knowledge.articles.len()).unwrap_or(u32::MAX);
            for piece in passages::cut(&article.body) {
                let passage = u32::try_from(knowledge.passages.len()).unwrap_or(u32::MAX);
                let body = terms_of(&piece.text);
                let length = body.len() as f32;
                let fields = [
                    (TITLE, title.clone()),
                    (HEADING, terms_of(&piece.heading)),
                    (1.0, body),
                ];
                let mut weights: HashMap<u64, f32, hash::Ready> = HashMap::default();
                for (boost, field) in fields {
                    for (key, _) in field {
                        *weights.entry(key).or_default() += boost;
                    }
                }
                for (key, weight) in weights {
                    knowledge
                        .terms
                        .entry(key)
                        .or_default()
                        .push((passage, weight));
                }
                knowledge.mean_length += length;
                knowledge.passages.push(Indexed {
                    article: source,
                    text: piece.text,
                    length,
                });
            }
            knowledge.articles.push(Source {
                id: article.id.clone(),
                title: article.title.clone(),
                tags: article.tags.clone(),
                locale: article.locale.clone(),
            });
        }
        knowledge.mean_length /= (knowledge.passages.len() as f32).max(1.0);
        knowledge
    }

    /// Passages that hold what is asked, best first. Articles in another language are left out.
    #[must_use]
    pub fn search(&self, query: &Query, normaliser: &Normaliser, stop: &StopWords) -> Vec<Passage> {
        let mut asked = terms(&normaliser.clean(&query.text), stop);
        let mut seen = HashSet::new();
        asked.retain(|(key, _)| seen.insert(*key));
        asked.truncate(MAX_TERMS);
        let allowed: Vec<bool> = self.articles.iter().map(|a| a.serves(query)).collect();
        let count = self.passages.len() as f32;
        let rarity = |n: f32| (1.0 + (count - n + 0.5) / (n + 0.5)).ln();
        // Score, and the weight of what was found, by passage.
        let mut found: HashMap<u32, (f32, f32)> = HashMap::new();
        let (mut all, mut words) = (0.0_f32, 0.0_f32);
        for (key, size) in &asked {
            let list = self.terms.get(key).map_or(&[][..], Vec::as_slice);
            let weight = size * rarity(list.len() as f32);
            all += weight;
            words += size;
            for (passage, times) in list {
                let indexed = &self.passages[*passage as usize];
                if !allowed[indexed.article as usize] {
                    continue;
                }
                let length = 1.0 - B + B * indexed.length / self.mean_length.max(1.0);
                let entry = found.entry(*passage).or_default();
                entry.0 += weight * times * (K1 + 1.0) / (times + K1 * length);
                entry.1 += weight;
            }
        }
        let enough = 1.0 - (1.0 - ONE_WORD).powf(words.max(1.0));
        let mut ranked: Vec<(u32, f32, f32)> = found
            .into_iter()
            .map(|(p, (s, held))| (p, s, held))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
            .into_iter()
            .take(query.limit.min(MAX_LIMIT))
            .map(|(passage, _, held)| {
                let indexed = &self.passages[passage as usize];
                let source = &self.articles[indexed.article as usize];
                Passage {
                    article: source.id.clone(),
                    title: source.title.clone(),
                    text: indexed.text.clone(),
                    confidence: (enough * held / all.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0),
                }
            })
            .collect()
    }
}

impl Source {
    fn serves(&self, query: &Query) -> bool {
        let language = self
            .locale
            .as_ref()
            .is_none_or(|l| l.language().eq_ignore_ascii_case(query.locale.language()));
        let tagged = query.tags.is_empty() || self.tags.iter().any(|t| query.tags.contains(t));
        language && tagged
    }
}

/// The content of a text as keys, each with how much of a word it is. A text of fillers alone
/// gives nothing.
fn terms(clean: &str, stop: &StopWords) -> Vec<(u64, f32)> {
    let mut terms = Vec::new();
    for token in stop.tokens(clean) {
        match token {
            Token::Word { text, weight } if weight >= tokens::CONTENT => {
                terms.push((hash::end(tokens::root(text)), 1.0));
            }
            Token::Word { .. } => {}
            Token::Datum(text) => terms.push((hash::of_text(text), 1.0)),
            Token::Run(chars) => {
                for run in chars.split(|(_, weight)| *weight < tokens::CONTENT) {
                    if let [(c, _)] = run {
                        terms.push((hash::of_text(c.encode_utf8(&mut [0; 4])), 0.5));
                    }
                    for pair in run.windows(2) {
                        let key = pair
                            .iter()
                            .fold(hash::SEED, |key, (c, _)| hash::step(key, *c));
                        terms.push((hash::end(key), 0.7));
                    }
                }
            }
        }
    }
    terms
}

#[cfg(test)]
mod tests {
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

    fn search(text: &str, locale: &str, tags: &[&str]) -> Vec<Passage> {
        let (normaliser, stop) = (Normaliser::new(), StopWords::new());
        let query = Query {
            text: text.to_owned(),
            locale: Locale::new(locale),
            tags: tags.iter().map(|t| (*t).to_owned()).collect(),
            limit: 3,
        };
        Knowledge::index(&articles(), &normaliser, &stop).search(&query, &normaliser, &stop)
    }

    #[test]
    fn the_passage_that_answers_comes_first() {
        let found = search("who has to pay the customs duties to Norway?", "en", &[]);
        assert_eq!(found[0].article, "shipping");
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
        assert!(
            search("refund limits for agents", "en", &[])
                .iter()
                .all(|p| p.article != "agents")
        );
        assert!(search("delivery costs", "en", &["product"]).is_empty());
        assert!(!search("bulb", "en", &["product"]).is_empty());
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
}
