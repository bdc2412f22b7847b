// The panel that reads and writes keys, and says what truly came of it.

import { ask, json, path, reason, text } from '/page/api.js';

const SHOWN_MAX = 20000; // characters of a value; the rest is a link away
const name = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
const element = id => document.getElementById(id);

export class Data {
  #read = new Map(); // the version of each key that was last read or written here
  #unknown = null; // a write whose outcome is not known
  #looked;

  // `looked` is called with the answer of a lookup, or with nothing when there is none to show any more.
  constructor(looked) {
    this.#looked = looked;
    element('form').addEventListener('submit', event => {
      event.preventDefault();
      this.#do(event.submitter?.dataset.deed ?? 'get');
    });
    element('repeat').addEventListener('click', () => this.#write(this.#unknown));
  }

  // Puts a key into the form, and reads it.
  show(key) {
    element('key').value = key;
    this.#do('get');
  }

  async #do(deed) {
    const key = element('key').value;
    this.#clear();
    if (key === '.' || key === '..') {
      return this.#say('bad', 'For a browser this key is a step in a path, however it is escaped: use skyctl or curl --path-as-is.');
    }
    const etag = this.#read.get(key);
    if (element('unchanged').checked && (deed === 'update' || deed === 'delete') && !etag) {
      return this.#say('bad', 'This key was not read here yet: Get it first.');
    }
    const headers = element('unchanged').checked && deed !== 'create' && etag ? { 'If-Match': etag } : {};
    if (element('ttl').value && deed !== 'delete') headers['Sky-TTL'] = element('ttl').value;
    const value = element('value').value;
    const plain = { 'Content-Type': 'text/plain; charset=utf-8' };
    switch (deed) {
      case 'get': return this.#get(key);
      case 'lookup': return this.#lookup(key);
      case 'create': return this.#write({ key, deed, method: 'POST', target: '/storage', headers, body: JSON.stringify({ key, value }) });
      case 'update': return this.#write({ key, deed, method: 'PUT', target: path(key), headers: { ...headers, ...plain }, body: value });
      case 'delete': return this.#write({ key, deed, method: 'DELETE', target: path(key), headers });
    }
  }

  async #get(key) {
    const answer = await ask('GET', path(key));
    if (!answer.ok) {
      if (answer.status === 404) this.#read.delete(key);
      return this.#say(answer.status === 404 ? 'warn' : 'bad', answer.status ? reason(answer) : 'The node does not answer.');
    }
    this.#read.set(key, answer.field('ETag'));
    const said = text(answer.bytes);
    const left = answer.field('Sky-TTL');
    this.#say('good', `Read: ${this.#about(answer)}, ${answer.bytes.length} bytes of ${answer.field('Content-Type')}` +
      (left ? `, ends in ${left} s.` : '.'));
    const shown = element('shown');
    shown.hidden = false;
    if (said === null) {
      const bytes = [...answer.bytes.subarray(0, 512)].map(byte => byte.toString(16).padStart(2, '0')).join(' ');
      shown.textContent = `no text; its first bytes: ${bytes}`;
    } else {
      shown.textContent = said === '' ? '(empty)' : said.slice(0, SHOWN_MAX);
      if (said.length <= SHOWN_MAX) element('value').value = said;
      else shown.append(` … and ${said.length - SHOWN_MAX} characters more`);
    }
  }

  async #write(write) {
    this.#clear();
    // Each write has a name of its own, so that it can be repeated whatever becomes of its answer.
    const operation = write.operation ?? name();
    const headers = { ...write.headers, 'Sky-Operation': operation };
    const answer = await ask(write.method, write.target, { body: write.body, headers });
    if (answer.ok) {
      const etag = answer.field('ETag');
      if (etag) this.#read.set(write.key, etag);
      else this.#read.delete(write.key);
      const done = { create: 'Created', update: answer.status === 201 ? 'Created' : 'Replaced', delete: 'Deleted' }[write.deed];
      return this.#say('good', `${done}: ${this.#about(answer)}.`);
    }
    if (answer.status === 504 || answer.status === 0) {
      this.#unknown = { ...write, operation: answer.field('Sky-Operation') ?? operation };
      element('repeat').hidden = false;
      return this.#say('warn', 'Its outcome is unknown: the write may have been stored or not.');
    }
    this.#say('bad', reason(answer));
  }

  async #lookup(key) {
    const answer = await ask('GET', '/lookup/' + encodeURIComponent(key));
    const found = json(answer);
    if (!found) return this.#say('bad', answer.status ? reason(answer) : 'The node does not answer.');
    const hops = found.path.map((hop, index) => {
      const item = document.createElement('li');
      const last = hop.addr === found.owner.addr ? ', the owner' : '';
      item.textContent = `${hop.addr} ${hop.answered ? `answered${last}` : 'did not answer'}`;
      item.value = index + 1;
      return item;
    });
    element('path').replaceChildren(...hops);
    this.#say('good', `Its id is ${found.id.slice(0, 8)}…; its owner is ${found.owner.addr}` +
      (hops.length ? `, found by asking ${hops.length}.` : ': this node, or a neighbour that it knows.'));
    this.#looked(found);
  }

  #about(answer) {
    const version = answer.field('ETag');
    const [owner, copies] = [answer.field('Sky-Owner'), answer.field('Sky-Copies')];
    return [version && `version ${version.replaceAll('"', '')}`, owner && `owner ${owner}`,
      copies && `on ${copies} ${copies === '1' ? 'node' : 'nodes'}`].filter(Boolean).join(', ');
  }

  #clear() {
    this.#say('', '…');
    this.#looked(null);
    element('shown').hidden = true;
    element('repeat').hidden = true;
    element('path').replaceChildren();
  }

  #say(kind, sentence) {
    const outcome = element('outcome');
    outcome.className = kind;
    outcome.textContent = sentence;
  }
}
