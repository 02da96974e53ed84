// Pure functions between the canvas's units and pixels.

export const MARGIN = { l: 28, r: 8, t: 8, b: 28 };
/** What is in view when nothing asks for more: the reference mean ± 1.8 standard deviations, where most prose lies. */
export const HOME = { x: [32, 68], y: [32, 68] };
const NEAR = 23; // pixels under which two handles would cover each other
const RINGS = 4;
/** With more points than this a heap is clearer than a swarm: what finds no room close by is stacked. */
const MANY = 150;

/** A function from (engagement, exposition) to pixels inside a frame of this size. */
export function projection({ x, y }, width, height) {
  const w = width - MARGIN.l - MARGIN.r;
  const h = height - MARGIN.t - MARGIN.b;
  const sx = w / (x[1] - x[0]);
  const sy = h / (y[1] - y[0]);
  const at = (px, py) => ({ x: MARGIN.l + (px - x[0]) * sx, y: MARGIN.t + h - (py - y[0]) * sy });
  return Object.assign(at, { sx, sy, width, height });
}

/** The way back: a function from pixels inside the frame to a place on the canvas. */
export function inverse(range, width, height) {
  const at = projection(range, width, height);
  return (px, py) => ({ engagement: range.x[0] + (px - MARGIN.l) / at.sx, exposition: range.y[0] + (height - MARGIN.b - py) / at.sy });
}

/** The smallest range that shows `places` as well as `range`, with room around them. */
export function including(range, places, room = 4) {
  const grown = { x: [...range.x], y: [...range.y] };
  for (const { engagement, exposition } of places) {
    grown.x = [Math.min(grown.x[0], engagement - room), Math.max(grown.x[1], engagement + room)];
    grown.y = [Math.min(grown.y[0], exposition - room), Math.max(grown.y[1], exposition + room)];
  }
  return grown;
}

/** Scale a range around its middle, or so that `still` (a place inside it) stays where it is. */
export function zoomed({ x, y }, factor, still = null) {
  const scale = ([low, high], fixed = (low + high) / 2) => {
    const span = Math.min(Math.max((high - low) * factor, 2), 800);
    const from = fixed - (span * (fixed - low)) / (high - low);
    return [from, from + span];
  };
  return { x: scale(x, still?.engagement), y: scale(y, still?.exposition) };
}

/**
 * Move points that would cover an earlier one to the nearest free spot; the earlier in the list, the firmer it stands.
 * Where no spot is near (hundreds in one place) a point is `stacked` on those there.
 */
export function apart(points) {
  const cells = new Map();
  const key = (x, y) => `${Math.floor(x / NEAR)},${Math.floor(y / NEAR)}`;
  const free = (x, y) => {
    for (let dx = -NEAR; dx <= NEAR; dx += NEAR) {
      for (let dy = -NEAR; dy <= NEAR; dy += NEAR) {
        for (const other of cells.get(key(x + dx, y + dy)) || []) if (Math.hypot(other.x - x, other.y - y) < NEAR) return false;
      }
    }
    return true;
  };
  const rings = points.length > MANY ? 1 : RINGS;
  return points.map((point) => {
    let spot = { x: point.x, y: point.y, nudged: false, stacked: false };
    if (!free(spot.x, spot.y)) {
      spot.stacked = true;
      search: for (let ring = 1; ring <= rings; ring += 1) {
        const steps = 8 * ring;
        for (let step = 0; step < steps; step += 1) {
          const angle = (step / steps) * 2 * Math.PI - Math.PI / 4;
          const x = point.x + Math.cos(angle) * ring * NEAR;
          const y = point.y + Math.sin(angle) * ring * NEAR;
          if (free(x, y)) {
            spot = { x, y, nudged: true, stacked: false };
            break search;
          }
        }
      }
    }
    if (spot.stacked) return spot;
    const cell = key(spot.x, spot.y);
    if (cells.has(cell)) cells.get(cell).push(spot);
    else cells.set(cell, [spot]);
    return spot;
  });
}

/** The smallest range that holds the view and all places, with a little room: what a map of everything shows. */
export const extent = (range, places) => including({ x: [...range.x], y: [...range.y] }, places, 1);

