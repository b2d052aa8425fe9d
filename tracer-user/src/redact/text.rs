//! Addresses in free text: found by how they are written, wherever they stand.
//!
//! What only looks like an address is replaced too: a version of four numbers is no loss, an address that stays is one.

use super::address;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The text with every address replaced; `None`: there is none.
pub(super) fn replace(text: &str, key: &RandomState) -> Option<String> {
    let mut replaced: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(start) = next_start(text, at) {
        let Some((end, instead)) = token(text, start, key) else {
            at = start + 1;
            continue;
        };
        let out = replaced.get_or_insert_default();
        out.push_str(text.get(copied..start).unwrap_or_default());
        out.push_str(&instead);
        (copied, at) = (end, end);
    }
    replaced.map(|out| out + text.get(copied..).unwrap_or_default())
}

/// Where the next address may begin.
fn next_start(text: &str, at: usize) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    let found = rest.iter().position(|byte| byte.is_ascii_hexdigit() || *byte == b':')?;
    Some(at + found)
}

/// The address that begins here: where it ends, with a prefix length or the end of its range, and what is to stand there.
fn token(text: &str, start: usize, key: &RandomState) -> Option<(usize, String)> {
    let before = start
        .checked_sub(1)
        .and_then(|before| text.as_bytes().get(before).copied());
    let rest = text.get(start..)?;
    let (length, instead) = hardware(rest, before, key)
        .or_else(|| network(rest, before, key))
        .or_else(|| dashed(rest, before, key))?;
    Some((start + length, instead))
}

/// A MAC address.
fn hardware(rest: &str, before: Option<u8>, key: &RandomState) -> Option<(usize, String)> {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    let text = rest.get(..HARDWARE)?;
    let goes_on = rest.as_bytes().get(HARDWARE).copied();
    if before.into_iter().chain(goes_on).any(is_part) {
        return None;
    }
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    if octets == [0; 6] || octets == [0xff; 6] {
        return Some((HARDWARE, text.to_owned()));
    }
    let chance = key.hash_one(octets).to_be_bytes();
    let chosen = chance.iter().take(5).map(|octet| format!(":{octet:02x}"));
    // Locally administered, for one host.
    Some((HARDWARE, format!("02{}", chosen.collect::<String>())))
}

/// An IP address, with what belongs to it: `/24`, `/255.255.255.0`, `-10.0.0.9`.
fn network(rest: &str, before: Option<u8>, key: &RandomState) -> Option<(usize, String)> {
    let (length, first) = plain(rest, before)?;
    let after = rest.get(length..)?;
    if let Some((mask, host_bits)) = after.strip_prefix('/').and_then(|mask| host_bits(mask, first)) {
        let end = length + 1 + mask;
        let written = rest.get(length..end)?;
        return Some((end, format!("{}{written}", address::network(first, host_bits, key))));
    }
    let last = after.strip_prefix('-').and_then(|last| plain(last, None));
    if let Some((last_length, last)) = last.filter(|(_, last)| last.is_ipv4() == first.is_ipv4()) {
        let (first, last) = address::range(first, last, key);
        return Some((length + 1 + last_length, format!("{first}-{last}")));
    }
    Some((length, address::pseudonym(first, key).to_string()))
}

/// The longest address that begins here, and its length.
fn plain(rest: &str, before: Option<u8>) -> Option<(usize, IpAddr)> {
    six(rest, before).or_else(|| {
        let (length, address) = quad(rest, before, b'.')?;
        Some((length, IpAddr::V4(address)))
    })
}

fn six(rest: &str, before: Option<u8>) -> Option<(usize, IpAddr)> {
    // `path::of::words` has no address between the colons and their word.
    if rest.starts_with(':') && before.is_some_and(|before| before.is_ascii_alphanumeric()) {
        return None;
    }
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let longest = rest.bytes().take(LONGEST).take_while(is_part).count();
    let colons = |text: &str| text.bytes().filter(|byte| *byte == b':').count();
    (2..=longest).rev().find_map(|length| {
        let text = rest.get(..length).filter(|text| colons(text) > 1)?;
        let address = text.parse::<Ipv6Addr>().ok()?;
        // As much of `crate::face` is no address.
        let mut around = before.into_iter().chain(rest.as_bytes().get(length).copied());
        let is_glued = around.any(|byte| byte.is_ascii_alphanumeric());
        let is_word = is_glued && !text.bytes().any(|byte| byte.is_ascii_digit());
        (!is_word).then_some((length, IpAddr::V6(address)))
    })
}

/// Four numbers, zeros before them allowed.
fn quad(rest: &str, before: Option<u8>, separator: u8) -> Option<(usize, Ipv4Addr)> {
    if before.is_some_and(|before| before.is_ascii_digit()) {
        return None;
    }
    let mut octets = [0; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            (rest.as_bytes().get(at) == Some(&separator)).then_some(())?;
            at += 1;
        }
        let digits = rest.bytes().skip(at).take_while(u8::is_ascii_digit).count();
        let number = rest.get(at..at + digits).filter(|_| digits <= OCTET_DIGITS)?;
        *octet = number.parse().ok()?;
        at += digits;
    }
    Some((at, Ipv4Addr::from(octets)))
}

/// `10-0-0-1`, as names of nodes and pods have it.
fn dashed(rest: &str, before: Option<u8>, key: &RandomState) -> Option<(usize, String)> {
    let (length, found) = quad(rest, before, b'-')?;
    let hidden = address::pseudonym(IpAddr::V4(found), key).to_string();
    Some((length, hidden.replace('.', "-")))
}

