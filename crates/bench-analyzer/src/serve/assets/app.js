"use strict";
// Text from the store only ever becomes text nodes and attributes, never markup.
const main = document.getElementById("main");
const csrf = document.querySelector("meta[name=csrf]").content;
let timer = 0;
let visit = 0;
let newerToCome = false;

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
// What takes the server long is asked for again until it is there. Answers to a page that was left
// meanwhile are of no use to anybody.
async function ask(path) {
  const asked = visit, began = performance.now();
  for (;;) {
    const answer = await fetch("/api/" + path);
    const type = answer.headers.get("content-type") || "";
    const body = type.includes("json") ? await answer.json() : await answer.text();
    if (!answer.ok) throw new Error(body.error || answer.statusText);
    if (answer.headers.get("x-newer-to-come")) newerToCome = true;
    if (answer.status !== 202) return body;
    if (asked !== visit) throw new Error("left");
    sayWaiting(body.not_yet, Math.floor((performance.now() - began) / 1000));
    await new Promise((done) => setTimeout(done, 200));
  }
}
function sayWaiting(what, seconds) {
  const said = `Please wait: ${what}...`;
  if (document.getElementById("waiting")?.textContent !== said) {
    main.replaceChildren(el("p", { id: "waiting", role: "status" }, said), el("progress", { "aria-label": what }),
      el("p", { class: "dim" }, el("span", { id: "waited" }), " It is kept when it is done, so that it is there at once the next time."));
  }
  document.getElementById("waited").textContent = `${seconds} s so far.`;
}
function quantity(value, unit) {
  if (value === null || value === undefined) return "";
  const steps = { ns: [1000, ["ns", "us", "ms", "s"]], bytes: [1024, ["B", "KiB", "MiB", "GiB"]],
    count: [1000, ["", "k", "M", "G"]] }[unit];
  if (!steps) return Number(value.toPrecision(4)) + " " + unit;
  let index = 0;
  while (index + 1 < steps[1].length && Math.abs(value) >= steps[0] * 0.99995) { value /= steps[0]; index += 1; }
  return (Number(value.toPrecision(4)) + " " + steps[1][index]).trim();
}
function percent(change) {
  if (change === null) return "from 0";
  if (change >= 9) return "x" + (change + 1).toFixed(0);
  const text = (change * 100).toFixed(1);
  return (change >= 0 ? "+" : "") + (text === "-0.0" ? "0.0" : text) + "%";
}
const when = (time) => (time ? time.slice(0, 16).replace("T", " ") + " UTC" : "");
const short = (commit) => (commit ? commit.slice(0, 10) : "");
const range = (one) => `${short(one.after_commit) || "?"}..${short(one.up_to_commit) || "?"}`;
const since = (one) => (one.up_to_commit ? `${range(one)} (${one.measured_at.slice(0, 10)})` : when(one.measured_at));
const seriesName = (one) => (one.metric === "time" ? one.benchmark : `${one.benchmark} [${one.metric}]`);
const seriesLink = (one) => el("a", {
  href: `#/series?benchmark=${encodeURIComponent(one.benchmark)}&metric=${encodeURIComponent(one.metric)}` }, seriesName(one));
const words = { regression: ["bad", "worse"], improvement: ["good", "better"] };

function table(heads, rows) {
  const head = el("tr", {}, ...heads.map((one) => el("th", { scope: "col", class: one[1] || false }, one[0])));
  // On a phone there is no room for a head, so each cell bears its own.
  for (const row of rows) [...row.cells].forEach((one, at) => { one.dataset.head = heads[at][0]; });
  const body = el("tbody", {}, ...rows);
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), body));
}
const cell = (text, kind) => el("td", { class: kind || false }, text);
const number = (text) => cell(text, "number");

function spark(values) {
  const points = values.map((value, at) => `${(at / Math.max(values.length - 1, 1)) * 100},${22 - value / 5}`);
  return svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polyline", { points: points.join(" ") }));
}

