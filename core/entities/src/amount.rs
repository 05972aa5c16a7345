//! Money, percentages and quantities: a number with what it counts.

use tandem_domain::entity::EntityValue;

use super::{
    Found,
    number::{self, Form, Number},
    tokens::{Class, View},
};

/// Digits of a fraction that prices have.
fn cents(amount: f64) -> f64 {
    (amount * 10_000.0).round() / 10_000.0
}

/// Money whose sign or code stands before the amount: ¥20, $ 20.50, USD 20.50.
pub(super) fn money_before(v: View<'_>, i: usize, dollar: &'static str) -> Option<Found> {
    let (currency, at) = sign(v, i, dollar)?;
    let number = number::at(v, at)?;
    if matches!(number.form, Form::Half | Form::Fraction) || number.value < 0.0 {
        return None;
    }
    let digits = matches!(v.class(at), Some(Class::Digits));
    if !digits {
        return None;
    }
    // ¥20元, $20 USD: said twice.
    let mut end = number.end;
    if let Some((again, behind)) = name(v, end)
        && (again == currency
            || v.is_char(end, &['元', '块', '圆'])
            || dollar_like(currency, again))
    {
        end = behind;
    }
    Some(Found::new(
        i..end,
        EntityValue::Money {
            amount: cents(number.value),
            currency: currency.to_owned(),
        },
        0.95,
        "currency sign",
    ))
}

fn dollar_like(a: &str, b: &str) -> bool {
    a.ends_with('D') && b.ends_with('D')
}

fn sign(v: View<'_>, i: usize, dollar: &'static str) -> Option<(&'static str, usize)> {
    if let Some(mark) = v.char(i) {
        let currency = match mark {
            '$' => dollar,
            '€' => "EUR",
            '£' => "GBP",
            '¥' => "CNY",
            '₩' => "KRW",
            '₹' => "INR",
            _ => return None,
        };
        return Some((currency, i + 1));
    }
    let code = v.word(i);
    let currency = v.lexed(i).currency?;
    // US$, HK$, A$, C$, NT$
    if v.is_char(i + 1, &['$']) && v.glued(i + 1) {
        return Some((currency, i + 2));
    }
    (code.len() == 3).then_some((currency, i + 1))
}

/// A$ and C$, whose letters are words of their own.
pub(super) fn lettered(v: View<'_>, i: usize) -> Option<Found> {
    let dollar = match v.word(i) {
        "a" | "au" => "AUD",
        "c" | "ca" => "CAD",
        "nz" => "NZD",
        "s" => "SGD",
        _ => return None,
    };
    if !(v.is_char(i + 1, &['$']) && v.glued(i + 1)) {
        return None;
    }
    let mut found = money_before(v, i + 1, dollar)?;
    found.tokens.start = i;
    Some(found)
}

/// The name of a currency behind an amount.
fn name(v: View<'_>, i: usize) -> Option<(&'static str, usize)> {
    match v.class(i)? {
        Class::Word => {
            let currency = v.lexed(i).currency?;
            (!v.is_any(i, &["us", "hk", "nt", "won"]) || v.is_any(i + 1, &["dollar", "dollars"]))
                .then(|| {
                    let more = v.is_any(i + 1, &["dollar", "dollars"]);
                    (currency, i + 1 + usize::from(more))
                })
        }
        Class::Mark => match v.char(i)? {
            '€' => Some(("EUR", i + 1)),
            '£' => Some(("GBP", i + 1)),
            '¥' => Some(("CNY", i + 1)),
            '$' if !matches!(v.class(i + 1), Some(Class::Digits)) => Some(("USD", i + 1)),
            _ => None,
        },
        Class::Han => {
            const NAMES: [(&str, &str); 23] = [
                ("元人民币", "CNY"),
                ("人民币", "CNY"),
                ("美元", "USD"),
                ("美金", "USD"),
                ("美刀", "USD"),
                ("刀", "USD"),
                ("欧元", "EUR"),
                ("英镑", "GBP"),
                ("日元", "JPY"),
                ("日圆", "JPY"),
                ("港币", "HKD"),
                ("港元", "HKD"),
                ("台币", "TWD"),
                ("新台币", "TWD"),
                ("澳元", "AUD"),
                ("加元", "CAD"),
                ("韩元", "KRW"),
                ("新币", "SGD"),
                ("元钱", "CNY"),
                ("块钱", "CNY"),
                ("元", "CNY"),
                ("块", "CNY"),
                ("圆", "CNY"),
            ];
            NAMES
                .iter()
                .find_map(|(name, currency)| Some((*currency, v.eat(i, name)?)))
        }
        Class::Digits => None,
    }
}

