//! One version of a channel's file: read, checked, ready to be called.

use std::{collections::BTreeSet, sync::Arc};

use tandem_domain::Map;

use crate::{
    caps::{Caps, RESERVED, Replay, Setting, Settings},
    machine::{FUNCTIONS, Machine, Received, Shape, Values},
    problem::{Problem, Words, usable, words},
    read::{line_of, typed},
    request::Request,
    signature,
};

/// Fields of the table that a file returns, besides its functions.
const FIELDS: [&str; 2] = ["config", "caps"];
/// What a verify compares with in constant time.
const JUDGES: [&str; 4] = ["eq(", "ed25519_verify(", "rsa_verify(", "jwt_verify("];

/// A file that can be used.
#[derive(Debug)]
pub struct Version {
    /// `line`, for `line.luau`.
    pub name: String,
    pub caps: Caps,
    pub settings: Settings,
    pub functions: BTreeSet<String>,
    /// Of source and fixtures.
    pub hash: String,
    pub machine: Arc<Machine>,
}

/// The file's name: what its channel is called in URLs.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

impl Version {
    /// Reads a file, without its fixtures. Blocks while the file loads. Gives everything that is
    /// wrong with it; with an error among that, there is no version.
    #[must_use]
    pub fn read(name: &str, source: &str) -> (Option<Self>, Vec<Problem>) {
        let file = format!("{name}.luau");
        if !is_name(name) {
            let problem = Problem::error(
                "name",
                &file,
                0,
                words(
                    "a channel's name is 1 to 32 lower-case letters, digits, '-' or '_'",
                    "渠道名由 1 到 32 个小写字母、数字、'-' 或 '_' 组成",
                ),
            );
            return (None, vec![problem]);
        }
        let (machine, shape) = match Machine::load(&file, source) {
            Ok(loaded) => loaded,
            Err(error) => return (None, vec![Problem::lua(&file, &error)]),
        };
        let mut reading = Reading {
            file: &file,
            source,
            problems: Vec::new(),
        };
        reading.shape(&shape);
        let settings = reading.settings(&shape.fields);
        let caps = reading.caps(&shape.fields);
        let mut problems = reading.problems;
        let (Some(settings), Some(caps)) = (settings, caps) else {
            return (None, problems);
        };
        lint(&file, source, &caps, &settings, &mut problems);
        if !usable(&problems) {
            return (None, problems);
        }
        let version = Self {
            name: name.to_owned(),
            caps,
            settings,
            functions: shape.functions.into_iter().collect(),
            hash: blake3::hash(source.as_bytes()).to_hex().to_string(),
            machine: Arc::new(machine),
        };
        (Some(version), problems)
    }

    /// Judges a request: the age of its signed time, handshake, verify, parse. Blocks for at most
    /// the budget.
    #[must_use]
    pub fn receive(&self, request: &Request, values: &Values) -> Received {
        let received = self.machine.receive(request, values);
        in_time(self.caps.edge.replay.as_ref(), request, received)
    }

    /// The same where blocking is not allowed; see [`Machine::receive_at_once`].
    #[must_use]
    pub fn receive_at_once(&self, request: &Request, values: &Values) -> Option<Received> {
        let received = self.machine.receive_at_once(request, values)?;
        Some(in_time(self.caps.edge.replay.as_ref(), request, received))
    }

    #[must_use]
    pub fn has(&self, function: &str) -> bool {
        self.functions.contains(function)
    }
}

/// What was received, unless its signed time is not now.
pub(crate) fn in_time(replay: Option<&Replay>, request: &Request, received: Received) -> Received {
    // A handshake is unsigned and has no time; everything else must be fresh.
    match (replay, &received) {
        (_, Received::Handshake(_) | Received::Refused(_)) | (None, _) => received,
        (Some(replay), _) if signature::is_fresh(request, replay) => received,
        (Some(replay), _) => {
            let place = &replay.timestamp;
            Received::Refused(match signature::signed_at(request, replay) {
                Some(_) => format!("replay: the time in {place} is outside of the window"),
                None => format!("replay: there is no time in {place}"),
            })
        }
    }
}

