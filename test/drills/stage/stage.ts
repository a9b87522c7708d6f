import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SNAPSHOT_FILE_NAME } from '@vaultplane/data-plane/config-sync/configuration.ts';
import { readSnapshotFile } from '@vaultplane/data-plane/config-sync/snapshot-file.ts';
import type { StatusFacts } from '@vaultplane/data-plane/status/status-facts.ts';
import { Applications, type Doorway } from './applications.ts';
import { ROTATING, Scenery } from './scenery.ts';
import type { DrillEvent } from './timeline.ts';

export { IN_GOOGLE, IN_OPENBAO, KEPT, PLAIN, ROTATING, ROTATING_USER } from './scenery.ts';

/** How long anything may take that has no limit of its own, milliseconds. */
const PATIENCE_MS = 30_000;
const POLL_MS = 50;

type Condition = () => Promise<boolean> | boolean;

/** The scenery of a drill, and the words in which it tells what it does, sees and finds to hold. */
export class Stage extends Scenery {
  readonly events: DrillEvent[] = [];
  /** From the end of the outage until all that had to converge had, milliseconds. */
  convergeMs: number | null = null;
  readonly #note: (line: string) => void;
  #mendedAt = 0;

  constructor(note: (line: string) => void) {
    super();
    this.#note = note;
  }

  /** What is done next. */
  step(text: string): void {
    this.#event('step', text);
  }

  /** From here on something is broken. */
  breaks(text: string): void {
    this.#event('breaks', text);
  }

  /** Nothing is broken any more; from here on counts the time to converge. */
  mends(text: string): void {
    this.#mendedAt = performance.now();
    this.#event('mends', text);
  }

  /** Something worth telling, which need not be so. */
  saw(text: string): void {
    this.#event('saw', text);
  }

  failed(text: string): void {
    this.#event('failed', text);
  }

  /** @throws Error where the condition does not hold */
  held(claim: string, condition: boolean, otherwise = ''): void {
    if (!condition) throw new Error(`it does not hold that ${claim}${otherwise && `: ${otherwise}`}`);
    this.#event('held', claim);
  }

  /** Waits until something is so. @throws Error where that takes longer than `withinMs` */
  async until(claim: string, holds: Condition, withinMs = PATIENCE_MS): Promise<void> {
    const from = performance.now();
    while (!(await holds())) {
      if (performance.now() - from > withinMs) {
        throw new Error(`it has not come to hold within ${withinMs / 1000} s that ${claim}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    this.#event('held', `${claim} (after ${seconds(performance.now() - from)})`);
  }

  /** As `until`; how long it took since `mends` is the time to converge. */
  async converges(claim: string, holds: Condition, withinMs?: number): Promise<void> {
    await this.until(claim, holds, withinMs);
    this.convergeMs = Math.max(this.convergeMs ?? 0, performance.now() - this.#mendedAt);
  }

  /** Lets time pass, with things as they are. */
  async pause(ms: number, text: string): Promise<void> {
    this.step(text);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Lookups may fail while `work` goes on, of all references or of those named. */
  async excusing<T>(reason: string, work: () => Promise<T>, references?: readonly string[]): Promise<T> {
    const done = this.applications.excuse(reason, references);
    try {
      return await work();
    } finally {
      done();
    }
  }

  /** Looks something up. @throws Error where that does not give the value */
  async expectValue(reference: string, value: string): Promise<void> {
    const answer = await this.applications.lookUp(reference);
    this.held(`${reference} gives its value`, answer.value === value, answer.error?.message ?? 'it gives another');
  }

  /** Looks something up. @throws Error where that does not fail with the code */
  async expectError(reference: string, code: string): Promise<void> {
    const outcome = await this.outcomeOf(reference);
    this.held(`${reference} is answered ${code}`, outcome === code, `it is ${outcome}`);
  }

  /** The state in which a reference is served, or the code of the error. */
  async outcomeOf(reference: string): Promise<string> {
    const { state, error } = await this.applications.lookUp(reference);
    return state ?? error?.code ?? 'no answer';
  }

  /** Waits until the rotating secret's current value is what applications get. */
  async rotationArrives(reference = ROTATING, secret = 'secret-name'): Promise<void> {
    await this.until(
      'applications get the current value of the rotating secret',
      async () => (await this.applications.lookUp(reference)).value === this.secrets.current(secret, 'foo'),
    );
  }

  /** The values, or the errors' codes, that a data plane other than the watched one gives. */
  async valuesAt(doorway: Doorway, references: readonly string[]): Promise<string[]> {
    const applications = new Applications(doorway, this.secrets, this.begun);
    try {
      const answers = await applications.lookUpMany(references);
      return answers.map(({ value, error }) => value ?? error?.code ?? 'no answer');
    } finally {
      await applications.stop();
    }
  }

  /** What the data plane says of itself; undefined where it does not answer. */
  async status({ plan } = this.dataPlane): Promise<StatusFacts | undefined> {
    const ask = async () => {
      const answer = await fetch(`${plan.statusUrl}/status`, { signal: AbortSignal.timeout(2000) });
      return (await answer.json()) as StatusFacts;
    };
    // Once more: a kept-alive connection may have been closed at its other end just now.
    return ask()
      .catch(ask)
      .catch(() => undefined);
  }

  async isLinked(): Promise<boolean> {
    return (await this.status())?.control_plane.connected ?? false;
  }

  /** Whether the data plane has a link, and the same configuration as a control plane. */
  async isCaughtUp(controlPlane = this.controlPlane, dataPlane = this.dataPlane): Promise<boolean> {
    const ours = await this.status(dataPlane);
    return ours?.control_plane.connected === true && ours.config.hash === (await this.hashOf(controlPlane));
  }

  /** The hash of the configuration that a control plane has. */
  async hashOf({ plan } = this.controlPlane): Promise<string> {
    // Not of the Admin API, which would count every data plane each time.
    const status = (await (await fetch(`${plan.statusUrl}/status`)).json()) as { config: { hash: string } };
    return status.config.hash;
  }

  /** Whether the configuration that the data plane uses is on its disk: it writes at a bounded rate. */
  async isOnDisk(): Promise<boolean> {
    const path = join(this.dataPlane.plan.dataDir, SNAPSHOT_FILE_NAME);
    const saved = await readSnapshotFile(path).catch(() => undefined);
    return saved !== undefined && saved.snapshot.hash === (await this.status())?.config.hash;
  }

  /** Takes files from the data plane's data_dir. */
  forgetDisk(names: readonly string[]): void {
    for (const name of names) rmSync(join(this.dataPlane.plan.dataDir, name), { force: true });
  }

  #event(kind: DrillEvent['kind'], text: string): void {
    this.events.push({ atMs: Math.round(performance.now() - this.begun), kind, text });
    this.#note(`${SIGNS[kind]} ${text}`);
  }
}

const SIGNS: Record<DrillEvent['kind'], string> = {
  step: ' ',
  breaks: '✗',
  mends: '✓',
  saw: '–',
  held: '=',
  failed: '!',
};

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
