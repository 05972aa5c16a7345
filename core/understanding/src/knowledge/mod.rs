//! Knowledge: passages of articles, found by words and, where there is an embedding model, by
//! meaning.
//!
//! * [`passages`] cuts an article; [`analyse`] makes terms of a text;
//! * `index` holds them for BM25 over title, headings, tags and text;
//! * `confidence` says how likely it is that a passage answers.
//!
//! Everything lives in memory. [`Knowledge::update`] indexes only what changed.

pub mod analyse;
mod confidence;
mod index;
pub mod passages;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tandem_domain::{
    embedder::{EmbedError, Embedder},
    reading::{Article, Audience, Passage, Query},
};

use crate::hash;
use analyse::{Analyser, Term};
use confidence::Evidence;
use index::{Fields, Passages, Wanted};

/// A term in the title, a heading or a tag counts like so many in the text (BM25F: the fields are
/// weighed before a term's repetition is damped, not after).
const TITLE: usize = 3;
const HEADING: usize = 2;
const TAG: usize = 1;
/// Passages one query may ask for.
const MAX_LIMIT: usize = 20;
/// Different terms of a query that are looked up.
const MAX_TERMS: usize = 64;
/// Passages the words and the meaning each put forward.
const PUT_FORWARD: usize = 40;
/// Added to a rank when two rankings are fused, as in reciprocal rank fusion.
const RANK: f32 = 10.0;
/// A few passages say little of how rare a word is: they count as part of this many.
const SMALLEST: f32 = 50.0;

/// Searchable articles.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    analyser: Option<Analyser>,
    index: Option<Arc<Passages>>,
    articles: Vec<Arc<Source>>,
    /// Passages by id: which article, and which of its passages.
    places: HashMap<u64, (u32, u32)>,
    vectors: Option<Arc<Vectors>>,
}

/// An article as it was indexed.
#[derive(Debug)]
struct Source {
    /// Of everything it says, so that a change is seen.
    hash: [u8; 32],
    /// The key of its passages in the index; the passage's id is this and its place.
    key: u64,
    id: String,
    title: String,
    labels: Vec<String>,
    language: Option<String>,
    audience: Audience,
    passages: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    heading: String,
    text: String,
    /// Keys of all terms it holds, its title's and headings' among them, in order.
    terms: Box<[u64]>,
}

/// One vector a passage, in the order of the articles.
#[derive(Debug)]
struct Vectors {
    ids: Vec<u64>,
    rows: Vec<Vec<f32>>,
}

/// An article, its hash, and what is known of it already.
type Planned<'a> = (&'a Article, [u8; 32], Option<Arc<Source>>);

/// A passage that was found, before it is told.
struct Found {
    id: u64,
    rank: f32,
    evidence: Evidence,
}

impl Knowledge {
    /// Indexes articles. Takes anything: none, empty ones, the same one twice.
    #[must_use]
    pub fn index(articles: &[Article]) -> Self {
        Self::default().update(articles)
    }

    /// The knowledge with these articles instead; those that stay as they were are not indexed
    /// again. What this knowledge finds does not change.
    #[must_use]
    pub fn update(&self, articles: &[Article]) -> Self {
        if articles.is_empty() {
            return Self::default();
        }
        let unchanged = articles.len() == self.articles.len()
            && articles
                .iter()
                .map(content_hash)
                .eq(self.articles.iter().map(|s| s.hash));
        if unchanged {
            return Self {
                vectors: None,
                ..self.clone()
            };
        }
        let analyser = self.analyser.clone().unwrap_or_default();
        let mut known: HashMap<[u8; 32], Arc<Source>> = self
            .articles
            .iter()
            .map(|source| (source.hash, source.clone()))
            .collect();
        let mut seen = HashSet::new();
        let plan: Vec<Planned<'_>> = articles
            .iter()
            .map(|article| (article, content_hash(article)))
            .filter(|(_, hash)| seen.insert(*hash))
            .map(|(article, hash)| (article, hash, known.remove(&hash)))
            .collect();
        let gone: Vec<u64> = known.values().map(|source| source.key).collect();
        let mut next = self.articles.iter().map(|s| s.key + 1).max().unwrap_or(0);
        let mut sources = Vec::with_capacity(plan.len());
        // Read while they are indexed, so that no more than one article's terms are in memory.
        let added = plan.iter().flat_map(|(article, hash, known)| {
            let (source, fields) = match known {
                Some(source) => (source.clone(), Vec::new()),
                None => {
                    next += 1;
                    read(article, *hash, next - 1, &analyser)
                }
            };
            sources.push(source);
            fields
        });
        let index = match &self.index {
            None => Passages::build(added).map(Some),
            Some(index) => index.update(&gone, added),
        };
        let index = match index {
            Ok(Some(index)) => Some(Arc::new(index)),
            Ok(None) => return self.anew(articles),
            Err(error) if self.index.is_some() => {
                tracing::warn!(%error, "The index of the articles is built anew.");
                return self.anew(articles);
            }
            Err(error) => {
                // Memory is all it takes; without an index nothing is found, and nothing breaks.
                tracing::error!(%error, "The articles cannot be indexed.");
                None
            }
        };
        let mut places = HashMap::new();
        for (article, source) in (0_u32..).zip(&sources) {
            for passage in 0..u32::try_from(source.passages.len()).unwrap_or(0) {
                places.insert(passage_id(source.key, passage), (article, passage));
            }
        }
        Self {
            analyser: Some(analyser),
            index,
            articles: sources,
            places,
            vectors: None,
        }
    }

