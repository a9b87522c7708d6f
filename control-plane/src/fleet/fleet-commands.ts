import { randomUUID } from 'node:crypto';
import type { CommandMessage, CommandResultMessage } from '@vaultplane/model/protocol/protocol.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { FreshRuns } from '@vaultplane/platform/files/fresh-runs.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Actor, insertAuditRequest, type WriteRequest } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { jsonbOf } from '../store/jsonb.ts';
import { POLL_MS } from './publisher.ts';

const COMMANDS_CHANNEL = 'vaultplane_commands';
/** A control plane that learns of a command later than this lets it be: whoever gave it has long looked elsewhere. */
const STALE_AFTER_S = 60;
/** A data plane has this long, beyond the time that its calls are spread over, to say what came of a command. */
const ANSWER_WITHIN_MS = 60_000;
/** Many data planes that answer at once make one statement. */
const WRITE_DELAY_MS = 250;
/** Milliseconds after which results that could not be written are written again. */
const REWRITE_DELAY_MS = 2000;
/** Milliseconds for which a command's row is kept. */
const KEPT_MS = 86_400_000;
const MOST_REASONS = 10;

/** A refresh of what data planes hold of a vault. */
export interface RefreshRequest {
  vault: string;
  /** As the caller named the secret; undefined: all of the vault. */
  path: string | undefined;
  /** Names that the secret may have. */
  paths: string[] | undefined;
  spreadMs: number;
}

/** How far a command has come, over all control planes that have taken it up. */
export interface CommandProgress {
  id: string;
  command: string;
  vault: string;
  path: string | null;
  made_at: Date;
  actor: string;
  control_planes: number;
  /** `waiting`: sent, and not answered yet. */
  data_planes: { sent: number; done: number; refused: number; lost: number; waiting: number };
  secrets: { asked: number; refreshed: number; changed: number; failed: number };
  /** Why some would not; a few. */
  reasons: string[];
}

/** Who can be told to do something: a data plane that is connected here. */
export interface Commanded {
  /**
   * Sends a command. Undefined where the data plane is of a release that knows none; else what it answers, or undefined
   * if its link ends before.
   */
  command(message: CommandMessage): Promise<CommandResultMessage | undefined> | undefined;
}

export interface FleetCommandsOptions {
  controlPlaneId: string;
  members: () => Iterable<Commanded>;
  database: Database;
  clock: Clock;
  log: Log;
}

interface CommandRow {
  id: string;
  command: string;
  vault: string;
  paths: string[] | null;
  spread_ms: number;
  /** Of the Admin API, there and in every program's log. */
  request_id: string | null;
}

interface Tally {
  /** When the command was taken up, by the monotonic clock. */
  since: number;
  /** A write of it has failed, which the log has at a level that is seen. */
  isOwed: boolean;
  sent: number;
  done: number;
  refused: number;
  lost: number;
  asked: number;
  refreshed: number;
  changed: number;
  failed: number;
  reasons: Set<string>;
}

