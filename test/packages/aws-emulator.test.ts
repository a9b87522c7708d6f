import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { runCommand } from '../interop/command.ts';
import { pythonTools } from '../interop/python.ts';
import { nodeFolder } from './node-versions.ts';
import { missingNpm, npmEnv } from './npm.ts';
import { codeOf, output, Packed } from './packed.ts';

const ROOT = join(import.meta.dirname, '../..');
const python = await pythonTools();

interface Running {
  url: string;
  /** What a client needs in its environment. */
  env: NodeJS.ProcessEnv;
  /** Sends SIGINT, as Ctrl-C does. @returns the exit status */
  interrupt(): Promise<number>;
}

describe('@vaultplane/aws-emulator, installed from its tarball', { skip: missingNpm }, () => {
  let packed: Packed;
  const running = new Set<Running>();
  before(async () => {
    packed = await Packed.install('aws-emulator', '@vaultplane/aws-emulator');
  });
  after(async () => {
    for (const each of running) await each.interrupt();
    packed?.remove();
  });

  const program = () => join(packed.program, 'node_modules/.bin/vaultplane-aws-emulator');
  const readme = () => packed.files().get('README.md')!;

  /** Starts what prints a line of JSON once it is ready. */
  async function start(file: string, args: string[], env: NodeJS.ProcessEnv, cwd: string): Promise<Running> {
    // A group of its own, as a shell gives each command: Ctrl-C is sent to all of it.
    const child = spawn(file, args, { env, cwd, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const closed = once(child, 'close').then(([code]) => code as number);
    const early = closed.then((code) => Promise.reject(new Error(`${file} ended with ${code} before it was ready`)));
    early.catch(() => {});
    const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), early]);
    const { url, region, accessKeyId, secretAccessKey } = JSON.parse(line) as Record<string, string>;
    const started: Running = {
      url: url!,
      env: {
        ...{ ...npmEnv(), AWS_ENDPOINT_URL: url, AWS_REGION: region, AWS_DEFAULT_REGION: region },
        ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_MAX_ATTEMPTS: '1' },
        ...{
          AWS_CONFIG_FILE: '/dev/null',
          AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
          AWS_EC2_METADATA_DISABLED: 'true',
        },
        PATH: `${python.bin}:${process.env.PATH}`,
      },
      interrupt: async () => {
        running.delete(started);
        process.kill(-child.pid!, 'SIGINT');
        return closed;
      },
    };
    running.add(started);
    return started;
  }

  it('is the same, byte for byte, from each build', async () => {
    assert.deepEqual(readFileSync(await packed.again('aws-emulator')), readFileSync(packed.tarball));
  });

  it('brings no other package, no sources, no tests, and the licences of all that it bundles', () => {
    assert.deepEqual(packed.packages(), ['@vaultplane/aws-emulator']);
    const files = packed.files();
    assert.deepEqual(
      [...files.keys()].filter((path) => !/^lib\/(chunk-\w+|vaultplane-aws-emulator)\.js(\.map)?$/.test(path)).sort(),
      ['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.txt', 'package.json'],
    );
    const bundled = new Set<string>();
    for (const [path, text] of files) {
      assert.ok(!text.includes(ROOT), `${path} names a folder of this machine`);
      if (!path.endsWith('.map')) continue;
      const map = JSON.parse(text) as { sources: string[]; sourcesContent?: unknown };
      assert.equal(map.sourcesContent, undefined);
      for (const source of map.sources) {
        assert.doesNotMatch(source, /\.test\.|\/testing\/|^\.\./);
        const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source) ?? [];
        if (name !== undefined) bundled.add(name);
      }
    }
    assert.ok(bundled.has('@aws-sdk/client-secrets-manager') && bundled.has('commander'), [...bundled].join());
    for (const name of bundled) assert.match(files.get('THIRD-PARTY-NOTICES.txt')!, new RegExp(`^${name} \\d`, 'm'));
  });

  for (const major of [20, 22, 24, 26] as const) {
    const node = nodeFolder(major);
    it(`runs on Node.js ${major}, and ends on Ctrl-C`, { skip: 'missing' in node ? node.missing : false }, async () => {
      assert.ok('path' in node);
      const env = { ...npmEnv(), PATH: `${node.path}:${process.env.PATH}` };
      assert.match(await output(program(), ['--version'], env, packed.program), /^\d+\.\d+\.\d+\n$/);
      const emulator = await start(program(), ['--port', '0', '--json'], env, packed.program);
      const args = ['app/db', 'one', '--endpoint', emulator.url];
      assert.match(await output(program(), ['put', ...args], env, packed.program), /^made app\/db, version /);
      assert.equal(await emulator.interrupt(), 0);
    });
  }

  it('refuses a flag and a command that it does not have, and names the nearest', async () => {
    for (const [wrong, right] of [
      ['--sed', '--seed'],
      ['strat', 'start'],
    ] as const) {
      const { status, stderr } = await runCommand(program(), [wrong, 'x'], npmEnv());
      assert.equal(status, 2);
      assert.ok(stderr.includes(`'${wrong}'\n(Did you mean ${right}?)`), stderr);
    }
  });

  it('has the flags of its README', async () => {
    const help = await output(program(), ['--help'], npmEnv(), packed.program);
    const [, table] = /\n## Flags\n(.*?)\n\n[^|\n]/s.exec(readme())!;
    const flags = table!.match(/(?<=`)--[a-z-]+/g)!;
    assert.ok(flags.length >= 10, flags.join());
    for (const flag of flags) assert.ok(help.includes(`${flag} `), `${flag} is not in --help`);
  });

  it('begins with the seed of its README', async () => {
    const seed = packed.file('seed.json', codeOf(readme(), 'json')[0]!);
    const { url, interrupt } = await start(
      program(),
      ['--port', '0', '--json', '--seed', seed],
      npmEnv(),
      packed.program,
    );
    const get = (...args: string[]) => output(program(), ['get', ...args, '--endpoint', url], npmEnv(), packed.program);
    assert.equal(await get('app/db'), '{"password":"one"}\n');
    assert.equal(await get('app/key', '--region', 'eu-west-1', '--version-stage', 'AWSPREVIOUS'), 'old\n');
    await interrupt();
  });

  it('starts by the first command of its README, which then works', { skip: python.missing ?? false }, async () => {
    const folder = join(packed.folder, 'first');
    mkdirSync(folder);
    copyFileSync(packed.tarball, join(folder, basename(packed.tarball)));
    const [first, second] = codeOf(readme(), 'sh');
    // Another port than the usual one, which may be in use here, and the line that a program reads.
    const command = `exec ${first!.trim()} --port 0 --json`;
    const emulator = await start('sh', ['-c', command], npmEnv(), folder);
    const here = second!.replaceAll('http://127.0.0.1:4566', emulator.url);
    const printed = await output('sh', ['-ec', here], emulator.env, folder);
    assert.match(printed, /"SecretString": "\{\\"password\\":\\"one\\"\}"/);
    await emulator.interrupt();
  });

  describe('for clients of AWS', () => {
    let emulator: Running;
    before(async () => {
      emulator = await start(program(), ['--port', '0', '--json'], npmEnv(), packed.program);
    });

    it('the AWS CLI goes through the life of a secret', { skip: python.missing ?? false }, async () => {
      const run = (...args: string[]) =>
        runCommand(join(python.bin, 'aws'), [...args, '--output', 'json'], emulator.env, packed.program);
      const aws = async (...args: string[]) => {
        const { status, stdout, stderr } = await run('secretsmanager', ...args);
        assert.equal(status, 0, stderr);
        return JSON.parse(stdout);
      };
      const id = ['--secret-id', 'cli'];
      const one = await aws('create-secret', '--name', 'cli', '--secret-string', 'one');
      const two = await aws('put-secret-value', ...id, '--secret-string', 'two');
      assert.equal((await aws('get-secret-value', ...id)).SecretString, 'two');
      const back = ['--move-to-version-id', one.VersionId, '--remove-from-version-id', two.VersionId];
      await aws('update-secret-version-stage', ...id, '--version-stage', 'AWSCURRENT', ...back);
      assert.equal((await aws('get-secret-value', ...id)).SecretString, 'one');
      assert.deepEqual((await aws('describe-secret', ...id)).VersionIdsToStages[two.VersionId], ['AWSPREVIOUS']);
      assert.deepEqual(
        (await aws('list-secrets')).SecretList.map(({ Name }: { Name: string }) => Name),
        ['cli'],
      );
      await aws('delete-secret', ...id);
      assert.match(
        (await run('secretsmanager', 'get-secret-value', ...id)).stderr,
        /InvalidRequestException.*deletion/,
      );
      await aws('restore-secret', ...id);
      assert.equal((await aws('get-secret-value', ...id)).SecretString, 'one');
      await aws('delete-secret', ...id, '--force-delete-without-recovery');

      for (const [told, ...args] of [
        [/does not have RotateSecret \(rotation by a function/, 'secretsmanager', 'rotate-secret', ...id],
        [/does not have the service dynamodb/, 'dynamodb', 'list-tables'],
        [/does not have the service sns/, 'sns', 'list-topics'],
        [/does not have the service/, 'lambda', 'list-functions'],
        [
          /does not have the parameter AddReplicaRegions/,
          'secretsmanager',
          'create-secret',
          '--name',
          'r',
          '--add-replica-regions',
          'Region=eu-west-1',
        ],
      ] as const) {
        const { status, stderr } = await run(...args);
        assert.notEqual(status, 0);
        assert.match(stderr, told);
      }
    });

    it('boto3 goes through the life of a secret', { skip: python.missing ?? false }, async () => {
      const script = packed.file(
        'life.py',
        `import boto3
client = boto3.client('secretsmanager')
one = client.create_secret(Name='boto', SecretBinary=b'\\x00one')['VersionId']
two = client.put_secret_value(SecretId='boto', SecretString='two', VersionStages=['PENDING'])['VersionId']
assert client.get_secret_value(SecretId='boto')['SecretBinary'] == b'\\x00one'
client.update_secret_version_stage(SecretId='boto', VersionStage='AWSCURRENT', MoveToVersionId=two, RemoveFromVersionId=one)
assert client.get_secret_value(SecretId='boto')['SecretString'] == 'two'
stages = client.describe_secret(SecretId='boto')['VersionIdsToStages']
assert sorted(stages[two]) == ['AWSCURRENT', 'PENDING'] and stages[one] == ['AWSPREVIOUS'], stages
names = [s['Name'] for page in client.get_paginator('list_secrets').paginate() for s in page['SecretList']]
assert names == ['boto'], names
client.delete_secret(SecretId='boto', RecoveryWindowInDays=7)
try:
    client.get_secret_value(SecretId='boto')
    assert False
except client.exceptions.InvalidRequestException:
    pass
client.restore_secret(SecretId='boto')
client.delete_secret(SecretId='boto', ForceDeleteWithoutRecovery=True)
try:
    client.describe_secret(SecretId='boto')
    assert False
except client.exceptions.ResourceNotFoundException:
    print('whole')
`,
      );
      assert.equal(await output(join(python.bin, 'python'), [script], emulator.env, packed.program), 'whole\n');
    });

    it('the SDK for JavaScript goes through the life of a secret', async () => {
      const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = emulator.env;
      const client = new SecretsManagerClient({
        ...{ endpoint: emulator.url, region: AWS_REGION!, maxAttempts: 1 },
        credentials: { accessKeyId: AWS_ACCESS_KEY_ID!, secretAccessKey: AWS_SECRET_ACCESS_KEY! },
      });
      after(() => client.destroy());
      const SecretId = 'js';
      const value = async (VersionStage?: string) =>
        (await client.send(new GetSecretValueCommand({ SecretId, ...(VersionStage && { VersionStage }) })))
          .SecretString;
      const one = await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: 'one' }));
      const two = await client.send(new PutSecretValueCommand({ SecretId, SecretString: 'two' }));
      assert.deepEqual([await value(), await value('AWSPREVIOUS')], ['two', 'one']);
      const move = { MoveToVersionId: one.VersionId!, RemoveFromVersionId: two.VersionId! };
      await client.send(new UpdateSecretVersionStageCommand({ SecretId, VersionStage: 'AWSCURRENT', ...move }));
      assert.deepEqual([await value(), await value('AWSPREVIOUS')], ['one', 'two']);
      assert.equal((await client.send(new DescribeSecretCommand({ SecretId }))).Name, SecretId);
      const { SecretList } = await client.send(new ListSecretsCommand({}));
      assert.ok(SecretList?.some(({ Name }) => Name === SecretId));
      await client.send(new DeleteSecretCommand({ SecretId }));
      await assert.rejects(value(), { name: 'InvalidRequestException' });
      await client.send(new RestoreSecretCommand({ SecretId }));
      assert.equal(await value(), 'one');
      await assert.rejects(client.send(new RotateSecretCommand({ SecretId })), {
        name: 'UnknownOperationException',
        message: /^The emulator does not have RotateSecret/,
      });
      await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
    });
  });
});
