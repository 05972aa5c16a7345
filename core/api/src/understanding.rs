//! Why a message is read as it is.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_domain::{
    Locale,
    emotion::Emotion,
    reading::{Candidate, Target, Thresholds},
};
use tandem_engine::explain::{Decision, Explanation, Mention, explain as explained};
use utoipa::ToSchema;

use crate::{ApiState, auth::Caller, error::ApiError, extract::Input};

/// A longer text is no message.
const MAX_CHARS: usize = 4_000;

/// A message to be read by the pack that answers now. Nothing is stored or sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    #[schema(example = "where is my parcel", max_length = 4000)]
    text: String,
    /// The customer's language; the pack's first when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    locale: Option<Locale>,
}

/// How a message is read, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explained {
    /// `answer`: the best candidate is taken; `clarify`: the customer is asked which of two is
    /// meant; `none`: no candidate is sure enough.
    decision: &'static str,
    /// Best first.
    candidates: Vec<Likely>,
    /// A second wish of the message; `candidates` then speaks of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    also: Option<Likely>,
    /// How sure it is that none of the pack's flows and FAQ items is meant, 0–1.
    out_of_scope: f32,
    /// What each word carries of the best candidate's confidence: what is lost without it. Below
    /// zero it speaks against it. In the order of the message; what tells nothing is left out.
    words: Vec<Word>,
    /// From which confidences on the pack acts.
    thresholds: BTreeMap<&'static str, f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    language: Option<Locale>,
    /// −1 (furious) to 1 (delighted).
    sentiment: f32,
    /// The words that show it.
    sentiment_words: Vec<String>,
    /// `anger`, `anxiety`, `urgency`, `leaving`, `legal`, `safety`, `shouting` and `repetition`, each
    /// 0–1, and the `reasons` that show them.
    #[schema(value_type = Object)]
    emotion: Emotion,
    /// Numbers, days, addresses and the like, from left to right: the `text`, its `span` in bytes,
    /// what `kind` it is of and the value that kind has.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<Mention>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Likely {
    /// `flow`, `faq` or `trigger`.
    kind: &'static str,
    /// A flow's name, an item's path, a trigger's place from 0.
    name: String,
    /// A probability, 0–1.
    confidence: f32,
    /// The nearest of its phrases.
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Word {
    text: String,
    weight: f32,
}

/// Reads a message by the pack that answers now, and says why it is read so.
#[utoipa::path(post, path = "/api/v1/understanding/explain", operation_id = "explainMessage",
    tag = "understanding", request_body = Question, responses((status = 200, body = Explained)))]
pub(crate) async fn explain(
    State(state): State<ApiState>,
    caller: Caller,
    Input(input): Input<Question>,
) -> Result<Json<Explained>, ApiError> {
    if input.text.chars().nth(MAX_CHARS).is_some() {
        return Err(ApiError::Invalid {
            field: "text".to_owned(),
            message: format!("at most {MAX_CHARS} characters"),
        });
    }
    let site = state
        .engine()
        .site(caller.workspace())
        .ok_or(ApiError::NotFound("pack"))?;
    let version = site.packs.view().current.clone();
    let locale = input
        .locale
        .or_else(|| version.pack.locales.first().cloned())
        .unwrap_or_else(|| Locale::new("en"));
    let read = move || explained(&*version.model, &input.text, &locale);
    let found = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| ApiError::Internal(format!("a message could not be read: {error}")))?;
    Ok(Json(found.into()))
}

impl From<Explanation> for Explained {
    fn from(explanation: Explanation) -> Self {
        let Explanation {
            reading,
            decision,
            thresholds,
            words,
            entities,
        } = explanation;
        Self {
            decision: match decision {
                Decision::Answer => "answer",
                Decision::Clarify => "clarify",
                Decision::None => "none",
            },
            candidates: reading.candidates.into_iter().map(Likely::from).collect(),
            also: reading.also.map(|wish| Likely::from(wish.candidate)),
            out_of_scope: reading.out_of_scope,
            words: words
                .into_iter()
                .map(|word| Word {
                    text: word.text,
                    weight: word.weight,
                })
                .collect(),
            thresholds: told(&thresholds),
            language: reading.language,
            sentiment: reading.sentiment,
            sentiment_words: reading.sentiment_words,
            emotion: reading.emotion,
            entities,
        }
    }
}

impl From<Candidate> for Likely {
    fn from(candidate: Candidate) -> Self {
        let (kind, name) = match candidate.target {
            Target::Flow(name) => ("flow", name),
            Target::Faq(path) => ("faq", path),
            Target::Trigger(place) => ("trigger", place.to_string()),
        };
        Self {
            kind,
            name,
            confidence: candidate.confidence,
            phrase: candidate.phrase,
        }
    }
}

fn told(thresholds: &Thresholds) -> BTreeMap<&'static str, f32> {
    BTreeMap::from([
        ("answer", thresholds.answer),
        ("alone", thresholds.alone),
        ("clarify", thresholds.clarify),
        ("clarify_gap", thresholds.clarify_gap),
        ("high", thresholds.high),
        ("out_of_scope", thresholds.out_of_scope),
    ])
}
