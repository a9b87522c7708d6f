import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { CSS, HTML, JAVASCRIPT, type ManagerPage, managerFile, SVG } from './manager-file.ts';

const TYPES: Readonly<Record<string, string>> = { '.html': HTML, '.js': JAVASCRIPT, '.css': CSS, '.svg': SVG };

/**
 * The page as the build has made it, in `manager/` beside the program. Stands in a built program in place of
 * manager-files.ts.
 *
 * @param base where the page is, such as /manager
 */
export function managerFiles(base: string): ManagerPage {
  const folder = new URL('./manager/', import.meta.url);
  const file = (name: string) => {
    const text = readFileSync(new URL(name, folder), 'utf8').replaceAll('%BASE%', base);
    return managerFile(TYPES[extname(name)]!, text);
  };
  return { files: new Map(readdirSync(folder).map((name) => [name, file(name)])) };
}
