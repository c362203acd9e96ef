//! The dashboard in a real browser, if there is one.

use serde_json::Value;

use crate::chromium::Browser;
use crate::history::with_history;
use crate::served::Served;
use crate::workspace::Workspace;

/// Keys as drivers of browsers name them.
const CONTROL: &str = "\u{E009}";
const LEFT: &str = "\u{E012}";
const HOME: &str = "\u{E011}";

/// Commits as they look.
fn sha(index: usize) -> String {
    format!("{index:08x}{:032x}", index * 7919)
}

/// Forty benchmarks in groups over thirty commits, on two machines in turns; one of them became slower with the
/// last commit.
fn many_benchmarks() -> Workspace {
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time,commit,machine\n");
    for commit in 0..30_usize {
        let time = 1_700_000_000 + commit * 3600;
        let machine = if commit % 2 == 0 { "even" } else { "odd" };
        for benchmark in 0..40_usize {
            let wobble = 1.0 + ((commit * 7919 + benchmark * 31) % 97) as f64 / 97.0 * 0.02;
            let slower = if benchmark == 7 && commit >= 28 { 1.4 } else { 1.0 };
            let faster = if commit % 2 == 0 { 1.0 } else { 0.5 };
            let value = 1000.0 * wobble * slower * faster;
            let group = ["parser/insert", "parser/lookup", "sort", "net"][benchmark % 4];
            let sha = sha(commit);
            rows.push_str(&format!(
                "{group}/b{benchmark:02},{value},r{commit},{time},{sha},{machine}\n"
            ));
        }
    }
    std::fs::write(workspace.path().join("many.csv"), rows).unwrap();
    workspace.run(&["import", "many.csv"], 0);
    workspace
}

fn base(served: &Served) -> String {
    format!("http://{}/", served.address)
}

const ROWS: &str = "document.querySelectorAll('main tbody tr').length";

