//! pack.yaml, connections.yaml, desk.yaml, the top of a flow file and of an article.

use super::{FAQ, FLOW, SLOT, SLOT_TYPES, Shape, TRIGGER, Ty, f, req};

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
            "answer_unmatched",
            Ty::Bool,
            "Whether the articles are asked about what nothing else matches (true).",
            "没有匹配到其他内容时，是否用知识库文章回答（true）。",
        ),
        f(
            "limits",
            Ty::Object(&LIMITS),
            "Caps that turn a runaway into a handoff.",
            "超出即转人工的上限。",
        ),
    ],
};

pub(crate) static LIMITS: Shape = Shape {
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
            "Repairs in a session (3).",
            "一次会话中的修复次数（3）。",
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
        f(
            "out_of_scope",
            Ty::Phrases,
            "What customers may write that nothing of the pack is meant by.",
            "客户可能会写、但与业务包无关的话。",
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
