//! Somebody destroyed the socket.

use super::{Opinion, Theory};
use crate::model::finding::{Cause, Severity};

pub(super) const THEORY: Theory = Theory::new(Cause::SocketDestroyed, Severity::Warning, |_| Opinion::Silent);
