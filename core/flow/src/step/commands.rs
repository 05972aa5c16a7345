//! Words that steer the conversation rather than answer it, in English and Chinese. All but
//! "yes" and "no" only count as a whole message.

use std::ops::Range;

use crate::value::normal::{clauses, fold, is_han};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Cancel,
    Back,
    Handoff,
    Repeat,
}

const CANCEL: &[&str] = &[
    "cancel",
    "cancel that",
    "cancel this",
    "cancel it",
    "stop",
    "stop it",
    "stop that",
    "abort",
    "quit",
    "exit",
    "never mind",
    "nevermind",
    "forget it",
    "forget about it",
    "leave it",
    "no thanks, cancel",
    "取消",
    "取消吧",
    "我要取消",
    "算了",
    "算了吧",
    "停",
    "停止",
    "停下",
    "不办了",
    "不弄了",
    "不要了",
    "退出",
    "放弃",
];
const BACK: &[&str] = &[
    "back",
    "go back",
    "previous",
    "previous step",
    "one step back",
    "step back",
    "back up",
    "undo",
    "返回",
    "上一步",
    "后退",
    "回到上一步",
    "返回上一步",
    "退回",
    "往回",
];
const HANDOFF: &[&str] = &[
    "agent",
    "human",
    "operator",
    "representative",
    "real person",
    "talk to a human",
    "talk to an agent",
    "talk to a person",
    "talk to someone",
    "speak to a human",
    "speak to an agent",
    "speak to a person",
    "speak to someone",
    "human please",
    "agent please",
    "i want a human",
    "i want to talk to a human",
    "i want to speak to a human",
    "connect me to an agent",
    "live agent",
    "live chat",
    "customer service",
    "人工",
    "转人工",
    "人工客服",
    "人工服务",
    "转人工客服",
    "找人工",
    "真人",
    "真人客服",
    "我要人工",
    "我要转人工",
    "接人工",
    "找客服",
    "转接人工",
];
const REPEAT: &[&str] = &[
    "repeat",
    "repeat that",
    "say again",
    "say that again",
    "again",
    "once more",
    "come again",
    "pardon",
    "what did you say",
    "what was the question",
    "sorry, what",
    "重复",
    "再说一遍",
    "再说一次",
    "重复一遍",
    "什么问题",
];
const SKIP: &[&str] = &[
    "skip",
    "skip it",
    "skip this",
    "skip that",
    "next",
    "pass",
    "none",
    "no",
    "nope",
    "not now",
    "later",
    "i don't have one",
    "don't have one",
    "i have none",
    "no thanks",
    "no thank you",
    "nothing",
    "n/a",
    "跳过",
    "略过",
    "不用",
    "没有",
    "无",
    "不用了",
    "下一个",
    "没",
    "不需要",
    "暂时没有",
    "不",
];
const YES: &[&str] = &[
    "yes",
    "y",
    "yeah",
    "yep",
    "yup",
    "ya",
    "sure",
    "ok",
    "okay",
    "correct",
    "right",
    "that's right",
    "that's correct",
    "exactly",
    "confirm",
    "confirmed",
    "i confirm",
    "agreed",
    "agree",
    "fine",
    "of course",
    "absolutely",
    "definitely",
    "certainly",
    "go ahead",
    "please do",
    "do it",
    "yes please",
    "true",
    "looks good",
    "sounds good",
    "perfect",
    "all good",
    "that is right",
    "that is correct",
    "yes it is",
    "i do",
    "i am",
    "是",
    "是的",
    "对",
    "对的",
    "好",
    "好的",
    "可以",
    "没错",
    "没问题",
    "确认",
    "确定",
    "行",
    "嗯",
    "嗯嗯",
    "要",
    "需要",
    "正确",
    "同意",
    "当然",
    "是啊",
    "对啊",
    "好啊",
    "好吧",
    "要的",
    "有",
];
const NO: &[&str] = &[
    "no",
    "n",
    "nope",
    "nah",
    "not really",
    "wrong",
    "incorrect",
    "not correct",
    "that's wrong",
    "that is wrong",
    "no thanks",
    "no thank you",
    "don't",
    "do not",
    "not yet",
    "never",
    "false",
    "not right",
    "that's not right",
    "i don't",
    "i do not",
    "of course not",
    "certainly not",
    "no it isn't",
    "change it",
    "change something",
    "不",
    "不是",
    "不对",
    "不要",
    "不用",
    "不行",
    "否",
    "不好",
    "错",
    "错了",
    "不正确",
    "不可以",
    "没有",
    "不需要",
    "没",
    "不了",
    "别",
    "不同意",
    "不确认",
];
const CORRECTIONS: &[&str] = &[
    "sorry",
    "actually",
    "i meant",
    "i mean",
    "instead",
    "wait",
    "oops",
    "correction",
    "change",
    "wrong",
    "not right",
    "mistake",
    "rather",
    "should be",
    "make it",
    "make that",
    "update",
    "my bad",
    "no,",
    "nope,",
    "typo",
    "scratch that",
    "edit",
    "其实",
    "不对",
    "不是",
    "改成",
    "改为",
    "改一下",
    "应该是",
    "说错",
    "写错",
    "打错",
    "更正",
    "修改",
    "错了",
    "抱歉",
    "换成",
    "等等",
    "等一下",
    "我是说",
    "更改",
    "弄错",
    "搞错",
    "重新填",
];

