//! Parsers of argument values; each error names the value and what would be right.

use crate::filter::Prefix;
use crate::kernel::plan::Ladder;
use crate::model::identity::Comm;
use crate::redact::Matter;
use std::net::IpAddr;
use std::time::Duration;

/// The option that every command has which attaches hooks.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct LadderArgument {
    /// The best way to attach a hook that may be used: best (trampolines), kprobe, or tracepoint
    #[arg(long, value_name = "WAY", default_value = "best", value_parser = ladder, hide_short_help = true)]
    pub(super) hooks: Ladder,
}

fn ladder(text: &str) -> Result<Ladder, String> {
    let known = Ladder::ALL.into_iter().find(|ladder| ladder.name() == text);
    known.ok_or_else(|| format!("choose one of {}", Ladder::ALL.map(Ladder::name).join(", ")))
}

/// The option of commands whose output may be handed on.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RedactArgument {
    /// Leave out of all output what should stay here: addresses (pseudonyms instead), comments (of rules)
    #[arg(long = "redact", value_name = "WHAT", value_delimiter = ',', value_parser = matter)]
    pub(super) matters: Vec<Matter>,
}

fn matter(text: &str) -> Result<Matter, String> {
    let names = || Matter::ALL.iter().map(|matter| matter.name()).collect::<Vec<_>>();
    Matter::from_name(text).ok_or_else(|| format!("choose of {}", names().join(",")))
}

/// `500ms`, `3s`, `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        Ok(_) => Err("it must be longer than 0".into()),
        Err(error) => Err(format!("{error}; write it like 500ms, 3s or 2m")),
    }
}

/// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
pub(super) fn prefix(text: &str) -> Result<Prefix, String> {
    let (address, length) = text
        .split_once('/')
        .map_or((text, None), |(address, length)| (address, Some(length)));
    let wrong = || format!("`{text}` is no address prefix; write it like 10.0.0.0/8 or 2001:db8::/32");
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(longest), |length| length.parse().map_err(|_| wrong()))?;
    Prefix::new(address, length).ok_or_else(wrong)
}

/// The name of a thread: the kernel keeps 15 bytes.
pub(super) fn comm(text: &str) -> Result<Comm, String> {
    if text.is_empty() || text.len() > 15 {
        return Err("the kernel keeps 1 to 15 bytes of a name; see the first column of `ps -e -o comm`".into());
    }
    Ok(Comm::new(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them_and_errors_show_how() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("0s").is_err());
        assert!(duration("soon").is_err_and(|error| error.contains("500ms, 3s or 2m")));
    }

    #[test]
    fn what_can_be_redacted_is_said_where_something_else_is_asked_for() {
        assert_eq!(matter("addresses"), Ok(Matter::Addresses));
        assert_eq!(matter("names"), Err("choose of addresses,comments".into()));
    }

    #[test]
    fn prefixes_are_checked_against_their_family() {
        assert!(prefix("10.0.0.0/8").is_ok());
        assert_eq!(prefix("10.0.0.1"), prefix("10.0.0.1/32"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/", "/8"] {
            assert!(prefix(wrong).is_err_and(|error| error.contains(wrong)), "{wrong}");
        }
    }

    #[test]
    fn a_name_longer_than_the_kernel_keeps_could_never_match() {
        assert!(comm("fifteen-letters").is_ok());
        assert!(comm("sixteen-letters!").is_err());
        assert!(comm("").is_err());
    }
}
