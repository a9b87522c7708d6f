import { randomUUID } from 'node:crypto';
import { vectors } from '@vaultplane/testkit/vectors.ts';
import { parse, stringify } from 'yaml';

/** What of test/vectors/deck.json a replay needs: recorded from the real decK. */
export interface DeckVectors {
  headers: Record<string, string>;
  state: { lists: string[]; answered_404_and_tolerated: string[] };
  bodies: Record<'create' | 'update' | 'create_tagged', DeckVault>;
}

/** A vault as decK sends it, and as it compares it; what was not set is absent. */
export interface DeckVault {
  id?: string;
  prefix: string;
  name: string;
  description?: string | null;
  config?: Record<string, unknown>;
  tags?: string[] | null;
  created_at?: number;
}

export interface DeckPlan {
  create: DeckVault[];
  update: DeckVault[];
  delete: DeckVault[];
}

export const DECK = vectors<DeckVectors>('deck');

/**
 * Does over HTTP what decK's commands do, request by request as they were recorded, since decK itself can't be built on
 * every machine. Like decK it knows a vault by its id or its prefix, and compares all but ids and times.
 */
export class DeckReplay {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  /** `METHOD path` of every request so far. */
  readonly requests: string[] = [];

  constructor(url: string, token: string) {
    this.#url = url;
    this.#headers = { ...DECK.headers, 'Kong-Admin-Token': token };
  }

  /** `deck gateway ping`. @throws Error as decK would say it */
  async ping(): Promise<string> {
    const root = (await this.#ask('GET', '/')) as { version?: string; configuration?: { database?: string } };
    if (!/^\d+\.\d+\.\d+$/.test(root.version ?? '')) throw new Error(`not a Kong version: ${root.version}`);
    if (root.configuration?.database === 'off') throw new Error('Kong is in DB-less mode');
    return root.version!;
  }

  /** `deck gateway validate FILE`. @throws Error with what is wrong */
  async validate(file: string): Promise<void> {
    await this.ping();
    for (const vault of read(file)) {
      await this.#ask('POST', '/schemas/vaults/validate', { ...vault, id: randomUUID() });
    }
  }

  /** `deck gateway diff FILE`. */
  async diff(file: string, selectTags: string[] = []): Promise<DeckPlan> {
    await this.ping();
    const current = await this.#state(selectTags);
    const wanted = read(file).map((vault) => (selectTags.length > 0 ? { ...vault, tags: selectTags } : vault));
    const namesake = (vault: DeckVault) =>
      current.find(({ id, prefix }) => (vault.id === undefined ? prefix === vault.prefix : id === vault.id));
    return {
      create: wanted.filter((vault) => !namesake(vault)),
      update: wanted.flatMap((vault) => {
        const there = namesake(vault);
        return there && compared(there) !== compared(vault)
          ? [{ ...vault, id: there.id!, created_at: there.created_at! }]
          : [];
      }),
      delete: current.filter((vault) => !wanted.some((other) => namesake(other)?.id === vault.id)),
    };
  }

  /** `deck gateway sync FILE`. @returns what it changed */
  async sync(file: string, selectTags: string[] = []): Promise<DeckPlan> {
    const plan = await this.diff(file, selectTags);
    for (const { id } of plan.delete) await this.#ask('DELETE', `/vaults/${id}`);
    for (const vault of [...plan.create.map((made) => ({ ...made, id: made.id ?? randomUUID() })), ...plan.update]) {
      await this.#ask('PUT', `/vaults/${vault.id}`, vault);
    }
    return plan;
  }

  /** `deck gateway dump`. */
  async dump(selectTags: string[] = []): Promise<string> {
    await this.ping();
    const vaults = (await this.#state(selectTags)).map(({ prefix, name, description, config, tags }) => ({
      ...(config && Object.keys(config).length > 0 && { config }),
      ...(description && { description }),
      name,
      prefix,
      ...(tags && selectTags.length === 0 && { tags }),
    }));
    return stringify({ _format_version: '3.0', vaults });
  }

  /** `deck gateway reset --force`. */
  async reset(): Promise<void> {
    await this.ping();
    for (const { id } of await this.#state([])) await this.#ask('DELETE', `/vaults/${id}`);
  }

  /** All lists, in parallel, each to its last page. */
  async #state(selectTags: string[]): Promise<DeckVault[]> {
    const tags = selectTags.length > 0 ? `&tags=${selectTags.join(',')}` : '';
    const lists = await Promise.all(
      DECK.state.lists.map(async (list) => {
        const all: DeckVault[] = [];
        for (let path: string | null = `/${list}?size=1000${tags}`; path !== null; ) {
          const page = (await this.#ask('GET', path)) as { data: DeckVault[]; next: string | null };
          all.push(...page.data);
          path = page.next;
        }
        return all;
      }),
    );
    return lists[DECK.state.lists.indexOf('vaults')]!;
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    this.requests.push(`${method} ${path}`);
    const answer = await fetch(this.#url + path, {
      method,
      headers: this.#headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`HTTP status ${answer.status} (${method} ${path}): ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}

function read(file: string): DeckVault[] {
  return (parse(file) as { vaults?: DeckVault[] }).vaults ?? [];
}

/** decK compares what was set on either side, member by member: a default that was filled in would be a difference. */
function compared({ prefix, name, description, config, tags }: DeckVault): string {
  const sorted = Object.fromEntries(Object.entries(config ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify([prefix, name, description ?? null, sorted, tags ?? null]);
}
