import { readFile } from 'node:fs/promises';
import { ClientError } from '@vaultplane/client';
import { StartError } from '@vaultplane/platform/errors.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';
import type { LookupResult } from './lone-lookup.ts';
import { lookupError } from './lookup.ts';
import type { RenderedOutput, WriteSignals } from './rendered-output.ts';
import { Template } from './template.ts';

export interface RenderingJob {
  templatePath: string;
  output: RenderedOutput;
}

export interface RenderingOptions {
  /** What templates may read. */
  env: NodeJS.ProcessEnv;
  /** Whether a binary secret is put as its bytes, and not as their base64. */
  binary?: boolean;
}

export interface Written {
  /** Whether a command is owed: something was changed, now or by a run after which the command has not run. */
  isOwed: boolean;
  /** Of outputs that are not written, each an Error that names one, and no value. */
  failures: Error[];
}

/** What a template asks for may depend on values, which may depend on others; so deep and no deeper. */
const MOST_ROUNDS = 10;

/** Templates and the files that are made from them. */
export class Rendering {
  readonly #jobs: readonly RenderingJob[];
  readonly #options: RenderingOptions;
  #templates: Template[] = [];
  #references = new Set<string>();

  constructor(jobs: readonly RenderingJob[], options: RenderingOptions) {
    this.#jobs = jobs;
    this.#options = options;
  }

  /** Every reference that the last rendering asked for. */
  get references(): string[] {
    return [...this.#references];
  }

  /** Reads the templates, also anew. @throws StartError; TemplateError */
  async load(): Promise<void> {
    this.#templates = await Promise.all(
      this.#jobs.map(
        async ({ templatePath }) => new Template(await readTemplate(templatePath), templatePath, this.#options),
      ),
    );
  }

  /** @throws StartError for an output that can't be written to, whatever the text */
  async check(): Promise<void> {
    for (const { output } of this.#jobs) await output.isStream();
  }

  /**
   * Replaces the files that differ: each that can be, whatever becomes of the others.
   *
   * @param texts as `make` has made them
   */
  writeFiles(texts: readonly Uint8Array[]): Promise<Written> {
    return this.#write(texts, false);
  }

  /** Writes to pipes and open descriptors, which may take as long as their readers like. @throws the reason of `stop` */
  writeStreams(texts: readonly Uint8Array[], signals: WriteSignals): Promise<Written> {
    return this.#write(texts, true, signals);
  }

  /** The command has run since the last change. @throws StartError */
  async settle(): Promise<void> {
    for (const { output } of this.#jobs) await output.settle();
  }

  async #write(texts: readonly Uint8Array[], streams: boolean, signals: WriteSignals = {}): Promise<Written> {
    const failures: Error[] = [];
    const written = await Promise.all(
      this.#jobs.map(async ({ output }, index) => {
        try {
          return (await output.isStream()) === streams && (await output.write(texts[index]!, signals));
        } catch (error) {
          signals.stop?.throwIfAborted();
          failures.push(error as Error);
          return false;
        }
      }),
    );
    return { isOwed: written.includes(true), failures };
  }

  /**
   * Makes the texts, all from one lookup.
   *
   * @throws Error that names the reference, and no value; UsageError; TemplateError
   */
  async make(lookUp: (references: string[]) => Promise<LookupResult[]>): Promise<Buffer[]> {
    this.#references = new Set();
    let values = new Map<string, string | Uint8Array>();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const rendered = this.#templates.map((template) => template.render(values));
      if (rendered.every((made): made is Buffer => !(made instanceof Set))) return rendered;
      for (const missing of rendered) {
        if (missing instanceof Set) for (const reference of missing) this.#references.add(reference);
      }
      // All again, so that what belongs together is of one version.
      values = await valuesOf(this.references, lookUp);
    }
    throw new Error(`${this.#jobs[0]!.templatePath}: what it asks for depends on itself`);
  }
}

async function valuesOf(
  references: string[],
  lookUp: (references: string[]) => Promise<LookupResult[]>,
): Promise<Map<string, string | Uint8Array>> {
  const results = await lookUp(references);
  return new Map(
    results.map((result, index) => {
      if (result instanceof ClientError) throw lookupError(result, references[index]);
      return [references[index]!, result.encoding === 'base64' ? result.bytes : result.value];
    }),
  );
}

function readTemplate(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error) => {
    throw new StartError(fileError('the template ', path, "can't be read", error));
  });
}
