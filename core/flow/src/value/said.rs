//! What a message says for a slot of a type that everybody writes alike, from the recogniser that
//! readings come from.

use std::{ops::Range, sync::LazyLock};

use jiff::{
    Zoned,
    civil::{Date, DateTime, Time},
};
use tandem_domain::entity::{Day, Entity, EntityValue, IN_PASSING, Moment};
use tandem_entities::{AROUND_NOW, Recogniser};

use super::{Reader, Words, normal::overlaps};
use crate::model::SlotKind;

pub(super) static RECOGNISER: LazyLock<Recogniser> = LazyLock::new(Recogniser::new);

/// A search in a message.
pub(super) struct Said<'a> {
    pub reader: &'a Reader<'a>,
    pub words: &'a Words,
    /// What is somebody else's.
    pub taken: &'a [Range<usize>],
    /// The message was asked for the value: what is doubtful counts too, after what is not.
    pub whole: bool,
}

impl Said<'_> {
    /// Every number, from left to right. In passing those that count things, nights among them;
    /// "20 €" and "3 days" do not.
    pub fn numbers(&self) -> Vec<(f64, Range<usize>)> {
        let (text, locale) = (&self.words.text, self.reader.locale);
        let found = if self.whole {
            RECOGNISER.numbers(text, locale)
        } else {
            let sure = |e: &Entity| e.confidence >= IN_PASSING;
            self.read()
                .into_iter()
                .filter(sure)
                .filter_map(|e| match e.value {
                    EntityValue::Number { .. } | EntityValue::Quantity { .. } => Some(e),
                    EntityValue::Duration { .. } => {
                        let said = text[e.span.clone()].to_lowercase();
                        let nights = ["night", "nights", "晚", "晚上"]
                            .iter()
                            .any(|unit| said.ends_with(unit));
                        let mut counted = RECOGNISER.numbers(&said, locale).into_iter();
                        let value = counted.next().filter(|_| nights)?.value;
                        counted.next().is_none().then_some(Entity { value, ..e })
                    }
                    _ => None,
                })
                .collect()
        };
        found
            .into_iter()
            .filter(|e| !overlaps(&e.span, self.taken))
            .filter_map(|e| Some((e.number()?, e.span)))
            .collect()
    }

    /// The first day; of "Monday to Wednesday" that is Monday.
    pub fn date(&self) -> Option<(Date, Range<usize>)> {
        self.first(&self.days_and_times(), self.taken, |e| match e.value {
            EntityValue::Date { .. } => e.date(&self.reader.calendar),
            _ => None,
        })
    }

    /// The first time of day.
    pub fn time(&self) -> Option<(Time, Range<usize>)> {
        self.first(&self.days_and_times(), self.taken, |e| match e.value {
            EntityValue::Time { .. } => e.time(&self.reader.calendar),
            _ => None,
        })
    }

    /// The first instant: a day and a time of day, wherever they stand.
    pub fn instant(&self) -> Option<(Zoned, Range<usize>)> {
        let calendar = &self.reader.calendar;
        let moments = self.moments();
        if let Some(found) = self.first(&moments, self.taken, |e| e.instant(calendar)) {
            return Some(found);
        }
        let (date, day) = self.first(&moments, self.taken, |e| e.date(calendar))?;
        let mut taken = self.taken.to_vec();
        taken.push(day.clone());
        let (time, hour) = self.first(&moments, &taken, |e| e.time(calendar))?;
        let at = DateTime::from_parts(date, time)
            .to_zoned(self.reader.zone.clone())
            .ok()?;
        Some((at, day.start.min(hour.start)..day.end.max(hour.end)))
    }

    /// The first e-mail address, telephone number or web address.
    pub fn address(&self, kind: &SlotKind) -> Option<(String, Range<usize>)> {
        let found = match kind {
            SlotKind::Phone if self.whole => {
                RECOGNISER.phones(&self.words.text, self.reader.locale)
            }
            SlotKind::Url if self.whole => RECOGNISER.urls(&self.words.text),
            _ => self.read(),
        };
        self.first(&found, self.taken, |e| match (&e.value, kind) {
            (EntityValue::Email { address }, SlotKind::Email)
            | (EntityValue::Url { address }, SlotKind::Url) => Some(address.clone()),
            (EntityValue::Phone { number }, SlotKind::Phone) => Some(number.clone()),
            _ => None,
        })
    }

    fn read(&self) -> Vec<Entity> {
        RECOGNISER.read(&self.words.text, self.reader.locale)
    }

    /// The days and times of day, the two ends of a period apart.
    fn moments(&self) -> Vec<Entity> {
        let text = &self.words.text;
        let mut out = Vec::new();
        for entity in self.read() {
            match entity.value {
                EntityValue::Date { .. }
                | EntityValue::Time { .. }
                | EntityValue::DateTime { .. } => out.push(entity),
                // "The last 3 days" names no day.
                EntityValue::Period { from, to } if entity.how != AROUND_NOW => {
                    out.extend(self.halves(&entity, named(from), named(to)));
                }
                // "15th" alone says which day to whoever asks for one.
                EntityValue::Ordinal { value } if self.whole => {
                    let said = &text[entity.span.clone()];
                    let short = said.starts_with(|c: char| c.is_ascii_digit())
                        && !said.contains(char::is_whitespace);
                    if let Some(day) = i8::try_from(value).ok().filter(|d| short && *d <= 31) {
                        out.push(Entity {
                            value: named(Moment::Day(Day::DayOfMonth { day, months: None })),
                            confidence: entity.confidence.min(IN_PASSING / 2.0),
                            ..entity
                        });
                    }
                }
                _ => {}
            }
        }
        if self.whole {
            out.extend(RECOGNISER.hours(text, self.reader.locale));
        }
        out
    }

    /// The same with a day and its time of day apart: "next Friday at 3" answers two questions.
    fn days_and_times(&self) -> Vec<Entity> {
        let mut out = Vec::new();
        for entity in self.moments() {
            match entity.value {
                EntityValue::DateTime { at } => {
                    let (day, time) = match at {
                        Moment::DayClock(day, clock) => (Moment::Day(day), Moment::Clock(clock)),
                        at => (at, at),
                    };
                    let (day, time) = (
                        EntityValue::Date { at: day },
                        EntityValue::Time { at: time },
                    );
                    out.extend(self.halves(&entity, day, time));
                }
                _ => out.push(entity),
            }
        }
        out
    }

    /// Two values of the same words. Where the one ends is not told; half of the words are each
    /// one's.
    fn halves(&self, entity: &Entity, first: EntityValue, second: EntityValue) -> [Entity; 2] {
        let Range { start, end } = entity.span;
        let mut middle = start + (end - start) / 2;
        while !self.words.text.is_char_boundary(middle) {
            middle += 1;
        }
        [(start..middle, first), (middle..end, second)].map(|(span, value)| Entity {
            span,
            value,
            ..entity.clone()
        })
    }

    /// The first that reads as wanted, of those that count in passing if one does.
    fn first<T>(
        &self,
        found: &[Entity],
        taken: &[Range<usize>],
        read: impl Fn(&Entity) -> Option<T>,
    ) -> Option<(T, Range<usize>)> {
        let pick = |sure: bool| {
            found
                .iter()
                .filter(|e| (e.confidence >= IN_PASSING) == sure && !overlaps(&e.span, taken))
                .find_map(|e| Some((read(e)?, e.span.clone())))
        };
        pick(true).or_else(|| self.whole.then(|| pick(false)).flatten())
    }
}

fn named(at: Moment) -> EntityValue {
    match at {
        Moment::Day(_) => EntityValue::Date { at },
        Moment::Clock(_) => EntityValue::Time { at },
        Moment::DayClock(..) | Moment::FromNow { .. } => EntityValue::DateTime { at },
    }
}
