//! The table of what each channel can show and take is made from the channels themselves.
//! `UPDATE_DOCS=1` writes it anew.
#![allow(clippy::unwrap_used)]

use tandem_domain::{
    capabilities::{Capabilities, Choices, Limit, MediaBy, Outside, Pace, Unit},
    message::MediaKind,
};
use tandem_server::channels::Kinds;
use tandem_tests::root;

/// Words of one language.
struct Words {
    file: &'static str,
    head: &'static str,
    columns: [&'static str; 12],
    yes: &'static str,
    no: &'static str,
    always: &'static str,
    numbered: &'static str,
    units: [&'static str; 4],
    media: [&'static str; 4],
    upload: &'static str,
    address: &'static str,
    links: &'static str,
    templates: &'static str,
    messages: &'static str,
    brief: &'static str,
    second: &'static str,
    seconds: &'static str,
    hours: &'static str,
    a_chat: &'static str,
    a_group: &'static str,
}

const EN: Words = Words {
    file: "capabilities.md",
    head: "# What each channel can show and take\n\nMade from the channels themselves. What a channel cannot do is done in another way: choices become a list,\nquick replies or numbered lines, a card becomes picture, text and link, a medium that is not taken becomes a\nline. Lengths are those of one message; longer texts are split.\n\n> [中文](capabilities.zh.md)\n\n",
    columns: [
        "channel",
        "text",
        "buttons",
        "list",
        "quick replies",
        "media",
        "edit",
        "take back",
        "typing",
        "receipts",
        "after the customer wrote",
        "pace",
    ],
    yes: "yes",
    no: "–",
    always: "always",
    numbered: "–",
    units: ["characters", "bytes", "UTF-16 units", "graphemes"],
    media: ["pictures", "audio", "video", "files"],
    upload: "uploaded",
    address: "by address",
    links: "links",
    templates: "then templates",
    messages: "messages",
    brief: "; {span}, at most {quota}, after an event that is none",
    second: "/s",
    seconds: "s",
    hours: "h",
    a_chat: "a chat",
    a_group: "a group",
};

const ZH: Words = Words {
    file: "capabilities.zh.md",
    head: "# 各渠道能显示和接收什么\n\n本表由渠道代码生成。渠道做不到的，会换一种方式表达：选项依次变为列表、快捷回复或带编号的文字，卡片变为图片、文字和链接，\n不能发送的媒体变为一行文字。长度指一条消息的上限，更长的文字会被拆分。\n\n> [English](capabilities.md)\n\n",
    columns: [
        "渠道",
        "文字",
        "按钮",
        "列表",
        "快捷回复",
        "媒体",
        "编辑",
        "撤回",
        "正在输入",
        "回执",
        "客户发言后可发",
        "速率",
    ],
    yes: "可以",
    no: "–",
    always: "不限时",
    numbered: "–",
    units: ["个字符", "字节", "个 UTF-16 单元", "个字形"],
    media: ["图片", "音频", "视频", "文件"],
    upload: "上传",
    address: "按地址",
    links: "可含链接",
    templates: "之后只能发模板",
    messages: "条",
    brief: "；关注等非消息事件后 {span}，{quota} 条",
    second: "/秒",
    seconds: "秒",
    hours: "小时",
    a_chat: "每个会话",
    a_group: "每个群",
};

impl Words {
    fn limit(&self, limit: Limit) -> String {
        let unit = match limit.unit {
            Unit::Char => self.units[0],
            Unit::Byte => self.units[1],
            Unit::Utf16 => self.units[2],
            Unit::Grapheme => self.units[3],
        };
        format!("{} {unit}", limit.max)
    }

    fn choices(&self, choices: Option<Choices>) -> String {
        let Some(choices) = choices else {
            return self.numbered.to_owned();
        };
        let mut told = format!("{} × {}", choices.max, self.limit(choices.label));
        if choices.url {
            told += &format!(", {}", self.links);
        }
        told
    }

    fn media(&self, caps: &Capabilities) -> String {
        let kinds = [
            MediaKind::Image,
            MediaKind::Audio,
            MediaKind::Video,
            MediaKind::File,
        ];
        let told: Vec<String> = kinds
            .into_iter()
            .zip(self.media)
            .filter_map(|(kind, name)| {
                let limit = caps.media.get(&kind)?;
                let by = match limit.by {
                    MediaBy::Upload => self.upload,
                    MediaBy::Url => self.address,
                };
                let most = limit.max.map(|max| format!(", {} MB", max >> 20));
                Some(format!("{name} ({by}{})", most.unwrap_or_default()))
            })
            .collect();
        match told.is_empty() {
            true => self.no.to_owned(),
            false => told.join("; "),
        }
    }

    fn span(&self, secs: u64) -> String {
        match secs % 3600 {
            0 => format!("{} {}", secs / 3600, self.hours),
            _ => format!("{secs} {}", self.seconds),
        }
    }

    fn within(&self, secs: Option<i64>) -> String {
        match secs {
            None => self.no.to_owned(),
            Some(secs) => match u64::try_from(secs) {
                Ok(secs) => self.span(secs),
                Err(_) => self.always.to_owned(),
            },
        }
    }

    fn flag(&self, can: bool) -> String {
        (if can { self.yes } else { self.no }).to_owned()
    }

    fn window(&self, caps: &Capabilities) -> String {
        let Some(window) = caps.window else {
            return self.always.to_owned();
        };
        let mut told = self.span(window.secs);
        if let Some(quota) = window.quota {
            told += &format!(", {quota} {}", self.messages);
        }
        if let Some(brief) = window.brief {
            let quota = brief.quota.to_string();
            let told_brief = self.brief.replace("{span}", &self.span(brief.secs));
            told += &told_brief.replace("{quota}", &quota);
        }
        if window.outside == Outside::Template {
            told += &format!(", {}", self.templates);
        }
        told
    }

    fn pace(&self, caps: &Capabilities) -> String {
        let one = |pace: &Pace| match pace.secs {
            1 => format!("{}{}", pace.count, self.second),
            secs => format!("{}/{secs} {}", pace.count, self.seconds),
        };
        let rate = &caps.rate;
        let all = rate.account.iter().map(one);
        let chat = rate
            .chat
            .iter()
            .map(|p| format!("{} {}", one(p), self.a_chat));
        let group = rate
            .group
            .iter()
            .map(|p| format!("{} {}", one(p), self.a_group));
        let told: Vec<String> = all.chain(chat).chain(group).collect();
        match told.is_empty() {
            true => self.no.to_owned(),
            false => told.join(", "),
        }
    }

    fn row(&self, name: &str, caps: &Capabilities) -> String {
        let page = match self.file.ends_with(".zh.md") {
            true => format!("{name}.zh.md"),
            false => format!("{name}.md"),
        };
        let cells = [
            format!("[{name}]({page})"),
            self.limit(caps.text.limit()),
            self.choices(caps.buttons),
            self.choices(caps.list),
            self.choices(caps.quick_replies),
            self.media(caps),
            self.within(caps.edit_secs),
            self.within(caps.delete_secs),
            self.flag(caps.typing),
            self.flag(caps.receipts),
            self.window(caps),
            self.pace(caps),
        ];
        format!("| {} |\n", cells.join(" | "))
    }

    fn table(&self) -> String {
        let mut table = self.head.to_owned();
        table += &format!("| {} |\n", self.columns.join(" | "));
        table += &format!("|{}\n", "---|".repeat(self.columns.len()));
        for (name, caps) in Kinds::shipped().capabilities() {
            table += &self.row(name, &caps);
        }
        table
    }
}

/// Each channel's own test writes its lines; here is only looked whether one is missing.
#[test]
fn every_channel_was_put_to_the_suites() {
    for page in ["conformance.md", "conformance.zh.md"] {
        let page = std::fs::read_to_string(root().join("docs/channels").join(page)).unwrap();
        for (name, _) in Kinds::shipped().capabilities() {
            let lines = page.lines();
            let lines = lines.filter(|line| line.starts_with(&format!("| [{name}](")));
            assert_eq!(lines.count(), 2, "{name}: the way in and the way out");
        }
        assert!(page.contains("\n| web | ✓ |"));
    }
}

#[test]
fn the_table_of_capabilities_is_what_the_channels_say() {
    for words in [EN, ZH] {
        let path = root().join("docs/channels").join(words.file);
        let made = words.table();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(
            kept == made,
            "{} is old: UPDATE_DOCS=1 cargo test -p tandem-tests --test capabilities",
            words.file
        );
        // Every page it links to is there.
        for (name, _) in Kinds::shipped().capabilities() {
            let page = words.file.replace("capabilities", name);
            assert!(root().join("docs/channels").join(page).exists(), "{name}");
        }
    }
}
