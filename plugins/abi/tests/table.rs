//! Tables of every kind, linked in: what a host reads, refuses and survives. Also for miri.
#![cfg(feature = "host")]
#![allow(unsafe_code, clippy::unwrap_used)]

use std::{
    ffi::c_void,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tandem_plugin_abi::{
    Buf, HostApi, PluginApi, Slice, code,
    services::{HostHandle, Services},
    table::{BodyError, Header, Table, TableError},
};

static FREED: AtomicUsize = AtomicUsize::new(0);

/// Only the bodies of `echo` and the ones that lie are given back to this.
unsafe extern "C" fn counted(ptr: *mut u8, len: usize, cap: usize) {
    FREED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: only given to what `fill` took apart.
    unsafe { free(ptr, len, cap) };
}

unsafe extern "C" fn free(ptr: *mut u8, len: usize, cap: usize) {
    // SAFETY: only given to what `fill` took apart.
    drop(unsafe { Vec::from_raw_parts(ptr, len, cap) });
}

fn fill(text: &str) -> Buf {
    let mut bytes = std::mem::ManuallyDrop::new(text.as_bytes().to_vec());
    Buf {
        ptr: bytes.as_mut_ptr(),
        len: bytes.len(),
        cap: bytes.capacity(),
        free: Some(free),
    }
}

unsafe extern "C" fn manifest(result: *mut Buf) -> i32 {
    // SAFETY: a host's `Buf`.
    unsafe { result.write(fill("{}")) };
    code::OK
}

unsafe extern "C" fn create(
    host: *const HostApi,
    _: Slice,
    instance: *mut *mut c_void,
    _: *mut Buf,
) -> i32 {
    // SAFETY: a host's place; the host's table stays for ever.
    unsafe { instance.write(host.cast_mut().cast()) };
    code::OK
}

/// The body that each method answers with; `host` asks the host with the instance it was given.
unsafe extern "C" fn call(
    instance: *mut c_void,
    method: Slice,
    request: Slice,
    result: *mut Buf,
) -> i32 {
    // SAFETY: slices of the host live until we return.
    let method = unsafe { std::slice::from_raw_parts(method.ptr, method.len) };
    let lie = |ptr: *mut u8, len, cap| Buf {
        ptr,
        len,
        cap,
        free: Some(counted),
    };
    let body = match method {
        b"echo" => {
            // SAFETY: as above.
            let text = unsafe { std::slice::from_raw_parts(request.ptr, request.len) };
            Buf {
                free: Some(counted),
                ..fill(std::str::from_utf8(text).unwrap())
            }
        }
        b"static" => Buf {
            ptr: b"true".as_ptr().cast_mut(),
            len: 4,
            cap: 4,
            free: None,
        },
        b"nothing" => Buf::empty(),
        b"null" => lie(ptr::null_mut(), 9, 9),
        b"longer" => lie(ptr::dangling_mut(), 9, 8),
        b"huge" => lie(ptr::dangling_mut(), usize::MAX, usize::MAX),
        b"host" => {
            let host = instance.cast::<HostApi>().cast_const();
            let mut answer = Buf::empty();
            // SAFETY: the instance is the host's table, see `create`.
            let code = unsafe {
                ((*host).call.unwrap())((*host).ctx, Slice::new(b"ask"), request, &mut answer)
            };
            // SAFETY: the host filled it.
            unsafe { result.write(answer) };
            return code;
        }
        b"bogus" => {
            let host = instance.cast::<HostApi>().cast_const();
            // SAFETY: a number that nobody was given is allowed.
            return unsafe {
                ((*host).call.unwrap())(
                    ptr::without_provenance(usize::MAX),
                    Slice::new(b"ask"),
                    request,
                    ptr::null_mut(),
                )
            };
        }
        _ => return code::UNKNOWN_METHOD,
    };
    // SAFETY: a host's `Buf`.
    unsafe { result.write(body) };
    code::OK
}

static TABLE: PluginApi = PluginApi {
    manifest: Some(manifest),
    create: Some(create),
    call: Some(call),
    ..PluginApi::empty()
};

fn read(api: &PluginApi) -> Result<Table, TableError> {
    // SAFETY: a table of this file.
    unsafe { Table::read(api) }
}

#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Services for Asked {
    fn log(&self, _: u32, message: &[u8]) {
        let line = String::from_utf8_lossy(message).into_owned();
        self.0.lock().unwrap().push(line);
    }

    fn call(&self, method: &[u8], params: &[u8]) -> (i32, Vec<u8>) {
        assert_ne!(params, b"panic", "as the test wants it");
        self.log(0, method);
        (code::OK, b"7".to_vec())
    }
}

