import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ABSENT_ENTITIES } from '@vaultplane/control-plane/admin-api/empty-list-routes.ts';
import { OPERATIONS } from '@vaultplane/control-plane/admin-api/openapi/operations.ts';
import { Routes } from '@vaultplane/data-plane/server/route.ts';
import { apiRoutes } from '@vaultplane/data-plane/server/routes.ts';
import { ERROR_STATUS } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { ControlPlaneMessage, DataPlaneMessage } from '@vaultplane/model/protocol/protocol.ts';
import { referenceOptions } from '@vaultplane/model/references/reference.ts';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { COMMON_FIELDS } from '@vaultplane/model/vaults/vault-type.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { SettingSpec } from '@vaultplane/platform/settings/settings.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { quoted, Specification } from './specification.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const specification = new Specification();
const sorted = (names: Iterable<string>) => [...new Set(names)].sort();
/** A path's parameters are called as they like. */
const plainPath = (call: string) => call.replaceAll(/\{[^}]*\}|:\w+/g, '{}');

/** Texts of the project, by path: sources, tests, documents, and what surrounds them. */
function* projectFiles(): Iterable<[path: string, text: string]> {
  const kinds = '{ts,mjs,js,cjs,json,md,yaml,yml,sh,conf}';
  const patterns = [`*.${kinds}`, `{control-plane,data-plane,shared,deploy,test,docs}/**/*.${kinds}`];
  const isOurs = (path: string) => !/(^|\/)(node_modules|dist)\//.test(path);
  for (const path of globSync(patterns, { cwd: ROOT, exclude: (name) => /(^|\/)node_modules$/.test(name) })) {
    if (isOurs(path)) yield [path, readFileSync(join(ROOT, path), 'utf8')];
  }
}

