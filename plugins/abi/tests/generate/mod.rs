//! How the C header is made: shared by the example that writes it and the test that compares.
use std::path::Path;

use cbindgen::{Builder, Config, ExportConfig, Language, Style};

/// The header as it should be.
pub fn header() -> String {
    let names = |list: &[&str], prefix: &str| -> Vec<(String, String)> {
        list.iter()
            .map(|name| ((*name).to_owned(), format!("{prefix}{name}")))
            .collect()
    };
    let types = names(&["Slice", "Buf", "HostApi", "PluginApi"], "Tandem");
    let constants = names(
        &[
            "MAGIC",
            "ABI_MAJOR",
            "ABI_MINOR",
            "OK",
            "ERROR",
            "PANICKED",
            "UNKNOWN_METHOD",
            "BAD_INPUT",
            "GONE",
            "TOO_LARGE",
            "BUSY",
            "LOG_ERROR",
            "LOG_WARN",
            "LOG_INFO",
            "LOG_DEBUG",
            "LOG_TRACE",
        ],
        "TANDEM_",
    );
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        style: Style::Both,
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into()],
        usize_is_size_t: true,
        documentation: true,
        header: Some(HEAD.into()),
        trailer: Some(TAIL.into()),
        export: ExportConfig {
            include: types.iter().map(|(name, _)| name.clone()).collect(),
            rename: types.into_iter().chain(constants).collect(),
            ..ExportConfig::default()
        },
        ..Config::default()
    };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let bindings = Builder::new()
        .with_config(config)
        .with_src(sources.join("layout.rs"))
        .with_src(sources.join("code.rs"))
        .with_src(sources.join("level.rs"))
        .generate()
        .expect("the layout can be read");
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).expect("a header is text")
}

const HEAD: &str = "\
/*
 * The C ABI of Tandem's plugins.
 *
 * A plugin is a shared library that exports one TandemPluginApi named tandem_plugin. Build it with
 * -shared -fPIC -fvisibility=hidden, and C++ with -fno-gnu-unique, too, so that no other symbol of
 * yours meets one of another plugin.
 *
 * Made from plugins/abi/src; `cargo run -p tandem-plugin-abi --example header` writes it anew.
 */

#ifndef TANDEM_PLUGIN_H
#define TANDEM_PLUGIN_H";

const TAIL: &str = "\
#if defined(_WIN32)
#define TANDEM_EXPORT __declspec(dllexport)
#else
#define TANDEM_EXPORT __attribute__((visibility(\"default\")))
#endif

#ifdef __cplusplus
extern \"C\" {
#endif

/* What a plugin defines. */
extern TANDEM_EXPORT const TandemPluginApi tandem_plugin;

#ifdef __cplusplus
}
#endif

#endif /* TANDEM_PLUGIN_H */";
