// Plotly under the handles: paper, halos, edges, pan and zoom. It is 4.8 MB, so it comes after first paint.
// Plotly's texts are pseudo-HTML: none are given to it.
import { el } from "./dom.js";
import { curve, MARGIN } from "./geometry.js";
import * as store from "./store.js";

const { state } = store;
const CONFIG = { displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false, showTips: false };

const MOST_HEADS = 200;
/** With more edges than this the chart is a hairball that every zoom pays for; the selected version's path is drawn over it. */
const MOST_EDGES = 300;
/** Pixels under which an arrowhead has no room between two nodes. */
export const SHORT = 40;

let plotly = null;

/** Load the library; resolves to whether it is there. */
export function load() {
  return new Promise((resolve) => {
    const script = el("script", { src: `/vendor/plotly.min.js?v=${document.body.dataset.plotly}` });
    script.onload = () => { plotly = window.Plotly; resolve(true); };
    script.onerror = () => resolve(false);
    document.head.append(script);
  });
}

const probe = el("i", { hidden: true });

/** Colours as the tokens give them in the theme that is on. */
function colours() {
  document.body.append(probe);
  const read = (name) => { probe.className = name; return getComputedStyle(probe).color; };
  return { paper: read("plot-paper"), grid: read("plot-grid"), mid: read("plot-mid"), ink: read("plot-ink"), edge: read("plot-edge"), halo: read("plot-halo"), vast: read("plot-vast"), rim: read("plot-rim") };
}

/** The nearest ancestors that are on the canvas: one for each parent. */
export function shownParents(version, shown) {
  const found = new Set();
  for (const parent of store.parentsOf(version)) {
    let at = parent;
    while (at && !shown.has(at.id)) at = store.parentOf(at);
    if (at) found.add(at);
  }
  return [...found];
}

/** Pixels from which a halo is so wide that it must not cloud what lies in it. */
const VAST = 200;

/** A halo's width in pixels: the spread to both sides, and never less than its node. */
export const haloSize = (spread, project) => Math.min(Math.max(spread * 2 * Math.sqrt(project.sx * project.sy), 30), 4000);

function traces(versions, project, colour) {
  const shown = new Set(versions.map((version) => version.id));
  const edges = { x: [], y: [], count: 0 };
  const heads = { x: [], y: [], angle: [] };
  const halo = { x: [], y: [], size: [] };
  for (const version of versions) {
    const place = store.placeOf(version);
    if (version.placement && store.isHead(version)) {
      halo.x.push(version.placement.engagement);
      halo.y.push(version.placement.exposition);
      halo.size.push(haloSize(version.placement.spread, project));
    }
    for (const parent of shownParents(version, shown)) {
      const from = store.placeOf(parent);
      if (!from || from === place) continue;
      const { x, y, by } = curve(from, place);
      edges.x.push(...x, null);
      edges.y.push(...y, null);
      edges.count += 1;
      if (Math.hypot((place.engagement - from.engagement) * project.sx, (place.exposition - from.exposition) * project.sy) < SHORT) continue;
      heads.x.push(place.engagement);
      heads.y.push(place.exposition);
      heads.angle.push((Math.atan2((place.engagement - by.engagement) * project.sx, (place.exposition - by.exposition) * project.sy) * 180) / Math.PI);
    }
  }
  const common = { type: "scatter", hoverinfo: "skip", showlegend: false, cliponaxis: true };
  const found = [
    { ...common, mode: "markers", x: halo.x, y: halo.y, marker: { size: halo.size, color: halo.size.map((size) => (size > VAST ? colour.vast : colour.halo)), line: { width: 1, color: colour.rim } } },
  ];
  if (edges.count <= MOST_EDGES) {
    found.push({ ...common, mode: "lines", x: edges.x, y: edges.y, connectgaps: false, line: { color: colour.edge, width: 1, simplify: false } });
  }
  // Hundreds of arrowheads say nothing and cost every zoom; the selected version's path has its own over the chart.
  if (heads.x.length <= MOST_HEADS) {
    found.push({ ...common, mode: "markers", x: heads.x, y: heads.y, marker: { symbol: "arrow", size: 9, angle: heads.angle, standoff: 13, color: colour.edge, line: { width: 0 } } });
  }
  return found;
}

function layout({ x, y }, width, height, colour) {
  const axis = (range) => ({
    range: [...range], fixedrange: false, autorange: false, zeroline: false, showline: false, dtick: 10, tick0: 50,
    gridcolor: colour.grid, gridwidth: 1, showticklabels: state.ui.numbers, ticklabelposition: "inside", ticks: "",
    tickfont: { size: 11, color: colour.ink }, tickformat: "d", automargin: false,
  });
  const middle = { type: "line", layer: "below", line: { color: colour.mid, width: 1, dash: "dot" } };
  return {
    width, height, margin: { ...MARGIN, pad: 0 }, autosize: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    dragmode: "pan", hovermode: false, showlegend: false, xaxis: axis(x), yaxis: axis(y),
    shapes: [
      { ...middle, xref: "x", yref: "paper", x0: 50, x1: 50, y0: 0, y1: 1 },
      { ...middle, xref: "paper", yref: "y", x0: 0, x1: 1, y0: 50, y1: 50 },
    ],
  };
}

let wired = false;

/** Draw; `moved(range, done)` hears of panning and zooming while it happens and when it is over. */
export async function draw(node, { range, width, height, versions, project, moved }) {
  if (!plotly || width < 40 || height < 40) return;
  const colour = colours();
  await plotly.react(node, traces(versions, project, colour), layout(range, width, height, colour), CONFIG);
  if (wired) return;
  wired = true;
  const rangeOf = (event) => ({
    x: [event["xaxis.range[0]"] ?? node.layout.xaxis.range[0], event["xaxis.range[1]"] ?? node.layout.xaxis.range[1]],
    y: [event["yaxis.range[0]"] ?? node.layout.yaxis.range[0], event["yaxis.range[1]"] ?? node.layout.yaxis.range[1]],
  });
  node.on("plotly_relayouting", (event) => moved(rangeOf(event), false));
  node.on("plotly_relayout", (event) => { if ("xaxis.range[0]" in event || "yaxis.range[0]" in event) moved(rangeOf(event), true); });
}

/** The element that hears pan and wheel, for handles that lie over it. */
export const surface = (node) => node.querySelector(".nsewdrag");
