//! See docs/causes.md.

use super::Words;

pub(super) const WORDS: Words = Words {
    summary: |_| String::new(),
    why: |_| Vec::new(),
    fixes: |_| Vec::new(),
    checks: |_| Vec::new(),
};
