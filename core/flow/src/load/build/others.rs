//! connections.yaml, desk.yaml and the articles.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::civil::{Date, Time};
use tandem_domain::{
    Locale,
    reading::{Article, Audience},
};

use super::{
    super::{
        validate::Validator,
        yaml::{self, Node},
    },
    OperationNames, duration, secret,
};
use crate::{
    diagnostic::{Problems, words},
    model::{Auth, Connection, Hours, Operation, Span},
    schema::table,
};

/// Names of all operations, before flows are read.
pub(in crate::load) fn operations_of(
    node: &Node,
) -> BTreeMap<String, BTreeMap<String, OperationNames>> {
    let connections = node
        .get("connections")
        .and_then(Node::map)
        .unwrap_or_default();
    let mut all = BTreeMap::new();
    for (key, connection) in connections {
        let operations = connection
            .get("operations")
            .and_then(Node::map)
            .unwrap_or_default();
        let operations = operations.iter().map(|(key, operation)| {
            let text = |key| operation.get(key).and_then(Node::text).unwrap_or_default();
            let returns = operation.get("returns").and_then(Node::map).map(|fields| {
                let fields = fields.iter();
                fields
                    .filter_map(|(k, v)| Some((k.text()?.to_owned(), v.text()?.to_owned())))
                    .collect()
            });
            let names = OperationNames {
                placeholders: placeholders(text("path")),
                returns,
                method: text("method").to_owned(),
            };
            (key.text().unwrap_or_default().to_owned(), names)
        });
        all.insert(
            key.text().unwrap_or_default().to_owned(),
            operations.collect(),
        );
    }
    all
}

/// The names in `/orders/{number}`.
fn placeholders(path: &str) -> Vec<String> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(n, _)| n.to_owned())
        .collect()
}

pub(in crate::load) fn connections(
    problems: &mut Problems,
    node: &Node,
) -> IndexMap<String, Connection> {
    let mut all = IndexMap::new();
    for (key, node) in node
        .get("connections")
        .and_then(Node::map)
        .unwrap_or_default()
    {
        let name = key.text().unwrap_or_default().to_owned();
        all.insert(name.clone(), connection(problems, key, name, node));
    }
    all
}

fn connection(problems: &mut Problems, key: &Node, name: String, node: &Node) -> Connection {
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let base_url = text("base_url").unwrap_or_default();
    let base_url_env = text("base_url_env");
    let mut hosts: Vec<String> = node
        .get("hosts")
        .and_then(Node::seq)
        .unwrap_or_default()
        .iter()
        .filter_map(|n| n.text().map(str::to_ascii_lowercase))
        .collect();
    match node.get("base_url") {
        None if base_url_env.is_none() => problems.error(
            "missing-key",
            key.place(),
            words(
                format!("the connection `{name}` has no address"),
                format!("连接 `{name}` 没有地址"),
            ),
            words(
                "add `base_url: https://shop.example/api`",
                "请添加 `base_url: https://shop.example/api`",
            ),
        ),
        None => {}
        Some(at) => match host(&base_url) {
            Ok(host) if hosts.is_empty() => hosts.push(host),
            Ok(host) if hosts.contains(&host) => {}
            Ok(host) => problems.error(
                "host-not-allowed",
                at.place(),
                words(
                    format!("`{host}` is not among the `hosts` this connection may reach"),
                    format!("`{host}` 不在此连接允许访问的 `hosts` 中"),
                ),
                words(
                    format!("add it: `hosts: [{host}]`, if this address is meant"),
                    format!("若确实是此地址，请加入：`hosts: [{host}]`"),
                ),
            ),
            Err(Url::Credentials) => secret(problems, at),
            Err(Url::Bad) => problems.error(
                "bad-url",
                at.place(),
                words(
                    format!("`{base_url}` is no web address"),
                    format!("`{base_url}` 不是网址"),
                ),
                words(
                    "write it as `https://shop.example/api`",
                    "请写成 `https://shop.example/api`",
                ),
            ),
        },
    }
    let mut headers = Vec::new();
    for (key, value) in node.get("headers").and_then(Node::map).unwrap_or_default() {
        let (Some(name), Some(text)) = (key.text(), value.text()) else {
            continue;
        };
        let lower = name.to_ascii_lowercase();
        if ["authorization", "cookie", "proxy-authorization"].contains(&lower.as_str())
            || ["token", "api-key", "apikey", "secret"]
                .iter()
                .any(|w| lower.contains(w))
        {
            secret(problems, value);
        }
        headers.push((name.to_owned(), text.to_owned()));
    }
    let operations = node
        .get("operations")
        .and_then(Node::map)
        .unwrap_or_default();
    Connection {
        auth: node.get("auth").map_or(Auth::None, |n| auth(problems, n)),
        name,
        base_url,
        base_url_env,
        hosts,
        timeout: node.get("timeout").and_then(Node::text).and_then(duration),
        headers,
        operations: operations
            .iter()
            .map(|(key, node)| {
                let name = key.text().unwrap_or_default().to_owned();
                (name, operation(problems, key, node))
            })
            .collect(),
        span: key.span,
    }
}

