//! `tandem plugin new`: a small project that builds, has a test, and passes it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::json;
use tandem_plugin_host::{Refusal, manifest::is_name};

use super::{Common, End};
use crate::lang::Pick as _;

#[derive(clap::Args, Debug)]
pub(crate) struct New {
    /// What the plugin is called: lower-case letters, digits, `_` and `-`.
    name: String,
    /// What it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// What it is.
    #[arg(long, value_enum, default_value_t = Kind::Action)]
    kind: Kind,
    /// Where to make it; a folder of its name when left out.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The folder of the SDK, `plugins/sdk` in a checkout of Tandem; looked for above the new folder
    /// when left out.
    #[arg(long)]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    C,
    Python,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Action,
    Channel,
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../../../plugins/", $path))
    };
}

const MANIFEST: &str = template!("new/rust/Cargo.toml.in");
const ACTION: &str = template!("new/rust/lib.rs.in");
const CHANNEL: &str = template!("new/rust-channel/lib.rs.in");
const C: [(&str, &str); 4] = [
    ("Makefile", template!("new/c/Makefile.in")),
    ("{{name}}.c", template!("new/c/plugin.c.in")),
    ("test.c", template!("new/c/test.c.in")),
    ("tandem_plugin.h", template!("abi/include/tandem_plugin.h")),
];
const PYTHON: &str = template!("examples/python-loyalty/tandem_plugin.py");
/// The plugin and its test.
const PYTHON_ACTION: [&str; 2] = [
    template!("new/python/plugin.py.in"),
    template!("new/python/test_plugin.py.in"),
];
const PYTHON_CHANNEL: [&str; 2] = [
    template!("new/python-channel/plugin.py.in"),
    template!("new/python-channel/test_plugin.py.in"),
];

pub(super) fn run(common: &Common, options: &New) -> anyhow::Result<End> {
    let lang = common.lang();
    let name = &options.name;
    if !is_name(name) {
        let refusal = Refusal::BadName;
        bail!("{}", lang.pick(refusal.to_string(), refusal.zh()));
    }
    if options.language == Language::C && options.kind != Kind::Action {
        bail!(
            "{}",
            lang.pick(
                "in C there is a beginning for an action only; docs/plugins.md names the methods of the other kinds",
                "C 目前只有 action 的模板；其他种类的方法见 docs/plugins.zh.md",
            )
        );
    }
    let default = PathBuf::from(name);
    let folder = options.folder.as_ref().unwrap_or(&default);
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "{}",
            lang.pick(
                format!("{} is not empty; name a new folder", folder.display()),
                format!("{} 不是空文件夹，请换一个新的", folder.display()),
            )
        );
    }
    let new = !folder.exists();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} could not be made", folder.display()))?;
    let files: Vec<(&str, &str)> = match options.language {
        Language::Rust => vec![
            ("Cargo.toml", MANIFEST),
            (
                "src/lib.rs",
                match options.kind {
                    Kind::Action => ACTION,
                    Kind::Channel => CHANNEL,
                },
            ),
        ],
        Language::C => C.to_vec(),
        Language::Python => {
            let [plugin, test] = match options.kind {
                Kind::Action => PYTHON_ACTION,
                Kind::Channel => PYTHON_CHANNEL,
            };
            vec![
                ("{{name}}.py", plugin),
                ("test_{{module}}.py", test),
                ("tandem_plugin.py", PYTHON),
            ]
        }
    };
    let sdk = match options.language {
        Language::Rust => sdk(common, options.sdk.as_deref(), folder).inspect_err(|_| {
            if new {
                // An empty folder is in nobody's way, if it stays.
                let _ = std::fs::remove_dir(folder);
            }
        })?,
        Language::C | Language::Python => PathBuf::new(),
    };
    let sdk = sdk.display().to_string();
    let filled = |text: &str| {
        text.replace("{{name}}", name)
            // Python finds no test in a file whose name is no module's.
            .replace("{{module}}", &name.replace('-', "_"))
            .replace("{{Type}}", &type_name(name))
            // A path within quotes of TOML.
            .replace("{{sdk}}", &sdk.replace('\\', "\\\\").replace('"', "\\\""))
    };
    for (path, text) in files {
        let path = folder.join(filled(path));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{} could not be made", parent.display()))?;
        }
        std::fs::write(&path, filled(text))
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    if common.json() {
        common.print_json(&json!({"folder": folder, "name": name}))?;
        return Ok(End::Well);
    }
    let shown = folder.display();
    let said = lang.pick(
        format!("The plugin `{name}` is in {shown}. Try:"),
        format!("插件“{name}”已建在 {shown}。试试："),
    );
    let library = format!("lib{}_plugin.so", name.replace('-', "_"));
    let (build, plugin) = match options.language {
        Language::Rust => (
            "cargo test && cargo build",
            format!("target/debug/{library}"),
        ),
        Language::C => ("make && make test", format!("{name}.so")),
        Language::Python => ("python3 -m unittest", format!("{name}.py")),
    };
    let (inspect, then) = match options.kind {
        Kind::Action => (
            format!("{plugin} --write PACK"),
            lang.pick(
                "Then put it into a plugin folder and name it in tandem.yaml: docs/plugins.md, \"From nothing to a flow that calls it\".",
                "然后把它放进插件目录，并写入 tandem.yaml：见 docs/plugins.zh.md“从零到流程调用”。",
            ),
        ),
        // No flow calls it: no pack needs its contract.
        Kind::Channel => (
            plugin,
            lang.pick(
                "Then put it into a plugin folder and name it and its accounts in tandem.yaml: docs/channels/plugin.md, \"In the configuration\".",
                "然后把它放进插件目录，并把它和它的账号写入 tandem.yaml：见 docs/channels/plugin.zh.md“写进配置”。",
            ),
        ),
    };
    writeln!(
        common.out(),
        "{said}\n  cd {shown}\n  {build}\n  tandem plugin inspect {inspect}"
    )?;
    writeln!(common.out(), "{then}")?;
    Ok(End::Well)
}

