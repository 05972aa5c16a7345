//! What can be wrong with a configuration, said in English and Chinese. No message repeats a
//! value: what was written where a secret belongs must not end up in a log.

use std::fmt;

use serde::de;
use tandem_flow::diagnostic::Severity;

use super::{
    secret::LITERAL,
    tree::{Kind, Place},
};

/// Keeps the two languages of a message apart while it passes through serde, which knows one
/// string only.
const BETWEEN: char = '\u{1f}';

/// A message in both languages, as `de::Error::custom` takes it.
pub(super) fn said(en: impl fmt::Display, zh: impl fmt::Display) -> String {
    format!("{en}{BETWEEN}{zh}")
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub fault: Fault,
    pub place: Place,
    /// Keys and indexes from the root.
    pub path: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// Not YAML, or more of it than is read: why, in both languages.
    Syntax(String, String),
    /// The file cannot be read.
    File(String),
    UnknownKey {
        key: String,
        expected: Vec<String>,
    },
    UnknownWord {
        /// What was probably meant; what was written is not kept.
        meant: Option<String>,
        expected: Vec<String>,
    },
    WrongKind {
        found: Kind,
        wanted: Wanted,
    },
    Missing(String),
    /// Said by the type of the value.
    Value {
        en: String,
        zh: String,
    },
    /// A secret stands where a reference to one belongs.
    LiteralSecret,
    Named(Box<Named>),
}

/// What is wrong outside of the configuration, with something that it names: a channel's file, a
/// place of secrets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub code: &'static str,
    /// With a warning or a note the server may start all the same.
    pub severity: Severity,
    pub words: (String, String),
    pub hint: Option<(String, String)>,
}

/// What a setting takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    Kind(Kind),
    /// As its type says it.
    Said(String),
}

impl Wanted {
    /// Serde names what it expects in words of its own.
    fn of(expected: &dyn de::Expected) -> Self {
        let words = expected.to_string();
        let first = words.split(' ').next().unwrap_or_default();
        let kind = match words.as_str() {
            "a string" | "a text" | "path string" => Kind::Text,
            "a boolean" => Kind::Switch,
            "a sequence" => Kind::List,
            "a map" => Kind::Map,
            _ => match first {
                "struct" => Kind::Map,
                "u8" | "u16" | "u32" | "u64" | "usize" => Kind::Count,
                "i8" | "i16" | "i32" | "i64" | "f32" | "f64" => Kind::Number,
                _ => return Self::Said(words),
            },
        };
        Self::Kind(kind)
    }

    fn en(&self) -> &str {
        match self {
            Self::Kind(kind) => kind.en(),
            Self::Said(words) => words,
        }
    }

    fn zh(&self) -> &str {
        match self {
            Self::Kind(kind) => kind.zh(),
            Self::Said(words) => words,
        }
    }
}

impl Problem {
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            place: Place::Unknown,
            path: Vec::new(),
        }
    }

    pub fn at(fault: Fault, place: Place, path: Vec<String>) -> Self {
        Self { fault, place, path }
    }

    /// Where it happened, unless something further in knew already.
    pub fn within(mut self, place: &Place, path: &[String]) -> Self {
        if self.place == Place::Unknown {
            self.place = place.clone();
            self.path = path.to_vec();
        }
        self
    }
}

