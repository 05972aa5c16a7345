//! Days in Chinese.

use tandem_domain::entity::{Day, Edge, Week};

use super::{
    super::{
        Hit,
        clock::{self, EVENING, MORNING},
        number,
        tokens::{Class, View},
    },
    Named, full_year, hit, in_part, month_day,
};

/// How many of a sign stand at a token: 下下周 has two.
fn offset(v: View<'_>, i: usize) -> Option<(i8, usize)> {
    let signs: [(&str, i8); 8] = [
        ("下下", 2),
        ("上上", -2),
        ("下一", 1),
        ("上一", -1),
        ("下", 1),
        ("上", -1),
        ("这", 0),
        ("本", 0),
    ];
    signs
        .iter()
        .find_map(|(sign, offset)| Some((*offset, v.eat(i, sign)?)))
}

pub(super) fn chinese(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    if v.class(i) == Some(Class::Han) {
        const WORDS: [(&str, i32); 21] = [
            ("大后天", 3),
            ("大前天", -3),
            ("今天", 0),
            ("今日", 0),
            ("明天", 1),
            ("明日", 1),
            ("后天", 2),
            ("昨天", -1),
            ("昨日", -1),
            ("前天", -2),
            ("今晚", 0),
            ("明晚", 1),
            ("昨晚", -1),
            ("后晚", 2),
            ("前晚", -2),
            ("今早", 0),
            ("明早", 1),
            ("今夜", 0),
            ("昨夜", -1),
            ("今儿", 0),
            ("明儿", 1),
        ];
        let starts = v.is_char(i, &['大', '今', '明', '后', '昨', '前']);
        if starts
            && let Some((word, days, end)) = WORDS
                .iter()
                .find_map(|(word, days)| Some((*word, *days, v.eat(i, word)?)))
        {
            let day = Day::Shift { months: 0, days };
            if word.ends_with(['晚', '夜']) {
                // 今晚上 is 今晚.
                let end = v.eat(end, "上").unwrap_or(end);
                return in_part(day, EVENING, end);
            }
            if word.ends_with('早') {
                return in_part(day, MORNING, end);
            }
            // 后天 in 三天后天气 is caught by the length before it; 今天 always a day.
            return hit(day, end, 0.95, "day word");
        }
        if let Some(found) = year_word(v, i) {
            return Some(found);
        }
    }
    if let Some(found) = week_zh(v, i) {
        return Some(found);
    }
    if let Some(found) = month_zh(v, i) {
        return Some(found);
    }
    month_and_day(v, i)
}

/// 明年, 去年3月, 年底.
fn year_word(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    if let Some((which, end)) = v.eat_any(i, &["年底", "年末", "年初", "年中"])
        && i.checked_sub(1)
            .is_none_or(|b| !v.is_char(b, &['今', '明', '去']))
    {
        let edge = [Edge::End, Edge::End, Edge::Start, Edge::Middle][which];
        return hit(Day::YearEdge { years: 0, edge }, end, 0.8, "edge");
    }
    let (which, end) = v.eat_any(i, &["今年", "明年", "后年", "去年", "前年"])?;
    let years = [0, 1, 2, -1, -2][which];
    let of = v.eat(end, "的").unwrap_or(end);
    if let Some(hit) = month_and_day(v, of)
        && let Day::MonthDay { month, day, .. } = hit.value.day
    {
        let day = Day::MonthDay {
            years: Some(years),
            month,
            day,
        };
        return self::hit(day, hit.end, 0.95, "date");
    }
    if let Some((which, end)) = v.eat_any(end, &["底", "末", "初", "中"]) {
        let edge = [Edge::End, Edge::End, Edge::Start, Edge::Middle][which];
        return hit(Day::YearEdge { years, edge }, end, 0.85, "edge");
    }
    hit(Day::Year { years }, end, 0.8, "period")
}