/// `hey-you` → `HeyYou`. A leading letter is part of every name.
fn type_name(name: &str) -> String {
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    let upper = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    // Not a name of the SDK's own.
    words.map(upper).collect::<String>() + "Plugin"
}

/// The SDK as it was named, or in the checkout that the new folder or this one lies in.
fn sdk(common: &Common, named: Option<&Path>, folder: &Path) -> anyhow::Result<PathBuf> {
    let is_sdk = |path: &Path| path.join("Cargo.toml").is_file() && path.join("src").is_dir();
    if let Some(named) = named.filter(|named| is_sdk(named)) {
        return std::fs::canonicalize(named).context("the SDK cannot be read");
    }
    let from = std::fs::canonicalize(folder)?;
    let here = std::env::current_dir()?;
    if named.is_none() {
        for above in from.ancestors() {
            let sdk = above.join("plugins/sdk");
            if is_sdk(&sdk) {
                // Within a checkout the way from here, so that it may be moved as a whole.
                let up = from
                    .strip_prefix(above)
                    .map_or(0, |below| below.iter().count());
                let way: PathBuf = std::iter::repeat_n("..", up).collect();
                return Ok(way.join("plugins/sdk"));
            }
        }
        let mut above = here.ancestors().map(|above| above.join("plugins/sdk"));
        if let Some(sdk) = above.find(|sdk| is_sdk(sdk)) {
            return Ok(sdk);
        }
    }
    bail!(
        "{}",
        common.lang().pick(
            "the SDK is not here; name it: --sdk CHECKOUT/plugins/sdk, where CHECKOUT is a clone of Tandem",
            "找不到 SDK；请写明：--sdk 检出目录/plugins/sdk，检出目录为 Tandem 的克隆",
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_type() {
        assert_eq!(type_name("hey-you_2"), "HeyYou2Plugin");
        assert_eq!(type_name("p--"), "PPlugin");
    }
}
