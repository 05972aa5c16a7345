//! The kinds of steps.

use super::{
    AFTER, ANSWER, ANSWER_FIELDS, Field, HANDOFF, HOURS_FIELD, Kind, MAX_WAIT, MENU_OPTION, MODE,
    ON_TIMEOUT, PRIORITY, RULE, SUMMARY, TAGS, TICKET, TIMEOUT, Ty, WAIT, WHEN_CLOSED, f, kind,
    req,
};

/// The fields of every step.
pub(crate) static COMMON: [Field; 2] = [
    f(
        "id",
        Ty::Word,
        "Its name, for `goto`, and for conversations that run while the flow is edited.",
        "步骤名称，供 `goto` 使用，也让进行中的会话在流程修改后能对上。",
    ),
    f(
        "if",
        Ty::Expr,
        "The step is skipped where this does not hold.",
        "条件不成立时跳过此步骤。",
    ),
];

/// The fields beside `collect`.
pub(crate) static COLLECT: [Field; 10] = [
    f("ask", Ty::Say, "The question.", "提问。"),
    f(
        "options_from",
        Ty::Expr,
        "A list to choose from.",
        "可选项列表。",
    ),
    f(
        "label",
        Ty::Text,
        "How an option of the list reads; `it` is the option.",
        "选项的显示文字，`it` 是选项本身。",
    ),
    f(
        "validate",
        Ty::List(&Ty::Object(&RULE)),
        "What an answer must satisfy.",
        "答案要满足的规则。",
    ),
    f(
        "max_attempts",
        Ty::Int,
        "Failed answers after which it gives up.",
        "答错几次后放弃。",
    ),
    f(
        "on_give_up",
        Ty::Steps,
        "What happens then.",
        "放弃后做什么。",
    ),
    f("optional", Ty::Bool, "May be skipped.", "可以跳过。"),
    f(
        "always_ask",
        Ty::Bool,
        "Asked even where it is filled.",
        "已有值也要问。",
    ),
    f(
        "digressions",
        Ty::Bool,
        "False: only cancel and handoff interrupt.",
        "false：只有取消和转人工能打断。",
    ),
    f(
        "timeout",
        Ty::Object(&TIMEOUT),
        "What happens without an answer.",
        "没有回答时怎么办。",
    ),
];

/// The fields beside `handoff`.
pub(crate) static HANDOFF_FIELDS: [Field; 9] = [
    PRIORITY,
    SUMMARY,
    TAGS,
    MODE,
    HOURS_FIELD,
    WHEN_CLOSED,
    MAX_WAIT,
    ON_TIMEOUT,
    AFTER,
];

// What several kinds have beside them.
const VIA: Field = f(
    "via",
    Ty::Word,
    "On another channel of the business.",
    "改用另一个渠道。",
);
const TO: Field = f("to", Ty::Tmpl, "The address there.", "该渠道上的地址。");
const SAVE: Field = f(
    "save",
    Ty::Word,
    "A slot for its result.",
    "保存结果的槽位。",
);
const EFFECT: Field = f(
    "effect",
    Ty::Enum(&["read", "write"]),
    "`write` changes something: never repeated by a correction.",
    "`write` 会产生改动：更正时不会重复执行。",
);
const ONCE_PER: Field = f(
    "once_per",
    Ty::OneOrMany(&Ty::Expr),
    "Once per contact and these values.",
    "每位联系人对这些值只执行一次。",
);
const ONCE_FOR: Field = f(
    "for",
    Ty::Dur,
    "How long `once_per` holds (30d).",
    "`once_per` 的有效期（30d）。",
);
const RETRY: Field = f("retry", Ty::Int, "Further attempts.", "重试次数。");
const TIME: Field = f("timeout", Ty::Dur, "How long it may take.", "超时时间。");
const ON_ERROR: Field = f(
    "on_error",
    Ty::Steps,
    "What happens if it fails.",
    "失败时做什么。",
);
const FILL: Field = f(
    "with",
    Ty::Args,
    "Slots to fill before.",
    "事先填写的槽位。",
);
const ARGS: Field = f("with", Ty::Args, "Its arguments.", "参数。");