/// 下周五, 周末, 本周, 礼拜三.
fn week_zh(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let (offset, at) = offset(v, i).map_or((None, i), |(o, at)| (Some(o), at));
    let at = if offset.is_some() {
        v.eat(at, "个").unwrap_or(at)
    } else {
        at
    };
    let (_, at) = v.eat_any(at, &["周", "星期", "礼拜"])?;
    if v.is_char(at, &['末']) {
        let weeks = offset.unwrap_or(0);
        return hit(Day::Weekend { weeks }, at + 1, 0.85, "weekend");
    }
    let weekday = match v.char(at) {
        Some('一') => 1,
        Some('二') => 2,
        Some('三') => 3,
        Some('四') => 4,
        Some('五') => 5,
        Some('六') => 6,
        Some('日' | '天' | '七') => 7,
        _ if v.width(at) == 1 && v.glued(at) => v.int(at).filter(|n| (1..=7).contains(n))?,
        _ => 0,
    };
    let weekday = i8::try_from(weekday).ok()?;
    // 一周年, 三周 and 周到 name no day; 两周一次 is once in two weeks.
    let counted = i > 0
        && v.class(i - 1) == Some(Class::Han)
        && v.char(i - 1).and_then(number::numeral).is_some()
        || i > 0 && v.class(i - 1) == Some(Class::Digits) && v.glued(i);
    if weekday == 0 || v.is_char(at + 1, &['次', '年', '遍', '回']) && weekday == 1 {
        let weeks = offset?;
        if v.is_char(at, &['年', '围', '边', '到']) {
            return None;
        }
        return hit(Day::Week { weeks }, at, 0.85, "period");
    }
    if offset.is_none() && counted {
        return None;
    }
    let week = match offset {
        None => Week::Coming,
        Some(weeks) => Week::In(weeks),
    };
    // 周三 and 周五 are also what people are called.
    hit(Day::Weekday { weekday, week }, at + 1, 0.9, "weekday")
}

/// 下个月, 上个月底, 月初, 下个月5号.
fn month_zh(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let edge = |v: View<'_>, at: usize| {
        v.eat_any(at, &["底", "末", "初", "中旬", "中"])
            .map(|(which, end)| {
                (
                    [
                        Edge::End,
                        Edge::End,
                        Edge::Start,
                        Edge::Middle,
                        Edge::Middle,
                    ][which],
                    end,
                )
            })
    };
    if v.is_char(i, &['月']) {
        let counted = i > 0
            && (v.class(i - 1) == Some(Class::Digits)
                || v.is_char(i - 1, &['个', '每'])
                || v.char(i - 1).and_then(number::numeral).is_some());
        let (edge, end) = edge(v, i + 1).filter(|_| !counted)?;
        return hit(Day::MonthEdge { months: 0, edge }, end, 0.85, "edge");
    }
    let (months, at) = offset(v, i)?;
    let at = v.eat(at, "个").unwrap_or(at);
    let at = v.eat(at, "月")?;
    let at = v.eat(at, "份").unwrap_or(at);
    if let Some((edge, end)) = edge(v, at) {
        return hit(Day::MonthEdge { months, edge }, end, 0.9, "edge");
    }
    let the = v.eat(at, "的").unwrap_or(at);
    if let Some((day, behind)) = clock::small(v, the)
        && let Some((_, end)) = v.eat_any(behind, &["号", "日"])
        && (1..=31).contains(&day)
    {
        let day = Day::DayOfMonth {
            day: i8::try_from(day).ok()?,
            months: Some(months),
        };
        return hit(day, end, 0.95, "day of the month");
    }
    hit(Day::Month { months }, at, 0.85, "period")
}

