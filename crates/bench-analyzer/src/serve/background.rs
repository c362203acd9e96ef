//! What takes longer to make than a page may take: it is made once, on another thread, and kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::watch;

use super::answer::Refusal;

/// How long a page waits for what is being made, before it says that it is.
const PATIENCE: Duration = Duration::from_millis(100);

/// Answer of the background when somebody asks.
#[derive(Debug, Clone)]
pub(super) enum Got<V> {
    /// Value that was asked for.
    Made(Arc<V>),
    /// What was asked for is being made; this is what was made before.
    Earlier(Arc<V>),
    /// It is being made, and there is nothing to show meanwhile.
    NotYet,
}

/// Values by what they were made of. Everybody who asks for one that is being made waits for the
/// same.
#[derive(Debug)]
pub(super) struct Background<K, V> {
    /// How many to keep.
    most: usize,
    /// The one that was asked for last comes last.
    entries: Arc<Mutex<Vec<Entry<K, V>>>>,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    state: State<V>,
}

#[derive(Debug)]
enum State<V> {
    /// Nothing is ever sent; the other end goes away when it is over.
    Making(watch::Receiver<()>),
    Made(Arc<V>),
    Failed(Refusal),
}

impl<K, V> Background<K, V>
where
    K: Clone + PartialEq + Send + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(most: usize) -> Self {
        Self { most, entries: Arc::default() }
    }

    /// The value of `key`, which `make` makes if nobody asked for it before. Waits a moment for it.
    ///
    /// # Errors
    /// If it could not be made; whoever asks next has it tried again.
    pub(super) async fn get(
        &self,
        key: K,
        make: impl FnOnce() -> Result<V, Refusal> + Send + 'static,
    ) -> Result<Got<V>, Refusal> {
        if let Some(mut over) = self.begin(&key, make) {
            // Either is fine: what there is then is looked at below.
            let _ = tokio::time::timeout(PATIENCE, over.changed()).await;
        }
        self.look(&key)
    }

    /// Begins to make it, unless that was done, and says by what one learns that it is over.
    fn begin(
        &self,
        key: &K,
        make: impl FnOnce() -> Result<V, Refusal> + Send + 'static,
    ) -> Option<watch::Receiver<()>> {
        let mut entries = locked(&self.entries);
        if let Some(at) = entries.iter().position(|entry| entry.key == *key) {
            let entry = entries.remove(at);
            let over = match &entry.state {
                State::Making(over) => Some(over.clone()),
                State::Made(_) | State::Failed(_) => None,
            };
            entries.push(entry);
            return over;
        }
        let (making, over) = watch::channel(());
        entries.push(Entry { key: key.clone(), state: State::Making(over.clone()) });
        let (shared, key, most) = (Arc::clone(&self.entries), key.clone(), self.most);
        tokio::spawn(async move {
            let state = match tokio::task::spawn_blocking(make).await {
                Ok(Ok(value)) => State::Made(Arc::new(value)),
                Ok(Err(refusal)) => State::Failed(refusal),
                Err(error) => State::Failed(Refusal::said(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    error.to_string(),
                )),
            };
            let mut entries = locked(&shared);
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
                entry.state = state;
            }
            forget(&mut entries, most);
            drop(making);
        });
        Some(over)
    }

    fn look(&self, key: &K) -> Result<Got<V>, Refusal> {
        let mut entries = locked(&self.entries);
        let Some(at) = entries.iter().position(|entry| entry.key == *key) else {
            return Ok(Got::NotYet);
        };
        match &entries[at].state {
            State::Made(value) => return Ok(Got::Made(Arc::clone(value))),
            State::Failed(refusal) => {
                let refusal = refusal.clone();
                entries.remove(at);
                return Err(refusal);
            }
            State::Making(_) => {}
        }
        let earlier = entries.iter().rev().find_map(|entry| match &entry.state {
            State::Made(value) => Some(Arc::clone(value)),
            State::Making(_) | State::Failed(_) => None,
        });
        Ok(earlier.map_or(Got::NotYet, Got::Earlier))
    }
}

