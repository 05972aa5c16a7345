//! A message's fields, whether it is written in XML or in JSON.

use serde_json::{Map, Value};
use tandem_channel_kit::xml::{self, Element};

/// Reads a body: JSON where it begins with a brace, else XML without a document type. `None` for
/// what is neither, is nested too deep or is no set of named fields.
#[must_use]
pub fn read(body: &[u8]) -> Option<Value> {
    let value = if body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(body).ok()?
    } else {
        value(xml::decode(body)?)
    };
    value.is_object().then_some(value)
}

/// A field as text; numbers as they are written. `None` where it is missing or empty.
#[must_use]
pub fn text(fields: &Value, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field as a number, whether it stands as one or as text.
#[must_use]
pub fn number(fields: &Value, name: &str) -> Option<f64> {
    let number = match fields.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// Seconds since 1970.
#[must_use]
pub fn seconds(fields: &Value, name: &str) -> Option<i64> {
    let seconds: i64 = text(fields, name)?.parse().ok()?;
    (0..=i64::from(u32::MAX))
        .contains(&seconds)
        .then_some(seconds)
}

/// An element's children by name, the first of each; its text where it has none.
fn value(element: Element) -> Value {
    if element.children.is_empty() {
        return Value::String(element.text);
    }
    let mut fields = Map::new();
    for child in element.children {
        let name = child.name.clone();
        fields.entry(name).or_insert_with(|| value(child));
    }
    Value::Object(fields)
}

/// One field of a document we write: text in CDATA, which is the form the platform documents.
#[must_use]
pub fn element(name: &str, text: &str) -> String {
    // What ends CDATA is put apart over two of them; control characters have no place in XML.
    let clean: String = text
        .chars()
        .filter(|c| *c >= ' ' || matches!(c, '\n' | '\t'))
        .collect();
    let text = clean.replace("]]>", "]]]]><![CDATA[>");
    format!("<{name}><![CDATA[{text}]]></{name}>")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let from_xml = read(
            "<xml><A><![CDATA[你好]]></A><N>7</N><A>again</A><E/><In><B>1</B></In></xml>"
                .as_bytes(),
        );
        let from_json = json!({"A": "你好", "N": 7, "E": "", "In": {"B": 1}});
        let from_json = read(from_json.to_string().as_bytes());
        for fields in [from_xml.unwrap(), from_json.unwrap()] {
            assert_eq!(text(&fields, "A").as_deref(), Some("你好"));
            assert_eq!(text(&fields, "N").as_deref(), Some("7"));
            assert_eq!(number(&fields, "N"), Some(7.0));
            assert_eq!(text(&fields, "E"), None);
            assert_eq!(text(&fields["In"], "B").as_deref(), Some("1"));
            assert_eq!(text(&fields, "In"), None);
        }
    }

    #[test]
    fn what_has_no_fields_is_nothing() {
        for bad in [
            "",
            "success",
            "<xml>text</xml>",
            "[1]",
            "{",
            "<!DOCTYPE a><a><b/></a>",
        ] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
        let deep = format!("{}{}", "{\"a\":".repeat(300), "1");
        assert_eq!(read(deep.as_bytes()), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for said in ["a]]>b", "]]>", "<a href=\"x\">&</a>", "两行\n字"] {
            let document = format!("<xml>{}</xml>", element("Content", said));
            let fields = read(document.as_bytes()).unwrap();
            assert_eq!(text(&fields, "Content").as_deref(), Some(said));
        }
        assert_eq!(element("C", "a\u{0}b"), "<C><![CDATA[ab]]></C>");
    }

    #[test]
    fn a_time_is_in_this_or_the_next_century() {
        let at = |text: &str| seconds(&json!({"T": text}), "T");
        assert_eq!(at("1760000000"), Some(1_760_000_000));
        for bad in ["-1", "99999999999", "1e9", ""] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