impl Fault {
    /// For machines and for the documentation.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(..) => "config.syntax",
            Self::File(_) => "config.file",
            Self::UnknownKey { .. } => "config.unknown_key",
            Self::UnknownWord { .. } => "config.unknown_word",
            Self::WrongKind { .. } => "config.type",
            Self::Missing(_) => "config.missing",
            Self::Value { .. } => "config.value",
            Self::LiteralSecret => "config.literal_secret",
            Self::Named(named) => named.code,
        }
    }

    pub fn severity(&self) -> Severity {
        match self {
            Self::Named(named) => named.severity,
            _ => Severity::Error,
        }
    }

    pub fn message(&self) -> (String, String) {
        match self {
            Self::Syntax(en, zh) => (
                format!("this is not readable as YAML: {en}"),
                format!("无法作为 YAML 读取：{zh}"),
            ),
            Self::File(why) => (
                format!("the configuration cannot be read: {why}"),
                format!("无法读取配置文件：{why}"),
            ),
            Self::UnknownKey { key, .. } => (
                format!("there is no setting called `{key}` here"),
                format!("这里没有名为 `{key}` 的设置"),
            ),
            Self::UnknownWord { .. } => (
                "this is not one of the words allowed here".to_owned(),
                "此处不允许使用这个词".to_owned(),
            ),
            Self::WrongKind { found, wanted } => (
                format!("{} stands here; wanted is {}", found.en(), wanted.en()),
                format!("此处是{}，需要的是：{}", found.zh(), wanted.zh()),
            ),
            Self::Missing(key) => (
                format!("`{key}` is missing here"),
                format!("此处缺少 `{key}`"),
            ),
            Self::Value { en, zh } => (en.clone(), zh.clone()),
            Self::LiteralSecret => (
                "a secret is never written into the configuration".to_owned(),
                "配置中不得直接写入密钥".to_owned(),
            ),
            Self::Named(named) => named.words.clone(),
        }
    }

    /// A way out, where one can be named.
    pub fn hint(&self) -> Option<(String, String)> {
        match self {
            Self::UnknownKey { key, expected } => {
                (!expected.is_empty()).then(|| hinted(closest(key, expected), expected))
            }
            Self::UnknownWord { meant, expected } => Some(hinted(meant.as_deref(), expected)),
            Self::LiteralSecret => Some((
                "name where it is kept: {env: NAME} or {file: /run/secrets/name}".to_owned(),
                "请写明存放位置：{env: 变量名} 或 {file: /run/secrets/文件名}".to_owned(),
            )),
            Self::Named(named) => named.hint.clone(),
            _ => None,
        }
    }
}

/// The word that was probably meant.
fn closest<'a>(word: &str, expected: &'a [String]) -> Option<&'a str> {
    expected
        .iter()
        .map(|known| {
            (
                strsim::damerau_levenshtein(&word.to_lowercase(), known),
                known,
            )
        })
        .filter(|(distance, known)| *distance <= 1 + known.chars().count() / 4)
        .min()
        .map(|(_, known)| known.as_str())
}

fn hinted(meant: Option<&str>, expected: &[String]) -> (String, String) {
    match meant {
        Some(meant) => (
            format!("did you mean `{meant}`?"),
            format!("是否想写 `{meant}`？"),
        ),
        None => listed(expected),
    }
}

fn listed(expected: &[String]) -> (String, String) {
    let list: Vec<String> = expected.iter().map(|word| format!("`{word}`")).collect();
    (
        format!("known here: {}", list.join(", ")),
        format!("此处可用：{}", list.join("、")),
    )
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message().0)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        if text == LITERAL {
            return Self::new(Fault::LiteralSecret);
        }
        let (en, zh) = match text.split_once(BETWEEN) {
            Some((en, zh)) => (en.to_owned(), zh.to_owned()),
            None => (text.clone(), text),
        };
        Self::new(Fault::Value { en, zh })
    }

    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::new(Fault::WrongKind {
            found: Kind::of(&found),
            wanted: Wanted::of(wanted),
        })
    }

    fn invalid_value(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn invalid_length(length: usize, wanted: &dyn de::Expected) -> Self {
        Self::custom(said(
            format!("{length} entries stand here; wanted is {wanted}"),
            format!("此处有 {length} 项，需要的是：{wanted}"),
        ))
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        let expected: Vec<String> = expected.iter().map(|&word| word.to_owned()).collect();
        Self::new(Fault::UnknownWord {
            meant: closest(word, &expected).map(str::to_owned),
            expected,
        })
    }

    fn unknown_field(key: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownKey {
            key: key.to_owned(),
            expected: expected.iter().map(|&word| word.to_owned()).collect(),
        })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Fault::Missing(key.to_owned()))
    }
}
