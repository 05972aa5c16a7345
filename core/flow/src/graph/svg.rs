//! SVG of our own: boxes in rows and columns, arrows between them. No script, no outside file.

use std::fmt::Write as _;

use super::{Drawing, Node, Shape};

const BOX: f64 = 250.0;
const LINE: f64 = 18.0;
const PAD: f64 = 10.0;
/// Room for a label on an arrow.
const GAP_X: f64 = 120.0;
const GAP_Y: f64 = 30.0;
/// Half-width characters on one line of a box.
const WIDTH: usize = 34;
const LINES: usize = 4;

const STYLE: &str = "\
svg{font:13px system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans SC',sans-serif;background:#fff}\
text{fill:#1d2733}.head{font-weight:600}.label{font-size:11px;fill:#5b6876}\
rect{stroke:#b9c3ce;fill:#f6f8fa}.start rect,.end rect{fill:#e8ecf1}.say rect{fill:#eaf6ef;stroke:#8cc5a2}\
.ask rect{fill:#eaf1fd;stroke:#8fb3ea}.decide rect{fill:#fdf5e2;stroke:#dfbf6a}\
.call rect{fill:#f3edfb;stroke:#b79be0}.person rect{fill:#fdecec;stroke:#e19a9a}\
path{fill:none;stroke:#7b8896;stroke-width:1.3}.dashed{stroke-dasharray:5 4}marker path{fill:#7b8896;stroke:none}\
@media(prefers-color-scheme:dark){svg{background:#12171d}text{fill:#e4e9ee}.label{fill:#9aa7b4}\
rect{fill:#1c232b;stroke:#435060}.start rect,.end rect{fill:#242d37}.say rect{fill:#16291f;stroke:#3f7a57}\
.ask rect{fill:#162338;stroke:#4169a5}.decide rect{fill:#2c2512;stroke:#8d7433}\
.call rect{fill:#241b33;stroke:#71569c}.person rect{fill:#331a1a;stroke:#985353}}";

struct Placed {
    x: f64,
    y: f64,
    height: f64,
    lines: Vec<String>,
}

pub(crate) fn write(drawing: &Drawing) -> String {
    let placed = place(drawing);
    let width = placed.iter().map(|p| p.x + BOX).fold(0.0, f64::max) + GAP_X * 2.0;
    let height = placed.iter().map(|p| p.y + p.height).fold(0.0, f64::max) + GAP_Y;
    let title = escape(&drawing.title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title><style>{STYLE}</style><defs><marker id=\"a\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\"/></marker></defs>\n"
    );
    for (lane, edge) in drawing.edges.iter().enumerate() {
        arrow(&mut out, drawing, &placed, edge, lane);
    }
    for (node, at) in drawing.nodes.iter().zip(&placed) {
        draw(&mut out, node, at);
    }
    out.push_str("</svg>\n");
    out
}

/// Rows are as high as their highest box; an overview fills its columns side by side.
fn place(drawing: &Drawing) -> Vec<Placed> {
    let mut placed: Vec<Placed> = drawing
        .nodes
        .iter()
        .map(|node| {
            let lines = wrap(&node.text);
            let count = lines.len() + usize::from(!node.head.is_empty());
            Placed {
                x: GAP_X + node.column as f64 * (BOX + GAP_X),
                y: 0.0,
                height: count.max(1) as f64 * LINE + PAD * 2.0 - 4.0,
                lines,
            }
        })
        .collect();
    let rows = drawing
        .nodes
        .iter()
        .map(|n| n.row)
        .max()
        .map_or(0, |r| r + 1);
    let mut heights = vec![0.0f64; rows];
    for (node, at) in drawing.nodes.iter().zip(&placed) {
        heights[node.row] = heights[node.row].max(at.height);
    }
    let mut tops = Vec::with_capacity(rows);
    let mut y = GAP_Y;
    for height in heights {
        tops.push(y);
        y += height + GAP_Y;
    }
    for (node, at) in drawing.nodes.iter().zip(&mut placed) {
        at.y = tops[node.row];
    }
    placed
}

