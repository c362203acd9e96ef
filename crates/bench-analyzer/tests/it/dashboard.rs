//! The dashboard in a real browser, if there is one: Chromium, driven by its own driver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::history::with_history;
use crate::serving::Served;

/// A browser without a window, and what drives it.
struct Browser {
    driver: Child,
    session: String,
    _profile: tempfile::TempDir,
}

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    /// Nothing comes back where no browser is installed.
    fn start() -> Option<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let base = format!("http://127.0.0.1:{}", port?);
        let options = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--window-size=1200,900", format!("--user-data-dir={}", profile.path().display()),
            ]},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let started = post(&format!("{base}/session"), &options);
        let Some(id) = started["sessionId"].as_str() else {
            let _ = driver.kill();
            let _ = driver.wait();
            return None;
        };
        let session = format!("{base}/session/{id}");
        Some(Self { driver, session, _profile: profile })
    }

    fn tell(&self, path: &str, what: &Value) -> Value {
        post(&format!("{}/{path}", self.session), what)
    }

    fn script(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({"script": script, "args": []}))
    }

    fn wait_for(&self, condition: &str) {
        let started = Instant::now();
        while self.script(&format!("return Boolean({condition})")) != Value::Bool(true) {
            let page = self.script("return document.body.innerText");
            assert!(started.elapsed() < Duration::from_secs(60), "{condition} never held: {page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn open(&self, address: &str) {
        self.tell("url", &json!({"url": address}));
        self.wait_for("document.getElementById('main').dataset.ready === location.hash");
    }

    fn element(&self, selector: &str) -> String {
        let found = self.tell("element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    fn click(&self, selector: &str) {
        self.tell(&format!("element/{}/click", self.element(selector)), &json!({}));
    }

    fn write(&self, selector: &str, text: &str) {
        self.tell(&format!("element/{}/value", self.element(selector)), &json!({"text": text}));
    }

    /// Drags with the mouse over an element, from one share of its width to another.
    fn drag(&self, selector: &str, from: f64, to: f64) {
        let place = self.script(&format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect(); \
             return [box.left, box.top + box.height / 2, box.width]"
        ));
        let [left, y, width] = [0, 1, 2].map(|index| place[index].as_f64().unwrap());
        let at = |share: f64| {
            json!({"type": "pointerMove", "duration": 50, "origin": "viewport",
            "x": (left + width * share).round(), "y": y.round()})
        };
        let actions = json!([at(from), {"type": "pointerDown", "button": 0}, at(to),
            {"type": "pointerUp", "button": 0}]);
        self.tell(
            "actions",
            &json!({"actions": [{"type": "pointer", "id": "mouse",
            "parameters": {"pointerType": "mouse"}, "actions": actions}]}),
        );
    }

    /// What the console holds of errors, and everything that was refused.
    fn complaints(&self) -> Vec<Value> {
        let log = self.tell("se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries
            .into_iter()
            .filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG")
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn post(address: &str, what: &Value) -> Value {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent
        .post(address)
        .header("Content-Type", "application/json")
        .send(what.to_string())
        .and_then(|mut answer| answer.body_mut().read_to_string());
    let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
    answer["value"].clone()
}

#[test]
fn people_find_filter_zoom_and_accept_in_a_browser() {
    let Some(browser) = Browser::start() else {
        eprintln!(
            "SKIPPED: no chromedriver with a Chromium here, so the dashboard's page is untested"
        );
        return;
    };
    let workspace = with_history();
    std::fs::write(
        workspace.path().join("bad.csv"),
        "benchmark,value,run,time\n\"<img src=x onerror=alert(1)>\",5,r,1700000000\n",
    )
    .unwrap();
    workspace.run(&["import", "bad.csv"], 0);
    workspace.run(&["baseline", "set", "main", "1", "2", "3"], 0);
    let served = Served::new(&workspace, &[]);
    let base = format!("http://{}/", served.address);

    browser.open(&base);
    browser.wait_for("document.querySelectorAll('tbody tr').length === 3");
    assert!(
        browser
            .script("return document.querySelector('tbody tr').innerText")
            .as_str()
            .unwrap()
            .contains("since c039..c040")
    );
    // A name that looks like markup is text.
    browser.wait_for(
        "document.body.innerText.includes('<img src=x') && !document.querySelector('img')",
    );
    browser.write("#filter", "STE");
    browser.wait_for("document.querySelectorAll('tbody tr').length === 1");
    browser.click("tbody a");

    browser.wait_for("document.querySelectorAll('#chart circle').length === 60");
    browser.wait_for("document.querySelectorAll('#chart .mark.regression').length === 1");
    browser.wait_for(
        "document.querySelector('#chart').getAttribute('aria-label').startsWith('step: 60 values')",
    );
    browser.drag("#chart", 0.5, 0.8);
    browser.wait_for("document.querySelectorAll('#chart circle').length < 30");
    browser.wait_for("document.querySelectorAll('#chart circle').length > 5");
    browser.click("#reset");
    browser.wait_for("document.querySelectorAll('#chart circle').length === 60");

    browser.write(".change input[name=reason]", "it checks its input");
    browser.script("document.querySelector('.change input[name=author]').value = ''");
    browser.write(".change input[name=author]", "Ada");
    browser.click(".change button");
    browser.wait_for("document.querySelector('.change').innerText.includes('accepted by Ada: it checks its input')");
    workspace.run(&["history", "--fail-on", "regression"], 0);

    for (page, text) in [
        ("#/changes", "accepted: it checks its input"),
        ("#/compare?baseline=main&current=run:60", "regression"),
        ("#/runs", "run:60"),
        ("#/suites", "No suite ran yet"),
    ] {
        browser.open(&format!("{base}{page}"));
        browser.wait_for(&format!("document.body.innerText.includes('{text}')"));
    }
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    browser.open(&format!("{base}#/compare?baseline=none"));
    browser.wait_for(
        "document.querySelector('[role=alert]').innerText.includes('there is no baseline `none`')",
    );
}