#[test]
fn what_is_no_table_of_ours_is_refused() {
    let with = |change: &dyn Fn(&mut PluginApi)| {
        let mut api = TABLE;
        change(&mut api);
        read(&api).err()
    };
    assert_eq!(with(&|_| ()), None);
    assert_eq!(with(&|a| a.magic = 7), Some(TableError::Magic(7)));
    let newer = TableError::Major { major: 2, minor: 0 };
    assert_eq!(with(&|a| a.abi_major = 2), Some(newer));
    assert_eq!(with(&|a| a.size = 47), Some(TableError::Short(47)));
    assert_eq!(with(&|a| a.call = None), Some(TableError::Missing("call")));
    assert_eq!(
        with(&|a| a.manifest = None),
        Some(TableError::Missing("manifest"))
    );
    // SAFETY: NULL is allowed.
    let none = unsafe { Table::read(ptr::null()) };
    assert_eq!(none.err(), Some(TableError::Magic(0)));
}

#[test]
fn a_newer_minor_with_a_longer_table_is_read_as_far_as_it_is_known() {
    #[repr(C)]
    struct Newer {
        api: PluginApi,
        more: [usize; 3],
    }
    let mut newer = Newer {
        api: TABLE,
        more: [1; 3],
    };
    newer.api.abi_minor = 3;
    newer.api.size = 72;
    assert_eq!(newer.more, [1; 3]);
    // SAFETY: 72 bytes are there.
    let table = unsafe { Table::read((&raw const newer).cast()) }.unwrap();
    assert_eq!(table.header().abi_minor, 3);
    assert_eq!(table.manifest().body(9).unwrap(), b"{}");
}

#[test]
fn a_header_is_read_from_bytes_as_from_memory() {
    let mut bytes = [0; Header::SIZE];
    bytes[..4].copy_from_slice(&TABLE.magic.to_ne_bytes());
    bytes[4..6].copy_from_slice(&TABLE.abi_major.to_ne_bytes());
    bytes[8..12].copy_from_slice(&TABLE.size.to_ne_bytes());
    assert_eq!(Header::parse(&bytes), read(&TABLE).unwrap().header());
}

#[test]
fn bodies_are_read_within_bounds_and_given_back_once() {
    let host = HostHandle::open(Arc::new(Asked::default()));
    let instance = read(&TABLE).unwrap().create(host.api(), b"{}").unwrap();

    let echo = instance.call("echo", b"\"hello\"");
    assert_eq!(echo.body(7).unwrap(), b"\"hello\"");
    assert_eq!(echo.body(6), Err(BodyError::TooLarge { len: 7, most: 6 }));
    drop(echo);
    assert_eq!(FREED.load(Ordering::SeqCst), 1);

    assert_eq!(instance.call("static", b"").body(9).unwrap(), b"true");
    assert_eq!(instance.call("nothing", b"").body(9).unwrap(), b"");
    assert_eq!(instance.call("no", b"").code(), code::UNKNOWN_METHOD);
    let lies = ["null", "longer", "huge"].map(|m| instance.call(m, b"").body(1 << 20).err());
    assert_eq!(
        lies,
        [
            Some(BodyError::Null { len: 9 }),
            Some(BodyError::Length { len: 9, cap: 8 }),
            Some(BodyError::Length {
                len: usize::MAX,
                cap: usize::MAX
            }),
        ]
    );
    assert_eq!(
        FREED.load(Ordering::SeqCst),
        1,
        "what lies about itself is not freed"
    );
    instance.destroy();
}

#[test]
fn the_host_answers_until_it_is_closed_and_survives_its_own_panic() {
    let asked = Arc::new(Asked::default());
    let host = HostHandle::open(asked.clone());
    let instance = read(&TABLE).unwrap().create(host.api(), b"").unwrap();
    let answer = instance.call("host", b"{}");
    assert_eq!((answer.code(), answer.body(9).unwrap()), (0, &b"7"[..]));
    assert_eq!(*asked.0.lock().unwrap(), ["ask"]);
    assert_eq!(instance.call("host", b"panic").code(), code::PANICKED);
    assert_eq!(instance.call("bogus", b"{}").code(), code::GONE);
    drop(host);
    let answer = instance.call("host", b"{}");
    assert_eq!(
        (answer.code(), answer.body(9).unwrap()),
        (code::GONE, &b""[..])
    );
}
