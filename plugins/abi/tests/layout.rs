//! Sizes and offsets are the ABI: whoever changes one breaks every plugin that was ever built.
#![cfg(target_pointer_width = "64")]

use std::mem::{align_of, offset_of};

use tandem_plugin_abi::{ABI_MAJOR, ABI_MINOR, Buf, HostApi, MAGIC, PluginApi, Slice, code, level};

#[test]
fn sizes_are_fixed() {
    assert_eq!(
        [
            size_of::<Slice>(),
            size_of::<Buf>(),
            size_of::<HostApi>(),
            size_of::<PluginApi>()
        ],
        [16, 32, 32, 48]
    );
    assert_eq!(
        [
            align_of::<Slice>(),
            align_of::<Buf>(),
            align_of::<HostApi>(),
            align_of::<PluginApi>()
        ],
        [8; 4]
    );
}

#[test]
fn offsets_are_fixed() {
    assert_eq!([offset_of!(Slice, ptr), offset_of!(Slice, len)], [0, 8]);
    assert_eq!(
        [
            offset_of!(Buf, ptr),
            offset_of!(Buf, len),
            offset_of!(Buf, cap),
            offset_of!(Buf, free)
        ],
        [0, 8, 16, 24]
    );
    assert_eq!(
        [
            offset_of!(HostApi, size),
            offset_of!(HostApi, abi_major),
            offset_of!(HostApi, abi_minor),
            offset_of!(HostApi, ctx),
            offset_of!(HostApi, log),
            offset_of!(HostApi, call)
        ],
        [0, 4, 6, 8, 16, 24]
    );
    assert_eq!(
        [
            offset_of!(PluginApi, magic),
            offset_of!(PluginApi, abi_major),
            offset_of!(PluginApi, abi_minor),
            offset_of!(PluginApi, size),
            offset_of!(PluginApi, flags),
            offset_of!(PluginApi, manifest),
            offset_of!(PluginApi, create),
            offset_of!(PluginApi, call),
            offset_of!(PluginApi, destroy)
        ],
        [0, 4, 6, 8, 12, 16, 24, 32, 40]
    );
}

#[test]
fn values_are_fixed() {
    assert_eq!((MAGIC, ABI_MAJOR, ABI_MINOR), (0x4D44_4E54, 1, 0));
    assert_eq!(&MAGIC.to_le_bytes(), b"TNDM");
    assert_eq!(
        [
            code::OK,
            code::ERROR,
            code::PANICKED,
            code::UNKNOWN_METHOD,
            code::BAD_INPUT,
            code::GONE,
            code::TOO_LARGE,
            code::BUSY
        ],
        [0, 1, -1, -2, -3, -4, -5, -6]
    );
    assert_eq!(
        [
            level::LOG_ERROR,
            level::LOG_WARN,
            level::LOG_INFO,
            level::LOG_DEBUG,
            level::LOG_TRACE
        ],
        [1, 2, 3, 4, 5]
    );
    assert_eq!(PluginApi::empty().size, 48);
}
