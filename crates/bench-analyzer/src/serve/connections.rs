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
/// How long answers may take when somebody asks to stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// How long a visitor who is slow is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until the head of a request has arrived.
    pub head: Duration,
    /// Until its body has arrived.
    pub body: Duration,
    /// Until the answer has left.
    pub answer: Duration,
}

impl Default for Patience {
    /// Ten seconds each.
    fn default() -> Self {
        let usual = Duration::from_secs(10);
        Self { head: usual, body: usual, answer: usual }
    }
}

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Connections {
    shared: Arc<Shared>,
    patience: Patience,
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
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
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
        let patience = self.patience;
        let task = tokio::spawn(async move {
            serve(stream, router, &visit, patience).await;
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
async fn serve(stream: TcpStream, router: Router, visit: &Visit, patience: Patience) {
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
        .header_read_timeout(patience.head)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .auto_date_header(false)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let sent_too_slowly = async {
        answered.notified().await;
        tokio::time::sleep(patience.answer).await;
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use axum::body::Body;
    use axum::routing::get;
    use bytes::Bytes;
    use tokio::net::TcpListener;

    use super::*;

    /// An answer that is too large for the buffers between two programs, and tells when it is given up.
    struct Large {
        bytes: Vec<u8>,
        tell: Sender<()>,
    }

    impl AsRef<[u8]> for Large {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }

    impl Drop for Large {
        fn drop(&mut self) {
            self.tell.send(()).ok();
        }
    }

    const SIZE: usize = 64 << 20;

    /// Serves one large answer to one visitor, who does `visit` meanwhile.
    fn answered_with<T: Send + 'static>(
        patience: Patience,
        visit: impl FnOnce(std::net::TcpStream, Receiver<()>) -> T + Send + 'static,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (tell, given_up) = channel();
            let answer = move || {
                let tell = tell.clone();
                async { Body::from(Bytes::from_owner(Large { bytes: vec![b'x'; SIZE], tell })) }
            };
            let router = Router::new().route("/", get(answer));
            let visitor = tokio::task::spawn_blocking(move || {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
                visit(stream, given_up)
            });
            let connections = Connections::new(patience);
            let (stream, _) = listener.accept().await.unwrap();
            connections.admit(stream, router);
            visitor.await.unwrap()
        })
    }

    #[test]
    fn who_does_not_take_the_answer_is_cut_off() {
        let patience = Patience { answer: Duration::from_millis(100), ..Patience::default() };
        let taken = answered_with(patience, |mut stream, given_up| {
            // Nothing is read until the server has given up, however long that takes.
            given_up.recv_timeout(Duration::from_secs(120)).unwrap();
            let mut taken = Vec::new();
            let _ = stream.read_to_end(&mut taken);
            taken.len()
        });
        assert!(taken < SIZE, "{taken} bytes were sent to whoever took none");
    }

    #[test]
    fn who_takes_the_answer_gets_all_of_it() {
        let patience = Patience { answer: Duration::from_secs(3600), ..Patience::default() };
        let taken = answered_with(patience, |mut stream, _| {
            let mut taken = Vec::new();
            stream.read_to_end(&mut taken).unwrap();
            taken.len()
        });
        assert!(taken > SIZE, "{taken}");
    }
}
