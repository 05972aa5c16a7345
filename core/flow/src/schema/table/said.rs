//! What is said: questions and answers, messages, buttons.

use super::{Field, Shape, Ty, f, req};

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

static A_BUTTON: Ty = Ty::Object(&BUTTON);
static A_CARD: Ty = Ty::Object(&CARD);
static AN_ADDRESS: [Ty; 2] = [Ty::Tmpl, Ty::Object(&MEDIA)];

// What a message is made of, alone or as one of several variations.
const TEXT: Field = f("text", Ty::Text, "What it says.", "消息文本。");
const BUTTONS: Field = f(
    "buttons",
    Ty::List(&A_BUTTON),
    "Buttons under it.",
    "消息下方的按钮。",
);
const CARDS: Field = f(
    "cards",
    Ty::List(&A_CARD),
    "Cards side by side.",
    "并排的卡片。",
);
const IMAGE: Field = f(
    "image",
    Ty::Either(&AN_ADDRESS),
    "An image's address.",
    "图片地址。",
);
const FILE: Field = f(
    "file",
    Ty::Either(&AN_ADDRESS),
    "A file's address.",
    "文件地址。",
);

pub(crate) static MESSAGE: Shape = Shape {
    name: "a message",
    name_zh: "消息",
    fields: &[TEXT, BUTTONS, CARDS, IMAGE, FILE],
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
        TEXT,
        BUTTONS,
        CARDS,
        IMAGE,
        FILE,
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

pub(crate) static CARD: Shape = Shape {
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
