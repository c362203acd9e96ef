//! Who is connected. Whoever has not asked anything yet costs nobody anything: of those, the one
//! that has waited longest gives way to a new one, so that no number of idle connections keeps a
//! visitor out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

/// As many are answered at once; a browser opens six connections.
const ANSWERS: usize = 64;
/// As many may be connected who have not asked yet.
const IDLE: usize = 128;
/// How long answers may take when somebody asks to stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Visitors {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Those who have not asked, oldest first.
    idle: RefCell<VecDeque<(u64, AbortHandle)>>,
    next: RefCell<u64>,
    turns: Arc<Semaphore>,
    /// Those who have asked, and were not answered yet.
    asking: RefCell<u64>,
}

impl Default for Visitors {
    fn default() -> Self {
        Self {
            shared: Rc::new(Shared {
                idle: RefCell::default(),
                next: RefCell::default(),
                turns: Arc::new(Semaphore::new(ANSWERS)),
                asking: RefCell::default(),
            }),
        }
    }
}

impl Visitors {
    /// Serves somebody who has just come.
    pub(super) fn admit(&self, serve: impl AsyncFnOnce(Visit) + 'static) {
        let number = {
            let mut next = self.shared.next.borrow_mut();
            *next += 1;
            *next
        };
        let visit = Visit { number, shared: Rc::clone(&self.shared) };
        let shared = Rc::clone(&self.shared);
        let task = tokio::task::spawn_local(async move {
            serve(visit).await;
            shared.is_idle_no_more(number);
        });
        let mut idle = self.shared.idle.borrow_mut();
        idle.push_back((number, task.abort_handle()));
        if idle.len() > IDLE
            && let Some((_, longest)) = idle.pop_front()
        {
            longest.abort();
        }
    }

    /// Waits until everybody who asked is answered, but not for ever.
    pub(super) async fn farewell(&self) {
        let answered = async {
            // What has arrived is read first.
            tokio::time::sleep(Duration::from_millis(20)).await;
            while *self.shared.asking.borrow() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, answered).await;
    }
}

impl Shared {
    fn is_idle_no_more(&self, number: u64) {
        self.idle.borrow_mut().retain(|(one, _)| *one != number);
    }
}

/// Somebody who is connected.
pub(super) struct Visit {
    number: u64,
    shared: Rc<Shared>,
}

impl Visit {
    /// Notes that they have asked, and waits for their turn, which ends when it is dropped.
    pub(super) async fn asked(&self) -> Turn {
        self.shared.is_idle_no_more(self.number);
        *self.shared.asking.borrow_mut() += 1;
        let mut turn = Turn { shared: Rc::clone(&self.shared), permit: None };
        // Nobody ever closes it.
        turn.permit = Arc::clone(&self.shared.turns).acquire_owned().await.ok();
        turn
    }
}

/// The right to be answered.
pub(super) struct Turn {
    shared: Rc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.shared.asking.borrow_mut() -= 1;
    }
}
