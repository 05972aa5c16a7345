//! Where a library lies, who may write to it, and the private copy that is loaded in its place.
//!
//! Truncating a file that is mapped ends every process that has mapped it. So what is checked, tried
//! out and loaded is a copy in a folder nobody else can write to, and its name is removed as soon as
//! it is mapped.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Refusal, Said};

/// Finds `path`, which has to lie in one of `folders` and be out of others' reach.
///
/// # Errors
/// When it is not there, lies elsewhere, is no regular file, or the file or a folder above it may be
/// written to by others.
pub fn admit(path: &Path, folders: &[PathBuf]) -> Result<PathBuf, Refusal> {
    let found = fs::canonicalize(path).map_err(|why| not_found(path, &why))?;
    let folder = folders
        .iter()
        .filter_map(|folder| fs::canonicalize(folder).ok())
        .find(|folder| found.starts_with(folder) && found != *folder);
    let Some(folder) = folder else {
        return Err(Refusal::Outside {
            path: found.display().to_string(),
        });
    };
    let about = fs::symlink_metadata(&found).map_err(|why| not_found(&found, &why))?;
    if !about.is_file() {
        return Err(Refusal::NotAFile {
            path: found.display().to_string(),
        });
    }
    ours(&found, &about)?;
    for above in found.ancestors().skip(1) {
        let about = fs::symlink_metadata(above).map_err(|why| not_found(above, &why))?;
        ours(above, &about)?;
        if above == folder {
            break;
        }
    }
    Ok(found)
}

