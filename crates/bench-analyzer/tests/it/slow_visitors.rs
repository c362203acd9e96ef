//! Visitors of the dashboard who send or read slowly. Limits are short here, so that nobody waits for them;
//! whether a test passes depends on no time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bench_analyzer::clock::Stop;
use bench_analyzer::links::Links;
use bench_analyzer::serve::{Access, Dashboard, Patience, ServeOptions};
use bench_stats::detect::settings::Settings;

use crate::workspace::Workspace;

/// A dashboard in this process, which ends with the test.
struct Served {
    address: SocketAddr,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    fn new(workspace: &Workspace, patience: Patience) -> Self {
        // The store is made before it is served.
        workspace.run(&["runs"], 0);
        let options = ServeOptions {
            database: workspace.location(),
            folder: workspace.path().to_owned(),
            address: "127.0.0.1:0".parse().unwrap(),
            token: None,
            hosts: Vec::new(),
            access: Access::Accept,
            author: None,
            settings: Settings::default(),
            project: workspace.path().to_owned(),
            since: None,
            links: Links::default(),
            patience,
        };
        let stop = Stop::new();
        let (tell, told) = std::sync::mpsc::channel();
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let dashboard = Dashboard::bind(options).await.unwrap();
                tell.send(dashboard.address()).unwrap();
                dashboard.run(&asked).await;
            });
        });
        Self { address: told.recv().unwrap(), stop, thread: Some(thread) }
    }

    /// Sends the beginning of a request at once and the rest byte by byte, until all is sent or nobody
    /// takes it any more; returns what comes back.
    fn drip(&self, begin: &str, rest: impl Iterator<Item = u8> + Send + 'static) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            for byte in rest {
                if sending.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            // Cut off in the middle of something.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
        drop(stream);
        sender.join().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn head(&self, first: &str) -> String {
        format!("{first} HTTP/1.1\r\nHost: {}\r\n", self.address)
    }

    fn csrf(&self) -> String {
        let page = self.drip(&format!("{}\r\n", self.head("GET /")), std::iter::empty());
        page.split("name=\"csrf\" content=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.ask();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

const SHORT: Duration = Duration::from_millis(100);
/// So long that no test gets there.
const ENDLESS: Duration = Duration::from_secs(3600);
const PATIENT: Patience = Patience { head: ENDLESS, body: ENDLESS, answer: ENDLESS };

#[test]
fn who_sends_the_head_of_a_request_slowly_is_cut_off() {
    let workspace = Workspace::new();
    let served = Served::new(&workspace, Patience { head: SHORT, ..PATIENT });
    // So much that the limit of a head's size is not what ends it.
    let answer = served
        .drip(&format!("{}x: ", served.head("GET /app.css")), std::iter::repeat_n(b'y', 12_000));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn who_sends_the_body_of_a_request_slowly_is_refused() {
    let workspace = Workspace::new();
    let served = Served::new(&workspace, Patience { body: SHORT, ..PATIENT });
    let head = format!(
        "{}X-CSRF-Token: {}\r\nContent-Type: application/json\r\nContent-Length: 12000\r\n\r\n",
        served.head("POST /api/accept"),
        served.csrf(),
    );
    let answer = served.drip(&head, std::iter::repeat_n(b' ', 12_000));
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[test]
fn who_is_slow_but_in_time_is_answered() {
    let workspace = Workspace::new();
    let served = Served::new(&workspace, PATIENT);
    let rest = format!("{}\r\n", served.head("GET /app.css"));
    let answer = served.drip("", rest.into_bytes().into_iter());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = r#"{"benchmark":"none","metric":"time","run":1,"reason":"r","author":"Ada"}"#;
    let head = format!(
        "{}X-CSRF-Token: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        served.head("POST /api/accept"),
        served.csrf(),
        body.len(),
    );
    let answer = served.drip(&head, body.bytes());
    // It was read to its end: there is no such benchmark, or what there is is still being looked at.
    assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 202"), "{answer}");
}
