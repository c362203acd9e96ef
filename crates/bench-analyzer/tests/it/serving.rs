//! The dashboard as programs meet it: what it answers, and whom it turns away.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::history::with_history;
use crate::served::Served;
use crate::workspace::Workspace;

#[test]
fn a_history_that_is_too_short_is_not_said_to_show_no_change() {
    let workspace = Workspace::new();
    let mut rows = "benchmark,value,run,time,commit\n".to_owned();
    for run in 0..6 {
        for sample in 0..5 {
            let value = if run == 5 { 140 } else { 100 } + sample;
            rows.push_str(&format!("sort,{value},r{run},2026-11-0{}T12:00:00Z,c{run}\n", run + 1));
        }
    }
    std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
    workspace.run(&["import", "r.csv"], 0);
    let served = Served::new(&workspace, &[]);
    let home = served.get("/api/home").json();
    assert_eq!((&home["too_short"], &home["unchanged"]), (&1.into(), &0.into()));
}

/// A newest value that noise may have made is to watch on the first page, in the list of changes, and on its own page.
#[test]
fn a_change_has_one_state_on_every_page() {
    const NOISE: [f64; 24] = [
        0.1, -0.9, 0.6, -0.2, 1.3, -0.5, 0.3, -1.2, 0.8, -0.1, -0.7, 1.0, 0.2, -1.5, 0.5, -0.3,
        0.9, -0.6, 0.0, 1.6, -1.0, 0.4, -0.4, 0.7,
    ];
    let workspace = Workspace::new();
    let mut rows = "benchmark,value,run,time,commit\n".to_owned();
    for (name, deviation, newest) in
        [("calm", 0.01, 0.2), ("noisy", 0.05, 4.5), ("far", 0.01, 15.0)]
    {
        for (at, noise) in NOISE.into_iter().chain([newest]).enumerate() {
            let value = 1000.0 * (noise * deviation).exp();
            let time = 1_700_000_000 + at * 3600;
            rows.push_str(&format!("{name},{value},r{at},{time},c{at:03}\n"));
        }
    }
    std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
    workspace.run(&["import", "r.csv"], 0);
    let served = Served::new(&workspace, &[]);
    let states = |page: &str, key: &str| {
        let lines = served.get(page).json()[key].as_array().unwrap().clone();
        let mut told: Vec<(String, String)> = lines
            .iter()
            .map(|line| ["benchmark", "state"].map(|key| line[key].as_str().unwrap().to_owned()))
            .map(|[benchmark, state]| (benchmark, state))
            .collect();
        told.sort();
        told
    };
    let told = states("/api/home?since=all", "changed");
    assert_eq!(told, [("far".into(), "new".into()), ("noisy".into(), "watch".into())]);
    assert_eq!(states("/api/changes", "changes"), told);
    let page = served.get("/api/series?benchmark=noisy&metric=time").json();
    assert_eq!(page["change_points"][0]["state"], "watch");
    assert!(page["labels"][0]["short"].as_str().unwrap().ends_with(", to watch"), "{page}");
    let overview = served.get("/api/overview").json();
    let noisy =
        overview["series"].as_array().unwrap().iter().find(|one| one["benchmark"] == "noisy");
    let noisy = noisy.unwrap();
    assert_eq!((&noisy["alarms"], &noisy["worst"]["state"]), (&0.into(), &"watch".into()));
}

