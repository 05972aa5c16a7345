# The same steps as the build server's. `just --list` shows them.

# Everything that must be green.
ci: lint test

# Formats every crate.
fmt:
    cargo fmt --all

# Formatting, clippy without a warning, dependencies.
lint:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings
    if command -v cargo-deny >/dev/null; then cargo deny check; else echo "SKIPPED: cargo-deny is not installed"; fi

# All tests; those that need Chromium say so when it is missing.
test:
    cargo test --workspace

# Benchmarks in process (see docs/benchmarks.md for the load test).
bench:
    cargo bench --workspace

# The load test over HTTP and WebSocket; needs wrk.
load:
    bash tests/load/run.sh

# Fuzz targets, ten minutes each; needs cargo-fuzz and a nightly compiler (or RUSTC_BOOTSTRAP=1).
fuzz seconds="600":
    cd tests/fuzz && export ASAN_OPTIONS=detect_odr_violation=0 && for target in $(cargo fuzz list --fuzz-dir .); do \
        cargo fuzz run --fuzz-dir . "$target" -- -max_total_time={{seconds}} -timeout=10 -rss_limit_mb=4096 || exit 1; done

# Plugins' tests under miri, sanitizers and valgrind.
sanitize what="all":
    bash tests/plugins/sanitize.sh {{what}}

# Starts the demo.
demo:
    cargo run --release
