/** Something that `npm run build` makes. */
export interface Artefact {
  /** By which it is asked for: `npm run build -- NAME`. */
  name: string;
  /** One line, for the list of names. */
  description: string;
  /**
   * Makes it.
   *
   * @returns its files by their name in dist/
   * @throws BuildError that says what is wrong and what to do
   */
  make(build: Build): Promise<Files>;
}

/** A file's content, and whether it is a program. */
export interface BuiltFile {
  content: Uint8Array | string;
  executable?: true;
}

/** Files by their path, with `/` between folders. */
export type Files = ReadonlyMap<string, BuiltFile>;

/** One run of the build. */
export interface Build {
  /** Of the project, as in its package.json. */
  version: string;
  /** Writes a line of progress. */
  say(line: string): void;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Does work that several artefacts need, once a run. */
  once<T>(key: string, work: () => Promise<T>): Promise<T>;
}

/** What the build can't go on with; its message says what to do. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
}
