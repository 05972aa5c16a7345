use proptest::prelude::*;
use tandem_domain::{
    Locale,
    entity::{Entity, EntityValue, IN_PASSING},
};

use crate::{COLOURS, RECOGNISER, calendar};

fn read(message: &str) -> Vec<Entity> {
    let locale = Locale::new("zh");
    check(message, &RECOGNISER.numbers(message, &locale));
    check(message, &RECOGNISER.hours(message, &locale));
    check(message, &RECOGNISER.phones(message, &locale));
    check(message, &RECOGNISER.urls(message));
    check(message, &RECOGNISER.choices(message, &COLOURS));
    let nth = RECOGNISER.nth(message, 5);
    assert!(nth.is_none_or(|nth| (1..=5).contains(&nth)), "{nth:?}");
    let found = RECOGNISER.read(message, &locale);
    check(message, &found);
    found
}

fn check(message: &str, found: &[Entity]) {
    let calendar = calendar("Europe/Berlin", "en");
    let mut end = 0;
    for entity in found {
        assert!(message.get(entity.span.clone()).is_some(), "{entity:?}");
        assert!(
            entity.span.start >= end && !entity.span.is_empty(),
            "{found:?}"
        );
        assert!((0.0..=1.0).contains(&entity.confidence), "{entity:?}");
        assert!(entity.number().is_none_or(f64::is_finite), "{entity:?}");
        end = entity.span.end;
        let _ = (entity.date(&calendar), entity.time(&calendar));
        let _ = entity.instant(&calendar);
        if let Some((from, to)) = entity.bounds(&calendar) {
            assert!(from <= to, "{entity:?}");
        }
        let written = serde_json::to_string(entity).unwrap();
        let back: Entity = serde_json::from_str(&written).unwrap();
        assert_eq!(&back, entity, "{written}");
    }
}

#[test]
fn odd_messages_are_read() {
    for text in [
        "",
        " ",
        "\0",
        "👍",
        "\u{202e}\u{200b}",
        "½",
        "①②③",
        "-",
        "--",
        "1-",
        "-1-",
        "1/0",
        "0/0",
        "第",
        "第第第",
        "半",
        "半半半",
        "年月日",
        "点点点",
        "点",
        "零点零点",
        "百分之",
        "百分之百分之",
        "$",
        "$$$",
        "¥¥1",
        "+",
        "+1",
        "(((((((((1",
        "1)))))",
        "a@",
        "@b",
        "http://",
        "www.",
        "a.b",
        "999999999999999999999999999",
        "1,,,1",
        "1.1.1.1.1",
        "99999-99-99",
        "9999-12-31",
        "0000-00-00",
        "31/02/2025",
        "29 February 2025",
        "2月30日",
        "25点70分",
        "亿亿亿亿",
        "一二三四五六七八九十一二三四五六七八九十一二三",
        "from to from to",
        "between and",
        "in in in",
        "next next next",
        "下下下下下下周五",
        "上上上上月",
        "1e400",
        "１２３４５６７８９０１２３４５６７８９０",
        "one hundred hundred hundred thousand",
        "999999 years ago",
        "in 999999 months",
        "999999个月后",
        "in 99999999 hours",
        "一百万年前",
        "a a a a a an an",
        "half half half",
        "٣٤٥",
        "፩፪፫",
        "Ⅷ",
        "İ12",
        "ß5",
    ] {
        read(text);
    }
}

#[test]
fn long_messages_take_time_in_proportion() {
    let parts = [
        "1 ",
        "1-",
        "1/",
        "1.",
        "一",
        "半",
        "第",
        "next ",
        "下",
        "a@",
        "+1 ",
        "(",
        "one hundred ",
        "between ",
        "in ",
        "$",
        "3点",
        "周",
        "月",
        "from 1 to ",
        "navy ",
        "AB-123",
        "..",
        "http://",
        "1,000,",
        "and a ",
        "1h",
        "-1",
        "五",
    ];
    let took = |text: &str| {
        // Others may be running: the best of several is what it takes.
        let runs = 8;
        let mut best = std::time::Duration::MAX;
        for _ in 0..runs {
            let start = std::time::Instant::now();
            std::hint::black_box(RECOGNISER.read(text, &Locale::new("en")));
            best = best.min(start.elapsed());
        }
        best
    };
    for part in parts {
        let short = part.repeat(500 / part.chars().count());
        let long = part.repeat(4_000 / part.chars().count());
        let (a, b) = (took(&short), took(&long));
        // Eight times as long: linear is 8, quadratic 64; small times are noise.
        assert!(
            b < a * 24 + std::time::Duration::from_millis(20),
            "{part:?}: {a:?} for 500, {b:?} for 4,000"
        );
        read(&part.repeat(100_000 / part.len()));
    }
}

fn alone(text: &str) -> EntityValue {
    let found = read(text);
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    assert_eq!(found[0].span, 0..text.len(), "{text}");
    assert!(found[0].confidence >= IN_PASSING, "{text}: {found:?}");
    found[0].value.clone()
}

