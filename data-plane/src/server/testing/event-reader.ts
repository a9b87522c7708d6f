import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { ApiBench } from './api-bench.ts';

export interface ServerEvent {
  id: string;
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into it for what it expects there
  data: any;
}

/** A reader of server-sent events, as a test's own: what it has read, and waits for more. */
export class EventReader {
  readonly events: ServerEvent[] = [];
  comments = 0;
  ended = false;
  readonly #request: ClientRequest;
  #rest = '';
  #wake = () => {};

  private constructor(outgoing: ClientRequest, answer: IncomingMessage) {
    this.#request = outgoing;
    answer.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    answer.on('error', () => {});
    answer.once('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  static async open(
    bench: ApiBench,
    references: string[],
    options: { lastEventId?: string; token?: string } = {},
  ): Promise<EventReader> {
    const path = `/v1/watch?${references.map((reference) => `ref=${encodeURIComponent(reference)}`).join('&')}`;
    const { lastEventId, token = bench.token } = options;
    const outgoing = request({
      host: '127.0.0.1',
      port: bench.port,
      path,
      agent: false,
      headers: { 'x-vault-token': token, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
    });
    outgoing.on('error', () => {});
    const answered = new Promise<IncomingMessage>((resolve) => outgoing.once('response', resolve));
    outgoing.end();
    const answer = await answered;
    if (answer.statusCode !== 200) throw new Error(`HTTP ${answer.statusCode}`);
    return new EventReader(outgoing, answer);
  }

  get lastId(): string | undefined {
    return this.events.at(-1)?.id;
  }

  values(): string[] {
    return this.events.map(({ data }) => data.value ?? data.error.code);
  }

  /** Waits until there are so many events. */
  async until(count: number): Promise<ServerEvent[]> {
    while (this.events.length < count && !this.ended) await this.#more();
    if (this.events.length < count) throw new Error(`ended after ${this.events.length} of ${count} events`);
    return this.events;
  }

  async end(): Promise<void> {
    while (!this.ended) await this.#more();
  }

  close(): void {
    this.#request.destroy();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => line.split(/: ?(.*)/s) as [string, string]));
      if (fields.has('data')) {
        this.events.push({ id: fields.get('id')!, event: fields.get('event')!, data: JSON.parse(fields.get('data')!) });
      } else if (fields.has('')) this.comments++;
    }
    this.#wake();
  }
}
