import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { freshCopy, ReaderMachine } from '../docs/reader-machine.ts';
import { documentPages, shellBlocksOf } from '../docs/shell-blocks.ts';
import { noNamespaces } from '../drills/stage/machine.ts';
import { tryCommand } from './command.ts';
import type { Engine } from './engine.ts';

const pages = documentPages().filter((page) => shellBlocksOf(page).some(({ needsEngine }) => needsEngine));

/** Every block of the documents that speaks to an engine, as written, from a fresh copy of the project. */
export function tutorialSuite(given: () => { engine: Engine; env: NodeJS.ProcessEnv }): void {
  describe('a stranger with Docker who copies the commands of', { skip: noNamespaces() }, () => {
    let copy: ReturnType<typeof freshCopy>;
    before(() => {
      copy = freshCopy({ setUp: false });
    });
    after(() => copy?.remove());

    for (const page of pages) {
      it(`${page} sees a secret rotate in a running container`, async () => {
        const { engine, env } = given();
        const machine = new ReaderMachine(copy.folder);
        const printed: string[] = [];
        try {
          machine.set({ ...(env as Record<string, string>), DOCKER_HOST: engine.env.DOCKER_HOST ?? '' });
          machine.set({ COMPOSE_PROJECT_NAME: 'vaultplane-reader', ADMIN_PORT_1: '0', ADMIN_PORT_2: '0' });
          // "with docker-compose 1.29 or later the same, with a hyphen"
          if ((await tryCommand('docker', ['compose', 'version'])).status !== 0)
            machine.install('docker', WITH_A_HYPHEN);
          for (const block of shellBlocksOf(page)) if (block.needsEngine) printed.push(await machine.run(block));
          assert.match(printed.join(''), /ROTATED/);
        } finally {
          await machine.command('docker compose -f deploy/compose.yaml down --volumes').finally(() => machine.stop());
        }
      });
    }
  });
}

const WITH_A_HYPHEN = `#!/bin/bash
if [ "$1" = compose ]; then shift; exec docker-compose "$@"; fi
PATH=\${PATH#*:} exec docker "$@"
`;