/// Money that a number begins: 20 dollars, 二十块五, 五毛.
pub(super) fn money_after(v: View<'_>, i: usize, number: &Number) -> Option<Found> {
    if number.value < 0.0 || number.form == Form::Fraction {
        return None;
    }
    let mut at = number.end;
    let mut confidence = 0.95;
    if let Some(behind) = v.eat(at, "多").or_else(|| v.eat(at, "来")) {
        at = behind;
        confidence = 0.7;
    }
    if v.is_any(at, &["cent", "cents"]) {
        return money(i..at + 1, number.value / 100.0, "USD", 0.8);
    }
    if v.is_any(at, &["pence"]) {
        return money(i..at + 1, number.value / 100.0, "GBP", 0.9);
    }
    if v.is_any(at, &["pound", "pounds"]) {
        // A pound of what? Weight where the words go on with "of", else money, but not surely.
        let weight = v.is(at + 1, "of") || v.is_any(at + 1, &["heavy", "weight"]);
        return (!weight)
            .then(|| money(i..at + 1, number.value, "GBP", 0.6))
            .flatten();
    }
    if number.form == Form::Half && !v.is_char(number.end, &['块']) {
        return None;
    }
    if let Some((scale, behind)) = small_coin(v, at) {
        let mut amount = number.value * scale;
        let mut end = behind;
        if scale == 0.1
            && let Some(next) = number::at(v, end).filter(|n| n.value < 10.0)
            && let Some(last) = v.eat(next.end, "分")
        {
            amount += next.value / 100.0;
            end = last;
        }
        return money(i..end, amount, "CNY", if scale == 0.1 { 0.85 } else { 0.7 });
    }
    let (currency, mut end) = name(v, at)?;
    // 块 also counts lumps: 两块表, 三块蛋糕.
    let lump = v.is(end - 1, "块");
    let mut amount = number.value;
    if v.is_char(end, &['半']) {
        amount += 0.5;
        end += 1;
    }
    if v.is_any(end, &["and"]) || currency != "CNY" {
        let and = usize::from(v.is(end, "and"));
        if let Some(next) = number::at(v, end + and).filter(|n| n.value < 100.0)
            && v.is_any(next.end, &["cent", "cents", "pence"])
        {
            amount += next.value / 100.0;
            end = next.end + 1;
        }
    }
    let mut coins = false;
    if currency == "CNY" {
        let zero = usize::from(v.is_char(end, &['零']));
        let next = number::at(v, end + zero).filter(|n| n.value < 100.0);
        if let Some(next) = next {
            if let Some((scale, behind)) = small_coin(v, next.end) {
                amount += next.value * scale;
                end = behind;
                coins = true;
                if scale == 0.1
                    && let Some(last) = number::at(v, end).filter(|n| n.value < 10.0)
                    && let Some(behind) = v.eat(last.end, "分")
                {
                    amount += last.value / 100.0;
                    end = behind;
                }
            } else if next.int().is_some_and(|n| (1..10).contains(&n))
                && v.glued(end)
                && zero == 0
                && next.upper.is_none()
                && lump_end(v, next.end)
            {
                // 二十块五
                amount += next.value / 10.0;
                end = next.end;
                coins = true;
            } else if v.width(end) == 2 && v.glued(end) && lump_end(v, next.end) {
                // 3块50
                amount += next.value / 100.0;
                end = next.end;
                coins = true;
            }
        }
    }
    let counted = lump
        && number.value < 10.0
        && !coins
        && v.class(end) == Some(Class::Han)
        && !after_price(v, end);
    if counted {
        confidence = 0.4;
    }
    money(i..end, amount, currency, confidence)
}

