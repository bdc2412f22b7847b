// The page of a node: looks at the ring again and again, and shows what it finds.

import { ask, count, load, reason } from '/page/api.js';
import { Data } from '/page/data.js';
import { complete, describe, fold, link } from '/page/details.js';
import { Log } from '/page/log.js';
import { confirmed } from '/page/question.js';
import { Ring } from '/page/ring.js';

const PAUSE = 1000; // milliseconds between two looks at the ring
const PATIENCE = 4000;
const PAGE = 200; // keys
const LINKED = 8; // other nodes named when this one has left

const element = id => document.getElementById(id);
const state = { own: null, nodes: [], others: [], me: null, selected: null, told: null, keys: [], more: null, target: null, lookup: null,
  seen: null, lost: false, asked: false, leaves: false };

const ring = new Ring(element('picture'), select);
const data = new Data(found => {
  state.lookup = found;
  draw();
});
const log = new Log(element('events'), word => {
  state.leaves ||= word === 'leaving';
  soon();
});

function select(addr) {
  state.selected = addr;
  draw();
  lookAtFingers();
}

const shows = () => Object.fromEntries(['successors', 'predecessors', 'fingers', 'keys'].map(name => [name, element(`show-${name}`).checked]));

// The nodes as the walk found them, and those that only others speak of.
function nodesOf(walk) {
  const found = new Map();
  for (const node of walk.nodes) {
    found.set(node.addr, { id: node.id, addr: node.addr, settled: node.settled, entries: node.entries, spoken: !node.heard,
      predecessor: node.predecessor?.addr ?? null, predecessorId: node.predecessor?.id ?? null,
      successor: node.successors[0]?.addr ?? null, successors: node.successors.map(peer => peer.addr) });
  }
  for (const peer of walk.nodes.flatMap(node => [node.predecessor, node.successors[0]])) {
    if (peer && !found.has(peer.addr)) {
      found.set(peer.addr, { id: peer.id, addr: peer.addr, settled: false, entries: 0, spoken: true, predecessor: null,
        predecessorId: null, successor: null, successors: [] });
    }
  }
  return [...found.values()].sort((one, two) => (one.id < two.id ? -1 : 1));
}

function draw() {
  const { own, nodes, me, selected } = state;
  const node = nodes.find(node => node.addr === selected);
  const settled = nodes.filter(node => !node.spoken);
  const told = state.told?.addr === selected ? state.told.fingers : null;
  const fingers = node && !node.spoken ? fold(complete(node.id, settled, told ?? [])) : [];
  const keys = state.more === null ? state.keys : [];
  ring.draw({ nodes, me, selected, keys, lookup: state.lookup, shows: shows(),
    fingers: new Map(fingers.map(({ id, exponents }) => [id, exponents])) });
  element('keys-note').textContent = state.more === null || !element('show-keys').checked ? '' :
    'More keys are held here than a picture can show: see the list.';
  describe(node, selected === me ? own : null, fingers, told !== null, state.lost);
}

// Tells of those who came and went since the last look.
function compare(before, after) {
  const [old, now] = [before, after].map(nodes => new Map(nodes.map(node => [node.addr, !node.spoken])));
  for (const [addr, heard] of now) if (heard && !old.get(addr)) log.add(`${addr} is on the ring`);
  for (const [addr, heard] of old) {
    if (!now.has(addr)) log.add(`${addr} is on the ring no more`, true);
    else if (heard && !now.get(addr)) log.add(`${addr} does not answer`, true);
  }
}

// Whether the node answers. One that was leaving when it was last seen, and answers no more, has left as it was asked to.
function lose(lost) {
  if (!lost) state.seen = new Date();
  if (lost === state.lost) return;
  state.lost = lost;
  const left = lost && (state.asked || state.leaves || state.own?.state === 'leaving');
  log.add(left ? 'this node has left the ring, as asked' : lost ? 'no connection to this node' : 'connected to this node again', lost && !left);
  document.body.classList.toggle('stale', lost);
  const notice = element('lost');
  notice.hidden = !lost;
  notice.classList.toggle('bad', !left);
  notice.replaceChildren(...(left ? farewell() : [`No connection; retrying. ${state.seen ? `Shown is the state of ${state.seen.toLocaleTimeString()}.` : ''}`]));
  badge(left ? 'left' : lost ? 'no connection' : '…', 'gone');
  if (lost && state.own) draw();
  if (!lost) state.asked = state.leaves = false;
}

function farewell() {
  const asked = state.asked ? 'You asked this node to leave, and it has.' : 'This node was asked to leave, and it has.';
  if (!state.others.length) return [`${asked} It was the only node of its ring.`];
  const shown = state.others.slice(0, LINKED);
  const more = state.others.length - shown.length;
  return [`${asked} Go on at `, ...shown.flatMap((addr, index) => [index ? ', ' : '', link(addr)]), more ? ` and ${more} more.` : '.'];
}

