// The panel about one node.

import { count } from '/page/api.js';
import { share } from '/page/ring.js';

const element = id => document.getElementById(id);
const hundredths = share => `${(100 * share).toFixed(1)} % of the ring`;

// Exponents that lead to one node, as ranges: 2^90, 2^125 to 2^127.
function ranges(exponents) {
  const found = [];
  for (const exponent of exponents) {
    const last = found.at(-1);
    if (last && last[1] === exponent - 1) last[1] = exponent;
    else found.push([exponent, exponent]);
  }
  return found.map(([from, upto]) => (from === upto ? `2^${from}` : `2^${from} to 2^${upto}`)).join(', ');
}

// Fingers that point at the same node count as one. → its id, address, and which they are
export function fold(fingers) {
  const folded = new Map();
  for (const { id, addr, exponent } of fingers) {
    if (!folded.has(addr)) folded.set(addr, { id, addr, exponents: [] });
    folded.get(addr).exponents.push(exponent);
  }
  return [...folded.values()].map(finger => ({ ...finger, exponents: ranges(finger.exponents.sort((a, b) => a - b)) }));
}

// All fingers of a node: those that it told, each for as far as it reaches. It keeps none before those, where its list of
// successors answers: there they are what belongs there in a ring of these nodes.
export function complete(from, nodes, told) {
  const size = 1n << 128n;
  const distance = id => (BigInt('0x' + id) - BigInt('0x' + from) + size) % size;
  const far = nodes.map(node => ({ ...node, distance: distance(node.id) })).filter(node => node.distance > 0n)
    .sort((one, two) => (one.distance < two.distance ? -1 : 1));
  return Array.from({ length: 128 }, (_, exponent) => {
    const wanted = 1n << BigInt(exponent);
    const own = told.findLast(finger => finger.exponent <= exponent && distance(finger.id) >= wanted);
    const known = told.length === 0 || exponent < told[0].exponent;
    const { id, addr } = own ?? (known ? far.find(node => node.distance >= wanted) : null) ?? { id: from };
    return { id, addr, exponent };
  }).filter(finger => finger.id !== from);
}

function show(rows) {
  const list = element('details');
  const known = new Map([...list.querySelectorAll('dt')].map(term => [term.textContent, term.nextElementSibling]));
  const terms = rows.filter(([, value]) => value !== null && value !== undefined && value !== '').flatMap(([name, value]) => {
    const [term, said] = [document.createElement('dt'), known.get(name) ?? document.createElement('dd')];
    term.textContent = name;
    if (typeof value === 'string' || typeof value === 'number') {
      if (said.textContent !== String(value) || said.children.length) said.textContent = value;
    } else if (said.textContent !== value.textContent) {
      said.replaceChildren(value);
    }
    return [term, said];
  });
  list.replaceChildren(...terms);
}

export function link(addr) {
  const made = document.createElement('a');
  made.href = `http://${addr}/`;
  made.textContent = `http://${addr}/`;
  return made;
}

// A node as the walk of the ring found it, and, for the node that serves this page, as it tells of itself.
export function describe(node, own, fingers, told, lost) {
  const names = fingers.map(({ addr, exponents }) => `${addr} (${exponents})`).join('; ');
  element('leave').disabled = !own || lost;
  element('leave').title = own ? '' : 'A node can be asked to leave on its own page only.';
  if (!node) return show([['state', 'gone, or not reached']]);
  const start = node.predecessorId;
  const rows = [
    ['address', node.addr],
    ['its page', own ? 'this one' : link(node.addr)],
    ['id', node.id],
    ['state', own ? own.state : node.spoken ? 'not reached, but a neighbour of another node' : node.settled ? 'settled' : 'not settled'],
    ['why silent', own?.silenced],
    ['owns', node.spoken ? '' : hundredths(start ? share(start, node.id) : 1)],
    ['predecessor', node.predecessor ?? (node.spoken ? '' : 'none')],
    ['successors', node.spoken ? '' : node.successors.join(', ') || 'none'],
    [told ? 'fingers' : 'fingers belong at', names],
  ];
  if (own) {
    rows.push(['holds', `${own.owned} owned, ${count(own.copied, 'copy', 'copies')}, ${count(own.tombstones, 'tombstone')}; ${count(own.bytes, 'byte')}`],
      ['short of copies', own.under_copied], ['strays', own.strays], ['term', own.term],
      ['disk', own.disk], ['version', own.version]);
  } else if (!node.spoken) {
    rows.push(['holds', count(node.entries, 'entry', 'entries')]);
  }
  show(rows);
}
