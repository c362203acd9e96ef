//! Requests to the dashboard, byte for byte.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use bench_analyzer::clock::Stop;
use bench_analyzer::links::Links;
use bench_analyzer::serve::{Access, Dashboard, Patience, ServeOptions};
use bench_analyzer::store::{Location, Store};
use bench_stats::detect::settings::Settings;
use camino::Utf8PathBuf;

/// Time that no answer takes a fraction of.
const PATIENCE: Duration = Duration::from_secs(60);

/// A dashboard on loopback over an empty history, as long as the process lives.
static ADDRESS: LazyLock<SocketAddr> = LazyLock::new(|| {
    let (tell, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = Utf8PathBuf::try_from(folder.path().to_owned()).expect("the path is UTF-8");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("there is a runtime").block_on(async {
            let database = Location::File(path.join("history.db"));
            Store::open(&database).await.expect("a store can be made");
            let dashboard = Dashboard::bind(ServeOptions {
                database,
                project: path.clone(),
                folder: path,
                address: ([127, 0, 0, 1], 0).into(),
                token: None,
                hosts: vec!["localhost".to_owned()],
                access: Access::Accept,
                author: None,
                settings: Settings::default(),
                since: None,
                links: Links::default(),
                patience: Patience::default(),
            });
            let dashboard = dashboard.await.expect("loopback can be listened on");
            tell.send(dashboard.address()).expect("somebody waits for it");
            dashboard.run(&Stop::new()).await;
        });
    });
    hear.recv().expect("the dashboard begins")
});

/// Sends bytes and returns the answer, whole. The word `PORT` becomes the number of the port, or no request would get past
/// the look at the host. With `Shutdown::Write` it says that nothing more will come, which is no answer's end.
fn send(request: &[u8], end: Option<Shutdown>) -> Vec<u8> {
    let mut stream = TcpStream::connect(*ADDRESS).expect("the dashboard listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit that is not zero");
    let port = ADDRESS.port().to_string();
    let mut rest = request;
    let mut sent = Vec::with_capacity(request.len() + 8);
    while let Some(at) = rest.windows(4).position(|word| word == b"PORT") {
        sent.extend(&rest[..at]);
        sent.extend(port.as_bytes());
        rest = &rest[at + 4..];
    }
    sent.extend(rest);
    // It may refuse before it has read all.
    let _ = stream.write_all(&sent);
    if let Some(end) = end {
        let _ = stream.shutdown(end);
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
            panic!("no answer after {PATIENCE:?}")
        }
        _ => answer,
    }
}

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let answer = send(data, Some(Shutdown::Write));
    if !answer.is_empty() {
        assert!(answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
        let status = answer.get(9).copied().unwrap_or_default();
        assert!(
            matches!(status, b'2'..=b'4'),
            "{}",
            String::from_utf8_lossy(&answer[..60.min(answer.len())])
        );
    }
    let request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n";
    let well = send(request, None);
    assert!(
        well.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&well[..60.min(well.len())])
    );
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let requests = [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "GET /api/overview HTTP/1.1\r\nHost: localhost:PORT\r\nAccept-Encoding: gzip\r\n\r\n",
        "GET /api/series?benchmark=a%2Fb&metric=time HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "GET /api/compare?baseline=main&current=latest HTTP/1.0\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "POST /api/accept HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"benchmark\":\"a/b\"}\n",
        "POST /api/accept HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nIf-None-Match: \"x\"\r\n\r\nGET /api/runs HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: null\r\nCookie: token=a; token=b\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 18446744073709551616\r\n\r\n",
    ];
    requests.map(|request| request.as_bytes().to_vec()).to_vec()
}