describe('the specification', () => {
  it('is cited by sections that it has, from everywhere', () => {
    let citations = 0;
    for (const [path, text] of projectFiles()) {
      // A citation may go on: specification.md §2 and §3.
      for (const [citation] of text.matchAll(
        /specification(?:\.md)?,? §[\d.]*\d(?:(?:,| and|, and)[\s*/]+§[\d.]*\d)*/gi,
      )) {
        for (const [, number] of citation.matchAll(/§([\d.]*\d)/g)) {
          citations++;
          assert.ok(specification.numbers.includes(number!), `${path}: ${citation}`);
        }
      }
    }
    assert.ok(citations > 70, `only ${citations} citations were found`);
  });

  it('refers to sections that it has', () => {
    for (const number of specification.numbers) {
      for (const [, other] of specification.section(number).matchAll(/§([\d.]*\d)/g)) {
        assert.ok(specification.numbers.includes(other!), `§${number} refers to §${other}`);
      }
    }
  });

  it('is the only one: nothing refers to what stands outside of the project', () => {
    const outside = new RegExp(
      String.raw`${'CON'}TRACT\.md|\.\./shared/(?:vectors|DESIGN|MOVES|hooks)|(?<!test/|\.\/|\.\.\/)${'shared'}/vectors`,
    );
    for (const [path, text] of projectFiles()) assert.doesNotMatch(text, outside, path);
  });

  it('names every file of test/vectors, and no other', () => {
    const text = specification.numbers.map((number) => specification.section(number)).join('');
    const named = [...text.matchAll(/test\/vectors\/([\w-]+\.json)/g)].map(([, name]) => name!);
    assert.deepEqual(sorted(named), readdirSync(join(ROOT, 'test/vectors')).sort());
  });

  it('has every setting, its other names, its program and its default', () => {
    const specified = specification.rows('2').map(([names, program, value]) => [quoted(names!).join(), program, value]);
    const shown = ({ default: value = undefined, filledInLater }: SettingSpec) => {
      const known = value ?? filledInLater;
      if (known === undefined || (Array.isArray(known) && known.length === 0)) return undefined;
      return typeof known === 'boolean' ? (known ? 'on' : 'off') : String(known);
    };
    const of = (key: string) =>
      [['control plane', CONTROL_PLANE_SETTINGS] as const, ['data plane', DATA_PLANE_SETTINGS] as const].flatMap(
        ([program, schema]) => {
          const spec = (schema as Record<string, SettingSpec>)[key];
          return spec ? [{ program, spec }] : [];
        },
      );
    const keys = sorted([...Object.keys(CONTROL_PLANE_SETTINGS), ...Object.keys(DATA_PLANE_SETTINGS)]);
    const wanted = keys
      .filter((key) => !key.startsWith('vault_'))
      .map((key) => {
        const having = of(key);
        const defaults = sorted(having.flatMap(({ spec }) => shown(spec) ?? []));
        return [
          [key, ...(having[0]!.spec.aliases ?? [])].join(),
          having.length === 2 ? 'both' : having[0]!.program,
          defaults,
        ];
      });
    assert.deepEqual(
      specified.map(([names, program, value]) => [names, program, quoted(value!).sort()]),
      wanted,
    );
  });

  it('has every vault type and every field of its configuration', () => {
    const specified = Object.fromEntries(
      specification.rows('5.2').map(([type, fields]) => [type, quoted(fields!).sort()]),
    );
    const common = COMMON_FIELDS.map(({ name }) => name);
    const wanted = [...VAULT_TYPES.values()].map(({ name, fields }) => {
      return [`\`${name}\``, sorted(fields.map((field) => field.name).filter((field) => !common.includes(field)))];
    });
    assert.deepEqual(specified, { 'every type': common.toSorted(), ...Object.fromEntries(wanted) });
    const reserved = /reserved name: ([^.]*)\./.exec(specification.section('5.2'))![1]!;
    assert.deepEqual(quoted(reserved).sort(), RESERVED_PREFIXES.toSorted());
  });

  it('has every option of a reference, with the types that take it', () => {
    const specified = specification
      .rows('3.2')
      .flatMap(([names, types]) => quoted(names!).map((name) => [name, types!]));
    const types = [...VAULT_TYPES.values()];
    const wanted = referenceOptions().map((option) => {
      const having = types.filter((type) => type.referenceOptions.includes(option)).map(({ name }) => name);
      return [option, having.length === types.length ? 'all' : having.join(', ')];
    });
    assert.deepEqual(Object.fromEntries(specified), Object.fromEntries(wanted));
  });

  it('has every operation of the Admin API', () => {
    assert.deepEqual(sorted(specification.calls('5').map(plainPath)), sorted(Object.keys(OPERATIONS).map(plainPath)));
    assert.ok(ABSENT_ENTITIES.length > 0 && specification.section('5').includes('do not exist here are empty'));
  });

  it('has every path of the application API', (t) => {
    const add = t.mock.method(Routes.prototype, 'add');
    apiRoutes({ clock: systemClock } as never, { route: { methods: ['GET'] } } as never);
    const added = add.mock.calls.flatMap(({ arguments: [path, { methods }] }) =>
      methods.map((method) => `${method} ${path.replace('*', '{}')}`),
    );
    assert.deepEqual(sorted(specification.calls('6').map(plainPath)), sorted(added));
  });

  it('has every message of the link, by who sends it', () => {
    const types: [Record<DataPlaneMessage['type'], true>, Record<ControlPlaneMessage['type'] | 'compressed', true>] = [
      { hello: true, ack: true, nack: true, report: true, references: true, command_result: true, renew: true },
      { welcome: true, snapshot: true, delta: true, refuse: true, command: true, renewed: true, compressed: true },
    ];
    const specified = specification.rows('8.1').map(([from, names]) => [from, quoted(names!).sort()]);
    const [dataPlane, controlPlane] = types.map((type) => Object.keys(type).sort());
    assert.deepEqual(specified, [
      ['data plane', dataPlane],
      ['control plane', controlPlane],
    ]);
  });

  it('has every error of the application API, with its status', () => {
    const specified = specification.rows('6.6').map(([code, status]) => [quoted(code!)[0]!, Number(status)]);
    assert.deepEqual(Object.fromEntries(specified), ERROR_STATUS);
  });

  describe('has every command', () => {
    const mains = {
      'vaultplane-cp': 'control-plane/src/main.ts',
      'vaultplane-dp': 'data-plane/src/main.mjs',
    } as const;
    const specified = [...specification.section('1').matchAll(/^(vaultplane-[cd]p) (.*)$/gm)].map(
      ([, program, usage]) => ({ program: program!, usage: usage! }),
    );
    const help = async (program: keyof typeof mains, ...command: string[]) => {
      const args = [join(ROOT, mains[program]), ...command, '--help'];
      return (await promisify(execFile)(process.execPath, args, { env: { ...process.env, COLUMNS: '200' } })).stdout;
    };
    /** The names of the commands that a help lists. */
    const commandsOf = (text: string) =>
      [...(text.split('Commands:\n')[1] ?? '').matchAll(/^ {2}([a-z-]+)/gm)]
        .map(([, name]) => name!)
        .filter((name) => name !== 'help');

    for (const program of Object.keys(mains) as Array<keyof typeof mains>) {
      it(`of ${program}, with its options`, async () => {
        const found = new Map<string, string>();
        for (const name of commandsOf(await help(program))) {
          const text = await help(program, name);
          const below = commandsOf(text);
          if (below.length === 0) found.set(name, text);
          for (const lower of below) found.set(`${name} ${lower}`, await help(program, name, lower));
        }
        const usages = specified.filter((one) => one.program === program).map(({ usage }) => usage);
        const nameOf = (usage: string) => [...found.keys()].find((name) => `${usage} `.startsWith(`${name} `)) ?? usage;
        assert.deepEqual(usages.map(nameOf).sort(), [...found.keys()].sort());
        for (const usage of usages) {
          const text = found.get(nameOf(usage))!;
          const known = sorted([...text.matchAll(/^ +(?:-o, )?(--[a-z-]+)/gm)].map(([, option]) => option!)).filter(
            (option) => option !== '--help' && option !== '--conf',
          );
          const named = sorted(
            [
              ...usage
                .replace(/ -- .*/, '')
                .replace(/(?<![\w-])-o\b/, '--output')
                .matchAll(/--[a-z-]+/g),
            ].map(([option]) => option),
          );
          assert.deepEqual(named, known, `${program} ${usage}`);
        }
      });
    }
  });
});