// A part of a long list, and the way to the other parts.
function pager(from, size, total, go) {
  if (total <= size) return null;
  const step = (text, to, possible) => el("button", { type: "button", disabled: possible ? false : "", onclick: () => go(to) }, text);
  return el("p", { class: "controls pager" }, step("earlier part", Math.max(from - size, 0), from > 0),
    el("span", {}, `${from + 1} to ${Math.min(from + size, total)} of ${total}`), step("next part", from + size, from + size < total));
}

const ROWS = 200;
const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;
async function benchmarks() {
  const overview = await ask("overview");
  const list = el("div");
  const filter = el("input", { id: "filter", type: "search", placeholder: "part of a name", oninput: () => draw() });
  const metrics = [...new Set(overview.series.map((one) => one.metric))].sort();
  const metric = el("select", { id: "metric", onchange: () => draw() }, ...metrics.map((one) => el("option", {}, one)));
  if (metrics.includes("time")) metric.value = "time";
  const alarms = el("input", { id: "alarms", type: "checkbox", onchange: () => draw() });
  function draw(from = 0) {
    const wanted = filter.value.toLowerCase();
    const shown = overview.series.filter((one) => one.metric === metric.value
      && one.benchmark.toLowerCase().includes(wanted) && (!alarms.checked || one.alarms > 0));
    const size = (one) => (one.worst ? Math.abs(Math.log1p(one.worst.change)) : -1);
    shown.sort((a, b) => size(b) - size(a) || a.benchmark.localeCompare(b.benchmark));
    const rows = shown.slice(from, from + ROWS).map((one) => el("tr", {}, el("td", {}, seriesLink(one)),
      number(quantity(one.latest, one.unit)), el("td", {}, spark(one.spark)), number(String(one.points)),
      one.worst ? el("td", {}, el("span", { class: "bad" }, `worse ${percent(one.worst.change)}`), ` since ${since(one.worst)}`,
        one.alarms > 1 ? el("span", { class: "dim" }, `, ${one.alarms} to look at`) : null)
        : cell(one.changes ? plural(one.changes, "known change", "known changes") : "none", "dim")));
    list.replaceChildren(el("p", { class: "dim", id: "count" }, plural(shown.length, "benchmark", "benchmarks")),
      table([["benchmark"], ["latest", "number"], ["history"], ["points", "number"], ["open changes, largest first"]], rows),
      pager(from, ROWS, shown.length, draw) || "");
  }
  draw();
  return [el("h1", {}, "Benchmarks"), el("div", { class: "controls" }, el("label", {}, "filter", filter),
    el("label", {}, "metric", metric), el("label", {}, "only with open changes", alarms)), list];
}

// Round values between two others.
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at += 1) found.push(at * step);
  return found;
}

