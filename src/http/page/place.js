// Where things stand on the ring: ids go clockwise from the top.

export const R = 100;
const DIGITS = 13; // of an id, as many as a number holds exactly

// The share of the ring up to an id of hexadecimal digits.
const turn = id => parseInt(id.slice(0, DIGITS), 16) / 16 ** DIGITS;

export const angle = id => 2 * Math.PI * turn(id);

export const at = (angle, radius = R) => [radius * Math.sin(angle), -radius * Math.cos(angle)];

const pair = ([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`;

// How far it is clockwise from one angle to another; all the way round to itself.
export const span = (from, to) => {
  const wound = (to - from) % (2 * Math.PI);
  return wound <= 0 ? wound + 2 * Math.PI : wound;
};

// A stretch of the circle, clockwise unless said otherwise, cut short by some angle at both ends.
export function stretch(from, to, { radius = R, back = false, cut = 0 } = {}) {
  const far = back ? span(to, from) : span(from, to);
  const sign = back ? -1 : 1;
  const [start, end] = [from + sign * Math.min(cut, far / 3), from + sign * (far - Math.min(cut, far / 3))];
  const middle = (start + end) / 2;
  const arc = angle => `A ${radius} ${radius} 0 0 ${back ? 0 : 1} ${pair(at(angle, radius))}`;
  // In two halves, so that none is longer than half a turn.
  return `M ${pair(at(start, radius))} ${arc(middle)} ${arc(end)}`;
}

// A chord between two angles that ends before the node that it points at: the longer the more it bends to the middle.
export function chord(from, to, cut) {
  const [[x0, y0], [x1, y1]] = [at(from), at(to)];
  const bent = (1 - 0.6 * Math.sin(span(from, to) / 2)) / 2;
  const [cx, cy] = [(x0 + x1) * bent, (y0 + y1) * bent];
  const length = Math.hypot(x1 - cx, y1 - cy) || 1;
  const end = [x1 - ((x1 - cx) * cut) / length, y1 - ((y1 - cy) * cut) / length];
  return `M ${pair([x0, y0])} Q ${pair([cx, cy])} ${pair(end)}`;
}

// Heights for labels on one side of the ring, in their order, none closer to the next than the gap.
export function spread(heights, gap, most) {
  const placed = [];
  for (const height of heights) placed.push(Math.max(height, (placed.at(-1) ?? -Infinity) + gap));
  let limit = most;
  for (let i = placed.length - 1; i >= 0; i--) {
    placed[i] = Math.min(placed[i], limit);
    limit = placed[i] - gap;
  }
  return placed;
}
