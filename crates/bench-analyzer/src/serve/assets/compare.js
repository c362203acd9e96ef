// Two sides compared: baselines, runs, or any two commits that were measured.
import { ask } from "./ask.js";
import { cell, dated, day, el, isNarrow, later, number, pager, percent, plural, quantity, search, select, seriesLink, seriesName, short, word } from "./dom.js";
import { address, note } from "./route.js";

const ROWS = 200;
const HEADS = [["verdict"], ["benchmark"], ["before", "number"], ["after", "number"], ["change", "number"], ["95% interval", "number"], ["since, and remarks"], ["runs"]];

export async function compare(query) {
  const [baselines, commits] = await Promise.all([ask("baselines"), ask("commits")]);
  const names = baselines.map((one) => one.name);
  const sides = {
    baseline: query.get("baseline") || names[0] || (commits[1] && nameOf(commits[1], commits)) || "",
    current: query.get("current") || "latest",
  };
  const title = sides.baseline ? `${sides.current} against ${sides.baseline}` : "Compare";
  const content = [el("h1", {}, "Compare"), form(sides, names, commits)];
  if (!sides.baseline) {
    content.push(el("p", { class: "dim" }, "There is nothing to compare with yet: name two commits or runs, such as run:1 and latest, or make a baseline with bench-analyzer import --baseline NAME."));
    return { title, content };
  }
  // What was chosen stays in the form if the comparison fails.
  try {
    content.push(...await comparison(sides, query));
  } catch (error) {
    if (error.message === "left") throw error;
    content.push(el("p", { role: "alert" }, error.message));
  }
  return { title, content };
}

/** The beginning of a commit, of twelve digits or as many as tell it from the others. */
function nameOf(one, commits) {
  const isShared = (digits) => commits.some((other) => other.commit !== one.commit && other.commit.startsWith(one.commit.slice(0, digits)));
  let digits = 12;
  while (digits < one.commit.length && isShared(digits)) digits += 1;
  return one.commit.slice(0, digits);
}

function form(sides, names, commits) {
  const baseline = el("input", { id: "baseline", list: "names", value: sides.baseline, autocomplete: "off" });
  const current = el("input", { id: "current", list: "names", value: sides.current, autocomplete: "off" });
  const goTo = (one, other) => { location.hash = address("/compare", { baseline: one, current: other }); };
  const options = [
    el("option", { value: "latest" }, "the latest results"),
    ...names.map((name) => el("option", { value: name }, "baseline")),
    ...commits.map((one) => el("option", { value: nameOf(one, commits) }, [day(one.measured_at), one.branch, plural(one.runs, "run", "runs")].filter(Boolean).join(", "))),
  ];
  return el("form", { class: "controls", onsubmit: (event) => { event.preventDefault(); goTo(baseline.value, current.value); } },
    el("label", {}, "baseline, commit, tag, HEAD~1 or run:12", baseline), el("label", {}, "compared with", current), el("button", {}, "Compare"),
    el("button", { type: "button", id: "swap", onclick: () => goTo(current.value, baseline.value) }, "Swap"), el("datalist", { id: "names" }, options));
}

async function comparison(sides, query) {
  const chosen = { search: query.get("search") || "", verdict: query.get("verdict") || "", from: query.get("from") || 0 };
  const first = await ask("compare", { ...sides, ...chosen });
  const list = el("div");
  async function draw(choices) {
    Object.assign(chosen, choices);
    note({ ...chosen, from: chosen.from || "", all: "" });
    const wanted = JSON.stringify(chosen);
    const answer = await ask("compare", { ...sides, ...chosen });
    // Somebody may have typed on meanwhile.
    if (wanted === JSON.stringify(chosen)) fill(answer);
  }
  function fill(report) {
    const rows = short(HEADS, report.comparisons, (one) => row(one, sides), { most: isNarrow() ? 20 : ROWS });
    list.replaceChildren(...[el("p", { class: "dim", id: "count", role: "status" }, `${plural(report.total, "benchmark", "benchmarks")}, worst first`), rows,
      pager(report.from, ROWS, report.total, (from) => draw({ from }))].filter(Boolean));
  }
  fill(first);
  const absent = [["only_in_baseline", "only in the baseline"], ["only_in_current", "only in the current results"]]
    .filter(([key]) => first[key].length)
    .map(([key, said]) => el("details", {}, el("summary", {}, `${first[key].length} ${said}`), el("ul", {}, first[key].map((one) => el("li", {}, seriesName(one))))));
  return [
    el("p", { id: "summary" }, el("strong", {}, first.summary)),
    el("p", { class: "dim" }, first.sides.join("  →  ")),
    ...first.notes.map((said) => el("p", { class: "dim" }, said)),
    el("div", { class: "controls" }, search("search", chosen.search, (text) => later(() => draw({ search: text, from: 0 }))),
      select("verdict", "verdict", [["", "all"], ...first.counts.map(([name, count]) => [name, `${name.replaceAll("_", " ")} (${count})`])], chosen.verdict,
        (verdict) => draw({ verdict, from: 0 }))),
    list,
    ...absent,
  ];
}

function row(one, sides) {
  const [kind] = word(one.verdict);
  const isChange = one.verdict === "regression" || one.verdict === "improvement";
  const interval = one.interval.low === one.interval.high ? "exact" : `${percent(one.interval.low - 1)} to ${percent(one.interval.high - 1)}`;
  return el("tr", {}, cell(one.verdict.replaceAll("_", " "), `verdict ${isChange ? kind : "dim"}`), el("td", {}, seriesLink(one, sides)),
    number(quantity(one.baseline.value, one.unit)), number(quantity(one.current.value, one.unit)), number(percent(one.ratio === null ? null : one.ratio - 1)),
    number(interval), cell(dated([one.since, one.remark].filter(Boolean).join("; "))), cell(`${one.baseline.runs} and ${one.current.runs}`, "dim sides"));
}
