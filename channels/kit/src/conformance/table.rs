//! The tables of docs/channels/conformance.md: one line a channel, written by its own test from what
//! the suites looked at.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{Check, Report};

/// What the page says in one language.
struct Words {
    file: &'static str,
    head: &'static str,
    channel: &'static str,
    /// Title of the table of the way in and of the way out.
    titles: [&'static str; 2],
    foot: &'static str,
}

const EN: Words = Words {
    file: "conformance.md",
    head: "# What each channel was shown to do

Every channel passes the suites of `tandem_channel_kit::conformance` against a fake of its platform. These
tables are written by those tests: ✓ means that it was tried and went as it must, – that there is no such
thing on this platform.

> [中文](conformance.zh.md)
",
    channel: "channel",
    titles: ["The way in", "The way out"],
    foot: "What stands in the columns:

* **good**: a request of the platform is taken, once; **body**, **signature**, **time**: with any one bit
  turned it is refused with 401 and nothing happens (– where the platform's signature does not cover the
  body, or no time is signed); **missing**: so it is without one of its headers or parameters, or with an
  empty one; **stale**: signed rightly and too long ago; **downgrade**: unencrypted, an older hash, a digest
  without the secret, a signature of something else; **large**: a body over the limit gets 413.
* **again ×4**: the same delivery four times, with a restart before every second one, is one event;
  **burst**: 48 messages, each twice, out of order and at once, are 48 events; **slow bot**: no request
  waits for an answer longer than the platform waits for the request; **full**: what cannot be stored gets a
  5xx, and is taken when it comes again; **odd**: what is signed and not understood is kept for a person.
* **429**: the pause that the platform asks for is what the outbox is told, after one call; **5xx**: may be
  tried again where the platform knows repeats, else stands as uncertain; **refused**: says so for good;
  **cut off**: the platform took it and its answer was lost: uncertain, unless it knows repeats;
  **garbled**: so is an answer that cannot be read; **gone**: nobody listens, to be tried again.
* **expired ×50**: 50 sends at once under a token that has expired get through with one new token; where the
  credential does not expire, each of 50 says that it was refused, after one call each.

The same platforms as whole servers, with restarts, kills and bursts of 5,000, are in `tests/tests/far_*.rs`.
",
};

const ZH: Words = Words {
    file: "conformance.zh.md",
    head: "# 各渠道已验证的行为

每个渠道都在模拟的平台上通过 `tandem_channel_kit::conformance` 的测试。下表由这些测试写出：✓ 表示试过且结果正确，
– 表示该平台没有这一项。

> [English](conformance.md)
",
    channel: "渠道",
    titles: ["接收", "发送"],
    foot: "各列的含义：

* **good**：平台的请求被接收一次；**body**、**signature**、**time**：正文、签名或时间改动任意一位，即以 401 拒绝，
  且什么都不发生（– 表示平台的签名不覆盖正文，或不签时间）；**missing**：缺少任一签名头或参数，或其为空，同样被拒绝；
  **stale**：签名正确但时间过久；**downgrade**：未加密、旧的散列算法、不含密钥的摘要、对别的内容的签名；
  **large**：正文超过上限，得到 413。
* **again ×4**：同一投递来四次，每隔一次先重启，只产生一个事件；**burst**：48 条消息各两次、乱序并发，产生 48 个事件；
  **slow bot**：任何请求等待回复的时间都不超过平台等待请求的时间；**full**：存不下的得到 5xx，再来时被接收；
  **odd**：签名正确但看不懂的，留给人查看。
* **429**：平台要求的停顿原样交给发件箱，且只调用一次；**5xx**：平台识别重复时可再试，否则记为不确定；
  **refused**：明确失败；**cut off**：平台已收下而答复丢失：除非平台识别重复，否则记为不确定；
  **garbled**：答复无法读懂，同样如此；**gone**：无人应答，可再试。
* **expired ×50**：令牌过期时的 50 个并发发送全部成功，且只取一次新令牌；凭据不会过期的，50 个各调用一次并各自报告被拒绝。

同样的平台与完整的服务器、重启、强制终止以及 5,000 条的突发，见 `tests/tests/far_*.rs`。
",
};

const WAYS: [&[Check]; 2] = [
    &[
        Check::Good,
        Check::Body,
        Check::Signature,
        Check::Time,
        Check::Missing,
        Check::Stale,
        Check::Downgrade,
        Check::Large,
        Check::Again,
        Check::Burst,
        Check::SlowBot,
        Check::Full,
        Check::Odd,
    ],
    &[
        Check::Throttled,
        Check::Broken,
        Check::Refused,
        Check::CutOff,
        Check::Garbled,
        Check::Gone,
        Check::Expired,
    ],
];

impl Check {
    /// The column it stands in.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Body => "body",
            Self::Signature => "signature",
            Self::Time => "time",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Downgrade => "downgrade",
            Self::Large => "large",
            Self::Again => "again ×4",
            Self::Burst => "burst",
            Self::SlowBot => "slow bot",
            Self::Full => "full",
            Self::Odd => "odd",
            Self::Throttled => "429",
            Self::Broken => "5xx",
            Self::Refused => "refused",
            Self::CutOff => "cut off",
            Self::Garbled => "garbled",
            Self::Gone => "gone",
            Self::Expired => "expired ×50",
        }
    }
}

