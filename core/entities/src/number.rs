//! Numbers in digits, English words and Chinese numerals.

use super::tokens::{Class, View};

/// A number that begins at a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub value: f64,
    /// The upper end of 两三, where two numerals name neighbours.
    pub upper: Option<f64>,
    /// Behind it.
    pub end: usize,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing but so many digits.
    Plain(usize),
    /// Digits with a sign, a point, a separator, a fraction or a factor.
    Digits,
    Fraction,
    Words,
    Numerals,
    /// 半 or "half" alone: a number only before a unit.
    Half,
}

impl Number {
    fn new(value: f64, end: usize, form: Form) -> Self {
        Self {
            value,
            upper: None,
            end,
            form,
        }
    }

    /// As a whole number below a thousand million.
    pub fn int(&self) -> Option<i64> {
        let whole = self.value.fract() == 0.0 && self.value.abs() < 1e9;
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        whole.then_some(self.value as i64)
    }
}

/// The number that begins at a token, whatever it counts.
pub(super) fn at(v: View<'_>, i: usize) -> Option<Number> {
    let number = match v.class(i)? {
        Class::Digits => digits(v, i)?,
        Class::Word => words(v, i)?,
        Class::Han => numerals(v, i)?,
        Class::Mark if v.is_char(i, &['.']) => {
            let digits = v.class(i + 1) == Some(Class::Digits) && v.glued(i + 1);
            let value = format!("0.{}", v.word(i + 1)).parse().ok();
            Number::new(
                value.filter(|_| digits && !v.glued(i))?,
                i + 2,
                Form::Digits,
            )
        }
        Class::Mark => {
            let free = v.char(i) == Some('-') && !v.glued(i) && v.glued(i + 1);
            if !free || v.class(i + 1) != Some(Class::Digits) {
                return None;
            }
            let number = digits(v, i + 1)?;
            Number {
                value: -number.value,
                form: Form::Digits,
                ..number
            }
        }
    };
    number.value.is_finite().then_some(number)
}

fn digits(v: View<'_>, i: usize) -> Option<Number> {
    if v.width(i) > 18 {
        return None;
    }
    let mut value: f64 = v.word(i).parse().ok()?;
    let mut form = Form::Plain(v.width(i));
    let mut end = i + 1;
    if v.width(i) <= 3 {
        while v.is_char(end, &[','])
            && v.glued(end)
            && v.glued(end + 1)
            && v.width(end + 1) == 3
            && v.class(end + 1) == Some(Class::Digits)
            && end < i + 10
        {
            value = value * 1_000.0 + v.int(end + 1)? as f64;
            form = Form::Digits;
            end += 2;
        }
    }
    let decimals = v.is_char(end, &['.'])
        && v.glued(end)
        && v.glued(end + 1)
        && v.class(end + 1) == Some(Class::Digits);
    if decimals {
        if v.is_char(end + 2, &['.'])
            && v.glued(end + 2)
            && v.glued(end + 3)
            && v.class(end + 3) == Some(Class::Digits)
            || v.width(end + 1) > 12
        {
            return None;
        }
        // From the text, so that the value is the nearest to what was written.
        let whole: String = v.text.lower[v.text.span(i..end).start..v.text.span(i..end).end]
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        value = format!("{whole}.{}", v.word(end + 1)).parse().ok()?;
        form = Form::Digits;
        end += 2;
    }
    if let Some((divisor, behind)) = denominator(v, end) {
        if value.fract() == 0.0 && value < divisor {
            return Some(Number::new(value / divisor, behind, Form::Fraction));
        }
    } else if v.class(end) == Some(Class::Digits)
        && !v.glued(end)
        && form == Form::Plain(v.width(i))
    {
        // 1 1/2
        if let Some(upper) = v.int(end)
            && let Some((divisor, behind)) = denominator(v, end + 1)
            && (upper as f64) < divisor
        {
            return Some(Number::new(
                value + upper as f64 / divisor,
                behind,
                Form::Digits,
            ));
        }
    }
    let mut number = Number::new(value, end, form);
    scaled(v, &mut number);
    if v.lexed(number.end).scale.is_some() && !v.glued(number.end) {
        let scale = f64::from(v.lexed(number.end).scale.unwrap_or(1));
        number.value *= scale;
        number.end += 1;
        number.form = Form::Digits;
    }
    and_a_half(v, &mut number);
    Some(number)
}

