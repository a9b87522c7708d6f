import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openBaoBinary } from '@vaultplane/backends/testing/open-bao-binary.ts';
import type { PostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import type { ReaderMachine } from './reader-machine.ts';
import { shellBlocksOf } from './shell-blocks.ts';

/** What a page takes for granted of its reader's machine. */
export interface Stage {
  needs?: 'postgres' | 'kustomize' | 'systemd' | 'openbao';
  /** Puts it there, before the first block. */
  set: (machine: ReaderMachine, given: { postgres: PostgresServer | undefined }) => void | Promise<void>;
}

const AWS = '127.0.0.1:4577';
const GOOGLE = '127.0.0.1:4578';
const REGION = 'us-east-1';
/** The keys of the emulator's own, and of a user that has no more than the policy of docs/how-to/aws-iam.md. */
const ADMIN = {
  AWS_ACCESS_KEY_ID: 'AKIAEMULATORADMIN000',
  AWS_SECRET_ACCESS_KEY: 'emulator-secret-key-that-opens-nothing-real',
};
const SHOP = {
  AWS_ACCESS_KEY_ID: 'AKIASHOP000000000000',
  AWS_SECRET_ACCESS_KEY: 'shop-secret-key-that-opens-nothing-real',
};
const ETC = '/etc/vaultplane';

/** By the page. A page that is not here has no shell blocks, or none that are run outside of containers. */
export const STAGES: Record<string, Stage> = {
  'README.md': {
    set: async (machine) => {
      await startAws(machine);
      machine.set({ AWS_ENDPOINT_URL: `http://${AWS}`, AWS_DEFAULT_REGION: REGION, ...ADMIN });
      // The reader's own: an application, and an init system that is told to reload it.
      machine.install('systemctl', '#!/bin/sh\necho "reloaded $2"\n');
      await machine.command(
        `printf '#!/bin/sh\\ntest -n "$PGPASSWORD" && echo the app runs\\nexec sleep 1000\\n' > app; chmod +x app`,
      );
    },
  },
  'docs/upgrading.md': services({ keyring: true }),
  'docs/contributing/releasing.md': {
    // A maintainer's clone, where a copy of the project has no history.
    set: async (machine) => {
      await machine.command(
        'git init --quiet --initial-branch main && git add --all && git -c user.name=x -c user.email=x commit --quiet --message x',
      );
    },
  },
  'docs/how-to/aws-iam.md': services({ credentials: SHOP }),
  'docs/how-to/backup.md': services(),
  'docs/how-to/certificates.md': services(),
  'docs/how-to/gcp.md': services({ google: true }),
  'docs/how-to/hashicorp-vault.md': withOpenBao(services()),
  'docs/how-to/kubernetes.md': { needs: 'kustomize', set: usePrograms },
  'docs/how-to/migrate.md': services(),
  'docs/how-to/outages.md': services(),
  'docs/how-to/proxies.md': { set: () => {} },
  'docs/how-to/systemd.md': { needs: 'systemd', set: () => {} },
};

/** A machine with a control plane on Postgres and a data plane as services, with the vault aws-sm-vault in use. */
function services({ credentials = ADMIN, keyring = false, google = false } = {}): Stage {
  return {
    needs: 'postgres',
    set: async (machine, { postgres }) => {
      usePrograms(machine);
      await startAws(machine);
      const database = await postgres!.createDatabase();
      machine.set({
        PGHOST: postgres!.socketDirectory,
        PGPORT: String(postgres!.port),
        PGUSER: postgres!.user,
        PGDATABASE: database,
      });
      const settings = {
        database: 'postgres',
        pg_host: postgres!.socketDirectory,
        pg_port: postgres!.port,
        pg_user: postgres!.user,
        pg_database: database,
        cluster_cert: `${ETC}/cluster.crt`,
        cluster_cert_key: `${ETC}/cluster.key`,
        api_token_file: `${ETC}/api-token`,
        vault_aws_region: REGION,
        vault_aws_endpoint_url: `http://${AWS}`,
        ...(google && { vault_gcp_endpoint_url: `http://${GOOGLE}` }),
        ...(keyring && { keyring_key_file: `${ETC}/keyring.key` }),
      };
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
      if (google) await startGoogle(machine);
      const aws = {
        AWS_ENDPOINT_URL: `http://${AWS}`,
        AWS_REGION: REGION,
        AWS_DEFAULT_REGION: REGION,
        ...credentials,
        ...(google && { GCE_METADATA_HOST: GOOGLE }),
      };
      machine.install('systemctl', serviceCommand(machine, aws));
      const secret = credentials === SHOP ? 'shop/db/password' : 'secret-name/foo';
      await machine.command(`
        useradd --system vaultplane
        mkdir -p ${ETC} /var/lib/vaultplane
        printf '%s\\n' '${lines.join("' '")}' > ${ETC}/vaultplane.conf
        umask 077
        openssl rand -hex 32 > ${ETC}/api-token
        openssl rand -hex 32 > ${ETC}/keyring.key
        vaultplane-cp certs create --out ${ETC}
        systemctl start vaultplane-cp
        curl --fail-with-body --silent -X PUT http://127.0.0.1:8001/vaults/aws-sm-vault --data name=aws --data config.region=${REGION}
        systemctl start vaultplane-dp
        vaultplane-dp get '{vault://aws-sm-vault/${secret}}'`);
      // What the reader of a machine with a data plane has in the shell beside it: the data plane's own AWS.
      machine.set(aws);
    },
  };
}

/** Beside the services an OpenBao in development mode, and its command. */
function withOpenBao({ set }: Stage): Stage {
  return {
    needs: 'openbao',
    set: async (machine, given) => {
      await set(machine, given);
      const bao = openBaoBinary() as { path: string };
      machine.findPrograms(dirname(bao.path));
      const token = 'root-token-of-the-reader';
      machine.set({ BAO_ADDR: 'http://127.0.0.1:8200', BAO_TOKEN: token });
      await machine.background(`exec bao server -dev -dev-no-store-token -dev-root-token-id=${token}`, 'Root Token: ');
    },
  };
}

/** As the README's line for every shell. */
function usePrograms(machine: ReaderMachine): void {
  machine.findPrograms(join(machine.folder, 'node_modules/.bin'));
}

async function startAws(machine: ReaderMachine): Promise<void> {
  const blocks = shellBlocksOf('docs/how-to/aws-iam.md');
  /** The policy that a block of the page writes. */
  const policyOf = (block: number | string): { Statement: object[] } => {
    const { text } =
      typeof block === 'number' ? blocks[block]! : blocks.find((one) => one.text.includes(`> ${block} `))!;
    return JSON.parse(/<<'END'\n([\s\S]*?)\nEND\n/.exec(text)![1]!);
  };
  const seed = {
    secrets: [
      ...(JSON.parse(readFileSync(join(machine.folder, 'deploy/local/secrets.json'), 'utf8')) as { secrets: object[] })
        .secrets,
      { region: REGION, name: 'db/app', value: { password: 'one' } },
      { region: REGION, name: 'shop/db', value: { password: 'two' } },
    ],
    principals: [
      {
        name: 'shop',
        accessKeyId: SHOP.AWS_ACCESS_KEY_ID,
        secretAccessKey: SHOP.AWS_SECRET_ACCESS_KEY,
        policy: {
          ...policyOf(0),
          Statement: [...policyOf(0).Statement, ...policyOf('assume-payments.json').Statement],
        },
      },
    ],
    // The other account's side of "Other accounts".
    roles: [
      {
        arn: 'arn:aws:iam::210987654321:role/payments-secrets',
        trust: { principals: ['arn:aws:iam::123456789012:user/shop'] },
        policy: { Version: '2012-10-17', Statement: [] },
      },
    ],
  };
  machine.install('seed.json', JSON.stringify(seed));
  await machine.background(
    `exec node_modules/.bin/vaultplane-aws-emulator start --listen ${AWS} --seed ${machine.own}/bin/seed.json`,
    AWS,
  );
}

async function startGoogle(machine: ReaderMachine): Promise<void> {
  machine.install('google.json', JSON.stringify({ secrets: [{ name: 'db', value: { password: 'three' } }] }));
  await machine.background(
    `exec node_modules/.bin/vaultplane-gcp-emulator start --listen ${GOOGLE} --seed ${machine.own}/bin/google.json`,
    GOOGLE,
  );
}

/** Starts and stops the two programs as their units would; systemd itself runs on no machine of a test's own. */
function serviceCommand({ own, folder }: ReaderMachine, aws: Record<string, string>): string {
  const variables = Object.entries(aws).map(([name, value]) => `${name}=${value}`);
  return `#!/bin/bash
set -eu
action=$1; unit=$2
pidfile=${own}/$unit.pid
case $unit in
  vaultplane-cp) ready=http://127.0.0.1:8107/status/ready data=/var/lib/vaultplane/cp ;;
  vaultplane-dp) ready=http://127.0.0.1:8007/status/ready data=/var/lib/vaultplane/dp ;;
esac
stop() {
  [ -e $pidfile ] || return 0
  pid=$(cat $pidfile); rm $pidfile
  kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done
}
start() {
  cd ${folder}
  env -i PATH="$PATH" HOME="$HOME" ${variables.join(' ')} VAULTPLANE_DATA_DIR=$data setsid node_modules/.bin/$unit start >> ${own}/$unit.log 2>&1 < /dev/null &
  echo $! > $pidfile
  for _ in $(seq 300); do
    curl --fail --silent --output /dev/null $ready && return
    kill -0 $(cat $pidfile) || break
    sleep 0.1
  done
  tail -3 ${own}/$unit.log >&2; exit 1
}
case $action in
  start) start ;; stop) stop ;; restart) stop; start ;;
  *) echo "systemctl $action is not on this stage" >&2; exit 1 ;;
esac
`;
}
