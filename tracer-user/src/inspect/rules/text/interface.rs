//! Names of devices in rules.

use crate::inspect::rules::bytes::text;

/// In quotes, with nft's `*` for any ending.
pub(super) fn nft(name: &[u8], prefix: bool) -> String {
    let name = text(name);
    if prefix {
        format!("\"{name}*\"")
    } else if let Some(rest) = name.strip_suffix('*') {
        format!("\"{rest}\\*\"")
    } else {
        format!("\"{name}\"")
    }
}
