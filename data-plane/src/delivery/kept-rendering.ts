import type { Client } from '@vaultplane/client';
import { errorMessage, UsageError } from '@vaultplane/platform/errors.ts';
import { aborted } from '@vaultplane/platform/lifecycle.ts';
import { followReferences } from './followed-references.ts';
import type { LookupResult } from './lone-lookup.ts';
import { OwedTask } from './owed-task.ts';
import { OutputGone } from './rendered-output.ts';
import type { Rendering } from './rendering.ts';
import { TemplateError } from './template.ts';

type LookUp = (references: string[]) => Promise<LookupResult[]>;

export interface KeptRenderingOptions {
  rendering: Rendering;
  client: Client;
  /** Looks up the first values, also with no data plane running. */
  lookUpFirst: LookUp;
  /** What runs after a change; ends early where the signal is aborted. */
  command: ((stop: AbortSignal) => Promise<void>) | undefined;
  stop: AbortSignal;
  warn: (line: string) => void;
  /** A pipe has no reader yet. */
  onWaiting: (path: string) => void;
}

/**
 * Outputs that are rendered now and at every change. What fails (a lookup, a file, the command) is said, stays owed, and is
 * tried again with backoff; nothing of it holds up the rest.
 */
export class KeptRendering {
  readonly #options: KeptRenderingOptions;
  readonly #fatal = Promise.withResolvers<never>();
  readonly #render: OwedTask;
  readonly #streams: OwedTask;
  readonly #command: OwedTask | undefined;
  #texts: Uint8Array[] = [];
  #giveUp = new AbortController();
  /** Whether every value has been there once. */
  #hasRendered = false;
  #reload = false;
  /** How often the command has come to be owed. */
  #changes = 0;
  #followed = '';
  #unfollow = () => {};

  constructor(options: KeptRenderingOptions) {
    this.#options = options;
    const { rendering, command } = options;
    const owed = (run: () => Promise<void>) =>
      new OwedTask({ run, onFailure: (error, againInMs) => this.#failed(error, againInMs) });
    this.#render = owed(() => this.#renderOnce());
    this.#streams = owed(() => this.#writeStreams());
    this.#command =
      command &&
      owed(async () => {
        const changes = this.#changes;
        await command(options.stop);
        if (changes === this.#changes) await rendering.settle();
      });
  }

  /** Until `stop` is aborted. @throws Error that no change of a value can mend */
  async run(): Promise<void> {
    const onHangUp = () => {
      this.#reload = true;
      this.#start();
    };
    process.on('SIGHUP', onHangUp);
    // A template without a reference has nothing that would keep the process alive.
    const stayAlive = setInterval(() => {}, 60_000);
    try {
      this.#start();
      await Promise.race([aborted(this.#options.stop), this.#fatal.promise]);
      await Promise.all([this.#render.stop(), this.#streams.stop(), this.#command?.stop()]);
    } finally {
      clearInterval(stayAlive);
      process.off('SIGHUP', onHangUp);
      this.#unfollow();
    }
  }

  #start(): void {
    this.#render.start();
  }

  async #renderOnce(): Promise<void> {
    const { rendering, client, lookUpFirst } = this.#options;
    const reloading = this.#reload ? await this.#reloadTemplates() : undefined;
    try {
      const look: LookUp = this.#hasRendered ? (references) => client.lookUp(references) : lookUpFirst;
      const texts = await rendering.make(look).finally(() => this.#follow(rendering.references));
      this.#hasRendered = true;
      const { isOwed, failures } = await rendering.writeFiles(texts);
      this.#texts = texts;
      // What waits for a reader is old by now.
      this.#giveUp.abort();
      this.#streams.start();
      this.#came(isOwed);
      throwAll(failures);
    } catch (error) {
      if (!isOurs(error)) throw error;
      // No new try mends it, but another value may.
      if (!this.#hasRendered) this.#fatal.reject(error);
      else this.#options.warn(errorMessage(error));
    }
    if (reloading) throw reloading;
  }

  /** @returns what is to be tried again; a mistake in a template is said, and waits for the next SIGHUP */
  async #reloadTemplates(): Promise<unknown> {
    this.#reload = false;
    try {
      await this.#options.rendering.load();
    } catch (error) {
      if (!isOurs(error)) {
        this.#reload = true;
        return error;
      }
      this.#options.warn(errorMessage(error));
    }
    return undefined;
  }

  async #writeStreams(): Promise<void> {
    const { rendering, stop, onWaiting } = this.#options;
    this.#giveUp = new AbortController();
    const { isOwed, failures } = await rendering.writeStreams(this.#texts, {
      giveUp: this.#giveUp.signal,
      stop,
      onWaiting,
    });
    this.#came(isOwed);
    const gone = failures.find((failure) => failure instanceof OutputGone);
    if (gone) this.#fatal.reject(gone);
    else throwAll(failures);
  }

  #came(isOwed: boolean): void {
    if (!isOwed) return;
    this.#changes++;
    this.#command?.start();
  }

  #failed(error: unknown, againInMs: number): void {
    if (this.#options.stop.aborted) return;
    this.#options.warn(`${errorMessage(error)}; trying again in ${Math.round(againInMs / 1000)} s`);
  }

  /** The references that the templates ask for, which may be others after a change. */
  #follow(references: string[]): void {
    const followed = JSON.stringify(references);
    if (followed === this.#followed) return;
    this.#followed = followed;
    this.#unfollow();
    this.#unfollow = followReferences({ client: this.#options.client, references, onChange: () => this.#start() });
  }
}

/** What no new try will mend. */
function isOurs(error: unknown): boolean {
  return error instanceof UsageError || error instanceof TemplateError;
}

function throwAll(failures: readonly Error[]): void {
  if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join('; '));
}
