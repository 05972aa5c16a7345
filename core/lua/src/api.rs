//! The host API as a table: it registers the globals, writes the definitions for editors, and is
//! what the reference in the docs is checked against.

use std::fmt::Write as _;

/// A function or value a pack's modules find among their globals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiItem {
    /// `http`, `store.put`.
    pub path: &'static str,
    /// Name and Luau type; `?` marks what may be left out.
    pub params: &'static [(&'static str, &'static str)],
    /// A Luau type, `()` for nothing; the value's own type where `value` is set.
    pub returns: &'static str,
    /// A value, not a function.
    pub value: bool,
    /// Whether pure calls (`prepare`, validators) may use it too.
    pub pure: bool,
    pub doc: &'static str,
}

/// A table type the API speaks in: name, what it is, fields (name, type, meaning).
struct Shape {
    name: &'static str,
    doc: &'static str,
    fields: &'static [(&'static str, &'static str, &'static str)],
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "HttpRequest",
        doc: "A request; the host must be allow-listed in connections.yaml.",
        fields: &[
            ("url", "string", "Absolute, http or https."),
            ("method", "string?", "GET unless given."),
            ("query", "{[string]: any}?", "Added to the URL, encoded."),
            ("headers", "{[string]: string}?", "Extra request headers."),
            ("json", "any", "Sent as a JSON body."),
            ("form", "{[string]: any}?", "Sent as a form body."),
            (
                "body",
                "string?",
                "Sent as it is. Only one of json, form, body.",
            ),
            (
                "idempotent",
                "boolean?",
                "Safe to repeat: it may be retried after a failure.",
            ),
        ],
    },
    Shape {
        name: "HttpResponse",
        doc: "Any answer of the server, whatever its status; redirects are not followed.",
        fields: &[
            ("status", "number", "404"),
            ("headers", "{[string]: string}", "Names in lower case."),
            ("body", "string", "The text of the body."),
            ("json", "any", "The body decoded, where it is JSON."),
        ],
    },
    Shape {
        name: "CallError",
        doc: "Why a plugin gave no result.",
        fields: &[
            (
                "code",
                "string",
                "The plugin's own, or timeout, unavailable, refused, too_large, bad_response, unknown.",
            ),
            ("message", "string", "For people who run the server."),
        ],
    },
];

const API: &[ApiItem] = &[
    ApiItem {
        path: "http",
        params: &[("request", "HttpRequest")],
        returns: "HttpResponse",
        value: false,
        pure: false,
        doc: "Calls an HTTP service. Raises an error with `code` and `message` when there is no answer: `timeout`, `unavailable`, `refused`, `too_large`, `bad_response`, or `unknown` when a request that must not be repeated may have arrived.",
    },
    ApiItem {
        path: "store.get",
        params: &[("key", "string")],
        returns: "any",
        value: false,
        pure: false,
        doc: "The value kept under the key, or nil.",
    },
    ApiItem {
        path: "store.put",
        params: &[("key", "string"), ("value", "any"), ("ttl", "number?")],
        returns: "()",
        value: false,
        pure: false,
        doc: "Keeps a value under the key, for `ttl` seconds if given.",
    },
    ApiItem {
        path: "store.delete",
        params: &[("key", "string")],
        returns: "()",
        value: false,
        pure: false,
        doc: "Forgets the value under the key.",
    },
    ApiItem {
        path: "plugin.call",
        params: &[
            ("plugin", "string"),
            ("method", "string"),
            ("args", "{[string]: any}?"),
        ],
        returns: "(any, CallError?)",
        value: false,
        pure: false,
        doc: "Calls a method of a plugin: its result, or nil and an error with `code` and `message`. Nothing is raised, so that a plugin that is away can be done without.",
    },
    ApiItem {
        path: "log",
        params: &[("...", "any")],
        returns: "()",
        value: false,
        pure: true,
        doc: "Writes a line to the log of the run, at level info.",
    },
    ApiItem {
        path: "log.debug",
        params: &[("...", "any")],
        returns: "()",
        value: false,
        pure: true,
        doc: "Writes a line at level debug.",
    },
    ApiItem {
        path: "log.info",
        params: &[("...", "any")],
        returns: "()",
        value: false,
        pure: true,
        doc: "Writes a line at level info.",
    },
    ApiItem {
        path: "log.warn",
        params: &[("...", "any")],
        returns: "()",
        value: false,
        pure: true,
        doc: "Writes a line at level warn.",
    },
    ApiItem {
        path: "log.error",
        params: &[("...", "any")],
        returns: "()",
        value: false,
        pure: true,
        doc: "Writes a line at level error.",
    },
    ApiItem {
        path: "print",
        params: &[("...", "any")],
        returns: "()",
        value: false,
        pure: true,
        doc: "The same as `log.info`.",
    },
    ApiItem {
        path: "now",
        params: &[],
        returns: "number",
        value: false,
        pure: true,
        doc: "The time of the turn in milliseconds since 1970, UTC. It stands still during a call.",
    },
    ApiItem {
        path: "json.null",
        params: &[],
        returns: "any",
        value: true,
        pure: true,
        doc: "JSON's null, for lists and fields where nil would leave a gap.",
    },
    ApiItem {
        path: "json.array",
        params: &[("list", "{any}?")],
        returns: "{any}",
        value: false,
        pure: true,
        doc: "Marks a table as a list, so that it stays one when it is empty. An empty table without the mark is an object.",
    },
    ApiItem {
        path: "require",
        params: &[("name", "string")],
        returns: "any",
        value: false,
        pure: true,
        doc: "What another module of the pack returns: `orders`, `lib/dates`, or `./dates` beside the caller.",
    },
];

