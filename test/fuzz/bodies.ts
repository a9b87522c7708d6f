import { postgresMissing } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { type BodyRequest, type DatabaseKind, MeasuredControlPlane } from './bodies/measured-control-plane.ts';
import { HARD_BODIES, type HardBody, repeated, TYPES } from './bodies/worst-bodies.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const MAX_BYTES = 1024 * 1024;
/** What bodies are made of: what each reader has a meaning for, and what the API has. */
const PIECES =
  '{ } [ ] , : " \\ \\" \\u0000 null true 1 1e9 -0 "a" "a": "name":"aws" "name":"hcv" "prefix":"v#a" "tags":["a"] "config":{ ' +
  '"vaults":[ "_format_version":"3.0" & = + % %00 %5B tags[]=a tags[#]= config.ttl=1 config.m#= name=env config= # a é ' +
  '- ? | > * & &a *a ! !!str --- ... %YAML << <<: ~ \' @ ` {a: [a, -\\n --b --b-- content-disposition:form-data;name="a" filename="f" ' +
  'vault:// {vault://env/A} ******** arn:aws:iam::1:role/x http://a/ ../ \u0000 \ufeff \ud800';
const pieces = [...PIECES.split(' '), ' ', '\n', '\r\n', '\t', '\n  ', '\r\n\r\n', '\r\n--b\r\n'];

let controlPlanes: MeasuredControlPlane[] = [];
let routes: Array<Pick<BodyRequest, 'method' | 'path'>> = [];
/** What took longest so far, to be changed a little and tried again. */
let hardest: Array<{ request: BodyRequest; parts: Parts; blockedMs: number }> = [];
const KEPT = 20;

interface Parts {
  begin: string;
  unit: string;
  end: string;
}

/**
 * Looks for the body of up to 1 MB, of every type and for every route of the Admin API, that holds up a control plane's
 * event loop for longer than is allowed, is answered with a 5xx, or is not answered. With each database that there is.
 */
export const bodies: FuzzTarget = {
  name: 'bodies',
  inputs: 'requests',
  usual: 500,
  slice: 5,
  async attempt(seed, count) {
    if (controlPlanes.length === 0)
      controlPlanes = await Promise.all(databases().map((kind) => MeasuredControlPlane.start(kind)));
    if (routes.length === 0) routes = (await controlPlanes[0]!.routes()).filter(({ method }) => method !== 'GET');
    const random = randomNumbers(seed);
    for (let n = 0; n < count; n++) {
      const { request, parts } = nextRequest(random);
      const controlPlane = random.of(controlPlanes);
      const { status, blockedMs, allowedMs } = await controlPlane.send(request);
      hardest = [...hardest, { request, parts, blockedMs }].sort((a, b) => b.blockedMs - a.blockedMs).slice(0, KEPT);
      const told = `${controlPlane.database}: ${request.method} ${request.path} (${request.type}), ${request.body.length} characters of ${JSON.stringify(parts)}`;
      if (blockedMs > allowedMs) return `${told}: held up for ${blockedMs} ms; ${Math.round(allowedMs)} are allowed`;
      // 503: too many YAML documents at once.
      if (status !== undefined && status >= 500 && status !== 503) return `${told}: answered ${status}`;
    }
    return undefined;
  },
  async stop() {
    await Promise.all(controlPlanes.map((controlPlane) => controlPlane.stop()));
    controlPlanes = [];
    routes = [];
    hardest = [];
  },
};

function databases(): DatabaseKind[] {
  return postgresMissing() === false ? ['embedded', 'postgres'] : ['embedded'];
}

function nextRequest(random: Random): { request: BodyRequest; parts: Parts } {
  if (hardest.length > 0 && random.below(3) === 0) {
    const { request, parts } = random.of(hardest);
    const changed = { ...parts, [random.of(['begin', 'unit', 'end'] as const)]: someText(random, 4) };
    return { request: { ...request, body: bodyOf(changed, random) }, parts: changed };
  }
  const route = random.of(routes);
  if (random.below(4) === 0) {
    const known: HardBody = random.of(HARD_BODIES);
    const parts = { begin: known.name, unit: '', end: '' };
    return { request: { ...route, type: known.type, body: known.of(sizeOf(random)) }, parts };
  }
  const parts = { begin: someText(random, 6), unit: someText(random, 4), end: someText(random, 4) };
  return { request: { ...route, type: random.of(TYPES), body: bodyOf(parts, random) }, parts };
}

function bodyOf({ begin, unit, end }: Parts, random: Random): string {
  return repeated(begin, unit || 'a', end)(sizeOf(random));
}

/** Mostly all that there may be; a fault that grows with the square is seen there first. */
function sizeOf(random: Random): number {
  return random.below(3) === 0 ? 1 + random.below(MAX_BYTES) : MAX_BYTES;
}

function someText(random: Random, most: number): string {
  return Array.from({ length: random.below(most + 1) }, () => random.of(pieces)).join('');
}

interface Random {
  below: (limit: number) => number;
  of: <T>(choices: readonly T[]) => T;
}

/** The same numbers for the same seed. Source: mulberry32. */
function randomNumbers(seed: number): Random {
  let state = seed | 0;
  const below = (limit: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
  return { below, of: (choices) => choices[below(choices.length)]! };
}
