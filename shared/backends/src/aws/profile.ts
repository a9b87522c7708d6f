import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { homeDirectory } from './home.ts';

/** One section of the shared AWS files. */
export type Section = Record<string, string | undefined>;

/** The profile that is selected, with what the shared AWS files say of it. */
export interface Profile {
  name: string;
  /** Whether AWS_PROFILE names it; a profile that was asked for must work. */
  asked: boolean;
  /** Undefined where no file has it. */
  section: Section | undefined;
  /** Every profile, for those that build on others. */
  sections: Record<string, Section | undefined>;
  files: { filepath: string; configFilepath: string };
}

/** Reads the shared AWS files anew, since others (a login, a rotation) write them. */
export async function readProfile(env: NodeJS.ProcessEnv): Promise<Profile> {
  const directory = join(homeDirectory(env), '.aws');
  const files = {
    filepath: env.AWS_SHARED_CREDENTIALS_FILE ?? join(directory, 'credentials'),
    configFilepath: env.AWS_CONFIG_FILE ?? join(directory, 'config'),
  };
  const sections = await readSections(files);
  const name = env.AWS_PROFILE || 'default';
  return { name, asked: Boolean(env.AWS_PROFILE), section: sections[name], sections, files };
}

/** Where neither file is there, as on a machine with a role of its own, the SDK's reader is not loaded for it. */
async function readSections(files: Profile['files']): Promise<Profile['sections']> {
  if (!existsSync(files.filepath) && !existsSync(files.configFilepath)) return {};
  const { parseKnownFiles } = await import('@smithy/core/config');
  return parseKnownFiles({ ...files, ignoreCache: true });
}

/** Which of the two files can be read, for an error's text. */
export async function readableFiles({ files }: Profile): Promise<string[]> {
  const paths = [files.filepath, files.configFilepath];
  const readable = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_, index) => readable[index]);
}
