//! Matches on the packet's and the connection's mark.

use crate::inspect::rules::xt::draft::{self, Draft, masked};
use crate::inspect::rules::xt::info::Info;
use crate::model::rules::Field;

pub(super) fn mark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    compared(info, draft, Field::Mark)
}

pub(super) fn connmark(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    compared(info, draft, Field::CtMark)
}

fn compared(info: &Info<'_>, draft: &mut Draft, field: Field) -> Option<()> {
    let (value, mask, negated) = if info.revision == 1 {
        (info.u32(0)?, info.u32(4)?, info.u8(8)? != 0)
    } else {
        return None;
    };
    draft.option(negated, "mark", masked(value, mask));
    draft.ask(draft::compared(field, mask.into(), value.into()).negate(negated));
    Some(())
}