/** Commands to the whole fleet: given at one control plane, taken up by all, each for the data planes it is linked to. */
export class FleetCommands {
  readonly #options: FleetCommandsOptions;
  readonly #taken = new Set<string>();
  readonly #unwritten = new Map<string, Tally>();
  #unlisten: (() => Promise<void>) | undefined;
  readonly #looks = new FreshRuns(() => this.#takeUp());
  #cancelPoll: () => void = () => {};
  #cancelWrite: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(options: FleetCommandsOptions) {
    this.#options = options;
  }

  static async start(options: FleetCommandsOptions): Promise<FleetCommands> {
    const commands = new FleetCommands(options);
    // What was given before is not for data planes that are yet to come.
    for (const { id } of await commands.#recent()) commands.#taken.add(id);
    commands.#unlisten = await options.database.listen(COMMANDS_CHANNEL, () => void commands.#look());
    commands.#poll();
    return commands;
  }

  /** Gives the command to refresh; when this returns, it is on its way from here. @returns its id */
  async refresh(
    actor: Actor,
    request: WriteRequest,
    { vault, path, paths, spreadMs }: RefreshRequest,
  ): Promise<string> {
    const id = randomUUID();
    const { database, clock } = this.#options;
    await database.transaction(async (transaction) => {
      await transaction.query("delete from fleet_commands where made_at < now() - interval '1 day'");
      await transaction.query(
        `insert into fleet_commands (id, actor, command, vault, path, paths, spread_ms, request_id)
         values ($1, $2, 'refresh', $3, $4, $5, $6, $7)`,
        [id, actor.name, vault, path ?? null, paths ?? null, spreadMs, request.requestId ?? null],
      );
      const [state] = await transaction.query<{ version: number }>('select version from config_state');
      await insertAuditRequest(transaction, clock.now(), actor, request, state!.version, state!.version);
      await transaction.query(`select pg_notify('${COMMANDS_CHANNEL}', '')`);
    });
    await this.#look();
    return id;
  }

  /** Undefined for a command that nobody has given, or more than a day ago. */
  async progress(id: string): Promise<CommandProgress | undefined> {
    await this.#flush();
    const [row] = await this.#options.database.query<
      Pick<CommandProgress, 'id' | 'command' | 'vault' | 'path' | 'made_at' | 'actor' | 'control_planes'> &
        Omit<Tally, 'reasons'> & { reasons: string[][] | null }
    >(
      `select id, command, vault, path, made_at, actor, count(control_plane_id)::integer as control_planes,
         ${COUNTS.map((name) => `coalesce(sum(${name}), 0)::bigint as ${name}`).join(', ')}, jsonb_agg(reasons) as reasons
       from fleet_commands left join fleet_command_results on command_id = id where id = $1 group by id`,
      [id],
    );
    if (!row) return undefined;
    const { sent, done, refused, lost, asked, refreshed, changed, failed, reasons, ...facts } = row;
    return {
      ...facts,
      data_planes: { sent, done, refused, lost, waiting: sent - done - refused - lost },
      secrets: { asked, refreshed, changed, failed },
      reasons: [...new Set((reasons ?? []).flatMap((some) => some ?? []))].slice(0, MOST_REASONS),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
    await this.#unlisten?.().catch(() => {});
    await this.#looks.ended();
    await this.#flush();
  }

  /** Takes up what is new. Never throws: what can't be read now is read at the next poll. */
  #look(): Promise<void> {
    return this.#looks.start();
  }

  async #takeUp(): Promise<void> {
    if (this.#stopped) return;
    try {
      const recent = await this.#recent();
      for (const command of recent) this.#take(command);
      const ids = new Set(recent.map(({ id }) => id));
      for (const id of this.#taken) if (!ids.has(id)) this.#taken.delete(id);
    } catch (error) {
      this.#options.log.debug({ error: errorMessage(error) }, 'commands can not be read');
    }
  }

  #recent(): Promise<CommandRow[]> {
    return this.#options.database.query<CommandRow>(
      `select id, command, vault, paths, spread_ms, request_id from fleet_commands
       where made_at > now() - make_interval(secs => $1) order by made_at`,
      [STALE_AFTER_S],
    );
  }

  #take({ id, command, vault, paths, spread_ms, request_id }: CommandRow): void {
    if (this.#taken.has(id)) return;
    this.#taken.add(id);
    const { members, clock, log } = this.#options;
    const message: CommandMessage = {
      ...{ type: 'command', id, command, vault, spread_ms },
      ...(paths && { paths }),
      ...(request_id !== null && { request_id }),
    };
    const tally: Tally = { ...NOTHING, since: clock.monotonic(), isOwed: false, reasons: new Set() };
    for (const member of members()) {
      const answer = member.command(message);
      if (!answer) continue;
      tally.sent++;
      const late = new Promise<undefined>((resolve) => {
        const cancel = clock.after(spread_ms + ANSWER_WITHIN_MS, () => resolve(undefined));
        void answer.finally(cancel);
      });
      void Promise.race([answer, late]).then((result) => {
        count(tally, result);
        this.#writeLater(id, tally);
      });
    }
    log.info({ request_id, command, id, vault, data_planes: tally.sent }, 'a command was sent to the data planes');
    this.#writeLater(id, tally);
  }

  #writeLater(id: string, tally: Tally, delayMs = WRITE_DELAY_MS): void {
    this.#unwritten.set(id, tally);
    if (!this.#stopped) this.#cancelWrite ??= this.#options.clock.after(delayMs, () => void this.#flush());
  }

  #flush(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    const tallies = [...this.#unwritten];
    this.#unwritten.clear();
    this.#writing = this.#writing.then(() => this.#writeTallies(tallies));
    return this.#writing;
  }

  async #writeTallies(tallies: Array<[string, Tally]>): Promise<void> {
    const { database, controlPlaneId, log } = this.#options;
    for (const [id, tally] of tallies) {
      const { reasons } = tally;
      try {
        await database.query(
          `insert into fleet_command_results (command_id, control_plane_id, reasons, ${COUNTS.join(', ')})
           values ($1, $2, $3::jsonb, ${COUNTS.map((_, index) => `$${index + 4}`).join(', ')})
           on conflict (command_id, control_plane_id) do update set reasons = excluded.reasons,
             ${COUNTS.map((name) => `${name} = excluded.${name}`).join(', ')}`,
          [id, controlPlaneId, jsonbOf([...reasons]), ...COUNTS.map((name) => tally[name])],
        );
      } catch (error) {
        const level = tally.isOwed ? 'debug' : 'warn';
        tally.isOwed = true;
        log[level]({ id, error: errorMessage(error) }, "a command's results could not be written; tried again");
        // Counts go on in the same tally. After a day nobody can ask for it any more.
        if (this.#options.clock.monotonic() - tally.since < KEPT_MS) this.#writeLater(id, tally, REWRITE_DELAY_MS);
      }
    }
  }

  #poll(): void {
    this.#cancelPoll = this.#options.clock.after(POLL_MS, () => {
      void this.#look().then(() => {
        if (!this.#stopped) this.#poll();
      });
    });
  }
}

const COUNTS = ['sent', 'done', 'refused', 'lost', 'asked', 'refreshed', 'changed', 'failed'] as const;
/** What a column holds: a data plane may say that it has done any number of things. */
const MAX_COUNT = 2 ** 31 - 1;
const NOTHING = { sent: 0, done: 0, refused: 0, lost: 0, asked: 0, refreshed: 0, changed: 0, failed: 0 };

function count(tally: Tally, result: CommandResultMessage | undefined): void {
  if (!result) tally.lost++;
  else {
    tally[result.status]++;
    for (const name of ['asked', 'refreshed', 'changed', 'failed'] as const) {
      tally[name] = Math.min(MAX_COUNT, tally[name] + result[name]);
    }
    if (result.reason !== undefined && tally.reasons.size < MOST_REASONS) tally.reasons.add(result.reason);
  }
}