fn draw(out: &mut String, node: &Node, at: &Placed) {
    let (class, round) = match node.kind {
        Shape::Start => ("start", 16),
        Shape::End => ("end", 16),
        Shape::Say => ("say", 10),
        Shape::Ask => ("ask", 4),
        Shape::Decide => ("decide", 4),
        Shape::Call => ("call", 2),
        Shape::Person => ("person", 10),
        Shape::Plain => ("plain", 4),
    };
    let _ = write!(
        out,
        "<g class=\"{class}\"><rect x=\"{:.0}\" y=\"{:.0}\" width=\"{BOX:.0}\" height=\"{:.0}\" rx=\"{round}\"/>",
        at.x, at.y, at.height
    );
    let mut y = at.y + PAD + 10.0;
    let mut line = |text: &str, class: &str| {
        let _ = write!(
            out,
            "<text{class} x=\"{:.0}\" y=\"{y:.0}\">{}</text>",
            at.x + PAD,
            escape(text)
        );
        y += LINE;
    };
    if !node.head.is_empty() {
        line(&node.head, " class=\"head\"");
    }
    for text in &at.lines {
        line(text, "");
    }
    out.push_str("</g>\n");
}

fn arrow(out: &mut String, drawing: &Drawing, placed: &[Placed], edge: &super::Edge, lane: usize) {
    let (a, b) = (&placed[edge.from], &placed[edge.to]);
    let (from, to) = (&drawing.nodes[edge.from], &drawing.nodes[edge.to]);
    // Arrows that run side by side keep a little apart.
    let shift = (lane % 6) as f64 * 5.0;
    let straight = from.column == to.column && to.row == from.row + 1;
    let (path, x, y) = if straight {
        let x = a.x + 30.0;
        (
            format!("M{x:.0} {:.0}V{:.0}", a.y + a.height, b.y),
            x + 5.0,
            a.y + a.height + 14.0,
        )
    } else if to.column > from.column && to.row >= from.row {
        let (y1, y2) = (a.y + a.height / 2.0, b.y + b.height / 2.0);
        let mid = a.x + BOX + 12.0 + shift;
        (
            format!("M{:.0} {y1:.0}H{mid:.0}V{y2:.0}H{:.0}", a.x + BOX, b.x),
            mid + 4.0,
            y2 - 5.0,
        )
    } else {
        // Down or up along the left of the leftmost of the two.
        let left = a.x.min(b.x) - 14.0 - shift;
        let (y1, y2) = (a.y + a.height / 2.0, b.y + b.height / 2.0);
        (
            format!("M{:.0} {y1:.0}H{left:.0}V{y2:.0}H{:.0}", a.x, b.x),
            left + 4.0,
            y1 - 5.0,
        )
    };
    let dashed = if edge.dashed { " class=\"dashed\"" } else { "" };
    let _ = writeln!(out, "<path{dashed} d=\"{path}\" marker-end=\"url(#a)\"/>");
    if !edge.label.is_empty() {
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{x:.0}\" y=\"{y:.0}\">{}</text>",
            escape(&edge.label)
        );
    }
}

/// Lines of about [`WIDTH`] half-width characters, at most [`LINES`].
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for c in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        let wide = if c.is_ascii() { 1 } else { 2 };
        let full = used + wide > WIDTH;
        if full || (c == ' ' && used + 6 > WIDTH) {
            if lines.len() == LINES {
                if let Some(last) = lines.last_mut() {
                    last.push('…');
                }
                return lines;
            }
            lines.push(String::new());
            used = 0;
            if c == ' ' {
                continue;
            }
        }
        if let Some(last) = lines.last_mut() {
            last.push(c);
        }
        used += wide;
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// Text inside an element or an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no place for control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
