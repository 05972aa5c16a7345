//! A host for tests, and plugins built by the system's C compiler.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tandem_plugin_host::{
    HostConfig, Limits, Meta, NoServices, Plugin, PluginConfig, PluginError, Plugins, Probe,
    Refusal, Services,
};
use tandem_plugin_sdk::wire::Manifest;

/// Says that a tool is missing and a test is left out; fails where nothing may be.
pub fn skip(tool: &str) {
    assert!(
        std::env::var_os("TANDEM_REQUIRE_ALL").is_none(),
        "there is no `{tool}` here"
    );
    println!("SKIPPED: there is no `{tool}` here");
}

/// A folder of plugins and a host over it.
pub struct World {
    pub plugins: Plugins,
    pub folder: PathBuf,
    pub _all: tempfile::TempDir,
}

/// Bounds in which a test need not wait long.
pub fn limits() -> Limits {
    Limits {
        load: Duration::from_secs(20),
        timeout: Duration::from_secs(20),
        stop: Duration::from_secs(2),
        ..Limits::default()
    }
}

/// The program that tries a library out. A sanitizer takes more address space than it is given, so
/// beside one the probe is one that was built without.
pub fn probe() -> OsString {
    let plain = std::env::var_os("TANDEM_PLUGIN_PROBE");
    plain.unwrap_or_else(|| env!("CARGO_BIN_EXE_tandem-plugin-probe").into())
}

/// The demo's pack keeps the manifests of the plugins that its flows call.
pub fn kept_by_the_retail_pack(manifest: &Manifest) {
    let name = format!("../../flows/retail/plugins/{}.json", manifest.name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        let text = serde_json::to_string_pretty(manifest).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hint = "UPDATE_CONTRACTS=1 cargo test -p tandem-plugin-host writes it";
    assert_eq!(kept, serde_json::to_value(manifest).unwrap(), "{hint}");
}

impl World {
    pub fn new() -> Self {
        Self::with(limits(), Arc::new(NoServices))
    }

    pub fn with(limits: Limits, services: Arc<dyn Services>) -> Self {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("plugins");
        fs::create_dir(&folder).unwrap();
        mode(&folder, 0o755);
        let config = HostConfig {
            folders: vec![folder.clone()],
            private: all.path().join("private"),
            probe: Some(Probe {
                command: vec![probe()],
                limit: Duration::from_secs(20),
            }),
            limits,
        };
        Self {
            plugins: Plugins::new(config, services).unwrap(),
            folder,
            _all: all,
        }
    }

    /// Builds a library; `None`, visibly, when there is no C compiler.
    pub fn build(&self, name: &str, source: &str, arguments: &[&str]) -> Option<PathBuf> {
        let (from, to) = (
            self.folder.join(format!("{name}.c")),
            self.folder.join(format!("{name}.so")),
        );
        fs::write(&from, source).unwrap();
        let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi/include");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-fvisibility=hidden", "-O1", "-w", "-I"])
            .arg(include)
            .args(arguments)
            .arg("-o")
            .args([&to, &from])
            .output();
        let Ok(built) = built else {
            skip("cc");
            return None;
        };
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        mode(&to, 0o644);
        Some(to)
    }

    pub async fn load(&self, name: &str, path: &Path) -> Result<Arc<Plugin>, Refusal> {
        self.plugins.load(config(name, path)).await
    }
}

/// The Chinese of a sentence of the host's holds no English one; `own` are a plugin's words, which
/// stay as they are.
pub fn in_chinese(zh: &str, own: &[&str]) {
    let mut rest = zh.replace("JSON Schema", "");
    for words in own {
        rest = rest.replace(words, "");
    }
    assert!(rest.contains(|c: char| !c.is_ascii()), "{zh}");
    // What is quoted is named, not said.
    for quote in ['`', '"'] {
        rest = rest.split(quote).step_by(2).collect::<Vec<_>>().join("“”");
    }
    // A term may be Latin; two words beside each other are a sentence.
    for part in rest.split(|c: char| !c.is_ascii_alphabetic() && c != ' ') {
        let words = part.split_whitespace().count();
        assert!(words < 2, "{zh}");
    }
}

pub fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn config(name: &str, path: &Path) -> PluginConfig {
    serde_json::from_value(json!({"name": name, "path": path})).unwrap()
}

pub async fn call(plugin: &Plugin, method: &str, params: Value) -> Result<Value, PluginError> {
    plugin.call(method, &params, Meta::default(), None).await
}

/// Calls and gives up soon: for what never comes back.
pub async fn call_soon(plugin: &Plugin, method: &str) -> Result<Value, PluginError> {
    let soon = Some(Duration::from_millis(300));
    plugin.call(method, &json!({}), Meta::default(), soon).await
}
