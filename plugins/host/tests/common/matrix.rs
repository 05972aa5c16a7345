//! A plugin over the bare ABI, compiled by `matrix.rs` in every way a compiler offers. `PANIC` is
//! what its manifest says of panics.

use std::{
    ffi::c_void,
    panic::catch_unwind,
    sync::atomic::{AtomicU32, Ordering},
};

use tandem_plugin_abi::{Buf, HostApi, PluginApi, Slice, code};

const MANIFEST: &str = concat!(
    r#"{"name": "matrix", "version": "1", "panic": ""#,
    env!("PANIC"),
    r#"", "kinds": {"action": 1}, "#,
    r#""methods": {"action.echo": {}, "action.panic": {}, "action.overflow": {}, "action.count": {}}}"#
);

static CALLS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn free(ptr: *mut u8, len: usize, cap: usize) {
    drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
}

fn give(bytes: Vec<u8>) -> Buf {
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    Buf {
        ptr: bytes.as_mut_ptr(),
        len: bytes.len(),
        cap: bytes.capacity(),
        free: Some(free),
    }
}

unsafe extern "C" fn manifest(result: *mut Buf) -> i32 {
    unsafe { result.write(give(MANIFEST.into())) };
    code::OK
}

unsafe extern "C" fn create(
    host: *const HostApi,
    config: Slice,
    instance: *mut *mut c_void,
    _: *mut Buf,
) -> i32 {
    let config = unsafe { std::slice::from_raw_parts(config.ptr, config.len) };
    assert!(unsafe { (*host).size } >= 32 && config == b"{}");
    unsafe { instance.write(Box::into_raw(Box::new(7u64)).cast()) };
    code::OK
}

unsafe extern "C" fn call(
    instance: *mut c_void,
    method: Slice,
    request: Slice,
    result: *mut Buf,
) -> i32 {
    let (method, request) = unsafe {
        (
            std::slice::from_raw_parts(method.ptr, method.len),
            std::slice::from_raw_parts(request.ptr, request.len),
        )
    };
    let called = catch_unwind(|| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        match method {
            b"action.echo" => request.to_vec(),
            b"action.panic" => panic!("as the test wants it"),
            // With overflow checks this panics, without them it does not.
            b"action.overflow" => {
                let mut sum = 250u8;
                for byte in request.iter().take(9) {
                    sum += byte;
                }
                sum.to_string().into_bytes()
            }
            _ => {
                assert_eq!(unsafe { *instance.cast::<u64>() }, 7);
                CALLS.load(Ordering::Relaxed).to_string().into_bytes()
            }
        }
    });
    match called {
        Ok(body) => {
            unsafe { result.write(give(body)) };
            code::OK
        }
        Err(_) => code::PANICKED,
    }
}

unsafe extern "C" fn destroy(instance: *mut c_void) {
    drop(unsafe { Box::from_raw(instance.cast::<u64>()) });
}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static tandem_plugin: PluginApi = PluginApi {
    manifest: Some(manifest),
    create: Some(create),
    call: Some(call),
    destroy: Some(destroy),
    ..PluginApi::empty()
};
