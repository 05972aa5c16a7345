//! Labelled messages from a file: one JSON object a line.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::lang::{Lang, Pick as _};

/// A longer line is no message.
const MAX_LINE: u64 = 4 << 20;
/// More messages are not read: they would not fit into memory with their readings.
const MAX_ROWS: usize = 2_000_000;
/// A split's messages out of scope stand in the split of this name and its.
const OUT_OF_SCOPE: &str = "oos_";

/// A message whose meaning is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub text: String,
    /// The turn before it.
    pub prev: String,
    /// None is out of scope.
    pub label: Option<String>,
    /// Other labels that are right as well.
    pub also: Vec<String>,
    /// The language it is written in, where the file says.
    pub locale: Option<String>,
}

/// Splits by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Data {
    pub splits: BTreeMap<String, Vec<Row>>,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    label: Option<String>,
    split: Option<String>,
    #[serde(default)]
    prev: Option<String>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    locale: Option<String>,
}

impl Data {
    /// Reads a file. Every error names the line and what it should be.
    pub(super) fn read(path: &Path, lang: Lang) -> anyhow::Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| {
            lang.pick(
                format!("{shown} could not be opened"),
                format!("无法打开 {shown}"),
            )
        })?;
        let mut data = Self::default();
        let mut reader = BufReader::new(file);
        let (mut number, mut rows) = (0_usize, 0_usize);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            number += 1;
            let read = (&mut reader)
                .take(MAX_LINE)
                .read_until(b'\n', &mut bytes)
                .with_context(|| format!("{shown}:{number}"))?;
            if read == 0 {
                break;
            }
            let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(bytes).map_err(|error| {
                let why = lang.pick(
                    format!(
                        "{shown}:{number}: this line is no labelled message: {error}. Each line is \
                         one JSON object: {{\"text\": \"…\", \"label\": \"…\", \"split\": \"train\"}}"
                    ),
                    format!(
                        "{shown}:{number}：这一行不是有标注的消息：{error}。每行一个 JSON 对象：\
                         {{\"text\": \"…\", \"label\": \"…\", \"split\": \"train\"}}"
                    ),
                );
                anyhow::Error::msg(why)
            })?;
            let split = line.split.unwrap_or_else(|| "train".to_owned());
            let (split, inside) = match split.strip_prefix(OUT_OF_SCOPE) {
                Some(name) => (name.to_owned(), false),
                None => (split, true),
            };
            if inside && line.label.as_ref().is_none_or(String::is_empty) {
                bail!(lang.pick(
                    format!("{shown}:{number}: a message of `{split}` needs a label; one that means none of them has the split `oos_{split}`"),
                    format!("{shown}:{number}：`{split}` 的消息需要 label；不属于任何一类的请把 split 写成 `oos_{split}`"),
                ));
            }
            rows += 1;
            if rows > MAX_ROWS {
                bail!(lang.pick(
                    format!("{shown} has more than {MAX_ROWS} messages; take a part of it"),
                    format!("{shown} 的消息超过 {MAX_ROWS} 条，请只取一部分"),
                ));
            }
            data.splits.entry(split).or_default().push(Row {
                text: line.text,
                prev: line.prev.unwrap_or_default(),
                label: line.label.filter(|_| inside),
                also: line.also,
                locale: line.locale,
            });
        }
        if data.splits.is_empty() {
            bail!(lang.pick(
                format!("{shown} is empty: there is nothing to learn from or to score"),
                format!("{shown} 是空的：没有可学习或评测的内容"),
            ));
        }
        Ok(data)
    }

    /// The messages of a split by language, where they are in several.
    pub(super) fn by_locale(rows: &[Row]) -> BTreeMap<&str, Vec<usize>> {
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            if let Some(locale) = &row.locale {
                places.entry(locale).or_default().push(at);
            }
        }
        if places.len() < 2 {
            places.clear();
        }
        places
    }

    /// Takes the messages to learn from out; none where no label is among them.
    pub(super) fn take_train(&mut self) -> Option<Vec<Row>> {
        let labelled = |rows: &Vec<Row>| rows.iter().any(|r| r.label.is_some());
        if self.splits.get("train").is_some_and(labelled) {
            self.splits.remove("train")
        } else {
            None
        }
    }

    /// Keeps one split only.
    pub(super) fn only(&mut self, name: &str, lang: Lang) -> anyhow::Result<()> {
        if !self.splits.contains_key(name) {
            let known: Vec<&str> = self.splits.keys().map(String::as_str).collect();
            let known = known.join(", ");
            bail!(lang.pick(
                format!("there is no split `{name}`; there are: {known}"),
                format!("没有名为 `{name}` 的 split；现有：{known}"),
            ));
        }
        self.splits.retain(|split, _| split == name);
        Ok(())
    }

    /// The language most messages are written in.
    pub(super) fn locale(&self) -> &'static str {
        let texts = self.splits.values().flatten().take(1_000);
        let (mut han, mut all) = (0_usize, 0_usize);
        for row in texts {
            for c in row.text.chars().take(200).filter(|c| c.is_alphabetic()) {
                all += 1;
                han += usize::from(('\u{3400}'..='\u{9FFF}').contains(&c));
            }
        }
        if 4 * han > all { "zh" } else { "en" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Data> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.jsonl");
        std::fs::write(&path, text).unwrap();
        Data::read(&path, Lang::En)
    }

    fn fails(text: &str) -> String {
        format!("{:#}", read(text).unwrap_err())
    }

    #[test]
    fn out_of_scope_messages_join_their_split() {
        let mut data = read(
            "\u{FEFF}{\"text\":\"a\",\"label\":\"x\",\"split\":\"train\"}\n\n\
             {\"text\":\"b\",\"label\":\"none\",\"split\":\"oos_valid\"}\r\n\
             {\"text\":\"c\",\"label\":\"x\",\"split\":\"valid\",\"prev\":\"p\",\"also\":[\"y\"]}",
        )
        .unwrap();
        let train = data.take_train().unwrap();
        assert_eq!(train[0].label.as_deref(), Some("x"));
        let valid = &data.splits["valid"];
        assert_eq!(valid[0].label, None);
        assert_eq!((valid[1].prev.as_str(), valid[1].also.len()), ("p", 1));
        assert!(data.only("test", Lang::En).is_err());
        assert!(data.only("valid", Lang::En).is_ok());
    }

    #[test]
    fn errors_name_the_line_and_a_way_out() {
        let good = "{\"text\":\"a\",\"label\":\"x\",\"split\":\"train\"}\n";
        let told = fails(&format!("{good}nonsense\n"));
        assert!(
            told.contains("data.jsonl:2") && told.contains("\"label\""),
            "{told}"
        );
        let told = fails(&format!("{good}{{\"text\":\"a\",\"split\":\"valid\"}}"));
        assert!(told.contains(":2") && told.contains("oos_valid"), "{told}");
        assert!(fails("").contains("empty"));
        assert!(fails("[1]\n").contains(":1"));
        let missing = Data::read(Path::new("/nowhere.jsonl"), Lang::Zh).unwrap_err();
        assert!(missing.to_string().contains("无法打开"));
    }

    #[test]
    fn the_language_is_seen() {
        let zh = read("{\"text\":\"我要退货 ok\",\"label\":\"x\"}").unwrap();
        assert_eq!(zh.locale(), "zh");
        let en = read("{\"text\":\"return it\",\"label\":\"x\"}").unwrap();
        assert_eq!(en.locale(), "en");
    }
}