/// Behind `/2`, for the denominators people write.
fn denominator(v: View<'_>, i: usize) -> Option<(f64, usize)> {
    let slash = v.is_char(i, &['/']) && v.glued(i) && v.glued(i + 1);
    let divisor = slash.then(|| v.int(i + 1)).flatten()?;
    let goes_on = v.is_char(i + 2, &['/', '-']) && v.glued(i + 2);
    let known = matches!(divisor, 2 | 3 | 4 | 5 | 8) && v.width(i + 1) == 1;
    (known && !goes_on).then_some((divisor as f64, i + 2))
}

/// 1.5k, 3万, 3万5, 1千2百.
fn scaled(v: View<'_>, number: &mut Number) {
    if v.glued(number.end) && v.is(number.end, "k") {
        number.value *= 1_000.0;
        number.end += 1;
        number.form = Form::Digits;
        return;
    }
    // 3w is how people type 3万.
    if v.glued(number.end) && v.is(number.end, "w") && v.class(number.end + 1) == Some(Class::Han) {
        number.value *= 10_000.0;
        number.end += 1;
        number.form = Form::Digits;
        return;
    }
    let Some(mut unit) = v.char(number.end).and_then(factor).filter(|f| *f >= 100.0) else {
        return;
    };
    number.value *= unit;
    number.end += 1;
    number.form = Form::Digits;
    while v.glued(number.end)
        && let Some(next) = v.int(number.end)
    {
        let own = v.char(number.end + 1).and_then(factor);
        match own {
            Some(smaller) if smaller < unit => {
                number.value += next as f64 * smaller;
                number.end += 2;
                unit = smaller;
            }
            None if next < 10 && v.width(number.end) == 1 => {
                number.value += next as f64 * unit / 10.0;
                number.end += 1;
                return;
            }
            _ => return,
        }
    }
}

fn and_a_half(v: View<'_>, number: &mut Number) {
    if v.is(number.end, "and") && v.is_any(number.end + 1, &["a", "one"]) {
        let part = match v.word(number.end + 2) {
            "half" => 0.5,
            "quarter" => 0.25,
            _ => return,
        };
        number.value += part;
        number.end += 3;
        if matches!(number.form, Form::Plain(_)) {
            number.form = Form::Digits;
        }
    } else if v.is(number.end, "and") && v.is(number.end + 1, "half") {
        number.value += 0.5;
        number.end += 2;
    } else if v.is_any(number.end, &["个"]) && v.is(number.end + 1, "半") {
        // 3个半
        number.value += 0.5;
        number.end += 2;
        number.form = Form::Digits;
    }
}

fn words(v: View<'_>, i: usize) -> Option<Number> {
    if v.is_any(i, &["minus", "negative"]) {
        let number = match v.class(i + 1)? {
            Class::Digits => digits(v, i + 1)?,
            Class::Word => counted(v, i + 1)?,
            _ => return None,
        };
        return Some(Number {
            value: -number.value,
            form: Form::Words,
            ..number
        });
    }
    counted(v, i)
}

