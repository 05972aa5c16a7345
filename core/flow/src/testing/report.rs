//! Reports as text.

use std::fmt::Write as _;

use super::{
    coverage::{Coverage, Share},
    run::Report,
};
use crate::diagnostic::Lang;

impl Report {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty() && self.tests.iter().all(|t| t.passed)
    }

    /// For a terminal.
    #[must_use]
    pub fn render_human(&self, lang: Lang, color: bool) -> String {
        let paint = |code: &str, text: &str| {
            if color {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text.to_owned()
            }
        };
        let zh = lang == Lang::Zh;
        let mut out = String::new();
        for problem in &self.problems {
            let _ = writeln!(out, "{}", problem.render_human(lang, color));
        }
        for test in &self.tests {
            let mark = if test.passed {
                paint("32", "✓")
            } else {
                paint("1;31", "✗")
            };
            let _ = writeln!(out, "{mark} {} ({})", plain(&test.name), test.file);
            for failure in &test.failures {
                let _ = writeln!(
                    out,
                    "  --> {}:{}:{}",
                    test.file, failure.line, failure.column
                );
                let _ = writeln!(out, "   | {}", plain(failure.source_line.trim_end()));
                let (want, got) = if zh {
                    ("期望", "实际")
                } else {
                    ("expected", "got")
                };
                let _ = writeln!(out, "   {}: {}", want, plain(failure.expected.get(lang)));
                let _ = writeln!(out, "   {}: {}", got, plain(failure.got.get(lang)));
            }
            if !test.passed {
                for line in &test.transcript {
                    let _ = writeln!(out, "     {}", plain(line));
                }
            }
        }
        let passed = self.tests.iter().filter(|t| t.passed).count();
        let total = self.tests.len();
        let _ = if zh {
            writeln!(out, "{total} 个测试，通过 {passed} 个")
        } else {
            writeln!(out, "{passed} of {total} tests passed")
        };
        if let Some(coverage) = &self.coverage {
            coverage.render(&mut out, lang);
        }
        out
    }
}

impl Coverage {
    fn render(&self, out: &mut String, lang: Lang) {
        let zh = lang == Lang::Zh;
        let line = |out: &mut String, name: &str, steps: Share, branches: Share| {
            let (s, b) = if zh {
                ("步骤", "分支")
            } else {
                ("steps", "branches")
            };
            let _ = writeln!(
                out,
                "{name}: {s} {}/{} ({:.1} %), {b} {}/{} ({:.1} %)",
                steps.reached,
                steps.total,
                steps.percent(),
                branches.reached,
                branches.total,
                branches.percent()
            );
        };
        for flow in &self.flows {
            line(out, &flow.flow, flow.steps, flow.branches);
            for missed in &flow.missed {
                let word = if zh { "未覆盖" } else { "not taken" };
                let _ = writeln!(
                    out,
                    "  {}:{} {word}: {}",
                    missed.file, missed.line, missed.what
                );
            }
        }
        line(
            out,
            if zh { "合计" } else { "all" },
            self.steps,
            self.branches,
        );
    }
}

/// No control characters of a file on a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