function chart(series) {
  // As wide as it is shown, so that its letters have the size of others.
  const width = Math.min(900, Math.max(340, main.clientWidth - 32));
  const [height, left, right, top, bottom] = [320, 80, 15, 15, 40];
  const points = series.points;
  let view = [0, Math.max(points.length - 1, 1)];
  const title = `${seriesName(series)}: ${points.length} values, ${series.change_points.length} changes`;
  const node = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": title, id: "chart" });
  const reset = el("button", { id: "reset", type: "button", onclick: () => zoom(0, points.length - 1) }, "show all");
  const note = el("span", { class: "dim", id: "range" });
  const x = (at) => left + ((at - view[0]) / (view[1] - view[0] || 1)) * (width - left - right);
  const place = (event) => {
    const box = node.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    return view[0] + ((at - left) / (width - left - right)) * (view[1] - view[0]);
  };
  function zoom(from, to) {
    from = Math.max(0, Math.floor(from)); to = Math.min(points.length - 1, Math.ceil(to));
    if (to - from < 1) return;
    view = [from, to];
    draw();
  }
  function draw() {
    const shown = points.map((point, at) => [at, point]).filter(([at]) => at >= view[0] && at <= view[1]);
    const values = shown.map(([, point]) => point.value);
    let low = Math.min(...values), high = Math.max(...values);
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    low -= margin; high += margin;
    const y = (value) => height - bottom - ((value - low) / (high - low)) * (height - top - bottom);
    node.replaceChildren(svg("title", {}, title));
    for (const value of ticks(low, high)) {
      node.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
        svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, quantity(value, series.unit)));
    }
    for (const [at, anchor] of [[view[0], "start"], [view[1], "end"]]) {
      if (points[at]) node.append(svg("text", { x: x(at), y: height - 14, "text-anchor": anchor }, width < 500 ? points[at].measured_at.slice(0, 10) : when(points[at].measured_at)));
    }
    // Values of different machines are never joined.
    const starts = [...series.epochs, points.length];
    for (let index = 0; index + 1 < starts.length; index += 1) {
      const part = shown.filter(([at]) => at >= starts[index] && at < starts[index + 1]);
      node.append(svg("polyline", { class: "level", points: part.map(([at, point]) => `${x(at)},${y(point.value)}`).join(" ") }));
    }
    for (const change of series.change_points.filter((one) => one.index >= view[0] && one.index <= view[1])) {
      const at = x(change.index - 0.5);
      node.append(svg("line", { class: `mark ${change.verdict}`, x1: at, x2: at, y1: top, y2: height - bottom },
        svg("title", {}, `${percent(change.change)} at ${when(change.measured_at)}`)));
    }
    if (shown.length <= 400) for (const [at, point] of shown) {
      node.append(svg("circle", { class: "point", cx: x(at), cy: y(point.value), r: 3 },
        svg("title", {}, `${quantity(point.value, series.unit)}, ${when(point.measured_at)} ${short(point.commit)}`)));
    }
    note.textContent = `values ${view[0] + 1} to ${view[1] + 1} of ${points.length}; drag to zoom, or use the wheel, + and -`;
    reset.disabled = view[0] === 0 && view[1] === points.length - 1;
  }
  let begun = null;
  node.addEventListener("pointerdown", (event) => { begun = place(event); node.setPointerCapture(event.pointerId); });
  node.addEventListener("pointermove", (event) => {
    if (begun === null) return;
    node.querySelector(".select")?.remove();
    const [from, to] = [x(begun), x(place(event))].sort((a, b) => a - b);
    node.append(svg("rect", { class: "select", x: from, y: top, width: to - from, height: height - top - bottom }));
  });
  node.addEventListener("pointerup", (event) => {
    if (begun === null) return;
    const [from, to] = [begun, place(event)].sort((a, b) => a - b);
    begun = null;
    node.querySelector(".select")?.remove();
    if (x(to) - x(from) > 8) zoom(from, to);
  });
  const scale = (factor, middle) => zoom(middle - (middle - view[0]) * factor, middle + (view[1] - middle) * factor);
  node.addEventListener("wheel", (event) => {
    event.preventDefault();
    scale(event.deltaY < 0 ? 0.7 : 1.4, place(event));
  }, { passive: false });
  node.addEventListener("keydown", (event) => {
    const middle = (view[0] + view[1]) / 2;
    if (event.key === "+") scale(0.6, middle);
    if (event.key === "-") scale(1.7, middle);
  });
  draw();
  return [node, el("p", { class: "controls" }, reset, note)];
}

function acceptForm(series, change, about) {
  const reason = el("input", { name: "reason", required: "", placeholder: "why this is fine" });
  const author = el("input", { name: "author", value: about.author || "", placeholder: "who says so" });
  const said = el("span", { role: "status" });
  return el("form", { class: "controls", onsubmit: async (event) => {
    event.preventDefault();
    const wish = { benchmark: series.benchmark, metric: series.metric, run: change.run, reason: reason.value, author: author.value };
    const answer = await fetch("/api/accept", { method: "POST", body: JSON.stringify(wish),
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf } });
    if (answer.ok) show(); else said.textContent = (await answer.json()).error;
  } }, el("label", {}, "reason", reason), el("label", {}, "by", author), el("button", { type: "submit" }, "Accept this change"), said);
}

