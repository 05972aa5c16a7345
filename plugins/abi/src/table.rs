//! Calling a plugin through its table.
//!
//! The promise that nobody can check – that the functions behind the table keep to the ABI – is
//! given once, to [`Table::read`]. What can be checked afterwards is: codes, lengths, pointers that
//! are NULL. A buffer that lies about both its length and its capacity cannot be seen through.
#![allow(unsafe_code)]

use core::{ffi::c_void, fmt, mem::MaybeUninit, ptr};
use std::vec::Vec;

use crate::{
    code,
    layout::{ABI_MAJOR, Buf, HostApi, MAGIC, PluginApi, Slice},
    services::owned,
};

/// Bytes of a plugin's table in version 1.0: what every host of this major version takes, however
/// much its own table has grown.
const FIRST_SIZE: usize = Header::SIZE + 4 * size_of::<usize>();

/// The beginning of every table, in every version.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub size: u32,
    pub flags: u32,
}

impl Header {
    pub const SIZE: usize = size_of::<Self>();

    /// Reads a header from the bytes of a file made for this machine.
    #[must_use]
    pub fn parse(bytes: &[u8; Self::SIZE]) -> Self {
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Self {
            magic: u32::from_ne_bytes(four(0)),
            abi_major: u16::from_ne_bytes([bytes[4], bytes[5]]),
            abi_minor: u16::from_ne_bytes([bytes[6], bytes[7]]),
            size: u32::from_ne_bytes(four(8)),
            flags: u32::from_ne_bytes(four(12)),
        }
    }

    /// Whether this host may use a table that begins so.
    ///
    /// # Errors
    /// Another magic or major version, or fewer bytes than version 1.0 has.
    pub fn check(&self) -> Result<(), TableError> {
        if self.magic != MAGIC {
            return Err(TableError::Magic(self.magic));
        }
        if self.abi_major != ABI_MAJOR {
            return Err(TableError::Major {
                major: self.abi_major,
                minor: self.abi_minor,
            });
        }
        if (self.size as usize) < FIRST_SIZE {
            return Err(TableError::Short(self.size));
        }
        Ok(())
    }
}

/// Why a table is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    Magic(u32),
    Major { major: u16, minor: u16 },
    Short(u32),
    Missing(&'static str),
    Unaligned,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(found) => write!(f, "its magic is {found:#010x}, not {MAGIC:#010x}"),
            Self::Major { major, minor } => write!(
                f,
                "it is made for version {major}.{minor} of the ABI, this host for {ABI_MAJOR}.x"
            ),
            Self::Short(size) => write!(
                f,
                "its table says {size} bytes, and the shortest has {FIRST_SIZE}"
            ),
            Self::Missing(function) => write!(f, "its table has no function `{function}`"),
            Self::Unaligned => f.write_str("its table lies at an odd address"),
        }
    }
}

impl core::error::Error for TableError {}

/// A table that was checked, copied as far as this host knows it.
#[derive(Clone, Copy)]
pub struct Table(PluginApi);

impl Table {
    /// Checks the header at `api` and copies what both sides know.
    ///
    /// # Errors
    /// When the header is refused, or a function that every plugin has is missing.
    ///
    /// # Safety
    /// `api` is NULL or points at as many readable bytes as the header there says, and at least at
    /// a header. The functions named in it keep to the ABI for as long as the process lives.
    pub unsafe fn read(api: *const PluginApi) -> Result<Self, TableError> {
        if api.is_null() {
            return Err(TableError::Magic(0));
        }
        if !api.is_aligned() {
            return Err(TableError::Unaligned);
        }
        // SAFETY: the caller promises a readable header.
        let header = unsafe { api.cast::<Header>().read() };
        header.check()?;
        // SAFETY: the caller promises `header.size` readable bytes; integers and functions that may
        // be missing are valid as zeros.
        let table = unsafe { known::<PluginApi>(api.cast(), header.size as usize).assume_init() };
        if table.manifest.is_none() {
            return Err(TableError::Missing("manifest"));
        }
        if table.call.is_none() {
            return Err(TableError::Missing("call"));
        }
        Ok(Self(table))
    }