/// What may follow a price at once.
fn after_price(v: View<'_>, i: usize) -> bool {
    v.is_char(
        i,
        &[
            '的', '吗', '呢', '吧', '了', '左', '以', '多', '就', '能', '可', '是', '和', '到',
            '还', '一', '每', '优', '运', '邮', '包', '都', '太', '也', '不', '红', '退', '钱',
            '买', '啊', '被', '我', '你', '这', '那', '代', '补', '差', '减', '抵', '送', '起',
        ],
    )
}

/// Nothing that would make the digits before it count something.
fn lump_end(v: View<'_>, i: usize) -> bool {
    match v.class(i) {
        None | Some(Class::Mark) => true,
        Some(Class::Han) => after_price(v, i) && !v.is_char(i, &['一', '多']),
        _ => !v.glued(i),
    }
}

fn small_coin(v: View<'_>, i: usize) -> Option<(f64, usize)> {
    if let Some(end) = v
        .eat(i, "毛钱")
        .or_else(|| v.eat(i, "毛"))
        .or_else(|| v.eat(i, "角"))
    {
        return Some((0.1, end));
    }
    let end = v.eat(i, "分钱")?;
    Some((0.01, end))
}

fn money(
    tokens: std::ops::Range<usize>,
    amount: f64,
    currency: &str,
    confidence: f32,
) -> Option<Found> {
    amount.is_finite().then(|| {
        Found::new(
            tokens,
            EntityValue::Money {
                amount: cents(amount),
                currency: currency.to_owned(),
            },
            confidence,
            "currency name",
        )
    })
}

/// 百分之二十, 半价, 对折.
pub(super) fn percentage_before(v: View<'_>, i: usize) -> Option<Found> {
    if let Some(at) = v.eat(i, "百分之") {
        let number = number::at(v, at)?;
        return percentage(v, i, number.value, number.end, "percent");
    }
    if v.eat_any(i, &["半价", "对折", "半折"]).is_some() {
        return Some(off(i..i + 2, 50.0));
    }
    if v.is(i, "half") && v.is_any(i + 1, &["price", "off"]) {
        return Some(off(i..i + 2, 50.0));
    }
    None
}

/// 20 %, 20 percent, 八折.
pub(super) fn percentage_after(v: View<'_>, i: usize, number: &Number) -> Option<Found> {
    let at = number.end;
    if v.is_char(at, &['%']) || v.is_any(at, &["percent", "pct"]) {
        return percentage(v, i, number.value, at + 1, "percent");
    }
    if v.is(at, "per") && v.is(at + 1, "cent") {
        return percentage(v, i, number.value, at + 2, "percent");
    }
    if v.is_char(at, &['折']) && !v.is_char(at + 1, &['叠', '断', '腾', '射', '中', '旧', '返'])
    {
        // 八折, 8.5折 are tenths of the price; 八五折, 85折 hundredths.
        let tenths = number
            .upper
            .map_or(number.value, |high| number.value * 10.0 + high);
        let paid = if tenths >= 10.0 {
            tenths
        } else {
            tenths * 10.0
        };
        return (paid > 0.0 && paid < 100.0).then(|| off(i..at + 1, cents(100.0 - paid)));
    }
    None
}

fn percentage(v: View<'_>, i: usize, value: f64, end: usize, how: &'static str) -> Option<Found> {
    let value = cents(value);
    let off = v.is_any(end, &["off", "discount"]);
    value.is_finite().then(|| {
        Found::new(
            i..end + usize::from(off),
            EntityValue::Percentage { value, off },
            0.95,
            how,
        )
    })
}

