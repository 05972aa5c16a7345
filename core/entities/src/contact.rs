//! Addresses: e-mail, web, telephone.

use std::ops::Range;

use linkify::{LinkFinder, LinkKind};
use tandem_domain::{Locale, entity::EntityValue};

use super::tokens::{Class, Text, View, is_han};

/// Calling code, what is dialled before a number at home, and how long a number is without it.
struct Country {
    region: &'static str,
    code: &'static str,
    trunk: &'static str,
    lengths: Range<usize>,
}

const fn country(
    region: &'static str,
    code: &'static str,
    trunk: &'static str,
    lengths: Range<usize>,
) -> Country {
    Country {
        region,
        code,
        trunk,
        lengths,
    }
}

/// Countries whose numbers are written without their code; others need a plus.
const COUNTRIES: [Country; 34] = [
    country("CN", "86", "0", 9..12),
    country("HK", "852", "", 8..9),
    country("MO", "853", "", 8..9),
    country("TW", "886", "0", 8..10),
    country("SG", "65", "", 8..9),
    country("MY", "60", "0", 8..11),
    country("JP", "81", "0", 9..11),
    country("KR", "82", "0", 8..11),
    country("US", "1", "1", 10..11),
    country("CA", "1", "1", 10..11),
    country("GB", "44", "0", 9..11),
    country("IE", "353", "0", 7..10),
    country("AU", "61", "0", 9..10),
    country("NZ", "64", "0", 8..11),
    country("ZA", "27", "0", 9..10),
    country("IN", "91", "0", 10..11),
    country("DE", "49", "0", 6..13),
    country("AT", "43", "0", 6..14),
    country("CH", "41", "0", 9..10),
    country("FR", "33", "0", 9..10),
    country("BE", "32", "0", 8..10),
    country("NL", "31", "0", 9..10),
    country("IT", "39", "", 8..12),
    country("ES", "34", "", 9..10),
    country("PT", "351", "", 9..10),
    country("PL", "48", "", 9..10),
    country("CZ", "420", "", 9..10),
    country("SE", "46", "0", 7..10),
    country("NO", "47", "", 8..9),
    country("DK", "45", "", 8..9),
    country("FI", "358", "0", 5..11),
    country("TR", "90", "0", 10..11),
    country("BR", "55", "0", 10..12),
    country("MX", "52", "", 10..11),
];

/// Finds addresses. Holds the link finder, which is made once.
#[derive(Debug)]
pub(super) struct Contacts {
    links: LinkFinder,
}

impl Contacts {
    pub fn new() -> Self {
        let mut links = LinkFinder::new();
        links.url_must_have_scheme(false);
        Self { links }
    }

    /// E-mail and web addresses, as spans of the text, from left to right. Where one was asked for,
    /// a web address may have any ending.
    pub fn links(&self, text: &Text, asked: bool) -> Vec<(Range<usize>, EntityValue, f32)> {
        let mut out = Vec::new();
        let plain = text.plain.as_str();
        let hints = plain.bytes().enumerate().any(|(i, b)| {
            b == b'@'
                || b == b'.' && plain[i + 1..].starts_with(|c: char| c.is_ascii_alphanumeric())
                || b == b':' && plain[i + 1..].starts_with("//")
        });
        if !hints {
            return out;
        }
        let mut start = 0;
        // Chinese is written right up to an address, which the finder takes for letters of it.
        for part in plain.split_inclusive(|c: char| c.is_whitespace() || breaks(c)) {
            let from = start;
            start += part.len();
            let part = part.trim_end_matches(|c: char| c.is_whitespace() || breaks(c));
            if !part.contains(['@', '.', ':']) {
                continue;
            }
            for link in self.links.links(part) {
                let span = from + link.start()..from + link.end();
                match link.kind() {
                    LinkKind::Email => {
                        let address = link.as_str().to_owned();
                        if address.len() <= 254 && address.contains('.') {
                            out.push((span, EntityValue::Email { address }, 0.98));
                        }
                    }
                    LinkKind::Url => {
                        if let Some((address, sure)) = web(link.as_str(), asked) {
                            out.push((span, EntityValue::Url { address }, sure));
                        }
                    }
                    _ => {}
                }
            }
        }
        out
    }
}

/// A character no address goes over.
fn breaks(c: char) -> bool {
    is_han(c) || matches!(u32::from(c), 0x3000..=0x30FF | 0xAC00..=0xD7AF) || matches!(c, '“' | '”')
}

