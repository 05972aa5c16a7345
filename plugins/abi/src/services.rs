//! What a plugin may ask of its host, behind a number.
//!
//! A [`HostApi`] is given out once for each instance and never freed. Its `ctx` is a number that
//! is looked up with every call, so a plugin that calls after its end, or with a number it made
//! up, is told [`code::GONE`] and can hurt nobody.
#![allow(unsafe_code)]

use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};
use std::{
    boxed::Box,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
    vec::Vec,
};

use crate::{
    code,
    layout::{ABI_MAJOR, ABI_MINOR, Buf, HostApi, Slice},
};

/// A host as its plugins see it. Called from plugins' threads, several at once.
pub trait Services: Send + Sync + 'static {
    /// A line for the log; the bytes are whatever the plugin gave.
    fn log(&self, level: u32, message: &[u8]);

    /// A method with its parameters: a code and a body. It has to end, and must not call the
    /// plugin.
    fn call(&self, method: &[u8], params: &[u8]) -> (i32, Vec<u8>);
}

/// Who answers which number. It is global because all that a C function gets is the number.
static OPEN: RwLock<BTreeMap<usize, Arc<dyn Services>>> = RwLock::new(BTreeMap::new());
/// Numbers are never used again.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// One instance's access to the host. Dropping it closes it.
#[derive(Debug)]
pub struct HostHandle {
    number: usize,
    api: ApiRef,
}

#[derive(Clone, Copy, Debug)]
struct ApiRef(*const HostApi);

// SAFETY: it points at memory that is never freed and never written again, and `ctx` in it is a
// number.
unsafe impl Send for ApiRef {}
// SAFETY: as above.
unsafe impl Sync for ApiRef {}

impl HostHandle {
    /// Opens access to `services`. Some 32 bytes of it are never freed.
    pub fn open(services: Arc<dyn Services>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let api = Box::leak(Box::new(HostApi {
            size: size_of::<HostApi>() as u32,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            ctx: ptr::without_provenance(number),
            log: Some(host_log),
            call: Some(host_call),
        }));
        OPEN.write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, services);
        Self {
            number,
            api: ApiRef(api),
        }
    }

    #[must_use]
    pub fn api(&self) -> &'static HostApi {
        // SAFETY: `open` leaked it, and nobody writes to it.
        unsafe { &*self.api.0 }
    }

    /// From now on calls answer [`code::GONE`] and lines of the log are dropped. Calls that are
    /// under way end as they would.
    pub fn close(&self) {
        OPEN.write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.number);
    }
}

impl Drop for HostHandle {
    fn drop(&mut self) {
        self.close();
    }
}

/// No lock is held when it returns: what is called may take its time.
fn services(ctx: *const c_void) -> Option<Arc<dyn Services>> {
    OPEN.read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&ctx.addr())
        .cloned()
}

/// # Safety
/// The slice is as the ABI wants it.
unsafe fn bytes<'a>(slice: Slice) -> Option<&'a [u8]> {
    if slice.len == 0 {
        return Some(&[]);
    }
    if slice.ptr.is_null() || slice.len > isize::MAX as usize {
        return None;
    }
    // SAFETY: not NULL, not longer than memory; the caller of the ABI keeps it until we return.
    Some(unsafe { core::slice::from_raw_parts(slice.ptr, slice.len) })
}

unsafe extern "C" fn host_log(ctx: *const c_void, level: u32, message: Slice) {
    let logged = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: what the plugin hands over is as the ABI wants it.
        if let (Some(services), Some(message)) = (services(ctx), unsafe { bytes(message) }) {
            services.log(level, message);
        }
    }));
    forget_panic(logged);
}

unsafe extern "C" fn host_call(
    ctx: *const c_void,
    method: Slice,
    params: Slice,
    result: *mut Buf,
) -> i32 {
    let answered = catch_unwind(AssertUnwindSafe(|| {
        let Some(services) = services(ctx) else {
            return (code::GONE, Vec::new());
        };
        // SAFETY: what the plugin hands over is as the ABI wants it.
        let (method, params) = unsafe { (bytes(method), bytes(params)) };
        match (method, params) {
            (Some(method), Some(params)) => services.call(method, params),
            _ => (code::BAD_INPUT, Vec::new()),
        }
    }));
    let (code, body) = forget_panic(answered).unwrap_or((code::PANICKED, Vec::new()));
    if !result.is_null() {
        // SAFETY: the ABI: `result` points at a `Buf` of the plugin.
        unsafe { result.write(owned(body)) };
    }
    code
}

/// A panic's payload may itself panic when dropped.
fn forget_panic<T>(caught: std::thread::Result<T>) -> Option<T> {
    match caught {
        Ok(value) => Some(value),
        Err(payload) => {
            core::mem::forget(payload);
            None
        }
    }
}

/// Hands a vector over to the other side.
pub(crate) fn owned(bytes: Vec<u8>) -> Buf {
    if bytes.capacity() == 0 {
        return Buf::empty();
    }
    let mut bytes = core::mem::ManuallyDrop::new(bytes);
    Buf {
        ptr: bytes.as_mut_ptr(),
        len: bytes.len(),
        cap: bytes.capacity(),
        free: Some(free),
    }
}

unsafe extern "C" fn free(ptr: *mut u8, len: usize, cap: usize) {
    // SAFETY: called once with what `owned` took apart.
    drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
}
