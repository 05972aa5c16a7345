//! `tests/*.test.yaml` as data. The loader has held the file's shape against the schema; what is
//! wrong beyond that is reported here at its place.

use jiff::tz::TimeZone;
use tandem_domain::{Locale, Map, Timestamp, Value};

use crate::{
    diagnostic::{Problems, nearest, suggest, words},
    load::yaml::{self, Node},
    model::{Duration, Span},
    step::cal,
};

/// A test file.
pub(super) struct Test {
    pub name: String,
    pub locale: Option<Locale>,
    pub contact: Map,
    pub clock: Option<Timestamp>,
    pub stubs: Vec<(String, Value)>,
    pub turns: Vec<(Span, Word)>,
}

/// One key of a turn.
pub(super) enum Word {
    User {
        text: String,
        id: Option<String>,
    },
    Press(String),
    Upload {
        name: String,
        mime: String,
        bytes: u64,
    },
    Event {
        name: String,
        data: Value,
    },
    Page {
        url: String,
        seconds: u64,
    },
    Advance(Duration),
    AgentSays(String),
    AgentCloses {
        returned: bool,
    },
    Bot(Vec<Expect>),
    Called {
        operation: String,
        times: Option<u64>,
        with: Option<Value>,
        span: Span,
    },
    Handoff {
        skill: Option<String>,
        priority: Option<String>,
        mode: Option<String>,
    },
    Slot {
        name: String,
        value: Value,
        span: Span,
    },
    Trace {
        hides: Vec<String>,
        shows: Vec<String>,
    },
}

/// What one message of the bot is expected to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub span: Span,
    pub asks: Option<String>,
    pub says: Option<String>,
    pub confirms: Option<String>,
    pub text: Option<Pattern>,
    pub options: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Exact(String),
    Regex(regex::Regex),
}

const TOP: [&str; 6] = ["test", "locale", "contact", "clock", "stub", "turns"];
const WORDS: [&str; 12] = [
    "user", "press", "upload", "event", "page", "advance", "agent", "bot", "called", "handoff",
    "slot", "trace",
];
const BOT: [&str; 5] = ["asks", "says", "confirms", "text", "options"];

/// Reads a test; none where nothing can be made of it.
pub(super) fn parse(
    file: u32,
    text: &str,
    zone: &TimeZone,
    problems: &mut Problems,
) -> Option<Test> {
    let node = yaml::parse(file, text, problems)?;
    let mut reader = Reader { problems, zone };
    reader.known(&node, &TOP);
    let mut test = Test {
        name: node
            .get("test")
            .and_then(Node::text)
            .unwrap_or("")
            .to_owned(),
        locale: node.get("locale").and_then(Node::text).map(Locale::new),
        contact: Map::new(),
        clock: None,
        stubs: Vec::new(),
        turns: Vec::new(),
    };
    if let Some(Value::Object(map)) = node.get("contact").map(Node::value) {
        test.contact = map;
    }
    if let Some(clock) = node.get("clock") {
        test.clock = reader.clock(clock);
    }
    for (name, body) in node.get("stub").and_then(Node::map).unwrap_or(&[]) {
        test.stubs
            .push((name.text().unwrap_or_default().to_owned(), body.value()));
    }
    for turn in node.get("turns").and_then(Node::seq).unwrap_or(&[]) {
        reader.turn(turn, &mut test.turns);
    }
    if test.turns.is_empty() {
        reader.problems.error(
            "test-empty",
            node.span,
            words("this test has no turns", "这个测试没有任何对话轮次"),
            words(
                "add `turns:` with at least one `- user: …`",
                "请添加 `turns:`，至少包含一个 `- user: …`",
            ),
        );
    }
    Some(test)
}

struct Reader<'p, 'z> {
    problems: &'p mut Problems,
    zone: &'z TimeZone,
}

