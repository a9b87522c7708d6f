import { SpecError } from './spec-error.ts';

/** One rule. `resources` are patterns (`*`, `?`) over secret names, or over ARNs when they begin with `arn:`. */
export type Statement = {
  effect: 'allow' | 'deny';
  /** `secretsmanager:GetSecretValue`, `secretsmanager:*`, `*`; case does not matter. */
  actions: string[];
  /** All resources when absent. */
  resources?: string[];
  /** All regions when absent; patterns too (`eu-*`). */
  regions?: string[];
};

export type Resource = { name: string; arn: string };
export type Verdict = 'allow' | 'deny' | 'none';

/** IAM's order: an explicit deny wins, then any allow, and nothing said is `none`. */
export function decide(policy: Statement[], action: string, resource: Resource, region: string): Verdict {
  let verdict: Verdict = 'none';
  for (const statement of policy) {
    if (!statement.actions.some((pattern) => matchesPattern(pattern.toLowerCase(), action.toLowerCase()))) continue;
    if (statement.regions && !statement.regions.some((pattern) => matchesPattern(pattern, region))) continue;
    const covered = (statement.resources ?? ['*']).some((pattern) =>
      matchesPattern(pattern, pattern.startsWith('arn:') ? resource.arn : resource.name),
    );
    if (!covered) continue;
    if (statement.effect === 'deny') return 'deny';
    verdict = 'allow';
  }
  return verdict;
}

/** `*` stands for any run of characters, `?` for one. */
export function matchesPattern(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

/**
 * Takes a policy in either form: a list of `Statement`, or an IAM policy document
 * (`{"Version", "Statement": [{"Effect", "Action", "Resource", "Condition"}]}`, of whose conditions only
 * `StringEquals`/`StringLike` on `aws:RequestedRegion` is known). Throws SpecError for anything else, so that a
 * typing error can't silently widen a policy.
 */
export function parsePolicy(json: unknown): Statement[] {
  if (Array.isArray(json)) return json.map(parseStatement);
  if (isObject(json) && 'Statement' in json) {
    const statements = Array.isArray(json.Statement) ? json.Statement : [json.Statement];
    return statements.map(fromIamStatement);
  }
  throw new SpecError('a policy is a list of {effect, actions, resources?, regions?} or an IAM policy document');
}

function parseStatement(json: unknown): Statement {
  if (!isObject(json)) throw new SpecError('a policy statement is an object');
  const { effect, actions, resources, regions, ...rest } = json;
  const surplus = Object.keys(rest);
  if (surplus.length > 0) throw new SpecError(`unknown member of a policy statement: ${surplus.join(', ')}`);
  if (effect !== 'allow' && effect !== 'deny') throw new SpecError("a statement's effect is 'allow' or 'deny'");
  const statement: Statement = { effect, actions: strings(actions, 'actions') };
  for (const action of statement.actions) {
    if (action !== '*' && !/^[a-z0-9]+:[A-Za-z*?]+$/.test(action)) {
      throw new SpecError(`an action looks like secretsmanager:GetSecretValue, not ${JSON.stringify(action)}`);
    }
  }
  if (resources !== undefined) statement.resources = strings(resources, 'resources');
  if (regions !== undefined) statement.regions = strings(regions, 'regions');
  return statement;
}

function fromIamStatement(json: unknown): Statement {
  if (!isObject(json)) throw new SpecError('a policy statement is an object');
  const { Sid: _sid, Effect, Action, Resource, Condition, ...rest } = json;
  const surplus = Object.keys(rest);
  if (surplus.length > 0) throw new SpecError(`the emulator does not know the policy element ${surplus.join(', ')}`);
  const list = (value: unknown) => (Array.isArray(value) ? value : [value]);
  const statement = parseStatement({
    effect: Effect === 'Allow' ? 'allow' : Effect === 'Deny' ? 'deny' : Effect,
    actions: list(Action),
    resources: list(Resource),
  });
  if (Condition !== undefined) statement.regions = regionsOf(Condition);
  return statement;
}

function regionsOf(condition: unknown): string[] {
  const unknown = new SpecError(
    'the only condition that the emulator knows is StringEquals or StringLike on aws:RequestedRegion',
  );
  if (!isObject(condition) || Object.keys(condition).length !== 1) throw unknown;
  const keys = condition.StringEquals ?? condition.StringLike;
  if (!isObject(keys) || Object.keys(keys).length !== 1) throw unknown;
  const regions = keys['aws:RequestedRegion'];
  if (regions === undefined) throw unknown;
  return strings(Array.isArray(regions) ? regions : [regions], 'aws:RequestedRegion');
}

function strings(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every((item) => typeof item === 'string')) {
    throw new SpecError(`${what} must be a list of at least one string`);
  }
  return value;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
