//! What is wrong with a channel's file or its fixtures, in English and Chinese.

use std::fmt;

use serde::Serialize;
use tandem_lua::LuaError;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file is not used.
    Error,
    Warning,
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    pub en: String,
    pub zh: String,
}

#[must_use]
pub fn words(en: impl Into<String>, zh: impl Into<String>) -> Words {
    Words {
        en: en.into(),
        zh: zh.into(),
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// For machines: `lua`, `caps`, `config`, `fixture`, `signature`.
    pub code: &'static str,
    /// The file's name.
    pub file: String,
    /// From 1; 0 where it belongs to the file as a whole.
    pub line: u32,
    pub message: Words,
    /// A way out.
    pub hint: Option<Words>,
}

impl Problem {
    #[must_use]
    pub fn error(code: &'static str, file: &str, line: u32, message: Words) -> Self {
        Self {
            severity: Severity::Error,
            code,
            file: file.to_owned(),
            line,
            message,
            hint: None,
        }
    }

    #[must_use]
    pub fn warning(code: &'static str, file: &str, line: u32, message: Words) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, file, line, message)
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: Words) -> Self {
        self.hint = Some(hint);
        self
    }

    /// A failure of the script itself, at its place.
    #[must_use]
    pub(crate) fn lua(file: &str, error: &LuaError) -> Self {
        let text = &error.message;
        Self::error(
            "lua",
            file,
            error.line.unwrap_or(0),
            words(
                format!("the script failed: {text}"),
                format!("脚本出错：{text}"),
            ),
        )
    }

    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message.en),
            line => write!(f, "{}:{line}: {}", self.file, self.message.en),
        }
    }
}

/// Whether none of them keeps the file from being used.
#[must_use]
pub fn usable(problems: &[Problem]) -> bool {
    !problems.iter().any(Problem::is_error)
}
