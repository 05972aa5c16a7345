//! What a plugin is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a plugin says of itself before anything of it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What flows call it by: small letters, digits, `_` and `-`.
    pub name: String,
    pub version: String,
    /// What a panic does in it: `unwind` is needed, absent where the language has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// The kinds it offers, each with the version of its methods: 1.
    pub kinds: BTreeMap<String, u32>,
    /// One call at a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serial: bool,
    /// Every call returns within a millisecond, asks the host for nothing and needs little stack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nonblocking: bool,
    /// How many calls at once are useful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The JSON Schema of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    pub methods: BTreeMap<String, MethodSpec>,
}

/// One method of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodSpec {
    /// The JSON Schema of its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// The JSON Schema of its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// How long it may take where the caller does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// A call whose idempotency key it has seen does nothing again: a write may be repeated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// The codes of its own it fails with, each with one line of what it means. Absent says nothing
    /// about them; with none in it, it has none. A host's own [`HOST_CODES`] need not be among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<BTreeMap<String, String>>,
}

impl MethodSpec {
    pub fn params(&mut self, schema: Value) -> &mut Self {
        self.params = Some(schema);
        self
    }

    pub fn result(&mut self, schema: Value) -> &mut Self {
        self.result = Some(schema);
        self
    }

    pub fn timeout_ms(&mut self, timeout: u64) -> &mut Self {
        self.timeout_ms = Some(timeout);
        self
    }

    /// Says that the same idempotency key twice does it once.
    pub fn idempotent(&mut self) -> &mut Self {
        self.idempotent = true;
        self
    }

    /// Declares a code it fails with. Flows that choose by another are told so before they run.
    pub fn error(&mut self, code: &str, means: &str) -> &mut Self {
        let errors = self.errors.get_or_insert_default();
        errors.insert(code.to_owned(), means.to_owned());
        self
    }

    /// Whether its declaration allows this code: declared, a host's own, or nothing is declared.
    #[must_use]
    pub fn may_answer(&self, code: &str) -> bool {
        let Some(errors) = &self.errors else {
            return true;
        };
        errors.contains_key(code) || HOST_CODES.contains(&code)
    }
}

