//! The table a plugin exports, and the calls to its host. All of the crate's `unsafe` is here.
#![allow(unsafe_code)]

use std::{ffi::c_void, mem::ManuallyDrop, ptr};

use tandem_plugin_abi::{ABI_MAJOR, Buf, HostApi, PluginApi, Slice, code};

use crate::{
    Error, Host, HostError, Plugin,
    methods::{Failure, Methods, guarded},
    wire::read,
};

/// Bytes of the host's table in version 1.0, which every plugin of this major version can do with.
const FIRST_HOST_SIZE: usize = 8 + 3 * size_of::<usize>();

/// A plugin with its methods. Implemented by `export_plugin!`.
pub trait Exported: Plugin {
    fn methods() -> &'static Methods<Self>;
}

/// The table of a plugin.
#[must_use]
pub const fn table<P: Exported>() -> PluginApi {
    PluginApi {
        manifest: Some(manifest::<P>),
        create: Some(create::<P>),
        call: Some(call::<P>),
        destroy: Some(destroy::<P>),
        ..PluginApi::empty()
    }
}

/// The table of a plugin that is linked in, as a host reads it.
#[cfg(feature = "testkit")]
#[must_use]
pub fn linked<P: Exported>() -> tandem_plugin_abi::table::Table {
    let api = const { &table::<P>() };
    // SAFETY: a table of this module: whole, static, and its functions keep to the ABI.
    unsafe { tandem_plugin_abi::table::Table::read(api) }.expect("a table of this SDK is whole")
}

/// Exports a plugin: `export_plugin!(MyPlugin: action, channel);` names the type and the kinds it
/// implements, which are `action`, `channel`, `embedder`, `translator`, `text_generator`,
/// `image_reader`, `speech_to_text`, `text_to_speech` and `exporter`. Once in a library.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty: $($kind:ident),+ $(,)?) => {
        $crate::implement_plugin!($plugin: $($kind),+);

        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals)]
        pub static tandem_plugin: $crate::abi::PluginApi = $crate::ffi::table::<$plugin>();
    };
}

/// What [`export_plugin!`] does, without the exported name: for tests that link several plugins.
#[macro_export]
macro_rules! implement_plugin {
    ($plugin:ty: $($kind:ident),+ $(,)?) => {
        impl $crate::ffi::Exported for $plugin {
            fn methods() -> &'static $crate::methods::Methods<Self> {
                static METHODS: ::std::sync::OnceLock<$crate::methods::Methods<$plugin>> =
                    ::std::sync::OnceLock::new();
                METHODS.get_or_init(|| {
                    let mut methods = $crate::methods::Methods::of_plugin();
                    $($crate::kinds::register::$kind::<$plugin>(&mut methods);)+
                    methods
                })
            }
        }
    };
}

unsafe extern "C" fn manifest<P: Exported>(result: *mut Buf) -> i32 {
    let answer =
        guarded(|| serde_json::to_vec(&P::methods().manifest()).map_err(Failure::bad_input));
    // SAFETY: `result` is the host's, see `give`.
    unsafe { give(answer, result) }
}

unsafe extern "C" fn create<P: Exported>(
    host: *const HostApi,
    config: Slice,
    instance: *mut *mut c_void,
    result: *mut Buf,
) -> i32 {
    let answer = guarded(|| {
        // SAFETY: the host gives its table, which stays for ever.
        let host = unsafe { HostRef::new(host) }.map_err(Failure::bad_input)?;
        // SAFETY: a slice of the host lives until we return.
        let config = unsafe { bytes(config) };
        let config: P::Config = read(config).map_err(|why| Failure {
            code: code::BAD_INPUT,
            error: Error::new("bad_config", why),
        })?;
        let plugin = P::create(config, Host(host)).map_err(|error| Failure {
            code: code::ERROR,
            error,
        })?;
        // SAFETY: the host's place for it.
        unsafe { instance.write(Box::into_raw(Box::new(plugin)).cast()) };
        Ok(Vec::new())
    });
    // SAFETY: `result` is the host's, see `give`.
    unsafe { give(answer, result) }
}

