//! aya's loader without the parse of vmlinux BTF that comes with it.
//!
//! The object has no CO-RE relocations, so its loader needs none of the kernel's types. aya 0.14 reads them all the same,
//! whenever a loader is made, and goes on without where there are none (0.16 can be told what to read).

use super::btf::VMLINUX;
use aya::EbpfLoader;
use rustix::process::chroot;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::{io, path::Path, thread};

/// A new loader: made by a thread that does not see the kernel's BTF, if it may look away.
pub(super) fn loader() -> EbpfLoader<'static> {
    let blind = thread::Builder::new().spawn(|| {
        if let Err(error) = look_away() {
            tracing::debug!(%error, "aya reads the kernel's BTF once more");
        }
        EbpfLoader::new()
    });
    blind.ok().and_then(|thread| thread.join().ok()).unwrap_or_default()
}

/// Leaves the calling thread, and no other, with the folder of the BTF as its root: there is no /sys in it.
fn look_away() -> io::Result<()> {
    // SAFETY: only the table of open files must not be unshared under Rust's feet, and it is not.
    unsafe { unshare_unsafe(UnshareFlags::FS) }?;
    chroot(Path::new(VMLINUX).parent().unwrap_or(Path::new("/sys/kernel")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Without root nobody may, and the loader reads what it needs not.
    #[test]
    fn only_the_thread_that_makes_a_loader_looks_away() {
        let thread = thread::spawn(|| (look_away().is_ok(), fs::exists(VMLINUX).unwrap()));
        let (may, sees) = thread.join().unwrap();
        assert_ne!(may, sees);
        assert!(fs::exists(VMLINUX).unwrap());
        assert_eq!(format!("{:?}", loader()).contains("btf: None"), may);
    }
}
