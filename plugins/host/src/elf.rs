//! Reading a library before anything of it runs.
//!
//! Loading runs a library's constructors and maps its segments: a wrong machine, a file that is cut
//! off or a table of another version are found in the bytes instead.

use object::{
    Architecture, BinaryFormat, File, Object, ObjectKind, ObjectSegment, ObjectSymbol, SymbolKind,
};
use tandem_plugin_abi::{SYMBOL, table::Header};

use crate::{Refusal, Said};

/// Looks at the bytes of a library.
///
/// # Errors
/// When it is no ELF library for this machine, is cut off, or has no table a host of this version
/// may use.
pub fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(not_a_library(Said::new(
            "it does not begin as an ELF file does",
            "它的开头不是 ELF 文件",
        )));
    }
    // Before all else, since what is cut off cannot be read further.
    within(bytes)?;
    let file = File::parse(bytes).map_err(|why| {
        not_a_library(Said::new(
            format!("its ELF tables are wrong: {why}"),
            format!("它的 ELF 表有误：{why}"),
        ))
    })?;
    if file.format() != BinaryFormat::Elf {
        return Err(not_a_library(Said::new(
            "it is not an ELF file",
            "它不是 ELF 文件",
        )));
    }
    let machine = (file.architecture(), file.is_64(), file.is_little_endian());
    if machine != here() {
        return Err(Refusal::Architecture {
            found: shown(machine),
            here: shown(here()),
        });
    }
    if file.kind() != ObjectKind::Dynamic {
        let (en, zh) = match file.kind() {
            ObjectKind::Relocatable => (
                "it is an object file: link it with -shared",
                "它是目标文件：请用 -shared 链接",
            ),
            ObjectKind::Executable => ("it is a program", "它是可执行程序"),
            ObjectKind::Core => ("it is a core dump", "它是核心转储"),
            _ => (
                "it is an ELF file of another kind",
                "它是其他类型的 ELF 文件",
            ),
        };
        return Err(not_a_library(Said::new(en, zh)));
    }
    for segment in file.segments() {
        let (offset, size) = segment.file_range();
        fits(offset.checked_add(size), bytes)?;
    }
    table(&file)
}

/// The table's header, as the file has it.
fn table(file: &File<'_>) -> Result<Header, Refusal> {
    let symbol = file
        .dynamic_symbols()
        .find(|symbol| symbol.is_definition() && symbol.name() == Ok(SYMBOL))
        .ok_or(Refusal::MissingSymbol)?;
    if symbol.kind() != SymbolKind::Data {
        return Err(not_a_table(Said::new("it is not data", "它不是数据")));
    }
    if symbol.size() < Header::SIZE as u64 {
        return Err(not_a_table(Said::new(
            format!("it has {} bytes", symbol.size()),
            format!("它有 {} 字节", symbol.size()),
        )));
    }
    let header = file.segments().find_map(|segment| {
        segment
            .data_range(symbol.address(), Header::SIZE as u64)
            .ok()
            .flatten()
    });
    let header: &[u8; Header::SIZE] =
        header
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| {
                not_a_table(Said::new(
                    "its bytes are not in the file: it has to be initialised",
                    "它的字节不在文件中：须有初始值",
                ))
            })?;
    let header = Header::parse(header);
    header.check()?;
    if u64::from(header.size) > symbol.size() {
        let (says, has) = (header.size, symbol.size());
        return Err(not_a_table(Said::new(
            format!("it says {says} bytes and has {has}"),
            format!("它声明为 {says} 字节，实有 {has} 字节"),
        )));
    }
    Ok(header)
}

/// Whether the tables that the ELF header names are in the file.
fn within(bytes: &[u8]) -> Result<(), Refusal> {
    // Only the layout of this machine's class is read: others are told by their class later.
    let here = [
        if cfg!(target_pointer_width = "64") {
            2
        } else {
            1
        },
        if cfg!(target_endian = "little") { 1 } else { 2 },
    ];
    if bytes.len() < 64 {
        return fits(Some(64), bytes);
    }
    if bytes[4..6] != here || cfg!(not(target_pointer_width = "64")) {
        return Ok(());
    }
    let word = |at: usize| u64::from_ne_bytes(eight(bytes, at));
    let half = |at: usize| u64::from(u16::from_ne_bytes([bytes[at], bytes[at + 1]]));
    for (offset, size, count) in [
        (word(32), half(54), half(56)),
        (word(40), half(58), half(60)),
    ] {
        fits(offset.checked_add(size * count), bytes)?;
    }
    Ok(())
}

fn eight(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    word
}

fn fits(end: Option<u64>, bytes: &[u8]) -> Result<(), Refusal> {
    let needs = end.unwrap_or(u64::MAX);
    let has = bytes.len() as u64;
    if needs > has {
        return Err(Refusal::Truncated { needs, has });
    }
    Ok(())
}

fn not_a_library(why: Said) -> Refusal {
    Refusal::NotALibrary { why }
}

fn not_a_table(why: Said) -> Refusal {
    Refusal::NotATable { why }
}

type Machine = (Architecture, bool, bool);

fn here() -> Machine {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "x86" => Architecture::I386,
        "aarch64" => Architecture::Aarch64,
        "arm" => Architecture::Arm,
        "riscv64" => Architecture::Riscv64,
        "powerpc64" => Architecture::PowerPc64,
        "s390x" => Architecture::S390x,
        "loongarch64" => Architecture::LoongArch64,
        _ => Architecture::Unknown,
    };
    (
        architecture,
        cfg!(target_pointer_width = "64"),
        cfg!(target_endian = "little"),
    )
}

fn shown((architecture, is_64, little): Machine) -> String {
    let bits = if is_64 { 64 } else { 32 };
    let order = if little { "" } else { ", big-endian" };
    format!("{architecture:?} ({bits} bits{order})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_is_said_to_be_none() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"MZ", b"\x7fEL"] {
            assert!(matches!(inspect(bytes), Err(Refusal::NotALibrary { .. })));
        }
        assert_eq!(
            inspect(b"\x7fELF"),
            Err(Refusal::Truncated { needs: 64, has: 4 })
        );
    }

    #[test]
    fn a_header_of_noise_is_refused_whatever_it_says() {
        let mut seed = 7u64;
        for _ in 0..2000 {
            let mut bytes: Vec<u8> = (0..512)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 56) as u8
                })
                .collect();
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            assert!(inspect(&bytes).is_err());
        }
    }

    #[test]
    fn a_program_is_not_a_plugin() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(matches!(
            inspect(&me),
            Err(Refusal::MissingSymbol | Refusal::NotALibrary { .. })
        ));
    }
}
