//! The contracts of plugins that a pack keeps.

use std::collections::BTreeMap;

use crate::{
    contract::{self, Contract},
    diagnostic::{Problems, words},
    model::Span,
};

/// Reads every `plugins/NAME.json`; one that cannot be read is reported and left out.
pub(super) fn contracts(
    sorted: &BTreeMap<&str, (u32, &str)>,
    problems: &mut Problems,
) -> BTreeMap<String, Contract> {
    let mut found = BTreeMap::new();
    for (path, (file, text)) in sorted {
        let Some(plugin) = contract::of_path(path) else {
            continue;
        };
        let span = Span {
            file: *file,
            line: 1,
            column: 1,
        };
        match Contract::read(plugin, text, span) {
            Ok(contract) => {
                found.insert(plugin.to_owned(), contract);
            }
            Err(bad) => {
                let span = Span {
                    line: bad.line,
                    column: bad.column,
                    ..span
                };
                problems.error(
                    "plugin-contract",
                    span,
                    words(bad.en, bad.zh),
                    words(
                        format!("have it written by `tandem plugin inspect {plugin} --write FOLDER`, FOLDER being the pack's"),
                        format!("请用 `tandem plugin inspect {plugin} --write 文件夹` 生成，文件夹为业务包所在位置"),
                    ),
                );
            }
        }
    }
    found
}