    fn anew(&self, articles: &[Article]) -> Self {
        let empty = Self {
            analyser: self.analyser.clone(),
            ..Self::default()
        };
        empty.update(articles)
    }

    /// How many passages can be found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds meaning to words: a vector of each passage. Takes as long as the embedder.
    ///
    /// # Errors
    /// When the embedder fails; the words still find what they found.
    pub fn embed(&mut self, embedder: &dyn Embedder) -> Result<(), EmbedError> {
        let mut ids = Vec::with_capacity(self.places.len());
        let mut texts = Vec::with_capacity(self.places.len());
        for source in &self.articles {
            for (place, passage) in (0_u32..).zip(&source.passages) {
                ids.push(passage_id(source.key, place));
                texts.push(format!(
                    "{}. {}\n{}",
                    source.title, passage.heading, passage.text
                ));
            }
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = embedder.embed(&texts)?;
        if rows.len() != ids.len() {
            return Err(EmbedError::Answer("not one vector a text".to_owned()));
        }
        self.vectors = Some(Arc::new(Vectors { ids, rows }));
        Ok(())
    }

    /// Passages a customer may read, best first. Articles in another language are left out.
    #[must_use]
    pub fn search(&self, query: &Query) -> Vec<Passage> {
        self.find(query, Audience::Customer, None)
    }

    /// Passages for whoever asks: agents also read what customers don't. `meaning` is the
    /// question's vector by the embedder the passages were embedded with.
    #[must_use]
    pub fn find(&self, query: &Query, audience: Audience, meaning: Option<&[f32]>) -> Vec<Passage> {
        let Some(analyser) = &self.analyser else {
            return Vec::new();
        };
        let (asked, found) = self.look(query, audience, meaning);
        let told = found.iter().take(query.limit.min(MAX_LIMIT));
        told.filter_map(|found| self.told(found, &asked, analyser))
            .collect()
    }

    /// For measuring: what speaks for the best passage, as its confidence is made of it.
    #[doc(hidden)]
    #[must_use]
    pub fn evidence(&self, query: &Query, meaning: Option<&[f32]>) -> Option<Vec<f32>> {
        let (_, found) = self.look(query, Audience::Customer, meaning);
        Some(found.first()?.evidence.inputs().to_vec())
    }

    /// The terms that are asked, and what was found for them, best first.
    fn look(
        &self,
        query: &Query,
        audience: Audience,
        meaning: Option<&[f32]>,
    ) -> (Vec<Asked>, Vec<Found>) {
        let (Some(analyser), Some(index)) = (&self.analyser, &self.index) else {
            return Default::default();
        };
        let language = query.locale.language().to_ascii_lowercase();
        // Before anything is analysed: another language's dictionary need not be there.
        let serves = |s: &Arc<Source>| s.serves(&language, &query.tags, audience);
        if !self.articles.iter().any(serves) {
            return Default::default();
        }
        let asked = asked(analyser, &query.text);
        let meaning = self.vectors.as_deref().zip(meaning);
        if asked.is_empty() && meaning.is_none() {
            return Default::default();
        }
        let wanted = Wanted {
            terms: &asked,
            language: &language,
            labels: &query.tags,
            audience,
            limit: PUT_FORWARD,
        };
        let by_words = index.search(&wanted).unwrap_or_else(|error| {
            tracing::error!(%error, "The articles cannot be searched.");
            Vec::new()
        });
        let by_meaning = meaning.map_or_else(Vec::new, |(vectors, question)| {
            vectors.nearest(question, |id| self.source(id).is_some_and(serves))
        });
        let found = self.weigh(index, &asked, &by_words, meaning.is_some(), &by_meaning);
        (asked, found)
    }

    /// Joins what words and meaning found, best first, with what speaks for each.
    fn weigh(
        &self,
        index: &Passages,
        asked: &[Asked],
        by_words: &[(u64, f32)],
        with_meaning: bool,
        by_meaning: &[(u64, f32)],
    ) -> Vec<Found> {
        let count = (index.len() as f32).max(SMALLEST);
        let weights: Vec<(u64, f32)> = asked
            .iter()
            .map(|(term, part)| {
                let n = index.frequency(term) as f32;
                let rarity = (1.0 + (count - n + 0.5).max(0.0) / (n + 0.5)).ln();
                (hash::of_text(term), part * rarity)
            })
            .collect();
        let all: f32 = weights.iter().map(|(_, w)| w).sum();
        let mut found: Vec<Found> = Vec::new();
        let mut places: HashMap<u64, usize> = HashMap::new();
        for (ranking, by) in [by_words, by_meaning].into_iter().enumerate() {
            for (rank, (id, score)) in by.iter().enumerate() {
                let Some(stored) = self.stored(*id) else {
                    continue;
                };
                let at = *places.entry(*id).or_insert_with(|| {
                    found.push(Found {
                        id: *id,
                        rank: 0.0,
                        evidence: Evidence::new(with_meaning, &weights, all, &stored.terms),
                    });
                    found.len() - 1
                });
                if with_meaning {
                    found[at].rank += 1.0 / (RANK + rank as f32);
                } else {
                    found[at].rank = *score;
                }
                if ranking == 0 {
                    found[at].evidence.score = *score;
                } else {
                    found[at].evidence.similarity = *score;
                }
            }
        }
        let order = |id: u64| self.places.get(&id).copied();
        found.sort_by(|a, b| {
            b.rank
                .total_cmp(&a.rank)
                .then(order(a.id).cmp(&order(b.id)))
        });
        // How far the best passage of another article lies behind.
        if let Some(first) = found.first() {
            let (best, article) = (first.evidence.score, order(first.id).map(|p| p.0));
            let other = found
                .iter()
                .find(|f| order(f.id).map(|p| p.0) != article)
                .map_or(0.0, |f| f.evidence.score);
            let lead = ((best - other) / best.max(f32::MIN_POSITIVE)).clamp(-1.0, 1.0);
            found[0].evidence.lead = lead;
        }
        found
    }

    fn told(&self, found: &Found, asked: &[Asked], analyser: &Analyser) -> Option<Passage> {
        let (article, passage) = *self.places.get(&found.id)?;
        let source = &self.articles[article as usize];
        let stored = &source.passages[passage as usize];
        Some(Passage {
            article: source.id.clone(),
            title: source.title.clone(),
            heading: stored.heading.clone(),
            text: stored.text.clone(),
            confidence: confidence::probability(&found.evidence),
            highlights: highlights(&stored.text, asked, analyser),
        })
    }

    fn source(&self, id: u64) -> Option<&Arc<Source>> {
        let (article, _) = self.places.get(&id)?;
        self.articles.get(*article as usize)
    }

    fn stored(&self, id: u64) -> Option<&Stored> {
        let (article, passage) = self.places.get(&id)?;
        self.articles
            .get(*article as usize)?
            .passages
            .get(*passage as usize)
    }
}

/// A term of a question and how much it tells.
type Asked = (String, f32);

fn asked(analyser: &Analyser, text: &str) -> Vec<Asked> {
    let mut asked: Vec<Asked> = Vec::new();
    for term in analyser.terms(text) {
        if let Some(known) = asked.iter_mut().find(|(text, _)| *text == term.text) {
            known.1 = known.1.max(term.weight);
        } else if asked.len() < MAX_TERMS {
            asked.push((term.text, term.weight));
        }
    }
    asked
}

impl Source {
    fn serves(&self, language: &str, tags: &[String], audience: Audience) -> bool {
        let spoken = self.language.as_deref().is_none_or(|l| l == language);
        let allowed = audience == Audience::Agent || self.audience == Audience::Customer;
        spoken && allowed && (tags.is_empty() || self.labels.iter().any(|l| tags.contains(l)))
    }
}

impl Vectors {
    /// The nearest passages with their cosine, best first.
    fn nearest(&self, question: &[f32], serves: impl Fn(u64) -> bool) -> Vec<(u64, f32)> {
        let mut scored: Vec<(u64, f32)> = self
            .ids
            .iter()
            .zip(&self.rows)
            .filter(|(id, _)| serves(**id))
            .map(|(id, row)| (*id, crate::embedding::cosine(row, question)))
            .collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scored.truncate(PUT_FORWARD);
        scored
    }
}

fn passage_id(key: u64, passage: u32) -> u64 {
    (key << 16) | u64::from(passage)
}

/// Cuts an article; its passages and what is indexed of them.
fn read(
    article: &Article,
    hash: [u8; 32],
    key: u64,
    analyser: &Analyser,
) -> (Arc<Source>, Vec<Fields>) {
    let mut source = Source {
        hash,
        key,
        id: article.id.clone(),
        title: article.title.clone(),
        labels: article.tags.clone(),
        language: article
            .locale
            .as_ref()
            .map(|l| l.language().to_ascii_lowercase()),
        audience: article.audience,
        passages: Vec::new(),
    };
    for piece in passages::cut(&article.body) {
        let heading = piece.headings.join(" › ");
        source.passages.push(Stored {
            heading,
            text: piece.text,
            terms: Box::default(),
        });
    }
    let fields: Vec<Fields> = fields(&source, analyser).collect();
    for (stored, fields) in source.passages.iter_mut().zip(&fields) {
        let mut terms: Vec<u64> = fields
            .terms
            .iter()
            .map(|term| hash::of_text(&term.text))
            .collect();
        terms.sort_unstable();
        terms.dedup();
        stored.terms = terms.into();
    }
    (Arc::new(source), fields)
}

fn fields<'a>(source: &'a Source, analyser: &'a Analyser) -> impl Iterator<Item = Fields> + 'a {
    let title = analyser.terms(&source.title);
    let tags = analyser.terms(&source.labels.join(", "));
    (0_u32..)
        .zip(&source.passages)
        .map(move |(place, stored)| Fields {
            id: passage_id(source.key, place),
            article: source.key,
            audience: source.audience,
            language: source.language.clone(),
            labels: source.labels.clone(),
            terms: {
                let heading = analyser.terms(&stored.heading);
                let mut terms = analyser.terms(&stored.text);
                for (times, more) in [(TITLE, &title), (HEADING, &heading), (TAG, &tags)] {
                    for _ in 0..times {
                        terms.extend(more.iter().cloned());
                    }
                }
                terms
            },
        })
}

fn content_hash(article: &Article) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let audience = match article.audience {
        Audience::Customer => "customer",
        Audience::Agent => "agent",
    };
    let locale = article.locale.as_ref().map_or("", |l| l.as_str());
    let fixed = [&article.id, &article.title, locale, audience, &article.body];
    let tags = article.tags.iter().map(String::as_str);
    for part in fixed.into_iter().chain(tags) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Where the words of a question stand in a text: from and to, counted in characters.
fn highlights(text: &str, asked: &[Asked], analyser: &Analyser) -> Vec<(u32, u32)> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut terms: Vec<Term> = analyser.terms(text);
    terms.retain(|term| asked.iter().any(|(t, _)| *t == term.text));
    terms.sort_by_key(|term| term.at.start);
    for term in terms {
        match spans.last_mut() {
            Some((_, end)) if term.at.start <= *end => *end = term.at.end.max(*end),
            _ => spans.push((term.at.start, term.at.end)),
        }
    }
    let (mut counted, mut at) = (0_u32, 0);
    let mut count = |to: usize| {
        counted += u32::try_from(text[at..to].chars().count()).unwrap_or(0);
        at = to;
        counted
    };
    let counted = spans.into_iter().map(|(from, to)| (count(from), count(to)));
    counted.collect()
}

#[cfg(test)]
mod tests;