#[test]
fn every_question_has_an_answer() {
    let workspace = with_history();
    workspace.run(&["baseline", "set", "main", "1", "2", "3"], 0);
    let served = Served::new(&workspace, &[]);
    let home = served.get("/api/home").json();
    assert_eq!((&home["all"], &home["period"]["id"]), (&2.into(), &"week".into()));
    assert_eq!(home["changed"][0]["benchmark"], "step");
    assert_eq!((&home["changed"][0]["state"], &home["unchanged"]), (&"open".into(), &1.into()));
    let commits = served.get("/api/commits").json();
    assert_eq!((commits.as_array().unwrap().len(), &commits[0]["commit"]), (60, &"c059".into()));
    let overview = served.get("/api/overview").json();
    assert_eq!(overview["series"].as_array().unwrap().len(), 2);
    let series = served.get("/api/series?benchmark=step&metric=time").json();
    assert_eq!(series["points"].as_array().unwrap().len(), 60);
    assert_eq!(series["change_points"][0]["index"], 40);
    assert_eq!(served.get("/api/changes").json()["changes"][0]["benchmark"], "step");
    let runs = served.get("/api/runs").json();
    assert_eq!((&runs["total"], runs["runs"].as_array().unwrap().len()), (&60.into(), 60));
    let older = served.get("/api/runs?from=58").json();
    assert_eq!(older["runs"][1]["id"], 1);
    assert_eq!(served.get("/api/baselines").json()[0]["name"], "main");
    let report = served.get("/api/compare?baseline=main&current=latest").json();
    let worst = &report["comparisons"][0];
    assert_eq!((&worst["benchmark"], &worst["verdict"]), (&"step".into(), &"regression".into()));
    assert!(worst["since"].as_str().unwrap().starts_with("since c039..c040"), "{worst}");
    assert_eq!(report["total"], 2);
    let some = served.get("/api/compare?baseline=main&search=STEP&verdict=regression").json();
    assert_eq!(
        (&some["total"], &some["counts"][0]),
        (&1.into(), &serde_json::json!(["regression", 1]))
    );
    let step = "benchmark=step&metric=time";
    let drawn = served.get(&format!("/api/figures?{step}&baseline=main&current=latest")).json();
    assert!(drawn["conclusion"].as_str().unwrap().starts_with("Worse by "), "{drawn}");
    assert!(drawn["figures"][1]["svg"].as_str().unwrap().starts_with("<svg "), "{drawn}");
    assert_eq!(served.get("/api/jobs").json()["jobs"], serde_json::json!([]));
    for (path, status) in [
        ("/api/home?since=never", 400),
        ("/api/home?machine=x", 400),
        ("/api/series?benchmark=step&machine=999", 404),
        ("/api/series?benchmark=none", 404),
        ("/api/compare?baseline=none", 404),
        ("/api/compare?baseline=run:x", 400),
        ("/api/compare?baseline=run:999", 404),
        ("/api/figures?benchmark=none&baseline=main", 404),
        ("/api/runs?from=x", 400),
        ("/api/log?job=1&run=1", 404),
        ("/api/log?job=..%2F..&run=1", 400),
        ("/api/none", 404),
        ("/../../etc/passwd", 404),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    // What is stored while it serves is shown.
    std::fs::write(workspace.path().join("new.csv"), "benchmark,value\nfresh,5\n").unwrap();
    workspace.run(&["import", "new.csv"], 0);
    assert_eq!(served.get("/api/overview").json()["series"].as_array().unwrap().len(), 3);
}

#[test]
fn a_name_that_is_not_its_own_reaches_nothing() {
    let workspace = with_history();
    let served = Served::new(&workspace, &["--host", "bench.example.com"]);
    let port = served.address.port();
    for (host, status) in [
        ("Host: evil.example.com".to_owned(), 421),
        (format!("Host: evil.example.com:{port}"), 421),
        ("Host: localhost".to_owned(), 421),
        (format!("Host: localhost:{port}\r\nHost: evil.example.com"), 421),
        (format!("Host: LOCALHOST:{port}"), 200),
        ("Host: bench.example.com".to_owned(), 200),
    ] {
        assert_eq!(served.with("/api/runs", &[&host]).status, status, "{host}");
    }
    let nobody = served.raw(b"GET /api/runs HTTP/1.1\r\n\r\n");
    assert_eq!(nobody.status, 421);
}

/// All paths by which something is changed.
const WRITING: [&str; 3] = ["/api/accept", "/api/take-back", "/api/triage"];

#[test]
fn only_its_own_page_accepts_changes() {
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let token = format!("X-CSRF-Token: {}", served.csrf());
    let (json, text) = ("Content-Type: application/json", "Content-Type: text/plain");
    let wish = serde_json::json!({
        "benchmark": "step", "metric": "time", "run": 41, "reason": "it checks its input", "author": "Ada",
    });
    let own = format!("Origin: http://{}", served.address);
    for headers in [
        &[json][..],
        &[json, "X-CSRF-Token: 0000"],
        &[text, &token],
        &[json, &token, "Origin: http://evil.example.com"],
        &[json, &token, "Origin: null"],
        &[json, &token, "Sec-Fetch-Site: cross-site"],
    ] {
        for path in WRITING {
            assert_eq!(served.post(path, headers, &wish).status, 403, "{path}: {headers:?}");
        }
    }
    let with = |name: &str, value: serde_json::Value| {
        let mut wish = wish.clone();
        wish[name] = value;
        served.accept(&[json, &token, &own], &wish).status
    };
    assert_eq!(with("reason", " ".into()), 400);
    assert_eq!(with("run", 999.into()), 404);
    assert_eq!(with("benchmark", "none".into()), 404);
    assert_eq!(with("more", 1.into()), 400);
    workspace.run(&["history", "--fail-on", "regression"], 1);
    assert_eq!(served.accept(&[json, &token, &own], &wish).status, 200);
    let series = served.get("/api/series?benchmark=step").json();
    assert_eq!(series["change_points"][0]["acknowledged"]["author"], "Ada");
    workspace.run(&["history", "--fail-on", "regression"], 0);
}

#[test]
fn what_was_accepted_is_taken_back_once() {
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let token = format!("X-CSRF-Token: {}", served.csrf());
    let headers = ["Content-Type: application/json", token.as_str()];
    let wish = serde_json::json!({
        "benchmark": "step", "metric": "time", "run": 41, "reason": "r", "author": "Ada",
    });
    let undo =
        serde_json::json!({ "benchmark": "step", "metric": "time", "run": 41, "author": "Ada" });
    assert_eq!(served.post("/api/take-back", &headers, &undo).status, 404);
    assert_eq!(served.accept(&headers, &wish).status, 200);
    let state = || served.get("/api/home?since=all").json()["changed"][0]["state"].clone();
    assert_eq!(state(), "accepted");
    assert_eq!(served.post("/api/take-back", &headers, &undo).status, 200);
    assert_eq!(state(), "open");
    let series = served.get("/api/series?benchmark=step").json();
    assert_eq!(series["change_points"][0]["acknowledged"], serde_json::Value::Null);
    let said = served.post("/api/take-back", &headers, &undo);
    assert!(said.status == 404 && said.body.contains("is accepted"), "{said:?}");
    workspace.run(&["history", "--fail-on", "regression"], 1);
}

#[test]
fn triage_is_kept_beside_a_change() {
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let token = format!("X-CSRF-Token: {}", served.csrf());
    let headers = ["Content-Type: application/json", token.as_str()];
    let with = |link: &str, run: i64| {
        let wish = serde_json::json!({
            "benchmark": "step", "metric": "time", "run": run, "assignee": " Grace ",
            "note": "allocates", "link": link, "author": "Ada",
        });
        served.post("/api/triage", &headers, &wish).status
    };
    // What a browser would run as a program is no link.
    for link in ["javascript:alert(1)", "data:text/html,x", "https:// x", "bugs.example"] {
        assert_eq!(with(link, 41), 400, "{link}");
    }
    assert_eq!(with("", 999), 404);
    assert_eq!(with("https://bugs.example/1", 41), 200);
    let series = served.get("/api/series?benchmark=step").json();
    let triage = &series["change_points"][0]["triage"];
    assert_eq!((&triage["assignee"], &triage["author"]), (&"Grace".into(), &"Ada".into()));
    let line = &served.get("/api/home?since=all").json()["changed"][0];
    assert_eq!(
        (&line["assignee"], &line["link"]),
        (&"Grace".into(), &"https://bugs.example/1".into())
    );
    // It goes where the history goes.
    let all = workspace.run(&["export"], 0).json();
    assert_eq!(all["triage"][0]["note"], "allocates");
    std::fs::write(workspace.path().join("all.json"), all.to_string()).unwrap();
    workspace.run(&["--db", "other.db", "import", "all.json"], 0);
    let other = workspace.run(&["--db", "other.db", "export"], 0).json();
    assert_eq!(other["triage"], all["triage"]);
}

#[test]
fn a_feed_and_badges_tell_what_changed() {
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let feed = served.get("/feed.atom");
    assert!(feed.head.contains("Content-Type: application/atom+xml"), "{}", feed.head);
    assert!(feed.body.contains("<title>step: worse +10"), "{}", feed.body);
    assert_eq!(feed.body.matches("<entry>").count(), 1);
    let badge = |query: &str| served.get(&format!("/badge.svg{query}"));
    assert!(badge("").head.contains("Content-Type: image/svg+xml"), "{}", badge("").head);
    assert!(badge("").body.contains("benchmarks: 1 slower"), "{}", badge("").body);
    assert!(badge("?benchmark=step").body.contains("ns, +10"), "{}", badge("?benchmark=step").body);
    assert!(!badge("?benchmark=level").body.contains("slower"));
    assert_eq!(badge("?benchmark=none").status, 404);
    workspace.run(&["accept", "step", "--reason", "r", "--by", "Ada"], 0);
    assert!(badge("").body.contains("no change for the worse"), "{}", badge("").body);
    workspace.run(&["accept", "step", "--undo", "--by", "Ada"], 0);
    assert!(badge("").body.contains("benchmarks: 1 slower"), "{}", badge("").body);
    workspace.run(&["accept", "step", "--undo", "--by", "Ada"], 3);
}

#[test]
fn a_read_only_dashboard_changes_nothing() {
    let workspace = with_history();
    let served = Served::new(&workspace, &["--read-only"]);
    assert_eq!(served.get("/api/about").json()["read_only"], true);
    let wish = serde_json::json!({
        "benchmark": "step", "metric": "time", "run": 41, "reason": "r", "author": "Ada",
    });
    let token = format!("X-CSRF-Token: {}", served.csrf());
    let headers = ["Content-Type: application/json", token.as_str()];
    assert_eq!(served.accept(&headers, &wish).status, 403);
    let wish = serde_json::json!({ "benchmark": "step", "metric": "time", "run": 41 });
    for path in ["/api/take-back", "/api/triage"] {
        assert_eq!(served.post(path, &headers, &wish).status, 403, "{path}");
    }
    workspace.run(&["history", "--fail-on", "regression"], 1);
}

#[test]
fn a_token_is_needed_where_there_is_one_and_beyond_this_machine() {
    let workspace = with_history();
    let output = workspace.command(&["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("a token is needed, with --token-file"), "{said}");
    own(&workspace, "short", "1234");
    let said = workspace.run(&["serve", "--token-file", "short"], 3).stderr;
    assert!(said.contains("at least 16 letters and digits"), "{said}");

    let secret = "0123456789abcdef0123456789abcdef";
    own(&workspace, "token", secret);
    let served = Served::new(&workspace, &["--token-file", "token"]);
    for path in ["/", "/app.js", "/api/runs", "/?token=0123456789abcdef0123456789abcdee"] {
        let answer = served.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.body.contains(secret));
    }
    let opened = served.get(&format!("/?token={secret}"));
    assert_eq!(opened.status, 303, "{opened:?}");
    let cookie = opened.head.lines().find(|line| line.starts_with("Set-Cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.trim_start_matches("Set-Cookie: ").split(';').next().unwrap();
    assert_eq!(served.with("/api/runs", &[&format!("Cookie: a=b; {cookie}")]).status, 200);
    let bearer = format!("Authorization: Bearer {secret}");
    assert_eq!(served.with("/api/runs", &[&bearer]).status, 200);

    // Badges and the feed have a key of their own, which opens nothing else.
    let about = served.with("/api/about", &[&bearer]).json();
    let key = about["reading_key"].as_str().unwrap();
    assert!(!secret.contains(key) && key.len() == 32, "{key}");
    for path in ["/badge.svg", "/feed.atom"] {
        assert_eq!(served.with(path, &[]).status, 401, "{path}");
        assert_eq!(served.with(&format!("{path}?key=0{key}"), &[]).status, 401, "{path}");
        let read = served.with(&format!("{path}?key={key}"), &[]);
        assert_eq!(read.status, 200, "{read:?}");
        assert!(read.head.contains("Cross-Origin-Resource-Policy: cross-origin"), "{}", read.head);
        let own = served.with(path, &[&bearer]);
        assert!(own.head.contains("Cross-Origin-Resource-Policy: same-origin"), "{}", own.head);
    }
    assert_eq!(served.with(&format!("/api/runs?key={key}"), &[]).status, 401);
    assert_eq!(served.with(&format!("/?token={key}"), &[]).status, 401);
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let page = served.get("/");
    assert!(page.head.contains("Content-Security-Policy: default-src 'none'"), "{page:?}");
    for header in
        ["X-Frame-Options: DENY", "X-Content-Type-Options: nosniff", "Cache-Control: no-store"]
    {
        assert!(page.head.contains(header), "{header}");
    }
    let scripts = [
        "app",
        "ask",
        "dom",
        "route",
        "chart",
        "home",
        "benchmarks",
        "series",
        "compare",
        "lists",
        "theme",
    ];
    let scripts = scripts.iter().map(|name| format!("/{name}.js"));
    for path in scripts.chain(["/", "/app.css", "/uplot.js"].map(str::to_owned)) {
        let answer = served.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        // A namespace, the line that says whose the charts are, and what a field suggests to type.
        let body =
            ["http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot", "\"https://\""]
                .iter()
                .fold(answer.body, |body, known| body.replace(known, ""));
        assert!(!body.contains("http://") && !body.contains("https://"), "{path}");
    }
    assert!(served.get("/uplot-license.txt").body.contains("The MIT License"));
}

#[test]
fn requests_that_are_none_harm_nobody() {
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let host = format!("Host: {}\r\n", served.address);
    let long = format!("GET / HTTP/1.1\r\n{host}x: {}\r\n\r\n", "y".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{host}{}\r\n", "a: b\r\n".repeat(100));
    let with_length = |length: &str| {
        format!("POST / HTTP/1.1\r\n{host}Content-Length: {length}\r\n\r\n").into_bytes()
    };
    let large = format!("POST /api/accept HTTP/1.1\r\n{host}Content-Length: 99999999\r\n\r\n");
    for (request, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), 400),
        (long.into_bytes(), 431),
        (many.into_bytes(), 431),
        (large.into_bytes(), 413),
        (format!("GET / HTTP/1.1\r\n{host}bad header\r\n\r\n").into_bytes(), 400),
        (with_length("1\r\nContent-Length: 2"), 400),
        (with_length("+1"), 400),
        (with_length("99999999999999999999"), 400),
        (format!("BREW / HTTP/1.1\r\n{host}\r\n").into_bytes(), 405),
    ] {
        let answer = served.raw(&request);
        // A refusal may be lost when the other side is still sending.
        assert!([status, 0].contains(&answer.status), "{answer:?}");
    }
    // One that says nothing holds up no other.
    let silent: Vec<TcpStream> =
        (0..8).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    assert_eq!(served.get("/api/runs").status, 200);
    drop(silent);
}

#[test]
fn an_answer_is_compressed_for_who_understands_that() {
    let workspace = Workspace::new();
    let served = Served::new(&workspace, &[]);
    let plain = served.with("/app.js", &[]);
    assert!(!plain.head.contains("Content-Encoding"), "{plain:?}");
    let packed = served.with("/app.js", &["Accept-Encoding: gzip"]);
    assert!(packed.head.contains("Content-Encoding: gzip"), "{}", packed.head);
    // Read as text, in which a byte that is none takes three.
    assert!(packed.body.len() < plain.body.len(), "{}", packed.body.len());
}

#[test]
fn the_head_of_an_answer_can_be_asked_for() {
    let workspace = Workspace::new();
    let served = Served::new(&workspace, &[]);
    let whole = served.with("/app.css", &[]);
    let head = served
        .raw(format!("HEAD /app.css HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).as_bytes());
    assert_eq!((head.status, head.head.as_str(), head.body.as_str()), (200, &*whole.head, ""));
    let other =
        served.raw(format!("PUT / HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).as_bytes());
    assert!(other.status == 405 && other.head.contains("Allow: GET,HEAD"), "{other:?}");
}

#[test]
fn idle_connections_keep_no_visitor_out() {
    let workspace = Workspace::new();
    let served = Served::new(&workspace, &[]);
    let connect = || TcpStream::connect(served.address).unwrap();
    let mut idle: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
    assert_eq!(served.with("/app.css", &[]).status, 200);
    // Not because it had waited for them: the newest of them are still there.
    let newest = idle.last_mut().unwrap();
    write!(newest, "GET /app.css HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).unwrap();
    let mut answer = String::new();
    newest.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn who_has_asked_is_answered_before_the_end() {
    let workspace = with_history();
    let mut served = Served::new(&workspace, &[]);
    let mut visitors: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(served.address).unwrap();
        let path = "/api/compare?baseline=run:1&current=run:60";
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).unwrap();
        visitors.push(stream);
    }
    // Until the server has all of them.
    assert_eq!(served.with("/app.css", &[]).status, 200);
    let pid = rustix::process::Pid::from_child(&served.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    for mut stream in visitors {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer:?}");
    }
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(served.address).is_err());
}

/// Writes a file that nobody else may read.
fn own(workspace: &Workspace, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;

    let path = workspace.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_token_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let workspace = Workspace::new();
    own(&workspace, "token", "0123456789abcdef01234567\n");
    let path = workspace.path().join("token");
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let said =
            workspace.run(&["serve", "--listen", "127.0.0.1:0", "--token-file", "token"], 3).stderr;
        assert!(said.contains("chmod 600"), "{said}");
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let served = Served::new(&workspace, &["--token-file", "token"]);
    assert_eq!(served.with("/", &[]).status, 401);
}
