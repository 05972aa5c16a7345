//! Why a plugin is not loaded, in English and Chinese, with the way out where there is one.

use std::fmt;

use tandem_plugin_abi::table::TableError;
use tandem_plugin_sdk::wire::{Fault, Kind};

use crate::{Said, schema::Mismatch};

/// Why a plugin is not loaded. The server runs on without it, and a plugin that was loaded before
/// stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its name is used by another, or is none.
    SameName,
    BadName,
    /// The server is ending.
    Closed,
    /// Neither or both of `path` and `command`.
    PathOrCommand,
    NotFound {
        path: String,
        why: String,
    },
    /// No word of its command is a file in a plugin folder.
    NoProgram {
        command: String,
    },
    /// Outside of the folders plugins may lie in.
    Outside {
        path: String,
    },
    /// Somebody else may change it.
    Writable {
        path: String,
        mode: u32,
    },
    /// It belongs to somebody else.
    Owner {
        path: String,
        owner: u32,
    },
    NotAFile {
        path: String,
    },
    Size {
        bytes: u64,
        most: u64,
    },
    /// It became shorter or longer while it was copied.
    Changed,
    /// The private copy could not be made.
    Copy {
        why: Said,
    },
    NotALibrary {
        why: Said,
    },
    Architecture {
        found: String,
        here: String,
    },
    Truncated {
        needs: u64,
        has: u64,
    },
    MissingSymbol,
    /// There is something of this name, and it is not a table.
    NotATable {
        why: Said,
    },
    Table(TableError),
    /// The child that tried it crashed, hung, or could not be started.
    Probe {
        why: Said,
    },
    /// The system's loader says no.
    Load {
        why: Said,
    },
    /// The process has loaded as many images as it can hold.
    Images {
        most: usize,
    },
    /// `manifest` gave something no host can go by.
    Manifest {
        why: Said,
    },
    Fault(Fault),
    /// It offers a kind that the configuration does not allow.
    KindNotAllowed(Kind),
    /// A schema of the manifest is none.
    Schema {
        place: String,
        why: Said,
    },
    /// The configuration does not fit the plugin's schema.
    Config {
        place: String,
        what: Mismatch,
    },
    /// `create` said no.
    Create {
        why: Said,
    },
    /// `channel.open` said no, or something no channel can be.
    Open {
        why: Said,
    },
    /// Its process could not be started or did not answer as it should.
    Process {
        why: Said,
    },
}