    /// The header the plugin was read with.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            magic: self.0.magic,
            abi_major: self.0.abi_major,
            abi_minor: self.0.abi_minor,
            size: self.0.size,
            flags: self.0.flags,
        }
    }

    /// Asks the plugin what it is.
    #[must_use]
    pub fn manifest(&self) -> Answer {
        let mut body = Buf::empty();
        let code = match self.0.manifest {
            // SAFETY: the function keeps to the ABI (`read`), and `body` is zeroed.
            Some(manifest) => unsafe { manifest(&mut body) },
            None => code::UNKNOWN_METHOD,
        };
        Answer { code, body }
    }

    /// Makes an instance. `host` has to be what [`HostHandle::api`] gives: it stays for ever.
    ///
    /// # Errors
    /// The plugin's answer, when it is not [`code::OK`].
    ///
    /// [`HostHandle::api`]: crate::services::HostHandle::api
    pub fn create(&self, host: &'static HostApi, config: &[u8]) -> Result<Instance, Answer> {
        let mut body = Buf::empty();
        let mut instance = ptr::null_mut();
        let code = match self.0.create {
            // SAFETY: the function keeps to the ABI; both places live until it returns, and the
            // config outlives the call.
            Some(create) => unsafe {
                create(host, Slice::new(config), &raw mut instance, &raw mut body)
            },
            None => code::OK,
        };
        let answer = Answer { code, body };
        if code == code::OK {
            Ok(Instance {
                table: *self,
                instance,
            })
        } else {
            Err(answer)
        }
    }
}

/// As much of a table of `size` bytes as fits the one that this host knows, and zeros behind it.
///
/// # Safety
/// `size` bytes at `api` are readable.
unsafe fn known<T>(api: *const u8, size: usize) -> MaybeUninit<T> {
    let mut copy = MaybeUninit::<T>::zeroed();
    let common = size.min(size_of::<T>());
    // SAFETY: the caller promises `size` readable bytes, and `copy` has room for `common`.
    unsafe { ptr::copy_nonoverlapping(api, copy.as_mut_ptr().cast::<u8>(), common) };
    copy
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}

/// A plugin's instance. Dropping it leaks it, which is always allowed; [`destroy`](Self::destroy)
/// takes it by value, so no call can be in flight and none can follow.
#[derive(Debug)]
pub struct Instance {
    table: Table,
    instance: *mut c_void,
}

// SAFETY: the ABI says that an instance may be called from any thread and from several at once;
// a serial plugin is the business of whoever calls.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// Calls a method on this thread, for as long as the plugin takes.
    #[must_use]
    pub fn call(&self, method: &str, request: &[u8]) -> Answer {
        let mut body = Buf::empty();
        let code = match self.table.0.call {
            // SAFETY: the function keeps to the ABI, the instance is its own and not destroyed,
            // and both slices outlive the call.
            Some(call) => unsafe {
                call(
                    self.instance,
                    Slice::new(method.as_bytes()),
                    Slice::new(request),
                    &raw mut body,
                )
            },
            None => code::UNKNOWN_METHOD,
        };
        Answer { code, body }
    }

    /// Ends the instance on this thread.
    pub fn destroy(self) {
        if let Some(destroy) = self.table.0.destroy {
            // SAFETY: the function keeps to the ABI; `self` was taken by value and is not cloneable,
            // so this is the one call, and no other is in flight.
            unsafe { destroy(self.instance) }
        }
    }
}

/// What a call gave back. Dropping it gives the body back to the plugin, on the same thread.
pub struct Answer {
    code: i32,
    body: Buf,
}

