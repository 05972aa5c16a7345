//! Phrases that understanding will have trouble with: almost the same words in two targets, and
//! flows with too few to learn from.

use std::collections::{BTreeMap, BTreeSet};

use tandem_domain::Locale;
use tandem_flow::{
    diagnostic::{Diagnostic, Severity, Words, words},
    model::{FaqNode, Pack, Phrases, Span},
};
use tandem_understanding::cluster::terms::Reader;

/// A flow of fewer phrases in a language is thin there.
const FEW: usize = 3;
/// Characters that are underlined at most.
const UNDERLINED: u32 = 200;

struct Phrase<'a> {
    target: String,
    locale: Option<&'a Locale>,
    text: &'a str,
    span: Span,
}

/// Warnings about a pack that loads.
pub(super) fn check(pack: &Pack) -> Vec<Diagnostic> {
    let files = Files(pack);
    let phrases = all(pack);
    let mut found = similar(&phrases, &files);
    found.extend(thin(pack, &files));
    found
}

fn all(pack: &Pack) -> Vec<Phrase<'_>> {
    fn add<'a>(list: &mut Vec<Phrase<'a>>, target: &str, phrases: &'a Phrases) {
        for (locale, texts) in &phrases.0 {
            list.extend(texts.iter().map(|(text, span)| Phrase {
                target: target.to_owned(),
                locale: locale.as_ref(),
                text,
                span: *span,
            }));
        }
    }
    fn walk<'a>(list: &mut Vec<Phrase<'a>>, node: &'a FaqNode) {
        add(
            list,
            &format!("the question `{}`", node.path),
            &node.phrases,
        );
        node.items.iter().for_each(|item| walk(list, item));
    }
    let mut list = Vec::new();
    for flow in pack
        .flows
        .values()
        .filter(|f| !f.callable_only && !f.pattern)
    {
        add(
            &mut list,
            &format!("the flow `{}`", flow.name),
            &flow.start_when.phrases,
        );
    }
    walk(&mut list, &pack.faqs);
    for (place, trigger) in pack.triggers.iter().enumerate() {
        add(
            &mut list,
            &format!("the handoff trigger {}", place + 1),
            &trigger.phrases,
        );
    }
    list
}

/// Phrases of two targets that differ in fillers, endings or order alone. The very same phrase is
/// loading's to tell.
fn similar(phrases: &[Phrase<'_>], files: &Files<'_>) -> Vec<Diagnostic> {
    let reader = Reader::new();
    let mut gists: BTreeMap<u64, Vec<&Phrase<'_>>> = BTreeMap::new();
    for phrase in phrases {
        if let Some(gist) = reader.gist(phrase.text) {
            gists.entry(gist).or_default().push(phrase);
        }
    }
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut found = Vec::new();
    for same in gists.values() {
        let first = same[0];
        for other in same.iter().filter(|p| p.target != first.target) {
            let exact = reader.clean(first.text) == reader.clean(other.text);
            let shared =
                first.locale.is_none() || other.locale.is_none() || first.locale == other.locale;
            if exact || !shared || !told.insert((&first.target, &other.target)) {
                continue;
            }
            let place = format!("{}:{}", files.name(first.span), first.span.line);
            found.push(files.warning(
                "similar-phrase",
                other.span,
                other.text.chars().count(),
                words(
                    format!(
                        "`{}` leads to {} and, in almost the same words, `{}` to {} ({place})",
                        other.text, other.target, first.text, first.target
                    ),
                    format!(
                        "`{}` 指向{}，而几乎相同的 `{}` 指向{}（{place}）",
                        other.text,
                        zh(&other.target),
                        first.text,
                        zh(&first.target)
                    ),
                ),
                words(
                    "Say in each what sets it apart, or keep only one of them.",
                    "在各自的说法里写出区别，或只保留一处。",
                ),
            ));
        }
    }
    found
}

fn zh(target: &str) -> String {
    target
        .replace("the flow ", "流程 ")
        .replace("the question ", "问答 ")
        .replace("the handoff trigger ", "转人工触发器 ")
}

fn thin(pack: &Pack, files: &Files<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for flow in pack
        .flows
        .values()
        .filter(|f| !f.callable_only && !f.pattern)
    {
        let phrases = &flow.start_when.phrases.0;
        if phrases.values().all(Vec::is_empty) {
            // Started by an event, a page or another flow.
            continue;
        }
        let shared = phrases.get(&None).map_or(0, Vec::len);
        for locale in &pack.locales {
            let own = phrases.get(&Some(locale.clone())).map_or(0, Vec::len);
            let n = own + shared;
            if n >= FEW {
                continue;
            }
            let s = if n == 1 { "" } else { "s" };
            let name = &flow.name;
            found.push(files.warning(
                "few-phrases",
                flow.span,
                name.chars().count(),
                words(
                    format!("the flow `{name}` has {n} phrase{s} in `{locale}`: it will rarely be recognised", locale = locale.as_str()),
                    format!("流程 `{name}` 在 `{locale}` 下只有 {n} 条说法，很难被识别", locale = locale.as_str()),
                ),
                words(
                    "Add at least 8, as different as customers say it.",
                    "再加至少 8 条，写法尽量不同。",
                ),
            ));
        }
    }
    found
}

/// The pack's files.
struct Files<'a>(&'a Pack);

