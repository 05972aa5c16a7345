//! Reading a library before anything of it runs.
//!
//! Loading runs a library's constructors and maps its segments: a wrong machine, a file that is cut
//! off or a table of another version are found in the bytes instead.

use object::{
    Architecture, BinaryFormat, File, Object, ObjectKind, ObjectSegment, ObjectSymbol, SymbolKind,
};
use tandem_plugin_abi::{SYMBOL, table::Header};

use crate::Refusal;

/// Looks at the bytes of a library.
///
/// # Errors
/// When it is no ELF library for this machine, is cut off, or has no table a host of this version
/// may use.
pub fn inspect(bytes: &[u8]) -> Result<Header, Refusal> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(not_a_library("it does not begin as an ELF file does"));
    }
    // Before all else, since what is cut off cannot be read further.
    within(bytes)?;
    let file = File::parse(bytes).map_err(|why| not_a_library(&why.to_string()))?;
    if file.format() != BinaryFormat::Elf {
        return Err(not_a_library("it is not an ELF file"));
    }
    let machine = (file.architecture(), file.is_64(), file.is_little_endian());
    if machine != here() {
        return Err(Refusal::Architecture {
            found: shown(machine),
            here: shown(here()),
        });
    }
    if file.kind() != ObjectKind::Dynamic {
        return Err(not_a_library(match file.kind() {
            ObjectKind::Relocatable => "it is an object file: link it with -shared",
            ObjectKind::Executable => "it is a program",
            ObjectKind::Core => "it is a core dump",
            _ => "it is an ELF file of another kind",
        }));
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
        return Err(not_a_table("it is not data"));
    }
    if symbol.size() < Header::SIZE as u64 {
        return Err(not_a_table(&format!("it has {} bytes", symbol.size())));
    }
    let header = file.segments().find_map(|segment| {
        segment
            .data_range(symbol.address(), Header::SIZE as u64)
            .ok()
            .flatten()
    });
    let header: &[u8; Header::SIZE] = header
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| not_a_table("its bytes are not in the file: it has to be initialised"))?;
    let header = Header::parse(header);
    header.check()?;
    if u64::from(header.size) > symbol.size() {
        return Err(not_a_table(&format!(
            "it says {} bytes and has {}",
            header.size,
            symbol.size()
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

fn not_a_library(why: &str) -> Refusal {
    Refusal::NotALibrary {
        why: why.to_owned(),
    }
}

fn not_a_table(why: &str) -> Refusal {
    Refusal::NotATable {
        why: why.to_owned(),
    }
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