// The server draws these as the report does, and escapes what it puts into them.
async function figures(wanted) {
  const { conclusion, figures } = await ask("figures?" + wanted);
  const drawn = figures.map((one) => {
    const picture = new DOMParser().parseFromString(one.svg, "image/svg+xml").documentElement;
    return el("figure", {}, document.importNode(picture, true), el("figcaption", { class: "dim" }, one.caption));
  });
  return [el("p", { id: "conclusion" }, `${wanted.get("current") || "latest"} against ${wanted.get("baseline")}: ${conclusion}`),
    el("div", { class: "figures" }, ...drawn)];
}

async function seriesPage(query) {
  const wanted = new URLSearchParams(query);
  const [series, about] = await Promise.all([ask("series?" + query), ask("about")]);
  const compared = wanted.has("baseline") ? await figures(wanted) : [];
  const changes = series.change_points.map((change) => {
    const [kind, word] = words[change.verdict] || ["open", "changed"];
    const notes = [change.provisional && "provisional: too few later points",
      change.machine_event && "with most other benchmarks",
      change.acknowledged && `accepted by ${change.acknowledged.author}: ${change.acknowledged.reason}`].filter(Boolean);
    return el("div", { class: "card change" }, el("strong", { class: kind }, `${word} ${percent(change.change)}`),
      ` since ${when(change.measured_at)} (run:${change.run}): ${quantity(change.before, series.unit)} to ${quantity(change.after, series.unit)}, ` +
      `p ${change.p_value.toExponential(1)}, commits ${range(change)}`,
      notes.length ? el("div", { class: "dim" }, notes.join("; ")) : null,
      change.acknowledged || about.read_only ? null : acceptForm(series, change, about));
  }).reverse();
  const rows = series.points.slice(-30).reverse().map((point) => el("tr", {}, cell(when(point.measured_at)),
    number(quantity(point.value, series.unit)), cell(short(point.commit)), cell(point.runs.map((run) => `run:${run}`).join(", "), "dim")));
  return [el("h1", {}, seriesName(series)), ...compared, compared.length ? el("h2", {}, "History") : null, ...chart(series), el("h2", {}, "Changes"),
    ...(changes.length ? [el("p", { class: "dim" }, "p says how likely such a step is by chance; a change that is accepted never alarms again."), ...changes] : [el("p", { class: "dim" }, "No lasting change was found.")]),
    el("h2", {}, "Latest values"), table([["measured"], ["value", "number"], ["commit"], ["runs"]], rows)];
}

async function changesPage() {
  const changes = await ask("changes");
  const list = el("div");
  function draw(from = 0) {
    const rows = changes.slice(from, from + ROWS).map((one) => {
      const [kind, word] = words[one.verdict] || ["open", "changed"];
      const state = one.acknowledged ? `accepted: ${one.acknowledged.reason}` : one.machine_event ? "machine" : one.provisional ? "provisional" : "open";
      return el("tr", {}, cell(when(one.measured_at)), el("td", {}, seriesLink(one)), el("td", { class: `number ${kind}` }, `${word} ${percent(one.change)}`),
        cell(range(one)), cell(state));
    });
    list.replaceChildren(table([["since"], ["benchmark"], ["change", "number"], ["commits"], ["state"]], rows), pager(from, ROWS, changes.length, draw) || "");
  }
  draw();
  return [el("h1", {}, "Changes"), el("p", { class: "dim" }, `${plural(changes.length, "lasting change", "lasting changes")} in all histories, newest first`), list];
}