#[test]
fn people_find_zoom_accept_undo_and_triage_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let workspace = with_history();
    std::fs::write(
        workspace.path().join("bad.csv"),
        "benchmark,value,run,time\n\"<img src=x onerror=alert(1)>\",5,r,1700000000\n",
    )
    .unwrap();
    workspace.run(&["import", "bad.csv"], 0);
    workspace.run(&["baseline", "set", "main", "1", "2", "3"], 0);
    let served = Served::new(&workspace, &[]);
    let base = base(&served);

    browser.open(&format!("{base}#/benchmarks"));
    browser.wait_for(&format!("{ROWS} === 3"));
    let first = browser.text("return document.querySelector('tbody tr').innerText");
    assert!(first.contains("since c039..c040"), "{first}");
    // A name that looks like markup is text.
    browser.wait_for(
        "document.body.innerText.includes('<img src=x') && !document.querySelector('img')",
    );
    browser.write("#filter", "STE");
    browser.wait_for(&format!("{ROWS} === 1"));
    browser.click("tbody a");

    browser.wait_for("document.querySelector('#chart')?.dataset.shown === '60'");
    browser.wait_for("document.querySelectorAll('#chart .mark.regression').length === 1");
    browser.wait_for(
        "document.querySelector('#chart').getAttribute('aria-label').startsWith('step: 60 values')",
    );
    browser.drag("#chart .u-over", 0.5, 0.8);
    browser.wait_for("Number(document.querySelector('#chart').dataset.shown) < 30");
    browser.wait_for("Number(document.querySelector('#chart').dataset.shown) > 5");
    browser.click("#reset");
    browser.wait_for("document.querySelector('#chart').dataset.shown === '60'");

    browser.write(".accept input[name=reason]", "it checks its input");
    browser.script("document.querySelector('.accept input[name=author]').value = ''");
    browser.write(".accept input[name=author]", "Ada");
    browser.click(".accept button");
    browser.wait_for("document.querySelector('.change').innerText.includes('accepted by Ada: it checks its input')");
    workspace.run(&["history", "--fail-on", "regression"], 0);

    browser.click(".undo");
    browser.wait_for("document.querySelector('.accept') !== null");
    workspace.run(&["history", "--fail-on", "regression"], 1);

    browser.click(".change details summary");
    browser.write(".change input[name=assignee]", "Grace");
    browser.write(".change input[name=note]", "see #12");
    browser.write(".change input[name=link]", "https://bugs.example/1");
    browser.click(".change details button");
    browser.wait_for("document.querySelector('.triage')?.innerText.includes('Grace looks at it')");
    browser.wait_for("document.querySelector('.triage a').href === 'https://bugs.example/1'");

    for (page, text) in [
        ("#/", "1 worse, 0 better"),
        ("#/", "→ Grace"),
        ("#/changes", "worse +10"),
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

/// Two machines measured in turns, so it is the history of one that is shown.
#[test]
fn the_first_page_shows_what_the_last_commit_made_slower() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/", base(&served)));
    let first = browser.text("return document.querySelector('main tbody tr').innerText");
    assert!(first.contains("net/b07") && first.contains("worse +40"), "{first}");
    assert!(first.starts_with("new"), "{first}");
    let summary = browser.text("return document.getElementById('summary').innerText");
    assert!(summary.contains("1 worse, 0 better; 39 of 40 benchmarks show no change"), "{summary}");
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn what_was_chosen_stands_in_the_address_and_back_leads_to_it() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    let served = Served::new(&workspace, &[]);
    let base = base(&served);
    browser.open(&format!("{base}#/benchmarks"));
    browser.write("#filter", "sort/");
    browser.wait_for("location.hash === '#/benchmarks?filter=sort%2F'");
    browser.click("tbody a");
    browser.wait_for("document.querySelector('#chart')?.dataset.shown === '15'");
    browser.drag("#chart .u-over", 0.2, 0.6);
    browser.wait_for("location.hash.includes('zoom=')");
    browser.wait_for("Number(document.querySelector('#chart').dataset.shown) < 10");
    let zoomed = browser.text("return document.querySelector('#chart').dataset.shown");

    // Who opens the address sees what they saw.
    let address = browser.text("return location.href");
    browser.tell("url", &serde_json::json!({"url": "about:blank"}));
    browser.open(&address);
    browser.wait_for(&format!("document.querySelector('#chart')?.dataset.shown === '{zoomed}'"));

    // All machines' values are twice as many.
    browser.script(
        "const choice = document.querySelector('#machine'); choice.value = 'all'; \
         choice.dispatchEvent(new Event('change'))",
    );
    browser.wait_for("location.hash.includes('machine=all')");
    browser.wait_for("document.querySelector('#chart')?.dataset.shown === '30'");
    browser.back();
    browser.wait_for(&format!("document.querySelector('#chart')?.dataset.shown === '{zoomed}'"));
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn lists_of_benchmarks_and_changes_are_those_of_one_machine() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    // What only one of them measures.
    let rows: String = (0..24)
        .map(|at| {
            let (value, time) =
                (if at < 12 { 100 } else { 200 } + at % 3, 1_700_000_000 + at * 3600);
            format!("odd/only,{value},o{at},{time},{},odd\n", sha(at))
        })
        .collect();
    let file = format!("benchmark,value,run,time,commit,machine\n{rows}");
    std::fs::write(workspace.path().join("odd.csv"), file).unwrap();
    workspace.run(&["import", "odd.csv"], 0);
    let served = Served::new(&workspace, &[]);
    let choose = |machine: &str| {
        browser.script(&format!(
            "const choice = document.querySelector('#machine'); \
             choice.value = [...choice.options].find((one) => one.text === '{machine}').value; \
             choice.dispatchEvent(new Event('change'))"
        ));
        browser.wait_for("location.hash.includes('machine=')");
        browser.wait_for("document.getElementById('main').dataset.ready === location.hash");
    };
    for (page, all, odd, even) in [
        ("#/benchmarks?filter=odd", "1 benchmark", "1 benchmark", "No benchmark has \"odd\""),
        ("#/changes?filter=odd", "1 lasting change", "1 lasting change", "0 lasting changes"),
    ] {
        browser.open(&format!("{}{page}", base(&served)));
        let says = |said: &str| {
            let said = said.replace('"', "\\\"");
            browser.wait_for(&format!(
                "document.getElementById('count').textContent.startsWith(\"{said}\")"
            ));
        };
        says(all);
        choose("odd");
        says(odd);
        choose("even");
        says(even);
    }
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

/// Twelve digits are enough for most commits; what the page fills in has to be enough for these as well.
#[test]
fn compare_proposes_a_commit_by_as_many_digits_as_tell_it_apart() {
    let Some(browser) = Browser::start() else { return };
    let workspace = Workspace::new();
    let rows: String = (0..4)
        .map(|at| {
            format!(
                "sort,{},r{at},{},{}{at:026}\n",
                100 + at,
                1_700_000_000 + at * 3600,
                "ab".repeat(7)
            )
        })
        .collect();
    std::fs::write(
        workspace.path().join("r.csv"),
        format!("benchmark,value,run,time,commit\n{rows}"),
    )
    .unwrap();
    workspace.run(&["import", "r.csv"], 0);
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/compare", base(&served)));
    browser.wait_for("document.getElementById('summary') !== null");
    assert_eq!(
        browser.text("return document.querySelector('[role=alert]')?.textContent ?? ''"),
        ""
    );
    let proposed = browser.text("return document.getElementById('baseline').value");
    assert_eq!(proposed, format!("{}{:026}", "ab".repeat(7), 2));
}

#[test]
fn back_undoes_a_zoom_and_returns_to_a_filtered_list() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/benchmarks", base(&served)));
    browser.write("#filter", "sort/");
    browser.wait_for(&format!("{ROWS} === 10"));
    browser.click("tbody a");
    browser.wait_for("document.querySelector('#chart')?.dataset.shown === '15'");
    browser.drag("#chart .u-over", 0.2, 0.6);
    browser.wait_for("Number(document.querySelector('#chart').dataset.shown) < 10");
    browser.back();
    browser.wait_for("document.querySelector('#chart')?.dataset.shown === '15'");
    browser.back();
    browser.wait_for(&format!(
        "document.querySelector('#filter')?.value === 'sort/' && {ROWS} === 10"
    ));
}