fn off(tokens: std::ops::Range<usize>, value: f64) -> Found {
    Found::new(
        tokens,
        EntityValue::Percentage { value, off: true },
        0.9,
        "part of the price",
    )
}

/// "size 42", "eu 42".
pub(super) fn size_before(v: View<'_>, i: usize) -> Option<Found> {
    let mut at = i;
    if v.is(at, "size") {
        at += 1;
        at += usize::from(v.is_any(at, &["is", "eu", "uk", "us"]));
    } else if v.is(at, "eu") {
        at += 1;
    } else if let Some(behind) = v.eat_any(at, &["尺码是", "尺码", "鞋码", "码数"]) {
        at = behind.1;
        at += usize::from(v.is_char(at, &['是', ':']));
    } else {
        return None;
    }
    let number = number::at(v, at).filter(|n| (1.0..=70.0).contains(&n.value))?;
    let end = number.end + usize::from(v.is_char(number.end, &['码', '号']));
    Some(quantity(i..end, number.value, "size", 0.9))
}

/// 3 kg, 两斤, 42码, 2 pairs.
pub(super) fn quantity_after(v: View<'_>, i: usize, number: &Number) -> Option<Found> {
    let mut at = number.end;
    if number.value < 0.0 {
        return None;
    }
    let value = number.value;
    match v.class(at)? {
        Class::Word => {
            let article = usize::from(number.form == Form::Half && v.is_any(at, &["a", "an"]));
            at += article;
            let glued = v.glued(at);
            let unit = v.lexed(at).unit?;
            let short = v.word(at).len() == 1;
            if short && !glued && !v.is_any(at, &["g", "l"]) {
                return None;
            }
            // 5g is a network, 4k a screen.
            if v.is(at, "g") && glued && matches!(number.int(), Some(2..=6)) {
                return None;
            }
            if v.is_any(at, &["set", "foot", "can", "mile", "box", "pack"])
                && number.value == 1.0
                && number.form == Form::Words
            {
                return Some(quantity(i..at + 1, value, unit, 0.45));
            }
            // "one piece", "a pair" count; "one item" is said of things.
            let vague = unit == "piece" && number.form == Form::Words && value == 1.0;
            Some(quantity(
                i..at + 1,
                value,
                unit,
                if vague { 0.55 } else { 0.9 },
            ))
        }
        Class::Han => {
            const UNITS: [(&str, &str, f32); 41] = [
                ("公斤", "kg", 0.95),
                ("千克", "kg", 0.95),
                ("毫克", "mg", 0.95),
                ("毫升", "ml", 0.95),
                ("公升", "l", 0.95),
                ("厘米", "cm", 0.95),
                ("公分", "cm", 0.95),
                ("毫米", "mm", 0.95),
                ("公里", "km", 0.95),
                ("千米", "km", 0.95),
                ("英寸", "in", 0.95),
                ("英尺", "ft", 0.95),
                ("平方米", "m2", 0.95),
                ("平米", "m2", 0.95),
                ("平方", "m2", 0.8),
                ("毫安", "mAh", 0.95),
                ("斤", "jin", 0.95),
                ("克", "g", 0.9),
                ("磅", "lb", 0.9),
                ("吨", "t", 0.9),
                ("升", "l", 0.8),
                ("米", "m", 0.85),
                ("寸", "in", 0.85),
                ("尺", "chi", 0.8),
                ("瓦", "W", 0.85),
                ("伏", "V", 0.85),
                ("码", "size", 0.9),
                ("双", "pair", 0.9),
                ("对", "pair", 0.8),
                ("箱", "box", 0.9),
                ("盒", "box", 0.9),
                ("包", "pack", 0.8),
                ("瓶", "bottle", 0.9),
                ("罐", "can", 0.9),
                ("袋", "bag", 0.9),
                ("套", "set", 0.9),
                ("卷", "roll", 0.9),
                ("桶", "barrel", 0.9),
                ("打", "dozen", 0.7),
                ("片", "piece", 0.8),
                ("度", "degree", 0.7),
            ];
            let (unit, end, mut confidence) = UNITS
                .iter()
                .find_map(|(name, unit, c)| Some((*unit, v.eat(at, name)?, *c)))?;
            if number.form == Form::Half
                && !matches!(unit, "kg" | "jin" | "l" | "m" | "box" | "g" | "dozen")
            {
                return None;
            }
            let numeral = number.form == Form::Numerals;
            // 一对 and 一套 are also just "a"; 一度, 一米, 三包 and the like begin other words.
            if numeral && value == 1.0 {
                confidence -= 0.25;
            }
            if unit == "degree" && numeral
                || v.is_char(at, &['对']) && v.is_char(end, &['应', '于', '比', '的'])
                || v.is_char(at, &['打'])
                    && v.class(end) == Some(Class::Han)
                    && !v.is_char(end, &['吧', '的', '了', '左', '就', '鸡', '啤'])
                || v.is_char(at, &['包']) && v.is_char(end, &['邮', '退', '装', '括', '含'])
                || v.is_char(at, &['克']) && v.is_char(end, &['拉'])
                || v.is_char(at, &['套']) && v.is_char(end, &['餐', '路'])
                || v.is_char(at, &['升']) && v.is_char(end, &['级'])
                || v.is_char(at, &['双']) && v.is_char(end, &['十'])
            {
                return None;
            }
            if v.is_char(at, &['打']) {
                let value = EntityValue::Number {
                    value: value * 12.0,
                };
                return Some(Found::new(i..end, value, confidence, "words"));
            }
            // 一米八, 1米75
            if v.is_char(at, &['米'])
                && v.glued(end)
                && let Some((tail, behind)) = decimals(v, end).filter(|(tail, _)| *tail > 0.0)
                && (v.class(behind) != Some(Class::Han)
                    || v.is_char(
                        behind,
                        &['左', '的', '高', '长', '宽', '以', '多', '吧', '了'],
                    ))
            {
                return Some(quantity(i..behind, cents(value + tail), unit, 0.9));
            }
            let half = v.is_char(end, &['半'])
                && !v.is_char(end + 1, &['价', '折', '个', '小', '天', '年', '月']);
            if half && unit != "size" {
                return Some(quantity(i..end + 1, value + 0.5, unit, 0.95));
            }
            Some(quantity(i..end, value, unit, confidence))
        }
        Class::Mark => {
            if v.is_char(at, &['"', '″', '”']) && v.glued(at) && number.value <= 120.0 {
                return Some(quantity(i..at + 1, value, "in", 0.5));
            }
            None
        }
        Class::Digits => None,
    }
}

