//! Files of a pack, from a folder or from the store, with every cap.

use std::{fs, io::Read as _, path::Path};

use crate::diagnostic::{Problems, Words, words};
use crate::model::Span;

/// Largest file, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// Largest pack.
const PACK_MAX: u64 = 20 << 20;
const FILES_MAX: usize = 1_000;
const DEPTH_MAX: usize = 8;

/// Reports a problem with a file that is not read.
fn refuse(problems: &mut Problems, path: &str, code: &'static str, message: Words, hint: Words) {
    let file = problems.add_other(path, "");
    problems.error(
        code,
        Span {
            file,
            line: 1,
            column: 1,
        },
        message,
        hint,
    );
}

/// Whether a pack has a use for the file.
fn wanted(path: &str) -> bool {
    matches!(
        path,
        "pack.yaml" | "connections.yaml" | "desk.yaml" | "quality.yaml"
    ) || path.ends_with(".flow.yaml")
        || path.ends_with(".luau")
        || path.ends_with(".test.yaml")
        || (path.starts_with("knowledge/") && path.ends_with(".md"))
        || crate::contract::of_path(path).is_some()
}

/// Reads the folder; what cannot be read is reported and left out. Sorted by path.
pub(super) fn read_dir(folder: &Path, problems: &mut Problems) -> Vec<(String, String)> {
    let mut files = Vec::new();
    if !folder.is_dir() {
        let shown = folder.display();
        refuse(
            problems,
            &shown.to_string(),
            "pack-missing",
            words(
                format!("there is no folder {shown}"),
                format!("没有文件夹 {shown}"),
            ),
            words(
                "`tandem init FOLDER` makes a new pack",
                "`tandem init 文件夹` 可新建业务包",
            ),
        );
        return files;
    }
    let mut walk = Walk {
        problems,
        files: &mut files,
        bytes: 0,
        full: false,
    };
    walk.folder(folder, "", 0);
    files.sort();
    files
}

struct Walk<'w> {
    problems: &'w mut Problems,
    files: &'w mut Vec<(String, String)>,
    bytes: u64,
    full: bool,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let (en, zh) = (
                    format!("this folder cannot be read: {error}"),
                    format!("无法读取文件夹：{error}"),
                );
                let hint = words(
                    "check that the server may read it",
                    "请检查服务是否有读取权限",
                );
                return refuse(self.problems, prefix, "unreadable", words(en, zh), hint);
            }
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.full {
                return;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "node_modules" {
                continue;
            }
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}/{name}")
            };
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_symlink() {
                if wanted(&path) || entry.path().is_dir() {
                    refuse(
                        self.problems,
                        &path,
                        "path-outside",
                        words("a link leads out of the pack", "链接指向业务包之外"),
                        words("put the file itself here", "请把文件本身放在这里"),
                    );
                }
            } else if kind.is_dir() {
                if depth < DEPTH_MAX {
                    self.folder(&entry.path(), &path, depth + 1);
                }
            } else if wanted(&path) {
                self.file(&entry.path(), path);
            } else if prefix.is_empty() && (path.ends_with(".yaml") || path.ends_with(".yml")) {
                let file = self.problems.add_other(&path, "");
                let stem = path
                    .rsplit_once('.')
                    .map_or(path.as_str(), |(stem, _)| stem);
                self.problems.warn(
                    "ignored-file",
                    Span { file, line: 1, column: 1 },
                    words("this file is not read", "这个文件不会被读取"),
                    words(
                        format!("a file with flows is called `{stem}.flow.yaml`, one with a test `tests/{stem}.test.yaml`"),
                        format!("流程文件应命名为 `{stem}.flow.yaml`，测试文件为 `tests/{stem}.test.yaml`"),
                    ),
                );
            }
        }
    }

    fn file(&mut self, at: &Path, path: String) {
        if self.files.len() >= FILES_MAX {
            self.full = true;
            return too_many(self.problems, &path);
        }
        let mut bytes = Vec::new();
        let read =
            fs::File::open(at).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            let (en, zh) = (
                format!("this file cannot be read: {error}"),
                format!("无法读取文件：{error}"),
            );
            let hint = words(
                "check that the server may read it",
                "请检查服务是否有读取权限",
            );
            return refuse(self.problems, &path, "unreadable", words(en, zh), hint);
        }
        if bytes.len() as u64 > FILE_MAX {
            return too_large(self.problems, &path);
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > PACK_MAX {
            self.full = true;
            return pack_too_large(self.problems, &path);
        }
        if let Some(text) = decode(self.problems, &path, bytes) {
            self.files.push((path, text));
        }
    }
}

