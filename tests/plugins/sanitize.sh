#!/usr/bin/env bash
# The tests of plugins under tools that see what tests alone do not:
#
#   bash tests/plugins/sanitize.sh miri       the tables that are linked in, interpreted
#   bash tests/plugins/sanitize.sh address    a host built with AddressSanitizer, plain plugins
#   bash tests/plugins/sanitize.sh thread     the same with ThreadSanitizer
#   bash tests/plugins/sanitize.sh valgrind   the host as it is, under memcheck; names of tests may
#                                             follow
#
# Without an argument all of them, one after the other. They need a nightly compiler (miri and
# rust-src of it), a C and a C++ compiler, and valgrind.
#
# What no tool can take is left out by name below, with the reason.
set -euo pipefail
cd "$(dirname "$0")/../.."

nightly=${TANDEM_NIGHTLY:-nightly}
target=$(rustc -vV | sed -n 's/^host: //p')
host="-p tandem-plugin-host"
# Made to misuse memory or to spin for ever: the first is what the tools are there to find, the
# second leaves a thread that takes a whole run with it where threads take turns.
spins="calls_that_never_return_lose_their_threads"
# Its 10 MB of JSON outlast a send's time where every instruction is looked at.
long="a_message_with_a_stored_file_leaves_with_its_bytes"

miri() {
  # The part of the border that is no shared library; files and the clock are the machine's own.
  # What stays for ever by design is no leak: a host's table, the payload of a caught panic.
  export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks"
  cargo "+$nightly" miri test -p tandem-plugin-abi --features host --test table --test layout --lib
  # The conformance suite waits on real time, which the interpreter makes long.
  cargo "+$nightly" miri test -p tandem-plugin-sdk --features testkit --lib --test plugin -- \
    --skip the_suite
  # A whole host wants a folder that is its own alone, and the interpreter knows no such modes.
  cargo "+$nightly" miri test $host --lib -- gate:: promise:: threads:: line::
}

# The flags are for the target alone: build scripts and the plugins stay as they are. A library
# built with a sanitizer would not be one that the host can try out.
sanitized() {
  cargo build $host --example pigeon --bins
  local plain="${CARGO_TARGET_DIR:-$PWD/target}/debug"
  export TANDEM_PLUGIN_PROBE="$plain/tandem-plugin-probe"
  export RUSTFLAGS="-Zsanitizer=$1" RUSTDOCFLAGS="-Zsanitizer=$1"
  export CARGO_TARGET_DIR="$PWD/target/sanitize-$1"
  install -D "$plain/examples/libpigeon.so" "$CARGO_TARGET_DIR/$target/debug/examples/libpigeon.so"
  shift
  cargo "+$nightly" test $host -p tandem-plugin-sdk -p tandem-plugin-abi \
    --features tandem-plugin-sdk/testkit,tandem-plugin-sdk/runtime,tandem-plugin-abi/host \
    --target "$target" --lib --tests --no-fail-fast "$@"
}

address() (
  # What a plugin leaks on purpose is no finding; neither is what the host leaves to plugins for
  # ever: 32 bytes an instance.
  export ASAN_OPTIONS="detect_leaks=0:detect_odr_violation=0"
  sanitized address
)

thread() (
  # What happens inside a plugin, which was built without, is not seen whole and not judged.
  export TSAN_OPTIONS="second_deadlock_stack=1:ignore_noninstrumented_modules=1"
  export TSAN_OPTIONS="$TSAN_OPTIONS:suppressions=$PWD/tests/plugins/thread.supp"
  # The standard library has to be built with it, too, or its locks are not seen.
  sanitized thread -Zbuild-std
)

valgrind_() {
  local which=(--lib --tests) tests
  if [ $# -gt 0 ]; then
    which=("${@/#/--test=}")
  fi
  tests=$(cargo test $host "${which[@]}" --no-run --message-format=json |
    sed -n 's/.*"profile":{[^}]*"test":true.*"executable":"\([^"]*\)".*/\1/p')
  for test in $tests; do
    echo "== $(basename "$test")"
    (cd plugins/host && valgrind --quiet --error-exitcode=99 --leak-check=no --fair-sched=yes \
      --child-silent-after-fork=yes "$test" --test-threads=1 --skip "$spins" \
      --skip calls_that_do_not_come_back --skip reloads_under --skip "$long")
  done
}

case "${1:-all}" in
miri) miri ;;
address) address ;;
thread) thread ;;
valgrind) valgrind_ "${@:2}" ;;
all)
  miri
  address
  thread
  valgrind_
  ;;
*)
  echo "miri, address, thread or valgrind" >&2
  exit 2
  ;;
esac
