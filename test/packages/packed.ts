import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../interop/command.ts';
import { startBuild } from './build.ts';
import { npm } from './npm.ts';

/** A package for npm as the build makes it, installed where no clone of the project is near. */
export class Packed {
  /** Of the test; removed at its end. */
  readonly folder: string;
  readonly tarball: string;
  /** Where it is installed. */
  readonly installed: string;

  private constructor(folder: string, tarball: string, installed: string) {
    this.folder = folder;
    this.tarball = tarball;
    this.installed = installed;
  }

  /**
   * Builds a package and installs it, with nothing from a registry.
   *
   * @param artefact by which the build knows it
   * @param name of the package
   */
  static async install(artefact: string, name: string): Promise<Packed> {
    const folder = mkdtempSync(join(tmpdir(), 'vaultplane-packed-'));
    const tarball = await build(artefact, join(folder, 'dist'));
    const program = join(folder, 'program');
    mkdirSync(program);
    writeFileSync(join(program, 'package.json'), '{"name":"program","version":"1.0.0","private":true}');
    const { status, stderr } = await npm(program, 'install', '--offline', tarball);
    if (status !== 0) throw new Error(`${tarball} does not install: ${stderr}`);
    return new Packed(folder, tarball, join(program, 'node_modules', name));
  }

  /** The folder of a program that has installed the package. */
  get program(): string {
    return join(this.folder, 'program');
  }

  /** Builds it once more. */
  async again(artefact: string): Promise<string> {
    return build(artefact, join(this.folder, 'again'));
  }

  /** Puts a file into the program's folder. Returns its path. */
  file(name: string, text: string): string {
    writeFileSync(join(this.program, name), text);
    return join(this.program, name);
  }

  /** Every file of the package, by its path there. */
  files(): Map<string, string> {
    const paths = readdirSync(this.installed, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    return new Map(
      paths.map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path.slice(this.installed.length + 1), readFileSync(path, 'utf8')];
      }),
    );
  }

  /** All packages that the program has by now. */
  packages(): string[] {
    const modules = join(this.program, 'node_modules');
    return readdirSync(modules)
      .filter((name) => !name.startsWith('.'))
      .flatMap((name) =>
        name.startsWith('@') ? readdirSync(join(modules, name)).map((rest) => `${name}/${rest}`) : name,
      );
  }

  remove(): void {
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true });
  }
}

/** @returns the path of the tarball that a build makes */
async function build(artefact: string, folder: string): Promise<string> {
  const { code, stdout, stderr } = await startBuild(artefact, '--out', folder).done;
  if (code !== 0) throw new Error(`the build failed: ${stdout}${stderr}`);
  const [tarball, ...more] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  if (tarball === undefined || more.length > 0) throw new Error(`the build made ${readdirSync(folder)}`);
  return join(folder, tarball);
}

/** The code of a Markdown page, block by block: those of a language. */
export function codeOf(page: string, language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code]) => code!);
}

/** Runs a program to its end. @throws Error where it fails, with what it printed */
export async function output(file: string, args: string[], env: NodeJS.ProcessEnv, cwd: string): Promise<string> {
  const { status, stdout, stderr } = await runCommand(file, args, env, cwd);
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}
