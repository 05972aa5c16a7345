//! A problem in a pack: code, place, source line and a way out, in English and Chinese.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::model::Span;

/// How bad it is. Errors keep a pack from loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
    /// Advice; shown on request.
    Note,
}

/// The language diagnostics are told in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    /// Of a locale tag or an environment's `LANG`: `zh_CN.UTF-8` is Chinese, all else English.
    #[must_use]
    pub fn of(tag: &str) -> Self {
        if tag.to_ascii_lowercase().starts_with("zh") {
            Self::Zh
        } else {
            Self::En
        }
    }
}

/// One sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    pub en: String,
    pub zh: String,
}

impl Words {
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// Both languages of one sentence.
pub fn words(en: impl Into<String>, zh: impl Into<String>) -> Words {
    Words {
        en: en.into(),
        zh: zh.into(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable, for documentation and suppression: `unknown-key`.
    pub code: &'static str,
    /// Path in the pack.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// How many characters it concerns.
    pub len: u32,
    /// The line as it stands in the file.
    pub source_line: String,
    pub message: Words,
    /// What to do about it.
    pub hint: Words,
}

impl Diagnostic {
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For a log: place, sentence and way out in one line.
    #[must_use]
    pub fn one_line(&self) -> String {
        format!(
            "{}:{}:{}: {} ({}). {}",
            self.file, self.line, self.column, self.message.en, self.code, self.hint.en
        )
    }

    /// As a compiler shows it: the sentence, the place, the line with a caret, the way out.
    /// Contains no control characters of the file.
    #[must_use]
    pub fn render_human(&self, lang: Lang, color: bool) -> String {
        let paint = |code: &str, text: &str| {
            if color {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text.to_owned()
            }
        };
        let (word, tone) = match (self.severity, lang) {
            (Severity::Error, Lang::En) => ("error", "1;31"),
            (Severity::Error, Lang::Zh) => ("错误", "1;31"),
            (Severity::Warning, Lang::En) => ("warning", "1;33"),
            (Severity::Warning, Lang::Zh) => ("警告", "1;33"),
            (Severity::Note, Lang::En) => ("note", "1;36"),
            (Severity::Note, Lang::Zh) => ("建议", "1;36"),
        };
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let bar = paint("1;34", "|");
        let mut out = format!(
            "{}: {}\n",
            paint(tone, &format!("{word}[{}]", self.code)),
            paint("1", self.message.get(lang))
        );
        let _ = writeln!(
            out,
            "{gutter}{} {}:{}:{}",
            paint("1;34", "-->"),
            self.file,
            self.line,
            self.column
        );
        if !self.source_line.trim().is_empty() {
            let (line, pad, mark) = excerpt(&self.source_line, self.column, self.len);
            let _ = writeln!(out, "{gutter} {bar}");
            let _ = writeln!(out, "{} {bar} {line}", paint("1;34", &number));
            let caret = paint(tone, &"^".repeat(mark));
            let _ = writeln!(out, "{gutter} {bar} {}{caret}", " ".repeat(pad));
        }
        let help = if lang == Lang::Zh { "提示" } else { "help" };
        let _ = writeln!(out, "{gutter} = {help}: {}", self.hint.get(lang));
        out
    }
}

/// The line cut to a screen, how far the caret stands in, and how wide it is, in terminal cells.
fn excerpt(line: &str, column: u32, len: u32) -> (String, usize, usize) {
    const BEFORE: usize = 60;
    const SHOWN: usize = 110;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let chars: Vec<char> = line.trim_end().chars().map(clean).collect();
    let at = (column.max(1) as usize - 1).min(chars.len());
    let from = if at > SHOWN { at - BEFORE } else { 0 };
    let to = (from + SHOWN).min(chars.len());
    let cells = |chars: &[char]| chars.iter().map(|c| cells(*c)).sum::<usize>();
    let mut shown: String = chars[from..to].iter().collect();
    let mut pad = cells(&chars[from..at.max(from)]);
    if from > 0 {
        shown.insert(0, '…');
        pad += 1;
    }
    if to < chars.len() {
        shown.push('…');
    }
    let end = (at + len.max(1) as usize).min(to);
    let mark = if end > at { cells(&chars[at..end]) } else { 1 };
    (shown, pad, mark.max(1))
}

/// How many terminal cells a character takes.
fn cells(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f | 0x20d0..=0x20ff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0x33ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xa000..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Where something stands, and how many characters it takes; 0 lets the line decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub span: Span,
    pub len: u32,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { span, len: 0 }
    }
}

/// Diagnostics kept of one load; what exceeds it would not be read anyway.
const KEPT: usize = 500;

/// Collects problems and knows the files they are in.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// path, text.
    files: Vec<(String, String)>,
    others: Vec<(String, String)>,
    list: Vec<Diagnostic>,
}

impl Problems {
    /// A file of the pack; the numbers are those of [`crate::model::Pack::files`].
    pub fn add_file(&mut self, path: &str, text: &str) -> u32 {
        self.files.push((path.to_owned(), text.to_owned()));
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// A file that is no part of the pack: not read, or shipped. Numbered from the top down.
    pub fn add_other(&mut self, path: &str, text: &str) -> u32 {
        self.others.push((path.to_owned(), text.to_owned()));
        u32::MAX - u32::try_from(self.others.len()).unwrap_or(u32::MAX / 2)
    }

    fn file(&self, number: u32) -> Option<&(String, String)> {
        let other = (u32::MAX - number).checked_sub(1);
        self.files
            .get(number as usize)
            .or_else(|| self.others.get(other? as usize))
    }

    pub fn line(&self, span: Span) -> &str {
        let line = (span.line as usize).saturating_sub(1);
        self.file(span.file)
            .and_then(|(_, text)| text.lines().nth(line))
            .unwrap_or("")
    }

    pub fn error(&mut self, code: &'static str, at: impl Into<Place>, message: Words, hint: Words) {
        self.push(Severity::Error, code, at.into(), message, hint);
    }

    pub fn warn(&mut self, code: &'static str, at: impl Into<Place>, message: Words, hint: Words) {
        self.push(Severity::Warning, code, at.into(), message, hint);
    }

    pub fn note(&mut self, code: &'static str, at: impl Into<Place>, message: Words, hint: Words) {
        self.push(Severity::Note, code, at.into(), message, hint);
    }

    fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: Place,
        message: Words,
        hint: Words,
    ) {
        if self.list.len() >= KEPT {
            return;
        }
        let path = self
            .file(at.span.file)
            .map_or("", |(path, _)| path)
            .to_owned();
        let line = self.line(at.span);
        let len = if at.len > 0 {
            at.len
        } else {
            word_at(line, at.span.column)
        };
        // A line may be a megabyte.
        let mut source_line: String = line.chars().take(10_000).collect();
        if code == "secret-inline" {
            source_line = masked(&source_line, at.span.column, len);
        }
        let diagnostic = Diagnostic {
            severity,
            code,
            file: path,
            line: at.span.line.max(1),
            column: at.span.column.max(1),
            len,
            source_line,
            message,
            hint,
        };
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// In a file that has no text, by its path.
    pub fn error_in(
        &mut self,
        code: &'static str,
        path: &str,
        at: Span,
        message: Words,
        hint: Words,
    ) {
        let file = self.add_other(path, "");
        self.error(code, Span { file, ..at }, message, hint);
    }

    /// `main.flow.yaml:12`
    pub fn describe(&self, span: Span) -> String {
        let path = self.file(span.file).map_or("", |(path, _)| path);
        format!("{path}:{}", span.line)
    }

    pub fn count(&self) -> usize {
        self.list.len()
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by(|a, b| {
            (a.severity, &a.file, a.line, a.column).cmp(&(b.severity, &b.file, b.line, b.column))
        });
        self.list
    }
}

/// The line without what must not stand in a log.
fn masked(line: &str, column: u32, len: u32) -> String {
    let from = (column as usize).saturating_sub(1);
    let to = from + len as usize;
    let hide = |(at, c): (usize, char)| if (from..to).contains(&at) { '*' } else { c };
    line.chars().enumerate().map(hide).collect()
}

/// Length of the word at a column.
fn word_at(line: &str, column: u32) -> u32 {
    let stop = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':');
    let rest = line.chars().skip((column as usize).saturating_sub(1));
    u32::try_from(rest.take_while(|c| !stop(*c)).count())
        .unwrap_or(1)
        .max(1)
}

/// The known word nearest to `word`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > 100 {
        return None;
    }
    let lower = word.to_lowercase();
    let known: Vec<&str> = known.into_iter().filter(|k| k.len() <= 200).collect();
    let near = known
        .iter()
        .copied()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        .filter(|(distance, k)| {
            let longest = length.max(k.chars().count());
            *distance <= (longest / 3).max(1) && *distance < longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k);
    // `monday` for `mon`, `max` for `maximum`.
    near.or_else(|| {
        known.into_iter().find(|k| {
            let k = k.to_lowercase();
            k.len() >= 3 && lower.len() >= 3 && (lower.starts_with(&k) || k.starts_with(&lower))
        })
    })
}

/// "did you mean", or what there is.
pub(crate) fn suggest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    none: Words,
) -> Words {
    if let Some(near) = nearest(word, known.clone()) {
        return words(
            format!("did you mean `{near}`?"),
            format!("是不是想写 `{near}`？"),
        );
    }
    let mut all: Vec<&str> = known.into_iter().collect();
    all.sort_unstable();
    if all.is_empty() {
        return none;
    }
    let more = all.len() > 30;
    all.truncate(30);
    let end = if more { ", …" } else { "" };
    words(
        format!("known here: {}{end}", all.join(", ")),
        format!("这里可用的有：{}{end}", all.join("、")),
    )
}
