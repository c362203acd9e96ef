/* global uPlot */
// The history of a series as a chart. Dragging zooms, and so does the wheel with Ctrl; alone it scrolls the page.
import { commit, day, el, quantity, when } from "./dom.js";

const HEIGHT = 340;

/** A chart of a series; `zoomed` hears of every other part that is shown. */
export function chart(series, shown, zoomed) {
  const points = series.points;
  const last = points.length - 1;
  const title = `${series.points.length} values, ${series.change_points.length} changes`;
  const node = el("div", { id: "chart", role: "img", tabindex: "0", "aria-label": `${series.benchmark}: ${title}. Arrow keys read values, + and - zoom.` });
  const readout = el("p", { id: "readout", role: "status" });
  const range = el("span", { class: "dim", id: "range" });
  const button = (id, text, action) => el("button", { id, type: "button", onclick: action }, text);
  const reset = button("reset", "show all", () => zoom(0, last));
  const controls = el("p", { class: "controls" }, button("in", "zoom in", () => scale(0.6)), button("out", "zoom out", () => scale(1.7)), reset, range);
  let view = shown || [0, last];
  let at = last;
  let plot = null;

  function zoom(from, to) {
    from = Math.max(0, Math.round(from));
    to = Math.min(last, Math.round(to));
    if (to - from < 1) return;
    const isNew = from !== view[0] || to !== view[1];
    view = [from, to];
    draw();
    if (isNew) zoomed(from === 0 && to === last ? null : view);
  }
  function scale(factor, middle = (view[0] + view[1]) / 2) {
    zoom(middle - (middle - view[0]) * factor, middle + (view[1] - middle) * factor);
  }
  function read(place) {
    at = Math.max(view[0], Math.min(view[1], place));
    const point = points[at];
    if (!point) return;
    const machine = Object.keys(series.machines).length > 1 ? `, ${series.machines[point.fingerprint] || "unknown machine"}` : "";
    readout.replaceChildren(el("strong", {}, quantity(point.value, series.unit)), ` on ${when(point.measured_at)}, commit `, commit(point.commit), machine);
    readout.dataset.index = at;
  }
  function draw() {
    node.dataset.shown = view[1] - view[0] + 1;
    range.textContent = `values ${view[0] + 1} to ${view[1] + 1} of ${points.length}`;
    reset.disabled = view[0] === 0 && view[1] === last;
    plot.setScale("x", { min: view[0] - 0.5, max: view[1] + 0.5 });
    read(at);
  }
  node.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = plot.over.getBoundingClientRect();
    scale(event.deltaY < 0 ? 0.7 : 1.4, plot.posToVal(event.clientX - box.left, "x"));
  }, { passive: false });
  node.addEventListener("keydown", (event) => {
    const action = { "+": () => scale(0.6), "-": () => scale(1.7), Escape: () => zoom(0, last), ArrowLeft: () => read(at - 1),
      ArrowRight: () => read(at + 1), Home: () => read(view[0]), End: () => read(view[1]) }[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
    plot.setCursor({ left: plot.valToPos(at, "x"), top: plot.valToPos(points[at].value, "y") });
  });

  // It needs to know how wide it is.
  const start = () => {
    plot = made(series, node, {
      select: (from, to) => zoom(from, to),
      point: (place) => read(place),
    });
    draw();
    new ResizeObserver(() => plot.setSize({ width: node.clientWidth, height: HEIGHT })).observe(node);
  };
  return { nodes: [node, readout, controls, labelList(series)], start };
}

/** Places of the chart: values of different machines are never joined, so a hole lies between them. */
function columns(series) {
  const starts = new Set(series.epochs.slice(1));
  const [x, values, drift] = [[], [], []];
  const slow = series.labels.find((label) => label.kind === "drift");
  const trend = series.trend;
  series.points.forEach((point, at) => {
    if (starts.has(at)) { x.push(at - 0.5); values.push(null); drift.push(null); }
    x.push(at);
    values.push(point.value);
    drift.push(slow && trend && at >= slow.index ? along(series, trend, at) : null);
  });
  return [x, values, drift];
}

