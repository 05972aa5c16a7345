//! JSON straight into a Lua state and out of it.

use std::{borrow::Cow, cell::RefCell, fmt};

use mlua::{IntoLua, Lua, Table, Value as LuaValue};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use tandem_lua::{
    Limits, LuaError,
    value::{self, SPREAD},
};

/// The digits of 2^53: whole numbers up to it are exact in Lua.
const EXACT: &[u8] = b"9007199254740992";

/// The value of a document; nil when the bytes are anything but one whole document. `null` is nil
/// in an object and `json.null` in a list; whole numbers beyond 2^53 are texts of their digits.
///
/// # Errors
/// When the state's memory is used up.
pub fn decode(lua: &Lua, array: &Table, text: &[u8]) -> mlua::Result<LuaValue> {
    value::making(lua, text.len().saturating_mul(SPREAD), || {
        read(lua, array, text)
    })
}

fn read(lua: &Lua, array: &Table, text: &[u8]) -> mlua::Result<LuaValue> {
    let text = quote_wide(text);
    let failure = RefCell::new(None);
    let place = Place {
        lua,
        array,
        failure: &failure,
    };
    let mut reader = serde_json::Deserializer::from_slice(&text);
    let value = place.deserialize(&mut reader);
    if let Some(error) = failure.take() {
        return Err(error);
    }
    Ok(match value {
        Ok(value) if reader.end().is_ok() => value,
        _ => LuaValue::Nil,
    })
}

/// The value as a document without spaces, names in order.
///
/// # Errors
/// When the value is none that JSON has, and says where.
pub fn encode(value: &LuaValue, array: &Table) -> Result<String, LuaError> {
    let limits = Limits {
        depth: 64,
        ..Limits::pure()
    };
    value::from_lua(value, array, &limits, "the value").map(|value| value.to_string())
}

/// Puts whole numbers that Lua cannot hold into quotes, so that no digit is lost.
fn quote_wide(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let (mut copied, mut at) = (0, 0);
    let (mut quoted, mut escaped) = (false, false);
    while at < text.len() {
        let byte = text[at];
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            at += 1;
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'0'..=b'9' | b'-' => {
                let length = text[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                    .count();
                let number = &text[at..at + length];
                if is_wide(number) {
                    out.extend_from_slice(&text[copied..at]);
                    out.push(b'"');
                    out.extend_from_slice(number);
                    out.push(b'"');
                    copied = at + length;
                }
                at += length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[copied..]);
    Cow::Owned(out)
}

fn is_wide(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    digits.len() >= EXACT.len()
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() > EXACT.len() || digits > EXACT)
}

/// The state that a document is built in.
#[derive(Clone, Copy)]
struct Place<'a> {
    lua: &'a Lua,
    array: &'a Table,
    /// Lua's own failure, which serde has no room for.
    failure: &'a RefCell<Option<mlua::Error>>,
}

impl<'a> Place<'a> {
    fn made<T, E: serde::de::Error>(self, result: mlua::Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            self.failure.replace(Some(error));
            E::custom("the state is full")
        })
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut items: A) -> Result<Table, A::Error> {
        let table = self.made(self.lua.create_table_with_capacity(1, 0))?;
        let mut place = 1;
        let entry = |place| Entry {
            place: self,
            table: &table,
            key: Key::Place(place),
        };
        while items.next_element_seed(entry(place))?.is_some() {
            place += 1;
        }
        self.made(table.set_metatable(Some(self.array.clone())))?;
        Ok(table)
    }

    fn object<'de, A: MapAccess<'de>>(self, mut fields: A) -> Result<Table, A::Error> {
        let Some(mut name) = fields.next_key::<Name<'de>>()? else {
            return self.made(self.lua.create_table());
        };
        let table = self.made(self.lua.create_table_with_capacity(0, 4))?;
        loop {
            // A repeated name means its last value, also when that is null.
            fields.next_value_seed(Entry {
                place: self,
                table: &table,
                key: Key::Name(&name.0),
            })?;
            match fields.next_key()? {
                Some(next) => name = next,
                None => return Ok(table),
            }
        }
    }
}

/// The name of a field, where it stands if it can.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        reader.deserialize_str(Read)
    }
}

