//! Numbers that count nothing named: which of them are meant, and which are parts of names and
//! sayings.

use tandem_domain::entity::EntityValue;

use super::{
    Found, clock,
    number::{self, Form, Number},
    tokens::{Class, View},
};

/// Words whose number is a name: "room 12", "iOS 17".
const NAMED: [&str; 59] = [
    "omega",
    "iphone",
    "ipad",
    "galaxy",
    "pixel",
    "windows",
    "ps",
    "playstation",
    "xbox",
    "ios",
    "android",
    "version",
    "v",
    "ver",
    "model",
    "series",
    "gen",
    "generation",
    "type",
    "chapter",
    "page",
    "line",
    "gate",
    "room",
    "apt",
    "apartment",
    "flat",
    "floor",
    "building",
    "street",
    "road",
    "route",
    "class",
    "level",
    "phase",
    "mate",
    "redmi",
    "section",
    "covid",
    "usb",
    "hdmi",
    "wifi",
    "zone",
    "terminal",
    "platform",
    "track",
    "channel",
    "bus",
    "mark",
    "mk",
    "formula",
    "area",
    "macbook",
    "watch",
    "airpods",
    "nova",
    "kindle",
    "surface",
    "unit",
];

/// The same in Chinese, before the digits.
const NAMED_ZH: [&str; 18] = [
    "小米", "华为", "荣耀", "苹果", "三星", "红米", "版本", "型号", "系列", "安卓", "门牌", "房间",
    "魅族", "真我", "航班", "车次", "尾号", "编号",
];

/// What makes a number in front of it a name: 3号线, 12楼.
const NAMES_ZH: [char; 16] = [
    '楼', '栋', '室', '代', '版', '路', '线', '班', '级', '期', '层', '街', '弄', '巷', '师', '星',
];

/// How sure it is that a number is just that; none where it surely is not.
pub(super) fn plain(v: View<'_>, i: usize, number: &Number) -> Option<f32> {
    let end = number.end;
    match number.form {
        Form::Half => None,
        Form::Fraction => Some(0.55),
        Form::Plain(_) | Form::Digits => {
            let before = i.checked_sub(1);
            if before.is_some_and(|b| NAMED.contains(&v.word(b)) || v.is_brand(b))
                || v.follows(i, &NAMED_ZH)
                || v.is_char(end, &NAMES_ZH)
                || v.eat_any(end, &["号线", "号楼", "号店", "号门", "单元", "年级"])
                    .is_some()
                || before.is_some_and(|b| v.is_char(b, &['第']))
            {
                return None;
            }
            // Screens are 4K.
            if v.is(end - 1, "k") && matches!(v.int(i), Some(2 | 4 | 5 | 8)) && end == i + 2
                || v.lexed(end).month.is_some() && !v.lexed(end).doubtful
            {
                return None;
            }
            let times = v.is_any(end, &["x", "pcs", "pc"]) && !v.glued(end + 1);
            if v.glued(end) && v.class(end) == Some(Class::Word) && !times {
                return None;
            }
            let joined = v.is_char(end, &['/', '.', ':', '-', '_', '@', '°'])
                && v.glued(end)
                && v.glued(end + 1)
                && matches!(v.class(end + 1), Some(Class::Digits | Class::Word));
            if joined {
                return None;
            }
            let hash = before.is_some_and(|b| v.is_char(b, &['#', '№']));
            Some(match number.form {
                Form::Plain(width) if width >= 7 => 0.25,
                Form::Plain(_) if v.word(i).starts_with('0') && v.width(i) > 1 => 0.4,
                _ if hash => 0.55,
                _ => 0.9,
            })
        }
        Form::Words => words(v, i, number),
        Form::Numerals => numerals(v, i, number),
    }
}

