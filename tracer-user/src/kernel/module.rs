//! Which modules are loaded.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// The identity of a loaded module, or of one that is built in and has parameters: another one each time it is loaded.
/// `None` where it is not there (or on its way in or out).
pub(super) fn identity(name: &str) -> Option<u64> {
    let folder = format!("/sys/module/{name}");
    let identity = fs::metadata(&folder).ok()?.ino();
    // What is built in has no state.
    let state = fs::read_to_string(format!("{folder}/initstate"));
    state.map_or(true, |state| state.trim() == "live").then_some(identity)
}

/// Whether a function of a module can come or go: it is no part of the kernel itself.
pub(super) fn is_loadable(name: &str) -> bool {
    fs::exists(format!("/sys/module/{name}/initstate")).unwrap_or(false)
}
