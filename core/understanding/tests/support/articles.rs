//! The retail pack's articles and labelled questions, read without the flow language.

use std::{fs, path::Path};

use serde_json::Value;
use tandem_domain::{
    Locale,
    reading::{Article, Audience, Passage},
};

/// A question as a customer asks it, and what answers it.
pub struct Question {
    pub locale: Locale,
    pub text: String,
    /// None where the articles say nothing of it.
    pub article: Option<String>,
    /// Words that only a passage that answers holds.
    pub holds: Vec<String>,
}

impl Question {
    /// Whether a passage is of the article that answers.
    pub fn is_in(&self, passage: &Passage) -> bool {
        let article = self.article.as_ref();
        article.is_some_and(|a| passage.article == format!("{a}.{}", self.locale.as_str()))
    }

    /// Whether a passage itself answers.
    pub fn is_answered_by(&self, passage: &Passage) -> bool {
        self.is_in(passage) && self.holds.iter().any(|h| passage.text.contains(h))
    }
}

pub fn questions() -> Vec<Question> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/knowledge/questions.jsonl");
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap();
        Question {
            locale: Locale::new(value["locale"].as_str().unwrap()),
            text: value["question"].as_str().unwrap().to_owned(),
            article: value["article"].as_str().map(str::to_owned),
            holds: value["holds"].as_array().map_or_else(Vec::new, |holds| {
                holds
                    .iter()
                    .map(|h| h.as_str().unwrap().to_owned())
                    .collect()
            }),
        }
    });
    lines.collect()
}

pub fn articles() -> Vec<Article> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/retail/knowledge");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| article(file)).collect()
}

fn article(file: &Path) -> Article {
    let text = fs::read_to_string(file).unwrap();
    let (front, body) = text
        .strip_prefix("---\n")
        .unwrap()
        .split_once("\n---\n")
        .unwrap();
    let field = |name: &str| {
        let lines = front.lines();
        let mut values = lines.filter_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        values
            .next()
            .unwrap_or("")
            .trim()
            .trim_matches('"')
            .to_owned()
    };
    Article {
        id: file.file_stem().unwrap().to_str().unwrap().to_owned(),
        title: field("title"),
        tags: field("tags")
            .trim_matches(['[', ']'])
            .split(',')
            .map(|tag| tag.trim().to_owned())
            .collect(),
        audience: match field("audience").as_str() {
            "agent" => Audience::Agent,
            _ => Audience::Customer,
        },
        locale: Some(Locale::new(&field("locale"))),
        body: body.to_owned(),
    }
}
