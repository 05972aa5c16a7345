//! The committed C header is what the layout says, and compiles alone.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{path::Path, process::Command};

mod generate;

fn committed() -> String {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/tandem_plugin.h");
    std::fs::read_to_string(at).unwrap()
}

#[test]
fn the_committed_header_is_what_the_layout_says() {
    assert_eq!(
        committed(),
        generate::header(),
        "run `cargo run -p tandem-plugin-abi --example header`"
    );
}

/// Compiles `source` with the header beside it; false when there is no such compiler.
fn compiles(compiler: &str, arguments: &[&str], name: &str, source: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tandem_plugin.h"), committed()).unwrap();
    std::fs::write(folder.path().join(name), source).unwrap();
    let built = Command::new(compiler)
        .args(arguments)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-c", name])
        .current_dir(folder.path())
        .output();
    match built {
        Ok(built) => {
            assert!(
                built.status.success(),
                "{compiler}: {}",
                String::from_utf8_lossy(&built.stderr)
            );
            true
        }
        Err(_) => {
            assert!(
                std::env::var_os("TANDEM_REQUIRE_ALL").is_none(),
                "there is no `{compiler}` here"
            );
            println!("SKIPPED: there is no `{compiler}` here");
            false
        }
    }
}

#[test]
fn the_header_compiles_alone_as_c() {
    let alone = "#include \"tandem_plugin.h\"\nint here;\n";
    for standard in ["-std=c99", "-std=c17"] {
        if !compiles("cc", &[standard], "alone.c", alone) {
            return;
        }
    }
}

#[test]
fn the_header_compiles_alone_as_cpp() {
    let alone = "#include \"tandem_plugin.h\"\nint here;\n";
    compiles("c++", &["-std=c++11"], "alone.cpp", alone);
}

#[test]
fn a_c_compiler_sees_the_same_sizes_and_values() {
    let layout = "\
#include \"tandem_plugin.h\"
_Static_assert(sizeof(void *) != 8 || sizeof(TandemSlice) == 16, \"slice\");
_Static_assert(sizeof(void *) != 8 || sizeof(TandemBuf) == 32, \"buf\");
_Static_assert(sizeof(void *) != 8 || sizeof(TandemHostApi) == 32, \"host\");
_Static_assert(sizeof(void *) != 8 || sizeof(TandemPluginApi) == 48, \"plugin\");
_Static_assert(sizeof(void *) != 8 || offsetof(TandemHostApi, call) == 24, \"host.call\");
_Static_assert(sizeof(void *) != 8 || offsetof(TandemPluginApi, manifest) == 16, \"manifest\");
_Static_assert(sizeof(void *) != 8 || offsetof(TandemPluginApi, destroy) == 40, \"destroy\");
_Static_assert(TANDEM_MAGIC == 0x4D444E54 && TANDEM_ABI_MAJOR == 1 && TANDEM_ABI_MINOR == 0, \"version\");
_Static_assert(TANDEM_OK == 0 && TANDEM_ERROR == 1 && TANDEM_PANICKED == -1 && TANDEM_BUSY == -6, \"codes\");
int here;
";
    compiles("cc", &["-std=c17"], "layout.c", layout);
}