#[test]
fn the_wheel_scrolls_the_page_and_zooms_only_with_control() {
    let Some(browser) = Browser::start() else { return };
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/series?benchmark=step&metric=time", base(&served)));
    browser.wait_for("document.querySelector('#chart')?.dataset.shown === '60'");
    browser.turn_wheel("#chart", 300, None);
    browser.wait_for("scrollY > 100");
    assert_eq!(browser.text("return document.querySelector('#chart').dataset.shown"), "60");
    browser.script("scrollTo(0, 0)");
    browser.wait_for("scrollY === 0");
    browser.turn_wheel("#chart", -300, Some(CONTROL));
    browser.wait_for("Number(document.querySelector('#chart').dataset.shown) < 60");
    assert_eq!(browser.script("return scrollY"), 0);
}

#[test]
fn a_chart_is_read_with_the_mouse_and_with_the_keyboard() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    let served = Served::new(&workspace, &[]);
    let page = "#/series?benchmark=net/b07&metric=time&machine=1";
    browser.open(&format!("{}{page}", base(&served)));
    browser.wait_for("document.querySelector('#chart .mark.regression') !== null");
    browser.point_at("#chart .u-over", 0.5);
    browser.wait_for("document.querySelector('#readout').dataset.index === '7'");
    let read = browser.text("return document.querySelector('#readout').innerText");
    let commit = &sha(14)[..10];
    assert!(read.contains("µs on 2023-11-15") && read.contains(commit), "{read}");
    browser.script("document.querySelector('#chart').focus()");
    browser.press(&[LEFT, LEFT]);
    browser.wait_for("document.querySelector('#readout').dataset.index === '5'");
    browser.press(&[HOME]);
    browser.wait_for("document.querySelector('#readout').dataset.index === '0'");
    browser.press(&["+"]);
    browser.wait_for("Number(document.querySelector('#chart').dataset.shown) < 15");
    // What the labels say stands below, once.
    let said = browser.text("return document.querySelector('#labels').innerText");
    assert!(said.contains("Step on 2023-11-16") && said.contains("+39"), "{said}");
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn another_machine_is_said_once_and_labelled_on_the_chart() {
    let Some(browser) = Browser::start() else { return };
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time,machine\n");
    for at in 0..40_usize {
        let (time, machine) = (1_700_000_000 + at * 3600, if at < 20 { "old" } else { "new" });
        for benchmark in 0..8_usize {
            let value = (if at < 20 { 100.0 } else { 70.0 })
                * (1.0 + ((at * 31 + benchmark) % 7) as f64 / 700.0);
            rows.push_str(&format!("b{benchmark},{value},r{at},{time},{machine}\n"));
        }
    }
    std::fs::write(workspace.path().join("machines.csv"), rows).unwrap();
    workspace.run(&["import", "machines.csv"], 0);
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/", base(&served)));
    browser.wait_for("document.querySelectorAll('#events .machine_change').length === 1");
    browser.wait_for("document.querySelector('#events').innerText.includes('CPU: old -> new')");
    browser.open(&format!("{}#/series?benchmark=b1&metric=time", base(&served)));
    browser.wait_for(
        "document.querySelector('#chart .mark.machine span').innerText === 'other machine'",
    );
    browser.wait_for("document.querySelectorAll('#labels li').length === 1");
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn every_page_has_a_title_and_unknown_ones_say_so() {
    let Some(browser) = Browser::start() else { return };
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    for (page, title) in [
        ("#/", "What changed since a week before the last results"),
        ("#/benchmarks", "Benchmarks"),
        ("#/series?benchmark=step&metric=time", "step"),
        ("#/changes", "Changes"),
        ("#/compare?baseline=run:1&current=run:60", "run:60 against run:1"),
        ("#/runs", "Runs"),
        ("#/suites", "Suites"),
        ("#/nonsense", "No such page"),
    ] {
        browser.open(&format!("{}{page}", base(&served)));
        assert_eq!(browser.text("return document.title"), format!("{title} · bench-analyzer"));
    }
    browser.open(&format!("{}#/nonsense", base(&served)));
    let said = browser.text("return document.getElementById('main').innerText");
    assert!(said.contains("There is no such page") && said.contains("#/nonsense"), "{said}");
    browser.tell("url", &serde_json::json!({"url": format!("{}nonsense", base(&served))}));
    browser.wait_for("document.body.innerText.includes('There is no such page')");
}

#[test]
fn a_slash_leads_to_the_search() {
    let Some(browser) = Browser::start() else { return };
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    for page in ["#/benchmarks", "#/changes", "#/"] {
        browser.open(&format!("{}{page}", base(&served)));
        browser.press(&["/"]);
        browser.wait_for("document.activeElement.type === 'search'");
        assert_eq!(browser.text("return document.activeElement.value"), "");
    }
    // In a field it is a letter.
    browser.press(&["s", "t", "/"]);
    browser.wait_for("document.activeElement.value === 'st/'");
}

#[test]
fn an_empty_store_explains_the_first_step() {
    let Some(browser) = Browser::start() else { return };
    let workspace = Workspace::new();
    let served = Served::new(&workspace, &[]);
    for page in ["#/", "#/benchmarks"] {
        browser.open(&format!("{}{page}", base(&served)));
        let said = browser.text("return document.getElementById('main').innerText");
        assert!(
            said.contains("Nothing is stored yet") && said.contains("bench-analyzer import"),
            "{said}"
        );
    }
    for page in ["#/changes", "#/compare", "#/runs", "#/suites"] {
        browser.open(&format!("{}{page}", base(&served)));
        browser.wait_for("document.querySelector('[role=alert]') === null");
    }
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}

#[test]
fn pages_on_a_phone_are_short_and_as_wide_as_it_is() {
    let Some(browser) = Browser::on_a_phone() else { return };
    let workspace = many_benchmarks();
    workspace.run(&["baseline", "set", "main", "1", "3", "5"], 0);
    let served = Served::new(&workspace, &[]);
    for page in ["#/benchmarks?view=list", "#/compare?baseline=main&current=run:29", "#/runs"] {
        browser.open(&format!("{}{page}", base(&served)));
        assert_eq!(browser.script("return innerWidth"), 390);
        assert_eq!(browser.script(&format!("return {ROWS}")), 20, "{page}");
        browser.click("button.more");
        browser.wait_for(&format!("{ROWS} >= 30"));
        browser.wait_for("location.hash.includes('all=1')");
    }
    for page in ["#/", "#/benchmarks", "#/series?benchmark=net/b07&metric=time", "#/changes"] {
        browser.open(&format!("{}{page}", base(&served)));
        let wide = browser.script("return document.documentElement.scrollWidth");
        assert_eq!(wide, 390, "{page} is wider than the phone");
    }
}

#[test]
fn groups_make_a_tree_that_the_address_remembers() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/benchmarks", base(&served)));
    let groups = "[...document.querySelectorAll('#tree > .group > summary strong')].map((one) => one.innerText).join()";
    browser.wait_for(&format!("{groups} === 'net,parser,sort'"));
    browser.wait_for(&format!("{ROWS} === 0"));
    browser.click("#tree > .group:nth-child(2) > summary");
    browser.wait_for("document.querySelectorAll('.inside > .group').length === 2");
    browser.click(".inside > .group > summary");
    browser.wait_for(&format!("{ROWS} === 10"));
    browser.wait_for("location.hash.includes('groups=parser%7Cparser%2Finsert')");
    browser.click(".inside tbody a");
    browser.wait_for("document.querySelector('#chart') !== null");
    browser.back();
    browser.wait_for(&format!("{ROWS} === 10"));
}

