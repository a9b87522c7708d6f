import type { ServerResponse } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { Resolved } from '../cache/resolver.ts';
import { errorBody, withRequestId } from '../server/answer.ts';
import { entityTag } from '../server/entity-tag.ts';
import { type ResolvedBody, resolvedBody } from './resolve.ts';
import type { WatchStory } from './watch-history.ts';

/** A comment line, so that a connection which has died shows itself to both sides. */
const HEARTBEAT_MS = 15_000;
/** No more is written until what waits to be sent is read down to less than this. */
const MOST_UNSENT_BYTES = 256 * 1024;
/** Events that may wait for a slow reader beyond the first ones of its references; then it is let go. */
const MOST_WAITING = 1000;
/** A reader that takes nothing for so many heartbeats is let go. */
const MOST_SILENT_BEATS = 2;

export interface WatchStreamOptions {
  response: ServerResponse;
  references: readonly string[];
  story: WatchStory;
  /** By reference the digest of what the reader has already. */
  had: ReadonlyMap<string, string>;
  clock: Clock;
  configVersion: () => number | null;
  /** The reader is too slow, and its connection is cut. */
  onSlow: () => void;
}

/** One reader of server-sent events. What it is told it is told in order, and what it had before it is not told again. */
export class WatchStream {
  readonly #options: WatchStreamOptions;
  readonly #waiting: Array<[reference: string, event: Resolved | VaultplaneError]> = [];
  /** References that it was told something of; what it had counts for the first event only. */
  readonly #told = new Set<string>();
  #cancelBeat = () => {};
  #silentBeats = 0;
  #sentAtBeat = 0;
  #ended = false;

  constructor(options: WatchStreamOptions) {
    this.#options = options;
    const { response } = options;
    const headers = {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    };
    response.writeHead(200, withRequestId(headers));
    response.write('retry: 1000\n\n');
    // Its own heartbeats say whether it is alive.
    response.socket?.setTimeout(0);
    response.on('drain', () => this.#flush());
    this.#beatLater();
  }

  tell(reference: string, event: Resolved | VaultplaneError): void {
    if (this.#ended) return;
    const { references } = this.#options;
    if (this.#waiting.length >= references.length + MOST_WAITING) {
      this.#letGo();
      return;
    }
    this.#waiting.push([reference, event]);
    this.#flush();
  }

  /** Ends it in order; the reader comes back by itself, to whoever listens then. */
  end(): void {
    this.closed();
    this.#options.response.end();
  }

  /** The connection is gone. */
  closed(): void {
    this.#ended = true;
    this.#waiting.length = 0;
    this.#cancelBeat();
  }

  #flush(): void {
    const { response } = this.#options;
    while (this.#waiting.length > 0 && response.writableLength < MOST_UNSENT_BYTES && !this.#ended) {
      const [reference, event] = this.#waiting.shift()!;
      this.#write(reference, event);
    }
  }

  #write(reference: string, event: Resolved | VaultplaneError): void {
    const { response, story, had, configVersion } = this.#options;
    const failed = event instanceof VaultplaneError;
    const digest = failed ? `${event.code} ${event.message}` : entityTag(event);
    const isFirst = !this.#told.has(reference);
    this.#told.add(reference);
    if (isFirst && had.get(reference) === digest) return;
    const data: ResolvedBody | object = failed
      ? { reference, error: errorBody(event) }
      : resolvedBody(event, configVersion());
    const id = story.tell(reference, digest);
    response.write(`id: ${id}\nevent: ${failed ? 'error' : 'value'}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #beatLater(): void {
    this.#cancelBeat = this.#options.clock.after(HEARTBEAT_MS, () => this.#beat());
  }

  #beat(): void {
    const { response } = this.#options;
    const sent = (response.socket?.bytesWritten ?? 0) - response.writableLength;
    const isStuck = response.writableLength > 0 && sent <= this.#sentAtBeat;
    this.#silentBeats = isStuck ? this.#silentBeats + 1 : 0;
    this.#sentAtBeat = sent;
    if (this.#silentBeats >= MOST_SILENT_BEATS) {
      this.#letGo();
      return;
    }
    if (response.writableLength === 0) response.write(':\n\n');
    this.#beatLater();
  }

  #letGo(): void {
    this.closed();
    this.#options.onSlow();
    this.#options.response.destroy();
  }
}
