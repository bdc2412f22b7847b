// A value as it was read or written: what an update has to keep, and whether a text box can hold it.

import { count, text } from '/page/api.js';

const EDITED_MAX = 20000; // characters that the box takes
const SHOWN_MAX = 1000; // characters, or 256 bytes, shown of a value that the box does not take

export const TEXT = 'text/plain; charset=utf-8';

// A text box turns every line end into a line feed. `crlf` tells that all were CR LF, so that they can be written again;
// a text with both kinds, or with a lone CR, would come back as other bytes, so the box does not take it.
function lines(said) {
  const plain = said.replaceAll('\r\n', '\n');
  const crlf = plain !== said;
  return plain.includes('\r') || (crlf && plain.replaceAll('\n', '\r\n') !== said) ? null : { text: plain, crlf };
}

function preview(bytes, said) {
  if (said === null) {
    const shown = [...bytes.subarray(0, 256)].map(byte => byte.toString(16).padStart(2, '0')).join(' ');
    return `not text, ${count(bytes.length, 'byte')}: ${shown}${bytes.length > 256 ? ' …' : ''}`;
  }
  const more = said.length - SHOWN_MAX;
  return said.slice(0, SHOWN_MAX) + (more > 0 ? ` … and ${count(more, 'character')} more` : '');
}

// `until`: when the value expires, in milliseconds since 1970; null if never. `text`: null if it cannot be edited.
export function value({ key, etag, type, ttl, bytes }) {
  const said = text(bytes);
  const editable = said === null || said.length > EDITED_MAX ? null : lines(said);
  return { key, etag, type, until: ttl ? Date.now() + 1000 * ttl : null, bytes, text: editable?.text ?? null,
    crlf: editable?.crlf ?? false, preview: editable?.text ?? preview(bytes, said) };
}

export const valueOf = (key, answer) => value({ key, etag: answer.field('ETag'), type: answer.field('Content-Type'),
  ttl: Number(answer.field('Sky-TTL') ?? 0), bytes: answer.bytes });

// Whole seconds until it expires, at least one; '' if never.
export const left = ({ until }) => (until ? String(Math.max(1, Math.round((until - Date.now()) / 1000))) : '');

export const about = ({ bytes, type, until }) =>
  `${count(bytes.length, 'byte')} of ${type}${until ? `, expires in ${left({ until })} s` : ''}`;

export const same = (one, other) => one.length === other.length && one.every((byte, index) => byte === other[index]);