async function comparePage(query) {
  const baselines = await ask("baselines");
  const wanted = new URLSearchParams(query);
  const names = baselines.map((one) => one.name);
  const baseline = el("input", { id: "baseline", list: "names", value: wanted.get("baseline") || names[0] || "" });
  const current = el("input", { id: "current", list: "names", value: wanted.get("current") || "latest" });
  const form = el("form", { class: "controls", onsubmit: (event) => {
    event.preventDefault();
    location.hash = "#/compare?" + new URLSearchParams({ baseline: baseline.value, current: current.value });
  } }, el("label", {}, "baseline, or run:12", baseline), el("label", {}, "current", current), el("button", {}, "Compare"),
    el("datalist", { id: "names" }, ...[...names, "latest"].map((name) => el("option", { value: name }))));
  const page = [el("h1", {}, "Compare"), form];
  if (!baseline.value) return [...page, el("p", { class: "dim" }, "There is no baseline yet: name two runs, such as run:1 and latest, or let bench-analyzer import --baseline NAME make one.")];
  const sides = { baseline: baseline.value, current: current.value };
  const first = await ask("compare?" + new URLSearchParams(sides));
  const search = el("input", { id: "search", type: "search", placeholder: "part of a name", oninput: () => later(() => draw(0)) });
  const verdict = el("select", { id: "verdict", onchange: () => draw(0) }, el("option", { value: "" }, "all"),
    ...first.counts.map(([name, count]) => el("option", { value: name }, `${name} (${count})`)));
  const list = el("div");
  async function draw(from) {
    fill(await ask("compare?" + new URLSearchParams({ ...sides, search: search.value, verdict: verdict.value, from })));
  }
  function fill(report) {
    const link = (one) => el("a", { href: "#/series?" + new URLSearchParams({ benchmark: one.benchmark, metric: one.metric, ...sides }) }, seriesName(one));
    const rows = report.comparisons.map((one) => el("tr", {}, cell(one.verdict, (words[one.verdict] || ["dim"])[0]), el("td", {}, link(one)),
      number(quantity(one.baseline.value, one.unit)), number(quantity(one.current.value, one.unit)), number(percent(one.ratio === null ? null : one.ratio - 1)),
      number(one.interval.low === one.interval.high ? "exact" : `${percent(one.interval.low - 1)} to ${percent(one.interval.high - 1)}`), cell([one.since, one.remark].filter(Boolean).join("; ")),
      cell(`${one.baseline.runs} and ${one.current.runs} runs`, "dim")));
    list.replaceChildren(el("p", { class: "dim", id: "count" }, `${plural(report.total, "benchmark", "benchmarks")}, worst first`),
      table([["verdict"], ["benchmark"], ["baseline", "number"], ["current", "number"], ["change", "number"], ["95% interval", "number"], ["since, and remarks"], ["rests on"]], rows),
      pager(report.from, ROWS, report.total, draw) || "");
  }
  fill(first);
  const absent = [["only_in_baseline", "only in the baseline"], ["only_in_current", "only in the current results"]]
    .filter(([key]) => first[key].length).map(([key, said]) => el("details", {}, el("summary", {}, `${first[key].length} ${said}`), el("ul", {}, ...first[key].map((one) => el("li", {}, seriesName(one))))));
  page.push(el("p", { id: "summary" }, el("strong", {}, first.summary)), el("p", { class: "dim" }, first.sides.join("  →  ")),
    ...first.notes.map((note) => el("p", { class: "open" }, note)),
    el("div", { class: "controls" }, el("label", {}, "filter", search), el("label", {}, "verdict", verdict)), list, ...absent);
  return page;
}
let typing = 0;
function later(action) { clearTimeout(typing); typing = setTimeout(action, 150); }

async function runsPage(query) {
  const from = Number(new URLSearchParams(query).get("from")) || 0;
  const { runs, total } = await ask("runs?from=" + from);
  const rows = runs.map((run) => el("tr", {}, el("td", {}, el("a", { href: `#/compare?baseline=run:${run.id}&current=latest` }, `run:${run.id}`)),
    cell(when(run.measured_at)), cell(short(run.revision.commit)), cell(run.revision.branch || ""), number(String(run.benchmarks)),
    cell(run.baselines.join(", ")), cell(run.label || run.origin, "dim")));
  return [el("h1", {}, "Runs"), el("p", { class: "dim" }, `${plural(total, "run", "runs")}, newest first`),
    table([["run"], ["measured"], ["commit"], ["branch"], ["benchmarks", "number"], ["baselines"], ["origin"]], rows),
    pager(from, 100, total, (to) => { location.hash = `#/runs?from=${to}`; })];
}

