//! What is looked at because a theory needs it: in inquiries, answers and evidence.

use crate::model::aspect::{Aspect, Seen, Setting};
use crate::sink::jsont::Limits;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "aspect", rename_all = "kebab-case")]
pub enum AspectLine<'a> {
    Setting {
        /// Below `/proc/sys`.
        #[serde(borrow)]
        path: Cow<'a, str>,
    },
    /// `{}` in the path stands for the device's name.
    DeviceSetting {
        #[serde(borrow)]
        path: Cow<'a, str>,
        ifindex: u32,
    },
    ConntrackCount {},
    ConnectionsOpened {},
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "aspect", rename_all = "kebab-case")]
pub enum SeenLine<'a> {
    Setting(#[serde(borrow)] SettingLine<'a>),
    /// Entries of the namespace.
    ConntrackCount {
        entries: u32,
    },
    /// TCP connections that the namespace has opened and accepted so far.
    ConnectionsOpened {
        connections: u64,
    },
}

/// A setting and its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingLine<'a> {
    /// Below `/proc/sys`.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    #[serde(borrow)]
    pub value: Cow<'a, str>,
}

impl<'a> AspectLine<'a> {
    /// Paths are the Tracker's own and short.
    pub fn new(aspect: &'a Aspect) -> Self {
        match aspect {
            Aspect::Setting(path) => Self::Setting {
                path: Cow::Borrowed(path),
            },
            Aspect::DeviceSetting { path, ifindex } => Self::DeviceSetting {
                path: Cow::Borrowed(path),
                ifindex: *ifindex,
            },
            Aspect::ConntrackCount => Self::ConntrackCount {},
            Aspect::ConnectionsOpened => Self::ConnectionsOpened {},
        }
    }

    pub fn model(self) -> Aspect {
        match self {
            Self::Setting { path } => Aspect::Setting(path.into()),
            Self::DeviceSetting { path, ifindex } => Aspect::DeviceSetting {
                path: path.into(),
                ifindex,
            },
            Self::ConntrackCount {} => Aspect::ConntrackCount,
            Self::ConnectionsOpened {} => Aspect::ConnectionsOpened,
        }
    }
}

impl<'a> SeenLine<'a> {
    pub fn new(seen: &'a Seen, limits: Limits) -> Self {
        match seen {
            Seen::Setting(setting) => Self::Setting(SettingLine::new(setting, limits)),
            Seen::ConntrackCount(entries) => Self::ConntrackCount { entries: *entries },
            Seen::ConnectionsOpened(connections) => Self::ConnectionsOpened {
                connections: *connections,
            },
        }
    }

    pub fn model(self) -> Seen {
        match self {
            Self::Setting(setting) => Seen::Setting(Setting {
                path: setting.path.into(),
                value: setting.value.into(),
            }),
            Self::ConntrackCount { entries } => Seen::ConntrackCount(entries),
            Self::ConnectionsOpened { connections } => Seen::ConnectionsOpened(connections),
        }
    }
}

impl<'a> SettingLine<'a> {
    pub fn new(setting: &'a Setting, limits: Limits) -> Self {
        Self {
            path: limits.text(&setting.path),
            value: limits.text(&setting.value),
        }
    }
}
