//! Names of devices in rules.

/// In quotes, with nft's `*` for any ending.
pub(super) fn nft(name: &[u8], prefix: bool) -> String {
    let name = String::from_utf8_lossy(name);
    if prefix {
        format!("\"{name}*\"")
    } else if let Some(rest) = name.strip_suffix('*') {
        format!("\"{rest}\\*\"")
    } else {
        format!("\"{name}\"")
    }
}