/// Everything the host registers, in the order of the reference.
#[must_use]
pub fn api() -> &'static [ApiItem] {
    API
}

/// The globals the table asks for: `http`, `store`, …
pub(crate) fn globals() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for item in API {
        let name = item.path.split('.').next().unwrap_or(item.path);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A method of a plugin as editors are told of it; types are Luau's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginMethod {
    pub plugin: String,
    pub method: String,
    pub params: String,
    pub result: String,
}

/// `plugin.call` with the names of this method.
fn overload(method: &PluginMethod) -> String {
    let result = if method.result == "any" {
        "any".to_owned()
    } else {
        format!("({})?", method.result)
    };
    format!(
        "((plugin: {:?}, method: {:?}, args: {}) -> ({result}, CallError?))",
        method.plugin, method.method, method.params
    )
}

/// Type definitions for Luau's language server (`.d.luau`); `plugins` are those a pack may call.
#[must_use]
pub fn definitions(plugins: &[PluginMethod]) -> String {
    let mut out =
        String::from("-- The host API of a pack's Lua modules. Generated; do not edit.\n");
    for shape in SHAPES {
        let _ = write!(out, "\n-- {}\ntype {} = {{\n", shape.doc, shape.name);
        for (field, kind, doc) in shape.fields {
            let _ = writeln!(out, "\t{field}: {kind}, -- {doc}");
        }
        out.push_str("}\n");
    }
    for name in globals() {
        let own = API.iter().find(|item| item.path == name);
        let members: Vec<_> = API
            .iter()
            .filter_map(|item| Some((item.path.strip_prefix(name)?.strip_prefix('.')?, item)))
            .collect();
        out.push('\n');
        if let Some(item) = own {
            let _ = writeln!(out, "-- {}", item.doc);
        }
        match (own, members.is_empty()) {
            (Some(item), true) => {
                let _ = writeln!(
                    out,
                    "declare function {name}({}): {}",
                    params(item),
                    item.returns
                );
            }
            (own, _) => {
                let _ = write!(out, "declare {name}: ");
                if let Some(item) = own {
                    let _ = write!(out, "{} & ", arrow(item));
                }
                out.push_str("{\n");
                for (member, item) in members {
                    let kind = if item.value {
                        item.returns.to_owned()
                    } else if item.path == "plugin.call" && !plugins.is_empty() {
                        let ways: Vec<String> = plugins.iter().map(overload).collect();
                        ways.join("\n\t\t& ")
                    } else {
                        arrow(item)
                    };
                    let _ = writeln!(out, "\t-- {}\n\t{member}: {kind},", item.doc);
                }
                out.push_str("}\n");
            }
        }
    }
    out
}

