import { Agent, type RequestOptions, request } from 'node:http';
import type { Answer } from '../../e2e/deployment.ts';
import type { Secrets } from './secrets.ts';
import { LETTERS } from './timeline.ts';

/** What applications beside the data plane saw while a drill went on. */
export interface Figures {
  served: number;
  /** Lookups without a value, those that were expected to fail too. */
  failed: number;
  /** Of them, those that the drill said would fail, such as while the data plane's process is down. */
  excused: number;
  /** Answers with a value that the secret never had, or with two keys of two versions: always 0. */
  wrong: number;
  /** Longest time between two answers in a row that served a reference, milliseconds. */
  longestGapMs: number;
  /** Longest time for which an application was still given a value that had been replaced in AWS, milliseconds. */
  longestStalenessMs: number;
}

/** A reference that applications look up all the time, and the secret that it means. */
export interface Watched {
  reference: string;
  secret: string;
  key?: string;
  /** In place of the secret's history: whether a value is right. */
  isRight?: (value: string, answer: Answer) => boolean;
}

export interface Doorway {
  /** Where the data plane answers: HOST and PORT, or a Unix socket. */
  target: RequestOptions;
  /** The token of application calls. */
  token: () => string;
  /**
   * The data plane lives so fast that its limits for a slow client are parts of a second: a call that it cuts off for that
   * is made again.
   */
  isHasty?: boolean;
}

export interface Excuse {
  fromMs: number;
  toMs: number;
  reason: string;
  references: readonly string[] | undefined;
}

/** Each reference is asked for again so long after its last answer. */
const PAUSE_MS = 25;
/** An answer that takes longer is none. */
const PATIENCE_MS = 6000;
/** Of a call to a hasty data plane. */
const MOST_TRIES = 4;
export const INTERVAL_MS = 250;
const WORST = [LETTERS.fresh, LETTERS.stale, LETTERS.resurrected, LETTERS.failed, LETTERS.wrong];

/**
 * The applications beside a data plane: each looks one reference up again and again, one more asks for two keys of one
 * secret at once, and all write down what they got.
 */
