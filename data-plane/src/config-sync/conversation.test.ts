import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type CommandResultMessage,
  type DataPlaneMessage,
  deltaMessage,
  snapshotMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import { diffSnapshots, type Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { FakeClock, settled } from '@vaultplane/testkit/fake-clock.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { OTHER_TIMELINE, snapshotOf, TIMELINE } from '../testing/vault-entities.ts';
import { openConfiguration, positionOf } from './configuration.ts';
import { Conversation } from './conversation.ts';

const NOTHING_DONE: Omit<CommandResultMessage, 'id'> = {
  type: 'command_result',
  status: 'done',
  asked: 0,
  refreshed: 0,
  changed: 0,
  failed: 0,
};

describe('what is said over a cluster link', () => {
  const dataDir = temporaryFolder();

  async function begin(options: { have?: Snapshot; welcome?: Snapshot } = {}) {
    const configuration = await openConfiguration({ dataDir, clock: new FakeClock(1000), log: silentLog });
    if (options.have) configuration.accept(options.have, {});
    const said: DataPlaneMessage[] = [];
    const conversation = new Conversation({
      configuration,
      identity: { nodeId: TIMELINE, hostname: 'host', programVersion: '1.2.3', labels: {} },
      log: silentLog,
      carryOut: async ({ id }) => ({ ...NOTHING_DONE, id }),
      send: (message) => said.push(message),
    });
    conversation.open();
    if (options.welcome) conversation.receive(welcomeOf(options.welcome));
    // What was said from here on.
    const answers = () => said.slice(1).filter((message) => message.type !== 'report');
    return { configuration, conversation, said, answers };
  }

  function welcomeOf(snapshot: Snapshot, defaults = {}) {
    return {
      type: 'welcome' as const,
      protocol: 1,
      control_plane_id: OTHER_TIMELINE,
      program_version: '1.2.3',
      config: positionOf(snapshot),
      defaults,
    };
  }
  const ackOf = (snapshot: Snapshot) => ({ type: 'ack', ...positionOf(snapshot) });

  it('begins with who this is, which protocols it speaks and what it has', async () => {
    const have = snapshotOf(3, ['a']);
    const { said } = await begin({ have });
    assert.deepEqual(said, [
      {
        type: 'hello',
        protocols: [1],
        node_id: TIMELINE,
        hostname: 'host',
        program_version: '1.2.3',
        config: positionOf(have),
        labels: {},
        accepts: ['command', 'compressed', 'proof'],
      },
    ]);
  });

  it('applies a snapshot, then deltas, and acknowledges each', async () => {
    const [one, two, three] = [snapshotOf(1, ['a']), snapshotOf(2, ['a', 'b']), snapshotOf(3, ['b'])];
    const { configuration, conversation, answers } = await begin({ welcome: one });
    conversation.receive(snapshotMessage(one));
    conversation.receive(deltaMessage(diffSnapshots(one, two)));
    conversation.receive(deltaMessage(diffSnapshots(two, three)));
    assert.deepEqual(answers(), [one, two, three].map(ackOf));
    assert.deepEqual(configuration.current?.snapshot, three);
    assert.equal(configuration.current?.source, 'control_plane');
  });

  it('answers a delta that does not fit with a nack, ignores those behind it, and takes the whole', async () => {
    const [one, two, three, four] = [1, 2, 3, 4].map((version) => snapshotOf(version, [`v${version}`])) as [
      Snapshot,
      Snapshot,
      Snapshot,
      Snapshot,
    ];
    const { configuration, conversation, answers } = await begin({ have: one, welcome: two });
    conversation.receive(deltaMessage(diffSnapshots(two, three)));
    conversation.receive(deltaMessage(diffSnapshots(three, four)));
    assert.deepEqual(answers(), [
      {
        type: 'nack',
        version: 3,
        reason: 'a delta from version 2 does not fit version 1',
        position: positionOf(one),
      },
    ]);
    conversation.receive(snapshotMessage(four));
    assert.deepEqual(configuration.current?.snapshot, four);
    assert.deepEqual(answers().at(-1), ackOf(four));
  });

  it('changes nothing by a snapshot whose hash is wrong, and leaves a control plane that insists on it', async () => {
    const one = snapshotOf(1, ['a']);
    const wrong = { ...snapshotOf(2, ['b']), hash: one.hash };
    const { configuration, conversation, answers } = await begin({ have: one, welcome: wrong });
    conversation.receive(snapshotMessage(wrong));
    conversation.receive(snapshotMessage(wrong));
    assert.throws(() => conversation.receive(snapshotMessage(wrong)), {
      name: 'ConversationEnded',
      message: "the control plane's configuration 2 could not be applied: the hash of version 2 is wrong",
    });
    assert.deepEqual(
      answers().map((message) => message.type),
      ['nack', 'nack', 'nack'],
    );
    assert.deepEqual(configuration.current?.snapshot, one);
  });

  it('never goes back to an older version of the same timeline', async () => {
    const [old, current] = [snapshotOf(4, ['a']), snapshotOf(5, ['a', 'b'])];
    const { configuration, conversation, answers } = await begin({ have: current, welcome: old });
    conversation.receive(snapshotMessage(old));
    conversation.receive(deltaMessage(diffSnapshots(snapshotOf(3, []), old)));
    assert.deepEqual(configuration.current?.snapshot, current);
    assert.deepEqual(answers(), [ackOf(current), ackOf(current)]);
  });

  it('takes a new timeline over, at whatever version', async () => {
    const restored = snapshotOf(2, ['a'], OTHER_TIMELINE);
    const { configuration, conversation, answers } = await begin({
      have: snapshotOf(5, ['a', 'b']),
      welcome: restored,
    });
    conversation.receive(snapshotMessage(restored));
    assert.deepEqual(configuration.current?.snapshot, restored);
    assert.deepEqual(answers(), [ackOf(restored)]);
  });

  it('confirms what the disk had when the control plane has the same, and takes its defaults', async () => {
    const have = snapshotOf(3, ['a']);
    const { configuration, conversation, answers } = await begin({ have });
    conversation.receive(welcomeOf(have, { vault_aws_region: 'eu-central-1' }));
    assert.equal(configuration.current?.source, 'control_plane');
    assert.deepEqual(configuration.current?.defaults, { vault_aws_region: 'eu-central-1' });
    assert.deepEqual(answers(), [ackOf(have)]);
  });

  it('reports only to a control plane that has welcomed it', async () => {
    const { conversation, said } = await begin();
    const report = { references: { fresh: 1, stale: 0, resurrected: 0, negative: 0 }, rejected_vaults: [] };
    conversation.report(report);
    assert.equal(said.length, 1);
    conversation.receive(welcomeOf(snapshotOf(1, [])));
    conversation.report(report);
    assert.deepEqual(said.at(-1), { type: 'report', ...report });
  });

  it('tells of references only where the control plane accepts that, and answers commands', async () => {
    const telling = { type: 'references' as const, names: [], held: [], gone: [], complete: true };
    const { conversation, answers } = await begin({ welcome: snapshotOf(1, []) });
    conversation.tell(telling);
    assert.deepEqual(answers(), []);
    const other = await begin();
    other.conversation.receive({ ...welcomeOf(snapshotOf(1, [])), accepts: ['references', 'what-is-to-come'] });
    other.conversation.tell(telling);
    assert.deepEqual(other.answers(), [telling]);
    const id = TIMELINE;
    other.conversation.receive({ type: 'command', id, command: 'refresh', vault: 'a', spread_ms: 0 });
    await settled();
    assert.deepEqual(other.answers().at(-1), { ...NOTHING_DONE, id });
  });

  it('ends when refused, or when the other side does not keep to the protocol', async () => {
    const one = snapshotOf(1, []);
    const wrong: Array<[RegExp, (conversation: Conversation) => void]> = [
      [
        /refuses this data plane: too old \(protocol\)/,
        (c) => c.receive({ type: 'refuse', code: 'protocol', reason: 'too old' }),
      ],
      [/a snapshot before its welcome/, (c) => c.receive(snapshotMessage(one))],
      [/chose protocol 9; this data plane speaks 1/, (c) => c.receive({ ...welcomeOf(one), protocol: 9 })],
      [
        /a second welcome/,
        (c) => {
          c.receive(welcomeOf(one));
          c.receive(welcomeOf(one));
        },
      ],
    ];
    for (const [message, act] of wrong) {
      const { conversation } = await begin();
      assert.throws(() => act(conversation), { name: 'ConversationEnded', message });
    }
  });
});
