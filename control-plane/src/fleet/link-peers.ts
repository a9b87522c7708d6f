import { randomUUID } from 'node:crypto';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Database, DatabaseUnavailable } from '../store/database.ts';
import { LINKS_CHANNEL } from '../store/fleet-nodes.ts';
import { JoinedReads } from '../store/joined-reads.ts';

/** A link that does not answer a ping within this time is taken for dead. */
export const PING_ANSWER_MS = 3_000;
/** The others have as long as a ping of theirs may take, and a moment for the way. */
const ANSWER_WITHIN_MS = PING_ANSWER_MS + 1000;
/** A control plane that did not answer is not asked again for so long: many that come at once wait once. */
const MUTE_FOR_MS = 10_000;
/** Under this name, and its id, a control plane is connected to Postgres. */
const APPLICATION = 'vaultplane-cp';

/** The name by which other control planes find that this one is alive (Postgres: application_name, 63 bytes). */
export function applicationNameOf(controlPlaneId: string): string {
  return `${APPLICATION} ${controlPlaneId}`;
}

export interface LinkPeersOptions {
  controlPlaneId: string;
  database: Database;
  clock: Clock;
  log: Log;
  /** Whether a link of one of these keys is alive here; `asker`: whoever else may be opening one. */
  isHeld: (keys: readonly string[], asker: string) => Promise<boolean>;
  /** Ends the links of a key here. */
  end: (key: string, code: string, reason: string) => void;
  /** What was said meanwhile is lost: this control plane was cut off from the others. */
  missed: () => void;
}

type Message =
  | { type: 'ask'; id: string; from: string; keys: string[] }
  | { type: 'answer'; id: string; from: string; held: boolean }
  | { type: 'end'; key: string; code: string; reason: string };

/**
 * What control planes on one Postgres tell each other about links, by NOTIFY. Who is alive, the server says: the
 * connections of a control plane that was killed are gone at once, so that nobody waits for it. Without the database nobody
 * can be asked: a data plane is let in rather than kept out.
 */
export class LinkPeers {
  readonly #options: LinkPeersOptions;
  readonly #presence: JoinedReads<string[]>;
  /** By id of the question. */
  readonly #asked = new Map<string, (from: string, held: boolean) => void>();
  /** Until when, by the monotonic clock. */
  readonly #mute = new Map<string, number>();
  #unlisten: (() => Promise<void>) | undefined;

  private constructor(options: LinkPeersOptions) {
    this.#options = options;
    const { database } = options;
    this.#presence = new JoinedReads(async () => {
      const rows = await database.query<{ name: string }>(
        `select distinct application_name as name from pg_stat_activity
         where datname = current_database() and application_name like $1`,
        [`${APPLICATION} %`],
      );
      return rows.map(({ name }) => name.slice(APPLICATION.length + 1));
    });
  }

  static async start(options: LinkPeersOptions): Promise<LinkPeers> {
    const peers = new LinkPeers(options);
    peers.#unlisten = await options.database.listen(LINKS_CHANNEL, (message) => peers.#hear(message));
    return peers;
  }

  /** The control plane that has a live link of one of these keys; undefined where none says so in time. */
  async findLive(keys: readonly string[]): Promise<string | undefined> {
    const { controlPlaneId: from, database, clock, log } = this.#options;
    // An embedded database has one control plane.
    if (database.kind === 'embedded') return undefined;
    try {
      const others = new Set((await this.#presence.read('')).filter((id) => id !== from && !this.#isMute(id)));
      if (others.size === 0) return undefined;
      const id = randomUUID();
      const answered = new Promise<string | undefined>((resolve) => {
        const done = (by: string | undefined) => {
          cancel();
          this.#asked.delete(id);
          resolve(by);
        };
        const cancel = clock.after(ANSWER_WITHIN_MS, () => {
          for (const other of others) this.#mute.set(other, clock.monotonic() + MUTE_FOR_MS);
          log.warn({ control_planes: [...others] }, 'control planes did not say in time whether they have a link');
          done(undefined);
        });
        this.#asked.set(id, (other, held) => {
          others.delete(other);
          if (held) done(other);
          else if (others.size === 0) done(undefined);
        });
      });
      await this.#say({ type: 'ask', id, from, keys: [...keys] });
      return await answered;
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
      log.debug({ error: errorMessage(error) }, 'other control planes can not be asked for a link');
      return undefined;
    }
  }

  async stop(): Promise<void> {
    await this.#unlisten?.().catch(() => {});
    for (const answer of [...this.#asked.values()]) answer('', true);
  }

  #isMute(id: string): boolean {
    return (this.#mute.get(id) ?? 0) > this.#options.clock.monotonic();
  }

  async #say(message: Message): Promise<void> {
    await this.#options.database.query(`select pg_notify('${LINKS_CHANNEL}', $1)`, [JSON.stringify(message)]);
  }

  #hear(text: string): void {
    if (text === '') this.#options.missed();
    else {
      this.#handle(text).catch((error) => {
        this.#options.log.warn({ error: errorMessage(error) }, 'a message about a link could not be handled');
      });
    }
  }

  async #handle(text: string): Promise<void> {
    const message = JSON.parse(text) as Message;
    const { controlPlaneId: own, isHeld, end } = this.#options;
    if (message.type === 'end') end(message.key, message.code, message.reason);
    else if (message.from === own) return;
    else if (message.type === 'ask') {
      const { id, keys, from } = message;
      await this.#say({ type: 'answer', id, from: own, held: await isHeld(keys, from) });
    } else {
      this.#mute.delete(message.from);
      this.#asked.get(message.id)?.(message.from, message.held);
    }
  }
}
