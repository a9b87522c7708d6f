import { hash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { StartError } from '@vaultplane/platform/errors.ts';
import { type OutputPath, outputPath, refused } from '@vaultplane/platform/files/output-path.ts';
import { inHeldFolder } from '@vaultplane/platform/files/own-links.ts';
import { writeToDescriptor, writeToPipe } from '@vaultplane/platform/logging/stream-output.ts';
import { fileError, fileProblem } from '@vaultplane/platform/text/shown-text.ts';
import type { FileOwner } from './file-owner.ts';
import { isNoted, removeNote } from './owed-note.ts';
import { replaceFile } from './rendered-file.ts';

export interface OutputOptions {
  mode?: number | undefined;
  owner?: FileOwner | undefined;
  /** A command is to run after each change, and is remembered beside the file until it has. */
  hasCommand?: boolean;
}

/** A stream whose reader has gone for good. */
export class OutputGone extends StartError {}

export interface WriteSignals {
  /** Ends the wait for the reader of a pipe: there is something newer to write. */
  giveUp?: AbortSignal;
  /** Ends all waiting. */
  stop?: AbortSignal;
  /** Called where a pipe has no reader yet. */
  onWaiting?: (path: string) => void;
}

/** Where a text that is made from secrets goes: a file is replaced as a whole, a pipe and an open descriptor are written to. */
export class RenderedOutput {
  /** As it was given; `-` is standard output. */
  readonly path: string;
  readonly #options: OutputOptions;
  /** Of what was last written to a stream, which can't be compared with. */
  #lastDigest: string | undefined;
  /** The file beside which a command may be noted; null for none that this run has written. */
  #file: string | null = null;

  constructor(path: string, options: OutputOptions) {
    this.path = path;
    this.#options = options;
  }

  /** Whether it is a stream, not a file. @throws StartError where nothing can be written there, so before anything is fetched */
  async isStream(): Promise<boolean> {
    try {
      return (await this.#where()).kind !== 'file';
    } catch (error) {
      throw this.#problem(error);
    }
  }

  /**
   * @returns whether a command is owed: something was changed, now or by a run after which the command has not run. A stream
   *   is written to where the content is another than the last
   * @throws StartError that names the output, and nothing of the content; the reason of `stop`
   */
  async write(content: Uint8Array, signals: WriteSignals = {}): Promise<boolean> {
    try {
      const where = await this.#where();
      if (where.kind === 'file') return await this.#replace(where.path, content);
      const digest = hash('sha256', content);
      if (digest === this.#lastDigest) return false;
      if (!(await this.#send(where, content, signals))) return false;
      this.#lastDigest = digest;
      return true;
    } catch (error) {
      signals.stop?.throwIfAborted();
      throw this.#problem(error);
    }
  }

  /** The command has run since the last change. @throws StartError */
  async settle(): Promise<void> {
    const file = this.#file;
    if (file === null) return;
    try {
      await inHeldFolder(dirname(file), (folder) => removeNote(join(folder, basename(file))));
    } catch (error) {
      throw this.#problem(error);
    }
  }

  async #replace(path: string, content: Uint8Array): Promise<boolean> {
    const { mode, owner, hasCommand = false } = this.#options;
    const wasOwed = hasCommand && this.#file !== path && (await isNoted(path));
    const changed = await replaceFile(path, content, { mode, owner, noteOwed: hasCommand });
    if (hasCommand) this.#file = path;
    return changed || wasOwed;
  }

  async #where(): Promise<Exclude<OutputPath, { kind: 'folder' }>> {
    const where = await outputPath(this.path, this.#options.owner?.uid);
    if (where.kind === 'folder') throw refused(this.path, 'is a folder');
    return where;
  }

  async #send(
    where: Exclude<OutputPath, { kind: 'folder' | 'file' }>,
    content: Uint8Array,
    { giveUp, stop, onWaiting }: WriteSignals,
  ): Promise<boolean> {
    if (where.kind === 'descriptor') {
      await writeToDescriptor(where.fd, content, stop).catch((error) => {
        throw new OutputGone(this.#problem(error).message);
      });
      return true;
    }
    return writeToPipe(where.path, content, {
      ...(this.#options.owner && { owner: this.#options.owner.uid }),
      ...(giveUp && { giveUp }),
      ...(stop && { stop }),
      onWaiting: () => onWaiting?.(this.path),
    });
  }

  #problem(error: unknown): StartError {
    if (error instanceof StartError) return error;
    if (this.path === '-') return new StartError(`standard output can't be written: ${fileProblem(error)}`);
    return new StartError(fileError('', this.path, "can't be written", error));
  }
}
