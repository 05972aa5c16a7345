#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tandem_tests::fuzz::plugin_lines(bytes));
