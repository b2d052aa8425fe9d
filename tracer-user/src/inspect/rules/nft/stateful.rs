//! Expressions that count, limit or log, in nft's words.
//!
//! Whether a limit lets a packet pass is chance to whoever looks on.

use super::block::Block;
use crate::model::rules::{Action, Item, Match};
use std::fmt::Write;

/// `None`: another expression.
pub(super) fn item(name: &[u8], data: Block<'_>) -> Option<Item> {
    Some(match name {
        b"limit" => chance(limit(data)?),
        b"quota" => chance(quota(data)?),
        b"connlimit" => {
            let over = if data.u32(FLAGS_OF_CONNLIMIT)? & INVERTED == 0 {
                ""
            } else {
                "over "
            };
            chance(format!("ct count {over}{}", data.u32(1)?))
        }
        b"log" => harmless(log(data)),
        b"last" => harmless("last".to_owned()),
        b"counter" => harmless("counter".to_owned()),
        _ => return None,
    })
}

pub(super) fn chance(text: String) -> Item {
    Item::Match(Match::Chance(text.into()))
}

pub(super) fn harmless(text: String) -> Item {
    Item::Action(Action::Harmless(text.into()))
}

/// What a rule puts into a set, with what is kept for it; `None`: there is more to it than is understood.
pub(super) fn element(key: String, data: Block<'_>) -> Option<String> {
    if data.has(DYNSET_DATA) || data.u32(DYNSET_FLAGS).unwrap_or(0) & INVERTED != 0 {
        return None;
    }
    let mut text = key;
    if let Some(timeout) = data.u64(DYNSET_TIMEOUT).filter(|&timeout| timeout > 0) {
        let _ = write!(text, " timeout {}", duration(timeout)?);
    }
    let one = data.inside(DYNSET_EXPRESSION);
    let several = data.inside(DYNSET_EXPRESSIONS);
    let listed = several
        .into_iter()
        .flat_map(|list| list.all().map(|one| Block(one.value)));
    for expression in one.into_iter().chain(listed) {
        let kept = item(expression.name(1)?, expression.inside(2)?)?;
        let (Item::Match(Match::Chance(kept)) | Item::Action(Action::Harmless(kept))) = kept else {
            return None;
        };
        let _ = write!(text, " {kept}");
    }
    Some(text)
}

/// `1m30s`; `None`: not in whole seconds.
fn duration(milliseconds: u64) -> Option<String> {
    if !milliseconds.is_multiple_of(1000) {
        return None;
    }
    let seconds = milliseconds / 1000;
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let mut text = String::new();
    for (count, unit) in parts.into_iter().filter(|&(count, _)| count > 0) {
        let _ = write!(text, "{count}{unit}");
    }
    Some(text)
}

fn limit(data: Block<'_>) -> Option<String> {
    let (rate, unit) = (data.u64(1)?, data.u64(2)?);
    let burst = data.u32(3).unwrap_or(0);
    let over = if data.u32(5).unwrap_or(0) & INVERTED == 0 {
        ""
    } else {
        "over "
    };
    let unit = match unit {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => return None,
    };
    if data.u32(4).unwrap_or(0) == 0 {
        // What nft takes where nothing is said, it does not say.
        let burst = if burst == BURST {
            String::new()
        } else {
            format!(" burst {burst} packets")
        };
        return Some(format!("limit rate {over}{rate}/{unit}{burst}"));
    }
    let (rate, size) = scaled(rate);
    let mut text = format!("limit rate {over}{rate} {size}/{unit}");
    if burst > 0 {
        let (burst, size) = scaled(burst.into());
        let _ = write!(text, " burst {burst} {size}");
    }
    Some(text)
}

fn quota(data: Block<'_>) -> Option<String> {
    let over = if data.u32(2).unwrap_or(0) & INVERTED == 0 {
        ""
    } else {
        "over "
    };
    let (bytes, size) = scaled(data.u64(1)?);
    let mut text = format!("quota {over}{bytes} {size}");
    let (used, size) = scaled(data.u64(4).unwrap_or(0));
    if used > 0 {
        let _ = write!(text, " used {used} {size}");
    }
    Some(text)
}

