//! Values of the configuration; each error names the value and what would be right.

use crate::filter::Prefix;
use crate::model::identity::Comm;
use crate::redact::Matter;
use serde::de::{Deserialize, Deserializer, Error};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes, written as `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let size = parse_size::parse_size(&text);
        size.map(Self)
            .map_err(|error| D::Error::custom(format!("`{text}` is no size ({error}); write it like 64MiB")))
    }
}

/// Where the agent is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    On(SocketAddr),
}

impl Default for Listen {
    fn default() -> Self {
        Self::On(SocketAddr::from(([127, 0, 0, 1], PORT)))
    }
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address = text.parse();
        address.map(Self::On).map_err(|_| {
            format!("`{text}` is no address with a port; write it like 127.0.0.1:{PORT} or [::1]:{PORT}, or off")
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(address) => address.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// How the container runtime is asked for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CriChoice {
    #[default]
    Auto,
    Off,
    Socket(PathBuf),
}

impl<'de> Deserialize<'de> for CriChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            path if path.starts_with('/') => Ok(Self::Socket(path.into())),
            other => Err(D::Error::custom(format!(
                "`{other}` is no socket; give its whole path, auto, or off"
            ))),
        }
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    match humantime::parse_duration(&text) {
        Ok(duration) if duration > Duration::ZERO => Ok(duration),
        Ok(_) => Err(D::Error::custom("it must be longer than 0")),
        Err(error) => Err(D::Error::custom(format!(
            "`{text}` is no duration ({error}); write it like 500ms, 3s or 2m"
        ))),
    }
}

pub(super) fn prefixes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Prefix>, D::Error> {
    each(deserializer, |text| {
        text.parse::<Prefix>().map_err(|error| error.to_string())
    })
}

pub(super) fn comms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Comm>, D::Error> {
    each(deserializer, |text| {
        let fits = (1..=15).contains(&text.len());
        let wrong = || format!("`{text}` is no name of a thread: the kernel keeps 1 to 15 bytes");
        fits.then(|| Comm::new(text.as_bytes())).ok_or_else(wrong)
    })
}

pub(super) fn matters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Matter>, D::Error> {
    each(deserializer, |text| {
        let known = || {
            Matter::ALL
                .iter()
                .map(|matter| matter.name())
                .collect::<Vec<_>>()
                .join(", ")
        };
        Matter::from_name(text).ok_or_else(|| format!("`{text}` cannot be left out; choose of {}", known()))
    })
}

pub(super) fn otlp_timeout() -> Duration {
    Duration::from_secs(10)
}

pub(super) fn yes() -> bool {
    true
}

fn each<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed = texts.iter().map(|text| parse(text));
    parsed.collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// Of metrics, health and the page.
const PORT: u16 = 9469;
