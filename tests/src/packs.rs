//! Packs in folders of their own, for a test to serve and to change.

use std::path::Path;

use tempfile::TempDir;

/// A folder with these files.
///
/// # Panics
/// When they cannot be written.
#[must_use]
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    for (name, text) in files {
        save(folder.path(), name, text.as_bytes());
    }
    folder
}

/// Writes one file of a folder, as an editor would.
///
/// # Panics
/// When it cannot be written.
pub fn save(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    let parent = path.parent().expect("a file stands in a folder");
    std::fs::create_dir_all(parent).expect("its folder can be made");
    std::fs::write(&path, bytes).expect("it can be written");
}
