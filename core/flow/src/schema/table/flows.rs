//! Flows, and what stands inside their steps.

use super::{Field, Shape, Ty, f, req};

pub(crate) static FLOW: Shape = Shape {
    name: "a flow",
    name_zh: "流程",
    fields: &[
        f(
            "title",
            Ty::Text,
            "What it is called when the bot speaks of it.",
            "机器人提到它时的称呼。",
        ),
        f(
            "callable_only",
            Ty::Bool,
            "Only `call`, `link` and buttons start it.",
            "只能由 `call`、`link` 或按钮启动。",
        ),
        f(
            "start_when",
            Ty::Object(&START_WHEN),
            "What starts it.",
            "何时启动。",
        ),
        req(
            "steps",
            Ty::Steps,
            "What it does, in order.",
            "依次执行的步骤。",
        ),
    ],
};

pub(crate) static START_WHEN: Shape = Shape {
    name: "start_when",
    name_zh: "start_when",
    fields: &[
        f(
            "phrases",
            Ty::Phrases,
            "Examples of what customers say; learned from, not matched letter for letter.",
            "客户说法的例子，用于学习，不逐字匹配。",
        ),
        f("event", Ty::Word, "An API event.", "API 事件。"),
        f(
            "page",
            Ty::Either(&[Ty::Str, Ty::Object(&PAGE)]),
            "A page of the site, by a pattern over its address: `/cart*`.",
            "网站页面，地址模式：`/cart*`。",
        ),
        f("after", Ty::Dur, "How long on the page.", "停留多久。"),
        f(
            "media",
            Ty::Enum(&["image", "audio", "voice", "video", "file"]),
            "A message of this kind.",
            "此类消息。",
        ),
    ],
};

pub(crate) static PAGE: Shape = Shape {
    name: "page",
    name_zh: "page",
    fields: &[
        req(
            "url",
            Ty::Str,
            "A pattern over path and query: `/cart*`.",
            "路径和参数的模式：`/cart*`。",
        ),
        f("after", Ty::Dur, "How long on the page.", "停留多久。"),
    ],
};

pub(crate) static TRIGGER: Shape = Shape {
    name: "a handoff trigger",
    name_zh: "转人工触发条件",
    fields: &[
        f(
            "phrases",
            Ty::Phrases,
            "Examples of what customers say.",
            "客户说法的例子。",
        ),
        f(
            "if",
            Ty::Expr,
            "A condition, asked at every message.",
            "每条消息都判断的条件。",
        ),
        SKILL,
        PRIORITY,
        f(
            "hours",
            Ty::Word,
            "Opening hours of desk.yaml; outside them it leaves a ticket.",
            "desk.yaml 中的营业时间；时间外留工单。",
        ),
    ],
};

pub(crate) static TIMEOUT: Shape = Shape {
    name: "timeout",
    name_zh: "timeout",
    fields: &[
        req(
            "after",
            Ty::Dur,
            "How long without an answer.",
            "多久没有回答。",
        ),
        f("say", Ty::Say, "What is said then.", "到时说什么。"),
        f(
            "times",
            Ty::Int,
            "How often it is said (1).",
            "说几次（1）。",
        ),
        f(
            "then",
            Ty::Steps,
            "What happens after that.",
            "之后做什么。",
        ),
    ],
};

pub(crate) static RULE: Shape = Shape {
    name: "a rule",
    name_zh: "校验规则",
    fields: &[
        f("must", Ty::Expr, "What must hold.", "必须成立的条件。"),
        f(
            "lua",
            Ty::Func,
            "A Lua function: the value, or nil and a message.",
            "Lua 函数：返回值，或 nil 加提示。",
        ),
        f(
            "say",
            Ty::Say,
            "What is said where it does not.",
            "不成立时说什么。",
        ),
        f(
            "then",
            Ty::Steps,
            "What is done where it does not.",
            "不成立时做什么。",
        ),
    ],
};