fn log(data: Block<'_>) -> String {
    let mut text = "log".to_owned();
    if let Some(prefix) = data.text(2) {
        let _ = write!(text, " prefix \"{prefix}\"");
    }
    if let Some(group) = data.u16(1) {
        let _ = write!(text, " group {group}");
        if let Some(length) = data.u32(3).filter(|&length| length > 0) {
            let _ = write!(text, " snaplen {length}");
        }
        if let Some(threshold) = data.u16(4).filter(|&threshold| threshold > 0) {
            let _ = write!(text, " queue-threshold {threshold}");
        }
    } else if let Some(level) = data.u32(5).filter(|&level| level != WARNING) {
        let name = usize::try_from(level).ok().and_then(|level| LEVELS.get(level));
        let _ = write!(text, " level {}", name.unwrap_or(&"?"));
    }
    match data.u32(6).unwrap_or(0) & ALL_LOG_FLAGS {
        ALL_LOG_FLAGS => text.push_str(" flags all"),
        flags => {
            let tcp = match flags & 3 {
                1 => " flags tcp sequence",
                2 => " flags tcp options",
                3 => " flags tcp sequence,options",
                _ => "",
            };
            text.push_str(tcp);
            for (bit, name) in [(4, "ip options"), (8, "skuid"), (32, "ether")] {
                if flags & bit != 0 {
                    let _ = write!(text, " flags {name}");
                }
            }
        }
    }
    text
}

/// As nft writes bytes: in the greatest unit that divides them.
fn scaled(bytes: u64) -> (u64, &'static str) {
    const KIBI: u64 = 1024;
    if bytes == 0 || !bytes.is_multiple_of(KIBI) {
        (bytes, "bytes")
    } else if !bytes.is_multiple_of(KIBI * KIBI) {
        (bytes / KIBI, "kbytes")
    } else {
        (bytes / KIBI / KIBI, "mbytes")
    }
}

/// `NFT_LIMIT_F_INV`, `NFT_QUOTA_F_INV`, `NFT_CONNLIMIT_F_INV`, `NFT_DYNSET_F_INV`.
const INVERTED: u32 = 1;
const FLAGS_OF_CONNLIMIT: u16 = 2;
// enum nft_dynset_attributes
const DYNSET_DATA: u16 = 5;
const DYNSET_TIMEOUT: u16 = 6;
const DYNSET_EXPRESSION: u16 = 7;
const DYNSET_FLAGS: u16 = 9;
const DYNSET_EXPRESSIONS: u16 = 10;
const BURST: u32 = 5;
const WARNING: u32 = 4;
/// `NF_LOG_MASK` without the bit that is not in use.
const ALL_LOG_FLAGS: u32 = 0x2f;
const LEVELS: [&str; 9] = [
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::nla::Request;

    fn block(build: impl FnOnce(Request) -> Request) -> Vec<u8> {
        build(Request::new(0, 0, 0, &[])).finish().split_off(16)
    }

    #[test]
    fn a_limit_is_told_in_nfts_words() {
        let limit = block(|request| {
            request
                .with(1, &3_u64.to_be_bytes())
                .with(2, &60_u64.to_be_bytes())
                .with(3, &10_u32.to_be_bytes())
                .with(5, &1_u32.to_be_bytes())
        });
        assert_eq!(
            item(b"limit", Block(&limit)),
            Some(chance("limit rate over 3/minute burst 10 packets".into()))
        );
        assert_eq!(item(b"limit", Block(&limit[..20])), None);
    }

    #[test]
    fn an_element_is_told_with_what_is_kept_for_it() {
        let told = |data: &[u8]| element("ip saddr".to_owned(), Block(data));
        let timeout = block(|request| request.with(6, &90_000_u64.to_be_bytes()));
        assert_eq!(told(&timeout).unwrap(), "ip saddr timeout 1m30s");
        let counter = |list: Request| list.with_nested(1, |one| one.with(1, b"counter\0").with_nested(2, |data| data));
        let counter = block(|request| request.with_nested(10, counter));
        assert_eq!(told(&counter).unwrap(), "ip saddr counter");
        let of_a_map = block(|request| request.with(5, &1_u32.to_be_bytes()));
        assert_eq!(told(&of_a_map), None);
        assert_eq!(duration(86_400_000 + 60_000), Some("1d1m".to_owned()));
        assert_eq!(duration(1500), None);
    }

    #[test]
    fn bytes_are_told_in_the_greatest_unit() {
        assert_eq!(scaled(10 * 1024 * 1024), (10, "mbytes"));
        assert_eq!((scaled(1536), scaled(3 * 1024)), ((1536, "bytes"), (3, "kbytes")));
    }
}
