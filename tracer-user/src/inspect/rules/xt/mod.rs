//! xt matches and targets.

use super::Extension;
use crate::model::rules::{Action, Family, Item, Match};

pub fn matching(name: &str, _revision: u8, _data: &[u8], _family: Family) -> Extension {
    Extension {
        name: name.into(),
        items: vec![Item::Match(Match::Unknown(format!("-m {name} [unknown]").into()))],
        text: format!("-m {name} [unknown]"),
    }
}

pub fn target(name: &str, _revision: u8, _data: &[u8], _family: Family) -> Extension {
    Extension {
        name: name.into(),
        items: vec![Item::Action(Action::Unknown(format!("-j {name} [unknown]").into()))],
        text: format!("-j {name} [unknown]"),
    }
}
