//! Values with a unit, an address, a name: each says itself what it takes.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
};

use super::problem::said;

/// A length of time: `500ms`, `30s`, `5m`, `24h`, `7d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A size in bytes: `4096`, `512kb`, `1mb`, `512MiB`; a kb has 1024 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// `127.0.0.1:8080`, `[::]:8080`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

const SPANS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60 * 1000),
    ("h", 3600 * 1000),
    ("d", 24 * 3600 * 1000),
];
const SIZES: [(&str, u64); 4] = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("b", 1)];

impl Span {
    #[must_use]
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl FromStr for Span {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let (_, millis) = SPANS
            .iter()
            .find(|(name, _)| *name == unit.trim())
            .ok_or(())?;
        let number: u64 = number.parse().map_err(|_| ())?;
        let millis = number.checked_mul(*millis).ok_or(())?;
        // Longer than any setting makes sense for, and far from every overflow.
        (millis <= 3650 * 24 * 3600 * 1000)
            .then_some(Self(Duration::from_millis(millis)))
            .ok_or(())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = SPANS
            .iter()
            .rev()
            .find(|(_, size)| millis >= *size && millis.is_multiple_of(*size))
            .unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", millis / size)
    }
}

impl FromStr for Bytes {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim().to_ascii_lowercase();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| ())?;
        let unit = match unit.trim() {
            "" => "b",
            "kib" => "kb",
            "mib" => "mb",
            "gib" => "gb",
            unit => unit,
        };
        let (_, size) = SIZES.iter().find(|(name, _)| *name == unit).ok_or(())?;
        number.checked_mul(*size).map(Self).ok_or(())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZES[..3]
            .iter()
            .rev()
            .find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size))
        {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Listen {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        text.trim().parse().map(Self).map_err(|_| ())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Serde and schema of a value written as a text, with what to say when it cannot be read.
macro_rules! written {
    ($type:ident, $en:literal, $zh:literal, $schema:expr) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer
                    .deserialize_any(Word)?
                    .parse()
                    .map_err(|()| D::Error::custom(said($en, $zh)))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

written!(
    Span,
    "this is no length of time: write 500ms, 30s, 5m, 24h or 7d",
    "这不是时长：请写 500ms、30s、5m、24h 或 7d",
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]+ *(ms|s|m|h|d)$",
        "description": "A length of time: 500ms, 30s, 5m, 24h, 7d."
    })
);
written!(
    Bytes,
    "this is no size: write 4096, 512kb or 10mb",
    "这不是大小：请写 4096、512kb 或 10mb",
    json_schema!({
        "type": ["string", "integer"],
        "pattern": "^[0-9]+ *(([kKmMgG][iI]?)?[bB])?$",
        "minimum": 0,
        "description": "A size in bytes: 4096, 512kb, 10mb."
    })
);
written!(
    Listen,
    "this is no address with a port: write 127.0.0.1:8080 or [::]:8080",
    "这不是带端口的地址：请写 127.0.0.1:8080 或 [::]:8080",
    json_schema!({
        "type": "string",
        "description": "An IP address with a port: 127.0.0.1:8080, [::]:8080."
    })
);

/// A text, or a number as it would be written.
struct Word;

impl Visitor<'_> for Word {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_a_unit_are_read_and_written_alike() {
        for text in ["500ms", "30s", "5m", "24h", "7d", "0s"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>(), Ok(span), "{text}");
        }
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "90s");
        assert_eq!("24h".parse::<Span>().unwrap().to_string(), "1d");
        for text in [
            "",
            "s",
            "5",
            "5 weeks",
            "-3s",
            "99999999999999999999s",
            "1.5h",
            "400000d",
        ] {
            assert_eq!(text.parse::<Span>(), Err(()), "{text}");
        }
        assert_eq!("1 MB".parse::<Bytes>(), Ok(Bytes(1 << 20)));
        assert_eq!("512MiB".parse::<Bytes>(), Ok(Bytes(512 << 20)));
        assert_eq!("4096".parse::<Bytes>().unwrap().to_string(), "4kb");
        for text in ["", "kb", "1.5mb", "20000000000gb"] {
            assert_eq!(text.parse::<Bytes>(), Err(()), "{text}");
        }
    }
}
