//! Rules, wherever a record names one.

use super::{Redact, Redactor, rule_text};
use crate::model::rules::Located;
use crate::sink::text::HIDDEN;

impl Redact for Located {
    fn redact(&mut self, by: &Redactor) {
        let instead = by.comments.then(|| self.comment_instead());
        let Self {
            backend: _,
            family: _,
            table,
            chain,
            hook: _,
            index: _,
            handle: _,
            text,
            comment,
            owner: _,
            packets: _,
        } = self;
        if let Some(instead) = instead {
            *text = rule_text::without_comments(text, &instead).into();
            if let Some(comment) = comment {
                *comment = instead.into();
            }
        }
        if by.addresses {
            *text = rule_text::without_bytes(text).into();
        }
        table.redact(by);
        chain.redact(by);
        text.redact(by);
        comment.redact(by);
    }
}

impl Located {
    /// kube-proxy's comment says what the rule is for; which service it is for is hidden in it.
    fn comment_instead(&self) -> String {
        let unserved = self.unserved().filter(|unserved| unserved.service.is_some());
        match unserved.map(|unserved| unserved.local) {
            None => HIDDEN.to_owned(),
            Some(true) => format!("{HIDDEN}/{HIDDEN} has no local endpoints"),
            Some(false) => format!("{HIDDEN}/{HIDDEN} has no endpoints"),
        }
    }
}