fn counted(v: View<'_>, i: usize) -> Option<Number> {
    let article = usize::from(v.is_any(i, &["a", "an"]));
    if v.is(i, "half") {
        let article = usize::from(v.is(i + 1, "a"));
        return Some(if v.is(i + 1 + article, "dozen") {
            Number::new(6.0, i + 2 + article, Form::Words)
        } else {
            Number::new(0.5, i + 1, Form::Half)
        });
    }
    if v.is(i + article, "couple") {
        let of = usize::from(v.is(i + article + 1, "of"));
        return (article == 1 || of == 1)
            .then(|| Number::new(2.0, i + article + 1 + of, Form::Words));
    }
    if v.is_any(i, &["both", "single"]) {
        let value = v.lexed(i).small?;
        return Some(Number::new(f64::from(value), i + 1, Form::Words));
    }
    let first = v.lexed(i + article);
    let (mut total, mut current, mut last) = match (first.small, first.scale) {
        (Some(small), _) if article == 0 => (0.0, f64::from(small), f64::from(small)),
        (_, Some(scale)) if !v.is(i + article, "grand") => {
            (0.0, f64::from(scale), f64::from(scale))
        }
        _ => return None,
    };
    let mut end = i + article + 1;
    while end < i + 24 {
        let and = usize::from(v.is(end, "and") && last >= 100.0);
        let dash = usize::from(v.is_char(end, &['-']) && v.glued(end) && v.glued(end + 1));
        let next = v.lexed(end + and + dash);
        let at = end + and + dash + 1;
        if let Some(scale) = next.scale {
            let scale = f64::from(scale);
            if scale <= 100.0 && current < 100.0 && current > 0.0 {
                current *= scale;
            } else if scale >= 1_000.0 && current > 0.0 && current < scale {
                total += current * scale;
                current = 0.0;
            } else {
                break;
            }
            last = scale;
        } else if let Some(small) = next.small.map(f64::from)
            && !v.is_any(at - 1, &["both", "single"])
            && ((20.0..100.0).contains(&last)
                && small < 10.0
                && small > 0.0
                && current % 10.0 == 0.0
                || last >= 100.0 && small > 0.0)
        {
            current += small;
            last = small;
        } else {
            break;
        }
        end = at;
    }
    let mut number = Number::new(total + current, end, Form::Words);
    if v.is(end, "point") && v.lexed(end + 1).small.is_some_and(|s| s < 10) {
        let mut digit = 0.1;
        number.end += 1;
        while let Some(small) = v.lexed(number.end).small.filter(|s| *s < 10)
            && digit > 1e-6
        {
            number.value += f64::from(small) * digit;
            digit /= 10.0;
            number.end += 1;
        }
        number.value = (number.value * 1e6).round() / 1e6;
    }
    and_a_half(v, &mut number);
    Some(number)
}

pub(super) fn numeral(c: char) -> Option<f64> {
    Some(match c {
        '零' | '〇' => 0.0,
        '一' | '壹' => 1.0,
        '二' | '两' | '俩' | '贰' => 2.0,
        '三' | '仨' | '叁' => 3.0,
        '四' | '肆' => 4.0,
        '五' | '伍' => 5.0,
        '六' => 6.0,
        '七' | '柒' => 7.0,
        '八' | '捌' => 8.0,
        '九' | '玖' => 9.0,
        _ => return None,
    })
}

pub(super) fn factor(c: char) -> Option<f64> {
    Some(match c {
        '十' | '拾' => 10.0,
        '百' | '佰' => 100.0,
        '千' | '仟' => 1_000.0,
        '万' => 10_000.0,
        '亿' => 100_000_000.0,
        _ => return None,
    })
}