export class Applications {
  readonly #doorway: Doorway;
  readonly #secrets: Secrets;
  readonly #begun: number;
  /** Connections of those that ask all the time, and of lookups beside them, which must not wait for each other. */
  readonly #agents = { watching: new Agent({ keepAlive: true }), beside: new Agent({ keepAlive: true }) };
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #timelines = new Map<string, string[]>();
  readonly #figures: Figures = {
    served: 0,
    failed: 0,
    excused: 0,
    wrong: 0,
    longestGapMs: 0,
    longestStalenessMs: 0,
  };
  readonly #codes = new Map<string, number>();
  readonly excuses: Excuse[] = [];
  #unexcused: string | undefined;
  #wrong: string | undefined;

  constructor(doorway: Doorway, secrets: Secrets, begun: number) {
    this.#doorway = doorway;
    this.#secrets = secrets;
    this.#begun = begun;
  }

  /** Begins to look a reference up all the time. */
  watch(watched: Watched): void {
    this.#timelines.set(watched.reference, []);
    this.#running.push(this.#keepAsking([watched]));
  }

  /** Begins to look two keys of one secret up at once, all the time: both must be of one version. */
  watchPair(first: Watched, second: Watched): void {
    this.#running.push(this.#keepAsking([first, second]));
  }

  /** Failures from now until the returned function is called are expected, of all references or of those named. */
  excuse(reason: string, references?: readonly string[]): () => void {
    const excuse = { fromMs: this.#now(), toMs: Infinity, reason, references };
    this.excuses.push(excuse);
    return () => {
      excuse.toMs = this.#now();
    };
  }

  /** One lookup. @throws Error where the data plane gives no answer at all */
  async lookUp(reference: string, agent = this.#agents.beside): Promise<Answer> {
    const path = `/v1/resolve?ref=${encodeURIComponent(reference)}`;
    return (await this.#ask(agent, 'GET', path)) as Answer;
  }

  async lookUpMany(references: readonly string[], agent = this.#agents.beside): Promise<Answer[]> {
    const answer = (await this.#ask(agent, 'POST', '/v1/resolve', { references })) as { results?: Answer[] } & Answer;
    return answer.results ?? references.map((reference) => ({ ...answer, reference }));
  }

  get figures(): Figures {
    return { ...this.#figures };
  }

  /** Failed lookups by code, such as `unavailable` or `ECONNREFUSED`. */
  get codes(): ReadonlyMap<string, number> {
    return this.#codes;
  }

  /** The first failure that nobody had expected, in words. */
  get unexcused(): string | undefined {
    return this.#unexcused;
  }

  /** The first wrong answer, in words. */
  get wrong(): string | undefined {
    return this.#wrong;
  }

  timelines(): Array<{ reference: string; states: string }> {
    return [...this.#timelines].map(([reference, letters]) => ({
      reference,
      states: Array.from(letters, (letter) => letter ?? LETTERS.nothing).join(''),
    }));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #now(): number {
    return performance.now() - this.#begun;
  }

  async #keepAsking(watched: readonly Watched[]): Promise<void> {
    const { signal } = this.#stop;
    let lastServed = performance.now();
    const gap = () => {
      this.#figures.longestGapMs = Math.max(this.#figures.longestGapMs, performance.now() - lastServed);
    };
    while (!signal.aborted) {
      const askedAt = performance.now();
      const answers = await this.#answers(watched);
      if (signal.aborted) break;
      const served = answers.map((answer, index) => this.#count(watched[index]!, answer, askedAt)).every(Boolean);
      if (watched.length === 2 && served) this.#comparePair(watched, answers);
      if (served) {
        gap();
        lastServed = performance.now();
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    gap();
  }

  async #answers(watched: readonly Watched[]): Promise<Answer[]> {
    try {
      const { watching } = this.#agents;
      if (watched.length === 1) return [await this.lookUp(watched[0]!.reference, watching)];
      return await this.lookUpMany(
        watched.map(({ reference }) => reference),
        watching,
      );
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return watched.map(({ reference }) => ({ reference, error: { code: code ?? 'no answer', message } }));
    }
  }

  /** Whether a value was served. */
  #count({ reference, secret, key, isRight }: Watched, answer: Answer, askedAt: number): boolean {
    const { value } = answer;
    if (value === undefined) {
      this.#failed(reference, answer, askedAt);
      return false;
    }
    this.#figures.served++;
    const staleness = this.#secrets.staleness(secret, key, value, askedAt);
    const right = isRight ? isRight(value, answer) : staleness !== undefined;
    if (!right) {
      this.#figures.wrong++;
      this.#wrong ??= `${reference} was answered with a value that was not its own, at ${Math.round(this.#now())} ms`;
    }
    this.#figures.longestStalenessMs = Math.max(this.#figures.longestStalenessMs, staleness ?? 0);
    const state = answer.state as 'fresh' | 'stale' | 'resurrected';
    this.#mark(reference, right ? (LETTERS[state] ?? LETTERS.wrong) : LETTERS.wrong);
    return true;
  }

  #failed(reference: string, { error }: Answer, askedAt: number): void {
    this.#figures.failed++;
    const code = error?.code ?? 'no error';
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#mark(reference, LETTERS.failed);
    const from = askedAt - this.#begun;
    const excused = this.excuses.some(
      ({ fromMs, toMs, references }) =>
        fromMs <= this.#now() && from <= toMs && (references === undefined || references.includes(reference)),
    );
    if (excused) this.#figures.excused++;
    else {
      this.#unexcused ??= `${reference} failed with ${code} (${error?.message}), ${Math.round(this.#now())} ms after the beginning`;
    }
  }

  #comparePair(watched: readonly Watched[], answers: readonly Answer[]): void {
    const [first, second] = answers;
    if (first?.version?.id === second?.version?.id) return;
    this.#figures.wrong++;
    this.#wrong ??= `${watched[0]!.reference} and ${watched[1]!.reference} were answered from two versions in one answer`;
  }

  #mark(reference: string, letter: string): void {
    const letters = this.#timelines.get(reference);
    if (!letters) return;
    const index = Math.floor(this.#now() / INTERVAL_MS);
    const before = letters[index];
    letters[index] = before === undefined ? letter : WORST[Math.max(rank(before), rank(letter))]!;
  }

  #ask(agent: Agent, method: 'GET' | 'POST', path: string, body?: unknown, tries = 1): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          ...this.#doorway.target,
          method,
          path,
          agent,
          timeout: PATIENCE_MS,
          headers: {
            host: '127.0.0.1',
            authorization: `Bearer ${this.#doorway.token()}`,
            ...(text !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(text),
            }),
          },
        },
        (response) => {
          let answer = '';
          response.setEncoding('utf8').on('data', (chunk) => {
            answer += chunk;
          });
          response.once('error', reject);
          response.once('end', () => {
            try {
              resolve(JSON.parse(answer));
            } catch {
              reject(new Error(`HTTP ${response.statusCode} without JSON`));
            }
          });
        },
      );
      asked.once('timeout', () => asked.destroy(new Error(`no answer in ${PATIENCE_MS} ms`)));
      asked.once('error', (error: NodeJS.ErrnoException) => {
        // A server may close a connection that nothing is going on on, in the very moment when a call is sent on it:
        // every HTTP client asks once more then.
        const again =
          error.code === 'ECONNRESET' && (asked.reusedSocket || (this.#doorway.isHasty && tries < MOST_TRIES));
        if (again) resolve(this.#ask(agent, method, path, body, tries + 1));
        else reject(error);
      });
      asked.end(text);
    });
  }
}

const rank = (letter: string): number => (WORST as readonly string[]).indexOf(letter);
