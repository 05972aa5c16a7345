//! YAML into a tree that knows where everything stands and how it was written.

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle};
use tandem_domain::Value;

use crate::{
    diagnostic::{Place, Problems, words},
    model::Span,
};

/// Nodes of one file, those that aliases repeat counted again.
const NODES_MAX: usize = 200_000;
const DEPTH_MAX: usize = 60;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Span,
    /// Where it ends: line and column, exclusive.
    end: (u32, u32),
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { text: String, style: Style },
    Seq(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// `|` or `>`
    Block,
}

impl Node {
    pub fn place(&self) -> Place {
        let (line, column) = self.end;
        let len = if line == self.span.line {
            column.saturating_sub(self.span.column)
        } else {
            0
        };
        Place {
            span: self.span,
            len,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, style: Style::Plain } if null(text))
    }

    pub fn seq(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    pub fn map(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pair(key).map(|(_, value)| value)
    }

    pub fn pair(&self, key: &str) -> Option<(&Node, &Node)> {
        self.map()?
            .iter()
            .find(|(k, _)| k.text() == Some(key))
            .map(|(k, v)| (k, v))
    }

    /// A single value as a list of one; null as an empty list.
    pub fn one_or_many(&self) -> &[Node] {
        match &self.kind {
            Kind::Seq(items) => items,
            _ if self.is_null() => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub fn bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar {
                text,
                style: Style::Plain,
            } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number as written; quoted ones count.
    pub fn int(&self) -> Option<i64> {
        self.text().and_then(|t| t.parse().ok())
    }

    pub fn number(&self) -> Option<f64> {
        self.text()
            .and_then(|t| t.parse().ok())
            .filter(|f: &f64| f.is_finite())
    }

    /// What YAML 1.2 core makes of it.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar {
                text,
                style: Style::Plain,
            } => core(text),
            Kind::Scalar { text, .. } => Value::String(text.clone()),
            Kind::Seq(items) => items.iter().map(Self::value).collect(),
            Kind::Map(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(k, v)| (k.text().unwrap_or_default().to_owned(), v.value()))
                    .collect(),
            ),
        }
    }

    /// Where a byte of a scalar's text stands in the file.
    pub fn inside(&self, offset: usize, problems: &Problems) -> Place {
        let Kind::Scalar { text, style } = &self.kind else {
            return self.place();
        };
        let before = text.get(..offset).unwrap_or(text);
        let chars = |s: &str| u32::try_from(s.chars().count()).unwrap_or(0);
        let mut span = self.span;
        match style {
            Style::Block => {
                let skipped = before.matches('\n').count();
                let last = before.rsplit('\n').next().unwrap_or("");
                // The parser places a block text at its first line of content.
                let mut first = Span { column: 1, ..span };
                while problems.line(first).trim().is_empty() && first.line < self.end.0 {
                    first.line += 1;
                }
                let line = problems.line(first);
                let indent = chars(line) - chars(line.trim_start());
                span.line = first.line + u32::try_from(skipped).unwrap_or(0);
                span.column = indent + chars(last) + 1;
            }
            _ if self.end.0 != span.line => return self.place(),
            Style::Quoted => span.column += chars(before) + 1,
            Style::Plain => span.column += chars(before),
        }
        span.into()
    }
}

fn null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn core(text: &str) -> Value {
    match text {
        _ if null(text) => return Value::Null,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        if let Ok(int) = text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
            return int.into();
        }
        return text.into();
    }
    let radix = |rest: &str, radix| i64::from_str_radix(rest, radix).ok();
    if let Some(int) = text.strip_prefix("0x").and_then(|r| radix(r, 16)) {
        return int.into();
    }
    if let Some(int) = text.strip_prefix("0o").and_then(|r| radix(r, 8)) {
        return int.into();
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric
        && let Ok(float) = text.parse::<f64>()
        && let Some(number) = serde_json::Number::from_f64(float)
    {
        return Value::Number(number);
    }
    text.into()
}

/// Parses one document. None where nothing could be read; every problem is reported.
pub(crate) fn parse(file: u32, text: &str, problems: &mut Problems) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder {
        file,
        text,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: Vec::new(),
        nodes: 0,
    };
    builder.document(problems).unwrap_or_default()
}

struct Stop;

struct Builder<'i> {
    file: u32,
    text: &'i str,
    parser: Parser<'i, serde_yaml::granit_parser::StrInput<'i>>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
}

type YamlSpan = serde_yaml::granit_parser::Span;

