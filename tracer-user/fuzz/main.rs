//! The fuzzed decoders, one target each. `cargo xtask fuzz` builds this with coverage and runs it on its corpus.
//!
//! A decoder may refuse what it gets; it may not panic, overflow, loop or take memory without bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

mod targets;

fuzz_target!(|bytes: &[u8]| target()(bytes));

/// The target that the environment names.
fn target() -> targets::Target {
    static TARGET: OnceLock<targets::Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
        let found = targets::TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no fuzz target is called `{name}`")).1
    })
}
