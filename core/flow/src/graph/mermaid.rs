//! Mermaid's `flowchart` notation.

use super::{Drawing, Shape};

pub(crate) fn write(drawing: &Drawing) -> String {
    let mut out = format!(
        "---\ntitle: {}\n---\nflowchart TD\n",
        escape(&drawing.title)
    );
    for (id, node) in drawing.nodes.iter().enumerate() {
        let label = match (node.head.is_empty(), node.text.is_empty()) {
            (true, _) => escape(&node.text),
            (false, true) => format!("<b>{}</b>", escape(&node.head)),
            (false, false) => format!("<b>{}</b><br/>{}", escape(&node.head), escape(&node.text)),
        };
        let (open, close) = match node.kind {
            Shape::Start | Shape::End => ("([", "])"),
            Shape::Say => ("(", ")"),
            Shape::Ask => ("[/", "/]"),
            Shape::Decide => ("{{", "}}"),
            Shape::Call => ("[[", "]]"),
            Shape::Person => (">", "]"),
            Shape::Plain => ("[", "]"),
        };
        out.push_str(&format!("  n{id}{open}\"{label}\"{close}\n"));
    }
    for edge in &drawing.edges {
        let line = if edge.dashed { "-.->" } else { "-->" };
        let label = if edge.label.is_empty() {
            String::new()
        } else {
            format!("|\"{}\"|", escape(&edge.label))
        };
        out.push_str(&format!("  n{} {line}{label} n{}\n", edge.from, edge.to));
    }
    out
}

/// Text that Mermaid shows as it is: entities in its own writing, one line, not too long.
fn escape(text: &str) -> String {
    const LONGEST: usize = 90;
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | ',' | '-' | '_' => out.push(c),
            c if !c.is_ascii() => out.push(c),
            c => out.push_str(&format!("#{};", c as u32)),
        }
    }
    out
}
