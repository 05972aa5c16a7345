//! The tables the crate carries, each a text file that people can read and mend.

pub const TRADITIONAL: &str = include_str!("../data/traditional.txt");
pub const STOP_EN: &str = include_str!("../data/stop.en.txt");
pub const STOP_ZH: &str = include_str!("../data/stop.zh.txt");
pub const EMOTION_EN: &str = include_str!("../data/emotion.en.txt");
pub const EMOTION_ZH: &str = include_str!("../data/emotion.zh.txt");
pub const EMOTION_FACES: &str = include_str!("../data/emotion.faces.txt");
pub const CLUSTER_EN: &str = include_str!("../data/cluster.en.txt");
pub const LANGUAGES: &str = include_str!("../data/languages.txt");

/// Word vectors: counts, names, scales and numbers; `words.py` beside it makes it.
pub const WORDS_EN: &[u8] = include_bytes!("../data/words.en.bin");

/// The lines of a table without comments and empty lines.
pub fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
}

/// Entries of a table whose lines are a number and then words, parted by spaces; `_` in a word
/// stands for a space. Lines that don't begin with a number are skipped.
pub fn weighted(table: &'static str) -> impl Iterator<Item = (f32, String)> {
    lines(table)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let weight: f32 = fields.next()?.parse().ok()?;
            Some(fields.map(move |word| (weight, word.replace('_', " "))))
        })
        .flatten()
}
