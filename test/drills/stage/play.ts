// One drill in a process of its own: `node play.ts NAME`, told to by drill-process.ts, and heard by it over IPC.
import { DRILLS } from '../drills.ts';
import type { PlayMessage } from './drill-process.ts';
import { bringUpOwnMachine, OWN_MACHINE_ENV } from './machine.ts';
import { perform } from './perform.ts';

const drill = DRILLS.find(({ name }) => name === process.argv[2]);
if (!drill || !process.send) throw new Error('this is started by npm run drill');

// Whoever started this has gone, or wants it to end: the programs that were started are ended on the way out.
process.once('disconnect', () => process.exit(1));
process.once('message', () => process.exit(1));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const tell = (message: PlayMessage) => new Promise((resolve) => process.send!(message, resolve));

if (process.env[OWN_MACHINE_ENV]) await bringUpOwnMachine();
const report = await perform(drill, (line) => void tell({ note: line }));
await tell({ report });
process.exit(0);
