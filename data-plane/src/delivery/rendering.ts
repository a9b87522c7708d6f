import { readFile } from 'node:fs/promises';
import { StartError } from '@vaultplane/shared/errors.ts';
import { fileError } from '@vaultplane/shared/shown-text.ts';
import { ClientError } from '../client/client.ts';
import { type LookupResult, lookupError } from './lookup.ts';
import type { RenderedOutput, WriteSignals } from './rendered-output.ts';
import { Template } from './template.ts';

export interface RenderingJob {
  templatePath: string;
  output: RenderedOutput;
}

/** What a template asks for may depend on values, which may depend on others; so deep and no deeper. */
const MOST_ROUNDS = 10;

/** Templates and the files that are made from them. */
export class Rendering {
  readonly #jobs: readonly RenderingJob[];
  readonly #env: NodeJS.ProcessEnv;
  #templates: Template[] = [];
  #references = new Set<string>();

  /** @param env what templates may read */
  constructor(jobs: readonly RenderingJob[], env: NodeJS.ProcessEnv) {
    this.#jobs = jobs;
    this.#env = env;
  }

  /** Every reference that the last rendering asked for. */
  get references(): string[] {
    return [...this.#references];
  }

  /** Reads the templates, also anew. @throws StartError; TemplateError */
  async load(): Promise<void> {
    this.#templates = await Promise.all(
      this.#jobs.map(
        async ({ templatePath }) => new Template(await readTemplate(templatePath), templatePath, this.#env),
      ),
    );
  }

  /** @throws StartError for an output that can't be written to, whatever the text */
  async check(): Promise<void> {
    for (const { output } of this.#jobs) await output.isStream();
  }

  /**
   * Replaces the files that differ. Then pipes are written to, which may take as long as their readers like.
   *
   * @param texts as `make` has made them
   * @returns whether any output was changed
   * @throws Error that names the output, and no value
   */
  async write(texts: readonly string[], signals?: WriteSignals): Promise<boolean> {
    const streams: Array<() => Promise<boolean>> = [];
    let changed = false;
    for (const [index, { output }] of this.#jobs.entries()) {
      const write = () => output.write(texts[index]!, signals);
      if (await output.isStream()) streams.push(write);
      else if (await write()) changed = true;
    }
    const written = await Promise.all(streams.map((write) => write()));
    return changed || written.includes(true);
  }

  /**
   * Makes the texts, all from one lookup.
   *
   * @throws Error that names the reference, and no value; UsageError; TemplateError
   */
  async make(lookUp: (references: string[]) => Promise<LookupResult[]>): Promise<string[]> {
    this.#references = new Set();
    let values = new Map<string, string>();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const rendered = this.#templates.map((template) => template.render(values));
      if (rendered.every((text) => typeof text === 'string')) return rendered;
      for (const missing of rendered) {
        if (typeof missing !== 'string') for (const reference of missing) this.#references.add(reference);
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
): Promise<Map<string, string>> {
  const results = await lookUp(references);
  return new Map(
    results.map((result, index) => {
      if (result instanceof ClientError) throw lookupError(result, references[index]);
      return [references[index]!, result.value];
    }),
  );
}

function readTemplate(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error) => {
    throw new StartError(fileError('the template ', path, "can't be read", error));
  });
}
