//! The inverted index: tantivy in memory, one document a passage.
//!
//! A build makes one segment on the caller's thread. An update takes the index of the model
//! before, deletes and adds, and merges to one segment again: BM25 then counts what is there and
//! nothing that was, so that a pack reads the same whatever its history. A model keeps the
//! snapshot it was made with; later updates don't reach it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tandem_domain::reading::Audience;
use tantivy::{
    Index, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
    collector::TopDocs,
    directory::RamDirectory,
    indexer::NoMergePolicy,
    query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery},
    schema::{
        FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
    },
    tokenizer::{PreTokenizedString, Token},
};

use super::analyse;

/// What one writer may hold before it writes a segment; tantivy's least is 15 MB.
const ARENA: usize = 32 * 1024 * 1024;

/// What is indexed of a passage.
pub(super) struct Fields {
    pub(super) id: u64,
    pub(super) article: u64,
    pub(super) audience: Audience,
    pub(super) language: Option<String>,
    pub(super) labels: Vec<String>,
    /// Of all it says, those that count more as often as they count.
    pub(super) terms: Vec<analyse::Term>,
}

/// Who asks for what.
pub(super) struct Wanted<'a> {
    /// With how much each tells.
    pub(super) terms: &'a [(String, f32)],
    pub(super) language: &'a str,
    pub(super) labels: &'a [String],
    pub(super) audience: Audience,
    pub(super) limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    id: Field,
    article: Field,
    audience: Field,
    language: Field,
    label: Field,
    text: Field,
}

pub(super) struct Passages {
    index: Index,
    layout: Layout,
    searcher: Searcher,
    /// Counts the updates of the shared index, so that only its newest snapshot is built upon.
    newest: Arc<AtomicU64>,
    generation: u64,
    /// Held by an update: two at once would mix.
    updating: Arc<Mutex<()>>,
}

impl std::fmt::Debug for Passages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passages")
            .field("documents", &self.searcher.num_docs())
            .finish_non_exhaustive()
    }
}

impl Passages {
    /// Builds an index of one segment.
    pub(super) fn build(passages: impl Iterator<Item = Fields>) -> tantivy::Result<Self> {
        let (schema, layout) = schema();
        let mut writer = Index::builder()
            .schema(schema)
            .settings(IndexSettings {
                docstore_compression: tantivy::store::Compressor::None,
                docstore_compress_dedicated_thread: false,
                ..IndexSettings::default()
            })
            .single_segment_index_writer::<TantivyDocument>(RamDirectory::create(), ARENA)?;
        for fields in passages {
            writer.add_document(layout.document(fields))?;
        }
        let index = writer.finalize()?;
        Ok(Self {
            searcher: snapshot(&index)?,
            index,
            layout,
            newest: Arc::default(),
            generation: 0,
            updating: Arc::default(),
        })
    }