fn numerals(v: View<'_>, i: usize) -> Option<Number> {
    if v.is_char(i, &['负']) {
        let number = match v.class(i + 1)? {
            Class::Han => numerals(v, i + 1)?,
            Class::Digits => digits(v, i + 1)?,
            _ => return None,
        };
        return (number.value > 0.0).then_some(Number {
            value: -number.value,
            ..number
        });
    }
    if v.is_char(i, &['半']) {
        return Some(Number::new(0.5, i + 1, Form::Half));
    }
    // 三四十 are 30 to 40, not 40.
    if v.glued(i)
        && i.checked_sub(1)
            .and_then(|i| v.char(i))
            .and_then(numeral)
            .is_some()
    {
        return None;
    }
    let mut end = i;
    let mut run = [' '; 20];
    while let Some(c) = v.char(end) {
        if numeral(c).is_none() && factor(c).is_none() {
            break;
        }
        *run.get_mut(end - i)? = c;
        end += 1;
    }
    let run = &run[..end - i];
    let mut number = Number::new(value(run)?, end, Form::Numerals);
    if let [a, b] = run
        && let (Some(low), Some(high)) = (numeral(*a), numeral(*b))
        && (high == low + 1.0 && low > 0.0 || (low, high) == (3.0, 5.0))
    {
        number.value = low;
        number.upper = Some(high);
    }
    if v.is_char(end, &['点']) && v.char(end + 1).and_then(numeral).is_some() {
        let mut at = end + 1;
        let mut text = String::new();
        while let Some(digit) = v.char(at).and_then(numeral)
            && text.len() < 9
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 9"
            )]
            text.push(char::from(b'0' + digit as u8));
            at += 1;
        }
        let decimals = v.char(at).and_then(factor).is_none_or(|f| f >= 10_000.0)
            && !v.is_char(at, &['分', '刻', '半']);
        if decimals && let Ok(part) = format!("0.{text}").parse::<f64>() {
            number.value = ((number.value + part) * 1e9).round() / 1e9;
            number.end = at;
            if let Some(scale) = v.char(at).and_then(factor) {
                number.value *= scale;
                number.end += 1;
            }
        }
    } else if v.eat(end, "个半").is_some() {
        number.value += 0.5;
        number.end += 2;
    }
    Some(number)
}

/// The value of a run of numerals: 三百二十, 三百二, 一万二, 二〇二五.
fn value(run: &[char]) -> Option<f64> {
    if run.is_empty() {
        return None;
    }
    if run.len() > 1 && run.iter().all(|c| numeral(*c).is_some()) {
        return Some(
            run.iter()
                .filter_map(|c| numeral(*c))
                .fold(0.0, |sum, digit| sum * 10.0 + digit),
        );
    }
    let (mut total, mut section) = (0.0, 0.0);
    let mut pending: Option<f64> = None;
    let mut last = 1.0;
    let mut after_zero = false;
    for c in run {
        if let Some(digit) = numeral(*c) {
            after_zero |= digit == 0.0;
            if pending.is_some_and(|p| p > 0.0) && digit > 0.0 {
                // Two digits in a row among units: no number.
                return None;
            }
            pending = Some(digit);
        } else {
            let scale = factor(*c)?;
            after_zero = false;
            if scale >= 10_000.0 {
                section += pending.take().unwrap_or(0.0);
                if section == 0.0 && total == 0.0 {
                    return None;
                }
                // 一亿三千万 adds to what a larger one closed, 一万亿 multiplies it.
                if total >= scale {
                    total += section * scale;
                } else {
                    total = (total + section) * scale;
                }
                section = 0.0;
            } else {
                let digit = pending.take();
                // A unit alone is a number only as 十.
                if digit.is_none() && scale > 10.0 {
                    return None;
                }
                section += digit.filter(|d| *d > 0.0).unwrap_or(1.0) * scale;
            }
            last = scale;
        }
    }
    if let Some(digit) = pending {
        section += if last >= 100.0 && !after_zero {
            digit * last / 10.0
        } else {
            digit
        };
    }
    Some(total + section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_numerals_have_their_value() {
        for (text, want) in [
            ("三百二十", 320.0),
            ("三百二", 320.0),
            ("三百零二", 302.0),
            ("十二", 12.0),
            ("一万二", 12_000.0),
            ("一万零二", 10_002.0),
            ("二〇二五", 2025.0),
            ("十万", 100_000.0),
            ("一亿三千万", 130_000_000.0),
            ("一万亿", 1e12),
            ("两千零五十", 2050.0),
            ("九千九百九十九", 9999.0),
        ] {
            let run: Vec<char> = text.chars().collect();
            assert_eq!(value(&run), Some(want), "{text}");
        }
        for text in ["千万", "万一", "百", "千"] {
            let run: Vec<char> = text.chars().collect();
            assert_eq!(value(&run), None, "{text}");
        }
    }
}