impl Reader<'_, '_> {
    fn known(&mut self, node: &Node, keys: &[&'static str]) {
        for (key, _) in node.map().unwrap_or(&[]) {
            let name = key.text().unwrap_or_default();
            if !keys.contains(&name) {
                self.problems.error(
                    "unknown-key",
                    key.place(),
                    words(
                        format!("a test has no word `{name}` here"),
                        format!("测试在此处没有 `{name}` 这个词"),
                    ),
                    suggest(name, keys.iter().copied(), words("remove it", "请删去")),
                );
            }
        }
    }

    fn wrong(&mut self, node: &Node, en: &str, zh: &str) {
        self.problems.error(
            "test-value",
            node.place(),
            words(format!("this is not {en}"), format!("这不是{zh}")),
            words(format!("write {en}"), format!("请写{zh}")),
        );
    }

    fn clock(&mut self, node: &Node) -> Option<Timestamp> {
        let moment = node.text().and_then(|t| cal::moment(t, self.zone));
        if moment.is_none() {
            self.wrong(
                node,
                "a time, as `2025-03-03T10:00+01:00`",
                "时间，如 `2025-03-03T10:00+01:00`",
            );
        }
        moment
    }

    fn turn(&mut self, node: &Node, out: &mut Vec<(Span, Word)>) {
        self.known(node, &WORDS);
        for (key, value) in node.map().unwrap_or(&[]) {
            let at = key.span;
            match key.text().unwrap_or_default() {
                "user" => {
                    let text = value.get("text").or(Some(value)).and_then(Node::text);
                    let id = value.get("id").and_then(Node::text).map(str::to_owned);
                    match text {
                        Some(text) => out.push((
                            at,
                            Word::User {
                                text: text.to_owned(),
                                id,
                            },
                        )),
                        None => self.wrong(value, "a text", "一段文本"),
                    }
                }
                "press" => match value.text() {
                    Some(label) => out.push((at, Word::Press(label.to_owned()))),
                    None => self.wrong(value, "a button's label", "按钮的文字"),
                },
                "upload" => self.upload(at, value, out),
                "event" => {
                    let name = value.get("name").or(Some(value)).and_then(Node::text);
                    let data = value.get("data").map_or(Value::Null, Node::value);
                    match name {
                        Some(name) => out.push((
                            at,
                            Word::Event {
                                name: name.to_owned(),
                                data,
                            },
                        )),
                        None => self.wrong(value, "an event's name", "事件名称"),
                    }
                }
                "page" => {
                    let url = value.get("url").or(Some(value)).and_then(Node::text);
                    let after = value.get("after").and_then(Node::text).and_then(duration);
                    let seconds = after.map_or(0, |after| cal::millis(after) / 1_000);
                    match url {
                        Some(url) => out.push((
                            at,
                            Word::Page {
                                url: url.to_owned(),
                                seconds,
                            },
                        )),
                        None => self.wrong(value, "a page's address", "页面地址"),
                    }
                }
                "advance" => match value.text().and_then(duration) {
                    Some(span) => out.push((at, Word::Advance(span))),
                    None => self.wrong(
                        value,
                        "a duration, as `10m` or `7d`",
                        "时长，如 `10m` 或 `7d`",
                    ),
                },
                "agent" => self.agent(at, value, out),
                "bot" => {
                    let expected = match value.map() {
                        Some(_) => vec![self.expect(value)],
                        None => value
                            .one_or_many()
                            .iter()
                            .map(|one| self.expect(one))
                            .collect(),
                    };
                    out.push((at, Word::Bot(expected)));
                }
                "called" => {
                    for (operation, checks) in value.map().unwrap_or(&[]) {
                        out.push((
                            at,
                            Word::Called {
                                operation: operation.text().unwrap_or_default().to_owned(),
                                times: checks
                                    .get("times")
                                    .and_then(Node::int)
                                    .and_then(|n| u64::try_from(n).ok()),
                                with: checks.get("with").map(Node::value),
                                span: operation.span,
                            },
                        ));
                    }
                }
                "handoff" => {
                    let word = |key: &str| value.get(key).and_then(Node::text).map(str::to_owned);
                    out.push((
                        at,
                        Word::Handoff {
                            skill: word("skill").or_else(|| value.text().map(str::to_owned)),
                            priority: word("priority"),
                            mode: word("mode"),
                        },
                    ));
                }
                "slot" => {
                    for (name, held) in value.map().unwrap_or(&[]) {
                        out.push((
                            at,
                            Word::Slot {
                                name: name.text().unwrap_or_default().to_owned(),
                                value: held.value(),
                                span: name.span,
                            },
                        ));
                    }
                }
                "trace" => {
                    let list = |key: &str| -> Vec<String> {
                        value
                            .get(key)
                            .map_or(&[][..], Node::one_or_many)
                            .iter()
                            .filter_map(Node::text)
                            .map(str::to_owned)
                            .collect()
                    };
                    out.push((
                        at,
                        Word::Trace {
                            hides: list("hides"),
                            shows: list("shows"),
                        },
                    ));
                }
                _ => {}
            }
        }
    }

    fn upload(&mut self, at: Span, value: &Node, out: &mut Vec<(Span, Word)>) {
        let name = value.get("name").and_then(Node::text);
        let mime = value.get("mime").and_then(Node::text);
        let size = value
            .get("size_mb")
            .and_then(Node::number)
            .unwrap_or(0.1)
            .clamp(0.0, 1e6);
        match (name, mime) {
            (Some(name), Some(mime)) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped"
                )]
                let bytes = (size * 1_000_000.0) as u64;
                out.push((
                    at,
                    Word::Upload {
                        name: name.to_owned(),
                        mime: mime.to_owned(),
                        bytes,
                    },
                ));
            }
            _ => self.wrong(
                value,
                "a file, as `{name: a.jpg, mime: image/jpeg}`",
                "文件，如 `{name: a.jpg, mime: image/jpeg}`",
            ),
        }
    }

    fn agent(&mut self, at: Span, value: &Node, out: &mut Vec<(Span, Word)>) {
        if let Some(text) = value.get("say").and_then(Node::text) {
            out.push((at, Word::AgentSays(text.to_owned())));
        }
        if value.get("return").and_then(Node::bool) == Some(true) {
            out.push((at, Word::AgentCloses { returned: true }));
        } else if value.get("resolve").and_then(Node::bool) == Some(true) {
            out.push((at, Word::AgentCloses { returned: false }));
        }
    }

    fn expect(&mut self, node: &Node) -> Expect {
        self.known(node, &BOT);
        let word = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        let text = node.get("text").and_then(|n| self.pattern(n));
        Expect {
            span: node.span,
            asks: word("asks"),
            says: word("says"),
            confirms: word("confirms"),
            text,
            options: node.get("options").map(|list| {
                list.one_or_many()
                    .iter()
                    .filter_map(Node::text)
                    .map(str::to_owned)
                    .collect()
            }),
        }
    }

    fn pattern(&mut self, node: &Node) -> Option<Pattern> {
        let text = node.text()?;
        let Some(source) = text
            .strip_prefix('/')
            .and_then(|t| t.strip_suffix('/'))
            .filter(|_| text.len() > 1)
        else {
            return Some(Pattern::Exact(text.to_owned()));
        };
        match regex::RegexBuilder::new(source).size_limit(1 << 20).build() {
            Ok(regex) => Some(Pattern::Regex(regex)),
            Err(_) => {
                self.wrong(
                    node,
                    "a regular expression between slashes",
                    "写在两条斜线之间的正则表达式",
                );
                None
            }
        }
    }
}

/// `10m`, `7d`, `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let mut span = Duration::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, more) = rest.split_at(end);
        let ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" | "w" => {
                let days = count.checked_mul(if unit == "w" { 7 } else { 1 })?;
                span.days = span.days.checked_add(u32::try_from(days).ok()?)?;
                0
            }
            _ => return None,
        };
        span.ms = span.ms.checked_add(count.checked_mul(ms)?)?;
        rest = more;
    }
    Some(span)
}

/// "did you mean", for a name that a pack does not have.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(str::to_owned)
}