impl Refusal {
    /// In both languages.
    #[must_use]
    pub fn said(&self) -> Said {
        let (en, zh): (String, String) = match self {
            Self::SameName => (
                "another plugin has this name: give each its own".into(),
                "已有同名插件：请为每个插件取不同的名称".into(),
            ),
            Self::BadName => (
                "a name is 1 to 64 small letters, digits, `_` and `-`, a letter first".into(),
                "名称应为 1 至 64 个小写字母、数字、`_` 或 `-`，且以字母开头".into(),
            ),
            Self::Closed => (
                "the server is ending".into(),
                "服务器正在关闭".into(),
            ),
            Self::PathOrCommand => (
                "it needs either `path` (a library) or `command` (a program)".into(),
                "须填写 `path`（动态库）或 `command`（程序），二者选一".into(),
            ),
            Self::NotFound { path, why } => (
                format!("{path} cannot be opened: {why}; a relative path counts from `plugin_folders`"),
                format!("无法打开 {path}：{why}；相对路径从 `plugin_folders` 算起"),
            ),
            Self::NoProgram { command } => (
                format!("no word of `{command}` is a file in a plugin folder: write where it lies as seen from `plugin_folders`"),
                format!("`{command}` 中没有一个词是插件目录内的文件：请写成从 `plugin_folders` 算起的路径"),
            ),
            Self::Outside { path } => (
                format!("{path} is outside of the folders plugins may lie in: move it there, or add its folder"),
                format!("{path} 不在允许的插件目录内：请将它移入，或添加其所在目录"),
            ),
            Self::Writable { path, mode } => (
                format!("others may write to {path} (mode {mode:04o}): run `chmod go-w` on it"),
                format!("其他用户可写入 {path}（权限 {mode:04o}）：请对它执行 `chmod go-w`"),
            ),
            Self::Owner { path, owner } => (
                format!("{path} belongs to the user {owner}, neither to the server's user nor to root"),
                format!("{path} 属于用户 {owner}，既不是服务器用户，也不是 root"),
            ),
            Self::NotAFile { path } => (
                format!("{path} is not a regular file"),
                format!("{path} 不是普通文件"),
            ),
            Self::Size { bytes, most } => (
                format!("the file has {bytes} bytes; 1 to {most} are possible"),
                format!("文件有 {bytes} 字节；可为 1 至 {most} 字节"),
            ),
            Self::Changed => (
                "the file changed while it was read: replace it by renaming, then load again".into(),
                "读取期间文件发生变化：请用重命名方式替换后重新加载".into(),
            ),
            Self::Copy { why } => (
                format!("no private copy of it could be made: {why}"),
                format!("无法为它制作私有副本：{}", why.zh),
            ),
            Self::NotALibrary { why } => (
                format!("this is not a shared library: {why}"),
                format!("这不是动态库：{}", why.zh),
            ),
            Self::Architecture { found, here } => (
                format!("it is made for {found}, and this server runs on {here}: build it for {here}"),
                format!("它为 {found} 编译，而服务器运行于 {here}：请为 {here} 重新编译"),
            ),
            Self::Truncated { needs, has } => (
                format!("the file is cut off: it needs {needs} bytes and has {has}"),
                format!("文件不完整：需要 {needs} 字节，实有 {has} 字节"),
            ),
            Self::MissingSymbol => (
                "it exports no `tandem_plugin`: in Rust, `export_plugin!` does it; in C, define it with TANDEM_EXPORT".into(),
                "它没有导出 `tandem_plugin`：Rust 用 `export_plugin!`；C 用 TANDEM_EXPORT 定义".into(),
            ),
            Self::NotATable { why } => (
                format!("its `tandem_plugin` is not a plugin's table: {why}"),
                format!("它的 `tandem_plugin` 不是插件表：{}", why.zh),
            ),
            Self::Table(error) => (format!("{error}"), table_zh(error)),
            Self::Probe { why } => (
                format!("a trial load in another process failed: {why}"),
                format!("在另一进程中试加载失败：{}", why.zh),
            ),
            Self::Load { why } => (
                format!("the system does not load it: {why}"),
                format!("系统无法加载它：{}", why.zh),
            ),
            Self::Images { most } => (
                format!("this server has loaded {most} libraries since it began, each of which stays in memory: a restart is needed before the next"),
                format!("服务器启动以来已加载 {most} 个动态库，它们都留在内存中：须重启后才能再加载"),
            ),
            Self::Manifest { why } => (
                format!("its manifest cannot be read: {why}"),
                format!("无法读取它的清单：{}", why.zh),
            ),
            Self::Fault(fault) => (
                format!("its manifest: {fault}"),
                format!("它的清单：{}", fault.zh()),
            ),
            Self::KindNotAllowed(kind) => (
                format!("it offers the kind `{kind}`, which `kinds` does not allow"),
                format!("它提供 `{kind}`，而 `kinds` 不允许"),
            ),
            Self::Schema { place, why } => (
                format!("the schema of {place} is no JSON Schema: {why}"),
                format!("{place} 的 schema 不是有效的 JSON Schema：{}", why.zh),
            ),
            Self::Config { place, what } => {
                let Said { en, zh } = what.said();
                (
                    format!("its configuration, at `config{place}`: {en}"),
                    format!("它的配置 `config{place}` 有误：{zh}"),
                )
            }
            Self::Create { why } => (
                format!("it did not begin: {why}"),
                format!("它未能启动：{}", why.zh),
            ),
            Self::Open { why } => (
                format!("the channel does not open: {why}"),
                format!("渠道无法打开：{}", why.zh),
            ),
            Self::Process { why } => (
                format!("its process: {why}"),
                format!("插件进程：{}", why.zh),
            ),
        };
        Said { en, zh }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        self.said().zh
    }
}

fn table_zh(error: &TableError) -> String {
    use tandem_plugin_abi::{ABI_MAJOR, MAGIC, PluginApi};
    match error {
        TableError::Magic(found) => format!("它的 magic 为 {found:#010x}，应为 {MAGIC:#010x}"),
        TableError::Major { major, minor } => {
            format!("它为 ABI {major}.{minor} 编译，而本机支持 {ABI_MAJOR}.x")
        }
        TableError::Short(size) => format!(
            "它的表声明为 {size} 字节，至少应有 {} 字节",
            size_of::<PluginApi>()
        ),
        TableError::Missing(function) => format!("它的表缺少函数 `{function}`"),
        TableError::Unaligned => "它的表未对齐".to_owned(),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said().en)
    }
}

impl std::error::Error for Refusal {}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}