/// Why a body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// NULL with a length.
    Null { len: usize },
    /// More bytes than there is room for, or than memory can hold.
    Length { len: usize, cap: usize },
    /// More than the host takes.
    TooLarge { len: usize, most: usize },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null { len } => write!(f, "a body at no address with {len} bytes"),
            Self::Length { len, cap } => write!(f, "a body of {len} bytes in a room of {cap}"),
            Self::TooLarge { len, most } => {
                write!(f, "a body of {len} bytes, and at most {most} are taken")
            }
        }
    }
}

impl core::error::Error for BodyError {}

impl Answer {
    /// An answer as a plugin would give it: for tests of those who read them.
    #[must_use]
    pub fn new(code: i32, body: Vec<u8>) -> Self {
        Self {
            code,
            body: owned(body),
        }
    }

    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The body, of at most `most` bytes.
    ///
    /// # Errors
    /// When the buffer contradicts itself or is too large.
    pub fn body(&self, most: usize) -> Result<&[u8], BodyError> {
        let Buf { ptr, len, .. } = self.body;
        self.consistent()?;
        if len > most {
            return Err(BodyError::TooLarge { len, most });
        }
        if len == 0 {
            return Ok(&[]);
        }
        // SAFETY: not NULL, `len` is within `cap` and `isize`; the ABI says that the bytes are
        // there until they are freed, which only `drop` does.
        Ok(unsafe { core::slice::from_raw_parts(ptr, len) })
    }

    fn consistent(&self) -> Result<(), BodyError> {
        let Buf { ptr, len, cap, .. } = self.body;
        if ptr.is_null() && len > 0 {
            return Err(BodyError::Null { len });
        }
        if len > cap || cap > isize::MAX as usize {
            return Err(BodyError::Length { len, cap });
        }
        Ok(())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("code", &self.code)
            .field("len", &self.body.len)
            .finish_non_exhaustive()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A buffer that contradicts itself is leaked: freeing by a wrong length corrupts the heap.
        if self.body.ptr.is_null() || self.consistent().is_err() {
            return;
        }
        if let Some(free) = self.body.free {
            // SAFETY: the ABI: once, with what the callee filled in, from any thread.
            unsafe { free(self.body.ptr, self.body.len, self.body.cap) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as a later minor version may know it.
    #[repr(C)]
    struct Later {
        api: PluginApi,
        more: [Option<unsafe extern "C" fn()>; 3],
    }

    unsafe extern "C" fn manifest(_: *mut Buf) -> i32 {
        code::BUSY
    }

    const FIRST: PluginApi = PluginApi {
        manifest: Some(manifest),
        ..PluginApi::empty()
    };

    #[test]
    fn a_host_of_a_later_minor_version_reads_a_table_of_the_first() {
        assert_eq!(FIRST_SIZE, size_of::<PluginApi>());
        // Exactly as many bytes as the plugin has: whoever reads further is caught by miri.
        let plugin = std::boxed::Box::new(FIRST);
        // SAFETY: `size` bytes are there, and zeros are valid in what is behind them.
        let later = unsafe {
            known::<Later>((&raw const *plugin).cast(), plugin.size as usize).assume_init()
        };
        assert_eq!(later.api.size, 48);
        assert!(later.api.manifest.is_some() && later.api.call.is_none());
        assert!(later.more.iter().all(Option::is_none));
    }

    #[test]
    fn a_host_of_the_first_minor_version_reads_a_table_of_a_later_one() {
        unsafe extern "C" fn more() {}
        let mut later = Later {
            api: FIRST,
            more: [Some(more); 3],
        };
        later.api.size = size_of::<Later>() as u32;
        // SAFETY: as above.
        let first = unsafe {
            known::<PluginApi>((&raw const later).cast(), later.api.size as usize).assume_init()
        };
        assert_eq!((first.size, first.abi_minor), (72, 0));
        assert!(first.manifest.is_some() && later.more[2].is_some());
    }
}