export const outside = ({ engagement, exposition }, { x, y }) =>
  engagement < x[0] || engagement > x[1] || exposition < y[0] || exposition > y[1];

/** A range of the same size around another middle. */
export const centred = ({ x, y }, atX, atY) => ({
  x: [atX - (x[1] - x[0]) / 2, atX + (x[1] - x[0]) / 2],
  y: [atY - (y[1] - y[0]) / 2, atY + (y[1] - y[0]) / 2],
});

export const MINIMAP = { width: 128, height: 96 };
const GAP = 3;

/** A box of this size beside a node that covers nothing in `taken` and stays in `frame`; null where there is none. */
export function free({ x, y }, { width, height }, half, frame, taken) {
  const beside = y - Math.min(height / 2, 10);
  const tries = [
    { side: "right", left: x + half + GAP, top: beside },
    { side: "left", left: x - half - GAP - width, top: beside },
    { side: "below", left: x - half, top: y + half },
    { side: "above", left: x - half, top: y - half - height },
  ];
  for (const { side, left, top } of tries) {
    const box = { side, left, top, right: left + width, bottom: top + height };
    if (left < frame.left || top < frame.top || box.right > frame.right || box.bottom > frame.bottom) continue;
    if (taken.every((it) => box.right <= it.left || box.left >= it.right || box.bottom <= it.top || box.top >= it.bottom)) return box;
  }
  return null;
}

const MARK_NAME = { width: 68, height: 15 };
/** From the mark to the middle of its name's lower edge: below, above, right, left. */
const AROUND = [[0, 29], [0, -14], [17 + MARK_NAME.width / 2, 8], [-17 - MARK_NAME.width / 2, 8]];

/** The box of the whole draft's name: under its mark, else where in the frame the nodes (half a side: `half`) lie on them least. */
export function nameOfMark({ x, y }, spots, half, { width, height }) {
  const boxes = AROUND.map(([dx, dy]) => ({ left: x + dx - MARK_NAME.width / 2, right: x + dx + MARK_NAME.width / 2, top: y + dy - MARK_NAME.height, bottom: y + dy }));
  const inside = (box) => box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height;
  const shared = (from, to, middle) => Math.max(0, Math.min(to, middle + half) - Math.max(from, middle - half));
  const covered = (box) => spots.reduce((sum, it) => sum + shared(box.left, box.right, it.x) * shared(box.top, box.bottom, it.y), 0);
  return boxes.filter(inside).sort((a, b) => covered(a) - covered(b))[0] ?? boxes[0];
}

const HEADINGS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/** The nearest spot from `from` in an arrow key's direction; what lies aside counts double. Null where none is. */
export function towards(from, spots, arrow) {
  const [ax, ay] = HEADINGS[arrow];
  let best = null;
  let least = Infinity;
  for (const spot of spots) {
    const dx = spot.x - from.x;
    const dy = spot.y - from.y;
    const ahead = dx * ax + dy * ay;
    const aside = Math.abs(dx * ay) + Math.abs(dy * ax);
    if (ahead <= 0.5 || aside > ahead * 3) continue;
    const cost = ahead + aside * 2;
    if (cost < least) [best, least] = [spot, cost];
  }
  return best;
}

/** The control point of a gently bent line (a quadratic curve) between two places. */
export function bend(from, to) {
  const dx = to.engagement - from.engagement;
  const dy = to.exposition - from.exposition;
  return { engagement: from.engagement + dx / 2 - dy * 0.16, exposition: from.exposition + dy / 2 + dx * 0.16 };
}

const STEPS = [0, 0.2, 0.4, 0.6, 0.8, 1];

/** Points along that line, as Plotly takes them. */
export function curve(from, to) {
  const by = bend(from, to);
  const along = (axis) => STEPS.map((t) => (1 - t) ** 2 * from[axis] + 2 * t * (1 - t) * by[axis] + t ** 2 * to[axis]);
  return { x: along("engagement"), y: along("exposition"), by };
}

export const within = ({ x, y }, { width, height }, inset = 14) => ({
  x: Math.min(Math.max(x, MARGIN.l + inset), width - MARGIN.r - inset),
  y: Math.min(Math.max(y, MARGIN.t + inset), height - MARGIN.b - inset),
});
