import { useEffect, useState } from 'preact/hooks';
import type { AdminApi, DataPlane, ReferenceCounts } from './admin-api.ts';

export type FeedState = 'connecting' | 'live' | 'disconnected';

export interface ConfigPosition {
  version: number;
  timeline: string;
  hash: string;
}

/** The fleet at one moment, for the chart. */
export interface FleetSample extends ReferenceCounts {
  /** Seconds since 1970. */
  at: number;
  connected: number;
  behind: number;
}

const SAMPLE_EVERY_MS = 5000;
const MOST_SAMPLES = 720;
/** The control plane sends something every 15 seconds. */
const SILENCE_MS = 40_000;
/** Many changes in a moment are one look at the page. */
const TELL_EVERY_MS = 250;

/** The data planes, live, for as long as somebody is signed in. */
export class FleetFeed {
  readonly rows = new Map<string, DataPlane>();
  readonly samples: FleetSample[] = [];
  position: ConfigPosition | null = null;
  /** Whether the control plane can read its database. */
  databaseReachable = true;
  state: FeedState = 'connecting';
  /** When it was last known to be right, milliseconds since 1970. */
  heardAt = 0;
  readonly #api: AdminApi;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #telling = false;

  constructor(api: AdminApi) {
    this.#api = api;
    void this.#run();
    const sampling = setInterval(() => this.#sample(), SAMPLE_EVERY_MS);
    this.#stop.signal.addEventListener('abort', () => clearInterval(sampling));
  }

  isBehind({ connected, config_version }: DataPlane): boolean {
    return connected && this.position !== null && config_version !== this.position.version;
  }

  stop(): void {
    this.#stop.abort();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow(() => {
          failures = 0;
        });
      } catch {
        failures++;
      }
      if (this.#stop.signal.aborted) return;
      // One that the control plane ended, as it does now and then, is opened again at once.
      if (failures > 0) this.#is('disconnected');
      const pause = Math.random() * Math.min(5000, 250 * 2 ** failures);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async #follow(onHeard: () => void): Promise<void> {
    const silence = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, silence.signal]);
    let late = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers = { accept: 'text/event-stream' };
      const response = await this.#api.fetch('/clustering/events', { headers, signal });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      let isWhole = true;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(late);
        late = setTimeout(() => silence.abort(), SILENCE_MS);
        text += value;
        const events = text.split('\n\n');
        text = events.pop()!;
        for (const event of events) {
          const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? [];
          if (name === 'config') this.position = JSON.parse(data!);
          if (name === 'database') this.databaseReachable = JSON.parse(data!).reachable;
          if (name !== 'data-planes') continue;
          this.#take(JSON.parse(data!), isWhole);
          isWhole = false;
        }
        this.heardAt = Date.now();
        onHeard();
        this.#is('live');
        this.#tell();
      }
    } finally {
      clearTimeout(late);
    }
  }

  #take({ changed, gone }: { changed: DataPlane[]; gone: string[] }, isWhole: boolean): void {
    if (isWhole) this.rows.clear();
    for (const row of changed) this.rows.set(row.id, row);
    for (const id of gone) this.rows.delete(id);
    if (this.samples.length === 0) this.#sample(true);
  }

  #sample(first = false): void {
    if (!first && this.state !== 'live') return;
    const sample: FleetSample = {
      at: Date.now() / 1000,
      connected: 0,
      behind: 0,
      fresh: 0,
      stale: 0,
      resurrected: 0,
      negative: 0,
    };
    for (const row of this.rows.values()) {
      if (!row.connected) continue;
      sample.connected++;
      if (this.isBehind(row)) sample.behind++;
      for (const state of ['fresh', 'stale', 'resurrected', 'negative'] as const)
        sample[state] += row.references?.[state] ?? 0;
    }
    this.samples.push(sample);
    if (this.samples.length > MOST_SAMPLES) this.samples.shift();
    this.#tell();
  }

  #is(state: FeedState): void {
    if (this.state === state) return;
    this.state = state;
    this.#tell();
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    setTimeout(() => {
      this.#telling = false;
      for (const listener of this.#listeners) listener();
    }, TELL_EVERY_MS);
  }
}

/** Renders a component anew whenever the fleet changes. Gives a number that is another one each time. */
export function useFleet(feed: FleetFeed): number {
  const [count, setCount] = useState(0);
  useEffect(() => feed.onChange(() => setCount((before) => before + 1)), [feed]);
  return count;
}