/** The line of a drift, through the middle of what it was told from. */
function along(series, trend, at) {
  const of = series.points.slice(trend.from);
  const logs = of.map((point) => Math.log(point.value)).sort((a, b) => a - b);
  const middle = logs[Math.floor(logs.length / 2)];
  const share = (at - trend.from) / Math.max(of.length - 1, 1) - 0.5;
  return Math.exp(middle + share * Math.log1p(trend.change));
}

function made(series, node, { select, point }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const probe = el("span", { hidden: "" });
  document.body.append(probe);
  // A colour that depends on light or dark, as the one that it is.
  const settled = (name) => { probe.style.color = colour(name); return getComputedStyle(probe).color; };
  const [line, dim, grid, open] = ["--accent", "--dim", "--line", "--open"].map(settled);
  probe.remove();
  const narrow = node.clientWidth < 500;
  const axis = { stroke: dim, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui, sans-serif" };
  const dateOf = (value) => (Number.isInteger(value) && series.points[value] ? day(series.points[value].measured_at).slice(narrow ? 5 : 0) : "");
  const options = {
    width: node.clientWidth,
    height: HEIGHT,
    padding: [34, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false, setScale: false, dist: 6 }, points: { size: 9 } },
    scales: {
      x: { time: false },
      y: { range: (plot, low, high) => padded(low, high) },
    },
    axes: [
      { ...axis, space: narrow ? 70 : 110, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], values: (plot, splits) => splits.map(dateOf) },
      { ...axis, size: 76, values: (plot, splits) => splits.map((value) => quantity(value, series.unit)) },
    ],
    series: [
      {},
      { stroke: line, width: 1.5, points: { show: series.points.length <= 400, size: 6, fill: line } },
      { stroke: open, width: 2, dash: [6, 4], points: { show: false } },
    ],
    hooks: {
      setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width < 6) return;
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        select(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
      }],
      setCursor: [(plot) => {
        if (plot.cursor.idx !== null && plot.cursor.idx !== undefined && plot.cursor.event) point(Math.round(plot.data[0][plot.cursor.idx]));
      }],
      draw: [(plot) => placeMarks(plot, marks)],
    },
  };
  const marks = series.labels.map((label) => el("div", { class: `mark ${label.kind} ${label.verdict || ""}`, title: label.said }, el("span", {}, label.short)));
  const plot = new uPlot(options, columns(series), node);
  plot.over.append(...marks);
  function placeMarks(of, all) {
    const { min, max } = of.scales.x;
    const right = of.over.clientWidth;
    // Labels share two rows. One that would cover another is left out: its line stays, and the list below says what it is.
    const rows = [[], []];
    const isMachine = (at) => series.labels[at].kind === "machine";
    const inOrder = [...all.keys()].sort((a, b) => isMachine(a) - isMachine(b) || a - b);
    for (const at of inOrder) {
      const mark = all[at];
      const place = series.labels[at].index - 0.5;
      mark.hidden = place < min || place > max;
      if (mark.hidden) continue;
      const left = of.valToPos(place, "x");
      const flipped = left > right * 0.6;
      mark.style.left = `${left}px`;
      mark.classList.toggle("flipped", flipped);
      const label = mark.firstChild;
      label.hidden = false;
      const width = label.offsetWidth;
      const [from, to] = flipped ? [left - width, left] : [left, left + width];
      const row = rows.findIndex((taken) => taken.every(([start, end]) => to <= start || from >= end));
      label.hidden = row < 0;
      if (row < 0) continue;
      rows[row].push([from, to]);
      label.style.top = `${-32 + row * 16}px`;
    }
  }
  return plot;
}

function padded(low, high) {
  if (low === null || high === null) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - margin, high + margin];
}

/** What the chart's labels say, in sentences. */
function labelList(series) {
  if (series.labels.length === 0) return null;
  const kinds = { step: "Step", machine: "Another machine", common_move: "Most benchmarks moved", drift: "Drift" };
  return el("ul", { id: "labels", class: "events" }, series.labels.map((label) => {
    const point = series.points[label.index];
    return el("li", {}, el("strong", {}, kinds[label.kind]), ` on ${day(point.measured_at)}, commit `, commit(point.commit), `: ${label.said}`);
  }));
}