function badge(text, kind) {
  element('state').textContent = text;
  element('state').className = `badge ${kind}`;
}

async function look() {
  const [own, walk] = await Promise.all([load('/node', PATIENCE), load('/ring', PATIENCE)]);
  if (!own) return lose(true);
  lose(false);
  state.own = own;
  state.me = own.addr;
  state.selected ??= own.addr;
  element('me').textContent = own.addr;
  badge(own.state, own.state);
  data.limit = own.limits.value_bytes;
  document.title = `Sky ${own.addr}`;
  if (walk) {
    const nodes = nodesOf(walk);
    if (state.nodes.length) compare(state.nodes, nodes);
    state.nodes = nodes;
    const others = nodes.filter(node => node.addr !== own.addr && !node.spoken).map(node => node.addr);
    // One that is leaving may know nobody any more, but the others are still there.
    if (others.length || own.state !== 'leaving') state.others = others;
    const silent = walk.nodes.filter(node => !node.heard).length;
    element('count').textContent = `${count(walk.nodes.length - silent, 'node')}${silent ? `, ${silent} not heard` : ''}${walk.next ? ', and more' : ''}`;
  } else {
    element('count').textContent = 'cannot be walked round just now';
  }
  draw();
  lookAtFingers();
}

// Only a node itself knows its fingers. While one does not answer the page goes on, and asks it once at a time.
const asked = new Set();
async function lookAtFingers() {
  const addr = state.selected;
  const there = state.nodes.some(node => node.addr === addr && !node.spoken);
  let told = addr === state.me ? state.own : null;
  if (!told && there && !asked.has(addr)) {
    asked.add(addr);
    told = await load(`/fingers?of=${encodeURIComponent(addr)}`, PATIENCE);
    asked.delete(addr);
  }
  if (!told || addr !== state.selected) return;
  state.told = { addr, fingers: told.fingers };
  draw();
}

async function lookAtKeys() {
  const target = state.target;
  const page = await load(target ?? `/storage?limit=${PAGE}`, PATIENCE);
  // Somebody may have turned the page meanwhile.
  if (!page || target !== state.target) return;
  state.keys = page.keys;
  state.more = state.target || page.next ? (page.next ?? '') : null;
  element('first').hidden = !state.target;
  element('next').hidden = !page.next;
  const before = element('keys').dataset.shown;
  const shown = JSON.stringify(page.keys);
  if (shown === before) return;
  element('keys').dataset.shown = shown;
  const focused = document.activeElement?.dataset?.path;
  element('keys').replaceChildren(...page.keys.map(row));
  if (focused) element('keys').querySelector(`[data-path="${CSS.escape(focused)}"]`)?.focus();
}

function row(held) {
  const made = document.createElement('tr');
  const cells = Array.from({ length: 4 }, () => document.createElement('td'));
  if (held.key === null) {
    cells[0].textContent = `${held.path} (no text)`;
  } else {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = held.key;
    button.dataset.path = held.path;
    button.addEventListener('click', () => data.show(held.key));
    cells[0].append(button);
  }
  cells[1].textContent = held.bytes;
  cells[2].textContent = held.owned ? 'owned' : 'copy';
  cells[3].textContent = held.version;
  cells[3].title = held.version;
  made.append(...cells);
  return made;
}

// One look after another, never two at a time.
let wake = () => {};
let due = false;
function soon() {
  due = true;
  wake();
}

async function live() {
  for (let turn = 0; ; turn++) {
    due = false;
    await look();
    if (turn % 2 === 0 && !state.lost) await lookAtKeys().then(draw);
    if (due) continue;
    await new Promise(resolve => {
      wake = resolve;
      setTimeout(resolve, document.hidden ? 10 * PAUSE : PAUSE);
    });
  }
}

for (const name of ['successors', 'predecessors', 'fingers', 'keys']) element(`show-${name}`).addEventListener('change', draw);
document.addEventListener('visibilitychange', soon);
addEventListener('resize', draw);

async function turnTo(target) {
  state.target = target;
  await lookAtKeys();
  draw();
}
element('next').addEventListener('click', () => turnTo(state.more || null));
element('first').addEventListener('click', () => turnTo(null));

element('leave').addEventListener('click', async () => {
  const kept = state.own.disk === 'none' ? 'ends with it' : 'stays on its disk until it is started again';
  const question = state.others.length ? `Have ${state.me} hand over what it holds, leave the ring and end?` :
    `Have ${state.me} end? It is the only node: what it holds ${kept}.`;
  if (!await confirmed(question, 'Leave the ring')) return;
  const answer = await ask('POST', '/leave');
  state.asked ||= answer.ok;
  log.add(answer.ok ? 'this node was asked to leave' : reason(answer), !answer.ok);
  soon();
});

live();