/// A whole document.
impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = LuaValue;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<LuaValue, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = LuaValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<LuaValue, E> {
        Ok(LuaValue::Nil)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<LuaValue, E> {
        Ok(LuaValue::Boolean(flag))
    }

    fn visit_i64<E>(self, int: i64) -> Result<LuaValue, E> {
        Ok(LuaValue::Number(int as f64))
    }

    fn visit_u64<E>(self, int: u64) -> Result<LuaValue, E> {
        Ok(LuaValue::Number(int as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<LuaValue, E> {
        Ok(LuaValue::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LuaValue, E> {
        self.made(self.lua.create_string(text))
            .map(LuaValue::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<LuaValue, A::Error> {
        self.list(items).map(LuaValue::Table)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<LuaValue, A::Error> {
        self.object(fields).map(LuaValue::Table)
    }
}

/// A field of an object or a place in a list: the value goes right into its table, which spares a
/// handle of ours for each.
#[derive(Clone, Copy)]
struct Entry<'a> {
    place: Place<'a>,
    table: &'a Table,
    key: Key<'a>,
}

#[derive(Clone, Copy)]
enum Key<'a> {
    Name(&'a str),
    Place(usize),
}

impl Entry<'_> {
    fn set<E: serde::de::Error>(self, value: impl IntoLua) -> Result<(), E> {
        self.place.made(match self.key {
            Key::Name(name) => self.table.raw_set(name, value),
            Key::Place(place) => self.table.raw_seti(place, value),
        })
    }
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.set(match self.key {
            Key::Name(_) => LuaValue::Nil,
            Key::Place(_) => LuaValue::NULL,
        })
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.set(flag)
    }

    fn visit_i64<E: serde::de::Error>(self, int: i64) -> Result<(), E> {
        self.set(int as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, int: u64) -> Result<(), E> {
        self.set(int as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.set(number)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.set(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        let list = self.place.list(items)?;
        self.set(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        let object = self.place.object(fields)?;
        self.set(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> Option<String> {
        let lua = Lua::new();
        let array = lua.create_table().unwrap();
        let value = decode(&lua, &array, text.as_bytes()).unwrap();
        (!value.is_nil()).then(|| encode(&value, &array).unwrap())
    }

    #[test]
    fn documents_go_there_and_back() {
        for same in [
            r#"{"a":[1,2.5,true,null,"x"],"b":{}}"#,
            "[]",
            "[[],{}]",
            r#""é\n\u0001""#,
            "-9007199254740992",
            "0",
            "1e-7",
        ] {
            assert_eq!(there_and_back(same).as_deref(), Some(same), "{same}");
        }
        assert_eq!(
            there_and_back(r#" {"b": null, "a": 1, "a": 2} "#).as_deref(),
            Some(r#"{"a":2}"#)
        );
    }

    #[test]
    fn no_document_takes_more_room_than_is_left() {
        let lua = Lua::new();
        let array = lua.create_table().unwrap();
        let limit = 4 << 20;
        lua.set_memory_limit(limit).unwrap();
        // Those that spread the most: where they fit for sure, and where they do not.
        for unit in [
            "[],",
            "{},",
            "1,",
            "[1],",
            "[[]],",
            "{\"\":1},",
            "{\"a\":{}},",
            "\"\",",
        ] {
            for bytes in [3_000, 40_000, 400_000] {
                let list = unit.repeat(bytes / unit.len());
                let document = format!("[{}]", list.trim_end_matches(','));
                lua.gc_collect().unwrap();
                let before = lua.used_memory();
                let spread = match decode(&lua, &array, document.as_bytes()) {
                    Ok(value) => {
                        assert!(value.is_table(), "{unit}");
                        lua.used_memory().saturating_sub(before) / document.len()
                    }
                    Err(_) => 0,
                };
                assert!(spread <= SPREAD, "{unit}: {spread}");
                // A refusal itself takes a little.
                let used = lua.used_memory();
                assert!(used <= limit + limit / 8, "{unit} × {bytes}: {used}");
                assert_eq!(lua.set_memory_limit(limit).unwrap(), limit);
            }
        }
    }

    #[test]
    fn no_digit_is_lost() {
        for (text, expected) in [
            ("9007199254740993", r#""9007199254740993""#),
            ("-9007199254740993", r#""-9007199254740993""#),
            ("18446744073709551616", r#""18446744073709551616""#),
            (
                r#"{"n": 123456789012345678901234567890, "s": "9007199254740993", "f": 1e300}"#,
                r#"{"f":1e+300,"n":"123456789012345678901234567890","s":"9007199254740993"}"#,
            ),
            (
                r#"["\"9007199254740993", 9007199254740993]"#,
                r#"["\"9007199254740993","9007199254740993"]"#,
            ),
        ] {
            assert_eq!(there_and_back(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_but_one_whole_document_is_nil() {
        for bad in [
            "",
            " ",
            "{",
            "[1,]",
            "{} x",
            "{}{}",
            "nul",
            "'a'",
            "{a:1}",
            "01",
            "00000000000000000",
            "1e999",
            "\"\\ud800\"",
            "\u{feff}{}",
            "--9007199254740993",
            "null",
        ] {
            assert_eq!(there_and_back(bad), None, "{bad:?}");
        }
        assert_eq!(there_and_back(&"[".repeat(1000)), None);
        let lua = Lua::new();
        let array = lua.create_table().unwrap();
        assert!(decode(&lua, &array, b"\"\xff\"").unwrap().is_nil());
    }

    #[test]
    fn what_json_has_not_is_refused() {
        let lua = Lua::new();
        let array = lua.create_table().unwrap();
        for script in [
            "return print",
            "return {[1] = 1, [3] = 3}",
            "return {1, a = 2}",
            "return 0/0",
            "return '\\255'",
            "local t = {} t.t = t return t",
        ] {
            let value: LuaValue = lua.load(script).eval().unwrap();
            assert!(encode(&value, &array).is_err(), "{script}");
        }
    }
}