/// An address with its scheme. One without any is an address if it begins with www or has a path
/// or an ending that no sentence has.
fn web(link: &str, asked: bool) -> Option<(String, f32)> {
    const ENDINGS: [&str; 22] = [
        "com", "org", "net", "cn", "de", "uk", "io", "co", "eu", "shop", "store", "fr", "nl", "au",
        "ca", "hk", "tw", "jp", "sg", "info", "app", "test",
    ];
    if link
        .get(..4)
        .is_some_and(|s| s.eq_ignore_ascii_case("http"))
        && link.contains("://")
    {
        return Some((link.to_owned(), 0.98));
    }
    if link.contains("://") || link.contains(':') && !link.contains('/') {
        return None;
    }
    let host = link.split(['/', '?', '#']).next().unwrap_or(link);
    let lower = host.to_ascii_lowercase();
    let ending = lower.rsplit('.').next().unwrap_or("");
    let www = lower.starts_with("www.");
    // "wait.no", "hello.thanks": a full stop without a space.
    let known = ENDINGS.contains(&ending) && lower.len() > ending.len() + 2;
    let other = asked && ending.len() >= 2 && ending.bytes().all(|b| b.is_ascii_alphabetic());
    (www || known || other).then(|| {
        let sure = match (www, known) {
            (true, _) => 0.95,
            (_, true) => 0.8,
            _ => 0.4,
        };
        (format!("https://{link}"), sure)
    })
}

/// A run of digits as a telephone number is written, and what is behind it.
#[derive(Debug)]
struct Run {
    digits: String,
    end: usize,
    plus: bool,
    groups: usize,
    /// A space, a dash or a bracket stands in it.
    parted: bool,
}

fn run(v: View<'_>, i: usize) -> Option<Run> {
    let mut at = i;
    let plus = v.is_char(at, &['+']);
    at += usize::from(plus);
    let mut run = Run {
        digits: String::new(),
        end: at,
        plus,
        groups: 0,
        parted: false,
    };
    let mut open = false;
    while at < i + 24 {
        match v.class(at) {
            Some(Class::Digits) => {
                run.digits.push_str(v.word(at));
                run.groups += 1;
                if !v.glued(at) && run.groups > 1 {
                    run.parted = true;
                }
                run.end = at + 1;
                if run.digits.len() > 18 {
                    return None;
                }
            }
            Some(Class::Mark) => match v.char(at) {
                Some('(') if !open && run.groups <= 1 => open = true,
                Some(')') if open && run.groups >= 1 => {
                    open = false;
                    run.end = at + 1;
                    run.parted = true;
                }
                Some('-' | '.' | '/')
                    if run.groups >= 1 && v.class(at + 1) == Some(Class::Digits)
                        || v.is_char(at, &['-'])
                            && run.groups >= 1
                            && v.is_char(at + 1, &['(']) =>
                {
                    run.parted = true;
                }
                _ => break,
            },
            _ => break,
        }
        at += 1;
    }
    (run.groups >= 1 && !open).then_some(run)
}

const CUES_EN: [&str; 10] = [
    "phone",
    "tel",
    "telephone",
    "mobile",
    "cell",
    "call",
    "number",
    "whatsapp",
    "ring",
    "text",
];
const CUES_ZH: [&str; 9] = [
    "电话",
    "手机",
    "手机号",
    "号码",
    "联系方式",
    "座机",
    "打给",
    "致电",
    "热线",
];

/// The digits at a token, where they may be those of a telephone number.
fn begun(v: View<'_>, i: usize) -> Option<Run> {
    let starts = v.class(i) == Some(Class::Digits)
        || v.is_char(i, &['+', '(']) && matches!(v.class(i + 1), Some(Class::Digits))
        || v.is_char(i, &['+']) && v.is_char(i + 1, &['(']);
    if !starts
        || v.glued(i)
            && v.before(i).is_some_and(|t| {
                t.class == Class::Word
                    || matches!(t.first, '-' | '/' | '.' | '#' | '_' | '$' | '¥' | '€' | '£')
            })
    {
        return None;
    }
    let run = run(v, i)?;
    // Letters right behind belong to a code; so does a colon.
    if v.glued(run.end) && matches!(v.class(run.end), Some(Class::Word))
        || v.glued(run.end) && v.is_char(run.end, &[':', '%', '_'])
    {
        return None;
    }
    Some(run)
}

/// Digits at a token as whoever was asked for a telephone number writes them.
pub(super) fn dialled(v: View<'_>, i: usize) -> Option<super::Found> {
    let run = begun(v, i)?;
    let digits = run.digits.as_str();
    if !(6..=15).contains(&digits.len()) {
        return None;
    }
    let number = match (run.plus, digits.strip_prefix("00")) {
        (true, _) => format!("+{digits}"),
        (false, Some(rest)) => format!("+{rest}"),
        (false, None) => digits.to_owned(),
    };
    Some(super::Found::new(
        i..run.end,
        EntityValue::Phone { number },
        0.3,
        "digits",
    ))
}