fn not_found(path: &Path, why: &io::Error) -> Refusal {
    Refusal::NotFound {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}

/// Whether only we and root may change it.
fn ours(path: &Path, about: &fs::Metadata) -> Result<(), Refusal> {
    let path = || path.display().to_string();
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me && about.uid() != 0 {
        return Err(Refusal::Owner {
            path: path(),
            owner: about.uid(),
        });
    }
    if about.mode() & 0o022 != 0 {
        return Err(Refusal::Writable {
            path: path(),
            mode: about.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Makes the folder for copies, or checks the one that is there.
///
/// # Errors
/// When it cannot be made, or others may look into it.
pub fn private_folder(at: &Path) -> Result<(), Refusal> {
    let copy = |why: Said| Refusal::Copy { why };
    match DirBuilder::new().recursive(true).mode(0o700).create(at) {
        Ok(()) => {}
        Err(why) => return Err(copy(format!("{}: {why}", at.display()).into())),
    }
    let about = fs::symlink_metadata(at).map_err(|why| copy(why.to_string().into()))?;
    let me = rustix::process::geteuid().as_raw();
    if !about.is_dir() || about.uid() != me || about.mode() & 0o077 != 0 {
        let at = at.display();
        return Err(copy(Said::new(
            format!("{at} has to be a folder of the server's own, with mode 0700"),
            format!("{at} 须为服务器自己的目录，权限为 0700"),
        )));
    }
    Ok(())
}

/// A private copy of a library. Dropping it removes its name; what is mapped stays.
#[derive(Debug)]
pub struct PrivateCopy {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PrivateCopy {
    /// Copies `from`, an admitted file, into `folder`.
    ///
    /// # Errors
    /// When it is too large, changes meanwhile, or cannot be read or written.
    pub fn of(from: &Path, folder: &Path, most: u64) -> Result<Self, Refusal> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        private_folder(folder)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(from)
            .map_err(|why| not_found(from, &why))?;
        let about = file.metadata().map_err(|why| not_found(from, &why))?;
        if !about.is_file() {
            return Err(Refusal::NotAFile {
                path: from.display().to_string(),
            });
        }
        // The path may be another file by now: the one that is open counts.
        ours(from, &about)?;
        let size = about.len();
        if size == 0 || size > most {
            return Err(Refusal::Size { bytes: size, most });
        }
        let bytes = read(file, size).map_err(|why| not_found(from, &why))?;
        if bytes.len() as u64 != size {
            return Err(Refusal::Changed);
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}.so", std::process::id()));
        let copy = Self { path, bytes };
        copy.write().map_err(|why| Refusal::Copy {
            why: why.to_string().into(),
        })?;
        Ok(copy)
    }

    fn write(&self) -> io::Result<()> {
        // A copy that a process of the same number left behind is in the way.
        match fs::remove_file(&self.path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(&self.bytes)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "a private copy could not be removed");
        }
    }
}

/// One byte more than expected is read, so that a file that grew is noticed.
fn read(file: File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(size + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        library: PathBuf,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("plugins/a.so");
        fs::create_dir(folder.path().join("plugins")).unwrap();
        mode(&folder.path().join("plugins"), 0o755);
        fs::write(&library, "library").unwrap();
        mode(&library, 0o644);
        Place { folder, library }
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_what_lies_in_the_folders_is_admitted() {
        let Place { folder, library } = place();
        let plugins = [folder.path().join("plugins")];
        assert!(admit(&library, &plugins).is_ok());
        assert!(admit(&library, &[folder.path().to_path_buf()]).is_ok());

        let elsewhere = folder.path().join("b.so");
        fs::write(&elsewhere, "x").unwrap();
        let outside = |path: &Path| matches!(admit(path, &plugins), Err(Refusal::Outside { .. }));
        assert!(outside(&elsewhere));
        assert!(outside(&plugins[0].join("../b.so")));
        let link = plugins[0].join("link.so");
        symlink(&elsewhere, &link).unwrap();
        assert!(outside(&link), "a link counts as what it leads to");
        assert!(matches!(
            admit(&plugins[0].join("none.so"), &plugins),
            Err(Refusal::NotFound { .. })
        ));
        fs::create_dir(plugins[0].join("d")).unwrap();
        mode(&plugins[0].join("d"), 0o755);
        assert!(matches!(
            admit(&plugins[0].join("d"), &plugins),
            Err(Refusal::NotAFile { .. })
        ));
    }

    #[test]
    fn what_others_may_write_to_is_refused_and_the_place_is_named() {
        let Place { folder, library } = place();
        let plugins = folder.path().join("plugins");
        let refused = || match admit(&library, &[folder.path().to_path_buf()]) {
            Err(Refusal::Writable { path, mode }) => Some((PathBuf::from(path), mode)),
            _ => None,
        };
        for bits in [0o664, 0o646, 0o666] {
            mode(&library, bits);
            assert_eq!(refused(), Some((library.canonicalize().unwrap(), bits)));
        }
        mode(&library, 0o644);
        mode(&plugins, 0o777);
        assert_eq!(
            refused(),
            Some((plugins.canonicalize().unwrap(), 0o777)),
            "who may write to the folder may replace the file"
        );
    }

    #[test]
    fn a_copy_is_private_and_leaves_with_its_owner() {
        let Place { folder, library } = place();
        let private = folder.path().join("private");
        let copy = PrivateCopy::of(&library, &private, 1000).unwrap();
        assert_eq!(copy.bytes(), b"library");
        assert_eq!(fs::read(copy.path()).unwrap(), b"library");
        assert_eq!(fs::metadata(&private).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(copy.path()).unwrap().mode() & 0o777, 0o600);
        let at = copy.path().to_path_buf();
        drop(copy);
        assert!(!at.exists());
        assert!(matches!(
            PrivateCopy::of(&library, &private, 6),
            Err(Refusal::Size { bytes: 7, most: 6 })
        ));
        fs::write(&library, "").unwrap();
        assert!(matches!(
            PrivateCopy::of(&library, &private, 6),
            Err(Refusal::Size { bytes: 0, .. })
        ));
        mode(&private, 0o755);
        assert!(matches!(
            PrivateCopy::of(&library, &private, 6),
            Err(Refusal::Copy { .. })
        ));
    }
}
