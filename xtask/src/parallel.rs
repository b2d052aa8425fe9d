//! Work whose parts do not depend on each other, on as many threads as there are processors.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Does the work for each item, in order as threads become free; the results in the same order. A thread that fails takes
/// nothing more.
pub(crate) fn each<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let share = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return Ok(done);
            };
            done.push((index, work(item)?));
        }
    };
    let shares = thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(share)).collect();
        let ends: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let shares = ends
            .into_iter()
            .map(|end| end.unwrap_or_else(|panic| panic::resume_unwind(panic)));
        shares.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut done: Vec<_> = shares.into_iter().flatten().collect();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let done = each(&items, |item| {
            if item % 7 == 0 {
                thread::yield_now();
            }
            Ok(item * 2)
        });
        assert_eq!(done.unwrap(), items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn one_that_fails_fails_the_whole() {
        let failed = each(&[1, 2, 3], |item| if *item == 2 { bail!("the second") } else { Ok(()) });
        assert_eq!(failed.unwrap_err().to_string(), "the second");
    }
}