/// Lines of one table, by channel.
type Lines = BTreeMap<String, String>;

/// Compares the channel's line with the pages in `folder`; with `UPDATE_DOCS=1` writes it instead.
///
/// # Errors
/// Everything the suite found wrong, or that the line is another.
pub fn documented(folder: &Path, channel: &str, report: &Report) -> Result<(), Vec<String>> {
    // Two suites of one test may write at once.
    static WRITING: Mutex<()> = Mutex::new(());
    if !report.wrong.is_empty() {
        return Err(report.wrong.clone());
    }
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let shown = match folder.join(format!("{channel}.md")).exists() {
        true => format!("[{channel}]({channel}.md)"),
        false => channel.to_owned(),
    };
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    for words in [&EN, &ZH] {
        let path = folder.join(words.file);
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        let mut tables = words.tables(&page);
        for (way, lines) in WAYS.iter().zip(&mut tables) {
            if way.iter().any(|check| report.tried.contains(check)) {
                lines.insert(channel.to_owned(), line(&shown, way, report));
            }
        }
        let due = words.page(&tables);
        if due == page {
            continue;
        }
        if !update {
            let text = format!(
                "{} does not say what the suite did; UPDATE_DOCS=1 writes it anew.",
                path.display()
            );
            return Err(vec![text]);
        }
        std::fs::write(&path, due)
            .map_err(|error| vec![format!("{} cannot be written: {error}", path.display())])?;
    }
    Ok(())
}

fn line(shown: &str, way: &[Check], report: &Report) -> String {
    let cells = way.iter().map(|check| match report.tried.contains(check) {
        true => "✓",
        false => "–",
    });
    let cells: Vec<&str> = cells.collect();
    format!("| {shown} | {} |", cells.join(" | "))
}

impl Words {
    /// The lines that stand in a page.
    fn tables(&self, page: &str) -> [Lines; 2] {
        let mut tables = [Lines::new(), Lines::new()];
        let mut at = None;
        for line in page.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                at = self.titles.iter().position(|known| *known == title);
            }
            let cell = line
                .strip_prefix("| ")
                .and_then(|rest| rest.split_once(' '));
            let (Some(at), Some((cell, _))) = (at, cell) else {
                continue;
            };
            if cell != self.channel {
                let name = cell.trim_start_matches('[');
                let name = name.split(']').next().unwrap_or(name);
                let line = line.replacen(".zh.md)", ".md)", 1);
                tables[at].insert(name.to_owned(), line);
            }
        }
        tables
    }

    fn page(&self, tables: &[Lines; 2]) -> String {
        let mut page = self.head.to_owned();
        for ((title, way), lines) in self.titles.iter().zip(WAYS).zip(tables) {
            let names: Vec<&str> = way.iter().map(|check| check.name()).collect();
            page += &format!(
                "\n## {title}\n\n| {} | {} |\n|{}\n",
                self.channel,
                names.join(" | "),
                "---|".repeat(names.len() + 1)
            );
            let chinese = self.file.ends_with(".zh.md");
            for line in lines.values() {
                page += &match chinese {
                    true => line.replacen(".md)", ".zh.md)", 1),
                    false => line.clone(),
                };
                page.push('\n');
            }
        }
        page + "\n" + self.foot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_was_written() {
        let report = Report {
            tried: [Check::Good, Check::Throttled].into(),
            wrong: Vec::new(),
        };
        for words in [EN, ZH] {
            let mut tables = words.tables("");
            for (way, lines) in WAYS.iter().zip(&mut tables) {
                for (name, shown) in [("b", "b"), ("a", "[a](a.md)")] {
                    lines.insert(name.to_owned(), line(shown, way, &report));
                }
            }
            let page = words.page(&tables);
            assert_eq!(words.tables(&page), tables);
            assert_eq!(words.page(&words.tables(&page)), page);
            let marked = page.lines().filter(|line| line.contains("| ✓ |")).count();
            assert_eq!(marked, 4, "{page}");
        }
    }

    #[test]
    fn what_went_wrong_is_no_line() {
        let report = Report {
            tried: [Check::Good].into(),
            wrong: vec!["It did.".to_owned()],
        };
        let nowhere = Path::new("/nonexistent");
        assert_eq!(
            documented(nowhere, "a", &report),
            Err(vec!["It did.".to_owned()])
        );
        let good = Report {
            wrong: Vec::new(),
            ..report
        };
        assert!(documented(nowhere, "a", &good).unwrap_err()[0].contains("UPDATE_DOCS=1"));
    }
}