/// Stubs for editors that know plain Lua (`---@meta`).
#[must_use]
pub fn stubs() -> String {
    let mut out = String::from(
        "---@meta\n-- The host API of a pack's Lua modules. Generated; do not edit.\n",
    );
    for shape in SHAPES {
        let _ = write!(out, "\n---{}\n---@class {}\n", shape.doc, shape.name);
        for (field, kind, doc) in shape.fields {
            let kind = meta(kind);
            let _ = match kind.strip_suffix('?') {
                Some(kind) => writeln!(out, "---@field {field}? {kind} {doc}"),
                None => writeln!(out, "---@field {field} {kind} {doc}"),
            };
        }
    }
    let mut made: Vec<&str> = Vec::new();
    for item in API {
        let (owner, member) = match item.path.split_once('.') {
            Some((owner, _)) => (Some(owner), true),
            None => (None, false),
        };
        let holds = |name: &str| {
            API.iter().any(|other| {
                other.path.starts_with(name) && other.path[name.len()..].starts_with('.')
            })
        };
        let table = owner.unwrap_or(item.path);
        if holds(table) && !made.contains(&table) {
            made.push(table);
            let _ = write!(out, "\n---@class {table}lib\n");
            if let Some(own) = API.iter().find(|other| other.path == table) {
                let _ = writeln!(
                    out,
                    "---{}\n---@overload fun({})",
                    own.doc,
                    meta_params(own)
                );
            }
            let _ = writeln!(out, "{table} = {{}}");
        }
        if !member && holds(item.path) {
            continue;
        }
        let _ = write!(out, "\n---{}\n", item.doc);
        if item.value {
            let _ = writeln!(out, "---@type {}\n{} = nil", meta(item.returns), item.path);
            continue;
        }
        for (name, kind) in item.params {
            let kind = meta(kind);
            let _ = match kind.strip_suffix('?') {
                Some(kind) => writeln!(out, "---@param {name}? {kind}"),
                None => writeln!(out, "---@param {name} {kind}"),
            };
        }
        // Several results stand in one pair of parentheses.
        let results = item.returns.trim_start_matches('(').trim_end_matches(')');
        for result in results.split(", ").filter(|r| !r.is_empty()) {
            let _ = writeln!(out, "---@return {}", meta(result));
        }
        let names: Vec<_> = item.params.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(out, "function {}({}) end", item.path, names.join(", "));
    }
    out
}

fn params(item: &ApiItem) -> String {
    let texts: Vec<_> = item
        .params
        .iter()
        .map(|(name, kind)| format!("{name}: {kind}"))
        .collect();
    texts.join(", ")
}

/// A function's type: `(key: string) -> any`.
fn arrow(item: &ApiItem) -> String {
    let texts: Vec<_> = item
        .params
        .iter()
        .map(|(name, kind)| match *name {
            "..." => format!("...{kind}"),
            name => format!("{name}: {kind}"),
        })
        .collect();
    format!("(({}) -> {})", texts.join(", "), item.returns)
}

/// A Luau type in the other notation.
fn meta(kind: &str) -> String {
    match kind {
        "{[string]: any}" => "table<string, any>".to_owned(),
        "{[string]: string}" => "table<string, string>".to_owned(),
        "{any}" => "any[]".to_owned(),
        other => match other.strip_suffix('?') {
            Some(inner) => format!("{}?", meta(inner)),
            None => other.to_owned(),
        },
    }
}

fn meta_params(item: &ApiItem) -> String {
    let texts: Vec<_> = item
        .params
        .iter()
        .map(|(name, kind)| format!("{name}: {}", meta(kind)))
        .collect();
    texts.join(", ")
}
