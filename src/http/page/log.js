// What happens, newest first.

const KEPT = 200;

export class Log {
  #list;
  #heard;

  // `heard` is called when the node says something, with the word for what happened.
  constructor(list, heard) {
    this.#list = list;
    this.#heard = heard;
    this.#listen();
  }

  add(text, warning = false, unixMs = Date.now()) {
    const [item, time, said] = ['li', 'time', 'span'].map(name => document.createElement(name));
    const moment = new Date(unixMs);
    time.dateTime = moment.toISOString();
    time.textContent = moment.toLocaleTimeString();
    said.textContent = text;
    said.className = warning ? 'warning' : '';
    item.append(time, said);
    this.#list.prepend(item);
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
  }

  #listen() {
    const source = new EventSource('/events');
    source.addEventListener('life', event => {
      const { event: word, text, warning, unix_ms } = JSON.parse(event.data);
      this.add(`this node ${text}`, warning, unix_ms);
      this.#heard(word);
    });
    source.addEventListener('state', event => {
      const { text, unix_ms } = JSON.parse(event.data);
      this.add(text, false, unix_ms);
      this.#heard();
    });
    source.onerror = () => {
      // The browser gives up for good where the node refuses, and tries again by itself where it does not answer.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.#listen(), 3000);
    };
  }
}
