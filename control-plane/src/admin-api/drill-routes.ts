import { LONGEST_PROBLEM, MOST_PROBLEMS, type ToldDrill } from '@vaultplane/model/protocol/drill-report.ts';
import type { FastifyInstance } from 'fastify';
import type { DrillReports } from '../store/drill-reports.ts';
import { invalidOptions } from './kong-error.ts';
import { entityOf } from './request-body.ts';
import { resource, writeRequest } from './resources.ts';
import { unknownField } from './unknown-fields.ts';

type Check = (value: unknown) => string | undefined;

const FIELDS: Record<keyof ToldDrill, Check> = {
  name: (value) => wrongUnless(isText(value, /^[a-z0-9][a-z0-9-]{0,63}$/), 'must be small letters, digits and -'),
  host: (value) => wrongUnless(value === null || isText(value, /^[^\p{C}]{1,255}$/u), 'must be a name'),
  started_at: isTime,
  ended_at: isTime,
  passed: (value) => wrongUnless(typeof value === 'boolean', 'must be true or false'),
  lookups: isCount,
  wrong_answers: isCount,
  longest_gap_ms: isCount,
  longest_staleness_ms: isCount,
  problems: (value) =>
    wrongUnless(
      Array.isArray(value) &&
        value.length <= MOST_PROBLEMS &&
        value.every((text) => isText(text, /\S/) && text.length <= LONGEST_PROBLEM && !text.includes('\0')),
      `must be at most ${MOST_PROBLEMS} texts of at most ${LONGEST_PROBLEM} characters`,
    ),
};
const ABSENT: Partial<ToldDrill> = {
  ...{ host: null, lookups: null, wrong_answers: null, longest_gap_ms: null, longest_staleness_ms: null },
  problems: [],
};

/** /drills, beyond Kong: what rehearsed outages have shown, told by `vaultplane-dp drill` and `npm run drill`. */
export function drillRoutes(app: FastifyInstance, drills: DrillReports): void {
  resource(app, '/drills', {
    GET: async () => ({ data: await drills.list(), next: null }),
    POST: async (request, reply) => {
      const told = toldDrill(entityOf(request.body));
      reply.code(201);
      return drills.add(told, request.actor, writeRequest(request, 201));
    },
  });
}

/** @throws KongError naming each field that is wrong */
function toldDrill(given: Record<string, unknown>): ToldDrill {
  const told = { ...ABSENT, ...given };
  const wrong: Record<string, string> = {};
  for (const name of Object.keys(given))
    if (!Object.hasOwn(FIELDS, name)) wrong[name] = unknownField(name, Object.keys(FIELDS));
  for (const [name, check] of Object.entries(FIELDS)) {
    const problem = check(told[name as keyof ToldDrill]);
    if (problem !== undefined) wrong[name] = problem;
  }
  if (wrong.ended_at === undefined && Date.parse(told.ended_at as string) < Date.parse(told.started_at as string)) {
    wrong.ended_at = 'must not be before started_at';
  }
  if (Object.keys(wrong).length > 0) throw invalidOptions(wrong);
  return told as ToldDrill;
}

function wrongUnless(isRight: boolean, problem: string): string | undefined {
  return isRight ? undefined : problem;
}

function isText(value: unknown, form: RegExp): value is string {
  return typeof value === 'string' && form.test(value);
}

function isTime(value: unknown): string | undefined {
  const isRight = isText(value, /^\d{4}-\d\d-\d\dT\d\d:\d\d/) && Number.isFinite(Date.parse(value));
  return wrongUnless(isRight, 'must be a time as in ISO 8601');
}

function isCount(value: unknown): string | undefined {
  const isRight = value === null || (Number.isSafeInteger(value) && (value as number) >= 0);
  return wrongUnless(isRight, 'must be a whole number from 0 on, or null');
}
