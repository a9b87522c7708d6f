import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { type CpuProfile, flameGraphPage } from './flame-graph.ts';

const WRITTEN = '.cpuprofile';

/** Has every program of Node.js that is started from here on write what it spends its time on, at its end. */
export class Profiles {
  readonly #folder: string;

  /** @param folder emptied of what an earlier run left */
  constructor(folder: string) {
    this.#folder = resolve(folder);
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
    process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --cpu-prof --cpu-prof-dir=${this.#folder}`.trim();
  }

  /** Draws what has been written; one that was killed has written nothing. @returns the pages' paths */
  draw(): string[] {
    const files = readdirSync(this.#folder).filter((name) => name.endsWith(WRITTEN));
    return files.sort().map((name) => {
      const profile = JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as CpuProfile;
      const program = programOf(profile);
      const page = join(this.#folder, `${program}-${basename(name, WRITTEN)}.html`);
      writeFileSync(page, flameGraphPage(program, profile));
      return page;
    });
  }
}

const OWN = /^file:.*\/((?:control-plane|data-plane|shared|test)\/(?!.*node_modules).*)\.[a-z]+$/;

/** What a program is: the file that it was started with, where the profile has seen that, or else one of ours that it ran. */
function programOf({ nodes }: CpuProfile): string {
  const files = nodes.flatMap(({ callFrame }) => OWN.exec(callFrame.url)?.[1] ?? []);
  const main =
    files.find((file) => /main$|worker$/.test(file)) ?? files.find((file) => file.includes('bench')) ?? files[0];
  return main?.replace('/src/', '/').replaceAll('/', '-') ?? 'program';
}