/// The fields of `answer`, beside it or in one map.
pub(crate) static ANSWER_FIELDS: [Field; 2] = [
    f(
        "query",
        Ty::Tmpl,
        "What to look up; the last message by default.",
        "检索内容，默认是最后一条消息。",
    ),
    f(
        "tags",
        Ty::OneOrMany(&Ty::Str),
        "Only articles with one of these.",
        "仅限带这些标签的文章。",
    ),
];

pub(crate) static ANSWER: Shape = Shape {
    name: "answer",
    name_zh: "answer",
    fields: &ANSWER_FIELDS,
};

pub(crate) static MENU_OPTION: Shape = Shape {
    name: "a menu option",
    name_zh: "菜单选项",
    fields: &[
        req("label", Ty::Text, "What it is called.", "显示名称。"),
        f(
            "phrases",
            Ty::Phrases,
            "Further words for it.",
            "其他说法。",
        ),
        f("then", Ty::Steps, "What it leads to.", "选择后做什么。"),
        f(
            "if",
            Ty::Expr,
            "Offered only where this holds.",
            "条件成立时才显示。",
        ),
    ],
};

pub(crate) static TICKET: Shape = Shape {
    name: "ticket",
    name_zh: "ticket",
    fields: &[
        req("title", Ty::Text, "Its title.", "标题。"),
        f("fields", Ty::Args, "What else it holds.", "其他内容。"),
        f("skill", Ty::Word, "Who works on it.", "由哪个技能处理。"),
    ],
};

pub(crate) static WAIT: Shape = Shape {
    name: "wait",
    name_zh: "wait",
    fields: &[
        f("for", Ty::Dur, "How long.", "多久。"),
        f("event", Ty::Word, "Until this event.", "直到此事件。"),
        f(
            "on_timeout",
            Ty::Steps,
            "If the event does not come in time.",
            "事件未按时到来时。",
        ),
    ],
};

// What a handoff is told, beside its key or in one map.
const SKILL: Field = f("skill", Ty::Word, "The skill needed.", "所需技能。");
pub(super) const PRIORITY: Field = f(
    "priority",
    Ty::Tmpl,
    "`low`, `normal`, `high` or `urgent`.",
    "`low`、`normal`、`high` 或 `urgent`。",
);
pub(super) const SUMMARY: Field = f(
    "summary",
    Ty::Text,
    "What the person reads first.",
    "给接手者看的摘要。",
);
pub(super) const TAGS: Field = f(
    "tags",
    Ty::OneOrMany(&Ty::Str),
    "Words on the conversation.",
    "会话标签。",
);
pub(super) const MODE: Field = f(
    "mode",
    Ty::Enum(&["queue", "ticket", "callback"]),
    "Wait now, leave a ticket, or be called back.",
    "现在排队、留工单或回电。",
);
pub(super) const HOURS_FIELD: Field = f(
    "hours",
    Ty::Word,
    "Opening hours of desk.yaml.",
    "desk.yaml 中的营业时间。",
);
pub(super) const WHEN_CLOSED: Field = f(
    "when_closed",
    Ty::Steps,
    "Instead of the handoff, outside the hours.",
    "营业时间外改做这些。",
);
pub(super) const MAX_WAIT: Field = f(
    "max_wait",
    Ty::Dur,
    "How long to wait before `on_timeout`.",
    "等待多久后执行 `on_timeout`。",
);
pub(super) const ON_TIMEOUT: Field = f(
    "on_timeout",
    Ty::Steps,
    "What happens then, once.",
    "到时执行一次。",
);
pub(super) const AFTER: Field = f(
    "after",
    Ty::Steps,
    "When the person closes the conversation.",
    "人工结束会话之后。",
);

/// Everything in one map.
pub(crate) static HANDOFF: Shape = Shape {
    name: "`handoff`",
    name_zh: "`handoff`",
    fields: &[
        SKILL,
        PRIORITY,
        SUMMARY,
        TAGS,
        MODE,
        HOURS_FIELD,
        WHEN_CLOSED,
        MAX_WAIT,
        ON_TIMEOUT,
        AFTER,
    ],
};
