//! Days, weeks, months and years as they are named.

mod chinese;
mod english;

use tandem_domain::entity::Day;

use super::{
    Hit,
    clock::Part,
    tokens::{Class, View},
};

/// A day, and the part of it that its name tells: 今晚, "tonight".
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub day: Day,
    pub part: Option<Part>,
}

fn hit(day: Day, end: usize, confidence: f32, how: &'static str) -> Option<Hit<Named>> {
    Some(Hit::new(Named { day, part: None }, end, confidence, how))
}

/// The day that is named at a token.
pub(super) fn at(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    match v.class(i)? {
        Class::Digits => english::digits(v, i).or_else(|| chinese::chinese(v, i)),
        Class::Han => chinese::chinese(v, i),
        Class::Word => english::english(v, i),
        Class::Mark => None,
    }
}

fn month_day(year: Option<i64>, month: i64, day: i64) -> Option<Day> {
    const LENGTHS: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let at = usize::try_from(month.checked_sub(1)?).ok()?;
    if !(1..=*LENGTHS.get(at)?).contains(&day) {
        return None;
    }
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    match year {
        None => Some(Day::MonthDay {
            years: None,
            month,
            day,
        }),
        Some(year) => {
            let year = full_year(year)?;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            (month != 2 || day < 29 || leap).then_some(Day::Date { year, month, day })
        }
    }
}

fn full_year(year: i64) -> Option<i16> {
    let year = if year < 100 { 2000 + year } else { year };
    i16::try_from(year)
        .ok()
        .filter(|y| (1900..=2200).contains(y))
}

fn in_part(day: Day, part: Part, end: usize) -> Option<Hit<Named>> {
    Some(Hit::new(
        Named {
            day,
            part: Some(part),
        },
        end,
        0.9,
        "day word",
    ))
}
