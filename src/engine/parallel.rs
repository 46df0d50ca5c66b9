//! `parallel(items, n, |x| …)`: a closure over many items, on up to `n` threads, results in the order of the items.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::raise::{Raised, raise};
use crate::error::{Error, Kind};

/// Script calls need 6 to 14 KB of native stack each (40 to 90 KB in a debug build), and nest up to 128 deep.
const STACK: usize = 32 << 20;

/// The results of `work` for each item, in order. The first error ends it; what the others did is dropped.
pub(crate) fn run(
    cx: &NativeCallContext,
    items: Array,
    threads: usize,
    mut work: FnPtr,
) -> Raised<Array> {
    // Captured variables are shared and locked, and a contended read fails with "data race": every run gets copies, of
    // what it captures as well as of closures inside its item.
    for captured in work.iter_curry_mut() {
        *captured = unshared(captured);
    }
    let count = items.len();
    let shared = Shared {
        items: items
            .iter()
            .map(|item| Mutex::new(Some(unshared(item))))
            .collect(),
        results: (0..count).map(|_| Mutex::new(None)).collect(),
        next: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
    };
    let started = thread::scope(|scope| {
        let mut started = 0;
        for _ in 0..threads.min(count) {
            let worker = || shared.work(cx, &work);
            started += usize::from(
                thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, worker)
                    .is_ok(),
            );
        }
        started
    });
    if started == 0 && count > 0 {
        return Err(raise(
            cx,
            &Error::new(Kind::Io, "no thread could be started for `parallel`"),
        ));
    }
    shared.results()
}

/// A copy that shares nothing with the original, also not through closures deep inside.
fn unshared(value: &Dynamic) -> Dynamic {
    if let Some(items) = value.read_lock::<Array>() {
        return Dynamic::from_array(items.iter().map(unshared).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        return Dynamic::from_map(
            map.iter()
                .map(|(key, value)| (key.clone(), unshared(value)))
                .collect(),
        );
    }
    if let Some(function) = value.read_lock::<FnPtr>() {
        let mut function = function.clone();
        for captured in function.iter_curry_mut() {
            *captured = unshared(captured);
        }
        return Dynamic::from(function);
    }
    value.flatten_clone()
}

struct Shared {
    items: Vec<Mutex<Option<Dynamic>>>,
    results: Vec<Mutex<Option<Raised<Dynamic>>>>,
    next: AtomicUsize,
    failed: AtomicBool,
}

impl Shared {
    /// One thread: takes the next item until there is none, or somebody failed.
    fn work(&self, cx: &NativeCallContext, work: &FnPtr) {
        while !self.failed.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = self.items.get(index).and_then(|item| lock(item).take()) else {
                return;
            };
            let result = catch_unwind(AssertUnwindSafe(|| {
                work.call_within_context::<Dynamic>(cx, (item,))
            }))
            .unwrap_or_else(|_| {
                Err(raise(
                    cx,
                    &Error::internal("a native function failed inside `parallel`"),
                ))
            });
            self.failed.fetch_or(result.is_err(), Ordering::Relaxed);
            *lock(&self.results[index]) = Some(result);
        }
    }

    fn results(self) -> Raised<Array> {
        let mut results: Vec<_> = self
            .results
            .into_iter()
            .map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect();
        // After a failure some slots are empty: the error itself must be found first.
        if let Some(failed) = results.iter().position(|slot| matches!(slot, Some(Err(_)))) {
            return results
                .swap_remove(failed)
                .unwrap_or_else(|| Ok(Dynamic::UNIT))
                .map(|_| Array::new());
        }
        results.into_iter().flatten().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
