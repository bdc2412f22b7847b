// How the page asks its node. Nothing here throws: an answer without status is silence.

export const path = key => '/storage/' + encodeURIComponent(key);

export async function ask(method, target, { body, headers, patience = 8000 } = {}) {
  try {
    const answer = await fetch(target, { method, body, headers, cache: 'no-store', signal: AbortSignal.timeout(patience) });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return { status: answer.status, ok: answer.ok, bytes, field: name => answer.headers.get(name) };
  } catch {
    return { status: 0, ok: false, bytes: new Uint8Array(), field: () => null };
  }
}

// A number with what it counts: 1 node, 2,000 nodes.
export const count = (number, one, more = `${one}s`) => `${number.toLocaleString('en')} ${number === 1 ? one : more}`;

// The bytes as text; null if they are none.
export function text(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

export function json(answer) {
  try {
    return answer.ok ? JSON.parse(text(answer.bytes)) : null;
  } catch {
    return null;
  }
}

// What an answer that is no success says, in its own sentence.
export function reason(answer) {
  if (answer.status === 0) return 'No connection to this node: what became of this is not known.';
  try {
    return JSON.parse(text(answer.bytes)).detail;
  } catch {
    return `The node answers ${answer.status}.`;
  }
}

export async function load(target, patience) {
  return json(await ask('GET', target, { patience }));
}
