//! Whether a program is static, from its headers alone: it names no loader and no library.

use anyhow::{Context as _, bail};
use object::{
    Endianness,
    elf::{DT_NEEDED, FileHeader64, PT_INTERP},
    read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _},
};

/// Fails, with the reason, if the program needs anything of the machine it runs on, or is for another one.
pub(super) fn require_static(program: &[u8], machine: u16) -> anyhow::Result<()> {
    let header = FileHeader64::<Endianness>::parse(program).context("it is no program for 64 bits")?;
    let order = header.endian()?;
    let found = header.e_machine(order);
    if found != machine {
        bail!("it is a program for machine {found} of ELF's list, not {machine}");
    }
    for part in header.program_headers(order, program)? {
        if part.p_type(order) == PT_INTERP {
            bail!("it names a loader, so it is not static");
        }
        let entries = part.dynamic(order, program)?.unwrap_or_default();
        if entries.iter().any(|entry| entry.tag(order) == DT_NEEDED) {
            bail!("it needs a library, so it is not static");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use object::elf::{EM_AARCH64, EM_X86_64};

    use super::*;

    #[test]
    fn this_test_is_no_static_program_nor_one_for_another_machine_and_a_text_is_none_at_all() {
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        let (native, other) = if cfg!(target_arch = "x86_64") {
            (EM_X86_64, EM_AARCH64)
        } else {
            (EM_AARCH64, EM_X86_64)
        };
        let reason = |program: &[u8], machine| require_static(program, machine).unwrap_err().to_string();
        assert!(reason(&own, native).contains("loader"));
        assert!(reason(&own, other).contains("machine"));
        assert!(reason(b"#!/bin/sh", native).contains("no program"));
    }
}