impl<'i> Builder<'i> {
    fn span(&self, at: &YamlSpan) -> Span {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            file: self.file,
            line: number(at.start.line()),
            column: number(at.start.col() + 1),
        }
    }

    fn end(&self, at: &YamlSpan) -> (u32, u32) {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(at.end.line()), number(at.end.col() + 1))
    }

    fn next(&mut self, problems: &mut Problems) -> Result<(Event<'i>, YamlSpan), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span)),
            Some(Err(error)) => {
                let mark = error.marker();
                let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let span = Span {
                    file: self.file,
                    line: number(mark.line()).max(1),
                    column: number(mark.col() + 1),
                };
                let info = error.info();
                let (hint, at) = self.hint(span, &info);
                let said = super::syntax::said(error.kind());
                problems.error(
                    "yaml-syntax",
                    at,
                    words(
                        format!("this is not valid YAML: {}", said.en),
                        format!("YAML 语法错误：{}", said.zh),
                    ),
                    hint,
                );
                Err(Stop)
            }
            None => Err(Stop),
        }
    }

    /// What most likely went wrong, and where.
    fn hint(&self, span: Span, info: &str) -> (crate::diagnostic::Words, Span) {
        let line = |n: u32| {
            self.text
                .lines()
                .nth((n as usize).saturating_sub(1))
                .unwrap_or("")
        };
        for n in (span.line.saturating_sub(1).max(1)..=span.line).rev() {
            let indent: String = line(n).chars().take_while(|c| c.is_whitespace()).collect();
            if indent.contains('\t') {
                let column = u32::try_from(indent.chars().take_while(|c| *c != '\t').count())
                    .unwrap_or(0)
                    + 1;
                return (
                    words(
                        "indent with spaces, not with a tab",
                        "请用空格缩进，不要用制表符",
                    ),
                    Span {
                        line: n,
                        column,
                        ..span
                    },
                );
            }
        }
        for n in (span.line.saturating_sub(2).max(1)..=span.line).rev() {
            if let Some((sign, column)) = open_bracket(line(n)) {
                return (
                    words(
                        format!("the `{sign}` in line {n} is not closed"),
                        format!("第 {n} 行的 `{sign}` 没有闭合"),
                    ),
                    Span {
                        line: n,
                        column,
                        ..span
                    },
                );
            }
        }
        for n in (span.line.saturating_sub(1).max(1)..=span.line).rev() {
            let text = line(n).trim_start().trim_start_matches("- ");
            if let Some((_, value)) = text.split_once(": ") {
                let value = value.trim_start();
                if value.starts_with("{{") || value.starts_with('{') && value.contains("}}") {
                    return (
                        words(
                            "a text that begins with `{{` needs quotes: \"{{ name }}\"",
                            "以 `{{` 开头的文本要加引号：\"{{ name }}\"",
                        ),
                        span,
                    );
                }
                if value.starts_with(['"', '\''])
                    || value.contains(": ")
                    || value.starts_with(['@', '`', '%', '&', '*', '!'])
                {
                    return (
                        words(
                            "put the whole text in quotes; double a quote of the same kind inside it",
                            "请给整段文本加引号；文本里相同的引号要写两遍",
                        ),
                        span,
                    );
                }
            }
        }
        if info.contains("flow") {
            return (
                words(
                    "check that every `[` and `{` is closed",
                    "请检查每个 `[` 和 `{` 是否闭合",
                ),
                span,
            );
        }
        (
            words(
                "check the indentation here and in the line above, and that every quote and bracket is closed",
                "请检查本行和上一行的缩进，以及引号和括号是否闭合",
            ),
            span,
        )
    }

    fn document(&mut self, problems: &mut Problems) -> Result<Option<Node>, Stop> {
        let mut found = None;
        loop {
            let (event, at) = self.next(problems)?;
            match event {
                Event::StreamEnd => return Ok(found),
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if found.is_some() => {
                    problems.error(
                        "yaml-documents",
                        self.span(&at),
                        words("a file holds one document only", "一个文件只能有一个文档"),
                        words(
                            "remove the line `---`, or make it a file of its own",
                            "请删去 `---` 这一行，或另存为一个文件",
                        ),
                    );
                    return Ok(found);
                }
                Event::DocumentStart(..) => {}
                other => found = Some(self.node(other, at, 0, problems)?),
            }
        }
    }

    fn count(&mut self, more: usize, at: Span, problems: &mut Problems) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            problems.error(
                "yaml-limit",
                at,
                words(
                    format!("the file expands to more than {NODES_MAX} values"),
                    format!("文件展开后超过 {NODES_MAX} 个值"),
                ),
                words(
                    "split the file, and don't nest aliases (`*name`)",
                    "请拆分文件，不要嵌套使用别名（`*名称`）",
                ),
            );
            return Err(Stop);
        }
        Ok(())
    }

    fn node(
        &mut self,
        event: Event<'i>,
        at: YamlSpan,
        depth: usize,
        problems: &mut Problems,
    ) -> Result<Node, Stop> {
        let span = self.span(&at);
        self.count(1, span, problems)?;
        if depth > DEPTH_MAX {
            problems.error(
                "yaml-limit",
                span,
                words(
                    format!("nested more than {DEPTH_MAX} deep"),
                    format!("嵌套超过 {DEPTH_MAX} 层"),
                ),
                words(
                    "move inner steps to a flow of their own and `call` it",
                    "请把内层步骤移到单独的流程，再用 `call` 调用",
                ),
            );
            return Err(Stop);
        }
        let (kind, end, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let text = text.into_owned();
                (Kind::Scalar { text, style }, self.end(&at), anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    let (event, at) = self.next(problems)?;
                    if matches!(event, Event::SequenceEnd) {
                        break (Kind::Seq(items), self.end(&at), anchor, tag);
                    }
                    items.push(self.node(event, at, depth + 1, problems)?);
                }
            }
            Event::MappingStart(_, anchor, tag) => self.mapping(anchor, tag, depth, problems)?,
            Event::Alias(id) => {
                let Some((_, target)) = self.anchors.iter().find(|(a, _)| *a == id) else {
                    problems.error(
                        "yaml-alias",
                        span,
                        words(
                            "an alias cannot stand inside what it names",
                            "别名不能出现在它所指的内容里",
                        ),
                        words("write the value out", "请直接写出内容"),
                    );
                    return Err(Stop);
                };
                let node = target.clone();
                self.count(size(&node), span, problems)?;
                return Ok(node);
            }
            _ => return Err(Stop),
        };
        if tag.is_some_and(|tag| tag.is_custom()) {
            problems.error(
                "yaml-tag",
                span,
                words(
                    "tags (`!name`) mean nothing here",
                    "这里不使用标签（`!名称`）",
                ),
                words(
                    "remove the tag; a text that begins with `!` needs quotes",
                    "请删去标签；以 `!` 开头的文本要加引号",
                ),
            );
        }
        let node = Node { span, end, kind };
        if anchor > 0 {
            self.count(size(&node), span, problems)?;
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    #[allow(clippy::type_complexity)]
    fn mapping<T>(
        &mut self,
        anchor: usize,
        tag: T,
        depth: usize,
        problems: &mut Problems,
    ) -> Result<(Kind, (u32, u32), usize, T), Stop> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        loop {
            let (event, at) = self.next(problems)?;
            if matches!(event, Event::MappingEnd) {
                return Ok((Kind::Map(pairs), self.end(&at), anchor, tag));
            }
            let key = self.node(event, at, depth + 1, problems)?;
            let (event, at) = self.next(problems)?;
            let value = self.node(event, at, depth + 1, problems)?;
            let Some(name) = key.text() else {
                problems.error(
                    "yaml-key",
                    key.place(),
                    words(
                        "a key is a word, not a list or a map",
                        "键必须是一个词，不能是列表或映射",
                    ),
                    words(
                        "a text that begins with `{{` needs quotes: \"{{ name }}\"",
                        "以 `{{` 开头的文本要加引号：\"{{ name }}\"",
                    ),
                );
                continue;
            };
            if let Some(line) = seen.insert(name.to_owned(), key.span.line) {
                problems.error(
                    "duplicate-key",
                    key.place(),
                    words(
                        format!("the key `{name}` is here twice"),
                        format!("键 `{name}` 重复出现"),
                    ),
                    words(
                        format!("it stands in line {line} already; keep one of the two"),
                        format!("第 {line} 行已经有了，请只保留一个"),
                    ),
                );
                continue;
            }
            pairs.push((key, value));
        }
    }
}

/// The last bracket a line opens and does not close, and its column. Quoted ones do not count.
fn open_bracket(line: &str) -> Option<(char, u32)> {
    let mut open: Vec<(char, u32)> = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.chars().enumerate() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '#') if before.is_whitespace() => break,
            (None, '"' | '\'') if matches!(before, ' ' | '[' | '{' | ',') => quote = Some(c),
            (None, '[' | '{') => open.push((c, u32::try_from(at + 1).unwrap_or(u32::MAX))),
            (None, ']' | '}') => drop(open.pop()),
            _ => {}
        }
        before = c;
    }
    open.pop()
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::Seq(items) => items.iter().map(size).sum(),
        Kind::Map(pairs) => pairs.iter().map(|(k, v)| size(k) + size(v)).sum(),
    }
}
