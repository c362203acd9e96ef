// All benchmarks, in the groups that their names make or as a list, worst first.
import { ask } from "./ask.js";
import { STATES, cell, commits, el, isNarrow, machineChoice, number, percent, plural, quantity, search, select, seriesLink, short, spark } from "./dom.js";
import { firstStep } from "./home.js";
import { go, note } from "./route.js";

const HEADS = [["benchmark"], ["latest", "number"], ["history"], ["values", "number"], ["open changes, largest first"]];
/** So few are no reason for groups. */
const FEW = 30;

export async function benchmarks(query) {
  const machine = query.get("machine");
  const { series, machines, machine: only } = await ask("overview", { machine });
  if (series.length === 0 && !machine) return { title: "First step", content: firstStep() };
  const metrics = [...new Set(series.map((one) => one.metric))].sort();
  const usual = metrics.includes("time") ? "time" : metrics[0];
  const chosen = {
    filter: query.get("filter") || "",
    metric: query.get("metric") || usual,
    open: query.get("open") === "1",
    view: query.get("view") || "",
  };
  const expanded = new Set((query.get("groups") || "").split("|").filter(Boolean));
  const list = el("div");

  function draw() {
    const wanted = chosen.filter.toLowerCase();
    const shown = series.filter((one) => one.metric === chosen.metric && one.benchmark.toLowerCase().includes(wanted)
      && (!chosen.open || one.alarms > 0));
    shown.sort((a, b) => size(b) - size(a) || a.benchmark.localeCompare(b.benchmark));
    const asList = chosen.view ? chosen.view === "list" : shown.length <= FEW || wanted !== "" || chosen.open;
    const said = wanted && shown.length === 0 ? `No benchmark has "${chosen.filter}" in its name.` : plural(shown.length, "benchmark", "benchmarks");
    list.replaceChildren(el("p", { class: "dim", id: "count", role: "status" }, said),
      asList ? short(HEADS, shown, row, { most: isNarrow() ? 20 : 100 }) : tree(shown, expanded));
  }
  function choose(choices) {
    Object.assign(chosen, choices);
    note({ ...choices, all: "", ...(choices.metric === usual ? { metric: "" } : {}) });
    draw();
  }
  const open = el("input", { id: "alarms", type: "checkbox", onchange: () => choose({ open: open.checked ? 1 : "" }) });
  open.checked = chosen.open;
  const controls = el("div", { class: "controls" },
    search("filter", chosen.filter, (filter) => choose({ filter })),
    metrics.length > 1 ? select("metric", "quantity", metrics.map((one) => [one, one]), chosen.metric, (metric) => choose({ metric })) : null,
    select("view", "shown as", [["", "what fits"], ["groups", "groups"], ["list", "list"]], chosen.view, (view) => choose({ view })),
    machineChoice(machines, only, (one) => go({ machine: one, all: "" })),
    el("label", {}, "open changes only", open));
  draw();
  return { title: "Benchmarks", content: [el("h1", {}, "Benchmarks"), controls, list] };
}

/** What is to watch comes behind what is sure, however large it is. */
const size = (one) => (one.worst ? Math.abs(Math.log1p(one.worst.change)) + (one.alarms > 0 ? 1000 : 0) : -1);

function row(one) {
  const open = one.worst
    ? el("td", {}, one.worst.state === "watch" ? el("span", { class: "dim" }, `${STATES.watch}: worse ${percent(one.worst.change)}`)
      : el("span", { class: "bad" }, `worse ${percent(one.worst.change)}`), " since ", commits(one.worst),
      one.alarms > 1 ? el("span", { class: "dim" }, `, ${one.alarms} to look at`) : null)
    : cell(one.changes ? plural(one.changes, "known change", "known changes") : "none", "dim");
  return el("tr", {}, el("td", {}, seriesLink(one)), number(quantity(one.latest, one.unit)), el("td", {}, spark(one.spark)), number(String(one.points)), open);
}

/** Benchmarks by the parts of their names. What is in a group is drawn when it is opened. */
function tree(shown, expanded) {
  const root = { groups: new Map(), leaves: [], all: [] };
  for (const one of shown) {
    const parts = one.benchmark.split("/");
    let place = root;
    place.all.push(one);
    for (const part of parts.slice(0, -1)) {
      if (!place.groups.has(part)) place.groups.set(part, { groups: new Map(), leaves: [], all: [] });
      place = place.groups.get(part);
      place.all.push(one);
    }
    place.leaves.push(one);
  }
  return el("div", { id: "tree" }, branches(root, "", expanded));
}

function branches(place, path, expanded) {
  const groups = [...place.groups].sort(([a], [b]) => a.localeCompare(b)).map(([name, group]) => {
    const own = path ? `${path}/${name}` : name;
    const worse = group.all.filter((one) => one.alarms > 0).length;
    const details = el("details", { class: "group" }, el("summary", {}, el("strong", {}, name), " ",
      el("span", { class: "dim" }, plural(group.all.length, "benchmark", "benchmarks")), worse ? el("span", { class: "bad" }, ` ${worse} worse`) : null));
    const fill = () => { if (details.children.length === 1) details.append(el("div", { class: "inside" }, branches(group, own, expanded))); };
    details.addEventListener("toggle", () => {
      if (details.open) { fill(); expanded.add(own); } else expanded.delete(own);
      note({ groups: [...expanded].join("|") });
    });
    if (expanded.has(own)) { fill(); details.open = true; }
    return details;
  });
  const leaves = place.leaves.length ? [short(HEADS, place.leaves, row, { most: isNarrow() ? 20 : 100 })] : [];
  return [...groups, ...leaves];
}