/// One or two digits behind a unit, as its decimals.
fn decimals(v: View<'_>, i: usize) -> Option<(f64, usize)> {
    if let Some(value) = v.int(i) {
        return match v.width(i) {
            1 => Some((value as f64 / 10.0, i + 1)),
            2 => Some((value as f64 / 100.0, i + 1)),
            _ => None,
        };
    }
    let digit = |at: usize| v.char(at).and_then(super::number::numeral);
    let tenths = digit(i)? / 10.0;
    Some(match digit(i + 1) {
        Some(second) => (tenths + second / 100.0, i + 2),
        None => (tenths, i + 1),
    })
}

/// "a pair of", "a bottle".
pub(super) fn article_quantity(v: View<'_>, i: usize) -> Option<Found> {
    if !v.is_any(i, &["a", "an"]) {
        return None;
    }
    let unit = v.lexed(i + 1).unit?;
    let counted = matches!(unit, "kg" | "lb" | "oz" | "pair" | "mile") && v.word(i + 1).len() > 2;
    let of = v.is(i + 2, "of");
    (counted && (of || unit == "kg")).then(|| quantity(i..i + 2, 1.0, unit, 0.7))
}

fn quantity(tokens: std::ops::Range<usize>, value: f64, unit: &str, confidence: f32) -> Found {
    Found::new(
        tokens,
        EntityValue::Quantity {
            value,
            unit: unit.to_owned(),
        },
        confidence,
        "unit",
    )
}
