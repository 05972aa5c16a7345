//! XML without document types: nothing is defined, fetched or expanded but the five entities and
//! characters by number.

use quick_xml::{
    Reader,
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};

/// Nesting of elements.
const DEPTH_MAX: usize = 64;
/// Elements and attributes of one document.
const NODES_MAX: usize = 10_000;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    /// In the order of the document; no name twice.
    pub attrs: Vec<(String, String)>,
    /// Its own text and CDATA, joined.
    pub text: String,
    pub children: Vec<Element>,
}

/// The one element of a document. `None` for anything else: what is not well formed, what has a
/// document type or an unknown entity, two roots, text outside the root.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut nodes = 0;
    let mut began = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                if root.is_some() || open.len() == DEPTH_MAX {
                    return None;
                }
                open.push(element(&tag, &mut nodes)?);
            }
            Event::Empty(tag) => {
                let made = element(&tag, &mut nodes)?;
                close(made, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let made = open.pop()?;
                close(made, &mut open, &mut root)?;
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                match open.last_mut() {
                    Some(element) => element.text.push_str(&text),
                    None if text.trim().is_empty() => {}
                    None => return None,
                }
            }
            Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
            Event::GeneralRef(entity) => {
                let element = open.last_mut()?;
                match entity.resolve_char_ref().ok()? {
                    Some(c) => element.text.push(c),
                    None => element
                        .text
                        .push_str(resolve_predefined_entity(&entity.xml10_content())?),
                }
            }
            Event::Decl(_) if began => return None,
            Event::Decl(_) | Event::Comment(_) => {}
            Event::DocType(_) | Event::PI(_) => return None,
            Event::Eof => break,
        }
        began = true;
    }
    if open.is_empty() { root } else { None }
}

/// The document of an element, without a declaration. `None` for names that are none, and for
/// more than [`decode`] reads.
#[must_use]
pub fn encode(root: &Element) -> Option<String> {
    let mut out = String::new();
    let mut nodes = 0;
    write(root, 0, &mut nodes, &mut out)?;
    Some(out)
}

fn element(tag: &BytesStart<'_>, nodes: &mut usize) -> Option<Element> {
    *nodes += 1;
    let mut made = Element {
        name: tag.name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        *nodes += 1;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .ok()?;
        made.attrs
            .push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    (*nodes <= NODES_MAX).then_some(made)
}

fn close(made: Element, open: &mut [Element], root: &mut Option<Element>) -> Option<()> {
    match open.last_mut() {
        Some(parent) => parent.children.push(made),
        None if root.is_some() => return None,
        None => *root = Some(made),
    }
    Some(())
}

fn write(element: &Element, depth: usize, nodes: &mut usize, out: &mut String) -> Option<()> {
    *nodes += 1 + element.attrs.len();
    if depth == DEPTH_MAX || *nodes > NODES_MAX || !is_name(&element.name) {
        return None;
    }
    out.push('<');
    out.push_str(&element.name);
    for (name, value) in &element.attrs {
        if !is_name(name) || !is_text(value) {
            return None;
        }
        out.push_str(&format!(" {name}=\"{}\"", kept(value, &['\r', '\n', '\t'])));
    }
    if element.text.is_empty() && element.children.is_empty() {
        out.push_str("/>");
        return Some(());
    }
    out.push('>');
    if !is_text(&element.text) {
        return None;
    }
    out.push_str(&kept(&element.text, &['\r']));
    for child in &element.children {
        write(child, depth + 1, nodes, out)?;
    }
    out.push_str(&format!("</{}>", element.name));
    Some(())
}

/// The text escaped, with the white space that a reader would make another one written by number.
fn kept(text: &str, white: &[char]) -> String {
    let mut out = String::new();
    for piece in escape(text).split_inclusive(white) {
        match piece.char_indices().next_back() {
            Some((at, last)) if white.contains(&last) => {
                out.push_str(&format!("{}&#{};", &piece[..at], u32::from(last)));
            }
            _ => out.push_str(piece),
        }
    }
    out
}

/// Control characters have no place in a document, not even by number.
fn is_text(text: &str) -> bool {
    !text.chars().any(|c| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}

fn is_name(name: &str) -> bool {
    name.chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | ':'))
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(root: &'a Element, name: &str) -> &'a str {
        &root.children.iter().find(|c| c.name == name).unwrap().text
    }

    #[test]
    fn a_platforms_message_is_read() {
        let root = decode(
            "<?xml version=\"1.0\"?>\n<xml><ToUserName><![CDATA[a<b]]></ToUserName>\
             <CreateTime>1348831860</CreateTime><Content>1 &lt; 2 &amp;&#x41;&#66; 你好</Content>\
             <Empty/><Pic id=\"7\" alt='x&quot;y'/></xml>\n"
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(root.name, "xml");
        assert_eq!(text(&root, "ToUserName"), "a<b");
        assert_eq!(text(&root, "CreateTime"), "1348831860");
        assert_eq!(text(&root, "Content"), "1 < 2 &AB 你好");
        assert_eq!(text(&root, "Empty"), "");
        assert_eq!(
            root.children[4].attrs,
            [("id", "7"), ("alt", "x\"y")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert_eq!(decode(encode(&root).unwrap().as_bytes()), Some(root));
    }

    #[test]
    fn nothing_is_expanded_and_nothing_trails() {
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>trailing",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a><a/>",
            "<a>&unknown;</a>",
            "<a>&#xD800;</a>",
            "<a>a & b</a>",
            "<a b=1/>",
            "<a b='1' b='2'/>",
            "<?php x?><a/>",
            "<a><![CDATA[x</a>",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(decode(b"<a>\xff</a>"), None);
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        assert_eq!(decode(deep.as_bytes()), None);
        let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
        assert_eq!(decode(wide.as_bytes()), None);
    }

    #[test]
    fn what_is_no_document_is_not_written() {
        let named = |name: &str, text: &str| Element {
            name: name.to_owned(),
            text: text.to_owned(),
            ..Element::default()
        };
        for bad in ["", "1a", "a b", "a>", "<a"] {
            assert_eq!(encode(&named(bad, "")), None, "{bad}");
        }
        assert_eq!(encode(&named("a", "\u{0}")), None);
        let white = Element {
            attrs: vec![("b".to_owned(), "1\t2\r\n3".to_owned())],
            ..named("a", "1\t2\r\n3\r")
        };
        let text = encode(&white).unwrap();
        assert_eq!(text, "<a b=\"1&#9;2&#13;&#10;3\">1\t2&#13;\n3&#13;</a>");
        assert_eq!(decode(text.as_bytes()), Some(white));
        assert_eq!(encode(&named("a", "<&>")).unwrap(), "<a>&lt;&amp;&gt;</a>");
    }
}