/// The command a whole message is.
pub(crate) fn command(message: &str) -> Option<Command> {
    let said = polite(&fold(message));
    let said = said.as_str();
    if CANCEL.contains(&said) {
        Some(Command::Cancel)
    } else if BACK.contains(&said) {
        Some(Command::Back)
    } else if HANDOFF.contains(&said) {
        Some(Command::Handoff)
    } else if REPEAT.contains(&said) {
        Some(Command::Repeat)
    } else {
        None
    }
}

/// Whether a whole message passes by something optional.
pub(crate) fn is_skip(message: &str) -> bool {
    SKIP.contains(&polite(&fold(message)).as_str())
}

/// Without "please" and its like around.
fn polite(said: &str) -> String {
    let mut rest = said;
    for lead in [
        "please ",
        "can i ",
        "can you ",
        "could you ",
        "i'd like to ",
        "i want to ",
        "请",
        "麻烦",
        "帮我",
        "我想",
    ] {
        rest = rest.strip_prefix(lead).unwrap_or(rest);
    }
    for tail in [
        " please",
        " now",
        " thanks",
        " thank you",
        "谢谢",
        "吧",
        "啊",
        "呀",
        "一下",
    ] {
        rest = rest.strip_suffix(tail).unwrap_or(rest);
    }
    let rest = fold(rest);
    if rest.is_empty() {
        said.to_owned()
    } else {
        rest
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YesNo {
    pub yes: bool,
    /// In the message.
    pub span: Range<usize>,
    /// Nothing else was said.
    pub exact: bool,
}

/// Whether a message says yes or no: all of it, its first part, or its first word.
pub(crate) fn yes_or_no(text: &str) -> Option<YesNo> {
    let judge = |part: &str| -> Option<bool> {
        let said = fold(part);
        let said = said.as_str();
        // 不 and 没有 are no, even where a yes is a part of them.
        if NO.contains(&said) {
            return Some(false);
        }
        if YES.contains(&said) {
            return Some(true);
        }
        let said = polite(said);
        if NO.contains(&said.as_str()) {
            Some(false)
        } else if YES.contains(&said.as_str()) {
            Some(true)
        } else {
            None
        }
    };
    if let Some(yes) = judge(text) {
        return Some(YesNo {
            yes,
            span: 0..text.len(),
            exact: true,
        });
    }
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return None;
    }
    let first = clauses(&lower).into_iter().next()?;
    if let Some(yes) = judge(&lower[first.clone()]) {
        return Some(YesNo {
            yes,
            span: first,
            exact: false,
        });
    }
    let end = lower
        .find(|c: char| !(c.is_alphanumeric() || c == '\''))
        .unwrap_or(lower.len());
    let word = &lower[..end];
    let plain = matches!(
        word,
        "yes" | "yeah" | "yep" | "yup" | "ok" | "okay" | "sure" | "no" | "nope" | "nah" | "correct"
    );
    if plain && !word.chars().any(is_han) {
        return judge(word).map(|yes| YesNo {
            yes,
            span: 0..end,
            exact: false,
        });
    }
    None
}

/// Whether the message sounds like somebody mending what they said.
pub(crate) fn is_correction(lower: &str) -> bool {
    CORRECTIONS.iter().any(|word| {
        lower.match_indices(word).any(|(start, part)| {
            let span = start..start + part.len();
            word.ends_with(',') || crate::value::normal::bounded(lower, &span)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_whole_messages() {
        assert_eq!(command("Cancel!"), Some(Command::Cancel));
        assert_eq!(command("please cancel"), Some(Command::Cancel));
        assert_eq!(command("cancel my order"), None);
        assert_eq!(command("取消。"), Some(Command::Cancel));
        assert_eq!(command("取消订单"), None);
        assert_eq!(command("go back"), Some(Command::Back));
        assert_eq!(command("转人工"), Some(Command::Handoff));
        assert_eq!(command("return"), None);
        assert!(is_skip("Skip"));
        assert!(is_skip("没有"));
    }

    #[test]
    fn yes_and_no_lead_a_message() {
        let judge = |text: &str| yes_or_no(text).map(|y| (y.yes, y.exact));
        assert_eq!(judge("yes"), Some((true, true)));
        assert_eq!(judge("yes, any fees?"), Some((true, false)));
        assert_eq!(judge("No, only one"), Some((false, false)));
        assert_eq!(judge("好的"), Some((true, true)));
        assert_eq!(judge("不对，一个"), Some((false, false)));
        assert_eq!(judge("sorry, only one"), None);
        assert_eq!(judge("nobody knows"), None);
        assert_eq!(judge("yes please"), Some((true, true)));
    }

    #[test]
    fn corrections_are_heard() {
        assert!(is_correction("sorry, only one"));
        assert!(is_correction("其实是两个"));
        assert!(!is_correction("arrived damaged"));
    }
}