/// A whole number in Chinese numerals.
fn numerals(n: u64) -> String {
    const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    fn below(n: u64, out: &mut String, first: bool) {
        let mut zero = false;
        let mut begun = !first;
        for (unit, mark) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
            let digit = n / unit % 10;
            if digit == 0 {
                zero = begun;
                continue;
            }
            if zero {
                out.push('零');
            }
            zero = false;
            out.push(DIGITS[usize::try_from(digit).unwrap()]);
            out.push_str(mark);
            begun = true;
        }
    }
    if n == 0 {
        return "零".into();
    }
    let mut out = String::new();
    if n >= 10_000 {
        below(n / 10_000, &mut out, true);
        out.push('万');
        let rest = n % 10_000;
        if rest > 0 {
            if rest < 1000 {
                out.push('零');
            }
            below(rest, &mut out, true);
        }
    } else {
        below(n, &mut out, true);
    }
    out
}

fn words(n: u64) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] = [
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    let at = |n: u64| usize::try_from(n).unwrap();
    match n {
        0..20 => SMALL[at(n)].into(),
        20..100 if n.is_multiple_of(10) => TENS[at(n / 10)].into(),
        20..100 => format!("{}-{}", TENS[at(n / 10)], SMALL[at(n % 10)]),
        100..1000 if n.is_multiple_of(100) => format!("{} hundred", words(n / 100)),
        100..1000 => format!("{} hundred and {}", words(n / 100), words(n % 100)),
        _ if n.is_multiple_of(1000) => format!("{} thousand", words(n / 1000)),
        _ if n % 1000 < 100 => format!("{} thousand and {}", words(n / 1000), words(n % 1000)),
        _ => format!("{} thousand {}", words(n / 1000), words(n % 1000)),
    }
}

proptest! {
    #[test]
    fn anything_is_read(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn odd_mixes_are_read(parts in prop::collection::vec(prop::sample::select(vec![
        "1", "12", "2025", "-", "/", ".", ",", ":", "%", "$", "¥", "+", "(", ")", " ", "a", "an",
        "half", "and", "next", "friday", "march", "may", "the", "5th", "of", "in", "ago", "am",
        "pm", "to", "between", "hundred", "dozen", "kg", "days", "一", "二", "十", "百", "万", "半",
        "个", "点", "分", "下", "上", "周", "月", "年", "日", "号", "天", "后", "前", "到", "折", "块",
        "元", "毛", "斤", "第", "百分之", "午", "晚", "今", "明", "@", "x.com", "http://", "\u{200b}",
        "½", "１", "walnut", "AB-123", "12345678", "13800138000", "é", "🙂",
    ]), 0..24)) {
        read(&parts.concat());
        read(&parts.join(" "));
    }

    #[test]
    fn numbers_come_back(n in 0_u64..1_000_000, cents in 0_u32..100) {
        prop_assert_eq!(alone(&n.to_string()), EntityValue::Number { value: n as f64 });
        prop_assert_eq!(alone(&numerals(n)), EntityValue::Number { value: n as f64 });
        prop_assert_eq!(alone(&words(n)), EntityValue::Number { value: n as f64 });
        let amount = format!("{n}.{cents:02}");
        let value: f64 = amount.parse().unwrap();
        prop_assert_eq!(
            alone(&format!("¥{amount}")),
            EntityValue::Money { amount: value, currency: "CNY".into() }
        );
        prop_assert_eq!(
            alone(&format!("{amount} EUR")),
            EntityValue::Money { amount: value, currency: "EUR".into() }
        );
        prop_assert_eq!(
            alone(&format!("{amount}%")),
            EntityValue::Percentage { value, off: false }
        );
    }

    #[test]
    fn dates_come_back(year in 1950_i16..2100, month in 1_i8..=12, day in 1_i8..=31, minutes in 0_i64..1440) {
        let Ok(date) = jiff::civil::Date::new(year, month, day) else { return Ok(()) };
        let calendar = calendar("Asia/Shanghai", "en");
        let time = jiff::civil::time(0, 0, 0, 0) + jiff::Span::new().minutes(minutes);
        for format in [
            "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%-d %B %Y", "%B %-d, %Y", "%-d. %b %Y",
            "%Y年%-m月%-d日", "%A, %-d %B %Y",
        ] {
            let text = date.strftime(format).to_string();
            let found = read(&text);
            prop_assert_eq!(found.len(), 1, "{}: {:?}", text, found);
            prop_assert_eq!(found[0].date(&calendar), Some(date), "{}", text);
            for clock in ["%H:%M", "%I:%M %p", "%-I:%M%P"] {
                let text = format!("{text} {}", time.strftime(clock));
                let found = read(&text);
                prop_assert_eq!(found.len(), 1, "{}: {:?}", text, found);
                let at = found[0].instant(&calendar).unwrap();
                prop_assert_eq!((at.date(), at.time()), (date, time), "{}", text);
            }
        }
    }
}
