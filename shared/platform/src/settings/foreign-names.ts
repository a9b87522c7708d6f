import { shownName } from '../text/shown-text.ts';
import { isKongKey, isKongVariable } from './kong-keys.ts';
import { nearest } from './nearest.ts';

/** Variables of the project's own tools, which no program reads as a setting. */
const OF_TOOLS = /^VAULTPLANE_(?:IMAGE|DEMONSTRATION_IMAGE|DRILL_OWN_MACHINE|FUZZ_RUNS)$/;

const told = new Set<string>();

/**
 * Says once which keys are Kong's own and mean nothing here, and which variables look like settings and are none. A
 * variable is warned of and does not stop the start: other programs share an environment, and no list of what an image
 * or an orchestrator sets is ever whole. A settings file is written for this program alone, and is held to its keys.
 *
 * @param inFile keys of Kong's in the settings file
 * @param known the names of every program's settings, in lower case
 * @param ignored variables that are told of elsewhere
 */
export function tellOfForeignNames(
  inFile: readonly string[],
  env: NodeJS.ProcessEnv,
  { known, ignored, warn }: { known: Iterable<string>; ignored: ReadonlySet<string>; warn: (line: string) => void },
): void {
  const names = new Set(known);
  const kongs = [...inFile];
  const lines: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    const [, prefix, rest = ''] = /^(KONG|VAULTPLANE)_(.+)$/.exec(variable) ?? [];
    const name = rest.toLowerCase();
    if (prefix === undefined || text === '' || names.has(name) || ignored.has(variable)) continue;
    if (prefix === 'KONG' && isKongVariable(name)) {
      // What an image says of itself is nobody's setting.
      if (isKongKey(name)) kongs.push(variable);
    } else if (!OF_TOOLS.test(variable)) {
      const hint = nearest(
        variable,
        [...names].map((known) => `${prefix}_${known.toUpperCase()}`),
      );
      lines.push(`WARNING: ${shownName(variable)} is no setting, and is ignored${hint}`);
    }
  }
  if (kongs.length > 0) {
    lines.unshift(`WARNING: settings of Kong that mean nothing here are ignored: ${kongs.map(shownName).join(', ')}`);
  }
  for (const line of lines) {
    if (told.has(line)) continue;
    told.add(line);
    warn(line);
  }
}
