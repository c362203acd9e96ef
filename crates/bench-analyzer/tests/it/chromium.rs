//! Chromium without a window, driven by its own driver, where both are installed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A browser without a window, and what drives it.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    _profile: tempfile::TempDir,
}

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    /// Returns `None`, and says so, where no browser is installed.
    pub(crate) fn start() -> Option<Self> {
        Self::on(&json!({}))
    }

    /// A browser on a phone, which is 390 points wide.
    pub(crate) fn on_a_phone() -> Option<Self> {
        let metrics = json!({"width": 390, "height": 844, "pixelRatio": 2.0, "mobile": true});
        Self::on(&json!({"mobileEmulation": {"deviceMetrics": metrics}}))
    }

    fn on(device: &Value) -> Option<Self> {
        let started = Self::try_to_start(device);
        if started.is_none() {
            eprintln!(
                "SKIPPED: no chromedriver with a Chromium here, so the dashboard's page is untested"
            );
        }
        started
    }

    fn try_to_start(device: &Value) -> Option<Self> {
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
        let mut chrome = json!({"args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--window-size=1200,900", format!("--user-data-dir={}", profile.path().display()),
        ]});
        for (name, value) in device.as_object().into_iter().flatten() {
            chrome[name] = value.clone();
        }
        let options = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": chrome,
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

    pub(crate) fn tell(&self, path: &str, what: &Value) -> Value {
        post(&format!("{}/{path}", self.session), what)
    }

    pub(crate) fn script(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({"script": script, "args": []}))
    }

    pub(crate) fn wait_for(&self, condition: &str) {
        let started = Instant::now();
        while self.script(&format!("return Boolean({condition})")) != Value::Bool(true) {
            let page = self.script("return document.body.innerText");
            assert!(started.elapsed() < Duration::from_secs(60), "{condition} never held: {page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn open(&self, address: &str) {
        self.tell("url", &json!({"url": address}));
        self.wait_for("document.getElementById('main').dataset.ready === location.hash");
    }

    fn element(&self, selector: &str) -> String {
        let found = self.tell("element", &json!({"using": "css selector", "value": selector}));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    pub(crate) fn click(&self, selector: &str) {
        self.tell(&format!("element/{}/click", self.element(selector)), &json!({}));
    }

    pub(crate) fn write(&self, selector: &str, text: &str) {
        self.tell(&format!("element/{}/value", self.element(selector)), &json!({"text": text}));
    }

    /// Drags with the mouse over an element, from one share of its width to another.
    pub(crate) fn drag(&self, selector: &str, from: f64, to: f64) {
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

    /// Turns the wheel over an element, with a key held down if one is named.
    pub(crate) fn turn_wheel(&self, selector: &str, down: i64, held: Option<&str>) {
        let place = self.script(&format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect(); \
             return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)]"
        ));
        let scroll = json!({"type": "scroll", "x": place[0], "y": place[1], "deltaX": 0,
            "deltaY": down, "duration": 0, "origin": "viewport"});
        let pause = json!({"type": "pause", "duration": 0});
        let keys = match held {
            Some(key) => json!([{"type": "keyDown", "value": key}, pause,
                {"type": "keyUp", "value": key}]),
            None => json!([pause, pause, pause]),
        };
        self.tell(
            "actions",
            &json!({"actions": [
                {"type": "key", "id": "keys", "actions": keys},
                {"type": "wheel", "id": "wheel", "actions": [pause, scroll, pause]},
            ]}),
        );
    }

    /// Moves the mouse to a share of an element's width.
    pub(crate) fn point_at(&self, selector: &str, share: f64) {
        let place = self.script(&format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect(); \
             return [Math.round(box.left + box.width * {share}), Math.round(box.top + box.height / 2)]"
        ));
        let moved = json!([{"type": "pointerMove", "duration": 20, "origin": "viewport",
            "x": place[0], "y": place[1]}]);
        self.tell(
            "actions",
            &json!({"actions": [{"type": "pointer", "id": "mouse",
            "parameters": {"pointerType": "mouse"}, "actions": moved}]}),
        );
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn press(&self, keys: &[&str]) {
        let pressed: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let actions = json!([{"type": "key", "id": "keys", "actions": pressed}]);
        self.tell("actions", &json!({"actions": actions}));
    }

    /// Goes back to where it was before.
    pub(crate) fn back(&self) {
        self.tell("back", &json!({}));
    }

    /// Runs a script, and returns its value as text.
    pub(crate) fn text(&self, script: &str) -> String {
        self.script(script).as_str().unwrap_or_default().to_owned()
    }

    /// Returns errors of the console, and requests that were refused.
    pub(crate) fn complaints(&self) -> Vec<Value> {
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
