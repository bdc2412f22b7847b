// The picture of the ring.

import { count } from '/page/api.js';
import { R, angle, at, chord, span, spread, stretch } from '/page/place.js';

const LABELS_MAX = 32; // more would stand on each other: then only those of some nodes are shown
const HEADS_MAX = 48; // arrow heads likewise

function make(name, attributes = {}, children = []) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const title = text => {
  const made = make('title');
  made.textContent = text;
  return made;
};

// What of their addresses tells the nodes apart.
function labels(nodes) {
  const split = nodes.map(({ addr }) => [addr.slice(0, addr.lastIndexOf(':')), addr.slice(addr.lastIndexOf(':'))]);
  const same = part => split.every(parts => parts[part] === split[0][part]);
  if (nodes.length > 1 && same(0)) return split.map(([, port]) => port);
  return nodes.length > 1 && same(1) ? split.map(([host]) => host) : nodes.map(({ addr }) => addr);
}

const marker = (id, kind) => make('marker', { id, class: kind, viewBox: '0 0 6 6', refX: 5, refY: 3, markerWidth: 5,
  markerHeight: 5, orient: 'auto' }, [make('path', { d: 'M 0 0 L 6 3 L 0 6 z' })]);

export class Ring {
  #svg;
  #under = make('g');
  #nodes = make('g');
  #over = make('g', { 'pointer-events': 'none' });
  #groups = new Map();
  #select;

