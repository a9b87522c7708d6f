import { createHash } from 'node:crypto';

/** A project has two names; answers have the number. */
export type Project = { id: string; number: string };

export const DEFAULT_PROJECT = 'emulator-project';

/** Every project that the emulator was told of. */
export class Projects {
  readonly #projects = new Map<string, Project>();

  constructor() {
    this.add(DEFAULT_PROJECT);
  }

  /** The project, made if there is none; its number follows from its id. */
  add(id: string): Project {
    const known = this.find(id);
    if (known) return known;
    const number = String(
      100_000_000_000 + (createHash('sha256').update(id).digest().readUIntBE(0, 5) % 899_999_999_999),
    );
    const project = { id, number };
    this.#projects.set(id, project);
    return project;
  }

  find(idOrNumber: string): Project | null {
    const byId = this.#projects.get(idOrNumber);
    return byId ?? [...this.#projects.values()].find(({ number }) => number === idOrNumber) ?? null;
  }
}