enum Url {
    Credentials,
    Bad,
}

fn host(url: &str) -> Result<String, Url> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or(Url::Bad)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Url::Credentials);
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let fine = !host.is_empty() && !host.contains(char::is_whitespace);
    if fine {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(Url::Bad)
    }
}

fn auth(problems: &mut Problems, node: &Node) -> Auth {
    let text = |key: &str| {
        node.get(key)
            .and_then(Node::text)
            .unwrap_or_default()
            .to_owned()
    };
    let kind = text("type");
    let needed: &[&str] = match kind.as_str() {
        "bearer" => &["token_env"],
        "basic" => &["user_env", "password_env"],
        "header" => &["name", "value_env"],
        _ => &[],
    };
    for key in needed {
        match node.get(key) {
            // A credential written out is reported already.
            None if ["token", "password", "secret", "value"]
                .iter()
                .any(|k| node.get(k).is_some()) => {}
            None => problems.error(
                "missing-key",
                node.get("type").map_or(node.place(), Node::place),
                words(
                    format!("`{kind}` needs `{key}`"),
                    format!("`{kind}` 需要 `{key}`"),
                ),
                words(
                    format!("add `{key}: SHOP_TOKEN`, the name of an environment variable"),
                    format!("请添加 `{key}: SHOP_TOKEN`（环境变量的名称）"),
                ),
            ),
            Some(value) if *key != "name" => {
                let name = value.text().unwrap_or_default();
                let variable = name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                if !variable || name.is_empty() {
                    secret(problems, value);
                }
            }
            Some(_) => {}
        }
    }
    match kind.as_str() {
        "bearer" => Auth::Bearer {
            token_env: text("token_env"),
        },
        "basic" => Auth::Basic {
            user_env: text("user_env"),
            password_env: text("password_env"),
        },
        "header" => Auth::Header {
            name: text("name"),
            value_env: text("value_env"),
        },
        _ => Auth::None,
    }
}

fn operation(problems: &mut Problems, key: &Node, node: &Node) -> Operation {
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let path = text("path").unwrap_or_default();
    if let Some(at) = node.get("path")
        && (!path.starts_with('/') || path.contains("..") || path.starts_with("//"))
    {
        problems.error(
            "bad-path",
            at.place(),
            words(
                format!("`{path}` is no path under the base URL"),
                format!("`{path}` 不是 base_url 之下的路径"),
            ),
            words(
                "begin it with `/` and leave out `..`, as `/orders/{number}`",
                "请以 `/` 开头且不含 `..`，如 `/orders/{number}`",
            ),
        );
    }
    Operation {
        method: text("method").unwrap_or_default(),
        path,
        returns: node.get("returns").and_then(Node::map).map(|fields| {
            let fields = fields.iter();
            fields
                .filter_map(|(k, v)| Some((k.text()?.to_owned(), v.text()?.to_owned())))
                .collect()
        }),
        idempotency_header: text("idempotency_header"),
        timeout: node.get("timeout").and_then(Node::text).and_then(duration),
        retry: node
            .get("retry")
            .and_then(Node::int)
            .and_then(|n| u32::try_from(n).ok()),
        span: key.span,
    }
}

/// Skills and opening hours.
pub(in crate::load) fn desk(
    problems: &mut Problems,
    node: &Node,
) -> (Vec<String>, IndexMap<String, Hours>) {
    let mut skills = Vec::new();
    let mut seen = BTreeSet::new();
    for item in node.get("skills").and_then(Node::seq).unwrap_or_default() {
        let name = item.text().unwrap_or_default().to_owned();
        if seen.insert(name.clone()) {
            skills.push(name);
        }
    }
    let mut all = IndexMap::new();
    for (key, node) in node.get("hours").and_then(Node::map).unwrap_or_default() {
        let mut made = Hours::default();
        for (day, name) in ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            .iter()
            .enumerate()
        {
            for span in node.get(name).map(Node::one_or_many).unwrap_or_default() {
                match span.text().and_then(hours) {
                    Some((from, to)) if from < to || to == Time::MIN => made.days[day].push((from, to)),
                    Some(_) => problems.error(
                        "bad-hours",
                        span.place(),
                        words("these hours end before they begin", "这段营业时间的结束早于开始"),
                        words(
                            "split them at midnight: `\"18:00-24:00\"` and `\"00:00-09:00\"` of the next day",
                            "请在午夜分开：当天 `\"18:00-24:00\"`，次日 `\"00:00-09:00\"`",
                        ),
                    ),
                    None => bad_hours(problems, span),
                }
            }
            made.days[day].sort_unstable();
        }
        for item in node.get("holidays").and_then(Node::seq).unwrap_or_default() {
            match item.text().unwrap_or_default().parse::<Date>() {
                Ok(date) => made.holidays.push(date),
                Err(_) => problems.error(
                    "bad-date",
                    item.place(),
                    words("this is no date", "这不是日期"),
                    words("write it as 2025-12-25", "请写成 2025-12-25"),
                ),
            }
        }
        all.insert(key.text().unwrap_or_default().to_owned(), made);
    }
    (skills, all)
}

