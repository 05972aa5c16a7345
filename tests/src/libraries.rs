//! Plugins as tests load them: built, in a folder that only we may write to, replaced at once.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::{require, root};

/// A folder for plugins.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// Puts a file in the place of another at once, as a deployment does.
///
/// # Errors
/// When it cannot be read or written.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::set_permissions(&part, fs::Permissions::from_mode(0o644))?;
    fs::rename(&part, to)
}

/// The library of a crate that the tests depend on, which cargo builds beside them.
///
/// # Errors
/// When it is not there.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let name = format!("lib{name}{}", std::env::consts::DLL_SUFFIX);
    let test = std::env::current_exe()?;
    let mut folders = test.ancestors().skip(1).take(2);
    let library = folders.find_map(|folder| {
        let path = folder.join(&name);
        path.exists().then_some(path)
    });
    library.with_context(|| format!("{name} lies beside the tests"))
}

/// Builds a library of this file by the system's compiler; `None`, visibly, where there is none.
///
/// # Errors
/// When the compiler refuses it.
pub fn in_c(from: &Path, to: &Path, test: &str) -> anyhow::Result<Option<()>> {
    if !require::tool("cc", test) {
        return Ok(None);
    }
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-I"])
        .arg(root().join("plugins/abi/include"))
        .arg("-o")
        .args([to, from])
        .output()?;
    if !built.status.success() {
        bail!("{}", String::from_utf8_lossy(&built.stderr));
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))?;
    Ok(Some(()))
}
