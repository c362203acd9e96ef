// The first page: what changed since the last release or lately, and what was open before.
import { ask } from "./ask.js";
import { STATES, cell, commit, commits, day, el, machineChoice, number, outside, percent, plural, quantity, select, seriesLink, short, spark, word } from "./dom.js";
import { address, go, route } from "./route.js";

const TOP = 20;
const HEADS = [["state"], ["benchmark"], ["change", "number"], ["from"], ["history"], ["since"], ["remarks"]];

export async function home(query) {
  const told = await ask("home", { since: query.get("since"), machine: query.get("machine") });
  if (told.all === 0) return { title: "First step", content: firstStep() };
  const title = `What changed since ${told.period.name}`;
  const content = [
    el("h1", {}, title),
    el("p", { id: "summary" }, el("strong", {}, summary(told)), ` Measured last on ${day(told.newest)}.`),
    el("div", { class: "controls" },
      select("since", "since", told.periods.map((one) => [one.id, one.name]), told.period.id, (since) => go({ since, all: "", older: "" })),
      machineChoice(told.machines, told.machine, (machine) => go({ machine }))),
    happened(told.events),
    told.changed.length
      ? short(HEADS, told.changed, row, { most: TOP })
      : told.unchanged > 0 && el("p", { class: "good" }, "No benchmark shows a change in this time."),
    told.too_short > 0 && el("p", { id: "too-short" }, `${plural(told.too_short, "benchmark has", "benchmarks have")} too few results on this machine to tell noise from change: it takes nine. `,
      el("a", { href: address("/compare") }, "Compare two of them"), "."),
    ...olderPart(told.older),
    arrived(told.arrivals),
    el("p", {}, el("a", { href: address("/benchmarks") }, `All ${plural(told.all, "benchmark", "benchmarks")}`)),
  ];
  return { title, content };
}

function summary({ changed, unchanged, too_short, all, older }) {
  const open = changed.filter((one) => !["accepted", "watch"].includes(one.state));
  const of = (state) => changed.filter((one) => one.state === state).length;
  const slower = open.filter((one) => one.verdict === "regression").length;
  const faster = open.filter((one) => one.verdict === "improvement").length;
  const others = open.length - slower - faster;
  const parts = [`${slower} worse`, `${faster} better`];
  if (others) parts.push(`${others} changed`);
  if (of("accepted")) parts.push(`${of("accepted")} accepted`);
  if (of("watch")) parts.push(`${of("watch")} to watch`);
  const calm = unchanged === 0 && too_short ? [] : [`${unchanged} of ${plural(all, "benchmark", "benchmarks")} show no change`];
  if (too_short) calm.push(`${calm.length ? too_short : plural(too_short, "benchmark", "benchmarks")} cannot be told yet`);
  const before = older.length ? ` ${older.length} from before still open.` : "";
  return `${parts.join(", ")}; ${calm.join(", ")}.${before}`;
}

function row(one) {
  const [kind, said] = word(one.verdict);
  const state = el("td", { class: `state ${one.state} ${one.state === "new" ? kind : ""}` }, STATES[one.state]);
  const remarks = [one.remark, one.assignee && ` → ${one.assignee}`].filter(Boolean);
  if (one.link) remarks.push(" ", outside(one.link, "report"));
  return el("tr", {}, state, el("td", {}, seriesLink(one)),
    el("td", { class: `number ${["accepted", "watch"].includes(one.state) ? "dim" : kind}` }, `${said} ${percent(one.change)}`),
    cell(`${quantity(one.before, one.unit)} → ${quantity(one.after, one.unit)}`),
    el("td", {}, spark(one.spark, one.at)), cell(commits(one)), cell(remarks, "dim"));
}

function olderPart(older) {
  if (older.length === 0) return [];
  return [el("h2", {}, "Still open from before"), short(HEADS, older, row, { most: 5, name: "older" })];
}

const KINDS = { machine_change: "Another machine", common_move: "Most benchmarks moved" };
function happened(events) {
  if (events.length === 0) return null;
  const newest = events.slice(-5).reverse();
  return el("ul", { class: "events", id: "events" }, newest.map((one) =>
    el("li", { class: one.kind }, el("strong", {}, KINDS[one.kind]), " ", commits(one), `: ${one.said}`)),
    events.length > newest.length ? el("li", { class: "dim" }, `and ${events.length - newest.length} earlier ones`) : null);
}

function arrived(arrivals) {
  if (arrivals.length === 0) return null;
  const of = (kind) => arrivals.filter((one) => one.kind === kind);
  const named = (all, said) => (all.length === 0 ? null : el("li", {}, `${all.length} ${said}: `,
    all.slice(0, 10).flatMap((one, at) => [at ? ", " : "", seriesLink(one)]), all.length > 10 ? ", ..." : ""));
  const renamed = of("renamed").map((one) => el("li", {}, `${one.was} seems to be `, seriesLink(one), " now, since ", commit(one.commit),
    el("span", { class: "dim" }, ": joined by ", el("code", {}, `bench-analyzer rename '${one.was}' '${one.benchmark}' --reason ...`))));
  return el("section", { id: "arrivals" }, el("h2", {}, "Came and went"),
    el("ul", {}, named(of("new"), "new"), named(of("gone"), "no longer measured"), renamed));
}

export function firstStep() {
  return [
    el("h1", {}, "Nothing is stored yet"),
    el("p", {}, "Measure something, and import what was measured. This page shows it when it is loaded again:"),
    el("pre", {}, "cargo bench\nbench-analyzer import"),
    el("p", {}, "Files of other tools are read too: ", el("code", {}, "bench-analyzer import results.json"), ", in one of the formats that ",
      el("code", {}, "bench-analyzer import --help"), " lists."),
    el("p", { class: "dim" }, "Histories grow with every import. Changes are found once there are a few values before and after them."),
  ];
}
