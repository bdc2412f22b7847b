// The panel that reads and writes keys. What was read is held together with its key, version, type and time to live:
// an update stores under that key, only over that version, and keeps what the person did not change.

import { ask, count, json, path, reason } from '/page/api.js';
import { confirmed } from '/page/question.js';
import { TEXT, about, left, same, value, valueOf } from '/page/value.js';

const name = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
const element = id => document.getElementById(id);
const [box, type, ttl, file] = ['value', 'type', 'ttl', 'file'].map(element);
const WAITS = 'Waiting for the answer…';
const MISSING = 'No such key. Press Create to make it.';

export class Data {
  limit = Infinity; // bytes of a value
  #edit = null; // the value in the box, as read or written last; without etag it is gone
  #other = null; // the value stored instead, while both are shown
  #parked = null; // what the form held before another key was typed
  #replaces = false; // text is written in place of a value that the box does not take
  #shownTtl = ''; // what the page wrote there: anything else is the person's
  #unknown = null; // a write whose outcome is not known
  #turn = 0; // another key or another button makes older answers stale
  #writing = null;
  #looked;

  // `looked` is called with the answer of a lookup, or with nothing when there is none to show any more.
  constructor(looked) {
    this.#looked = looked;
    element('form').addEventListener('submit', event => {
      event.preventDefault();
      this.#do(event.submitter?.dataset.deed ?? 'get');
    });
    element('key').addEventListener('input', () => this.#rename());
    file.addEventListener('change', () => this.#lock());
    element('text').addEventListener('click', () => {
      this.#replaces = true;
      file.value = '';
      this.#lock();
      box.focus();
    });
    element('mine').addEventListener('click', () => element('form').reportValidity() && this.#do('mine'));
    element('theirs').addEventListener('click', () => {
      this.#turn++;
      this.#hold(this.#other);
      this.#say('good', 'This is the stored value. Nothing was changed.');
      box.focus();
    });
    element('repeat').addEventListener('click', () => this.#do('repeat'));
    setInterval(() => this.#tick(), 1000);
  }

  // Puts a key into the form, and reads it.
  show(key) {
    element('key').value = key;
    this.#rename();
    // A field of one line drops line ends: that would be another key.
    if (element('key').value === key) return this.#do('get');
    element('key').value = '';
    this.#say('bad', 'This key has a line end, which this form cannot hold: use skyctl or curl.');
  }

  async #do(deed) {
    if (this.#edit && this.#edit.key !== element('key').value) this.#rename();
    const turn = ++this.#turn;
    this.#parked = null;
    this.#say('', WAITS);
    // One write after another: the next one depends on the version that this one makes.
    await this.#writing;
    if (turn !== this.#turn) return;
    const [key, unknown, other] = [element('key').value, this.#unknown, this.#other];
    this.#clear();
    if (deed === 'repeat') return this.#send(unknown);
    if (key === '') return this.#say('bad', 'Type a key first.');
    if (key === '.' || key === '..') {
      return this.#say('bad', 'For a browser this key is a step in a path, however it is escaped: use skyctl or curl --path-as-is.');
    }
    if (!key.isWellFormed()) return this.#say('bad', 'This key holds half a character: type it anew.');
    switch (deed) {
      case 'get': return this.#get(key, turn);
      case 'lookup': return this.#lookup(key, turn);
      case 'create': return this.#store(deed, key, turn);
      case 'mine':
        this.#rebase(other);
        return this.#store('update', key, turn);
      case 'update':
        if (this.#edit?.etag) return this.#store(deed, key, turn);
        return this.#compare(key, turn, 'You have not read this key yet, and nothing was stored.', MISSING);
      case 'delete': return this.#delete(key, turn);
    }
  }

  async #get(key, turn) {
    const answer = await ask('GET', path(key));
    if (turn !== this.#turn) return;
    if (!answer.ok) return this.#unread(answer, MISSING);
    const found = valueOf(key, answer);
    const said = `Read: ${this.#about(answer)}, ${about(found)}.`;
    if (this.#isChanged() && (this.#isSet() || file.files.length || box.value !== found.text)) {
      return this.#both(found, `${said} What you have written is not stored, and was left as it is.`);
    }
    this.#hold(found);
    this.#say('good', said);
  }

  // Shows what is stored beside what the person wants to store, and changes neither.
  async #compare(key, turn, why, gone) {
    const answer = await ask('GET', path(key));
    if (turn !== this.#turn) return;
    if (!answer.ok) return this.#unread(answer, gone, `${why} `);
    const found = valueOf(key, answer);
    const mine = await this.#body(false);
    if (turn !== this.#turn) return;
    const changed = this.#isChanged();
    if (changed && (this.#isSet() || !mine || !same(mine, found.bytes))) return this.#both(found, why);
    this.#hold(found);
    this.#say('warn', changed ? 'The stored value is the same as yours already: nothing was changed.' : `${why} This is the stored value.`);
  }

  #unread(answer, gone, why = '') {
    if (answer.status !== 404) {
      return this.#say('bad', why + (answer.status ? reason(answer) : 'No connection to this node.'));
    }
    // Of a value that was never in the box nothing is left to create.
    if (this.#edit?.text === null && !this.#isChanged()) this.#empty();
    if (this.#edit) this.#edit.etag = null;
    // What has expired would expire at once again.
    if (this.#edit?.until < Date.now() && ttl.value === this.#shownTtl) this.#setTtl('');
    this.#say('warn', gone);
    this.#lock();
  }

  // The bytes to store; null, and said why if that is wanted, if there are none.
  async #body(says = true) {
    const chosen = file.files[0];
    const refuse = sentence => (says && this.#say('bad', sentence), null);
    if (!chosen && box.readOnly) return refuse('This value cannot be edited here. Choose a file that replaces it, or write text instead.');
    const crlf = this.#edit?.crlf ? box.value.replaceAll('\n', '\r\n') : box.value;
    const bytes = chosen ? null : new TextEncoder().encode(crlf);
    const length = bytes?.length ?? chosen.size;
    if (length > this.limit) return refuse(`The value has ${count(length, 'byte')}, the limit is ${count(this.limit, 'byte')}: nothing was changed.`);
    try {
      return bytes ?? new Uint8Array(await chosen.arrayBuffer());
    } catch {
      return refuse('This file cannot be read: nothing was changed.');
    }
  }

  async #store(deed, key, turn) {
    const body = await this.#body();
    if (!body || turn !== this.#turn) return;
    const lasts = ttl.value === this.#shownTtl && this.#edit?.etag ? left(this.#edit) : ttl.value;
    const kind = type.value.trim() || (file.files.length ? file.files[0].type || 'application/octet-stream' : TEXT);
    const headers = deed === 'create' ? { 'If-None-Match': '*' } : { 'If-Match': this.#edit.etag };
    if (lasts) headers['Sky-TTL'] = lasts;
    return this.#send({ key, deed, method: 'PUT', body, kind, lasts, headers: { ...headers, 'Content-Type': kind } });
  }

  async #delete(key, turn) {
    const seen = await ask('HEAD', path(key));
    if (turn !== this.#turn) return;
    if (seen.status === 404) return this.#unread(seen, 'No such key: nothing to delete.');
    if (!seen.ok) {
      return this.#say('bad', seen.status ? `This key cannot be read now (${seen.status}): nothing was deleted.` : 'No connection to this node.');
    }
    const etag = seen.field('ETag');
    const changed = this.#edit?.etag && this.#edit.etag !== etag ? ', which somebody else changed since you read it' : '';
    const what = `${count(Number(seen.field('Content-Length')), 'byte')} of ${seen.field('Content-Type')}`;
    if (!await confirmed(`Delete the key “${key}” with its value (${what})${changed}?`, 'Delete')) return this.#say('', 'Nothing was deleted.');
    return this.#send({ key, deed: 'delete', method: 'DELETE', headers: { 'If-Match': etag } });
  }

  #send(write) {
    return this.#writing = this.#exchange(write);
  }

  async #exchange(write) {
    this.#clear();
    const turn = this.#turn;
    // Each write has a name of its own, so that it can be repeated whatever becomes of its answer.
    const operation = write.operation ?? name();
    const headers = { ...write.headers, 'Sky-Operation': operation };
    const answer = await ask(write.method, path(write.key), { body: write.body, headers });
    // Another key may stand in the form by now, and then it keeps what it has.
    const here = element('key').value === write.key;
    const whose = here ? '' : `${write.key}: `;
    if (answer.ok) {
      if (here) this.#written(write, answer);
      const done = { create: 'Created', update: 'Replaced', delete: 'Deleted' }[write.deed];
      return this.#say('good', `${whose}${done}: ${this.#about(answer)}.`);
    }
    if (answer.status === 504 || answer.status === 0) {
      this.#unknown = { ...write, operation: answer.field('Sky-Operation') ?? operation };
      element('repeat').hidden = false;
      return this.#say('warn', `${whose}The outcome is unknown: the write may have been stored or not. Retry: it is applied only once.`);
    }
    if (answer.status !== 412) return this.#say('bad', whose + reason(answer));
    const why = { create: 'This key exists already, and nothing was stored.',
      update: 'Somebody else changed this key since you read it, and nothing was stored.',
      delete: 'Somebody else changed this key while you were asked, and nothing was deleted.' }[write.deed];
    if (!here || turn !== this.#turn) return this.#say('bad', whose + why);
    if (write.deed === 'delete') return this.#say('bad', `${why} Press Delete to be asked again.`);
    return this.#compare(write.key, turn, why, 'This key expired or was deleted since you read it, and nothing was stored. Press Create to make it again.');
  }

  #written(write, answer) {
    if (write.deed === 'delete') {
      if (!this.#isChanged()) return this.#empty();
      // What was written and never stored is still there for Create.
      if (this.#edit) this.#edit.etag = null;
      this.#clear();
      return this.#lock();
    }
    const { key, kind, lasts, body } = write;
    const stored = value({ key, etag: answer.field('ETag'), type: kind, ttl: Number(lasts), bytes: body });
    const typed = box.value;
    const wasFile = file.files.length > 0;
    this.#hold(stored);
    // What was typed since the write went off is kept.
    if (!wasFile && stored.text !== null) box.value = typed;
  }

  async #lookup(key, turn) {
    const answer = await ask('GET', '/lookup/' + encodeURIComponent(key));
    if (turn !== this.#turn) return;
    const found = json(answer);
    if (!found) return this.#say('bad', answer.status ? reason(answer) : 'No connection to this node.');
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
      copies && `on ${count(Number(copies), 'node')}`].filter(Boolean).join(', ');
  }

  // Another key is typed: what was read or stored under the former one goes with it, and comes back with it.
  #rename() {
    const key = element('key').value;
    this.#turn++;
    const [parked, outcome, unknown] = [this.#parked, element('outcome').textContent, !element('repeat').hidden];
    if (this.#edit && this.#edit.key !== key) {
      const fields = [box, type, ttl].map(field => field.value);
      const kept = { edit: this.#edit, fields, shownTtl: this.#shownTtl, replaces: this.#replaces };
      this.#empty();
      this.#parked = kept;
    } else if (parked?.edit.key === key && !this.#isChanged()) {
      this.#hold(parked.edit);
      [box.value, type.value, ttl.value] = parked.fields;
      [this.#shownTtl, this.#replaces, this.#parked] = [parked.shownTtl, parked.replaces, null];
    }
    this.#lock();
    this.#clear();
    // A write without an outcome can be repeated whatever is typed.
    this.#say(unknown ? 'warn' : '', unknown ? outcome : '');
    element('repeat').hidden = !unknown;
  }

  // The person has set another type or time to live.
  #isSet() {
    return type.value !== (this.#edit?.type ?? '') || ttl.value !== this.#shownTtl;
  }

  // The form holds something that is not stored.
  #isChanged() {
    return this.#isSet() || file.files.length > 0 || (!box.readOnly && box.value !== (this.#edit?.text ?? ''));
  }

  // The form holds this value now.
  #hold(found) {
    this.#edit = found;
    this.#replaces = false;
    box.value = found.text ?? '';
    type.value = found.type;
    file.value = '';
    this.#setTtl(left(found));
    this.#clear();
    this.#lock();
  }

  #empty() {
    this.#edit = null;
    this.#replaces = false;
    for (const field of [box, type, file]) field.value = '';
    this.#setTtl('');
    this.#clear();
    this.#lock();
  }

  // The person replaces that value: what they did not change is kept as it has it.
  #rebase(found) {
    if (type.value === (this.#edit?.type ?? '')) type.value = found.type;
    if (ttl.value === this.#shownTtl) this.#setTtl(left(found));
    this.#edit = { ...found, crlf: this.#edit?.crlf ?? found.crlf };
    this.#replaces = true;
  }

  #both(found, why) {
    this.#other = found;
    this.#beside(found);
    element('values').className = 'both';
    element('value-label').textContent = `Yours, not stored${file.files.length ? `: the file ${file.files[0].name}` : ''}`;
    element('ways').hidden = false;
    this.#say('warn', `${why} Both are shown: keep one of them.`);
  }

  #beside(found) {
    element('stored').hidden = false;
    element('stored-label').textContent = `Stored now: ${about(found)}`;
    element('shown').textContent = found.preview || '(empty)';
    this.#offer(found);
  }

  #offer({ key }) {
    const link = element('download');
    link.hidden = false;
    link.href = path(key);
    link.download = key;
  }

  // The box takes no text while a file stands for it, or while it could hold the value only in part.
  #lock() {
    const partly = Boolean(this.#edit?.etag) && this.#edit.text === null && !this.#replaces;
    box.readOnly = file.files.length > 0 || partly;
    box.placeholder = file.files.length ? 'The file is stored instead.' : partly ? 'Cannot be edited here: download it, or choose a file that replaces it.' : '';
    element('text').hidden = !box.readOnly;
  }

  #setTtl(seconds) {
    ttl.value = seconds;
    this.#shownTtl = seconds;
  }

  #tick() {
    if (this.#edit?.until && this.#edit.etag && ttl.value === this.#shownTtl && document.activeElement !== ttl) this.#setTtl(left(this.#edit));
  }

  #clear() {
    this.#other = null;
    this.#looked(null);
    for (const part of ['stored', 'ways', 'repeat', 'download']) element(part).hidden = true;
    element('values').className = '';
    element('value-label').textContent = 'Value';
    element('path').replaceChildren();
    if (this.#edit?.etag && this.#edit.text === null) this.#beside(this.#edit);
    else if (this.#edit?.etag) this.#offer(this.#edit);
    this.#say('', WAITS);
  }

  #say(kind, sentence) {
    const outcome = element('outcome');
    outcome.className = kind;
    outcome.textContent = sentence;
  }
}
