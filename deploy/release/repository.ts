import { execFileSync } from 'node:child_process';
import { ReleaseError } from './release-error.ts';

/** The project's git repository. */
export class Repository {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get branch(): string {
    return this.#git('branch', '--show-current');
  }

  get commit(): string {
    return this.#git('rev-parse', 'HEAD');
  }

  /** Paths that are not as they were committed, those that git does not know of too. */
  get changed(): string[] {
    return this.#git('status', '--porcelain').split('\n').filter(Boolean);
  }

  hasTag(name: string): boolean {
    return this.#git('tag', '--list', name) !== '';
  }

  /** The commit of a tag. @throws ReleaseError where there is none */
  commitOf(tag: string): string {
    return this.#git('rev-parse', '--verify', `refs/tags/${tag}^{commit}`);
  }

  commitFiles(paths: readonly string[], message: string): void {
    this.#git('commit', '--quiet', '--message', message, '--', ...paths);
  }

  /** An annotated tag, signed where git's settings say so (tag.gpgSign). */
  tag(name: string, message: string): void {
    this.#git('tag', '--annotate', name, '--message', message);
  }

  /** @throws ReleaseError with what git says */
  #git(...args: string[]): string {
    try {
      return execFileSync('git', args, {
        cwd: this.root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }).trimEnd();
    } catch (error) {
      const { stderr = '', message } = error as Error & { stderr?: string };
      const [line] = stderr.trim().split('\n');
      throw new ReleaseError(`git ${args[0]} failed: ${line || message}`, { cause: error });
    }
  }
}