/// A telephone number at a token. `loose` also takes one that only the words before it tell.
pub(super) fn phone(v: View<'_>, i: usize, locale: &Locale, loose: bool) -> Option<super::Found> {
    let run = begun(v, i)?;
    let digits = run.digits.as_str();
    let region = region(locale);
    let cued = cued(v, i);
    let (number, confidence) = if run.plus {
        if !(7..=15).contains(&digits.len()) || digits.starts_with('0') {
            return None;
        }
        (international(digits), 0.97)
    } else if let Some(rest) = digits
        .strip_prefix("00")
        .filter(|r| (8..=15).contains(&r.len()))
    {
        (international(rest), 0.85)
    } else if is_chinese_mobile(digits) && (run.groups == 1 || run.parted) {
        (format!("+86{digits}"), 0.95)
    } else if digits.starts_with("86") && is_chinese_mobile(&digits[2..]) {
        (format!("+{digits}"), 0.9)
    } else if matches!(digits.get(..3), Some("400" | "800"))
        && digits.len() == 10
        && (region.is_none_or(|r| r.region == "CN"))
        && (run.parted || locale.language() == "zh")
    {
        // Service numbers cannot be dialled from abroad.
        (digits.to_owned(), 0.8)
    } else if let Some(country) = region
        && let Some(national) = national(country, digits)
        && (!country.trunk.is_empty() && digits.starts_with(country.trunk) || run.parted || cued)
        && (digits.len() >= 9 || cued)
    {
        let sure = if cued || run.parted { 0.9 } else { 0.7 };
        (format!("+{}{national}", country.code), sure)
    } else if digits.starts_with('0') && (9..=12).contains(&digits.len()) && digits.len() > 9 {
        (
            digits.to_owned(),
            if run.parted || cued { 0.85 } else { 0.6 },
        )
    } else if digits.len() == 10 && (run.groups == 3 || digits_in_brackets(v, i)) && run.parted {
        // 555-123-4567, whoever's country it is.
        (digits.to_owned(), 0.75)
    } else if loose && cued && (7..=12).contains(&digits.len()) {
        (digits.to_owned(), 0.75)
    } else {
        return None;
    };
    Some(super::Found::new(
        i..run.end,
        EntityValue::Phone { number },
        confidence,
        if run.plus {
            "international"
        } else {
            "national"
        },
    ))
}

fn digits_in_brackets(v: View<'_>, i: usize) -> bool {
    v.is_char(i, &['('])
}

/// With a plus, without the zero that is put in brackets for callers at home.
fn international(digits: &str) -> String {
    let country = COUNTRIES.iter().filter(|c| c.trunk == "0").find(|c| {
        digits
            .strip_prefix(c.code)
            .is_some_and(|rest| rest.starts_with('0'))
    });
    match country {
        Some(c) => format!("+{}{}", c.code, &digits[c.code.len() + 1..]),
        None => format!("+{digits}"),
    }
}

fn is_chinese_mobile(digits: &str) -> bool {
    digits.len() == 11 && digits.starts_with('1') && digits.as_bytes()[1] >= b'3'
}

/// The number without what is dialled at home, where its length fits.
fn national<'a>(country: &Country, digits: &'a str) -> Option<&'a str> {
    let national = if country.trunk.is_empty() {
        digits
    } else {
        digits.strip_prefix(country.trunk).unwrap_or(digits)
    };
    country
        .lengths
        .contains(&national.len())
        .then_some(national)
}

fn region(locale: &Locale) -> Option<&'static Country> {
    let tag = locale.as_str();
    let region = tag.split(['-', '_']).skip(1).find(|part| part.len() == 2);
    let region = match (region, locale.language()) {
        (Some(region), _) => region,
        (None, "zh") => "CN",
        _ => return None,
    };
    COUNTRIES
        .iter()
        .find(|c| c.region.eq_ignore_ascii_case(region))
}

/// Whether the words right before say that a telephone number follows.
fn cued(v: View<'_>, i: usize) -> bool {
    (1..=4)
        .filter_map(|back| i.checked_sub(back))
        .any(|at| match v.class(at) {
            Some(Class::Word) => {
                CUES_EN.contains(&v.word(at)) && !v.is(at.wrapping_sub(1), "order")
            }
            Some(Class::Han) => CUES_ZH
                .iter()
                .any(|cue| v.eat(at, cue).is_some_and(|end| end <= i)),
            _ => false,
        })
}
