import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { noOpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import {
  type PostgresServer,
  postgresMissing,
  startPostgresServer,
} from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { noNamespaces } from '../drills/stage/machine.ts';
import { missing } from '../interop/command.ts';
import { pythonTools } from '../interop/python.ts';
import { freshCopy, ReaderMachine } from './reader-machine.ts';
import { documentPages, type ShellBlock, shellBlocksOf } from './shell-blocks.ts';
import { STAGES, type Stage } from './stages.ts';

const pages = documentPages();
const noKubectl = missing('kubectl', 'version', '--client');

describe('the shell blocks of the documents', () => {
  it('each have a page whose stage is known, or an engine that test/docker has', () => {
    for (const page of pages) {
      const blocks = shellBlocksOf(page).filter(({ needsEngine }) => !needsEngine);
      assert.equal(page in STAGES, blocks.length > 0, page);
    }
  });

  it('can be read by any shell', () => {
    for (const { page, line, text } of pages.flatMap((page) => shellBlocksOf(page))) {
      const { status, stderr } = spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' });
      assert.equal(status, 0, `${page}:${line}: ${stderr}`);
    }
  });

  it('may be left out for few reasons only, and a note must mean something', () => {
    const block = (note: string) => shellBlocksOf('page.md', `${note}\n\n\`\`\`sh\ntrue\n\`\`\`\n`);
    assert.equal(block('<!-- not run here: needs systemd -->')[0]!.needs, 'systemd');
    assert.throws(() => block('<!-- not run here: it fails -->'), /is no reason/);
    assert.throws(() => block('<!-- print: x -->'), /means nothing/);
    assert.throws(() => shellBlocksOf('page.md', '<!-- Ctrl-C -->\n'), /no block follows/);
  });

  it('are run again only where they ask and change nothing', () => {
    const isAsked = (text: string) => shellBlocksOf('page.md', `\`\`\`sh\n${text}\n\`\`\`\n`)[0]!.onlyAsks;
    assert.ok(isAsked("A=b vaultplane-dp check\ncurl --fail-with-body 'http://127.0.0.1:8001/config/versions'"));
    assert.ok(!isAsked('vaultplane-dp refresh aws-sm-vault'));
    assert.ok(!isAsked('curl --fail-with-body -X PATCH http://127.0.0.1:8001/vaults/a --data config.ttl=1'));
    assert.ok(!isAsked('vaultplane-dp status\nrm data'));
  });

  it('are run, all but a few', () => {
    const all = pages.flatMap((page) => shellBlocksOf(page));
    assert.ok(all.length > 50);
    assert.ok(all.filter(({ needs }) => needs !== null).length < all.length / 3);
  });
});

describe('a reader who copies the commands of', { skip: noNamespaces(), concurrency: 2 }, () => {
  let copy: ReturnType<typeof freshCopy>;
  let postgres: PostgresServer | undefined;
  let awsCli: { bin: string; missing?: string };
  before(async () => {
    copy = freshCopy({ setUp: true });
    [postgres, awsCli] = await Promise.all([postgresMissing() ? undefined : startPostgresServer(), pythonTools()]);
  });
  after(async () => {
    await postgres?.stop();
    copy?.remove();
  });

  it('a page has a machine of its own, where nobody else writes', async () => {
    const machines = [new ReaderMachine(copy.folder), new ReaderMachine(copy.folder)] as const;
    try {
      const mine = `/var/lib/vaultplane/of-a-reader-${process.pid}`;
      await machines[0].command(`touch ${mine} of-a-reader`);
      await machines[1].command(
        `test -d /var/lib/vaultplane && test ! -e ${mine} && test ! -e of-a-reader && test -e /opt/vaultplane/package.json`,
      );
      await machines[1].command('test -d node_modules/typescript/ && test ! -e /opt/vaultplane/of-a-reader');
      assert.ok(!existsSync(mine));
    } finally {
      await Promise.all(machines.map((machine) => machine.stop()));
    }
  });

  for (const page of pages.filter((name) => name in STAGES)) {
    const stage = STAGES[page]!;
    it(page, { skip: missingFor(stage) }, async (t) => {
      const machine = new ReaderMachine(copy.folder);
      try {
        machine.findPrograms(awsCli.bin);
        await stage.set(machine, { postgres });
        for (const block of shellBlocksOf(page)) {
          if (block.needsEngine) continue;
          const [checked, why] = asFarAs(block);
          if (why) t.diagnostic(`${page}:${block.line} is read only: ${why}`);
          else await machine.run(checked);
        }
      } finally {
        await machine.stop();
      }
    });
  }

  /** A block as far as it can be run without what it needs: its commands check what they are given, and send nothing. */
  function asFarAs(block: ShellBlock): [ShellBlock, readOnly: string | undefined] {
    const noAwsCli = /^\s*aws /m.test(block.text) ? awsCli.missing : undefined;
    switch (block.needs) {
      case null:
        return [block, noAwsCli];
      case 'an AWS account':
        return [{ ...block, text: `${AWS_WITHOUT_ACCOUNT}\n${block.text}` }, noAwsCli];
      case 'a Kubernetes cluster':
        return [{ ...block, text: `${KUBECTL_WITHOUT_CLUSTER}\n${block.text}` }, noKubectl || undefined];
      default:
        return [block, `it needs ${block.needs}`];
    }
  }
});

function missingFor({ needs }: Stage): string | false {
  switch (needs) {
    case 'postgres':
      return postgresMissing();
    case 'kustomize':
      return missing('kustomize', 'version');
    case 'openbao':
      return postgresMissing() || (noOpenBao() ?? false);
    case 'systemd':
      return missing('systemd-analyze', '--version') || missing('systemd-sysusers', '--version');
    default:
      return false;
  }
}

/** Reads what it is given, whole, and gets no further than to where AWS would be. */
const AWS_WITHOUT_ACCOUNT = `
aws() {
  local said
  said=$(AWS_MAX_ATTEMPTS=1 command aws --endpoint-url http://127.0.0.1:9 "$@" 2>&1) && return
  case $said in *'Could not connect to the endpoint URL'*) ;; *) echo "aws $*: $said"; return 1 ;; esac
}`;

/** What makes an object makes it here only; what applies a folder builds it; what asks a cluster is only read. */
const KUBECTL_WITHOUT_CLUSTER = `
kubectl() {
  # What stands behind -- is a command of the container's.
  local asked="$* "
  case " \${asked%% -- *} " in
    *" create "*) command kubectl "$@" --dry-run=client --output=yaml ;;
    *" apply --kustomize "*) command kubectl kustomize "\${@: -1}" ;;
    *) local args=() arg
       for arg; do [ "$arg" = -- ] && break; args+=("$arg"); done
       command kubectl "\${args[@]}" --help > /dev/null ;;
  esac
}
kill() { :; }
curl() { :; }`;