/// "one" in "this one" counts nothing.
fn words(v: View<'_>, i: usize, number: &Number) -> Option<f32> {
    const POINTING: [&str; 36] = [
        "this",
        "that",
        "the",
        "no",
        "any",
        "every",
        "some",
        "which",
        "another",
        "wrong",
        "other",
        "each",
        "first",
        "second",
        "last",
        "new",
        "right",
        "same",
        "big",
        "small",
        "old",
        "good",
        "nice",
        "bigger",
        "smaller",
        "black",
        "white",
        "red",
        "blue",
        "green",
        "large",
        "cheap",
        "cheaper",
        "better",
        "different",
        "broken",
    ];
    let end = number.end;
    if number.value != 1.0 && number.value != 0.0 && !v.is(i, "both") {
        // "a hundred times", "a thousand thanks": said, not counted.
        let idle = v.is_any(end, &["thanks", "times", "percent", "apologies"]);
        return Some(if idle { 0.4 } else { 0.85 });
    }
    if v.is(i, "both") {
        return Some(if v.is(end, "and") { 0.4 } else { 0.75 });
    }
    let pointed = POINTING.contains(&v.previous(i))
        || v.is_any(
            end,
            &[
                "of", "another", "thing", "day", "is", "was", "that", "who", "which", "by", "way",
            ],
        )
        || v.is_char(end, &['\'', '-'])
        || v.is(i, "single") && number.end - i == 1;
    if pointed {
        return None;
    }
    let counting = v.is_any(
        i.wrapping_sub(1),
        &[
            "only", "just", "need", "want", "order", "ordered", "take", "received", "got", "return",
        ],
    ) || v.is(end, "more");
    Some(if counting { 0.7 } else { 0.45 })
}

const CLASSIFIERS: &str = "个件只条台张份次位盏支把辆颗间名人种样项枚棵朵顶扇粒本部口首篇根串节";

/// 一 in 一下 counts nothing; 两 in 两个 does.
fn numerals(v: View<'_>, i: usize, number: &Number) -> Option<f32> {
    let end = number.end;
    if i.checked_sub(1)
        .is_some_and(|b| v.is_char(b, &['第', '初', '十', '周', '期']))
    {
        return None;
    }
    let next = v.char(end);
    if next.is_some_and(|c| NAMES_ZH.contains(&c)) || v.eat(end, "号").is_some() {
        return None;
    }
    let collective = number.end - i == 1 && v.is_any(i, &["俩", "仨"]);
    let measured = next.is_some_and(|c| CLASSIFIERS.contains(c));
    if number.value == 1.0 && measured {
        // 一个 is mostly "a".
        let vague = v.is_char(
            end,
            &[
                '个', '种', '样', '次', '位', '项', '名', '人', '口', '部', '本', '把', '间', '节',
                '根',
            ],
        ) && !(v.class(end + 1).is_none() || v.class(end + 1) == Some(Class::Mark));
        let tail = v
            .eat_any(end, &["样", "次性", "部分", "口气", "种", "本正", "直"])
            .is_some()
            // 一个都没有 are none.
            || v.eat_any(end + 1, &["都没", "也没", "都不", "也不"])
                .is_some();
        return if tail {
            None
        } else {
            Some(if vague { 0.4 } else { 0.6 })
        };
    }
    if measured || collective {
        return Some(0.85);
    }
    let open =
        |at: Option<usize>| at.is_none_or(|at| matches!(v.class(at), None | Some(Class::Mark)));
    let alone = open(i.checked_sub(1)) && open(Some(end));
    if alone {
        return Some(0.75);
    }
    // A long numeral is a number whatever follows: 三百二十.
    let units = (i..end).any(|at| v.char(at).and_then(number::factor).is_some());
    let long = units && number.end - i >= 3 && number.value >= 20.0;
    long.then_some(0.7)
}

/// "the 2nd one", 第二个.
pub(super) fn ordinal(v: View<'_>, i: usize) -> Option<Found> {
    let (value, end, confidence) = if v.is_char(i, &['第']) {
        let (value, end) = clock::small(v, i + 1)?;
        let counted = v
            .char(end)
            .is_some_and(|c| CLASSIFIERS.contains(c) || matches!(c, '款' | '双' | '套'));
        if v.is_char(end, &['一', '三', '方', '天', '时']) {
            return None;
        }
        (
            value,
            end + usize::from(counted),
            if counted { 0.85 } else { 0.5 },
        )
    } else if let Some(ordinal) = v.lexed(i).ordinal {
        let counted = v.is_any(i + 1, &["one", "option", "item", "choice"]);
        if !counted {
            return None;
        }
        (i64::from(ordinal), i + 2, 0.8)
    } else {
        let value = v.int(i).filter(|n| (1..=99).contains(n))?;
        if !(v.glued(i + 1) && v.is_any(i + 1, &["st", "nd", "rd", "th"])) {
            return None;
        }
        let counted = v.is_any(i + 2, &["one", "option", "item", "choice"]);
        (
            value,
            i + 2 + usize::from(counted),
            if counted { 0.85 } else { 0.5 },
        )
    };
    let value = u32::try_from(value).ok().filter(|n| *n > 0)?;
    Some(Found::new(
        i..end,
        EntityValue::Ordinal { value },
        confidence,
        "ordinal",
    ))
}