    /// The index with some articles taken out and passages added; None where another model has
    /// been made from it already, so that it has to be built anew.
    pub(super) fn update(
        &self,
        gone: &[u64],
        added: impl Iterator<Item = Fields>,
    ) -> tantivy::Result<Option<Self>> {
        let _updating = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.generation + 1;
        let first = self.newest.compare_exchange(
            self.generation,
            generation,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        if first.is_err() {
            return Ok(None);
        }
        let mut writer: IndexWriter = self.index.writer_with_num_threads(1, ARENA)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        for article in gone {
            writer.delete_term(Term::from_field_u64(self.layout.article, *article));
        }
        for fields in added {
            writer.add_document(self.layout.document(fields))?;
        }
        writer.commit()?;
        let segments = self.index.searchable_segment_ids()?;
        if !segments.is_empty() {
            writer.merge(&segments).wait()?;
        }
        writer.garbage_collect_files().wait()?;
        writer.wait_merging_threads()?;
        Ok(Some(Self {
            searcher: snapshot(&self.index)?,
            index: self.index.clone(),
            layout: self.layout,
            newest: self.newest.clone(),
            generation,
            updating: self.updating.clone(),
        }))
    }

    pub(super) fn len(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// In how many passages a term stands.
    pub(super) fn frequency(&self, term: &str) -> u64 {
        let term = Term::from_field_text(self.layout.text, term);
        self.searcher.doc_freq(&term).unwrap_or(0)
    }

    /// Passages by id with their BM25 score, best first.
    pub(super) fn search(&self, wanted: &Wanted<'_>) -> tantivy::Result<Vec<(u64, f32)>> {
        let exactly = |field, text: &str| -> Box<dyn Query> {
            let term = Term::from_field_text(field, text);
            Box::new(TermQuery::new(term, IndexRecordOption::Basic))
        };
        let filter = |query: Box<dyn Query>| -> (Occur, Box<dyn Query>) {
            (Occur::Must, Box::new(ConstScoreQuery::new(query, 0.0)))
        };
        let mut scored: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for (term, weight) in wanted.terms {
            let term = Term::from_field_text(self.layout.text, term);
            let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
            let query = BoostQuery::new(Box::new(query), *weight);
            scored.push((Occur::Should, Box::new(query)));
        }
        let mut all: Vec<(Occur, Box<dyn Query>)> =
            vec![(Occur::Must, Box::new(BooleanQuery::new(scored)))];
        let layout = &self.layout;
        let languages = [
            exactly(layout.language, wanted.language),
            exactly(layout.language, ANY),
        ];
        all.push(filter(Box::new(BooleanQuery::union(languages.into()))));
        if wanted.audience == Audience::Customer {
            all.push(filter(exactly(
                layout.audience,
                audience(Audience::Customer),
            )));
        }
        if !wanted.labels.is_empty() {
            let labels = wanted.labels.iter().map(|l| exactly(layout.label, l));
            all.push(filter(Box::new(BooleanQuery::union(labels.collect()))));
        }
        let top = TopDocs::with_limit(wanted.limit.max(1)).order_by_score();
        let found = self.searcher.search(&BooleanQuery::new(all), &top)?;
        let mut columns = HashMap::new();
        let mut passages = Vec::with_capacity(found.len());
        for (score, address) in found {
            let column = match columns.entry(address.segment_ord) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let reader = self.searcher.segment_reader(address.segment_ord);
                    entry.insert(reader.fast_fields().u64("id")?)
                }
            };
            if let Some(id) = column.first(address.doc_id) {
                passages.push((id, score));
            }
        }
        Ok(passages)
    }
}

/// The language of an article that serves every language.
const ANY: &str = "*";

fn audience(audience: Audience) -> &'static str {
    match audience {
        Audience::Customer => "customer",
        Audience::Agent => "agent",
    }
}

fn schema() -> (Schema, Layout) {
    let mut schema = Schema::builder();
    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::WithFreqs),
    );
    let layout = Layout {
        id: schema.add_u64_field("id", FAST),
        article: schema.add_u64_field("article", INDEXED),
        audience: schema.add_text_field("audience", STRING),
        language: schema.add_text_field("language", STRING),
        label: schema.add_text_field("label", STRING),
        text: schema.add_text_field("text", text),
    };
    (schema.build(), layout)
}

impl Layout {
    fn document(&self, fields: Fields) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_u64(self.id, fields.id);
        document.add_u64(self.article, fields.article);
        document.add_text(self.audience, audience(fields.audience));
        document.add_text(self.language, fields.language.as_deref().unwrap_or(ANY));
        for label in &fields.labels {
            document.add_text(self.label, label);
        }
        document.add_pre_tokenized_text(self.text, pretokenized(fields.terms));
        document
    }
}

fn pretokenized(terms: Vec<analyse::Term>) -> PreTokenizedString {
    let tokens = terms.into_iter().enumerate().map(|(position, term)| Token {
        offset_from: term.at.start,
        offset_to: term.at.end,
        position,
        text: term.text,
        position_length: 1,
    });
    PreTokenizedString {
        text: String::new(),
        tokens: tokens.collect(),
    }
}

fn snapshot(index: &Index) -> tantivy::Result<Searcher> {
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(1)
        .try_into()?;
    Ok(reader.searcher())
}