unsafe extern "C" fn call<P: Exported>(
    instance: *mut c_void,
    method: Slice,
    request: Slice,
    result: *mut Buf,
) -> i32 {
    let answer = guarded(|| {
        // SAFETY: the host hands over what `create` made, before `destroy`; `P` is `Sync`.
        let plugin = unsafe { &*instance.cast::<P>() };
        // SAFETY: slices of the host live until we return.
        let (method, request) = unsafe { (bytes(method), bytes(request)) };
        P::methods().call(plugin, method, request)
    });
    // SAFETY: `result` is the host's, see `give`.
    unsafe { give(answer, result) }
}

unsafe extern "C" fn destroy<P: Exported>(instance: *mut c_void) {
    // A panic in the author's `Drop` ends here: what it did not free is leaked.
    let _ = guarded(|| {
        // SAFETY: what `create` made, given back once, with no call in flight; `P` is `Send`.
        drop(unsafe { Box::from_raw(instance.cast::<P>()) });
        Ok(())
    });
}

/// # Safety
/// The slice is as the ABI wants it, and outlives `'a`.
unsafe fn bytes<'a>(slice: Slice) -> &'a [u8] {
    if slice.len == 0 {
        return &[];
    }
    // SAFETY: with a length there are bytes.
    unsafe { std::slice::from_raw_parts(slice.ptr, slice.len) }
}

/// Writes an answer where the host wants it.
///
/// # Safety
/// `result` is NULL or a place for a `Buf`.
unsafe fn give(answer: Result<Vec<u8>, Failure>, result: *mut Buf) -> i32 {
    let (code, body) = match answer {
        Ok(body) => (code::OK, body),
        Err(Failure { code, error }) => (code, serde_json::to_vec(&error).unwrap_or_default()),
    };
    if !result.is_null() && body.capacity() > 0 {
        let mut body = ManuallyDrop::new(body);
        let buf = Buf {
            ptr: body.as_mut_ptr(),
            len: body.len(),
            cap: body.capacity(),
            free: Some(free),
        };
        // SAFETY: the caller promises a place.
        unsafe { result.write(buf) };
    }
    code
}

unsafe extern "C" fn free(ptr: *mut u8, len: usize, cap: usize) {
    // SAFETY: called once with what `give` took apart.
    drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
}

/// The host's table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostRef(*const HostApi);

// SAFETY: the table stays for ever, nobody writes to it, and the ABI allows its functions on any
// thread.
unsafe impl Send for HostRef {}
// SAFETY: as above.
unsafe impl Sync for HostRef {}

impl HostRef {
    /// # Safety
    /// `api` is NULL or a host's table.
    unsafe fn new(api: *const HostApi) -> Result<Self, String> {
        // SAFETY: the caller promises a table unless it is NULL.
        let Some(host) = (unsafe { api.as_ref() }) else {
            return Err("there is no host".to_owned());
        };
        if host.abi_major != ABI_MAJOR || (host.size as usize) < FIRST_HOST_SIZE {
            return Err(format!(
                "the host is made for version {}.{} of the ABI, this plugin for {ABI_MAJOR}.x",
                host.abi_major, host.abi_minor
            ));
        }
        Ok(Self(api))
    }

    fn api(&self) -> &'static HostApi {
        // SAFETY: see `new`; it stays for ever.
        unsafe { &*self.0 }
    }

    pub(crate) fn log(&self, level: u32, message: &[u8]) {
        let api = self.api();
        if let Some(log) = api.log {
            // SAFETY: the host's function with the host's number; the slice outlives the call.
            unsafe { log(api.ctx, level, Slice::new(message)) }
        }
    }

    pub(crate) fn call(&self, method: &[u8], params: &[u8]) -> Result<(i32, Vec<u8>), HostError> {
        let api = self.api();
        let Some(call) = api.call else {
            return Err(HostError::UnknownMethod);
        };
        let mut body = Buf::empty();
        // SAFETY: the host's function with the host's number; slices and place outlive the call.
        let code = unsafe {
            call(
                api.ctx,
                Slice::new(method),
                Slice::new(params),
                ptr::from_mut(&mut body),
            )
        };
        if body.ptr.is_null() {
            return Ok((code, Vec::new()));
        }
        // SAFETY: the host filled it: `len` bytes are there until they are freed.
        let copy = unsafe { std::slice::from_raw_parts(body.ptr, body.len) }.to_vec();
        if let Some(free) = body.free {
            // SAFETY: once, with what the host filled in.
            unsafe { free(body.ptr, body.len, body.cap) }
        }
        Ok((code, copy))
    }
}
