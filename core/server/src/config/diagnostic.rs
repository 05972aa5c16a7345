//! A mistake as it is shown.

use std::fmt;

use serde::Serialize;
use tandem_domain::{Locale, Text};
use tandem_flow::diagnostic::Severity;

use super::{problem::Problem, tree::Place};

/// Longest piece of a line that is shown, in characters.
const SHOWN: usize = 160;
/// Words in a key that make its value unfit to be shown.
const TELLING: [&str; 7] = [
    "secret",
    "token",
    "key",
    "password",
    "passwd",
    "credential",
    "auth",
];

/// One mistake in a configuration: what, where, and a way out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    /// For machines and for the documentation: `config.unknown_key`.
    pub code: &'static str,
    /// The server may start all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
    /// Nothing is wrong; it is only worth knowing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub note: bool,
    /// The file as it was given, the environment variable, or the file the configuration leads to.
    pub file: String,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The line, without what may be a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The setting, as `server.listen`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub setting: String,
    pub message: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Text>,
}

impl Diagnostic {
    pub(super) fn new(problem: &Problem, text: &str, file: &str) -> Self {
        let (file, line, column) = match &problem.place {
            Place::File { line, column } => (file.to_owned(), Some(*line), Some(*column)),
            Place::Variable(name) | Place::Beside(name) => (name.clone(), None, None),
            Place::Unknown => (file.to_owned(), None, None),
        };
        let source = line.and_then(|line| {
            let line = usize::try_from(line).ok()?.checked_sub(1)?;
            text.lines().nth(line)
        });
        let hint = problem.fault.hint().map(both);
        Self {
            code: problem.fault.code(),
            warning: problem.fault.severity() == Severity::Warning,
            note: problem.fault.severity() == Severity::Note,
            file,
            line,
            column,
            source: source.map(shown),
            setting: problem.path.join("."),
            message: both(problem.fault.message()),
            hint,
        }
    }

    /// The mistake over several lines, in the language asked for.
    #[must_use]
    pub fn render(&self, locale: &Locale) -> String {
        let english = Locale::new("en");
        let words = |text: &Text| text.get(locale, &english).cloned().unwrap_or_default();
        let mut out = String::new();
        if !self.file.is_empty() {
            out.push_str(&self.file);
            if let (Some(line), Some(column)) = (self.line, self.column) {
                out.push_str(&format!(":{line}:{column}"));
            }
            out.push_str(": ");
        }
        let weight = match (self.warning, self.note) {
            (true, _) => ("warning: ", "警告："),
            (_, true) => ("note: ", "说明："),
            _ => ("", ""),
        };
        let weight = both((weight.0.to_owned(), weight.1.to_owned()));
        out.push_str(&words(&weight));
        out.push_str(&format!("{} [{}]", words(&self.message), self.code));
        if let (Some(line), Some(source)) = (self.line, &self.source) {
            let margin = " ".repeat(line.to_string().len());
            out.push_str(&format!("\n{line} | {source}"));
            let column = self.column.unwrap_or(1).saturating_sub(1) as usize;
            if column <= source.chars().count() {
                out.push_str(&format!("\n{margin} | {}^", " ".repeat(column)));
            }
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("\n= {}", words(hint)));
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Locale::new("en")))
    }
}

fn both((en, zh): (String, String)) -> Text {
    Text([(Locale::new("en"), en), (Locale::new("zh"), zh)].into())
}

fn telling(line: &str) -> bool {
    let line = line.to_lowercase();
    TELLING.iter().any(|word| line.contains(word))
}

/// The line with its value gone where that may be a secret. A place a secret is kept in is none.
fn shown(line: &str) -> String {
    let line = line.trim_end();
    let indent = &line[..line.len() - line.trim_start().len()];
    let clean = match line.split_once(':') {
        Some((key, value)) if telling(line) && !value.trim().is_empty() => {
            let reference = value.trim();
            if reference.starts_with("{env:") || reference.starts_with("{file:") {
                line.to_owned()
            } else if key.contains(['{', '[']) {
                format!("{indent}…")
            } else {
                format!("{key}: …")
            }
        }
        // Part of a text over several lines, or of a list: there is no telling what it is.
        None if !line.trim_start().starts_with(['#', '-']) && !line.trim().is_empty() => {
            format!("{indent}…")
        }
        None if telling(line) || line.trim_start().starts_with("- ") => format!("{indent}- …"),
        _ => line.to_owned(),
    };
    clean
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN)
        .collect()
}
