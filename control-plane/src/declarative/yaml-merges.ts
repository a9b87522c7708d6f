/** YAML that can't be read; its message goes into an answer. */
export class UnreadableYaml extends Error {
  override readonly name = 'UnreadableYaml';
}

/** Objects and lists inside one another, and members that merges may add. */
export interface MergeBounds {
  depth: number;
  values: number;
}

const MERGE = '<<';

/**
 * What was read of a YAML text, with its merges done (`<<: *defaults`, `<<: [*a, *b]`): a mapping's own members win, then
 * those of the first. Source: https://yaml.org/type/merge.html, which decK's and Kong's readers know.
 *
 * YAML's own parser takes exponential time for merges of merges, so it leaves them alone and each mapping is merged once here.
 *
 * @throws UnreadableYaml
 */
export function withMerges(root: unknown, bounds: MergeBounds): unknown {
  const done = new Map<object, unknown>();
  const open = new Set<object>();
  let added = 0;
  const read = (value: unknown, level: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (done.has(value)) return done.get(value);
    if (level > bounds.depth || open.has(value)) throw tooDeep(bounds);
    open.add(value);
    const members: unknown = Array.isArray(value)
      ? value.map((item) => read(item, level + 1))
      : merged(value, level + 1);
    open.delete(value);
    done.set(value, members);
    return members;
  };
  const merged = (value: object, level: number): object => {
    const own = Object.entries(value).filter(([name]) => name !== MERGE);
    const into = new Map(own.map(([name, member]) => [name, read(member, level)]));
    for (const source of Object.hasOwn(value, MERGE) ? sourcesOf((value as { [MERGE]: unknown })[MERGE]) : []) {
      for (const [name, member] of Object.entries(read(source, level) as object)) {
        if (into.has(name)) continue;
        if (++added > bounds.values)
          throw new UnreadableYaml(`the YAML has merges of more than ${bounds.values} members`);
        into.set(name, member);
      }
    }
    return Object.fromEntries(into);
  };
  return read(root, 1);
}

function sourcesOf(value: unknown): object[] {
  const sources: unknown[] = Array.isArray(value) ? value : [value];
  for (const source of sources) {
    if (typeof source === 'object' && source !== null && !Array.isArray(source)) continue;
    throw new UnreadableYaml(`the YAML has a merge (${MERGE}) of what is neither a mapping nor a list of mappings`);
  }
  return sources as object[];
}

function tooDeep({ depth }: MergeBounds): UnreadableYaml {
  return new UnreadableYaml(`the YAML has more than ${depth} levels of nesting`);
}