/// What a plugin can be, as manifests and configurations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Action,
    Channel,
    Embedder,
    Translator,
    TextGenerator,
    ImageReader,
    SpeechToText,
    TextToSpeech,
    Exporter,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Action,
        Self::Channel,
        Self::Embedder,
        Self::Translator,
        Self::TextGenerator,
        Self::ImageReader,
        Self::SpeechToText,
        Self::TextToSpeech,
        Self::Exporter,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Channel => "channel",
            Self::Embedder => "embedder",
            Self::Translator => "translator",
            Self::TextGenerator => "text_generator",
            Self::ImageReader => "image_reader",
            Self::SpeechToText => "speech_to_text",
            Self::TextToSpeech => "text_to_speech",
            Self::Exporter => "exporter",
        }
    }

    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The methods every plugin of this kind has. An action has at least one `action.NAME`.
    #[must_use]
    pub fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Action => &[],
            Self::Channel => &[
                "channel.open",
                "channel.run",
                "channel.stop",
                "channel.send",
            ],
            Self::Embedder => &["embed"],
            Self::Translator => &["translate"],
            Self::TextGenerator => &["generate"],
            Self::ImageReader => &["image.read"],
            Self::SpeechToText => &["stt"],
            Self::TextToSpeech => &["tts"],
            Self::Exporter => &["export"],
        }
    }

    /// The kind a method belongs to.
    #[must_use]
    pub fn of_method(method: &str) -> Option<Self> {
        if method.strip_prefix("action.").is_some_and(is_method_name) {
            return Some(Self::Action);
        }
        if matches!(method, "channel.http" | "channel.fetch") {
            return Some(Self::Channel);
        }
        Self::ALL
            .into_iter()
            .find(|kind| kind.methods().contains(&method))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Methods in one plugin.
pub const METHODS_MAX: usize = 256;
/// The longest a method may ask for, in milliseconds: ten minutes.
pub const TIMEOUT_MAX_MS: u64 = 600_000;
/// The most calls at once a plugin may ask for.
pub const CONCURRENCY_MAX: u32 = 64;

/// Codes one method may declare.
pub const ERRORS_MAX: usize = 50;
/// Characters of what a code means.
pub const MEANING_MAX: usize = 200;
/// The codes that a flow may get of any method, since the host gives them.
pub const HOST_CODES: [&str; 6] = [
    "timeout",
    "unavailable",
    "refused",
    "too_large",
    "bad_response",
    "unknown",
];
/// What flows write for all the codes they do not name.
const REST: &str = "other";

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Name(String),
    Version,
    Panic(String),
    NoKind,
    UnknownKind(String),
    KindVersion { kind: String, version: u32 },
    MissingMethod { kind: Kind, method: &'static str },
    StrayMethod(String),
    TooManyMethods(usize),
    Timeout { method: String, timeout_ms: u64 },
    TooManyErrors { method: String, count: usize },
    ErrorCode { method: String, code: String },
    ErrorMeaning { method: String, code: String },
    Concurrency(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "the name {name:?} is not 1 to 64 small letters, digits, `_` and `-`, a letter first"
            ),
            Self::Version => f.write_str("`version` is empty or longer than 64 bytes"),
            Self::Panic(how) => write!(
                f,
                "it was built with panic = {how:?}, and its first panic would end the server: \
                 build it with \"unwind\""
            ),
            Self::NoKind => f.write_str("`kinds` is empty"),
            Self::UnknownKind(kind) => write!(f, "there is no kind `{kind}`"),
            Self::KindVersion { kind, version } => {
                write!(
                    f,
                    "version {version} of the kind `{kind}` is not known here"
                )
            }
            Self::MissingMethod { kind, method } => {
                write!(f, "the kind `{kind}` needs a method `{method}`")
            }
            Self::StrayMethod(method) => {
                write!(f, "the method `{method}` belongs to none of its kinds")
            }
            Self::TooManyMethods(count) => {
                write!(f, "it has {count} methods, and {METHODS_MAX} are the most")
            }
            Self::Timeout { method, timeout_ms } => write!(
                f,
                "`{method}` asks for {timeout_ms} ms; 1 to {TIMEOUT_MAX_MS} are possible"
            ),
            Self::TooManyErrors { method, count } => write!(
                f,
                "`{method}` declares {count} codes in `errors`, and {ERRORS_MAX} are the most"
            ),
            Self::ErrorCode { method, code } if code == REST => write!(
                f,
                "`{method}` declares the code `{REST}`, which stands for all others in flows"
            ),
            Self::ErrorCode { method, code } => write!(
                f,
                "`{method}` declares the code {code:?}; a code is 1 to 64 letters, digits, `_`, `-` and `.`"
            ),
            Self::ErrorMeaning { method, code } => write!(
                f,
                "what the code `{code}` of `{method}` means is not one line of 1 to {MEANING_MAX} characters"
            ),
            Self::Concurrency(calls) => {
                write!(
                    f,
                    "`concurrency` is {calls}; 1 to {CONCURRENCY_MAX} are possible"
                )
            }
        }
    }
}

impl Fault {
    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Name(name) => {
                format!("名称 {name:?} 应为 1 至 64 个小写字母、数字、`_` 或 `-`，且以字母开头")
            }
            Self::Version => "`version` 为空，或超过 64 字节".to_owned(),
            Self::Panic(how) => format!(
                "它以 panic = {how:?} 编译，第一次 panic 就会终止服务器：请用 \"unwind\" 编译"
            ),
            Self::NoKind => "`kinds` 为空".to_owned(),
            Self::UnknownKind(kind) => format!("没有 `{kind}` 这种插件"),
            Self::KindVersion { kind, version } => {
                format!("这里不认识 `{kind}` 的第 {version} 版")
            }
            Self::MissingMethod { kind, method } => format!("`{kind}` 需要方法 `{method}`"),
            Self::StrayMethod(method) => format!("方法 `{method}` 不属于它声明的任何种类"),
            Self::TooManyMethods(count) => {
                format!("它有 {count} 个方法，最多 {METHODS_MAX} 个")
            }
            Self::Timeout { method, timeout_ms } => {
                format!("`{method}` 要求 {timeout_ms} 毫秒；可为 1 至 {TIMEOUT_MAX_MS} 毫秒")
            }
            Self::TooManyErrors { method, count } => {
                format!("`{method}` 在 `errors` 中声明了 {count} 个错误码，最多 {ERRORS_MAX} 个")
            }
            Self::ErrorCode { method, code } if code == REST => {
                format!("`{method}` 声明了错误码 `{REST}`，它在流程中代表其余所有错误码")
            }
            Self::ErrorCode { method, code } => format!(
                "`{method}` 声明了错误码 {code:?}；错误码应为 1 至 64 个字母、数字、`_`、`-` 或 `.`"
            ),
            Self::ErrorMeaning { method, code } => {
                format!("`{method}` 的错误码 `{code}` 的说明应为一行 1 至 {MEANING_MAX} 个字符")
            }
            Self::Concurrency(calls) => {
                format!("`concurrency` 为 {calls}；可为 1 至 {CONCURRENCY_MAX}")
            }
        }
    }
}

