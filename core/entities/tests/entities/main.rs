//! What is read from messages as customers write them. Each line of the tables is a message and
//! the entities that count in passing, resolved on Monday, 3 March 2025, at 10:00.

#![allow(clippy::unwrap_used)]

mod en;
mod hostile;
mod zh;

use std::sync::LazyLock;

use jiff::{Zoned, tz::TimeZone};
use tandem_domain::{
    Locale, Timestamp,
    entity::{Calendar, Entity, EntityValue, IN_PASSING, Length},
};
use tandem_entities::{OptionLabels, OptionList, Pattern, Recogniser};

pub static RECOGNISER: LazyLock<Recogniser> = LazyLock::new(|| {
    let patterns = vec![
        Pattern::new("order_no", r"^\d{8}$").unwrap(),
        Pattern::new("article", r"^[A-Z]{2}-\d{3,5}$").unwrap(),
        Pattern::new("word", r"^[A-Za-z]+$").unwrap(),
    ];
    Recogniser::with(patterns, vec![COLOURS.clone()])
});

static COLOURS: LazyLock<OptionList> = LazyLock::new(|| {
    OptionList::new(
        "colour",
        vec![
            OptionLabels::new("navy", ["Navy blue", "藏青色"]),
            OptionLabels::new("walnut", ["Walnut", "胡桃木"]),
            OptionLabels::new("anthracite", ["Anthracite", "炭灰"]),
        ],
    )
});

#[test]
fn labels_are_named_with_a_slip_in_five_letters() {
    let options = OptionList::new(
        "sizes",
        vec![
            OptionLabels::new("s", ["S", "Chair", "不要发票"]),
            OptionLabels::new("m", ["M", "Wi-Fi lamp", "普通发票", "左边安装"]),
            OptionLabels::new("l", ["  Night  black! ", "black", "右边安装"]),
        ],
    );
    for (message, want) in [
        ("the M, please", "m"),
        ("a wi-fi lamp for me", "m"),
        ("WI－FI LAMP", "m"),
        ("I take nigth black", "l"),
        ("not night black", ""),
        ("not the black one", ""),
        ("not the night black, a wi-fi lamp", "m"),
        ("no, night black", "l"),
        ("my chairs", "s?"),
        ("I am here", ""),
        ("要普通发票", "m"),
        ("普痛发票", "m?"),
        ("我要发票", ""),
        ("前边安装", ""),
        ("右边安装吧", "l"),
        ("chair or black", "s l"),
    ] {
        let named: Vec<String> = RECOGNISER
            .choices(message, &options)
            .into_iter()
            .map(|e| match e.value {
                EntityValue::Choice { option, .. } if e.confidence >= IN_PASSING => option,
                EntityValue::Choice { option, .. } => option + "?",
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(named.join(" "), want, "{message}");
    }
}

pub fn calendar(zone: &str, locale: &str) -> Calendar {
    let zone = TimeZone::get(zone).unwrap();
    let now: Zoned = jiff::civil::date(2025, 3, 3)
        .at(10, 0, 0, 0)
        .to_zoned(zone.clone())
        .unwrap();
    Calendar::new(
        Timestamp(now.timestamp().as_millisecond()),
        &zone,
        &Locale::new(locale),
    )
}

fn length(length: &Length) -> String {
    let mut out = String::new();
    if length.months != 0 {
        out += &format!("{}mo", length.months);
    }
    if length.days != 0 {
        out += &format!("{}d", length.days);
    }
    if length.seconds != 0 {
        out += &format!("{}s", length.seconds);
    }
    if length.working {
        out += "w";
    }
    out
}

fn short(at: &Zoned) -> String {
    if at.time() == jiff::civil::Time::midnight() {
        at.date().to_string()
    } else {
        at.strftime("%Y-%m-%dT%H:%M").to_string()
    }
}

/// An entity in a word or two.
pub fn shown(entity: &Entity, calendar: &Calendar) -> String {
    let bounds = || match entity.bounds(calendar) {
        Some((from, to)) => format!("{}..{}", short(&from), short(&to)),
        None => "never".to_owned(),
    };
    match &entity.value {
        EntityValue::Number { value } => format!("{value}"),
        EntityValue::Ordinal { value } => format!("#{value}"),
        EntityValue::Money { amount, currency } => format!("{amount} {currency}"),
        EntityValue::Percentage { value, off } => {
            format!("{value}%{}", if *off { " off" } else { "" })
        }
        EntityValue::Quantity { value, unit } => format!("{value} {unit}"),
        EntityValue::Duration { length: l, to } => match to {
            Some(to) => format!("for {}-{}", length(l), length(to)),
            None => format!("for {}", length(l)),
        },
        EntityValue::Date { .. } => match entity.date(calendar) {
            Some(date) => date.to_string(),
            None => bounds(),
        },
        EntityValue::Time { .. } => match entity.time(calendar) {
            Some(time) => time.strftime("%H:%M").to_string(),
            None => {
                let (from, to) = entity.bounds(calendar).unwrap();
                format!("{}..{}", from.strftime("%H"), to.strftime("%H"))
            }
        },
        EntityValue::DateTime { .. } => match entity.instant(calendar) {
            Some(at) => at.strftime("%Y-%m-%dT%H:%M").to_string(),
            None => bounds(),
        },
        EntityValue::Period { .. } => bounds(),
        EntityValue::Email { address } | EntityValue::Url { address } => address.clone(),
        EntityValue::Phone { number } => format!("tel {number}"),
        EntityValue::Pattern { name, text } => format!("{name} {text}"),
        EntityValue::Choice { list, option } => format!("{list} {option}"),
    }
}

/// Reads a table and tells all lines that are wrong at once.
pub fn check(table: &[(&str, &str)], zone: &str, locale: &str) {
    let calendar = calendar(zone, locale);
    let locale = Locale::new(locale);
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(message, want)| {
            let found: Vec<String> = RECOGNISER
                .read(message, &locale)
                .iter()
                .filter(|e| e.confidence >= IN_PASSING)
                .map(|e| shown(e, &calendar))
                .collect();
            let found = found.join("; ");
            (found != *want).then(|| format!("{message:?}\n   want {want}\n   read {found}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}
