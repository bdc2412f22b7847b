// The page of a node: looks at the ring again and again, and shows what it finds.

import { ask, load, reason } from '/page/api.js';
import { Data } from '/page/data.js';
import { complete, describe, fold } from '/page/details.js';
import { Log } from '/page/log.js';
import { Ring } from '/page/ring.js';

const PAUSE = 1000; // milliseconds between two looks at the ring
const PATIENCE = 4000;
const PAGE = 200; // keys

const element = id => document.getElementById(id);
const state = { own: null, nodes: [], me: null, selected: null, told: null, keys: [], more: null, target: null, lookup: null, lost: false };

const ring = new Ring(element('picture'), select);
const data = new Data(found => {
  state.lookup = found;
  draw();
});
const log = new Log(element('events'), () => soon());

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
    found.set(node.addr, { id: node.id, addr: node.addr, settled: node.settled, entries: node.entries, spoken: false,
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
  describe(node, selected === me ? own : null, fingers, told !== null);
}

// Tells of those who came and went since the last look.
function compare(before, after) {
  const here = nodes => new Set(nodes.filter(node => !node.spoken).map(node => node.addr));
  const [old, now] = [here(before), here(after)];
  for (const addr of now) if (!old.has(addr)) log.add(`${addr} is on the ring`);
  for (const addr of old) if (!now.has(addr)) log.add(`${addr} is on the ring no more`, true);
}

function lose(lost) {
  const notice = element('lost');
  if (lost !== state.lost) log.add(lost ? 'this node does not answer' : 'this node answers again', lost);
  state.lost = lost;
  notice.hidden = !lost;
  notice.textContent = lost ? 'This node does not answer: what you see is how it was. It is asked again and again.' : '';
}

async function look() {
  const [own, walk] = await Promise.all([load('/node', PATIENCE), load('/ring', PATIENCE)]);
  if (!own) return lose(true);
  lose(false);
  state.own = own;
  state.me = own.addr;
  state.selected ??= own.addr;
  element('me').textContent = own.addr;
  element('state').textContent = own.state;
  element('state').className = `badge ${own.state}`;
  document.title = `Sky ${own.addr}`;
  if (walk) {
    const nodes = nodesOf(walk);
    if (state.nodes.length) compare(state.nodes, nodes);
    state.nodes = nodes;
    const count = nodes.filter(node => !node.spoken).length;
    element('count').textContent = `${count} ${count === 1 ? 'node' : 'nodes'}${walk.next ? ', and more' : ''}`;
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
  const cells = [held.key ?? held.path, held.bytes, held.owned ? 'owned' : 'copy', held.version].map(() => document.createElement('td'));
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

element('leave').addEventListener('click', () => {
  const question = element('question');
  element('question-text').textContent = `Have ${state.me} hand over what it holds, leave the ring and end?` +
    (state.nodes.length > 1 ? '' : ' It is the only node: what it holds ends with it.');
  question.returnValue = 'no';
  question.onclose = async () => {
    if (question.returnValue !== 'yes') return;
    const answer = await ask('POST', '/leave');
    log.add(answer.ok ? 'this node was asked to leave' : reason(answer), !answer.ok);
  };
  question.showModal();
});

live();
