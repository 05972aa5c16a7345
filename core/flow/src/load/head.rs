//! pack.yaml.

use tandem_domain::Locale;

use super::{tree, yaml::Node};
use crate::{
    diagnostic::{Problems, words},
    model::Limits,
    schema::table,
};

/// What it says.
pub(super) struct Head {
    pub name: String,
    pub locales: Vec<Locale>,
    pub zone: jiff::tz::TimeZone,
    pub zone_name: String,
    pub default_skill: String,
    pub default_skill_at: crate::diagnostic::Place,
    pub limits: Limits,
    pub answer_unmatched: bool,
}

pub(super) fn head(file: u32, text: &str, problems: &mut Problems) -> Option<Head> {
    let node = tree(file, text, &table::PACK, &[], problems)?;
    let mut locales: Vec<Locale> = Vec::new();
    for item in node.get("locales").and_then(Node::seq).unwrap_or_default() {
        let tag = item.text().unwrap_or_default();
        let fine = tag.len() <= 20
            && tag.split('-').enumerate().all(|(at, part)| match at {
                0 => (2..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_lowercase()),
                _ => {
                    (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
                }
            });
        if !fine {
            problems.error(
                "bad-locale",
                item.place(),
                words(
                    format!("`{tag}` is no language tag"),
                    format!("`{tag}` 不是语言标签"),
                ),
                words(
                    "write it as `en`, `zh` or `pt-BR`",
                    "请写成 `en`、`zh` 或 `pt-BR`",
                ),
            );
        } else if locales.iter().any(|l| l.as_str() == tag) {
            problems.error(
                "duplicate-name",
                item.place(),
                words(format!("`{tag}` is here twice"), format!("`{tag}` 重复")),
                words("remove one", "请删去一个"),
            );
        } else {
            locales.push(Locale::new(tag));
        }
    }
    if let Some(list) = node.get("locales")
        && locales.is_empty()
    {
        problems.error(
            "missing-key",
            list.place(),
            words("a pack needs a language", "业务包至少要有一种语言"),
            words("write `locales: [en]`", "请写 `locales: [zh]`"),
        );
    }
    let zone_name = node
        .get("time_zone")
        .and_then(Node::text)
        .unwrap_or("UTC")
        .to_owned();
    let zone = match jiff::tz::TimeZone::get(&zone_name) {
        Ok(zone) => zone,
        Err(_) => {
            let known: Vec<String> = jiff::tz::db()
                .available()
                .map(|name| name.to_string())
                .collect();
            let hint =
                match crate::diagnostic::nearest(&zone_name, known.iter().map(String::as_str)) {
                    Some(near) => words(
                        format!("did you mean `{near}`?"),
                        format!("是不是想写 `{near}`？"),
                    ),
                    None => words("write it as `Europe/Berlin`", "请写成 `Asia/Shanghai`"),
                };
            problems.error(
                "unknown-zone",
                node.get("time_zone").map_or(node.place(), Node::place),
                words(
                    format!("there is no time zone `{zone_name}`"),
                    format!("没有时区 `{zone_name}`"),
                ),
                hint,
            );
            jiff::tz::TimeZone::UTC
        }
    };
    let mut limits = Limits::default();
    for (key, target) in [
        ("attempts", &mut limits.attempts),
        ("jumps", &mut limits.jumps),
        ("steps_per_turn", &mut limits.steps_per_turn),
        ("repair", &mut limits.repair),
        ("session_minutes", &mut limits.session_minutes),
    ] {
        let Some(value) = node.get("limits").and_then(|l| l.get(key)) else {
            continue;
        };
        match value.int().and_then(|n| u32::try_from(n).ok()) {
            Some(n) if n > 0 => *target = n,
            Some(_) => problems.error(
                "wrong-type",
                value.place(),
                words(
                    format!("`{key}` is at least 1"),
                    format!("`{key}` 至少为 1"),
                ),
                words("remove it to use the default", "删去即使用默认值"),
            ),
            None => {}
        }
    }
    let skill = node.get("default_skill");
    let name = node.get("name").and_then(Node::text)?.to_owned();
    (!locales.is_empty()).then_some(Head {
        name,
        locales,
        zone,
        zone_name,
        default_skill: skill.and_then(Node::text).unwrap_or("general").to_owned(),
        default_skill_at: skill.map_or(node.place(), Node::place),
        limits,
        answer_unmatched: node
            .get("answer_unmatched")
            .and_then(Node::bool)
            .unwrap_or(true),
    })
}
