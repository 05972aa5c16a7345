//! The system's loader. All of the crate's `unsafe` is here.
#![allow(unsafe_code)]

use std::{
    error::Error,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use tandem_plugin_abi::{PluginApi, SYMBOL, table::Table};

use crate::Refusal;

/// How many images this process may load, and has loaded.
///
/// None is ever unloaded: threads, exit handlers and thread-local values of a plugin may outlive it.
/// Each takes a thread key of the process for good where the plugin uses threads, and a process that
/// runs out of them aborts. So their number is bounded.
#[derive(Debug)]
pub struct Images {
    loaded: AtomicUsize,
    most: usize,
}

impl Images {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            loaded: AtomicUsize::new(0),
            most,
        }
    }

    /// Images loaded since the process began.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.loaded.load(Ordering::Relaxed)
    }

    /// Loads a library for ever and reads its table. Its constructors run on this thread, for as
    /// long as they take.
    ///
    /// # Errors
    /// When there were too many before, the loader refuses it, or its table is not one.
    pub fn load(&self, path: &Path) -> Result<Table, Refusal> {
        let counted = self
            .loaded
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < self.most).then_some(count + 1)
            });
        if counted.is_err() {
            return Err(Refusal::Images { most: self.most });
        }
        // SAFETY: what a library does while it is loaded is what plugins in the process are trusted
        // with; its file is a private copy that was read and tried out before.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|why| Refusal::Load {
            why: reason(&why).into(),
        })?;
        // SAFETY: the symbol was seen to be data of at least a header's size; only its address is
        // taken here.
        let symbol = unsafe { library.get::<*const PluginApi>(SYMBOL.as_bytes()) };
        let api = symbol
            .map(|symbol| *symbol)
            .map_err(|why| Refusal::NotATable {
                why: reason(&why).into(),
            });
        std::mem::forget(library);
        // SAFETY: the address of the table in an image that stays mapped; the file's symbol is at
        // least as long as the header says; that its functions keep to the ABI is the trust that
        // plugins in the process are given.
        Ok(unsafe { Table::read(api?) }?)
    }
}

/// Ends the process at once: no exit handlers, which a plugin may have added and may hang in. What
/// is buffered is written by whoever calls.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: it has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}

/// The loader's own words: what libloading shows by itself says only that it failed.
fn reason(error: &libloading::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
