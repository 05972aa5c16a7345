//! The menu under an Official Account's chat, as the configuration has it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_channel_kit::kind::Complaint;
use tandem_domain::message::{Inbound, InboundKind};

/// Entries side by side, and those that open above one of them.
const ENTRIES: [usize; 2] = [3, 5];
/// Bytes of their labels.
const LABELS: [usize; 2] = [16, 60];
/// Bytes of what an entry says, and of an address.
const SAY: usize = 128;
const URL: usize = 1024;

/// An entry. It says its label, or other words, opens a page, or opens entries of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<Self>,
}

impl Entry {
    /// What the customer says by pressing it; none where it opens something.
    #[must_use]
    pub fn said(&self) -> Option<&str> {
        let opens = self.url.is_some() || !self.menu.is_empty();
        (!opens).then(|| self.say.as_deref().unwrap_or(&self.label))
    }

    fn body(&self) -> Value {
        match (&self.url, self.said()) {
            (Some(url), _) => json!({"type": "view", "name": self.label, "url": url}),
            (None, Some(said)) => json!({"type": "click", "name": self.label, "key": said}),
            (None, None) => {
                let entries: Vec<Value> = self.menu.iter().map(Self::body).collect();
                json!({"name": self.label, "sub_button": entries})
            }
        }
    }
}

/// What WeChat is told.
#[must_use]
pub fn body(menu: &[Entry]) -> Value {
    let entries: Vec<Value> = menu.iter().map(Entry::body).collect();
    json!({"button": entries})
}

/// Puts the words of a pressed entry beside its key, so that they are read like the customer's own.
pub fn name(menu: &[Entry], event: &mut Inbound) {
    let InboundKind::Action { value, label } = &mut event.kind else {
        return;
    };
    let all = menu
        .iter()
        .flat_map(|entry| std::iter::once(entry).chain(&entry.menu));
    if label.is_none() && all.filter_map(Entry::said).any(|said| said == value) {
        *label = Some(value.clone());
    }
}

/// What WeChat would not take.
#[must_use]
pub fn objections(menu: &[Entry]) -> Vec<Complaint> {
    let mut wrong = Vec::new();
    look(menu, 0, &["menu".to_owned()], &mut wrong);
    wrong
}

fn look(menu: &[Entry], depth: usize, path: &[String], wrong: &mut Vec<Complaint>) {
    let mut object = |path: &[String], en: String, zh: String| {
        let path = path.to_vec();
        wrong.push(Complaint { path, en, zh });
    };
    let most = ENTRIES[depth];
    if menu.len() > most {
        object(
            path,
            format!("WeChat shows at most {most} entries here"),
            format!("微信此处最多显示 {most} 个菜单项"),
        );
    }
    let mut deeper = Vec::new();
    for (at, entry) in menu.iter().enumerate() {
        let here = [path, &[at.to_string()]].concat();
        let mut at = |name: &str, en: String, zh: String| {
            object(&[here.as_slice(), &[name.to_owned()]].concat(), en, zh);
        };
        let most = LABELS[depth];
        if entry.label.trim().is_empty() || entry.label.len() > most {
            at(
                "label",
                format!(
                    "a label here has 1 to {most} bytes: {} Chinese characters",
                    most / 3
                ),
                format!("此处的名称为 1 到 {most} 字节，即至多 {} 个汉字", most / 3),
            );
        }
        let does = [
            entry.say.is_some(),
            entry.url.is_some(),
            !entry.menu.is_empty(),
        ];
        if does.into_iter().filter(|does| *does).count() > 1 {
            at(
                "label",
                "an entry does one thing: `say`, `url` or `menu`".to_owned(),
                "一个菜单项只做一件事：`say`、`url` 或 `menu`".to_owned(),
            );
        }
        if entry
            .said()
            .is_some_and(|said| said.is_empty() || said.len() > SAY)
        {
            at(
                "say",
                format!("these words have 1 to {SAY} bytes"),
                format!("此处的文字为 1 到 {SAY} 字节"),
            );
        }
        let web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if entry
            .url
            .as_deref()
            .is_some_and(|url| !web(url) || url.len() > URL)
        {
            at(
                "url",
                format!("this is an http or https address of at most {URL} bytes"),
                format!("此处为至多 {URL} 字节的 http 或 https 地址"),
            );
        }
        match (depth, entry.menu.is_empty()) {
            (_, true) => {}
            (0, false) => deeper.push((here.clone(), entry)),
            _ => at(
                "menu",
                "WeChat's menus have two levels".to_owned(),
                "微信菜单只有两级".to_owned(),
            ),
        }
    }
    for (here, entry) in deeper {
        let path = [here, vec!["menu".to_owned()]].concat();
        look(&entry.menu, depth + 1, &path, wrong);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(menu: Value) -> Vec<Entry> {
        serde_json::from_value(menu).unwrap()
    }

    #[test]
    fn a_menu_is_told_as_wechat_wants_it() {
        let menu = read(json!([
            {"label": "查订单", "say": "我的订单到哪了"},
            {"label": "更多", "menu": [{"label": "官网", "url": "https://shop.test"}, {"label": "人工"}]},
        ]));
        assert_eq!(objections(&menu), []);
        let told = json!({"button": [
            {"type": "click", "name": "查订单", "key": "我的订单到哪了"},
            {"name": "更多", "sub_button": [
                {"type": "view", "name": "官网", "url": "https://shop.test"},
                {"type": "click", "name": "人工", "key": "人工"},
            ]},
        ]});
        assert_eq!(body(&menu), told);
    }

    #[test]
    fn what_wechat_does_not_take_is_said_with_its_place() {
        let places = |menu: Value| -> Vec<String> {
            let found = objections(&read(menu));
            found.iter().map(|c| c.path.join(".")).collect()
        };
        let four = json!([{"label": "a"}, {"label": "b"}, {"label": "c"}, {"label": "d"}]);
        assert_eq!(places(four), ["menu"]);
        let wrong = json!([
            {"label": "六个字太长了"},
            {"label": "a", "say": "x", "url": "https://x.test"},
            {"label": "b", "menu": [
                {"label": "c", "url": "ftp://x"}, {"label": "d", "menu": [{"label": "e"}]},
            ]},
        ]);
        let expected = [
            "menu.0.label",
            "menu.1.label",
            "menu.2.menu.0.url",
            "menu.2.menu.1.menu",
        ];
        assert_eq!(places(wrong), expected);
    }
}