impl Files<'_> {
    fn name(&self, span: Span) -> String {
        let file = self.0.files.get(span.file as usize);
        file.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn line(&self, span: Span) -> String {
        let at = (span.line as usize).saturating_sub(1);
        let file = self.0.files.get(span.file as usize);
        let line = file.and_then(|(_, text)| text.lines().nth(at));
        line.unwrap_or_default().to_owned()
    }

    fn warning(
        &self,
        code: &'static str,
        span: Span,
        len: usize,
        message: Words,
        hint: Words,
    ) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            code,
            file: self.name(span),
            line: span.line,
            column: span.column,
            len: u32::try_from(len).unwrap_or(u32::MAX).min(UNDERLINED),
            source_line: self.line(span),
            message,
            hint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(flows: &str) -> Vec<Diagnostic> {
        let folder = tempfile::tempdir().unwrap();
        let head = "name: p\nlocales: [en, zh]\ntime_zone: UTC\ndefault_skill: general\n";
        std::fs::write(folder.path().join("pack.yaml"), head).unwrap();
        std::fs::write(folder.path().join("a.flow.yaml"), flows).unwrap();
        let loaded = tandem_flow::load::load_dir(folder.path());
        let pack = loaded
            .pack
            .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        check(&pack)
    }

    #[test]
    fn almost_the_same_phrase_in_two_flows_is_told_with_both_places() {
        let found = warnings(
            "version: 1\nflows:\n  stop:\n    title: s\n    start_when:\n      phrases:\n        \
             - cancel my order\n        - stop it\n        - undo the purchase\n    steps: [{say: {text: a}}]\n  \
             end:\n    title: e\n    start_when:\n      phrases:\n        - please cancel the orders\n        \
             - finish\n        - no more of it\n    steps: [{say: {text: b}}]\n",
        );
        assert_eq!(found.len(), 1, "{found:?}");
        let warning = &found[0];
        assert_eq!(warning.code, "similar-phrase");
        let both = [warning.line, 7, 15];
        assert!(
            both.contains(&7) && warning.message.en.contains("a.flow.yaml:"),
            "{warning:?}"
        );
        assert!(warning.source_line.contains("cancel"), "{warning:?}");
        assert!(warning.message.zh.contains("流程"));
    }

    #[test]
    fn a_flow_with_hardly_a_phrase_is_told_by_language() {
        let found = warnings(
            "version: 1\nflows:\n  greet:\n    title: s\n    start_when:\n      phrases:\n        \
             en: [hello, hi there, good day]\n        zh: [你好]\n    steps: [{say: {text: a}}]\n  \
             told:\n    title: t\n    start_when: {event: x}\n    steps: [{say: {text: a}}]\n",
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].code, found[0].line), ("few-phrases", 3));
        assert!(found[0].message.en.contains("1 phrase in `zh`"));
    }
}