pub(crate) static KINDS: &[Kind] = &[
    kind("say", Ty::Say, "Says something.", "说一段话。", &[VIA, TO]),
    kind(
        "collect",
        Ty::Word,
        "Asks for a slot.",
        "询问一个槽位。",
        &COLLECT,
    ),
    kind(
        "form",
        Ty::Word,
        "Asks for several slots, in any order.",
        "询问多个槽位，顺序不限。",
        &[
            req("collect", Ty::Fields, "Its questions.", "要问的内容。"),
            f(
                "validate",
                Ty::List(&Ty::Object(&RULE)),
                "What the answers must satisfy together.",
                "各答案要共同满足的规则。",
            ),
            f(
                "confirm",
                Ty::Say,
                "Asked before going on.",
                "继续之前的确认。",
            ),
        ],
    ),
    kind(
        "menu",
        Ty::Word,
        "Offers a choice of ways to go on.",
        "给出几个去向供选择。",
        &[
            f("ask", Ty::Say, "The question.", "提问。"),
            req(
                "options",
                Ty::List(&Ty::Object(&MENU_OPTION)),
                "The ways.",
                "选项。",
            ),
            f("else", Ty::Steps, "For any other answer.", "其他回答时。"),
        ],
    ),
    kind(
        "faq",
        Ty::Str,
        "Opens the FAQ menu at a node.",
        "打开常见问题菜单的某个节点。",
        &[],
    ),
    kind(
        "switch",
        Ty::Expr,
        "Goes by a value.",
        "按值分支。",
        &[
            req(
                "cases",
                Ty::Map(&Ty::Steps),
                "Value → steps.",
                "值 → 步骤。",
            ),
            f("else", Ty::Steps, "For any other value.", "其他值时。"),
        ],
    ),
    kind("set", Ty::Args, "Fills slots.", "给槽位赋值。", &[]),
    kind(
        "goto",
        Ty::Word,
        "Jumps to a step of the same flow.",
        "跳到同一流程的某个步骤。",
        &[
            f(
                "max",
                Ty::Int,
                "How often it may be taken.",
                "最多跳转次数。",
            ),
            f(
                "else",
                Ty::Steps,
                "What happens after that.",
                "超过之后做什么。",
            ),
        ],
    ),
    kind(
        "call",
        Ty::Word,
        "Runs a flow and comes back.",
        "运行另一个流程后返回。",
        &[
            FILL,
            f(
                "save",
                Ty::Word,
                "A slot for its outcome.",
                "保存其结果的槽位。",
            ),
        ],
    ),
    kind(
        "link",
        Ty::Word,
        "Goes over to a flow.",
        "转到另一个流程。",
        &[FILL],
    ),
    kind(
        "http",
        Ty::Str,
        "Calls an operation of a connection: `shop.find_order`.",
        "调用连接的操作：`shop.find_order`。",
        &[
            ARGS,
            f(
                "save",
                Ty::Word,
                "A slot for the answer.",
                "保存结果的槽位。",
            ),
            EFFECT,
            ONCE_PER,
            ONCE_FOR,
            RETRY,
            TIME,
            f(
                "on_error",
                Ty::Map(&Ty::Steps),
                "Status, error code or `other` → steps.",
                "状态码、错误码或 `other` → 步骤。",
            ),
        ],
    ),
    kind(
        "lua",
        Ty::Func,
        "Runs a Lua function.",
        "运行 Lua 函数。",
        &[
            f("with", Ty::Args, "The table it gets.", "传给函数的表。"),
            SAVE,
            TIME,
            ON_ERROR,
        ],
    ),
    kind(
        "plugin",
        Ty::Str,
        "Runs a plugin's method: `parcel.track`.",
        "运行插件的方法：`parcel.track`。",
        &[
            ARGS,
            SAVE,
            EFFECT,
            ONCE_PER,
            ONCE_FOR,
            RETRY,
            TIME,
            f(
                "on_error",
                Ty::Either(&[Ty::Steps, Ty::Map(&Ty::Steps)]),
                "What happens if it fails: steps, or code → steps with `other` for the rest.",
                "失败时怎么办：步骤，或错误码 → 步骤，其余用 `other`。",
            ),
        ],
    ),
    kind(
        "answer",
        Ty::Either(&[Ty::Tmpl, Ty::Object(&ANSWER)]),
        "Answers from the knowledge.",
        "用知识库回答。",
        &ANSWER_FIELDS,
    ),
    kind(
        "handoff",
        Ty::Either(&[Ty::Str, Ty::Object(&HANDOFF)]),
        "Hands the conversation to people with a skill.",
        "把会话交给具备某技能的人。",
        &HANDOFF_FIELDS,
    ),
    kind(
        "ticket",
        Ty::Object(&TICKET),
        "Leaves a ticket.",
        "留一张工单。",
        &[VIA, TO],
    ),
    kind(
        "wait",
        Ty::Object(&WAIT),
        "Waits for a time or an event.",
        "等待一段时间或一个事件。",
        &[],
    ),
    kind(
        "remind",
        Ty::Say,
        "Says something later.",
        "稍后提醒。",
        &[
            f("after", Ty::Dur, "How much later.", "多久以后。"),
            f(
                "at",
                Ty::Tmpl,
                "When: a date or time.",
                "何时：日期或时间。",
            ),
            f(
                "refresh",
                Ty::Steps,
                "Run before it is said.",
                "提醒前先执行。",
            ),
            f(
                "unless",
                Ty::Expr,
                "Not said where this holds.",
                "条件成立则不提醒。",
            ),
            f(
                "quiet_hours",
                Ty::Str,
                "`22:00-08:00`: it waits for their end.",
                "`22:00-08:00`：等到时段结束再发。",
            ),
            VIA,
            TO,
        ],
    ),
    kind(
        "tag",
        Ty::OneOrMany(&Ty::Str),
        "Puts a word on the conversation.",
        "给会话加标签。",
        &[],
    ),
    kind(
        "end",
        Ty::Str,
        "Ends the flow; `resolved` also closes the conversation.",
        "结束流程；`resolved` 同时关闭会话。",
        &[],
    ),
];

/// `if` beside `then`.
pub(crate) static BRANCH: Kind = kind(
    "if",
    Ty::Expr,
    "Goes one way or the other.",
    "按条件分支。",
    &[
        req("then", Ty::Steps, "Where it holds.", "成立时。"),
        f("else", Ty::Steps, "Where it does not.", "不成立时。"),
    ],
);
