//! What may stand where: the one table that the loader validates against and the JSON Schemas are
//! written from.

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Ty {
    /// Any scalar, as written.
    Str,
    /// A name without spaces.
    Word,
    Bool,
    Int,
    Num,
    /// `7d`, `10m`, `1h30m`
    Dur,
    /// An expression.
    Expr,
    /// A text that may hold `{{ }}`, the same in every language.
    Tmpl,
    /// A text, or a text per locale.
    Text,
    Pattern,
    /// `module.function`
    Func,
    /// Examples, or examples per locale.
    Phrases,
    Response,
    /// A response's name, a text, or a message.
    Say,
    Steps,
    /// The fields of a form.
    Fields,
    /// The options of a choice.
    Options,
    /// What a person writes or sees in a test.
    Turns,
    /// Named values of any kind.
    Args,
    Any,
    Enum(&'static [&'static str]),
    List(&'static Ty),
    Map(&'static Ty),
    OneOrMany(&'static Ty),
    Object(&'static Shape),
    /// The first that takes the kind of value given (scalar, list, map).
    Either(&'static [Ty]),
}

#[derive(Debug)]
pub(crate) struct Shape {
    pub name: &'static str,
    pub name_zh: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub(crate) struct Field {
    pub key: &'static str,
    pub ty: Ty,
    pub required: bool,
    pub en: &'static str,
    pub zh: &'static str,
}

/// A kind of step: its kind key with the value's type, and the fields beside it.
#[derive(Debug)]
pub(crate) struct Kind {
    pub key: &'static str,
    pub ty: Ty,
    pub en: &'static str,
    pub zh: &'static str,
    pub fields: &'static [Field],
}

const fn f(key: &'static str, ty: Ty, en: &'static str, zh: &'static str) -> Field {
    Field {
        key,
        ty,
        required: false,
        en,
        zh,
    }
}

const fn req(key: &'static str, ty: Ty, en: &'static str, zh: &'static str) -> Field {
    Field {
        key,
        ty,
        required: true,
        en,
        zh,
    }
}

const fn kind(
    key: &'static str,
    ty: Ty,
    en: &'static str,
    zh: &'static str,
    fields: &'static [Field],
) -> Kind {
    Kind {
        key,
        ty,
        en,
        zh,
        fields,
    }
}

pub(crate) static PACK: Shape = Shape {
    name: "pack.yaml",
    name_zh: "pack.yaml",
    fields: &[
        req("name", Ty::Word, "The pack's name.", "业务包的名称。"),
        req(
            "locales",
            Ty::List(&Ty::Word),
            "Languages; the first is the default.",
            "语言，第一个是默认语言。",
        ),
        f(
            "time_zone",
            Ty::Word,
            "IANA time zone, `Europe/Berlin`; UTC by default.",
            "IANA 时区，如 `Asia/Shanghai`；默认为 UTC。",
        ),
        f(
            "default_skill",
            Ty::Word,
            "The skill a handoff asks for that names none; `general` by default.",
            "转人工未写技能时使用的技能，默认 `general`。",
        ),
        f(
            "limits",
            Ty::Object(&LIMITS),
            "Caps that turn a runaway into a handoff.",
            "超出即转人工的上限。",
        ),
    ],
};

static LIMITS: Shape = Shape {
    name: "limits",
    name_zh: "limits",
    fields: &[
        f(
            "attempts",
            Ty::Int,
            "Failed answers to one question (3).",
            "同一问题可答错的次数（3）。",
        ),
        f(
            "jumps",
            Ty::Int,
            "Times one `goto` is taken (10).",
            "同一个 `goto` 可跳转的次数（10）。",
        ),
        f(
            "steps_per_turn",
            Ty::Int,
            "Steps after one message (200).",
            "一条消息后最多执行的步骤数（200）。",
        ),
        f(
            "repair",
            Ty::Int,
            "Repairs in a session (5).",
            "一次会话中的修复次数（5）。",
        ),
        f(
            "session_minutes",
            Ty::Int,
            "Minutes of silence after which an open flow is dropped (1440).",
            "沉默多少分钟后放弃未完成的流程（1440）。",
        ),
    ],
};

pub(crate) static FLOW_FILE: Shape = Shape {
    name: "a flow file",
    name_zh: "流程文件",
    fields: &[
        f(
            "version",
            Ty::Int,
            "Version of the language: 1.",
            "语言版本：1。",
        ),
        f(
            "slots",
            Ty::Map(&Ty::Object(&SLOT)),
            "What the bot asks for and remembers.",
            "机器人询问并记住的内容。",
        ),
        f(
            "faqs",
            Ty::Map(&Ty::Object(&FAQ)),
            "The tree of questions; each level is a menu.",
            "常见问题树，每一层是一个菜单。",
        ),
        f(
            "responses",
            Ty::Map(&Ty::Response),
            "What the bot says, by name.",
            "机器人说的话，按名称。",
        ),
        f(
            "flows",
            Ty::Map(&Ty::Object(&FLOW)),
            "What the bot does, by name.",
            "机器人做的事，按名称。",
        ),
        f(
            "handoff_triggers",
            Ty::List(&Ty::Object(&TRIGGER)),
            "When to hand over to a person.",
            "何时转人工。",
        ),
    ],
};

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

pub(crate) static FAQ: Shape = Shape {
    name: "an FAQ item",
    name_zh: "常见问题",
    fields: &[
        req("title", Ty::Text, "Its name in the menu.", "菜单中的名称。"),
        f(
            "phrases",
            Ty::Phrases,
            "Examples of how customers ask it.",
            "客户提问的例子。",
        ),
        f(
            "answer",
            Ty::Say,
            "A response's name, or the answer.",
            "回复的名称，或直接写答案。",
        ),
        f("start", Ty::Word, "The flow it starts.", "要启动的流程。"),
        f(
            "items",
            Ty::Map(&Ty::Object(&FAQ)),
            "The level below.",
            "下一层。",
        ),
    ],
};

pub(crate) static MESSAGE: Shape = Shape {
    name: "a message",
    name_zh: "消息",
    fields: &[
        f("text", Ty::Text, "What it says.", "消息文本。"),
        f(
            "buttons",
            Ty::List(&Ty::Object(&BUTTON)),
            "Buttons under it.",
            "消息下方的按钮。",
        ),
        f(
            "cards",
            Ty::List(&Ty::Object(&CARD)),
            "Cards side by side.",
            "并排的卡片。",
        ),
        f(
            "image",
            Ty::Either(&[Ty::Tmpl, Ty::Object(&MEDIA)]),
            "An image's address.",
            "图片地址。",
        ),
        f(
            "file",
            Ty::Either(&[Ty::Tmpl, Ty::Object(&MEDIA)]),
            "A file's address.",
            "文件地址。",
        ),
    ],
};

pub(crate) static VARIATION: Shape = Shape {
    name: "a variation",
    name_zh: "回复的一种说法",
    fields: &[
        f(
            "if",
            Ty::Expr,
            "Said only where this holds.",
            "条件成立时才说。",
        ),
        f("text", Ty::Text, "What it says.", "消息文本。"),
        f(
            "buttons",
            Ty::List(&Ty::Object(&BUTTON)),
            "Buttons under it.",
            "消息下方的按钮。",
        ),
        f(
            "cards",
            Ty::List(&Ty::Object(&CARD)),
            "Cards side by side.",
            "并排的卡片。",
        ),
        f(
            "image",
            Ty::Either(&[Ty::Tmpl, Ty::Object(&MEDIA)]),
            "An image's address.",
            "图片地址。",
        ),
        f(
            "file",
            Ty::Either(&[Ty::Tmpl, Ty::Object(&MEDIA)]),
            "A file's address.",
            "文件地址。",
        ),
    ],
};

pub(crate) static BUTTON: Shape = Shape {
    name: "a button",
    name_zh: "按钮",
    fields: &[
        req("label", Ty::Text, "What stands on it.", "按钮上的文字。"),
        f(
            "value",
            Ty::Tmpl,
            "Answers the open question with this value.",
            "以此值回答当前问题。",
        ),
        f("start", Ty::Word, "Starts this flow.", "启动此流程。"),
        f(
            "goto",
            Ty::Word,
            "Jumps to this step of the same flow.",
            "跳到同一流程的此步骤。",
        ),
        f("url", Ty::Tmpl, "Opens this address.", "打开此网址。"),
    ],
};

static CARD: Shape = Shape {
    name: "a card",
    name_zh: "卡片",
    fields: &[
        req("title", Ty::Text, "Its title.", "标题。"),
        f(
            "text",
            Ty::Text,
            "A line under the title.",
            "标题下的文字。",
        ),
        f("image", Ty::Tmpl, "An image's address.", "图片地址。"),
        f(
            "url",
            Ty::Tmpl,
            "Where a click leads.",
            "点击后打开的网址。",
        ),
        f(
            "buttons",
            Ty::List(&Ty::Object(&BUTTON)),
            "Buttons under it.",
            "下方的按钮。",
        ),
    ],
};

pub(crate) static MEDIA: Shape = Shape {
    name: "an image or file",
    name_zh: "图片或文件",
    fields: &[
        req("url", Ty::Tmpl, "Its address.", "地址。"),
        f(
            "alt",
            Ty::Text,
            "What it shows, for those who cannot see it.",
            "给看不到图片的人的说明。",
        ),
        f("name", Ty::Text, "The file's name.", "文件名。"),
    ],
};

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

static START_WHEN: Shape = Shape {
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

static PAGE: Shape = Shape {
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
        f("skill", Ty::Word, "The skill needed.", "所需技能。"),
        f(
            "priority",
            Ty::Tmpl,
            "`low`, `normal`, `high` or `urgent`.",
            "`low`、`normal`、`high` 或 `urgent`。",
        ),
    ],
};

static TIMEOUT: Shape = Shape {
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

pub(crate) static KINDS: &[Kind] = &[
    kind(
        "say",
        Ty::Say,
        "Says something.",
        "说一段话。",
        &[
            f(
                "via",
                Ty::Word,
                "On another channel of the business.",
                "改用另一个渠道。",
            ),
            f("to", Ty::Tmpl, "The address there.", "该渠道上的地址。"),
        ],
    ),
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
            f(
                "with",
                Ty::Args,
                "Slots to fill before.",
                "事先填写的槽位。",
            ),
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
        &[f(
            "with",
            Ty::Args,
            "Slots to fill before.",
            "事先填写的槽位。",
        )],
    ),
    kind(
        "http",
        Ty::Str,
        "Calls an operation of a connection: `shop.find_order`.",
        "调用连接的操作：`shop.find_order`。",
        &[
            f("with", Ty::Args, "Its arguments.", "参数。"),
            f(
                "save",
                Ty::Word,
                "A slot for the answer.",
                "保存结果的槽位。",
            ),
            f(
                "effect",
                Ty::Enum(&["read", "write"]),
                "`write` changes something: never repeated by a correction.",
                "`write` 会产生改动：更正时不会重复执行。",
            ),
            f(
                "once_per",
                Ty::OneOrMany(&Ty::Expr),
                "Once per contact and these values.",
                "每位联系人对这些值只执行一次。",
            ),
            f(
                "for",
                Ty::Dur,
                "How long `once_per` holds (30d).",
                "`once_per` 的有效期（30d）。",
            ),
            f("retry", Ty::Int, "Further attempts.", "重试次数。"),
            f("timeout", Ty::Dur, "How long it may take.", "超时时间。"),
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
            f(
                "save",
                Ty::Word,
                "A slot for its result.",
                "保存结果的槽位。",
            ),
            f("timeout", Ty::Dur, "How long it may take.", "超时时间。"),
            f(
                "on_error",
                Ty::Steps,
                "What happens if it fails.",
                "失败时做什么。",
            ),
        ],
    ),
    kind(
        "plugin",
        Ty::Str,
        "Runs a plugin's method.",
        "运行插件的方法。",
        &[
            f("with", Ty::Args, "Its arguments.", "参数。"),
            f(
                "save",
                Ty::Word,
                "A slot for its result.",
                "保存结果的槽位。",
            ),
            f("timeout", Ty::Dur, "How long it may take.", "超时时间。"),
            f(
                "on_error",
                Ty::Steps,
                "What happens if it fails.",
                "失败时做什么。",
            ),
        ],
    ),
    kind(
        "answer",
        Ty::Either(&[Ty::Tmpl, Ty::Object(&ANSWER)]),
        "Answers from the knowledge.",
        "用知识库回答。",
        &[
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
        ],
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
        &[
            f(
                "via",
                Ty::Word,
                "On another channel of the business.",
                "改用另一个渠道。",
            ),
            f("to", Ty::Tmpl, "The address there.", "该渠道上的地址。"),
        ],
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
            f(
                "via",
                Ty::Word,
                "On another channel of the business.",
                "改用另一个渠道。",
            ),
            f("to", Ty::Tmpl, "The address there.", "该渠道上的地址。"),
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

static ANSWER: Shape = Shape {
    name: "answer",
    name_zh: "answer",
    fields: &[
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
    ],
};

static MENU_OPTION: Shape = Shape {
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

static TICKET: Shape = Shape {
    name: "ticket",
    name_zh: "ticket",
    fields: &[
        req("title", Ty::Text, "Its title.", "标题。"),
        f("fields", Ty::Args, "What else it holds.", "其他内容。"),
        f("skill", Ty::Word, "Who works on it.", "由哪个技能处理。"),
    ],
};

static WAIT: Shape = Shape {
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

pub(crate) static CONNECTIONS: Shape = Shape {
    name: "connections.yaml",
    name_zh: "connections.yaml",
    fields: &[req(
        "connections",
        Ty::Map(&Ty::Object(&CONNECTION)),
        "HTTP services by name.",
        "HTTP 服务，按名称。",
    )],
};

pub(crate) static CONNECTION: Shape = Shape {
    name: "a connection",
    name_zh: "连接",
    fields: &[
        f(
            "base_url",
            Ty::Str,
            "Where its paths begin.",
            "路径的起点。",
        ),
        f(
            "base_url_env",
            Ty::Word,
            "The environment variable that overrides it.",
            "覆盖它的环境变量。",
        ),
        f(
            "hosts",
            Ty::List(&Ty::Str),
            "The only hosts it may reach.",
            "只允许访问的主机。",
        ),
        f(
            "auth",
            Ty::Object(&AUTH),
            "Credentials, by the names of environment variables.",
            "凭据，写环境变量的名称。",
        ),
        f(
            "timeout",
            Ty::Dur,
            "How long a call may take.",
            "调用的超时时间。",
        ),
        f(
            "headers",
            Ty::Map(&Ty::Str),
            "Headers of every call.",
            "每次调用的请求头。",
        ),
        req(
            "operations",
            Ty::Map(&Ty::Object(&OPERATION)),
            "What can be called.",
            "可调用的操作。",
        ),
    ],
};

pub(crate) static AUTH: Shape = Shape {
    name: "auth",
    name_zh: "auth",
    fields: &[
        req(
            "type",
            Ty::Enum(&["none", "bearer", "basic", "header"]),
            "How it signs in.",
            "认证方式。",
        ),
        f(
            "token_env",
            Ty::Word,
            "Variable with the token (bearer).",
            "令牌所在的变量（bearer）。",
        ),
        f(
            "user_env",
            Ty::Word,
            "Variable with the user (basic).",
            "用户名所在的变量（basic）。",
        ),
        f(
            "password_env",
            Ty::Word,
            "Variable with the password (basic).",
            "密码所在的变量（basic）。",
        ),
        f(
            "name",
            Ty::Word,
            "The header's name (header).",
            "请求头名称（header）。",
        ),
        f(
            "value_env",
            Ty::Word,
            "Variable with the header's value (header).",
            "请求头的值所在的变量（header）。",
        ),
    ],
};

pub(crate) static OPERATION: Shape = Shape {
    name: "an operation",
    name_zh: "操作",
    fields: &[
        req(
            "method",
            Ty::Enum(&["GET", "POST", "PUT", "PATCH", "DELETE"]),
            "The HTTP method.",
            "HTTP 方法。",
        ),
        req(
            "path",
            Ty::Str,
            "Under the base URL; `{name}` takes an argument.",
            "在 base_url 之下；`{name}` 取参数。",
        ),
        f(
            "returns",
            Ty::Map(&Ty::Enum(&SLOT_TYPES)),
            "Field → type: misspelt fields are then found.",
            "字段 → 类型：写错的字段名会被发现。",
        ),
        f(
            "idempotency_header",
            Ty::Word,
            "The header an idempotency key goes in.",
            "放幂等键的请求头。",
        ),
        f("timeout", Ty::Dur, "How long it may take.", "超时时间。"),
        f("retry", Ty::Int, "Further attempts.", "重试次数。"),
    ],
};

pub(crate) static DESK: Shape = Shape {
    name: "desk.yaml",
    name_zh: "desk.yaml",
    fields: &[
        f(
            "skills",
            Ty::List(&Ty::Word),
            "What people can do.",
            "人员的技能。",
        ),
        f(
            "hours",
            Ty::Map(&Ty::Object(&HOURS)),
            "Opening hours by name.",
            "营业时间，按名称。",
        ),
        f("teams", Ty::Any, "Teams.", "团队。"),
        f("slas", Ty::Any, "Promised times.", "服务时限。"),
        f("canned_replies", Ty::Any, "Replies at hand.", "快捷回复。"),
        f("sops", Ty::Any, "Procedures.", "操作规程。"),
    ],
};

pub(crate) static HOURS: Shape = Shape {
    name: "hours",
    name_zh: "营业时间",
    fields: &[
        f(
            "mon",
            Ty::OneOrMany(&Ty::Str),
            "Monday, `09:00-18:00`.",
            "星期一，`09:00-18:00`。",
        ),
        f("tue", Ty::OneOrMany(&Ty::Str), "Tuesday.", "星期二。"),
        f("wed", Ty::OneOrMany(&Ty::Str), "Wednesday.", "星期三。"),
        f("thu", Ty::OneOrMany(&Ty::Str), "Thursday.", "星期四。"),
        f("fri", Ty::OneOrMany(&Ty::Str), "Friday.", "星期五。"),
        f("sat", Ty::OneOrMany(&Ty::Str), "Saturday.", "星期六。"),
        f("sun", Ty::OneOrMany(&Ty::Str), "Sunday.", "星期日。"),
        f(
            "holidays",
            Ty::List(&Ty::Str),
            "Dates closed all day.",
            "全天休息的日期。",
        ),
    ],
};

pub(crate) static ARTICLE: Shape = Shape {
    name: "an article's head",
    name_zh: "文章头部",
    fields: &[
        req("title", Ty::Str, "The article's title.", "文章标题。"),
        f(
            "tags",
            Ty::OneOrMany(&Ty::Str),
            "What it is about.",
            "主题标签。",
        ),
        f(
            "audience",
            Ty::Enum(&["customer", "agent"]),
            "Who may read it.",
            "谁可以看。",
        ),
        f(
            "locale",
            Ty::Word,
            "Its language; else that of the file's name, `shipping.zh.md`.",
            "语言；否则按文件名，如 `shipping.zh.md`。",
        ),
    ],
};

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

static USER: Shape = Shape {
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

static UPLOAD: Shape = Shape {
    name: "upload",
    name_zh: "upload",
    fields: &[
        req("name", Ty::Str, "The file's name.", "文件名。"),
        req("mime", Ty::Str, "Its media type.", "文件类型。"),
        f("size_mb", Ty::Num, "Its size.", "大小（MB）。"),
    ],
};

static EVENT: Shape = Shape {
    name: "event",
    name_zh: "event",
    fields: &[
        req("name", Ty::Word, "The event's name.", "事件名称。"),
        f("data", Ty::Any, "What comes with it.", "附带的数据。"),
    ],
};

static AGENT: Shape = Shape {
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

static BOT: Shape = Shape {
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

static CALLED: Shape = Shape {
    name: "called",
    name_zh: "called",
    fields: &[
        f("times", Ty::Int, "How often.", "次数。"),
        f("with", Ty::Args, "A part of its arguments.", "部分参数。"),
    ],
};

static HANDED: Shape = Shape {
    name: "handoff",
    name_zh: "handoff",
    fields: &[
        f("skill", Ty::Word, "The skill asked for.", "所需技能。"),
        f("priority", Ty::Word, "The priority.", "优先级。"),
        f("mode", Ty::Word, "The mode.", "方式。"),
    ],
};

static TRACE: Shape = Shape {
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

/// The fields beside `handoff`.
static HANDOFF_FIELDS: [Field; 9] = [
    f(
        "priority",
        Ty::Tmpl,
        "`low`, `normal`, `high` or `urgent`.",
        "`low`、`normal`、`high` 或 `urgent`。",
    ),
    f(
        "summary",
        Ty::Text,
        "What the person reads first.",
        "给接手者看的摘要。",
    ),
    f(
        "tags",
        Ty::OneOrMany(&Ty::Str),
        "Words on the conversation.",
        "会话标签。",
    ),
    f(
        "mode",
        Ty::Enum(&["queue", "ticket", "callback"]),
        "Wait now, leave a ticket, or be called back.",
        "现在排队、留工单或回电。",
    ),
    f(
        "hours",
        Ty::Word,
        "Opening hours of desk.yaml.",
        "desk.yaml 中的营业时间。",
    ),
    f(
        "when_closed",
        Ty::Steps,
        "Instead of the handoff, outside the hours.",
        "营业时间外改做这些。",
    ),
    f(
        "max_wait",
        Ty::Dur,
        "How long to wait before `on_timeout`.",
        "等待多久后执行 `on_timeout`。",
    ),
    f(
        "on_timeout",
        Ty::Steps,
        "What happens then, once.",
        "到时执行一次。",
    ),
    f(
        "after",
        Ty::Steps,
        "When the person closes the conversation.",
        "人工结束会话之后。",
    ),
];

/// The same with everything in one map.
pub(crate) static HANDOFF: Shape = Shape {
    name: "`handoff`",
    name_zh: "`handoff`",
    fields: &[
        f("skill", Ty::Word, "The skill needed.", "所需技能。"),
        f(
            "priority",
            Ty::Tmpl,
            "`low`, `normal`, `high` or `urgent`.",
            "`low`、`normal`、`high` 或 `urgent`。",
        ),
        f(
            "summary",
            Ty::Text,
            "What the person reads first.",
            "给接手者看的摘要。",
        ),
        f(
            "tags",
            Ty::OneOrMany(&Ty::Str),
            "Words on the conversation.",
            "会话标签。",
        ),
        f(
            "mode",
            Ty::Enum(&["queue", "ticket", "callback"]),
            "Wait now, leave a ticket, or be called back.",
            "现在排队、留工单或回电。",
        ),
        f(
            "hours",
            Ty::Word,
            "Opening hours of desk.yaml.",
            "desk.yaml 中的营业时间。",
        ),
        f(
            "when_closed",
            Ty::Steps,
            "Instead of the handoff, outside the hours.",
            "营业时间外改做这些。",
        ),
        f(
            "max_wait",
            Ty::Dur,
            "How long to wait before `on_timeout`.",
            "等待多久后执行 `on_timeout`。",
        ),
        f(
            "on_timeout",
            Ty::Steps,
            "What happens then, once.",
            "到时执行一次。",
        ),
        f(
            "after",
            Ty::Steps,
            "When the person closes the conversation.",
            "人工结束会话之后。",
        ),
    ],
};
