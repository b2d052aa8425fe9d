//! Parsers of argument values; each error names the value and what would be right.

use crate::kernel::plan::Ladder;
use crate::model::identity::Comm;
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

/// `500ms`, `3s`, `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        Ok(_) => Err("it must be longer than 0".into()),
        Err(error) => Err(format!("{error}; write it like 500ms, 3s or 2m")),
    }
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
    fn a_name_longer_than_the_kernel_keeps_could_never_match() {
        assert!(comm("fifteen-letters").is_ok());
        assert!(comm("sixteen-letters!").is_err());
        assert!(comm("").is_err());
    }
}