fn locked<K, V>(entries: &Mutex<Vec<Entry<K, V>>>) -> MutexGuard<'_, Vec<Entry<K, V>>> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what was not asked for the longest.
fn forget<K, V>(entries: &mut Vec<Entry<K, V>>, most: usize) {
    let made = |entry: &Entry<K, V>| matches!(entry.state, State::Made(_));
    let mut too_many = entries.iter().filter(|entry| made(entry)).count().saturating_sub(most);
    entries.retain(|entry| {
        let goes = too_many > 0 && made(entry);
        too_many -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn on_one_thread(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test);
    }

    /// Something to make that waits until it may end, and counts how often it was begun.
    fn slow(
        value: u32,
        begun: &Arc<AtomicUsize>,
        go: Receiver<()>,
    ) -> impl FnOnce() -> Result<u32, Refusal> + Send + 'static {
        let begun = Arc::clone(begun);
        move || {
            begun.fetch_add(1, Ordering::SeqCst);
            go.recv().ok();
            Ok(value)
        }
    }

    /// What comes of it in the end, however long that takes.
    async fn settled(
        kept: &Background<u32, u32>,
        key: u32,
        make: fn() -> Result<u32, Refusal>,
    ) -> Result<u32, Refusal> {
        loop {
            match kept.get(key, make).await? {
                Got::Made(value) => return Ok(*value),
                Got::Earlier(_) | Got::NotYet => {}
            }
        }
    }

    #[test]
    fn what_is_being_made_is_made_once_and_nobody_waits_for_long() {
        on_one_thread(async {
            let kept = Background::new(2);
            let begun = Arc::default();
            let (go, waiting) = channel();
            let first = kept.get(1, slow(10, &begun, waiting)).await;
            assert!(matches!(first, Ok(Got::NotYet)), "{first:?}");
            let second = kept.get(1, || panic!("it is being made")).await;
            assert!(matches!(second, Ok(Got::NotYet)), "{second:?}");
            go.send(()).unwrap();
            let made = settled(&kept, 1, || panic!("it was begun before")).await;
            assert!(matches!(made, Ok(10)), "{made:?}");
            assert_eq!(begun.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn what_was_made_before_is_there_meanwhile_and_called_earlier() {
        on_one_thread(async {
            let kept = Background::new(1);
            assert!(matches!(settled(&kept, 1, || Ok(10)).await, Ok(10)));
            let (go, waiting) = channel();
            let meanwhile = kept.get(2, slow(20, &Arc::default(), waiting)).await.unwrap();
            assert!(matches!(&meanwhile, Got::Earlier(value) if **value == 10), "{meanwhile:?}");
            go.send(()).unwrap();
            let made = settled(&kept, 2, || panic!("it was begun before")).await;
            assert!(matches!(made, Ok(20)), "{made:?}");
            // The older one had to go.
            assert!(matches!(settled(&kept, 1, || Ok(11)).await, Ok(11)));
        });
    }

    #[test]
    fn what_failed_or_panicked_is_said_and_tried_again() {
        on_one_thread(async {
            let kept: Background<u32, u32> = Background::new(1);
            let no = || Err(Refusal::said(StatusCode::NOT_FOUND, "no"));
            let refused = settled(&kept, 1, no).await;
            assert!(matches!(refused, Err(Refusal::Said(StatusCode::NOT_FOUND, _))), "{refused:?}");
            let panicked = settled(&kept, 1, || panic!("on purpose")).await;
            assert!(
                matches!(panicked, Err(Refusal::Said(StatusCode::INTERNAL_SERVER_ERROR, _))),
                "{panicked:?}"
            );
            assert!(matches!(settled(&kept, 1, || Ok(5)).await, Ok(5)));
        });
    }
}