pub(super) fn bad_hours(problems: &mut Problems, node: &Node) {
    let text = node.text().unwrap_or_default();
    problems.error(
        "bad-hours",
        node.place(),
        words(
            format!("`{text}` are no hours"),
            format!("`{text}` 不是时间段"),
        ),
        words(
            "write them as `\"09:00-18:00\"`",
            "请写成 `\"09:00-18:00\"`",
        ),
    );
}

/// `09:00-18:00`; `24:00` is the end of the day, written as midnight.
pub(super) fn hours(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once(['-', '–'])?;
    let time = |text: &str| -> Option<Time> {
        let (hour, minute) = text.trim().split_once(':')?;
        match (hour.parse().ok()?, minute.parse().ok()?) {
            (24, 0) => Some(Time::MIN),
            (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
        }
    };
    Some((time(from)?, time(to)?))
}

/// An article: front matter between two lines `---`, then Markdown.
pub(in crate::load) fn article(
    problems: &mut Problems,
    file: u32,
    path: &str,
    text: &str,
    locales: &[String],
) -> Option<Article> {
    let head = |line| Span {
        file,
        line,
        column: 1,
    };
    let example = || {
        words(
            "begin the file with `---`, `title: …`, `---`",
            "文件开头请写 `---`、`title: …`、`---`",
        )
    };
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    if first.trim_end() != "---" {
        problems.error(
            "article-head",
            head(1),
            words("this article has no front matter", "这篇文章没有头部信息"),
            example(),
        );
        return None;
    }
    let mut front = String::from("\n");
    let mut closed = false;
    let mut used = first.len();
    for line in lines {
        used += line.len();
        if line.trim_end() == "---" {
            closed = true;
            break;
        }
        front.push_str(line);
    }
    if !closed {
        problems.error(
            "article-head",
            head(1),
            words("the front matter does not end", "头部信息没有结束"),
            words("close it with a line `---`", "请用一行 `---` 结束"),
        );
        return None;
    }
    let before = problems.count();
    let Some(node) = yaml::parse(file, &front, problems) else {
        if problems.count() > before {
            return None;
        }
        problems.error(
            "article-head",
            head(1),
            words("the front matter is empty", "头部信息为空"),
            example(),
        );
        return None;
    };
    if !(Validator { problems, locales }).shape(&node, &table::ARTICLE) {
        return None;
    }
    let stem = path.strip_suffix(".md").unwrap_or(path);
    let written = node.get("locale");
    let locale = match written.and_then(Node::text) {
        Some(tag) => {
            if !locales.is_empty() && !locales.iter().any(|l| l == tag) {
                problems.error(
                    "unknown-locale",
                    written.map_or(node.place(), Node::place),
                    words(
                        format!("`{tag}` is no locale of this pack"),
                        format!("`{tag}` 不是本业务包的语言"),
                    ),
                    words(
                        format!("pack.yaml has: {}", locales.join(", ")),
                        format!("pack.yaml 中有：{}", locales.join("、")),
                    ),
                );
            }
            Some(Locale::new(tag))
        }
        None => stem
            .rsplit_once('.')
            .filter(|(_, tag)| locales.iter().any(|l| l == tag))
            .map(|(_, tag)| Locale::new(tag)),
    };
    let body = text[used..].trim();
    if body.is_empty() {
        problems.warn(
            "article-empty",
            head(1),
            words("this article says nothing", "这篇文章没有正文"),
            words(
                "write its text after the second `---`",
                "请在第二个 `---` 之后写正文",
            ),
        );
    }
    Some(Article {
        id: stem.to_owned(),
        title: node
            .get("title")
            .and_then(Node::text)
            .unwrap_or_default()
            .to_owned(),
        tags: node
            .get("tags")
            .map(Node::one_or_many)
            .unwrap_or_default()
            .iter()
            .filter_map(|n| n.text().map(str::to_owned))
            .collect(),
        audience: match node.get("audience").and_then(Node::text) {
            Some("agent") => Audience::Agent,
            _ => Audience::Customer,
        },
        locale,
        body: body.to_owned(),
    })
}
