//! The report as people read it.

use std::io::Write;

use tandem_flow::diagnostic::Lang;

use super::{ClusteredSplit, ReadSplit, Report, Split};
use crate::{cli::Common, lang::Pick as _};

/// Intents shown without `--all`, the worst first.
const SHOWN: usize = 15;
/// Characters shown of a message.
const LONGEST: usize = 90;

pub(super) fn print(common: &Common, report: &Report, all: bool) -> anyhow::Result<()> {
    let lang = common.lang();
    let mut out = common.out();
    if report.kind.is_some() {
        writeln!(
            out,
            "{}",
            lang.pick(
                format!(
                    "Learned {} phrases of {} labels in {}.",
                    report.phrases,
                    report.labels,
                    ms(report.train_ms)
                ),
                format!(
                    "学习了 {} 个类别的 {} 条说法，用时 {}。",
                    report.labels,
                    report.phrases,
                    ms(report.train_ms)
                ),
            )
        )?;
    }
    for (name, split) in &report.splits {
        match split {
            Split::Read(split) => read(&mut out, lang, name, split, all)?,
            Split::Clustered(split) => clustered(&mut out, lang, name, split)?,
        }
    }
    if !report.advice.is_empty() {
        title(&mut out, lang.pick("What to do", "建议"))?;
        for advice in &report.advice {
            writeln!(out, "  • {}", safe(advice.text.get(lang)))?;
            for example in &advice.examples {
                writeln!(out, "      \x1b[2m“{}”\x1b[0m", shorten(example))?;
            }
        }
    }
    let (p50, p99) = (report.us_per_message_p50, report.us_per_message_p99);
    if let (Some(p50), Some(p99)) = (p50, p99) {
        let mb = report.rss_mb.map_or_else(String::new, |mb| {
            lang.pick(
                format!("; {mb:.0} MB in memory"),
                format!("；内存 {mb:.0} MB"),
            )
        });
        writeln!(
            out,
            "\n{}",
            lang.pick(
                format!("A message takes {p50:.0} µs (p99 {p99:.0} µs){mb}."),
                format!("每条消息 {p50:.0} 微秒（p99 {p99:.0} 微秒）{mb}。"),
            )
        )?;
    }
    Ok(())
}

fn read(
    out: &mut impl Write,
    lang: Lang,
    name: &str,
    split: &ReadSplit,
    all: bool,
) -> anyhow::Result<()> {
    let f = &split.figures;
    let name = match name {
        "cross_validation" => lang.pick(
            "The pack's phrases, each read by what was learned from the others",
            "业务包自身的说法，每条由其余说法训练后识别",
        ),
        other => other,
    };
    title(out, &safe(name))?;
    writeln!(
        out,
        "  {}",
        lang.pick(
            format!(
                "{} messages, {} that mean none",
                f.messages, f.messages_out_of_scope
            ),
            format!(
                "{} 条消息，另有 {} 条都不是",
                f.messages, f.messages_out_of_scope
            ),
        )
    )?;
    let rows = [
        (lang.pick("right", "正确率"), percent(f.accuracy)),
        (lang.pick("macro-F1", "宏平均 F1"), percent(f.macro_f1)),
        (lang.pick("AUROC", "AUROC"), percent(f.auroc)),
        (
            lang.pick("AUROC, none of these", "AUROC（都不是）"),
            percent(f.oos_auroc),
        ),
        (lang.pick("calibration error", "校准误差"), percent(f.ece)),
    ];
    for (word, value) in rows.iter().filter(|(_, value)| value != "–") {
        writeln!(out, "  {} {value:>7}", pad(word, 24))?;
    }
    let at = &split.at_precision;
    let interval = match (at.low, at.high) {
        (Some(low), Some(high)) => format!("{:.1}–{:.1} %", low * 100.0, high * 100.0),
        _ => "–".to_owned(),
    };
    writeln!(out, "  {}", lang.pick(
        format!(
            "Wanted: {:.0} of 100 answers right. From confidence {:.2} on, chosen beforehand, {:.1} % are answered alone, {} of them right ({interval}).",
            at.wanted * 100.0, at.threshold, at.coverage * 100.0, percent(at.precision),
        ),
        format!(
            "目标：回答的 {:.0}% 正确。按事先选定的置信度 {:.2}，{:.1}% 的消息由机器人独自回答，其中正确 {}（{interval}）。",
            at.wanted * 100.0, at.threshold, at.coverage * 100.0, percent(at.precision),
        ),
    ))?;
    calibration(out, lang, split)?;
    curve(out, lang, split)?;
    intents(out, lang, split, all)?;
    if !split.confused.is_empty() {
        heading(out, lang.pick("Taken for each other", "相互混淆"))?;
        for pair in &split.confused {
            writeln!(
                out,
                "  {:>4} × {} → {}",
                pair.messages,
                safe(&pair.gold),
                safe(&pair.predicted)
            )?;
            for example in &pair.examples {
                writeln!(out, "         \x1b[2m“{}”\x1b[0m", shorten(example))?;
            }
        }
    }
    Ok(())
}

