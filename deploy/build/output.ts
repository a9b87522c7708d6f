import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { BuiltFile } from './artefact.ts';

/** The checksums of all other files, as `sha256sum --check` reads them. */
export const CHECKSUMS = 'SHA256SUMS';
const PARTIAL = '.partial-';

/** The folder that a build fills: files are written beside it, and moved into it once all are whole. */
export class Output {
  readonly #folder: string;
  readonly #beside: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(dirname(folder), { recursive: true });
    // Of the same file system as the folder, so that its files can be renamed into it.
    this.#beside = mkdtempSync(`${folder}${PARTIAL}`);
  }

  write(path: string, { content, executable }: BuiltFile): void {
    const file = join(this.#beside, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode: executable ? 0o755 : 0o644 });
  }

  /** Moves what was written into the folder, in place of files of the same names, or of everything there. */
  publish({ replace }: { replace: boolean }): void {
    if (!replace) this.#takeOver();
    this.#writeChecksums();
    const old = `${this.#beside}.old`;
    let hadOne = true;
    try {
      renameSync(this.#folder, old);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      hadOne = false;
    }
    chmodSync(this.#beside, 0o755);
    renameSync(this.#beside, this.#folder);
    if (hadOne) rmSync(old, { recursive: true });
  }

  /** Removes what was written and not published. */
  discard(): void {
    rmSync(this.#beside, { recursive: true, force: true });
  }

  /** Copies the files of earlier builds that this one has not made. */
  #takeOver(): void {
    const made = new Set(filesIn(this.#beside));
    for (const path of filesIn(this.#folder)) {
      if (!made.has(path)) this.write(path, { content: readFileSync(join(this.#folder, path)) });
    }
  }

  #writeChecksums(): void {
    const lines = filesIn(this.#beside)
      .filter((path) => path !== CHECKSUMS)
      .map((path) => {
        const digest = createHash('sha256')
          .update(readFileSync(join(this.#beside, path)))
          .digest('hex');
        return `${digest}  ${path}\n`;
      });
    this.write(CHECKSUMS, { content: lines.join('') });
  }
}

/** Paths of all files below a folder, sorted; none where there is no such folder. */
function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