fn too_many(problems: &mut Problems, path: &str) {
    refuse(
        problems,
        path,
        "pack-limit",
        words(
            format!("the pack has more than {FILES_MAX} files"),
            format!("业务包超过 {FILES_MAX} 个文件"),
        ),
        words(
            "move what belongs elsewhere out of the folder",
            "请把无关文件移出文件夹",
        ),
    );
}

fn too_large(problems: &mut Problems, path: &str) {
    refuse(
        problems,
        path,
        "file-limit",
        words(
            format!("this file is larger than {} MB", FILE_MAX >> 20),
            format!("文件超过 {} MB", FILE_MAX >> 20),
        ),
        words(
            "split it; a pack may have many files",
            "请拆分；业务包可以有多个文件",
        ),
    );
}

fn pack_too_large(problems: &mut Problems, path: &str) {
    refuse(
        problems,
        path,
        "pack-limit",
        words(
            format!("the pack is larger than {} MB", PACK_MAX >> 20),
            format!("业务包超过 {} MB", PACK_MAX >> 20),
        ),
        words(
            "move what belongs elsewhere out of the folder",
            "请把无关文件移出文件夹",
        ),
    );
}

fn decode(problems: &mut Problems, path: &str, bytes: Vec<u8>) -> Option<String> {
    let utf16 = bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || bytes.iter().take(200).any(|b| *b == 0);
    let hint = || words("save it as UTF-8", "请另存为 UTF-8 编码");
    if utf16 {
        let message = words(
            "this file is UTF-16, not UTF-8",
            "文件编码是 UTF-16，不是 UTF-8",
        );
        refuse(problems, path, "encoding", message, hint());
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let text = String::from_utf8_lossy(&bytes[..valid]).into_owned();
            let line = text.matches('\n').count() + 1;
            let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let file = problems.add_other(path, &String::from_utf8_lossy(&bytes));
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            problems.error(
                "encoding",
                Span {
                    file,
                    line: number(line),
                    column: number(column),
                },
                words("this is not UTF-8", "这里不是 UTF-8 编码"),
                hint(),
            );
            None
        }
    }
}

/// The same caps over files that are in memory already.
pub(super) fn take(files: Vec<(String, String)>, problems: &mut Problems) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    let mut bytes = 0;
    for (path, text) in files {
        let inside = !path.starts_with('/')
            && !path.contains('\\')
            && !path
                .split('/')
                .any(|part| part.is_empty() || part == "." || part == "..");
        if !inside {
            refuse(
                problems,
                &path,
                "path-outside",
                words("this path leads out of the pack", "路径指向业务包之外"),
                words(
                    "name files by their path inside the pack",
                    "请使用业务包内的路径",
                ),
            );
            continue;
        }
        if !wanted(&path) {
            continue;
        }
        if kept.len() >= FILES_MAX {
            too_many(problems, &path);
            break;
        }
        if text.len() as u64 > FILE_MAX {
            too_large(problems, &path);
            continue;
        }
        bytes += text.len() as u64;
        if bytes > PACK_MAX {
            pack_too_large(problems, &path);
            break;
        }
        if text.contains('\0') {
            decode(problems, &path, text.into_bytes());
            continue;
        }
        if let Some(other) = kept.iter().position(|(p, _)| *p == path) {
            kept.remove(other);
        }
        kept.push((path, text));
    }
    kept.sort();
    kept
}
