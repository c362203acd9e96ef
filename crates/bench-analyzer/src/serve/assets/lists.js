// Changes, runs, and suites as they run.
import { ask } from "./ask.js";
import { STATES, branch, cell, commit, commits, el, isNarrow, machineChoice, number, pager, percent, plural, prose, search, select, seriesLink, short, when, word } from "./dom.js";
import { address, go, note, route } from "./route.js";

export async function changes(query) {
  const { changes: all, machines, machine: only } = await ask("changes", { machine: query.get("machine") });
  const chosen = { filter: query.get("filter") || "", state: query.get("state") || "" };
  const list = el("div");
  function draw() {
    const shown = all.filter((one) => one.benchmark.toLowerCase().includes(chosen.filter.toLowerCase()) && (!chosen.state || one.state === chosen.state));
    list.replaceChildren(el("p", { class: "dim", id: "count", role: "status" }, `${plural(shown.length, "lasting change", "lasting changes")}, newest first`),
      ...(shown.length ? [short([["since"], ["benchmark"], ["change", "number"], ["commits"], ["state"]], shown, row, { most: isNarrow() ? 20 : 100 })] : []));
  }
  const choose = (choice) => { Object.assign(chosen, choice); note({ ...choice, all: "" }); draw(); };
  draw();
  const states = ["new", "open", "watch", "accepted", "machine_event", "withdrawn"];
  return { title: "Changes", content: [el("h1", {}, "Changes"),
    el("div", { class: "controls" }, search("filter", chosen.filter, (filter) => choose({ filter })),
      select("state", "state", [["", "all"], ...states.map((one) => [one, STATES[one]])], chosen.state, (state) => choose({ state })),
      machineChoice(machines, only, (machine) => go({ machine, all: "" }))), list] };
}

function row(one) {
  const [kind, said] = word(one.verdict);
  const reason = one.acknowledged ? [": ", prose(one.acknowledged.reason)] : one.state === "machine_event" ? [": with most other benchmarks"] : [];
  return el("tr", {}, cell(when(one.measured_at)), el("td", {}, seriesLink(one)),
    el("td", { class: `number ${["open", "new"].includes(one.state) ? kind : "dim"}` }, `${said} ${percent(one.change)}`), cell(commits(one)), cell([STATES[one.state], ...reason]));
}

export async function runs(query) {
  const from = Number(query.get("from")) || 0;
  const { runs: listed, total } = await ask("runs", { from });
  if (total === 0) return { title: "Runs", content: [el("h1", {}, "Runs"), el("p", { class: "dim" }, "No run is stored yet.")] };
  const row = (run) => el("tr", {}, el("td", {}, el("a", { href: address("/compare", { baseline: `run:${run.id}`, current: "latest" }) }, `run:${run.id}`)),
    cell(when(run.measured_at)), cell(run.revision.commit ? commit(run.revision.commit) : ""), cell(branch(run.revision.branch)), number(String(run.benchmarks)),
    cell(run.baselines.join(", ")), cell(run.excluded ? `left out: ${run.excluded}` : run.label || run.origin, "dim"));
  const heads = [["run"], ["measured"], ["commit"], ["branch"], ["benchmarks", "number"], ["baselines"], ["origin"]];
  return { title: "Runs", content: [el("h1", {}, "Runs"), el("p", { class: "dim" }, `${plural(total, "run", "runs")}, newest first`),
    short(heads, listed, row, { most: isNarrow() ? 20 : 100 }), pager(from, 100, total, (to) => go({ from: to || "", all: "" }))] };
}

export async function suites() {
  const { jobs, alerts, steps } = await ask("jobs");
  const log = el("pre", { hidden: "", id: "log" });
  const openLog = async (job) => {
    const run = Math.min(job.runs_done + 1, job.runs_wanted);
    log.hidden = false;
    try { log.textContent = await ask("log", { job: job.id, run }) || "(nothing yet)"; } catch (error) { log.textContent = error.message; }
  };
  const open = alerts.map((one) => el("li", {}, `${one.suite}: ${one.subject === "suite" ? "fails" : one.subject.benchmark.name + " " + percent(one.factor - 1)} since ${when(one.opened_at)}`))
    .concat(steps.map((one) => el("li", {}, `${one.suite}: `, seriesLink({ benchmark: one.name, metric: one.metric }), ` ${percent(one.factor - 1)} since run:${one.run}, a lasting step, told ${when(one.opened_at)}`)));
  const heads = [["job"], ["suite"], ["state"], ["runs"], ["due"], ["cause"], ["outcome"], [""]];
  const content = [el("h1", {}, "Suites"), el("h2", {}, "Open alerts"), open.length ? el("ul", {}, open) : el("p", { class: "dim" }, "None."), el("h2", {}, "Jobs"),
    jobs.length ? short(heads, jobs, (job) => jobRow(job, openLog), { most: isNarrow() ? 20 : 100 }) : el("p", { class: "dim" }, "No suite ran yet: bench-analyzer run --help explains them."), log];
  return { title: "Suites", content, again: () => route().path === "/suites" && log.hidden };
}

function jobRow(job, openLog) {
  const running = job.state === "running" && !job.interrupted;
  const state = job.interrupted ? "interrupted" : job.state;
  const outcome = job.interrupted ? "its program is gone; the next bench-analyzer run or watch goes on with it" : job.failure || job.summary || "";
  const bar = el("progress", { max: job.runs_wanted, value: job.runs_done, "aria-label": `runs of job ${job.id}` });
  const seconds = job.seconds_left;
  const left = running && seconds !== null ? `, about ${seconds < 120 ? Math.ceil(seconds) + " s" : Math.ceil(seconds / 60) + " min"} left` : "";
  return el("tr", { class: "job" }, cell(`job:${job.id}`), cell(job.suite), cell(state, state === "failed" ? "bad" : running || job.interrupted ? "open" : false),
    el("td", { class: "runs" }, bar, ` ${job.runs_done} of ${job.runs_wanted}${left}`), cell(when(job.due_at)), cell([job.cause, ...(job.commit ? [" ", commit(job.commit)] : [])]),
    cell(outcome), el("td", {}, el("button", { type: "button", onclick: () => openLog(job) }, "log")));
}
