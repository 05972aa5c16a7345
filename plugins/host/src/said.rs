//! What the host says to the people who run the server, in English and Chinese.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use tandem_plugin_abi::table::BodyError;
use tandem_plugin_sdk::wire::Unreadable;

/// One sentence in both languages; shown as English.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub en: String,
    pub zh: String,
}

impl Said {
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self {
            en: en.into(),
            zh: zh.into(),
        }
    }

    /// This, and then the other.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self::new(
            format!("{}; {}", self.en, other.en),
            format!("{}；{}", self.zh, other.zh),
        )
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// Words of somebody else, which stay as they are: a plugin's, the system's, a person's.
impl From<String> for Said {
    fn from(words: String) -> Self {
        let zh = words.clone();
        Self { en: words, zh }
    }
}

/// As from a `String`.
impl From<&str> for Said {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

impl From<BodyError> for Said {
    fn from(error: BodyError) -> Self {
        let zh = match error {
            BodyError::Null { len } => format!("内容没有地址，却声明有 {len} 字节"),
            BodyError::Length { len, cap } => format!("内容有 {len} 字节，容量只有 {cap}"),
            BodyError::TooLarge { len, most } => format!("内容有 {len} 字节，最多接受 {most} 字节"),
        };
        Self::new(error.to_string(), zh)
    }
}

impl From<Unreadable> for Said {
    fn from(error: Unreadable) -> Self {
        let zh = match &error {
            Unreadable::Text(why) => {
                format!("不是 UTF-8：第 {} 字节之后无法读取", why.valid_up_to())
            }
            Unreadable::Json(why) => {
                let at = format!("第 {} 行第 {} 列", why.line(), why.column());
                match why.classify() {
                    Category::Eof => format!("JSON 不完整，止于{at}"),
                    Category::Syntax => format!("不是 JSON：{at}有误"),
                    // What was wanted there is in the words of the types.
                    Category::Data | Category::Io => format!("JSON 的内容不符：{why}"),
                }
            }
        };
        Self::new(error.to_string(), zh)
    }
}

impl From<serde_json::Error> for Said {
    fn from(error: serde_json::Error) -> Self {
        Unreadable::Json(error).into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tandem_plugin_sdk::wire::{Manifest, read};

    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let value = |bytes: &[u8]| Said::from(read::<Value>(bytes).unwrap_err());
        let cut = value(b"{\n\"a\"");
        assert!(cut.en.contains("line 2 column 3"), "{cut}");
        assert_eq!(cut.zh, "JSON 不完整，止于第 2 行第 3 列");
        assert_eq!(value(b"{oops").zh, "不是 JSON：第 1 行第 2 列有误");
        let text = value(b"\"a\xff");
        assert!(text.en.starts_with("not UTF-8"), "{text}");
        assert_eq!(text.zh, "不是 UTF-8：第 2 字节之后无法读取");
        let shape = Said::from(read::<Manifest>(b"{}").unwrap_err());
        assert!(
            shape.zh.starts_with("JSON 的内容不符：missing field"),
            "{shape:?}"
        );
    }
}