  constructor(svg, select) {
    this.#svg = svg;
    this.#select = select;
    const markers = [marker('arrow', ''), marker('finger-arrow', 'fingers'), marker('hop-arrow', 'hops')];
    svg.append(make('defs', {}, markers), this.#under, this.#nodes, this.#over);
    svg.addEventListener('keydown', event => this.#step(event));
  }

  // `model`: nodes by id, each with id, addr, settled, spoken (only others speak of it), predecessor, successor;
  // me and selected (addresses); fingers (ids with their exponents); keys; lookup; shows.
  draw(model) {
    const narrow = this.#svg.clientWidth < 520;
    const [wide, high] = [narrow ? 146 : 178, 122];
    this.#svg.setAttribute('viewBox', `${-wide} ${-high} ${2 * wide} ${2 * high}`);
    const radius = model.nodes.length > 40 ? 2.4 : 4.2;
    const angles = new Map(model.nodes.map(node => [node.addr, angle(node.id)]));
    this.#under.replaceChildren(...this.#lines(model, angles, radius));
    this.#place(model, angles, radius, narrow);
    this.#over.replaceChildren(...this.#lookup(model, angles, radius));
  }

  #lines({ nodes, selected, fingers, keys, shows }, angles, radius) {
    const drawn = [make('circle', { class: 'circle', r: R })];
    const cut = (radius + 1) / R;
    const many = nodes.length > HEADS_MAX;
    const arrow = (node, other, kind, options) => {
      if (!angles.has(other) || node.addr === other) return;
      const [from, to] = [angles.get(node.addr), angles.get(other)];
      const heads = !many || node.addr === selected;
      const d = stretch(from, to, { cut, ...options });
      drawn.push(make('path', { class: `arrow ${kind} ${heads ? '' : 'many'}`, d, ...(heads && { 'marker-end': 'url(#arrow)' }) }));
    };
    const own = nodes.find(node => node.addr === selected);
    if (own && !own.spoken) {
      const start = own.predecessor && angles.get(own.predecessor);
      const end = angles.get(selected);
      const d = stretch(start ?? end, end);
      drawn.push(make('path', { class: 'owned', d }, [title('The arc that the selected node owns')]));
    }
    for (const node of nodes) {
      if (shows.successors) arrow(node, node.successor, 'successor', {});
      if (shows.predecessors) arrow(node, node.predecessor, 'predecessor', { radius: R - 7, back: true });
    }
    if (shows.fingers) {
      for (const [id, exponents] of fingers) {
        const [from, to] = [angles.get(selected), angle(id)];
        if (from === undefined || from === to) continue;
        const d = chord(from, to, radius + 1);
        drawn.push(make('path', { class: 'finger', d, 'marker-end': 'url(#finger-arrow)' }, [title(`finger ${exponents}`)]));
      }
    }
    if (shows.keys) {
      for (const key of keys) {
        const [cx, cy] = at(angle(key.id), R + 8);
        drawn.push(make('circle', { class: key.owned ? 'stored' : 'stored copy', cx, cy, r: 1.5 }, [title(key.key ?? key.path)]));
      }
    }
    return drawn;
  }

  #place({ nodes, me, selected }, angles, radius, narrow) {
    const size = narrow ? 9 : 6.5;
    // Beside a narrow picture there is room for a port, or the end of an address.
    const names = labels(nodes).map(name => (narrow && name.length > 6 ? `…${name.slice(-5)}` : name));
    const quiet = nodes.length > LABELS_MAX;
    const places = this.#labels(nodes, angles, size, quiet);
    for (const [addr, group] of this.#groups) {
      if (!angles.has(addr)) {
        group.remove();
        this.#groups.delete(addr);
      }
    }
    nodes.forEach((node, index) => {
      let group = this.#groups.get(node.addr);
      if (!group) {
        group = make('g', { role: 'button' }, [make('line', { class: 'leader' }), make('circle'), make('text'), make('title')]);
        group.addEventListener('click', () => this.#select(node.addr));
        group.dataset.addr = node.addr;
        this.#groups.set(node.addr, group);
      }
      // In ring order for those who go through it with the keyboard; moving one that is in its place would take the focus.
      if (this.#nodes.children[index] !== group) this.#nodes.insertBefore(group, this.#nodes.children[index] ?? null);
      const kinds = { me: node.addr === me, selected: node.addr === selected, unsettled: !node.settled && !node.spoken, spoken: node.spoken, quiet };
      group.setAttribute('class', ['node', ...Object.keys(kinds).filter(kind => kinds[kind])].join(' '));
      const state = node.spoken ? 'not reached' : node.settled ? count(node.entries, 'entry', 'entries') : 'not settled';
      const about = `${node.addr}${kinds.me ? ', this node' : ''}, id ${node.id.slice(0, 8)}, ${state}`;
      group.setAttribute('aria-label', about);
      group.setAttribute('aria-pressed', kinds.selected);
      group.setAttribute('tabindex', (selected && angles.has(selected) ? kinds.selected : index === 0) ? 0 : -1);
      const [leader, circle, label, hint] = group.children;
      const [[cx, cy], [x, y, anchor]] = [at(angles.get(node.addr)), places[index]];
      for (const [key, value] of Object.entries({ cx, cy, r: radius + (kinds.me ? 1 : 0) })) circle.setAttribute(key, value);
      for (const [key, value] of Object.entries({ x1: cx, y1: cy, x2: x, y2: y })) leader.setAttribute(key, value);
      for (const [key, value] of Object.entries({ x, y, 'text-anchor': anchor, 'dominant-baseline': 'central', 'font-size': size })) {
        label.setAttribute(key, value);
      }
      label.textContent = names[index];
      hint.textContent = about;
    });
  }

  // Where labels stand: beside the ring, spread so that each can be read.
  #labels(nodes, angles, size, quiet) {
    const places = nodes.map(node => {
      const [x, y] = at(angles.get(node.addr), R + 12);
      return [x, y, x < 0 ? 'end' : 'start'];
    });
    if (quiet) return places;
    for (const side of ['start', 'end']) {
      const ours = places.filter(place => place[2] === side).sort((one, two) => one[1] - two[1]);
      const heights = spread(ours.map(place => place[1]), size * 1.15, 118);
      ours.forEach((place, index) => {
        const moved = heights[index] - place[1];
        place[1] = heights[index];
        // One that gave way stands clear of the ring.
        const least = Math.sqrt(Math.max(0, (R + 12) ** 2 - Math.min(R + 11, Math.abs(place[1])) ** 2));
        if (Math.abs(moved) > 0.5) place[0] = Math.sign(place[0] || 1) * Math.max(least, 6);
      });
    }
    return places;
  }

  #lookup({ lookup, me }, angles, radius) {
    if (!lookup) return [];
    const drawn = [];
    let from = angles.get(me) ?? 0;
    lookup.path.forEach((hop, index) => {
      const to = angle(hop.id);
      const d = chord(from, to, radius + 1);
      drawn.push(make('path', { class: hop.answered ? 'hop' : 'hop silent', d, 'marker-end': 'url(#hop-arrow)' }));
      const [x, y] = at(to, R - 13);
      const number = make('text', { class: 'number', x, y, 'font-size': 8 });
      number.textContent = index + 1;
      drawn.push(number);
      if (hop.answered) from = to;
    });
    const [x, y] = at(angle(lookup.id), R + 6);
    drawn.push(make('path', { class: 'sought', d: `M ${x} ${y - 4} L ${x + 4} ${y} L ${x} ${y + 4} L ${x - 4} ${y} z` }, [title('The key looked up')]));
    return drawn;
  }

  // Arrow keys go round the ring, Enter and Space select.
  #step(event) {
    const group = event.target.closest?.('.node');
    if (!group) return;
    const all = [...this.#nodes.children];
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key === 'Enter' || event.key === ' ') {
      this.#select(group.dataset.addr);
    } else if (event.key in steps) {
      all[(all.indexOf(group) + steps[event.key] + all.length) % all.length].focus();
    } else {
      return;
    }
    event.preventDefault();
  }
}

// The share of the ring that lies between two ids.
export const share = (after, upto) => span(angle(after), angle(upto)) / (2 * Math.PI);
