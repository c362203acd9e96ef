//! Who is connected, each with one request. Whoever has not asked anything yet costs nobody anything: of those, the
//! one that has waited longest gives way to a new one, so that no number of idle connections keeps a visitor out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

/// As many are answered at once; a browser opens six connections.
const ANSWERS: usize = 64;
/// As many may be connected who have not asked yet.
const IDLE: usize = 128;
/// Sizes of what comes before the body of a request.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// For the head of a request to arrive, and for an answer to leave.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long answers may take when somebody asks to stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Connections {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    idle: Mutex<Idle>,
    turns: Arc<Semaphore>,
    /// How many have asked, and were not answered yet.
    asking: AtomicUsize,
}

/// Those who have not asked, oldest first.
#[derive(Debug, Default)]
struct Idle {
    connections: VecDeque<(u64, AbortHandle)>,
    next: u64,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                idle: Mutex::default(),
                turns: Arc::new(Semaphore::new(ANSWERS)),
                asking: AtomicUsize::new(0),
            }),
        }
    }

    /// Serves somebody who has just come.
    pub(super) fn admit(&self, stream: TcpStream, router: Router) {
        let mut idle = self.shared.idle();
        idle.next += 1;
        let visit = Visit { number: idle.next, shared: Arc::clone(&self.shared) };
        let number = visit.number;
        // It cannot be over before it is noted: whoever is over takes the lock too.
        let task = tokio::spawn(async move {
            serve(stream, router, &visit).await;
            visit.is_idle_no_more();
        });
        idle.connections.push_back((number, task.abort_handle()));
        if idle.connections.len() > IDLE
            && let Some((_, longest)) = idle.connections.pop_front()
        {
            longest.abort();
        }
    }

    /// Waits until everybody who asked is answered, but not for ever.
    pub(super) async fn farewell(&self) {
        let answered = async {
            // What has arrived is read first.
            tokio::time::sleep(Duration::from_millis(20)).await;
            while self.shared.asking.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, answered).await;
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the request of a connection. Faults of a visitor end nothing but the connection.
async fn serve(stream: TcpStream, router: Router, visit: &Visit) {
    // Until the answer is sent.
    let turn = Mutex::new(None);
    let answered = Notify::new();
    let router = TowerToHyperService::new(router);
    let (turn, answered, router) = (&turn, &answered, &router);
    let service = service_fn(move |request| async move {
        let asked = visit.asked().await;
        *turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        let response = router.call(request).await;
        answered.notify_one();
        response
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .auto_date_header(false)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let sent_too_slowly = async {
        answered.notified().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        _ = connection => {}
        () = sent_too_slowly => {}
    }
}

/// Somebody who is connected.
struct Visit {
    number: u64,
    shared: Arc<Shared>,
}

impl Visit {
    /// Notes that they have asked, and waits for their turn, which ends when it is dropped.
    async fn asked(&self) -> Turn {
        self.is_idle_no_more();
        self.shared.asking.fetch_add(1, Ordering::SeqCst);
        let mut turn = Turn { shared: Arc::clone(&self.shared), permit: None };
        // Nobody ever closes it.
        turn.permit = Arc::clone(&self.shared.turns).acquire_owned().await.ok();
        turn
    }

    fn is_idle_no_more(&self) {
        self.shared.idle().connections.retain(|(one, _)| *one != self.number);
    }
}

/// The right to be answered.
#[derive(Debug)]
struct Turn {
    shared: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.asking.fetch_sub(1, Ordering::SeqCst);
        self.permit = None;
    }
}