async function suitesPage() {
  const { jobs, alerts, steps } = await ask("jobs");
  const log = el("pre", { hidden: "" });
  const openLog = async (job) => {
    const run = Math.min(job.runs_done + 1, job.runs_wanted);
    log.hidden = false;
    try { log.textContent = await ask(`log?job=${job.id}&run=${run}`) || "(nothing yet)"; } catch (error) { log.textContent = error.message; }
  };
  const rows = jobs.map((job) => {
    const running = job.state === "running" && !job.interrupted;
    const state = job.interrupted ? "interrupted" : job.state;
    const outcome = job.interrupted ? "its program is gone; the next bench-analyzer run or watch goes on with it" : job.failure || job.summary || "";
    const bar = el("progress", { max: job.runs_wanted, value: job.runs_done, "aria-label": `runs of job ${job.id}` });
    const left = running && job.seconds_left !== null ? `, about ${job.seconds_left < 120 ? Math.ceil(job.seconds_left) + " s" : Math.ceil(job.seconds_left / 60) + " min"} left` : "";
    return el("tr", { class: "job" }, cell(`job:${job.id}`), cell(job.suite), cell(state, state === "failed" ? "bad" : running || job.interrupted ? "open" : false),
      el("td", { class: "runs" }, bar, ` ${job.runs_done} of ${job.runs_wanted}${left}`), cell(when(job.due_at)), cell(job.cause + (job.commit ? " " + short(job.commit) : "")),
      cell(outcome), el("td", {}, el("button", { type: "button", onclick: () => openLog(job) }, "log")));
  });
  const open = alerts.map((one) => el("li", {}, `${one.suite}: ${one.subject === "suite" ? "fails" : one.subject.benchmark.name + " " + percent(one.factor - 1)} since ${when(one.opened_at)}`))
    .concat(steps.map((one) => el("li", {}, `${one.suite}: `, seriesLink({ benchmark: one.name, metric: one.metric }), ` ${percent(one.factor - 1)} since run:${one.run}, a lasting step, told ${when(one.opened_at)}`)));
  timer = setTimeout(async () => { if (location.hash === "#/suites" && log.hidden) await show(true); }, 2000);
  return [el("h1", {}, "Suites"), el("h2", {}, "Open alerts"), open.length ? el("ul", {}, ...open) : el("p", { class: "dim" }, "None."),
    el("h2", {}, "Jobs"), jobs.length ? table([["job"], ["suite"], ["state"], ["runs"], ["due"], ["cause"], ["outcome"], [""]], rows)
      : el("p", { class: "dim" }, "No suite ran yet: bench-analyzer run --help explains them."), log];
}

const pages = { "/": benchmarks, "/series": seriesPage, "/changes": changesPage, "/compare": comparePage, "/runs": runsPage, "/suites": suitesPage };
async function show(quiet) {
  clearTimeout(timer);
  visit += 1;
  newerToCome = false;
  const mine = visit;
  const hash = location.hash;
  const [path, query = ""] = (hash.slice(1) || "/").split("?");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === "#" + path) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  let content;
  try {
    content = await (pages[path] || benchmarks)(query);
  } catch (error) {
    content = [el("h1", {}, "That did not work"), el("p", { role: "alert" }, error.message)];
  }
  if (mine !== visit) return;
  content = content.filter((child) => child !== null);
  if (newerToCome) {
    // What is shown is whole, but older than what is stored by now.
    content.unshift(el("p", { class: "open", role: "status" }, "New results are being read. ",
      el("button", { type: "button", onclick: () => show() }, "Show them")));
  }
  main.replaceChildren(...content);
  main.dataset.ready = hash;
  if (quiet !== true) main.focus();
}
window.addEventListener("hashchange", show);
show(true);
