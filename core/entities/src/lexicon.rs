//! English words that say a number, a day, a unit or a currency, and what each may say.

use std::collections::HashMap;

/// Units of a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    Second,
    Minute,
    Quarter,
    Hour,
    Day,
    WorkingDay,
    Week,
    Fortnight,
    Month,
    Season,
    Year,
}

/// The roles a word may play; most words have none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    /// "twelve": a value below a hundred.
    pub small: Option<u8>,
    /// "thousand": multiplies what stands before.
    pub scale: Option<u32>,
    /// "second", "fifth".
    pub ordinal: Option<u8>,
    /// From 1.
    pub month: Option<u8>,
    /// From 1 for Monday.
    pub weekday: Option<u8>,
    /// A short form that is a word of its own too: "sat", "mon", "may".
    pub doubtful: bool,
    pub stretch: Option<Stretch>,
    pub unit: Option<&'static str>,
    pub currency: Option<&'static str>,
    /// A value or a day may begin with it.
    pub begins: bool,
}

/// The words by their text.
#[derive(Debug)]
pub(super) struct Lexicon(HashMap<&'static str, Word>);

const SMALL: [(&str, u8); 31] = [
    ("zero", 0),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fourty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("both", 2),
    ("single", 1),
];

const SCALES: [(&str, u32); 7] = [
    ("dozen", 12),
    ("dozens", 12),
    ("hundred", 100),
    ("thousand", 1_000),
    ("grand", 1_000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
];

const ORDINALS: [(&str, u8); 21] = [
    ("first", 1),
    ("second", 2),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("sixth", 6),
    ("seventh", 7),
    ("eighth", 8),
    ("ninth", 9),
    ("tenth", 10),
    ("eleventh", 11),
    ("twelfth", 12),
    ("thirteenth", 13),
    ("fourteenth", 14),
    ("fifteenth", 15),
    ("sixteenth", 16),
    ("seventeenth", 17),
    ("eighteenth", 18),
    ("nineteenth", 19),
    ("twentieth", 20),
    ("thirtieth", 30),
];

const MONTHS: [&[&str]; 12] = [
    &["january", "jan"],
    &["february", "feb", "febuary"],
    &["march", "mar"],
    &["april", "apr"],
    &["may"],
    &["june", "jun"],
    &["july", "jul"],
    &["august", "aug"],
    &["september", "sept", "sep"],
    &["october", "oct"],
    &["november", "nov"],
    &["december", "dec"],
];

const WEEKDAYS: [&[&str]; 7] = [
    &["monday", "mon", "mondays"],
    &["tuesday", "tues", "tue", "tuesdays"],
    &["wednesday", "wed", "weds", "wednesdays", "wensday"],
    &["thursday", "thurs", "thur", "thu", "thursdays"],
    &["friday", "fri", "fridays"],
    &["saturday", "sat", "saturdays"],
    &["sunday", "sun", "sundays"],
];

const STRETCHES: [(&[&str], Stretch); 10] = [
    (&["second", "seconds", "sec", "secs", "s"], Stretch::Second),
    (&["minute", "minutes", "min", "mins"], Stretch::Minute),
    (&["quarter", "quarters"], Stretch::Season),
    (&["hour", "hours", "hr", "hrs", "h"], Stretch::Hour),
    (&["day", "days", "night", "nights"], Stretch::Day),
    (&["workday", "workdays"], Stretch::WorkingDay),
    (&["week", "weeks", "wk", "wks"], Stretch::Week),
    (&["fortnight", "fortnights"], Stretch::Fortnight),
    (&["month", "months", "mth", "mths"], Stretch::Month),
    (&["year", "years", "yr", "yrs"], Stretch::Year),
];

const UNITS: [(&str, &[&str]); 33] = [
    (
        "kg",
        &["kg", "kgs", "kilo", "kilos", "kilogram", "kilograms"],
    ),
    ("g", &["g", "gr", "gram", "grams", "gramme", "grammes"]),
    ("mg", &["mg"]),
    ("t", &["tonne", "tonnes"]),
    ("lb", &["lb", "lbs"]),
    ("oz", &["oz", "ounce", "ounces"]),
    ("l", &["l", "litre", "litres", "liter", "liters"]),
    ("ml", &["ml", "millilitre", "millilitres", "milliliters"]),
    ("mm", &["mm", "millimetre", "millimetres", "millimeters"]),
    (
        "cm",
        &[
            "cm",
            "cms",
            "centimetre",
            "centimetres",
            "centimeter",
            "centimeters",
        ],
    ),
    ("m", &["m", "metre", "metres", "meter", "meters"]),
    (
        "km",
        &[
            "km",
            "kms",
            "kilometre",
            "kilometres",
            "kilometer",
            "kilometers",
        ],
    ),
    ("in", &["inch", "inches"]),
    ("ft", &["ft", "foot", "feet"]),
    ("yd", &["yd", "yard", "yards"]),
    ("mile", &["mile", "miles"]),
    ("m2", &["sqm", "m²"]),
    ("gb", &["gb"]),
    ("tb", &["tb"]),
    ("mb", &["mb"]),
    ("W", &["w", "watt", "watts"]),
    ("V", &["v", "volt", "volts"]),
    ("mAh", &["mah"]),
    ("pair", &["pair", "pairs"]),
    ("set", &["set", "sets"]),
    ("box", &["box", "boxes", "carton", "cartons"]),
    ("pack", &["pack", "packs", "packet", "packets", "pk"]),
    ("bottle", &["bottle", "bottles"]),
    ("bag", &["bag", "bags"]),
    ("roll", &["roll", "rolls"]),
    ("can", &["cans"]),
    (
        "piece",
        &[
            "pcs", "pc", "piece", "pieces", "unit", "units", "item", "items", "pce",
        ],
    ),
    ("copy", &["copies"]),
];

/// Words and codes; a code may stand before its amount.
const CURRENCIES: [(&str, &[&str]); 17] = [
    ("USD", &["usd", "dollar", "dollars", "buck", "bucks", "us"]),
    ("EUR", &["eur", "euro", "euros"]),
    ("GBP", &["gbp", "quid"]),
    ("CNY", &["cny", "rmb", "yuan", "kuai", "renminbi"]),
    ("JPY", &["jpy", "yen"]),
    ("HKD", &["hkd", "hk"]),
    ("TWD", &["twd", "nt", "ntd"]),
    ("SGD", &["sgd"]),
    ("AUD", &["aud"]),
    ("CAD", &["cad"]),
    ("NZD", &["nzd"]),
    ("CHF", &["chf", "franc", "francs"]),
    ("KRW", &["krw", "won"]),
    ("INR", &["inr", "rupee", "rupees"]),
    ("SEK", &["sek"]),
    ("PLN", &["pln"]),
    ("MYR", &["myr", "ringgit"]),
];

/// Other words a value or a day may begin with.
const OPENERS: [&str; 38] = [
    "a",
    "an",
    "half",
    "quarter",
    "couple",
    "minus",
    "negative",
    "today",
    "tonight",
    "tomorrow",
    "tmrw",
    "tmr",
    "tmw",
    "tomorow",
    "tommorow",
    "tommorrow",
    "yesterday",
    "next",
    "this",
    "last",
    "past",
    "coming",
    "following",
    "end",
    "beginning",
    "start",
    "middle",
    "mid",
    "early",
    "late",
    "noon",
    "midday",
    "midnight",
    "morning",
    "afternoon",
    "evening",
    "in",
    "between",
];
const OTHERS: [&str; 9] = [
    "the", "from", "day", "at", "size", "by", "eu", "within", "weekend",
];

impl Lexicon {
    pub fn new() -> Self {
        let mut lexicon = Self(HashMap::new());
        for (word, value) in SMALL {
            lexicon.add(word, |w| w.small = Some(value));
        }
        for (word, value) in SCALES {
            lexicon.add(word, |w| w.scale = Some(value));
        }
        for (word, value) in ORDINALS {
            lexicon.add(word, |w| w.ordinal = Some(value));
        }
        for (month, names) in (1..).zip(MONTHS) {
            for name in names {
                let doubtful = matches!(*name, "may" | "march" | "mar" | "dec" | "jan");
                lexicon.add(name, |w| {
                    w.month = Some(month);
                    w.doubtful = doubtful;
                });
            }
        }
        for (weekday, names) in (1..).zip(WEEKDAYS) {
            for name in names {
                let doubtful = matches!(*name, "mon" | "wed" | "sat" | "sun");
                lexicon.add(name, |w| {
                    w.weekday = Some(weekday);
                    w.doubtful = doubtful;
                });
            }
        }
        for (names, stretch) in STRETCHES {
            for name in names {
                lexicon.mark(name, |w| w.stretch = Some(stretch));
            }
        }
        for (unit, names) in UNITS {
            for name in names {
                lexicon.mark(name, |w| w.unit = Some(unit));
            }
        }
        for (currency, names) in CURRENCIES {
            for name in names {
                lexicon.mark(name, |w| w.currency = Some(currency));
                if name.len() <= 3 {
                    lexicon.add(name, |_| {});
                }
            }
        }
        for word in OPENERS.into_iter().chain(OTHERS) {
            lexicon.add(word, |_| {});
        }
        lexicon
    }

    pub fn get(&self, word: &str) -> Word {
        self.0.get(word).copied().unwrap_or_default()
    }

    /// A role of a word that a value may begin with.
    fn add(&mut self, word: &'static str, role: impl FnOnce(&mut Word)) {
        self.mark(word, |w| {
            w.begins = true;
            role(w);
        });
    }

    fn mark(&mut self, word: &'static str, role: impl FnOnce(&mut Word)) {
        role(self.0.entry(word).or_default());
    }
}