impl Manifest {
    /// Whether a host may go by it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Fault> {
        if !is_name(&self.name) {
            let short: String = self.name.chars().take(80).collect();
            return Err(Fault::Name(short));
        }
        if self.version.is_empty() || self.version.len() > 64 {
            return Err(Fault::Version);
        }
        if let Some(how) = self.panic.as_deref().filter(|how| *how != "unwind") {
            return Err(Fault::Panic(how.chars().take(80).collect()));
        }
        if self.kinds.is_empty() {
            return Err(Fault::NoKind);
        }
        if self.methods.len() > METHODS_MAX {
            return Err(Fault::TooManyMethods(self.methods.len()));
        }
        for (name, version) in &self.kinds {
            let Some(kind) = Kind::of(name) else {
                return Err(Fault::UnknownKind(name.chars().take(80).collect()));
            };
            if *version != 1 {
                return Err(Fault::KindVersion {
                    kind: name.clone(),
                    version: *version,
                });
            }
            self.check_kind(kind)?;
        }
        for (method, spec) in &self.methods {
            if !Kind::of_method(method).is_some_and(|kind| self.offers(kind)) {
                return Err(Fault::StrayMethod(method.chars().take(80).collect()));
            }
            if let Some(timeout_ms) = spec
                .timeout_ms
                .filter(|ms| !(1..=TIMEOUT_MAX_MS).contains(ms))
            {
                return Err(Fault::Timeout {
                    method: method.clone(),
                    timeout_ms,
                });
            }
            spec.check_errors(method)?;
        }
        match self.concurrency {
            Some(calls) if !(1..=CONCURRENCY_MAX).contains(&calls) => {
                Err(Fault::Concurrency(calls))
            }
            _ => Ok(()),
        }
    }

    fn check_kind(&self, kind: Kind) -> Result<(), Fault> {
        let missing = if kind == Kind::Action {
            let any = self.methods.keys().any(|m| m.starts_with("action."));
            (!any).then_some("action.NAME")
        } else {
            let mut needed = kind.methods().iter();
            needed.find(|m| !self.methods.contains_key(**m)).copied()
        };
        match missing {
            Some(method) => Err(Fault::MissingMethod { kind, method }),
            None => Ok(()),
        }
    }

    #[must_use]
    pub fn offers(&self, kind: Kind) -> bool {
        self.kinds.contains_key(kind.name())
    }
}

