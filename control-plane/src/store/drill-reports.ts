import { randomUUID } from 'node:crypto';
import type { ToldDrill } from '@vaultplane/model/protocol/drill-report.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type Actor, insertAuditRequest, type WriteRequest } from './audit-log.ts';
import type { Database } from './database.ts';
import { jsonbOf } from './jsonb.ts';

/** The last ones are kept: what was rehearsed long ago says little of today. */
export const MOST_DRILL_REPORTS = 200;

/** A told drill, with whoever told it. */
export type DrillReport = Omit<ToldDrill, 'started_at' | 'ended_at'> & {
  id: string;
  received_at: Date;
  actor: string;
  started_at: Date;
  ended_at: Date;
};

const TOLD = [
  ...(['name', 'host', 'started_at', 'ended_at', 'passed'] as const),
  ...(['lookups', 'wrong_answers', 'longest_gap_ms', 'longest_staleness_ms'] as const),
];
const COLUMNS = `id, received_at, actor, ${TOLD.join(', ')}, problems`;

/** What rehearsals of outages have shown. */
export class DrillReports {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async add(told: ToldDrill, actor: Actor, request: WriteRequest): Promise<DrillReport> {
    return this.#database.transaction(async (transaction) => {
      const [report] = await transaction.query<DrillReport>(
        `insert into drill_reports (id, actor, ${TOLD.join(', ')}, problems)
         values ($1, $2, ${TOLD.map((_, index) => `$${index + 3}`).join(', ')}, $${TOLD.length + 3}::jsonb)
         returning ${COLUMNS}`,
        [randomUUID(), actor.name, ...TOLD.map((column) => told[column]), jsonbOf(told.problems)],
      );
      await transaction.query(
        `delete from drill_reports where id in
           (select id from drill_reports order by received_at desc, id offset ${MOST_DRILL_REPORTS})`,
      );
      const [state] = await transaction.query<{ version: number }>('select version from config_state');
      await insertAuditRequest(transaction, this.#clock.now(), actor, request, state!.version, state!.version);
      return report!;
    });
  }

  /** All that are kept, the newest first. */
  list(): Promise<DrillReport[]> {
    return this.#database.query(`select ${COLUMNS} from drill_reports order by received_at desc, id`);
  }
}
