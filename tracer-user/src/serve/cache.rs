//! What was rendered, for as long as it is fresh: however many clients ask, it is made once a second at most.

use bytes::Bytes;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One text.
#[derive(Debug, Default)]
pub(super) struct Cached(Mutex<Option<(Instant, Bytes)>>);

impl Cached {
    /// The text, made by `render` if there is none or it is too old. All clients share its bytes.
    pub(super) fn get<E>(&self, render: impl FnOnce() -> Result<String, E>) -> Result<Bytes, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, text)) = &*kept
            && made.elapsed() < FRESH
        {
            return Ok(text.clone());
        }
        let text = Bytes::from(render()?);
        *kept = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

const FRESH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn a_fresh_text_is_not_made_again_and_a_failure_is_not_kept() {
        let cached = Cached::default();
        assert_eq!(cached.get(|| Err("no")), Err("no"));
        let get = |text: &str| cached.get(|| Ok::<_, Infallible>(text.to_owned())).unwrap();
        assert_eq!((get("first"), get("second")), ("first".into(), "first".into()));
    }
}
