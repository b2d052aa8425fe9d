//! The inventory's ports.

use super::{Redact, Redactor, rule_text};
use crate::model::translation::{AddressRange, Destinations, Listening, Port, Space, Target, Translation};
use crate::sink::text::HIDDEN;
use std::sync::Arc;

impl Redact for Port {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            at: _,
            space,
            translation,
        } = self;
        Arc::make_mut(space).redact(by);
        translation.redact(by);
    }
}

impl Redact for Space {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            netns: _,
            enter,
            names,
            container,
            pod,
            process,
        } = self;
        enter.redact(by);
        names.redact(by);
        container.redact(by);
        if let Some(pod) = pod {
            Arc::make_mut(pod).redact(by);
        }
        process.redact(by);
    }
}

impl Redact for Translation {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            class: _,
            manner: _,
            family: _,
            hook: _,
            protocol: _,
            destinations,
            ports: _,
            target,
            conditions,
            more_conditions: _,
            rule,
            connections: _,
            listening,
        } = self;
        match destinations {
            Destinations::Any => {}
            Destinations::These(ranges) | Destinations::AllBut(ranges) => ranges.redact(by),
        }
        target.redact(by);
        for condition in conditions {
            hide(condition, by);
        }
        rule.redact(by);
        match listening {
            Listening::By(listener) => listener.redact(by),
            Listening::Nobody | Listening::Unknown(_) | Listening::Elsewhere => {}
        }
    }
}

impl Redact for AddressRange {
    fn redact(&mut self, by: &Redactor) {
        let Self { first, last } = self;
        (*first, *last) = by.range(*first, *last);
    }
}

impl Redact for Target {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            addresses,
            ports: _,
            local: _,
            unknown,
        } = self;
        if let Some(range) = addresses {
            let (first, last) = by.range(*range.start(), *range.end());
            *range = first..=last;
        }
        if let Some(text) = unknown {
            hide(text, by);
        }
    }
}

/// A part of a rule's text.
fn hide(text: &mut Arc<str>, by: &Redactor) {
    if by.comments {
        *text = rule_text::without_comments(text, HIDDEN).into();
    }
    if by.addresses {
        *text = rule_text::without_bytes(text).into();
    }
    text.redact(by);
}