/// 2025年3月5日, 三月二十五号, 3月底, 5号.
fn month_and_day(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let mut at = i;
    let mut year = None;
    if let Some((said, end)) = year_zh(v, i) {
        year = Some(said);
        at = end;
    }
    let Some((first, behind)) = clock::small(v, at) else {
        let year = year?;
        return hit(
            Day::NamedYear {
                year: full_year(year)?,
            },
            at,
            if v.width(i) == 4 || year > 1900 {
                0.8
            } else {
                0.4
            },
            "year",
        );
    };
    // Digits that go on from a word or a longer number name no day.
    if v.glued(at)
        && v.class(at) == Some(Class::Digits)
        && v.before(at).is_some_and(|t| {
            t.class == Class::Word || matches!(t.first, '.' | '/' | ':' | '#' | '第')
        })
    {
        return None;
    }
    if v.is_char(behind, &['月']) && (1..=12).contains(&first) {
        let after = behind + 1;
        if let Some((day, end)) = clock::small(v, after) {
            let marked = v.eat_any(end, &["号", "日"]).map(|(_, end)| end);
            let unmarked = v.glued(after)
                && !v.is_char(end, &['月', '点', '个', '件', '天', '元', '块', '时', '年'])
                && !(v.glued(end + 1) && v.is_char(end, &['.', ':']));
            if (marked.is_some() || unmarked)
                && let Some(date) = month_day(year, first, day)
            {
                let confidence = if marked.is_some() { 0.95 } else { 0.75 };
                return hit(date, marked.unwrap_or(end), confidence, "date");
            }
        }
        let month = i8::try_from(first).ok()?;
        let named = v.eat(after, "份");
        let at = named.unwrap_or(after);
        if let Some((which, end)) = v.eat_any(at, &["底", "末", "初", "中旬", "中"]) {
            let edge = [
                Edge::End,
                Edge::End,
                Edge::Start,
                Edge::Middle,
                Edge::Middle,
            ][which];
            return hit(Day::NamedMonthEdge { month, edge }, end, 0.85, "edge");
        }
        let year = match year {
            Some(year) => Some(full_year(year)?),
            None => None,
        };
        return hit(Day::NamedMonth { year, month }, at, 0.75, "month");
    }
    if year.is_some() {
        let year = full_year(year?)?;
        return hit(Day::NamedYear { year }, at, 0.7, "year");
    }
    let marked = v.eat_any(behind, &["号", "日"])?;
    let numbered = v
        .eat_any(
            marked.1,
            &[
                "线", "楼", "店", "门", "机", "房", "色", "柜", "口", "馆", "码", "单", "桌", "床",
                "位", "球", "字", "院", "电", "元", "本", "室", "栋", "铺", "内", "常", "用", "均",
                "仓", "员",
            ],
        )
        .is_some();
    // 二月三十号 is no day, and 三十号 not what it means.
    if numbered || !(1..=31).contains(&first) || at != i || v.follows(i, &["月"]) {
        return None;
    }
    let day = Day::DayOfMonth {
        day: i8::try_from(first).ok()?,
        months: None,
    };
    // 1号 is also a size, a shop, a place in a row.
    hit(day, marked.1, 0.75, "day of the month")
}

/// 2025年, 二〇二五年, 25年 before a month.
fn year_zh(v: View<'_>, i: usize) -> Option<(i64, usize)> {
    if v.class(i) == Some(Class::Digits) {
        let year = v.int(i)?;
        let end = v.eat(i + 1, "年")?;
        let short =
            v.width(i) == 2 && clock::small(v, end).is_some_and(|(_, e)| v.is_char(e, &['月']));
        return ((v.width(i) == 4 && (1900..=2200).contains(&year)) || short)
            .then_some((year, end));
    }
    let mut value = 0;
    let mut end = i;
    while let Some(digit) = v.char(end).and_then(number::numeral)
        && end < i + 4
        && !v.is_char(end, &['两'])
    {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 9")]
        {
            value = value * 10 + digit as i64;
        }
        end += 1;
    }
    if !matches!(end - i, 2 | 4) {
        return None;
    }
    let behind = v.eat(end, "年")?;
    let month = clock::small(v, behind).is_some_and(|(_, e)| v.is_char(e, &['月']));
    (end - i == 4 && (1900..=2200).contains(&value) || month).then_some((value, behind))
}
