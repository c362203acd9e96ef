//! A dashboard of the real program, for tests that ask it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::workspace::Workspace;

/// A dashboard that ends with the test.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) fn new(workspace: &Workspace, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench-analyzer"));
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(workspace.path())
            .env_remove("BENCH_ANALYZER_DB")
            .envs(workspace.store_variable())
            .env("GIT_CEILING_DIRECTORIES", workspace.path().parent().unwrap());
        Self::by(command)
    }

    /// The dashboard that a command serves.
    pub(crate) fn by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://");
        let address = address.split('/').next().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Sends these bytes, and reads all that comes back.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // It may refuse before it has read everything.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The answer, asked for again while it is being made or will soon be another.
    pub(crate) fn get(&self, path: &str) -> Answer {
        loop {
            let answer = self.with(path, &[]);
            if answer.status != 202 && !answer.head.contains("X-Newer-To-Come") {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn with(&self, path: &str, headers: &[&str]) -> Answer {
        let mut request = format!("GET {path} HTTP/1.1\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
        self.asked_until_it_is_there(format!("{request}\r\n").as_bytes())
    }

    /// Asks again while what the answer needs is still being made.
    fn asked_until_it_is_there(&self, request: &[u8]) -> Answer {
        loop {
            let answer = self.raw(request);
            if answer.status != 202 {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn accept(&self, headers: &[&str], body: &serde_json::Value) -> Answer {
        self.post("/api/accept", headers, body)
    }

    pub(crate) fn post(&self, path: &str, headers: &[&str], body: &serde_json::Value) -> Answer {
        let body = body.to_string();
        let mut request = format!("POST {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.asked_until_it_is_there(request.as_bytes())
    }

    pub(crate) fn csrf(&self) -> String {
        let page = self.get("/").body;
        page.split("name=\"csrf\" content=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