struct Reading<'a> {
    file: &'a str,
    source: &'a str,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn error(&mut self, code: &'static str, line: u32, message: Words) {
        self.problems
            .push(Problem::error(code, self.file, line, message));
    }

    fn shape(&mut self, shape: &Shape) {
        for name in &shape.functions {
            if !FUNCTIONS.contains(&name.as_str()) {
                self.unknown(name);
            }
        }
        for name in shape.fields.keys() {
            if FUNCTIONS.contains(&name.as_str()) {
                let line = line_of(self.source, name, name);
                self.error(
                    "shape",
                    line,
                    words(
                        format!("`{name}` must be a function"),
                        format!("`{name}` 必须是函数"),
                    ),
                );
            } else if !FIELDS.contains(&name.as_str()) {
                self.unknown(name);
            }
        }
        for name in ["verify", "parse", "send"] {
            if !shape.functions.iter().any(|known| known == name)
                && !shape.fields.contains_key(name)
            {
                self.error(
                    "shape",
                    0,
                    words(
                        format!("the file returns no function `{name}`"),
                        format!("该文件没有返回函数 `{name}`"),
                    ),
                );
            }
        }
    }

    fn unknown(&mut self, name: &str) {
        let line = line_of(self.source, name, name);
        let message = words(
            format!("the file returns `{name}`, which the host does not know"),
            format!("该文件返回了宿主不认识的 `{name}`"),
        );
        let known = FUNCTIONS.iter().chain(&FIELDS);
        let close = known
            .map(|known| (strsim::damerau_levenshtein(name, known), *known))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let mut problem = Problem::error("shape", self.file, line, message);
        if let Some((_, close)) = close {
            problem = problem.hint(words(
                format!("did you mean `{close}`?"),
                format!("是否想写 `{close}`？"),
            ));
        }
        self.problems.push(problem);
    }

    fn settings(&mut self, fields: &Map) -> Option<Settings> {
        let Some(config) = fields.get("config") else {
            self.error(
                "config",
                0,
                words(
                    "the file returns no `config`: name the settings it needs, as {api_key = \"secret\"}",
                    "该文件没有返回 `config`：请列出所需设置，例如 {api_key = \"secret\"}",
                ),
            );
            return None;
        };
        match typed::<Settings>(config, "config") {
            Ok(settings) if RESERVED.iter().any(|name| settings.contains_key(*name)) => {
                let taken = RESERVED.iter().find(|name| settings.contains_key(**name));
                let taken = taken.copied().unwrap_or_default();
                let line = line_of(self.source, "config", taken);
                self.error(
                    "config",
                    line,
                    words(
                        format!("config.{taken} is the host's own name; choose another"),
                        format!("config.{taken} 是宿主保留的名称，请换一个"),
                    ),
                );
                None
            }
            Ok(settings) => Some(settings),
            Err(misread) => {
                let line = line_of(self.source, "config", misread.key());
                self.error("config", line, misread.words);
                None
            }
        }
    }

    fn caps(&mut self, fields: &Map) -> Option<Caps> {
        let Some(caps) = fields.get("caps") else {
            self.error(
                "caps",
                0,
                words(
                    "the file returns no `caps`: at least {text = {max = …}}",
                    "该文件没有返回 `caps`：至少要有 {text = {max = …}}",
                ),
            );
            return None;
        };
        match Caps::read(caps) {
            Ok(caps) => {
                for (key, message) in caps.objections() {
                    let line = line_of(self.source, "caps", key);
                    self.error("caps", line, message);
                }
                Some(caps)
            }
            Err(misread) => {
                let line = line_of(self.source, "caps", misread.key());
                self.error("caps", line, misread.words);
                None
            }
        }
    }
}