#[test]
fn colours_are_switched_and_remembered() {
    let Some(browser) = Browser::start() else { return };
    let workspace = with_history();
    let served = Served::new(&workspace, &[]);
    let page = format!("{}#/series?benchmark=step&metric=time", base(&served));
    browser.open(&page);
    let paper = "return getComputedStyle(document.body).backgroundColor";
    let choose = |theme: &str| {
        browser.script(&format!(
            "const choice = document.getElementById('theme'); choice.value = '{theme}'; \
             choice.dispatchEvent(new Event('change'))"
        ));
    };
    choose("dark");
    assert_eq!(browser.text(paper), "rgb(21, 25, 29)");
    browser.tell("url", &serde_json::json!({"url": "about:blank"}));
    browser.open(&page);
    assert_eq!(browser.text(paper), "rgb(21, 25, 29)");
    choose("light");
    assert_eq!(browser.text(paper), "rgb(255, 255, 255)");
}

#[test]
fn commits_and_pull_requests_are_links_where_they_are_on_the_web() {
    let Some(browser) = Browser::start() else { return };
    let workspace = many_benchmarks();
    let patterns = "[links]\ncommit = \"https://code.example/commit/{commit}\"\n\
                    pull_request = \"https://code.example/pull/{number}\"\n";
    std::fs::write(workspace.path().join("bench-analyzer.toml"), patterns).unwrap();
    workspace.run(
        &["accept", "net/b07", "--run", "29", "--reason", "as agreed in #77", "--by", "Ada"],
        0,
    );
    let served = Served::new(&workspace, &[]);
    browser.open(&format!("{}#/series?benchmark=net/b07&metric=time&machine=1", base(&served)));
    let link = format!("a[href=\"https://code.example/commit/{}\"]", sha(28));
    browser.wait_for(&format!("document.querySelector('{link}') !== null"));
    browser.wait_for(
        "document.querySelector('.accepted-by a')?.href === 'https://code.example/pull/77'",
    );
    browser.wait_for("document.querySelector('.accepted-by a').rel.includes('noopener')");
    assert_eq!(browser.complaints(), Vec::<Value>::new());
}
