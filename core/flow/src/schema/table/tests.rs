//! Conversation tests.

use super::{PAGE, Shape, Ty, f, req};

pub(crate) static TEST: Shape = Shape {
    name: "a test",
    name_zh: "测试",
    fields: &[
        req("test", Ty::Str, "What it shows.", "测试内容。"),
        f(
            "locale",
            Ty::Word,
            "The customer's language.",
            "客户的语言。",
        ),
        f(
            "contact",
            Ty::Args,
            "What is known of the customer.",
            "客户的已知信息。",
        ),
        f(
            "clock",
            Ty::Str,
            "When it begins: `2025-03-03T10:00+01:00`.",
            "开始时间：`2025-03-03T10:00+01:00`。",
        ),
        f(
            "stub",
            Ty::Map(&Ty::Any),
            "Operation → what it answers.",
            "操作 → 返回内容。",
        ),
        req(
            "turns",
            Ty::Turns,
            "What is said and expected, in order.",
            "依次发生和期望的内容。",
        ),
    ],
};

/// One of these per turn.
pub(crate) static TURN: Shape = Shape {
    name: "a turn",
    name_zh: "一轮",
    fields: &[
        f(
            "user",
            Ty::Either(&[Ty::Str, Ty::Object(&USER)]),
            "The customer writes.",
            "客户输入。",
        ),
        f(
            "press",
            Ty::Str,
            "The customer presses the newest button of this label.",
            "客户点击最新的同名按钮。",
        ),
        f(
            "upload",
            Ty::Object(&UPLOAD),
            "The customer sends a file.",
            "客户上传文件。",
        ),
        f(
            "event",
            Ty::Either(&[Ty::Word, Ty::Object(&EVENT)]),
            "An event arrives.",
            "收到事件。",
        ),
        f(
            "page",
            Ty::Either(&[Ty::Str, Ty::Object(&PAGE)]),
            "The visitor is on a page of the site, for `after` by now.",
            "访客正在网站的某个页面，已停留 `after`。",
        ),
        f(
            "advance",
            Ty::Dur,
            "The clock moves on; due timers fire.",
            "时间前进，到期的定时器触发。",
        ),
        f(
            "agent",
            Ty::Object(&AGENT),
            "A person at the desk acts.",
            "坐席操作。",
        ),
        f(
            "bot",
            Ty::Either(&[Ty::Object(&BOT), Ty::List(&Ty::Object(&BOT))]),
            "Exactly what was said since the last input.",
            "自上次输入以来说过的全部内容。",
        ),
        f(
            "called",
            Ty::Map(&Ty::Object(&CALLED)),
            "Which operations were called.",
            "调用过哪些操作。",
        ),
        f(
            "handoff",
            Ty::Either(&[Ty::Str, Ty::Object(&HANDED)]),
            "The conversation went to a person.",
            "会话已转人工。",
        ),
        f("slot", Ty::Args, "What slots hold.", "槽位的值。"),
        f(
            "trace",
            Ty::Object(&TRACE),
            "What the trace shows or hides.",
            "追踪中显示或隐藏的内容。",
        ),
    ],
};

pub(crate) static USER: Shape = Shape {
    name: "user",
    name_zh: "user",
    fields: &[
        req("text", Ty::Str, "What is written.", "输入的文字。"),
        f(
            "id",
            Ty::Str,
            "The message's id, to send it twice.",
            "消息编号，用于重复发送。",
        ),
    ],
};

pub(crate) static UPLOAD: Shape = Shape {
    name: "upload",
    name_zh: "upload",
    fields: &[
        req("name", Ty::Str, "The file's name.", "文件名。"),
        req("mime", Ty::Str, "Its media type.", "文件类型。"),
        f("size_mb", Ty::Num, "Its size.", "大小（MB）。"),
    ],
};

pub(crate) static EVENT: Shape = Shape {
    name: "event",
    name_zh: "event",
    fields: &[
        req("name", Ty::Word, "The event's name.", "事件名称。"),
        f("data", Ty::Any, "What comes with it.", "附带的数据。"),
    ],
};

pub(crate) static AGENT: Shape = Shape {
    name: "agent",
    name_zh: "agent",
    fields: &[
        f("say", Ty::Str, "The person writes.", "坐席回复。"),
        f(
            "resolve",
            Ty::Bool,
            "The person closes the conversation.",
            "坐席结束会话。",
        ),
        f(
            "return",
            Ty::Bool,
            "The person gives it back to the bot.",
            "坐席交还给机器人。",
        ),
    ],
};

pub(crate) static BOT: Shape = Shape {
    name: "a message of the bot",
    name_zh: "机器人的一条消息",
    fields: &[
        f(
            "asks",
            Ty::Word,
            "The slot or menu it asks for.",
            "询问的槽位或菜单。",
        ),
        f("says", Ty::Word, "The response it says.", "所说的回复。"),
        f(
            "confirms",
            Ty::Word,
            "The form it asks to confirm.",
            "请求确认的表单。",
        ),
        f(
            "text",
            Ty::Str,
            "Its text, or `/a pattern/`.",
            "文本，或 `/正则/`。",
        ),
        f(
            "options",
            Ty::List(&Ty::Str),
            "The labels it offers, in order.",
            "依次列出的选项。",
        ),
    ],
};

pub(crate) static CALLED: Shape = Shape {
    name: "called",
    name_zh: "called",
    fields: &[
        f("times", Ty::Int, "How often.", "次数。"),
        f("with", Ty::Args, "A part of its arguments.", "部分参数。"),
    ],
};

pub(crate) static HANDED: Shape = Shape {
    name: "handoff",
    name_zh: "handoff",
    fields: &[
        f("skill", Ty::Word, "The skill asked for.", "所需技能。"),
        f("priority", Ty::Word, "The priority.", "优先级。"),
        f("mode", Ty::Word, "The mode.", "方式。"),
    ],
};

pub(crate) static TRACE: Shape = Shape {
    name: "trace",
    name_zh: "trace",
    fields: &[
        f(
            "hides",
            Ty::OneOrMany(&Ty::Str),
            "Texts that stand nowhere in it.",
            "不得出现的文字。",
        ),
        f(
            "shows",
            Ty::OneOrMany(&Ty::Str),
            "Texts that stand in it.",
            "应当出现的文字。",
        ),
    ],
};
