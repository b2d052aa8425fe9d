//! Enums by their stable names.

use crate::model::aspect::NeighbourState;
use crate::model::conntrack::Direction;
use crate::model::event::RstMaker;
use crate::model::evidence::Place;
use crate::model::finding::{Cause, Confidence, RuleRole, Severity, State, Way};
use crate::model::hook::How;
use crate::model::reason::{DropReason, RstReason};
use crate::model::rules::{Backend, Component, End, Family, Hook, Reject, Target};
use crate::model::tcp::{ConntrackState, TcpState};
use crate::model::translation::{Class, Manner};
use crate::model::who::Runtime;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
#[cfg(test)]
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// An enum whose values have stable names.
pub trait Spell: Copy + 'static {
    /// What the values are, for error messages.
    const WHAT: &'static str;
    /// Every value, in the order of the schema.
    const ALL: &'static [Self];
    fn spell(self) -> &'static str;
    fn unspell(name: &str) -> Option<Self>;
}

/// A value by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelled<T>(pub T);

impl<T: Spell> Serialize for Spelled<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.spell())
    }
}

impl<'de, T: Spell> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpelledVisitor(PhantomData))
    }
}

#[cfg(test)]
impl<T: Spell> schemars::JsonSchema for Spelled<T> {
    fn schema_name() -> Cow<'static, str> {
        let path = std::any::type_name::<T>();
        path.rsplit("::").next().unwrap_or(path).into()
    }

    fn schema_id() -> Cow<'static, str> {
        std::any::type_name::<T>().into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = T::ALL.iter().map(|value| value.spell()).collect();
        schemars::json_schema!({"description": T::WHAT, "type": "string", "enum": names})
    }
}

struct SpelledVisitor<T>(PhantomData<T>);

impl<T: Spell> Visitor<'_> for SpelledVisitor<T> {
    type Value = Spelled<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of a {}", T::WHAT)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        T::unspell(name)
            .map(Spelled)
            .ok_or_else(|| E::custom(format_args!("unknown {} {name:?}", T::WHAT)))
    }
}

/// For enums that name themselves.
macro_rules! named {
    ($($what:literal: $type:ty,)*) => {$(
        impl Spell for $type {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = Self::ALL;

            fn spell(self) -> &'static str {
                self.name()
            }

            fn unspell(name: &str) -> Option<Self> {
                Self::from_name(name)
            }
        }
    )*};
}

named! {
    "cause": Cause,
    "role of a rule": RuleRole,
    "state of a neighbour": NeighbourState,
    "drop reason": DropReason,
    "reset reason": RstReason,
    "TCP state": TcpState,
    "conntrack state": ConntrackState,
    "way to attach": How,
    "back end": Backend,
    "owner of rules": Component,
    "mark": Target,
    "family": Family,
    "hook": Hook,
    "class of a translation": Class,
    "way to translate": Manner,
    "container runtime": Runtime,
}

/// For enums that are named here. A variant that holds another enum has a row for each of its values.
macro_rules! spelled {
    ($($what:literal: $type:ident { $($variant:ident $(($inner:path))? = $name:literal,)* })*) => {$(
        impl Spell for $type {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = &[$(Self::$variant $(($inner))?,)*];

            fn spell(self) -> &'static str {
                match self { $(Self::$variant $(($inner))? => $name,)* }
            }

            fn unspell(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant $(($inner))?),)* _ => None }
            }
        }
    )*};
}
pub(crate) use spelled;

spelled! {
    "maker of a reset": RstMaker {
        Socket = "socket",
        NoSocket = "no-socket",
        Netfilter = "netfilter",
        Remote = "remote",
        Unknown = "unknown",
    }
    "state of a finding": State {
        Open = "open",
        Updated = "updated",
        Closed = "closed",
        Retracted = "retracted",
    }
    "severity": Severity {
        Info = "info",
        Warning = "warning",
        Error = "error",
    }
    "confidence": Confidence {
        Possible = "possible",
        Likely = "likely",
        Proved = "proved",
    }
    "direction of a connection": Way {
        Outbound = "outbound",
        Inbound = "inbound",
    }
    "direction of a packet": Direction {
        Original = "original",
        Reply = "reply",
    }
    "end of a packet": End {
        Delivered = "delivered",
        Left = "left",
        Dropped = "dropped",
        Rejected(Reject::TcpReset) = "rejected-tcp-reset",
        Rejected(Reject::Icmp) = "rejected-icmp",
        Queued = "queued",
        Unknown = "unknown",
    }
    "place": Place {
        Output = "output",
        Input = "input",
        Forward = "forward",
    }
}
