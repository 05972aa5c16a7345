//! From the JSON of a file to types, with every mistake placed and said in both languages.

use serde::de::DeserializeOwned;
use tandem_domain::Value;

use crate::problem::{Words, words};

/// What a value is not, and where: `caps.text.max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misread {
    pub path: String,
    pub words: Words,
}

impl Misread {
    /// The last name of the path: what to look for in the source.
    pub fn key(&self) -> &str {
        let end = self.path.rsplit('.').next().unwrap_or_default();
        end.split('[').next().unwrap_or_default()
    }
}

/// Reads a value as `T`; `root` begins the paths of mistakes.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value, root: &str) -> Result<T, Misread> {
    // Where nothing is wrong, nobody asks where.
    if let Ok(read) = T::deserialize(value) {
        return Ok(read);
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let path = match inner.as_str() {
            "." | "" => root.to_owned(),
            inner if inner.starts_with('[') => format!("{root}{inner}"),
            inner => format!("{root}.{inner}"),
        };
        let text = error.into_inner().to_string();
        let zh = chinese(&text);
        Misread {
            words: words(format!("{path}: {text}"), format!("{path}：{zh}")),
            path,
        }
    })
}

/// A table without entries does not say that it is a list; where one is wanted, it is.
pub(crate) fn listed(value: &mut Value) {
    if value.as_object().is_some_and(tandem_domain::Map::is_empty) {
        *value = Value::Array(Vec::new());
    }
}

/// Serde's few sentences in Chinese; what it says otherwise is left as it is.
fn chinese(text: &str) -> String {
    let mut zh = text.to_owned();
    for (en, other) in [
        ("unknown field", "未知字段"),
        ("unknown variant", "不认识的取值"),
        ("missing field", "缺少字段"),
        ("invalid type:", "类型不符："),
        ("invalid value:", "取值不符："),
        (
            "data did not match any variant of untagged enum",
            "不符合任何一种写法：",
        ),
        (", expected one of", "，可用的有"),
        (", expected", "，需要的是"),
        ("there are no fields", "此处没有字段"),
        ("a sequence", "列表"),
        ("a map", "表"),
        ("a string", "文本"),
        ("a boolean", "true 或 false"),
        ("boolean", "布尔值"),
        ("string", "文本"),
        ("integer", "整数"),
        ("floating point", "小数"),
        (
            "write 5, {count = 100, secs = 60}, or a list of such",
            "请写 5、{count = 100, secs = 60}，或由它们组成的列表",
        ),
        (" or ", " 或 "),
    ] {
        zh = zh.replace(en, other);
    }
    zh
}

/// The line (from 1) on which a table of the file gives a field its value, after the line that
/// first gives `within` one. 0 when there is none.
pub(crate) fn line_of(source: &str, within: &str, key: &str) -> u32 {
    let gives = |line: &str, name: &str| {
        line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let open = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
            open && line[at + name.len()..].trim_start().starts_with('=')
        })
    };
    let number = |at: usize| u32::try_from(at + 1).unwrap_or(0);
    let Some(first) = source.lines().position(|line| gives(line, within)) else {
        return 0;
    };
    source
        .lines()
        .enumerate()
        .skip(first)
        .find(|(_, line)| gives(line, key))
        .map_or(number(first), |(at, _)| number(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_where_it_gets_its_value() {
        let source =
            "local max = 1\nreturn {\n  caps = {\n    text = {max = 3}, dmax = 4,\n  },\n}";
        assert_eq!(line_of(source, "caps", "max"), 4);
        assert_eq!(line_of(source, "caps", "dmax"), 4);
        assert_eq!(line_of(source, "caps", "nothing"), 3);
        assert_eq!(line_of(source, "config", "max"), 0);
    }
}