impl MethodSpec {
    fn check_errors(&self, method: &str) -> Result<(), Fault> {
        let errors = self.errors.iter().flatten();
        let count = self.errors.as_ref().map_or(0, BTreeMap::len);
        let method = || method.to_owned();
        if count > ERRORS_MAX {
            return Err(Fault::TooManyErrors {
                method: method(),
                count,
            });
        }
        for (code, means) in errors {
            if !is_code(code) || code == REST {
                return Err(Fault::ErrorCode {
                    method: method(),
                    code: code.chars().take(80).collect(),
                });
            }
            let length = means.chars().count();
            if !(1..=MEANING_MAX).contains(&length) || means.chars().any(char::is_control) {
                return Err(Fault::ErrorMeaning {
                    method: method(),
                    code: code.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Whether flows can choose by a code.
#[must_use]
pub fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Whether a plugin may be called so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn is_method_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parcel() -> Manifest {
        serde_json::from_value(json!({
            "name": "parcel", "version": "0.3.0", "panic": "unwind", "kinds": {"action": 1},
            "serial": false, "concurrency": 4, "config": {"type": "object", "required": ["url"]},
            "methods": {"action.track": {"params": {"type": "object"},
                "result": {"type": "object"}, "timeout_ms": 2000,
                "errors": {"not_found": "no parcel has this number"}}},
            "from_a_newer_sdk": true,
        }))
        .unwrap()
    }

    #[test]
    fn a_manifest_is_read_and_a_field_nobody_knows_is_passed_over() {
        let manifest = parcel();
        assert_eq!(manifest.check(), Ok(()));
        assert!(manifest.offers(Kind::Action) && !manifest.offers(Kind::Channel));
    }

    #[test]
    fn what_a_host_cannot_go_by_is_named() {
        let with = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = parcel();
            change(&mut manifest);
            manifest.check().unwrap_err()
        };
        let kind = |kind: &str, version| {
            with(&|m| {
                m.kinds.insert(kind.to_owned(), version);
            })
        };
        for name in ["", "Parcel", "9", "a b", "päckchen", &"a".repeat(65)] {
            let fault = with(&|m| m.name = name.into());
            assert_eq!(fault, Fault::Name(name.into()));
        }
        assert_eq!(with(&|m| m.version.clear()), Fault::Version);
        let abort = with(&|m| m.panic = Some("abort".into()));
        assert_eq!(abort, Fault::Panic("abort".into()));
        assert_eq!(with(&|m| m.kinds.clear()), Fault::NoKind);
        assert!(matches!(kind("toaster", 1), Fault::UnknownKind(_)));
        assert!(matches!(
            kind("action", 2),
            Fault::KindVersion { version: 2, .. }
        ));
        assert_eq!(
            kind("embedder", 1),
            Fault::MissingMethod {
                kind: Kind::Embedder,
                method: "embed"
            }
        );
        assert_eq!(
            with(&|m| m.methods.clear()),
            Fault::MissingMethod {
                kind: Kind::Action,
                method: "action.NAME"
            }
        );
        for stray in ["tts", "action.", "action.with space", "toast"] {
            assert_eq!(
                with(&|m| {
                    m.methods.insert(stray.into(), MethodSpec::default());
                }),
                Fault::StrayMethod(stray.into())
            );
        }
        assert_eq!(with(&|m| m.concurrency = Some(0)), Fault::Concurrency(0));
    }

    #[test]
    fn codes_are_such_that_flows_can_choose_by_them() {
        let with = |errors: Value| {
            let mut manifest = parcel();
            let spec = manifest.methods.get_mut("action.track").unwrap();
            spec.errors = serde_json::from_value(errors).unwrap();
            manifest.check()
        };
        let most = "x".repeat(MEANING_MAX);
        for fine in [
            json!(null),
            json!({}),
            json!({"404": "gone", "E-1.b_c": most, "timeout": "the carrier's own"}),
        ] {
            assert_eq!(with(fine), Ok(()));
        }
        let long = "a".repeat(65);
        for code in [
            "",
            "not found",
            "päckchen",
            "{{ x }}",
            "a\nb",
            "other",
            &long,
        ] {
            let Err(fault) = with(json!({code: "means something"})) else {
                panic!("{code:?}")
            };
            assert!(matches!(&fault, Fault::ErrorCode { code: told, .. } if told == code));
            assert!(!fault.to_string().contains('\n') && fault.zh().contains("错误码"));
        }
        for means in ["", "two\nlines", "a\u{1b}[1m", &"x".repeat(MEANING_MAX + 1)] {
            let fault = with(json!({"not_found": means})).unwrap_err();
            assert!(matches!(&fault, Fault::ErrorMeaning { code, .. } if code == "not_found"));
            assert!(fault.to_string().contains("one line") && fault.zh().contains("一行"));
        }
        let many: BTreeMap<String, &str> = (0..=ERRORS_MAX).map(|n| (n.to_string(), "n")).collect();
        let fault = with(json!(many)).unwrap_err();
        assert!(fault.to_string().contains("51 codes") && fault.zh().contains("51 个错误码"));
    }

    #[test]
    fn a_code_that_is_declared_or_the_hosts_may_be_answered() {
        let mut spec = MethodSpec::default();
        assert!(spec.may_answer("anything"), "nothing is said");
        spec.error("not_found", "no parcel has this number");
        assert!(spec.may_answer("not_found") && spec.may_answer("unavailable"));
        assert!(!spec.may_answer("sold_out"));
    }

    #[test]
    fn every_fault_is_told_in_both_languages() {
        let fault = Fault::Concurrency(99);
        assert!(fault.to_string().contains("99") && fault.zh().contains("99"));
    }
}