/// The length of a mask, and the bits that it does not look at.
fn host_bits(mask: &str, of: IpAddr) -> Option<(usize, u128)> {
    let all = if of.is_ipv4() { u128::from(u32::MAX) } else { u128::MAX };
    if let Some((length, mask)) = plain(mask, None) {
        let unmasked = !address::bits(mask) & all;
        let is_mask = unmasked & unmasked.wrapping_add(1) == 0 && unmasked != all;
        return (is_mask && mask.is_ipv4() == of.is_ipv4()).then_some((length, unmasked));
    }
    let digits = mask.bytes().take_while(u8::is_ascii_digit).count();
    if mask.as_bytes().get(digits).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let length: u32 = mask.get(..digits)?.parse().ok()?;
    let width = if of.is_ipv4() { 32 } else { 128 };
    (length <= width).then(|| (digits, all.checked_shr(length).unwrap_or(0)))
}

/// Bytes of a MAC address.
const HARDWARE: usize = 17;
/// Bytes of the longest IPv6 address, with IPv4's spelling at its end.
const LONGEST: usize = 45;
const OCTET_DIGITS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hidden(address: &str, key: &RandomState) -> String {
        address::pseudonym(address.parse().unwrap(), key).to_string()
    }

    /// `text` with `{}` for each address, and the addresses.
    fn check(text: &str, addresses: &[&str]) {
        let key = RandomState::new();
        let fill = |with: &dyn Fn(&str) -> String| {
            let mut parts = text.split("{}");
            let first = parts.next().unwrap().to_owned();
            parts
                .zip(addresses)
                .fold(first, |text, (part, address)| text + &with(address) + part)
        };
        let original = fill(&|address| address.to_owned());
        let expected = fill(&|address| hidden(address, &key));
        assert_eq!(replace(&original, &key).as_deref(), Some(&*expected), "{original}");
    }

    #[test]
    fn addresses_are_found_however_they_are_joined_to_words() {
        check(
            "-A X -s {}/32 ! -d {}/32 -j DNAT --to-destination {}:80",
            &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        );
        check("ip6 saddr {} dnat to [{}]:80", &["fd77::1", "2001:db8::9"]);
        check(
            "pod={},ns{}; x{}x {}.",
            &["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd77::2"],
        );
        check("{ {}, {} . 80 }", &["10.0.0.1", "10.0.0.2"]);
        check("{}: no route; dial tcp {}:443", &["fd77::2", "10.0.0.1"]);
        check("{}%eth0", &["fe80::1"]);
        check("é{}é", &["10.0.0.1"]);
    }

    #[test]
    fn dashes_and_hardware_addresses_are_found() {
        let key = RandomState::new();
        let node = replace("ip-10-0-1-23.ec2.internal", &key).unwrap();
        let expected = hidden("10.0.1.23", &key).replace('.', "-");
        assert_eq!(node, format!("ip-{expected}.ec2.internal"));
        let mac = replace("--mac-source 02:42:ac:11:00:02 -j X", &key).unwrap();
        assert!(!mac.contains("ac:11:00:02") && mac.ends_with(" -j X"), "{mac}");
        assert_eq!(replace(&mac, &key).map(|text| text.len()), Some(mac.len()));
    }

    #[test]
    fn masks_stay_and_networks_stay_networks() {
        let key = RandomState::new();
        for (text, end) in [
            ("10.77.0.0/16", ".0.0/16"),
            ("10.77.0.0/255.255.0.0", ".0.0/255.255.0.0"),
            ("fd77:5::/64", "::/64"),
        ] {
            let replaced = replace(text, &key).unwrap();
            assert!(replaced.ends_with(end), "{replaced}");
        }
        for text in ["0.0.0.0/0", "::/0", "127.0.0.1/32", "10.0.0.0/8", "[::1]:80"] {
            assert_eq!(replace(text, &key).as_deref().unwrap_or(text), text);
        }
        let range = replace("10.0.0.5-10.0.0.9:80-90", &key).unwrap();
        assert!(range.ends_with(":80-90"), "{range}");
    }

    #[test]
    fn other_texts_stay() {
        let key = RandomState::new();
        for text in [
            "tcp dport 80-90 counter packets 5 bytes 300",
            "crate::kernel::load",
            "12:34:56",
            "6fa459ea-ee8a-4ca4-894e-db77e160355e",
            "6.18.44-1-2",
            "net/ipv4/conf/eth0/rp_filter",
            "--mark 0x1/0xffff",
            "std::fd",
            "",
        ] {
            assert_eq!(replace(text, &key), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_around_them_no_address_stays(
            before in "[a-z0-9:./ -]{0,6}", v4 in 0x0b00_0000_u32..0x6000_0000, v6 in 0x2000_u128 << 112..0x3000_u128 << 112,
            between in "[ ,/=\\[]", after in "[a-z:./ -]{0,6}",
        ) {
            let key = RandomState::new();
            let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(v6));
            let text = format!("{before} {v4}{between}{v6}{after}");
            let replaced = replace(&text, &key).unwrap();
            prop_assert!(!replaced.contains(&v6.to_string()), "{text}: {replaced}");
            let words = replaced.split(|char: char| !char.is_ascii_digit() && char != '.');
            prop_assert!(!words.into_iter().any(|word| word == v4.to_string()), "{text}: {replaced}");
        }

        #[test]
        fn any_text_is_taken(text in ".{0,60}|[0-9a-f:./-]{0,80}") {
            replace(&text, &RandomState::new());
        }
    }
}