/// What works and is probably not meant.
fn lint(file: &str, source: &str, caps: &Caps, settings: &Settings, problems: &mut Vec<Problem>) {
    if !JUDGES.iter().any(|judge| source.contains(judge)) {
        let message = words(
            "nothing in this file compares in constant time",
            "该文件没有使用固定时间的比较",
        );
        problems.push(Problem::warning("signature", file, 0, message).hint(words(
            "compare signatures with eq(a, b), never with ==",
            "请用 eq(a, b) 比较签名，不要用 ==",
        )));
    }
    let reachable =
        !caps.edge.hosts.is_empty() || settings.values().any(|kind| *kind == Setting::Url);
    if !reachable && source.contains("http") {
        let line = line_of(source, "caps", "caps");
        let message = words(
            "caps.hosts names no host, so http can call nothing",
            "caps.hosts 没有列出主机，http 无法调用任何地址",
        );
        problems.push(Problem::warning("hosts", file, line, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
return {
  config = {secret = "secret"},
  caps = {hosts = {"api.example.com"}, text = {max = 100}},
  verify = function(r, c) return eq(r.headers["x-key"], c.secret) end,
  parse = function(r) return {} end,
  send = function(m, c) return {status = "sent", ids = {}} end,
}
"#;

    fn problems(from: &str, to: &str) -> Vec<Problem> {
        assert!(GOOD.contains(from));
        Version::read("example", &GOOD.replace(from, to)).1
    }

    #[test]
    fn a_good_file_is_read_without_a_word() {
        let (version, problems) = Version::read("example", GOOD);
        assert_eq!(problems, []);
        let version = version.unwrap();
        assert_eq!(version.caps.capabilities.dedupe_secs, 691_200);
        assert!(version.has("send") && !version.has("handshake"));
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        for (from, to, line, part) in [
            ("max = 100", "max = 100, nax = 1", 4, "unknown field `nax`"),
            ("max = 100", "max = 3", 4, "fewer than 16"),
            ("text = {max = 100}", "", 4, "caps.text is missing"),
            ("api.example.com", "https://x", 4, "is no host"),
            ("\"secret\"}", "\"sekret\"}", 3, "unknown variant `sekret`"),
            (
                "secret = \"secret\"",
                "webhook_url = \"url\"",
                3,
                "the host's own name",
            ),
            ("parse =", "prase =", 6, "which the host does not know"),
            ("parse =", "prase =", 0, "no function `parse`"),
            (
                "send = function(m, c)",
                "send = 1, x = function(m, c)",
                7,
                "must be a function",
            ),
            ("return {} end", "return {} end end", 6, "script failed"),
            (
                "\nreturn {",
                "\nlocal x = nil + 1\nreturn {",
                2,
                "script failed",
            ),
            ("eq(r", "rawequal(r", 0, "constant time"),
            (
                "hosts = {\"api.example.com\"}, ",
                "batch_max = 0,",
                4,
                "at least one part",
            ),
            (
                "max = 100}",
                "max = 100}, signed = \"time\"",
                4,
                "needs caps.replay",
            ),
            (
                "max = 100}",
                "max = 100}, reciepts = true",
                4,
                "unknown field `reciepts`; did you mean `receipts`?",
            ),
            (
                "max = 100}",
                "max = 100}, replay = {timestamp = \"body.time\", unit = \"ms\", window = 300}",
                4,
                "\"body.time\" is neither a header's name",
            ),
            (
                "max = 100}",
                "max = 100}, media = {image = {by = \"mail\"}}",
                4,
                "caps.media.image.by: unknown variant",
            ),
            (
                "max = 100}",
                "max = 100}, rate = {account = \"x\"}",
                4,
                "caps.rate.account: write 5, {count = 100, secs = 60}, or a list",
            ),
        ] {
            let found = problems(from, to);
            let hit = found
                .iter()
                .find(|p| p.message.en.contains(part))
                .unwrap_or_else(|| panic!("{to}: {part} is not in {found:#?}"));
            assert_eq!(hit.line, line, "{part}");
            assert_eq!(hit.file, "example.luau");
            assert_ne!(hit.message.en, hit.message.zh);
        }
    }

    #[test]
    fn what_takes_long_is_left_to_a_thread_that_may_block() {
        let source = GOOD.replace(
            "parse = function(r) return {} end",
            "parse = function(r) if r.body == \"slow\" then for i = 1, 100000 do end end return {} end",
        );
        let version = Version::read("example", &source).0.unwrap();
        let values = Values([("secret".to_owned(), "s".to_owned())].into());
        let request = |body: &[u8]| {
            let headers = [("x-key", &b"s"[..])];
            let body = axum::body::Bytes::copy_from_slice(body);
            let url = "https://help.example.test/hooks/example/a";
            Request::new("POST", url, headers, body, tandem_domain::Timestamp(0))
        };
        let understood = |received: &Received| matches!(received, Received::Understood { .. });
        let (quick, slow, large) = (request(b"hi"), request(b"slow"), request(&[b'a'; 40_000]));
        assert!(
            version
                .receive_at_once(&quick, &values)
                .is_some_and(|r| understood(&r))
        );
        assert_eq!(version.receive_at_once(&slow, &values), None);
        // Its state went with it, and no other is here yet.
        assert_eq!(version.receive_at_once(&quick, &values), None);
        assert!(understood(&version.receive(&slow, &values)));
        assert_eq!(version.receive_at_once(&large, &values), None);
        assert!(understood(&version.receive(&large, &values)));
        assert!(
            version
                .receive_at_once(&quick, &values)
                .is_some_and(|r| understood(&r))
        );
    }

    #[test]
    fn a_name_fits_a_url() {
        for bad in ["", "A", "a b", "a/b", "..", &"a".repeat(33)] {
            assert!(Version::read(bad, GOOD).0.is_none(), "{bad}");
        }
    }
}
