//! What the YAML parser objects to, in words for people who never met one.

use serde_yaml::granit_parser::ErrorKind as Kind;

use crate::diagnostic::{Words, words};

/// One sentence about the error. What nobody meets in a pack is told in the parser's own words, in
/// Chinese as what it is: YAML that cannot be read.
pub(super) fn said(kind: &Kind) -> Words {
    let (en, zh) = match kind {
        Kind::UnclosedQuotedScalar | Kind::DocumentIndicatorInQuotedScalar => {
            ("a quote is not closed", "引号没有闭合")
        }
        Kind::InvalidTrailingSingleQuotedScalar | Kind::InvalidTrailingDoubleQuotedScalar => (
            "something follows a closing quote",
            "闭合的引号后面还有内容",
        ),
        Kind::UnknownQuotedScalarEscape
        | Kind::InvalidQuotedScalarHexEscape
        | Kind::InvalidUnicodeEscape => (
            "`\\` and what follows it mean nothing between double quotes",
            "双引号里的 `\\` 转义写法无效",
        ),
        Kind::InvalidQuotedScalarIndent | Kind::InvalidFlowScalarIndent => (
            "a text goes on too far to the left in its next line",
            "文本续行的缩进不够",
        ),
        Kind::UnexpectedEofFlowSequence => (
            "the file ends inside a list `[…]`",
            "列表 `[…]` 还没有结束，文件就结束了",
        ),
        Kind::UnexpectedEofFlowMapping | Kind::UnexpectedEofImplicitFlowMapping => (
            "the file ends inside a map `{…}`",
            "映射 `{…}` 还没有结束，文件就结束了",
        ),
        Kind::UnexpectedEof
        | Kind::UnexpectedEofBlockSequence
        | Kind::UnexpectedEofBlockMapping => ("the file ends too early", "文件提前结束了"),
        Kind::UnclosedFlowCollection { open } => {
            return words(
                format!("the `{open}` is not closed"),
                format!("`{open}` 没有闭合"),
            );
        }
        Kind::MismatchedFlowCollectionEnd { open, close } => {
            return words(
                format!("`{open}` is closed by `{close}`"),
                format!("`{open}` 被 `{close}` 闭合了"),
            );
        }
        Kind::MisplacedFlowCollectionEnd => (
            "a bracket is closed that was never opened",
            "有一个没有开头的右括号",
        ),
        Kind::ExpectedFlowMappingSeparator => (
            "inside `{…}` a `,` or the closing `}` is missing",
            "`{…}` 里缺少 `,` 或结尾的 `}`",
        ),
        Kind::ExpectedFlowSequenceSeparator => (
            "inside `[…]` a `,` or the closing `]` is missing",
            "`[…]` 里缺少 `,` 或结尾的 `]`",
        ),
        Kind::ExpectedBlockMappingKey => (
            "a key is expected here, as `name: value`",
            "这里应该是一个键，写作 `名称: 值`",
        ),
        Kind::ExpectedBlockSequenceEntry => (
            "an entry of the list is expected here, as `- value`",
            "这里应该是列表的一项，写作 `- 值`",
        ),
        Kind::BlockEntryInFlowCollection
        | Kind::BlockSequenceEntryNotAllowed
        | Kind::InvalidBlockEntryWhitespace => (
            "a list with `- ` cannot begin here",
            "这里不能开始 `- ` 形式的列表",
        ),
        Kind::ExpectedNodeContent => ("a value is missing here", "这里缺少值"),
        Kind::SimpleKeyExpected | Kind::InvalidSimpleKey => (
            "a key without `:`, or one that runs over several lines",
            "键的后面缺少 `:`，或键写成了多行",
        ),
        Kind::MappingKeyNotAllowed
        | Kind::MappingValueNotAllowed
        | Kind::InvalidColonPlacement
        | Kind::InvalidMappingValueWhitespace
        | Kind::FlowMappingValueAdjacentCollection => {
            ("a `:` that cannot stand here", "这里不能出现 `:`")
        }
        Kind::InvalidIndentation | Kind::InvalidBlockScalarIndent | Kind::ZeroBlockScalarIndent => {
            ("the indentation does not fit", "缩进不一致")
        }
        Kind::TabNotAllowed
        | Kind::TabInIndentation
        | Kind::TabInBlockIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInPlainScalar => ("a tab where spaces belong", "应该用空格的地方用了制表符"),
        Kind::InvalidBlockScalarHeader => (
            "after `|` or `>` the text begins in the next line",
            "`|` 或 `>` 后面的文本要从下一行开始",
        ),
        Kind::UnknownAnchor => (
            "an alias `*name` whose `&name` does not stand before it",
            "别名 `*名称` 的前面没有对应的 `&名称`",
        ),
        Kind::MissingAnchorOrAliasName => (
            "`&` or `*` without a name; a text that begins so needs quotes",
            "`&` 或 `*` 后面缺少名称；以它们开头的文本要加引号",
        ),
        Kind::UnexpectedCharacter { character } => {
            let shown = character.escape_debug();
            return words(
                format!("a text cannot begin with `{shown}` unless it stands in quotes"),
                format!("以 `{shown}` 开头的文本要加引号"),
            );
        }
        Kind::PlainScalarStartsWithDashFlowIndicator | Kind::UnexpectedEndOfPlainScalar => {
            ("this text needs quotes", "这段文本要加引号")
        }
        Kind::CommentNotSeparated | Kind::CommentInterceptedScalar | Kind::ExpectedWhitespace => (
            "a space is missing, before `#` for example",
            "缺少空格，例如 `#` 的前面",
        ),
        Kind::RecursionLimitExceeded => ("it is nested too deeply", "嵌套太深"),
        Kind::UndeclaredTagHandle
        | Kind::ExpectedTagBang
        | Kind::InvalidTagTerminator
        | Kind::UnclosedVerbatimTag => (
            "a tag (`!name`) that cannot be read; a text that begins with `!` needs quotes",
            "无法识别的标签（`!名称`）；以 `!` 开头的文本要加引号",
        ),
        Kind::ExpectedDocumentStart
        | Kind::InvalidDocumentEnd
        | Kind::MultipleDocumentsUnsupported => (
            "something stands to the left of what it belongs to",
            "内容的缩进比它所属的部分还要靠左",
        ),
        other => return words(other.to_string(), "这里的内容不符合 YAML 的写法"),
    };
    words(en, zh)
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use crate::diagnostic::Problems;

    /// What goes wrong in practice is told in each language's own words.
    #[test]
    fn common_slips_are_told_in_both_languages() {
        for text in [
            "a: 'open",
            "a: \"open",
            "a: [1, 2",
            "a: {b: 1",
            "a: [1, 2}",
            "a: 'x' y",
            "a: \"\\q\"",
            "a: 1\n b: 2",
            "a: b: c",
            "a:\n  - 1\n  b: 2",
            "\ta: 1",
            "a:\n\t- 1",
            "a: *gone",
            "a: @b",
            "a: %b",
            "a: }",
            "a: &",
            "a: |x\n  y",
            "a: {b c: [}",
            "- a\nb: c",
        ] {
            let mut problems = Problems::default();
            let file = problems.add_file("a.yaml", text);
            let _ = yaml::parse(file, text, &mut problems);
            let found = problems.finish();
            let Some(first) = found.first() else { continue };
            if first.code != "yaml-syntax" {
                continue;
            }
            let said = first.message.zh.trim_start_matches("YAML 语法错误：");
            assert!(
                !said
                    .chars()
                    .any(|c| c.is_ascii_lowercase() && !"name".contains(c)),
                "{text:?}: {said}"
            );
            assert_ne!(
                said, "这里的内容不符合 YAML 的写法",
                "{text:?}: {}",
                first.message.en
            );
        }
    }
}
