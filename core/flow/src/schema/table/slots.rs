//! Slots.

use super::{Shape, Ty, f, req};

pub(crate) static SLOT_TYPES: [&str; 14] = [
    "text", "integer", "number", "boolean", "date", "time", "datetime", "email", "phone", "url",
    "choice", "file", "object", "list",
];

pub(crate) static SLOT: Shape = Shape {
    name: "a slot",
    name_zh: "槽位",
    fields: &[
        req(
            "type",
            Ty::Enum(&SLOT_TYPES),
            "What kind of value it holds.",
            "值的类型。",
        ),
        f(
            "match",
            Ty::Pattern,
            "A regular expression the value satisfies (text).",
            "值要满足的正则表达式（text）。",
        ),
        f(
            "min_length",
            Ty::Int,
            "Fewest characters (text).",
            "最少字符数（text）。",
        ),
        f(
            "max_length",
            Ty::Int,
            "Most characters (text).",
            "最多字符数（text）。",
        ),
        f(
            "min",
            Ty::Num,
            "Smallest value (integer, number).",
            "最小值（integer、number）。",
        ),
        f(
            "max",
            Ty::Num,
            "Largest value (integer, number).",
            "最大值（integer、number）。",
        ),
        f(
            "options",
            Ty::Options,
            "Value → what it is called (choice).",
            "值 → 显示名称（choice）。",
        ),
        f(
            "accept",
            Ty::List(&Ty::Str),
            "Media types it takes, `image/*` (file).",
            "接受的文件类型，如 `image/*`（file）。",
        ),
        f(
            "max_mb",
            Ty::Num,
            "Largest size in MB (file).",
            "最大 MB 数（file）。",
        ),
        f(
            "sensitive",
            Ty::Bool,
            "Encrypted apart, never traced.",
            "单独加密保存，从不写入追踪。",
        ),
        f(
            "keep",
            Ty::Enum(&["flow", "conversation", "contact"]),
            "How long it lives: the flow, the conversation, or with the contact.",
            "保留多久：流程、会话或联系人。",
        ),
        f(
            "source",
            Ty::Enum(&["customer", "http", "lua", "plugin"]),
            "Who fills it; not the customer's words unless `customer`.",
            "由谁填写；除 `customer` 外不取客户的话。",
        ),
        f(
            "prepare",
            Ty::Func,
            "A Lua function that sees the whole message first.",
            "先处理整条消息的 Lua 函数。",
        ),
        f(
            "title",
            Ty::Text,
            "What it is called when the bot speaks of it.",
            "机器人提到它时的称呼。",
        ),
    ],
};

pub(crate) static CHOICE_OPTION: Shape = Shape {
    name: "an option",
    name_zh: "选项",
    fields: &[
        req("label", Ty::Text, "What it is called.", "显示名称。"),
        f(
            "synonyms",
            Ty::Phrases,
            "Further words for it.",
            "其他说法。",
        ),
    ],
};

/// Which keys belong to which slot type, apart from those of every slot.
pub(crate) static TYPE_KEYS: &[(&str, &[&str])] = &[
    ("match", &["text"]),
    ("min_length", &["text"]),
    ("max_length", &["text"]),
    ("min", &["integer", "number"]),
    ("max", &["integer", "number"]),
    ("options", &["choice"]),
    ("accept", &["file"]),
    ("max_mb", &["file"]),
];
