//! The structs that cross the border. Their sizes and offsets are fixed for the major version.

use core::ffi::c_void;

/// The first field of every plugin's table: `TNDM` in the memory of a little-endian machine.
pub const MAGIC: u32 = 0x4D44_4E54;
/// A plugin of another major version is refused.
pub const ABI_MAJOR: u16 = 1;
/// A plugin of another minor version is loaded; what only one side knows is not used.
pub const ABI_MINOR: u16 = 0;

/// Bytes that belong to the caller and are gone when the call returns.
///
/// `ptr` may be NULL only when `len` is 0. Texts are UTF-8 without a closing zero byte.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    pub ptr: *const u8,
    pub len: usize,
}

/// Bytes that the called side made and the other side gives back.
///
/// The caller zeroes it, the callee fills it, and the receiver calls `free(ptr, len, cap)` once,
/// from any thread, unless `ptr` is NULL. Without `free` the bytes are static. `len` is at most
/// `cap`, always: a buffer that says otherwise is neither read nor freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Buf {
    pub ptr: *mut u8,
    pub len: usize,
    pub cap: usize,
    pub free: Option<unsafe extern "C" fn(ptr: *mut u8, len: usize, cap: usize)>,
}

/// What the host gives to `create`. It stays where it is for ever and may be used from any thread,
/// the plugin's own among them.
#[repr(C)]
pub struct HostApi {
    /// Bytes of this struct as the host knows it: look here before you read a field that came with
    /// a later minor version.
    pub size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    /// Hand it back with every call. It is a number, not an address; after `destroy` it is unknown,
    /// and calls with it answer `TANDEM_GONE`.
    pub ctx: *const c_void,
    /// Writes a line to the host's log: `level` is one of `TANDEM_LOG_…`.
    pub log: Option<unsafe extern "C" fn(ctx: *const c_void, level: u32, message: Slice)>,
    /// Asks the host for something: a method's name, its parameters as JSON, and a code with a
    /// result as JSON. It has a deadline and never calls back into the plugin.
    pub call: Option<
        unsafe extern "C" fn(
            ctx: *const c_void,
            method: Slice,
            params: Slice,
            result: *mut Buf,
        ) -> i32,
    >,
}

/// The table a plugin exports, as data, under the name `tandem_plugin`.
///
/// All functions return one of the codes `TANDEM_…`. None may unwind or throw through its border.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PluginApi {
    /// `TANDEM_MAGIC`.
    pub magic: u32,
    /// `TANDEM_ABI_MAJOR` and `TANDEM_ABI_MINOR` as the plugin was built with.
    pub abi_major: u16,
    pub abi_minor: u16,
    /// Bytes of this struct as the plugin knows it.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// Describes the plugin as JSON. Called before `create`, perhaps more than once, perhaps in
    /// another process.
    pub manifest: Option<unsafe extern "C" fn(result: *mut Buf) -> i32>,
    /// Makes an instance from its configuration as JSON. The instance is the plugin's and may be
    /// NULL.
    pub create: Option<
        unsafe extern "C" fn(
            host: *const HostApi,
            config: Slice,
            instance: *mut *mut c_void,
            result: *mut Buf,
        ) -> i32,
    >,
    /// Calls a method: its name, and `{"params": …, "meta": …}` as JSON. Comes from any thread, and
    /// from several at once unless the manifest says `serial`. Where it names `errors` of a method,
    /// an error's code is one of them.
    pub call: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            method: Slice,
            request: Slice,
            result: *mut Buf,
        ) -> i32,
    >,
    /// Ends an instance. Called once, while no call is in flight.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
}

impl Slice {
    /// A view of `bytes` for the time of a call.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

impl Buf {
    /// Nothing: what a caller hands over to be filled.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            ptr: core::ptr::null_mut(),
            len: 0,
            cap: 0,
            free: None,
        }
    }
}

impl PluginApi {
    /// A table of this version without functions; add them with struct update syntax.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            magic: MAGIC,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            size: size_of::<Self>() as u32,
            flags: 0,
            manifest: None,
            create: None,
            call: None,
            destroy: None,
        }
    }
}