fn calibration(out: &mut impl Write, lang: Lang, split: &ReadSplit) -> anyhow::Result<()> {
    let bars = &split.figures.reliability;
    if bars.is_empty() {
        return Ok(());
    }
    heading(
        out,
        lang.pick(
            "Confidence, and how often it is right",
            "置信度与实际正确率",
        ),
    )?;
    for bar in bars {
        let width = (bar.right * 30.0).round() as usize;
        writeln!(
            out,
            "  {:>5.1} %  {:>5.1} %  {} {}",
            bar.confidence * 100.0,
            bar.right * 100.0,
            pad(&"▪".repeat(width), 30),
            bar.messages
        )?;
    }
    Ok(())
}

fn curve(out: &mut impl Write, lang: Lang, split: &ReadSplit) -> anyhow::Result<()> {
    if split.out_of_scope_curve.is_empty() {
        return Ok(());
    }
    heading(
        out,
        lang.pick(
            "None of these: from which certainty, in-scope right, seen as none, F1",
            "判为“都不是”的阈值、范围内正确率、识别率、F1",
        ),
    )?;
    for point in &split.out_of_scope_curve {
        writeln!(
            out,
            "  {:>4.1}  {:>7}  {:>7}  {:>7}",
            point.threshold,
            percent(point.accuracy),
            percent(point.recall),
            percent(point.f1)
        )?;
    }
    Ok(())
}

fn intents(out: &mut impl Write, lang: Lang, split: &ReadSplit, all: bool) -> anyhow::Result<()> {
    let mut labels: Vec<_> = split.figures.labels.iter().collect();
    if labels.is_empty() {
        return Ok(());
    }
    labels.sort_by(|a, b| a.1.f1.total_cmp(&b.1.f1).then(a.0.cmp(b.0)));
    let shown = if all { labels.len() } else { SHOWN };
    heading(
        out,
        lang.pick(
            "Precision, recall, F1 and messages of each, the weakest first",
            "各类的精确率、召回率、F1 与条数，由弱到强",
        ),
    )?;
    for (label, figures) in labels.iter().take(shown) {
        let share = |of: usize| percent((of > 0).then(|| figures.right as f64 / of as f64));
        writeln!(
            out,
            "  {:>7} {:>7} {:>7} {:>5}  {}",
            share(figures.predicted),
            share(figures.messages),
            percent(Some(figures.f1)),
            figures.messages,
            safe(label)
        )?;
    }
    if labels.len() > shown {
        let more = labels.len() - shown;
        writeln!(
            out,
            "  {}",
            lang.pick(
                format!("… and {more} better ones (--all)"),
                format!("……另有 {more} 个更好的（--all）"),
            )
        )?;
    }
    Ok(())
}

fn clustered(
    out: &mut impl Write,
    lang: Lang,
    name: &str,
    split: &ClusteredSplit,
) -> anyhow::Result<()> {
    title(out, &safe(name))?;
    let a = &split.agreement;
    writeln!(
        out,
        "  {}",
        lang.pick(
            format!(
                "{} messages in {} clusters; {} labels. NMI {:.1}, ARI {:.1}, purity {:.1} %",
                split.messages,
                a.clusters,
                a.labels,
                a.nmi * 100.0,
                a.ari * 100.0,
                a.purity * 100.0
            ),
            format!(
                "{} 条消息分成 {} 组；{} 个标签。NMI {:.1}，ARI {:.1}，纯度 {:.1}%",
                split.messages,
                a.clusters,
                a.labels,
                a.nmi * 100.0,
                a.ari * 100.0,
                a.purity * 100.0
            ),
        )
    )?;
    for cluster in &split.largest {
        writeln!(
            out,
            "  {:>5}  {}  \x1b[2m{}\x1b[0m",
            cluster.count,
            shorten(&cluster.label),
            safe(&cluster.terms.join(", "))
        )?;
    }
    Ok(())
}

fn title(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    writeln!(out, "\n\x1b[1m{text}\x1b[0m")
}

fn heading(out: &mut impl Write, text: &str) -> std::io::Result<()> {
    writeln!(out, "\n  \x1b[36m{text}\x1b[0m")
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |s| format!("{:.1} %", s * 100.0))
}

fn ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"))
}

/// Fills up to a width in which a Chinese character counts as two.
fn pad(text: &str, width: usize) -> String {
    let wide = text
        .chars()
        .filter(|c| ('\u{2E80}'..='\u{FFEF}').contains(c))
        .count();
    let used = text.chars().count() + wide;
    format!("{text}{}", " ".repeat(width.saturating_sub(used)))
}

/// Messages and labels come from outside: no control characters reach the terminal.
fn safe(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_format(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// Marks that turn the direction of what is shown, or that are not shown.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn shorten(text: &str) -> String {
    let text = safe(text);
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_steer_the_terminal() {
        assert_eq!(safe("a\u{1b}[31mb\u{202E}c"), "a [31mb c");
        assert_eq!(shorten(&"长".repeat(200)).chars().count(), LONGEST + 1);
        assert_eq!(pad("正确", 6), "正确  ");
    }
}
